//! The host calls and callbacks of the module: what Envoy has to allow, and all that it has to allow.
//!
//! `src/filter/capabilities` has one on each line. A test of ring 3 compares it with the built module.

/// Their names, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    include_str!("../../filter/capabilities").lines()
}

/// A plugin's `capability_restriction_config`.
pub(crate) fn yaml() -> String {
    let mut text = "capability_restriction_config:\n  allowed_capabilities: {".to_owned();
    let mut line = String::new();
    for name in names() {
        let part = format!("{name}: {{}}, ");
        if line.len().saturating_add(part.len()) > WIDTH {
            text.extend(["\n    ", line.trim_end()]);
            line.clear();
        }
        line.push_str(&part);
    }
    text.extend(["\n    ", line.trim_end_matches(", "), "}\n"]);
    text
}

const WIDTH: usize = 110;
