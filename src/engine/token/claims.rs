//! Claims by name, and what is required of them.

use std::fmt;

use crate::base::json::{Map, Value, same};

/// A claim's name: a member of the response, or nested members separated by dots (`realm_access.roles`). A
/// member whose own name holds the dots wins over the nested one, so that `https://example.com/tenant` can be
/// named as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimPath(String);

impl ClaimPath {
    /// Takes a name; `None` if it or one of its parts is empty.
    pub fn parse(text: &str) -> Option<Self> {
        (!text.split('.').any(str::is_empty)).then(|| Self(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The claim's value; `null` counts as absent.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        descend(claims, &self.0).filter(|value| !value.is_null())
    }
}

fn descend<'a>(members: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (first, rest) = (path.get(..dot)?, path.get(dot.saturating_add(1)..)?);
        descend(members.get(first)?.as_object()?, rest)
    })
}

/// One entry of `requires.claims`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRequirement {
    /// Which claim.
    pub claim: ClaimPath,
    /// What must hold for it.
    pub test: ClaimTest,
}

/// What must hold for a claim. Values compare by type and content: `1` is not `"1"`.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimTest {
    /// It is this scalar.
    Equals(Value),
    /// It is one of these scalars, or an array that holds one of them.
    AnyOf(Vec<Value>),
    /// It is an array that holds this scalar.
    Contains(Value),
}

impl ClaimRequirement {
    /// Whether the claims satisfy this; an absent claim satisfies nothing.
    pub fn is_met_by(&self, claims: &Map<String, Value>) -> bool {
        self.test.is_met_by(self.claim.find(claims))
    }
}

impl ClaimTest {
    /// Whether a claim's value satisfies this; an absent claim satisfies nothing.
    pub fn is_met_by(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return false };
        match self {
            Self::Equals(want) => same(value, want),
            Self::Contains(want) => {
                value.as_array().is_some_and(|items| items.iter().any(|item| same(item, want)))
            }
            Self::AnyOf(wanted) => wanted.iter().any(|want| match value {
                Value::Array(items) => items.iter().any(|item| same(item, want)),
                one => same(one, want),
            }),
        }
    }
}

/// In words, after the claim's name: "to be 7".
impl fmt::Display for ClaimTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "to be {value}"),
            Self::Contains(value) => write!(f, "to hold {value}"),
            Self::AnyOf(values) => write!(f, "to be one of {}", Value::from(values.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClaimPath, ClaimRequirement, ClaimTest};
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_demanded_of_a_claim() {
        let claims = json!({
            "tenant": "a", "verified": true, "level": 3, "gone": null,
            "realm_access": {"roles": ["admin", "user"]},
            "https://example.com/tenant": "b",
        });
        let claims = claims.as_object().unwrap();
        #[rustfmt::skip]
        let cases = [
            ("equals",                     "tenant",    ClaimTest::Equals(json!("a")), true),
            ("equals another",             "tenant",    ClaimTest::Equals(json!("A")), false),
            ("a boolean is no text",       "verified",  ClaimTest::Equals(json!("true")), false),
            ("a boolean",                  "verified",  ClaimTest::Equals(json!(true)), true),
            ("a double is a number",       "level",     ClaimTest::Equals(json!(3.0)), true),
            ("any of",                     "tenant",    ClaimTest::AnyOf(vec![json!("b"), json!("a")]), true),
            ("any of, in an array",        "realm_access.roles", ClaimTest::AnyOf(vec![json!("x"), json!("user")]), true),
            ("contains",                   "realm_access.roles", ClaimTest::Contains(json!("admin")), true),
            ("contains is exact",          "realm_access.roles", ClaimTest::Contains(json!("adm")), false),
            ("a string contains nothing",  "tenant",    ClaimTest::Contains(json!("a")), false),
            ("absent",                     "nothing",   ClaimTest::AnyOf(vec![json!("a")]), false),
            ("null is absent",             "gone",      ClaimTest::Equals(json!(null)), false),
            ("a name with dots in it",     "https://example.com/tenant", ClaimTest::Equals(json!("b")), true),
        ];
        for (name, path, test, want) in cases {
            let requirement = ClaimRequirement { claim: ClaimPath::parse(path).unwrap(), test };
            assert_eq!(requirement.is_met_by(claims), want, "{name}");
        }
    }
}
