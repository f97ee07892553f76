//! What the upstream gets: identity header fields from claims, and never those that a client sent.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::json::{self, Map, Value, is_exact};
use crate::decision::IdentityFields;
use crate::request::head::{RequestHead, is_same_field, starts_like};
use crate::token::claims::ClaimPath;

/// The longest value that is forwarded, in bytes.
pub const MAX_VALUE: usize = 8192;

/// `upstream`: the header fields that the upstream gets. Each of them is removed from the request first.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// Claims that become header fields.
    pub claim_to_headers: Vec<NamedClaim>,
    /// Every scalar claim but `scope` and `exp` as this prefix and its name, in lower case.
    pub claims_prefix: Option<String>,
    /// Whether those names keep their underscores, which are hyphens otherwise.
    pub keeps_underscores: bool,
    /// The claims as base64url JSON in this header field, in lower case.
    pub forward_payload_header: Option<String>,
    /// The tier of the client in this header field, in lower case.
    pub tier_header: Option<Rc<str>>,
    /// Whether later filters and access logs are told of the token as well.
    pub filter_state: bool,
    /// Claims that later filters and access logs get as single values.
    pub claim_to_filter_state: Vec<NamedClaim>,
}

/// One claim, and the name under which it is told: a header field in lower case, or a property, which is below
/// `wasm.` in Envoy's filter state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedClaim {
    /// The name.
    pub name: Rc<str>,
    /// The claim.
    pub claim: ClaimPath,
}

impl Upstream {
    /// Whether a field of this name is ours alone to set, or one that some upstream takes for it.
    #[inline]
    pub fn owns(&self, name: &[u8]) -> bool {
        // Every field is named: a name that is added here must not be a client's to send.
        let Self {
            claim_to_headers,
            claims_prefix,
            keeps_underscores: _,
            forward_payload_header,
            tier_header,
            filter_state: _,
            claim_to_filter_state: _,
        } = self;
        let is = |own: &str| is_same_field(name, own);
        claim_to_headers.iter().any(|field| is(&field.name))
            || [forward_payload_header.as_deref(), tier_header.as_deref()].into_iter().flatten().any(is)
            || claims_prefix.as_deref().is_some_and(|prefix| starts_like(name, prefix))
    }

    /// The lengths that names of our fields have, a bit each: most of a request's fields need no closer
    /// look.
    #[inline]
    pub fn lengths(&self) -> u128 {
        let Self {
            claim_to_headers,
            claims_prefix,
            keeps_underscores: _,
            forward_payload_header,
            tier_header,
            filter_state: _,
            claim_to_filter_state: _,
        } = self;
        if claims_prefix.is_some() {
            return u128::MAX;
        }
        let names = claim_to_headers.iter().map(|field| &*field.name);
        names
            .chain(forward_payload_header.as_deref())
            .chain(tier_header.as_deref())
            .fold(0, |all, name| all | length_bit(name.len()))
    }

    /// The client's own copies of our fields, once each. `lengths` are [`Self::lengths`].
    #[inline]
    pub fn forged(&self, head: RequestHead<'_>, lengths: u128) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let ours = |name: &[u8]| lengths & length_bit(name.len()) != 0 && self.owns(name);
        for (name, _) in head.fields().filter(|(name, _)| ours(name)) {
            if let Ok(name) = std::str::from_utf8(name)
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The field for the client's tier, if it is told.
    #[cold]
    #[inline(never)]
    pub fn tier_field(&self, tier: &str) -> Option<(String, Vec<u8>)> {
        Some((self.tier_header.as_deref()?.to_owned(), header_value(&Value::from(tier))))
    }

    /// The fields for these claims and for the client.
    #[inline(never)]
    pub fn identity(&self, claims: &Map<String, Value>, client_id: Option<&str>) -> IdentityFields {
        let Self {
            claim_to_headers,
            claims_prefix,
            keeps_underscores,
            forward_payload_header,
            tier_header: _,
            filter_state,
            claim_to_filter_state,
        } = self;
        let mut fields =
            IdentityFields { set: Vec::with_capacity(claim_to_headers.len()), ..IdentityFields::default() };
        for field in claim_to_headers {
            if let Some(value) = field.claim.find(claims) {
                fields.tell(Rc::clone(&field.name), value);
            }
        }
        if let Some(prefix) = claims_prefix {
            for (field, claim) in &claims_by_field(claims) {
                let Value::String(name) = claim else {
                    fields.dropped = fields.dropped.saturating_add(1);
                    continue;
                };
                let value = claims.get(name).filter(|_| !matches!(field.as_str(), "scope" | "exp"));
                if let Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) = value {
                    let name = if *keeps_underscores { &name.to_ascii_lowercase() } else { field };
                    fields.tell(format!("{prefix}{name}").into(), value);
                }
            }
        }
        if let Some(name) = forward_payload_header {
            let json = json::object_text(claims);
            fields.push(name.as_str().into(), URL_SAFE_NO_PAD.encode(json).into_bytes());
        }
        if *filter_state {
            let sub = claims.get("sub").and_then(Value::as_str);
            let claims = json::object_text(claims);
            let told = [
                ("tollgate.client_id", client_id.map(str::to_owned)),
                ("tollgate.sub", sub.map(str::to_owned)),
                ("tollgate.claims", Some(claims)),
            ];
            fields.state.extend(told.into_iter().filter_map(|(name, text)| Some((name.into(), text?))));
        }
        for NamedClaim { name, claim } in claim_to_filter_state {
            if let Some(value) = claim.find(claims) {
                fields.note(name, value);
            }
        }
        fields
    }
}

impl IdentityFields {
    /// A number that is not known exactly is not forwarded: it could be another identity's.
    fn tell(&mut self, name: Rc<str>, value: &Value) {
        match value {
            Value::Number(number) if !is_exact(number) => self.dropped = self.dropped.saturating_add(1),
            value => self.push(name, header_value(value)),
        }
    }

