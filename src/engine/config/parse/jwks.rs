//! `validate`, `jwks` and the other keys that are about JWTs.

use std::rc::Rc;

use serde_json::Value;

use crate::config::error::Fault;
use crate::config::parse::Context;
use crate::config::parse::endpoint::{self, Endpoint};
use crate::config::parse::node::Node;
use crate::jose::algorithm::Algorithms;
use crate::jose::key_set::{KeySet, KeySetFault};
use crate::provider::keys::{KeySource, KeyUri};
use crate::provider::preset::Preset;
use crate::provider::{JwtRules, Typ, Validate};

/// How tokens are checked, and whether everything is there for it.
#[inline(never)]
pub(super) fn validate(provider: &Node<'_>, context: &mut Context<'_>) -> Validate {
    let word = provider.key("validate");
    let validate = match word.text() {
        "jwt" => Validate::Jwt,
        "jwt_then_introspection" => Validate::JwtThenIntrospection,
        _ => Validate::Introspection,
    };
    let introspection = provider.key("introspection");
    let userinfo = provider.key("userinfo");
    if validate != Validate::Jwt && !introspection.is_set() && !userinfo.is_set() {
        context.faults.add(&introspection.place, Fault::Missing);
    }
    let any_audience = provider.key("any_audience");
    if validate == Validate::Introspection {
        let signed =
            introspection.key("dialect").text() == "rfc9701" || userinfo.key("reply_audience").is_set();
        let jwks = provider.key("jwks");
        if jwks.is_set() && !signed {
            context.faults.add(&jwks.place, Fault::Needs { other: "validate: jwt" });
        }
        for key in [&provider.key("typ"), &provider.key("max_token_age"), &any_audience] {
            // Defaults are in their places.
            if key.is_set() && (key.bool() || key.place != any_audience.place) {
                context.faults.add(&key.place, Fault::Needs { other: "validate: jwt" });
            }
        }
        return validate;
    }
    if !provider.key("issuer").is_set() {
        context.faults.add(&word.place, Fault::Needs { other: "issuer" });
    }
    let audiences = provider.key("audiences");
    if !audiences.is_set() && !any_audience.bool() {
        context.faults.add(&word.place, Fault::Needs { other: "audiences (or any_audience: true)" });
    } else if audiences.is_set() && any_audience.bool() {
        context.contradiction(
            &any_audience,
            &audiences,
            "either these audiences or any audience can be accepted",
        );
    }
    if !provider.key("jwks").is_set() {
        context.faults.add(&word.place, Fault::Needs { other: "jwks" });
    }
    validate
}

/// The rules for JWTs, of a provider that has none as well.
#[inline(never)]
pub(super) fn rules(provider: &Node<'_>) -> JwtRules {
    let is_generic = matches!(Preset::named(provider.key("preset").text()), None | Some(Preset::Generic));
    let algorithms = provider.key("algorithms").texts();
    JwtRules {
        algorithms: Algorithms::from_names(algorithms.iter().map(String::as_str)).unwrap_or_default(),
        typ: match provider.key("typ").text() {
            "any" => Typ::Any,
            "" if !is_generic => Typ::Any,
            _ => Typ::AtJwt,
        },
    }
}

/// Where the keys are.
#[inline(never)]
pub(super) fn source(provider: &Node<'_>, context: &mut Context<'_>) -> Option<KeySource> {
    let jwks = provider.key("jwks");
    if !jwks.is_set() {
        return None;
    }
    let inline = jwks.key("inline");
    if inline.is_set() {
        return Some(KeySource::Inline(Rc::new(key_set(&inline, context))));
    }
    let (cluster, introspection) = (jwks.key("cluster"), provider.key("introspection"));
    let asked = if introspection.is_set() { introspection } else { provider.key("userinfo") }.key("cluster");
    if !cluster.is_set() && !asked.is_set() {
        context.faults.add(&cluster.place, Fault::Missing);
    }
    let Endpoint { scheme, authority, path } = address(provider, &jwks, context);
    Some(KeySource::Uri(KeyUri {
        scheme,
        authority,
        path,
        cluster: if cluster.is_set() { cluster } else { asked }.text().to_owned(),
        timeout: jwks.key("timeout").duration(),
        cache_duration: jwks.key("cache_duration").duration(),
        stale_if_error: jwks.key("stale_if_error").duration(),
        max_response_bytes: jwks.key("max_response_bytes").integer(),
        lenient_content_type: jwks.key("lenient_content_type").bool(),
        user_agent: context.user_agent.to_owned(),
    }))
}

/// As written, or where the preset has it.
#[inline(never)]
fn address(provider: &Node<'_>, jwks: &Node<'_>, context: &mut Context<'_>) -> Endpoint {
    let (uri, base_url) = (jwks.key("uri"), provider.key("base_url"));
    let base = if base_url.is_set() { base_url } else { provider.key("issuer") };
    let preset = Preset::named(provider.key("preset").text()).unwrap_or_default();
    let (place, parsed) = if uri.is_set() {
        (&uri.place, endpoint::parse(uri.text()))
    } else {
        match preset.endpoints(base.text()).jwks {
            Some(text) if base.is_set() => (&base.place, endpoint::parse(&text)),
            _ => (&uri.place, Err(Fault::Missing)),
        }
    };
    parsed.unwrap_or_else(|fault| {
        context.faults.add(place, fault);
        Endpoint::default()
    })
}

/// What is written down must be of use: nothing is passed over here.
#[inline(never)]
fn key_set(inline: &Node<'_>, context: &mut Context<'_>) -> KeySet {
    let document = inline.value();
    let entries = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(fault) = KeySet::fault_of(entry) {
            let place = inline.place.key(0, "keys").index(at);
            context.faults.add(&place, Fault::Key { fault });
        }
    }
    match KeySet::from_json(&document) {
        Ok(set) => set,
        // Said of each of them above.
        Err(KeySetFault::NoneFit) if !entries.is_empty() => KeySet::default(),
        Err(_) => {
            let what = "a set of 1 to 100 public keys: {keys: […]} (RFC 7517 §5)".to_owned();
            context.faults.add(&inline.place, Fault::Expected { what });
            KeySet::default()
        }
    }
}
