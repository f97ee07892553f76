//! What is required of `authorization_details` ([RFC 9396]).
//!
//! [RFC 9396]: https://www.rfc-editor.org/rfc/rfc9396

use serde_json::{Map, Value};

/// One entry of `requires.authorization_details`. One entry of the token must have all of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DetailRequirement {
    /// Its `type` ([RFC 9396 §2]).
    ///
    /// [RFC 9396 §2]: https://www.rfc-editor.org/rfc/rfc9396#section-2
    pub kind: String,
    /// Its `identifier`; `None`: not checked.
    pub identifier: Option<String>,
    /// By the name of a common field ([RFC 9396 §2.2]), what the field must hold, all of it.
    ///
    /// [RFC 9396 §2.2]: https://www.rfc-editor.org/rfc/rfc9396#section-2.2
    pub lists: Vec<(&'static str, Vec<String>)>,
}

/// The common fields that are lists of strings.
pub const LISTS: [&str; 4] = ["locations", "actions", "datatypes", "privileges"];

impl DetailRequirement {
    /// Whether one of the entries satisfies this. `is_here` decides which `locations` mean this API. An entry
    /// for other places grants nothing here, unless the requirement itself names places.
    pub fn is_met_by(&self, details: Option<&Value>, is_here: &dyn Fn(&str) -> bool) -> bool {
        let entries = details.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter_map(Value::as_object).any(|entry| self.is_met_by_one(entry, is_here))
    }

    fn is_met_by_one(&self, entry: &Map<String, Value>, is_here: &dyn Fn(&str) -> bool) -> bool {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let is_malformed = LISTS.iter().any(|name| entry.contains_key(*name) && texts(entry, name).is_none())
            || entry.contains_key("identifier") && text("identifier").is_none();
        if is_malformed || text("type") != Some(&self.kind) {
            return false;
        }
        if self.identifier.is_some() && self.identifier.as_deref() != text("identifier") {
            return false;
        }
        let names_places = self.lists.iter().any(|(name, _)| *name == "locations");
        if let (Some(places), false) = (texts(entry, "locations"), names_places)
            && !places.iter().any(|place| is_here(place))
        {
            return false;
        }
        self.lists.iter().all(|(name, wanted)| {
            let held = texts(entry, name).unwrap_or_default();
            wanted.iter().all(|text| held.contains(&text.as_str()))
        })
    }
}

/// A list of strings and nothing else.
fn texts<'a>(entry: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    entry.get(name)?.as_array()?.iter().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::DetailRequirement;
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_an_entry_must_have() {
        let pay = |lists: &[(&'static str, &str)]| DetailRequirement {
            kind: "pay".to_owned(),
            identifier: None,
            lists: lists.iter().map(|(name, text)| (*name, vec![(*text).to_owned()])).collect(),
        };
        let account = DetailRequirement { identifier: Some("a-1".to_owned()), ..pay(&[]) };
        #[rustfmt::skip]
        let cases = [
            ("RAR-01 the type",                        pay(&[]), json!([{"type": "pay"}]), true),
            ("RAR-01 another type",                    pay(&[]), json!([{"type": "Pay"}]), false),
            ("RAR-01 one of several",                  pay(&[]), json!([{"type": "see"}, {"type": "pay"}]), true),
            ("RAR-02 no type",                         pay(&[]), json!([{"actions": ["pay"]}]), false),
            ("RAR-02 a type of another kind",          pay(&[]), json!([{"type": ["pay"]}]), false),
            ("RAR-02 no array",                        pay(&[]), json!({"type": "pay"}), false),
            ("RAR-02 text",                            pay(&[]), json!("[{\"type\":\"pay\"}]"), false),
            ("RAR-02 an entry that is no object",      pay(&[]), json!(["pay", null, {"type": "pay"}]), true),
            ("RAR-03 an action",                       pay(&[("actions", "begin")]), json!([{"type": "pay", "actions": ["end", "begin"]}]), true),
            ("RAR-03 not among the actions",           pay(&[("actions", "begin")]), json!([{"type": "pay", "actions": ["end"]}]), false),
            ("RAR-03 actions as text",                 pay(&[("actions", "begin")]), json!([{"type": "pay", "actions": "begin"}]), false),
            ("RAR-03 a field of the wrong type spoils", pay(&[]), json!([{"type": "pay", "datatypes": "all"}]), false),
            ("RAR-03 a list with something else",      pay(&[]), json!([{"type": "pay", "privileges": ["a", 1]}]), false),
            ("RAR-03 parts in two entries",            pay(&[("actions", "begin"), ("locations", "https://a")]),
             json!([{"type": "pay", "actions": ["begin"], "locations": ["https://b"]}, {"type": "pay", "actions": ["end"], "locations": ["https://a"]}]), false),
            ("RAR-03 parts in one entry",              pay(&[("actions", "begin"), ("locations", "https://a")]),
             json!([{"type": "pay", "actions": ["begin"], "locations": ["https://a"]}]), true),
            ("RAR-03 the identifier",                  account.clone(), json!([{"type": "pay", "identifier": "a-1"}]), true),
            ("RAR-03 another identifier",              account.clone(), json!([{"type": "pay", "identifier": "a-2"}]), false),
            ("RAR-03 an identifier that is no text",   account, json!([{"type": "pay", "identifier": ["a-1"]}]), false),
            ("RAR-04 a slash at the end",              pay(&[("locations", "https://a")]), json!([{"type": "pay", "locations": ["https://a/"]}]), false),
            ("RAR-06 what nobody knows widens nothing", pay(&[("actions", "begin")]), json!([{"type": "pay", "all": true, "*": ["begin"]}]), false),
            ("RAR-06 another place",                   pay(&[]), json!([{"type": "pay", "locations": ["https://b"]}]), false),
            ("RAR-06 this place",                      pay(&[]), json!([{"type": "pay", "locations": ["https://b", "https://here"]}]), true),
            ("RAR-06 nowhere",                         pay(&[]), json!([{"type": "pay", "locations": []}]), false),
        ];
        for (name, demand, details, want) in cases {
            assert_eq!(demand.is_met_by(Some(&details), &|place| place == "https://here"), want, "{name}");
        }
        assert!(!pay(&[]).is_met_by(None, &|_| true), "RAR-02 no details");
    }
}
