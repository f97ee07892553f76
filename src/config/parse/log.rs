//! `log`: what access logs, traces and later filters are told.

use crate::keys;
use crate::parse::Context;
use crate::parse::node::Node;
use tollgate_engine::policy::log::LogField;

/// Its fields, each of them once.
#[inline(never)]
pub(super) fn parse(log: &Node<'_, keys::Log>, context: &mut Context<'_>) -> Vec<LogField> {
    let fields = log.at(keys::Log::FIELDS);
    context.no_duplicates(&fields);
    fields.read()
}
