//! `validate`, `jwks` and the other keys that are about JWTs.

use std::rc::Rc;

use serde_json::Value;

use crate::error::{Fault, Needed};
use crate::keys;
use crate::keys::words;
use crate::parse::Context;
use crate::parse::endpoint::{self, Endpoint};
use crate::parse::node::Node;
use tollgate_engine::jose::algorithm::{Algorithm, Algorithms};
use tollgate_engine::jose::key_set::{KeySet, KeySetFault};
use tollgate_engine::provider::keys::{KeySource, KeyUri};
use tollgate_engine::provider::preset::Preset;
use tollgate_engine::provider::{JwtRules, Typ, Validate};

/// How tokens are checked, and whether everything is there for it.
#[inline(never)]
pub(super) fn validate(
    provider: &Node<'_, keys::Provider>,
    pushes_events: bool,
    context: &mut Context<'_>,
) -> Validate {
    let word = provider.at(keys::Provider::VALIDATE);
    let validate = word.read();
    let introspection = provider.at(keys::Provider::INTROSPECTION);
    let userinfo = provider.at(keys::Provider::USERINFO);
    if validate != Validate::Jwt && !introspection.is_set() && !userinfo.is_set() {
        context.missing(&introspection);
    }
    if validate == Validate::Introspection {
        let dialect = introspection.at(keys::Introspection::DIALECT).read();
        let is_signed =
            dialect == words::Dialect::Rfc9701 || userinfo.at(keys::UserInfo::REPLY_AUDIENCE).is_set();
        needless(provider, is_signed || pushes_events, context);
        return validate;
    }
    if !provider.at(keys::Provider::ISSUER).is_set() {
        context.needs(&word, keys::Provider::ISSUER.needed());
    }
    let (audiences, any_audience) =
        (provider.at(keys::Provider::AUDIENCES), provider.at(keys::Provider::ANY_AUDIENCE));
    if !audiences.is_set() && !any_audience.read() {
        context.needs(&word, Needed::Either("audiences (or any_audience: true)"));
    } else if audiences.is_set() && any_audience.read() {
        context.contradiction(
            &any_audience,
            &audiences,
            "either these audiences or any audience can be accepted",
        );
    }
    if !provider.at(keys::Provider::JWKS).is_set() {
        context.needs(&word, keys::Provider::JWKS.needed());
    }
    validate
}

/// Adds an error for every key that only matters if JWTs are verified.
#[inline(never)]
fn needless(provider: &Node<'_, keys::Provider>, is_signed: bool, context: &mut Context<'_>) {
    let is_set = |key| provider.part(key).is_set();
    for (key, is_needless) in [
        (keys::Provider::JWKS.any(), is_set(keys::Provider::JWKS.any()) && !is_signed),
        (keys::Provider::TYP.any(), is_set(keys::Provider::TYP.any())),
        (keys::Provider::MAX_TOKEN_AGE.any(), is_set(keys::Provider::MAX_TOKEN_AGE.any())),
        // Its default is in its place.
        (keys::Provider::ANY_AUDIENCE.any(), provider.get(keys::Provider::ANY_AUDIENCE)),
    ] {
        if is_needless {
            context.needs(&provider.part(key), keys::Provider::VALIDATE.needed_as(Validate::Jwt));
        }
    }
}

/// The rules for JWTs, of a provider that has none as well.
#[inline(never)]
pub(super) fn rules(provider: &Node<'_, keys::Provider>) -> JwtRules {
    let is_generic = provider.get(keys::Provider::PRESET) == Preset::Generic;
    let algorithms = provider.get(keys::Provider::ALGORITHMS).into_iter().map(Algorithm::name);
    JwtRules {
        algorithms: Algorithms::from_names(algorithms).unwrap_or_default(),
        typ: match provider.get(keys::Provider::TYP) {
            Some(typ) => typ,
            None if is_generic => Typ::AtJwt,
            None => Typ::Any,
        },
    }
}

/// Where the keys are.
#[inline(never)]
pub(super) fn source(provider: &Node<'_, keys::Provider>, context: &mut Context<'_>) -> Option<KeySource> {
    let jwks = provider.at(keys::Provider::JWKS);
    if !jwks.is_set() {
        return None;
    }
    let inline = jwks.at(keys::Jwks::INLINE);
    if inline.is_set() {
        return Some(KeySource::Inline(Rc::new(key_set(&inline, context))));
    }
    let (cluster, introspection) = (jwks.at(keys::Jwks::CLUSTER), provider.at(keys::Provider::INTROSPECTION));
    let asked = if introspection.is_set() {
        introspection.at(keys::Introspection::CLUSTER)
    } else {
        provider.at(keys::Provider::USERINFO).at(keys::UserInfo::CLUSTER)
    };
    if !cluster.is_set() && !asked.is_set() {
        context.missing(&cluster);
    }
    let Endpoint { scheme, authority, path } = address(provider, &jwks, context);
    Some(KeySource::Uri(KeyUri {
        scheme,
        authority,
        path,
        cluster: if cluster.is_set() { cluster } else { asked }.text().to_owned(),
        timeout: jwks.get(keys::Jwks::TIMEOUT),
        cache_duration: jwks.get(keys::Jwks::CACHE_DURATION),
        stale_if_error: jwks.get(keys::Jwks::STALE_IF_ERROR),
        max_response_bytes: jwks.get(keys::Jwks::MAX_RESPONSE_BYTES),
        lenient_content_type: jwks.get(keys::Jwks::LENIENT_CONTENT_TYPE),
        user_agent: context.user_agent.to_owned(),
    }))
}

/// As written, or where the preset has it.
#[inline(never)]
fn address(
    provider: &Node<'_, keys::Provider>,
    jwks: &Node<'_, keys::Jwks>,
    context: &mut Context<'_>,
) -> Endpoint {
    let (uri, base_url) = (jwks.at(keys::Jwks::URI), provider.at(keys::Provider::BASE_URL));
    let base = if base_url.is_set() { base_url } else { provider.at(keys::Provider::ISSUER) };
    let preset = provider.get(keys::Provider::PRESET);
    let (part, parsed) = if uri.is_set() {
        (uri, endpoint::parse(uri.text()))
    } else {
        match preset.endpoints(base.text()).jwks {
            Some(text) if base.is_set() => (base, endpoint::parse(&text)),
            _ => (uri, Err(Fault::Missing)),
        }
    };
    parsed.unwrap_or_else(|fault| {
        context.fault(&part, fault);
        Endpoint::default()
    })
}

/// What is written down must be of use: nothing is passed over here.
#[inline(never)]
pub(super) fn key_set(inline: &Node<'_, Value>, context: &mut Context<'_>) -> KeySet {
    let document = inline.read();
    let entries = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(fault) = KeySet::fault_of(entry) {
            let place = inline.place_in(&context.document).key(0, "keys").index(at);
            context.faults.add(&place, Fault::Key { fault });
        }
    }
    match KeySet::from_json(&document) {
        Ok(set) => set,
        // Said of each of them above.
        Err(KeySetFault::NoneFit) if !entries.is_empty() => KeySet::default(),
        Err(_) => {
            let what = "a set of 1 to 100 public keys: {keys: […]} (RFC 7517 §5)";
            context.expected(inline, what);
            KeySet::default()
        }
    }
}
