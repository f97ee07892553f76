//! `matching`: how requests are read that others may read otherwise.

use crate::config::parse::node::Node;
use crate::request::matching::{Matching, Reading};

#[inline(never)]
pub(super) fn parse(matching: &Node<'_>) -> Matching {
    Matching {
        path_parameters: reading(&matching.key("path_parameters")),
        host_port: reading(&matching.key("host_port")),
        ignores_method_override: matching.key("method_override").text() == "ignore",
    }
}

fn reading(word: &Node<'_>) -> Reading {
    match word.text() {
        "ignore" => Reading::Ignore,
        "literal" => Reading::Literal,
        _ => Reading::Refuse,
    }
}
