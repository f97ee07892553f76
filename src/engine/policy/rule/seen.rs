//! What is seen of a request, in every way in which it may be read.

use std::cell::OnceCell;

use crate::policy::rule::host::Authority;
use crate::policy::rule::method::Method;
use crate::request::head::RequestHead;
use crate::request::matching::Matching;
use crate::request::path::NormalPath;

/// A request to match. Its parts are read only when they are needed.
#[derive(Debug)]
pub struct Seen<'a> {
    pub(super) head: RequestHead<'a>,
    /// `None` if the request has no path (CONNECT, `OPTIONS *`), or if no rule matches paths.
    pub(crate) path: Option<&'a NormalPath>,
    matching: Matching,
    method: OnceCell<Method<'a>>,
    authority: OnceCell<Option<Authority<'a>>>,
}

impl<'a> Seen<'a> {
    /// A request as it came.
    #[inline]
    pub fn new(head: RequestHead<'a>, path: Option<&'a NormalPath>, matching: Matching) -> Self {
        Self { head, path, matching, method: OnceCell::new(), authority: OnceCell::new() }
    }

    /// The request target.
    #[inline]
    pub(crate) fn target(&self) -> &'a [u8] {
        self.head.path()
    }

    #[inline]
    pub(super) fn method(&self) -> &Method<'a> {
        self.method.get_or_init(|| Method::read(self.head, self.matching))
    }

    /// Whether every reader reads the method that is there.
    #[inline]
    pub(crate) fn has_one_method(&self) -> bool {
        self.method().is_sure()
    }

    /// `None`: it cannot be read.
    #[inline]
    pub(crate) fn authority(&self) -> Option<&Authority<'a>> {
        self.authority.get_or_init(|| Authority::read(self.head, self.matching.host_port)).as_ref()
    }
}
