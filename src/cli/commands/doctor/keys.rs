//! The keys that JWTs are verified with: can they be fetched, and do they fit the allowed algorithms?

use serde_json::Value;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::decision::trace::Untraced;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::key_set::{KeySet, place};
use tollgate_engine::provider::jwt;
use tollgate_engine::provider::keys::{KeySource, KeyUri, LiveKeys};
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::{Fields, RequestHead};

use crate::commands::doctor::Patient;
use crate::kit::ask::fetch;
use crate::kit::clock;
use crate::kit::discovery::Discovered;
use crate::kit::http::{Http, Reply};
use crate::kit::output::Output;
use crate::kit::signatures::Computed;

/// Fetches and checks the keys. Returns `false` if they cannot be fetched.
pub(super) fn look(
    patient: &mut Patient<'_>,
    known: Option<&Discovered>,
    http: &Http,
    out: &mut Output,
) -> bool {
    if let Some(KeySource::Uri(uri)) = &patient.provider.keys {
        out.progress(format_args!("fetching the keys of {}", patient.provider.name));
        named(patient, known, uri);
        let reply = match fetch(http, &uri.call(&patient.keys)) {
            Ok(reply) => reply,
            Err(failure) => {
                patient.wrong(format!("the keys: {}", failure.what()), failure.advice());
                return false;
            }
        };
        if let Err(fault) = take(&mut patient.keys, uri, &reply) {
            patient.wrong(
                format!("the keys at {}: {fault}", address(uri)),
                "Is this the address of the key set (jwks_uri)? Until keys are loaded, no signature can be verified: requests with tokens are unavailable (503).",
            );
            return false;
        }
        left_out(patient, &reply);
    }
    algorithms(patient);
    true
}

/// Verifies a token as the filter would.
pub(super) fn verify(patient: &mut Patient<'_>, token: &Secret) {
    let who = (patient.id, patient.provider);
    match jwt::verify(who, &patient.keys, token.expose(), &Computed, clock::now(), &Untraced) {
        Ok(token) => {
            let scopes = token.scopes(&patient.provider.tokens).join(" ");
            patient.good("the token's signature and its claims are valid");
            patient.note(format!("its scopes: {scopes}"), "");
        }
        Err(rejection) => {
            patient.wrong(format!("the token: {rejection}"), "`tollgate explain` shows every step.");
        }
    }
}

fn take(keys: &mut LiveKeys, uri: &KeyUri, reply: &Reply) -> Result<(), String> {
    let head = head(reply);
    let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: &reply.body };
    keys.take(uri, outcome, clock::now()).map(|_| ()).map_err(|fault| fault.to_string())
}

/// The head of a reply, as the engine takes it.
pub(super) fn head(reply: &Reply) -> Fields {
    let mut head = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
    let field = |(name, value): &(String, String)| (name.clone().into_bytes(), value.clone().into_bytes());
    head.extend(reply.headers.iter().map(field));
    head
}

/// Compares the configured address with the server's metadata.
fn named(patient: &mut Patient<'_>, known: Option<&Discovered>, uri: &KeyUri) {
    let configured = address(uri);
    if let Some(named) = known.and_then(|known| known.text("jwks_uri")).filter(|named| *named != configured) {
        patient.note(
            format!("the server's metadata names {named} for the keys"),
            "Is the configured address correct?",
        );
    }
}

/// Notes the keys that the filter skips, and why.
fn left_out(patient: &mut Patient<'_>, reply: &Reply) {
    let Ok(document) = reply.object() else { return };
    for (at, entry) in document.get("keys").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if let Some(fault) = KeySet::fault_of(entry) {
            patient.note(format!("{} is skipped: {fault}", place(at, entry)), "");
        }
    }
}

/// Checks that there is a key for an allowed algorithm.
fn algorithms(patient: &mut Patient<'_>) {
    let keys = patient.keys.clone();
    let Ok(set) = keys.set(clock::now()) else { return };
    let allowed = patient.provider.jwt.algorithms.iter();
    let (with, without): (Vec<_>, Vec<_>) = allowed.partition(|algorithm| set.is_for(*algorithm));
    let names = |algorithms: &[Algorithm]| {
        algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ")
    };
    if with.is_empty() {
        patient.wrong(
            format!("{} key(s), but no key for {}", set.len(), names(&without)),
            "Every token will be rejected. Add the algorithm that the server uses to `algorithms`.",
        );
    } else {
        patient.good(format!("{} key(s), for {}", set.len(), names(&with)));
    }
}

fn address(KeyUri { scheme, authority, path, .. }: &KeyUri) -> String {
    format!("{scheme}://{authority}{path}")
}
