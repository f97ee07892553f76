//! `matching`: how requests are read that others may read otherwise.

use crate::keys;
use crate::keys::words::{HostPort, MethodOverride};
use crate::parse::node::Node;
use tollgate_engine::request::matching::{Matching, Reading};

#[inline(never)]
pub(super) fn parse(matching: &Node<'_, keys::Matching>) -> Matching {
    Matching {
        path_parameters: matching.get(keys::Matching::PATH_PARAMETERS),
        host_port: match matching.get(keys::Matching::HOST_PORT) {
            HostPort::Both => Reading::Refuse,
            HostPort::Ignore => Reading::Ignore,
            HostPort::Literal => Reading::Literal,
        },
        ignores_method_override: matching.get(keys::Matching::METHOD_OVERRIDE) == MethodOverride::Ignore,
    }
}
