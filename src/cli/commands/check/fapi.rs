//! The requirements of the FAPI 2.0 Security Profile for a resource server that depend on the configuration
//! (section 5.3.4 and 5.4 there).

use serde_json::Value;
use tollgate_config::keys::{CONFIGURATION, Keyed as _, Token};
use tollgate_config::schema::{Place, complete};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::client_auth::Method;

/// Whether tokens, proofs and assertions may be signed with it (section 5.4.1).
fn is_strong(name: &str) -> bool {
    Algorithm::named(name).is_some_and(|algorithm| match algorithm {
        Algorithm::Ps256 | Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Ed25519 => true,
        Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512
        | Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es384
        | Algorithm::Es512 => false,
    })
}

/// Whether the filter may authenticate with it (section 5.3.3); `none` leaves it to mutual TLS.
fn is_strong_authentication(method: Method) -> bool {
    match method {
        Method::PrivateKeyJwt | Method::None => true,
        Method::Basic | Method::Post | Method::SecretJwt | Method::Bearer => false,
    }
}

/// Every shortcoming: its place, and a sentence.
pub(super) fn shortcomings(configuration: &Value) -> Vec<(Place, String)> {
    let whole = complete(&CONFIGURATION, configuration);
    let (mut found, root) = (Vec::new(), Place::default());
    token(&whole, &mut found);
    for (name, provider) in members(&whole, "providers") {
        self::provider(&root.name("providers").name(name), provider, &mut found);
    }
    binding(&whole, &mut found);
    if let Some(dpop) = whole.get("dpop") {
        algorithms(root.name("dpop").name("algorithms"), dpop.get("algorithms"), &mut found);
    }
    if whole.pointer("/responses/profile").is_some_and(|profile| profile == "anypoint") {
        let what = "responses do not follow RFC 6750 (§5.3.4)";
        found.push((root.name("responses").name("profile"), what.to_owned()));
    }
    found
}

/// Tokens are accepted only in the `Authorization` field.
fn token(whole: &Value, found: &mut Vec<(Place, String)>) {
    let (root, rules) = (Place::default().name("token"), Place::default().name("rules"));
    let mut say = |place: Place| {
        found.push((place, "tokens may only be in the Authorization field (§5.3.4)".to_owned()));
    };
    let keys = Token::OBJECT.keys.iter().map(|key| key.name);
    for key in keys.filter(|key| key.starts_with("from_") && *key != "from_headers") {
        let is_place = match whole.pointer(&format!("/token/{key}")) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_on)) => *is_on,
            Some(Value::Array(names)) => !names.is_empty(),
            Some(_) => true,
        };
        if is_place {
            say(root.name(key));
        }
    }
    let is_other = |header: &Value| {
        !header
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.eq_ignore_ascii_case("authorization"))
    };
    for (at, _) in
        list(whole.pointer("/token/from_headers")).enumerate().filter(|(_, header)| is_other(header))
    {
        say(root.name("from_headers").index(at));
    }
    for (at, rule) in list(whole.get("rules")).enumerate() {
        if list(rule.get("from_params")).next().is_some() {
            say(rules.index(at).name("from_params"));
        }
    }
}

/// Revocation takes effect, signatures are strong, and the gateway authenticates with a key.
fn provider(place: &Place, provider: &Value, found: &mut Vec<(Place, String)>) {
    let text = |pointer: &str| provider.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let is_verified = text("/validate") != "introspection";
    if text("/validate") == "jwt" {
        let what = "a revoked token is accepted until it expires; expected introspection or jwt_then_introspection (§5.3.4)";
        found.push((place.name("validate"), what.to_owned()));
    }
    if is_verified || text("/introspection/dialect") == "rfc9701" {
        algorithms(place.name("algorithms"), provider.get("algorithms"), found);
    }
    if provider.get("introspection").is_some() && text("/validate") != "jwt" {
        let method = Method::named(text("/introspection/client_auth/method")).unwrap_or_default();
        let place = place.name("introspection").name("client_auth");
        if !is_strong_authentication(method) {
            let what = "expected private_key_jwt, or none with mutual TLS on the cluster (§5.3.3)";
            found.push((place.name("method"), what.to_owned()));
        }
        let algorithm = text("/introspection/client_auth/algorithm");
        if method == Method::PrivateKeyJwt && !is_strong(algorithm) {
            found.push((place.name("algorithm"), "expected PS256, ES256 or EdDSA (§5.4.1)".to_owned()));
        }
        let audience = text("/introspection/client_auth/audience");
        if method == Method::PrivateKeyJwt && !audience.is_empty() && audience != text("/issuer") {
            found.push((place.name("audience"), "expected the issuer (§5.3.3)".to_owned()));
        }
    }
    if provider.get("userinfo").is_some() && !is_verified {
        let what = "a UserInfo response has no scopes and no audience (§5.3.4)";
        found.push((place.name("userinfo"), what.to_owned()));
    }
}

/// Every token is bound to its sender.
fn binding(whole: &Value, found: &mut Vec<(Place, String)>) {
    let is_bound = |requires: Option<&Value>| {
        let word = requires.and_then(|requires| requires.get("sender_constraint")).and_then(Value::as_str);
        matches!(word, Some("dpop" | "mtls" | "any_bound"))
    };
    let root = Place::default();
    let mut say = |place: &Place| {
        let what = "tokens have to be bound to their senders; expected dpop, mtls or any_bound (§5.3.4)";
        found.push((place.name("sender_constraint"), what.to_owned()));
    };
    if !is_bound(whole.get("requires")) {
        say(&root.name("requires"));
    }
    for (at, rule) in list(whole.get("rules")).enumerate() {
        let looks = rule.get("access").is_none_or(|access| access == "required" || access == "optional");
        if looks && rule.get("requires").is_some() && !is_bound(rule.get("requires")) {
            say(&root.name("rules").index(at).name("requires"));
        }
    }
}

fn algorithms(place: Place, value: Option<&Value>, found: &mut Vec<(Place, String)>) {
    let weak: Vec<_> = list(value).filter_map(Value::as_str).filter(|name| !is_strong(name)).collect();
    if !weak.is_empty() {
        let what = format!("{} may not be used; expected PS256, ES256 or EdDSA (§5.4.1)", weak.join(", "));
        found.push((place, what));
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn members<'v>(whole: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    whole.get(key).and_then(Value::as_object).into_iter().flatten()
}
