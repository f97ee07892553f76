//! YAML errors in plain words.

use std::collections::BTreeMap;

use crate::kit::find::located::{Located, Unreadable};

/// The plain words for a message of the YAML reader.
pub(super) fn of(message: &str) -> String {
    let known = WORDS.iter().find(|(sign, _)| message.contains(sign));
    known.map_or_else(|| message.to_owned(), |(_, words)| (*words).to_owned())
}

/// By a part of the message.
const WORDS: [(&str, &str); 16] = [
    ("unknown anchor", "there is no anchor of this name above: an alias (`*name`) needs one (`&name`)"),
    ("unexpected character", "text cannot begin with this character: put the text in quotes"),
    ("unclosed bracket", "this bracket is not closed"),
    ("unclosed quote", "this quote is not closed"),
    ("expected string scalar", "expected text as a key"),
    ("did not find expected ',' or '}'", "expected `,` or `}`: a `{` above is not closed"),
    ("did not find expected ',' or ']'", "expected `,` or `]`: a `[` above is not closed"),
    ("did not find expected key", "this line is indented differently from the keys that it belongs to"),
    ("did not find expected '-' indicator", "expected `- `: the lines above it are entries of a list"),
    ("found a tab", "there is a tab: YAML is indented with spaces"),
    ("tabs", "there is a tab: YAML is indented with spaces"),
    (
        "mapping values are not allowed",
        "a `: ` too many: put text that contains it in quotes, or check the indentation of this line",
    ),
    ("non-finite float", "the number is too large"),
    ("invalid !!binary", "expected base64 after !!binary"),
    ("multiple documents", "expected one document"),
    ("invalid indentation", "this line is indented differently from those that it belongs to"),
];

/// The first duplicate key of an object.
pub(super) fn twice(part: &Located) -> Option<Unreadable> {
    let mut seen = BTreeMap::new();
    for member in part.members() {
        if let Some(first) = seen.insert(member.key.as_str(), member.at.line) {
            let why = format!("`{}` is here twice; the first is at line {first}", member.key);
            return Some(Unreadable { at: member.at, why: crate::kit::printable::printable(&why) });
        }
    }
    part.items().iter().chain(part.members().iter().map(|member| &member.value)).find_map(twice)
}
