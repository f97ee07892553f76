//! What is seen of a request, in every way in which it may be read.

use std::cell::OnceCell;

use crate::policy::rule::host::Authority;
use crate::policy::rule::method::Method;
use crate::request::head::RequestHead;
use crate::request::matching::Matching;
use crate::request::path::NormalPath;

/// A request that is to be matched. Its parts are read when somebody looks at them.
#[derive(Debug)]
pub struct Seen<'a> {
    pub(super) head: RequestHead<'a>,
    /// `None` where the request has none (CONNECT, `OPTIONS *`), or nobody looks at paths.
    pub(crate) path: Option<&'a NormalPath>,
    matching: Matching,
    method: OnceCell<Method<'a>>,
    authority: OnceCell<Option<Authority<'a>>>,
}

impl<'a> Seen<'a> {
    /// A request as it came.
    pub fn new(head: RequestHead<'a>, path: Option<&'a NormalPath>, matching: Matching) -> Self {
        Self { head, path, matching, method: OnceCell::new(), authority: OnceCell::new() }
    }

    /// The request target.
    pub(crate) fn target(&self) -> &'a [u8] {
        self.head.path()
    }

    pub(super) fn method(&self) -> &Method<'a> {
        self.method.get_or_init(|| Method::read(self.head, self.matching))
    }

    /// Whether nobody reads another method than the one that is there.
    pub(crate) fn has_one_method(&self) -> bool {
        self.method().is_sure()
    }

    /// `None`: it cannot be read.
    pub(crate) fn authority(&self) -> Option<&Authority<'a>> {
        self.authority.get_or_init(|| Authority::read(self.head, self.matching.host_port)).as_ref()
    }
}