    /// A value for logs and later filters: strings as they are, everything else as compact JSON.
    #[inline(never)]
    fn note(&mut self, name: &str, value: &Value) {
        let text = match value {
            Value::String(text) => text.clone(),
            other => json::text(other),
        };
        let is_fit = text.len() <= MAX_VALUE && !matches!(value, Value::Number(number) if !is_exact(number));
        if is_fit {
            self.state.push((name.to_owned().into(), text));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn push(&mut self, name: Rc<str>, value: Vec<u8>) {
        if value.len() > MAX_VALUE {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.set.push((name, value));
        }
    }
}

/// Which claim a field under the prefix is for, by the name that all spellings share: lower case, and hyphens
/// for underscores, because upstreams read these alike. Of several spellings, the one in lower case counts,
/// whatever its value. If two are left, it is undefined which one is meant: then it is `true` or `false`, for
/// spellings in lower case or not.
#[inline(never)]
fn claims_by_field(claims: &Map<String, Value>) -> Map<String, Value> {
    let mut by_field = Map::new();
    for name in claims.keys().filter(|name| is_token(name)) {
        let is_exact = |name: &str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
        let field = name.to_ascii_lowercase().replace('_', "-");
        let best = match by_field.get(&field) {
            Some(Value::String(known)) if is_exact(known) == is_exact(name) => Value::Bool(is_exact(name)),
            Some(Value::String(known)) if is_exact(known) => continue,
            Some(Value::Bool(were_exact)) if *were_exact || !is_exact(name) => continue,
            _ => Value::String(name.clone()),
        };
        by_field.insert(field, best);
    }
    by_field
}

/// Long names share the last bit.
#[inline]
fn length_bit(length: usize) -> u128 {
    1 << length.min(127)
}

/// Strings as they are, everything else as compact JSON; what cannot stand in a header field is
/// percent-encoded UTF-8: controls, everything beyond ASCII, `%` itself, and spaces at either end.
fn header_value(value: &Value) -> Vec<u8> {
    let written;
    let text = match value {
        Value::String(text) => text,
        other => {
            written = json::text(other);
            &written
        }
    };
    let inner = text.trim_matches(' ');
    let start = text.len().saturating_sub(text.trim_start_matches(' ').len());
    let end = start.saturating_add(inner.len());
    let mut encoded = Vec::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let outer_space = byte == b' ' && !(start..end).contains(&at);
        if matches!(byte, b' '..=b'~') && byte != b'%' && !outer_space {
            encoded.push(byte);
        } else {
            let hex = |nibble: u8| {
                char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase() as u8
            };
            encoded.extend([b'%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    encoded
}

/// A field name ([RFC 9110 §5.6.2]).
///
/// [RFC 9110 §5.6.2]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
fn is_token(name: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::{MAX_VALUE, NamedClaim, Upstream, header_value};
    use crate::token::claims::ClaimPath;

    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn claim_values_are_made_safe() {
        // HDR-04, HDR-06, ATK-88
        #[rustfmt::skip]
        let cases = [
            ("plain text",             json!("alice b"),               "alice b"),
            ("a line break",           json!("a\r\nx-admin: 1"),       "a%0D%0Ax-admin: 1"),
            ("NUL",                    json!("a\u{0}b"),               "a%00b"),
            ("beyond ASCII",           json!("é☺"),                    "%C3%A9%E2%98%BA"),
            ("percent",                json!("100%"),                  "100%25"),
            ("outer spaces",           json!("  a b "),                "%20%20a b%20"),
            ("only spaces",            json!("  "),                    "%20%20"),
            ("a number",               json!(12),                      "12"),
            ("a boolean",              json!(true),                    "true"),
            ("an array stays one",     json!(["a,b", "c"]),            r#"["a,b","c"]"#),
        ];
        for (name, value, want) in cases {
            assert_eq!(String::from_utf8(header_value(&value)).unwrap(), want, "{name}");
        }
    }

    #[test]
    fn what_the_prefix_forwards() {
        // MUL-04, HDR-03, HDR-05, HDR-07
        let upstream = Upstream {
            claims_prefix: Some("x-agw-".to_owned()),
            claim_to_headers: vec![NamedClaim {
                name: "x-sub".into(),
                claim: ClaimPath::parse("sub").unwrap(),
            }],
            ..Upstream::default()
        };
        let claims = json!({
            "uid": "u1", "mail": "m@example.com", "token_type": "Bearer", "scope": "a", "exp": 1, "big": "x".repeat(MAX_VALUE + 1),
            "roles": ["a"], "o": {}, "n": null, "odd name": "x", "UID2": 7,
        });
        let fields = upstream.identity(claims.as_object().unwrap(), None);
        let mut names: Vec<_> = fields.set.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        assert_eq!(names, ["x-agw-mail", "x-agw-token-type", "x-agw-uid", "x-agw-uid2"]);
        assert_eq!(fields.dropped, 1);
    }

    #[test]
    fn one_field_for_each_claim_and_one_claim_for_each_field() {
        // HDR-02, HDR-12
        type Fields = &'static [(&'static str, &'static str)];
        #[rustfmt::skip]
        let cases: Vec<(&str, _, bool, Fields, u32)> = vec![
            ("the exact name wins",            json!({"Sub": "b", "sub": "a"}),               false, &[("x-sub", "a")], 0),
            ("it wins before all others",      json!({"SUB": "c", "Sub": "b", "sub": "a"}),   false, &[("x-sub", "a")], 0),
            ("it wins although it is nothing", json!({"Sub": "b", "sub": null}),              false, &[], 0),
            ("or a list",                      json!({"Sub": "b", "sub": ["a"]}),             false, &[], 0),
            ("or is too long",                 json!({"Sub": "b", "sub": "x".repeat(MAX_VALUE + 1)}), false, &[], 1),
            ("two variants, nothing exact",    json!({"SUB": "c", "Sub": "b"}),               false, &[], 1),
            ("a variant alone",                json!({"Sub": "b"}),                           false, &[("x-sub", "b")], 0),
            ("no underscores",                 json!({"client_id": "a"}),                     false, &[("x-client-id", "a")], 0),
            ("underscores that are kept",      json!({"Client_Id": "a"}),                     true,  &[("x-client_id", "a")], 0),
            ("never both",                     json!({"a-b": 1, "a_b": 2}),                   false, &[], 1),
            ("nor if they are kept",           json!({"a-b": 1, "a_b": 2}),                   true,  &[], 1),
            ("three of them",                  json!({"a-b-c": 1, "a-b_c": 2, "a_b_c": 3}),   true,  &[], 1),
            ("an exact one before odd ones",   json!({"A-B": 1, "A_B": 2, "a_b": 3}),         false, &[("x-a-b", "3")], 0),
            ("an exact one behind odd ones",   json!({"A_b": 1, "a_B": 2, "a-b": 3}),         true,  &[("x-a-b", "3")], 0),
            ("no variant of what is not told", json!({"Scope": "a", "EXP": 1, "exp": 2}),     false, &[], 0),
        ];
        for (name, claims, keeps_underscores, want, dropped) in cases {
            let upstream =
                Upstream { claims_prefix: Some("x-".to_owned()), keeps_underscores, ..Upstream::default() };
            let fields = upstream.identity(claims.as_object().unwrap(), None);
            let set: Vec<_> = fields.set.iter().map(|(name, value)| (&**name, value.as_slice())).collect();
            let want: Vec<_> = want.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            assert_eq!((set, fields.dropped), (want, dropped), "{name}");
        }
    }

    #[test]
    fn which_fields_are_ours() {
        // HDR-01, HDR-02, HDR-03
        let upstream = Upstream {
            claims_prefix: Some("x-agw-".to_owned()),
            claim_to_headers: vec![NamedClaim {
                name: "x-auth-sub".into(),
                claim: ClaimPath::parse("sub").unwrap(),
            }],
            forward_payload_header: Some("x-claims".to_owned()),
            ..Upstream::default()
        };
        for ours in [
            "x-auth-sub",
            "X_Auth_Sub",
            "x-auth_sub",
            "x-agw-anything",
            "X_AGW_x",
            "x-Agw-Client_Id",
            "x_claims",
            "x.auth.sub",
            "x.agw.uid",
            "x!agw~uid",
        ] {
            assert!(upstream.owns(ours.as_bytes()), "{ours}");
        }
        for theirs in ["x-auth-subject", "x-auth", "x-ag", "authorization"] {
            assert!(!upstream.owns(theirs.as_bytes()), "{theirs}");
        }
    }
}
