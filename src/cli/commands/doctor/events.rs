//! What the server says of the events that it pushes, and whether the gateway receives them.
//!
//! The metadata of the Shared Signals Framework (SSF 1.0 §7.1) and of OpenID Connect Back-Channel Logout 1.0 §2.1.

use serde_json::{Map, Value};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::keys::KeySource;
use tollgate_engine::revocation::endpoint::EventEndpoint;
use url::Url;

use crate::commands::doctor::Patient;
use crate::kit::discovery::Discovered;
use crate::kit::http::{Http, Reply, Request};
use crate::kit::named::STAND_IN;
use crate::kit::output::Output;

/// How a transmitter calls the delivery that Tollgate takes (RFC 8935), today and in earlier drafts.
const PUSH: [&str; 2] =
    ["urn:ietf:rfc:8935", "https://schemas.openid.net/secevent/risc/delivery-method/push"];

/// Reads what the server says of events.
pub(super) fn look(patient: &mut Patient<'_>, known: Option<&Discovered>, http: &Http, out: &mut Output) {
    out.progress(format_args!("asking {} about events", patient.provider.name));
    let signals = shared_signals(patient, http);
    let is_true =
        |name: &str| known.is_some_and(|found| found.metadata.get(name) == Some(&Value::Bool(true)));
    let logs_out = is_true("backchannel_logout_supported");
    if logs_out {
        patient.good("it can send logout tokens (backchannel_logout_supported)");
        if !is_true("backchannel_logout_session_supported") {
            patient.note(
                "the metadata do not say that its logout tokens name the session",
                "A logout of one session may concern all tokens of the user: they are introspected again.",
            );
        }
    }
    match signals {
        Some((place, found)) => transmitter(patient, &place, &found),
        None if !logs_out => patient.note(
            "its metadata do not say that it pushes events",
            "It may do so anyway. Without events, a revoked token is accepted for up to cache.ttl.",
        ),
        None => {}
    }
}

/// The transmitter's metadata, in one of the places where servers have them.
fn shared_signals(patient: &Patient<'_>, http: &Http) -> Option<(Url, Map<String, Value>)> {
    let issuer = Url::parse(patient.provider.tokens.issuer.as_deref()?).ok()?;
    let path = issuer.path().trim_end_matches('/');
    // As in the specification, and as Keycloak has it.
    let places =
        [format!("/.well-known/ssf-configuration{path}"), format!("{path}/.well-known/ssf-configuration")];
    places.iter().find_map(|place| {
        let place = issuer.join(place).ok()?;
        let reply = http.get(&place).ok().filter(|reply| reply.status == 200)?;
        Some((place, reply.object().ok()?))
    })
}

/// Compares a transmitter's metadata with the configuration.
fn transmitter(patient: &mut Patient<'_>, place: &Url, found: &Map<String, Value>) {
    let issuer = patient.provider.tokens.issuer.as_deref().unwrap_or_default();
    let text = |name: &str| found.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        let named = text("issuer")
            .map_or_else(|| "names no issuer".to_owned(), |named| format!("names another issuer: {named}"));
        patient
            .wrong(format!("{place} {named}"), "Events of another issuer than the provider's are rejected.");
        return;
    }
    let own = match &patient.provider.keys {
        Some(KeySource::Uri(uri)) => Some(format!("{}://{}{}", uri.scheme, uri.authority, uri.path)),
        Some(KeySource::Inline(_)) | None => None,
    };
    let parse = |text: &str| Url::parse(text).ok();
    match (text("jwks_uri"), own) {
        (Some(theirs), Some(own)) if parse(theirs) != parse(&own) => patient.wrong(
            format!("its events are signed with other keys ({theirs}) than its tokens"),
            "Events are verified with the provider's jwks, so all of its events are rejected.",
        ),
        (Some(_), Some(_)) => patient
            .good(format!("it sends Security Event Tokens ({place}), and the keys are those of its tokens")),
        _ => patient.good(format!("it sends Security Event Tokens ({place})")),
    }
    let methods = found.get("delivery_methods_supported").and_then(Value::as_array);
    let pushes = |methods: &Vec<Value>| {
        methods.iter().any(|method| method.as_str().is_some_and(|method| PUSH.contains(&method)))
    };
    if methods.is_some_and(|methods| !pushes(methods)) {
        patient.wrong(
            "it does not push events: delivery_methods_supported lacks urn:ietf:rfc:8935",
            "Tollgate receives events that are pushed (RFC 8935). It does not poll for them.",
        );
    }
}

/// Sends an event that nobody has signed to the gateway: Tollgate has to reject it.
pub(super) fn probe(
    patient: &mut Patient<'_>,
    endpoint: &EventEndpoint,
    gateway: &Url,
    http: &Http,
    out: &mut Output,
) {
    let Ok(url) = gateway.join(&endpoint.path) else { return };
    out.progress(format_args!("sending an invalid event to {url}"));
    let mut headers = vec![("accept".to_owned(), Secret::new("application/json"))];
    headers.extend(endpoint.authorization.iter().map(|value| ("authorization".to_owned(), value.clone())));
    let body = ("application/secevent+jwt", Secret::new("tollgate-doctor-made-this-up"));
    let reply = match http.send(&Request { method: "POST", url: &url, headers, body: Some(body) }) {
        Ok(reply) => reply,
        Err(failure) => return patient.wrong(failure.what(), failure.advice()),
    };
    let is_unset = endpoint.authorization.as_ref().is_some_and(|value| value.expose() == STAND_IN);
    match (reply.status, error(&reply).as_deref()) {
        (400, Some("authentication_failed")) if is_unset => patient.note(
            format!("{url} receives events; the variable of authorization_env is not set here, so more was not checked"),
            "Set it to the same value as for the proxy.",
        ),
        (400, Some("authentication_failed")) => patient.wrong(
            format!("{url} expects another value of Authorization than the one that authorization_env names here"),
            "The proxy and the server that sends events need the same value.",
        ),
        (400, Some("invalid_request")) => {
            patient.good(format!("{url} receives events, and rejects one that is not signed"));
        }
        (503, _) => patient.wrong(
            format!("{url} responded with 503 to an event"),
            "Does the plugin set allow_on_headers_stop_iteration: true? Without it, Envoy does not hand over bodies.",
        ),
        (status, _) => patient.wrong(
            format!("{url} responded with {status}, where Tollgate responds with 400 and \"err\""),
            "Events with this path have to reach Tollgate, with this configuration.",
        ),
    }
}

/// The code of an error (RFC 8935 §2.3).
fn error(reply: &Reply) -> Option<String> {
    Some(reply.object().ok()?.get("err")?.as_str()?.to_owned())
}
