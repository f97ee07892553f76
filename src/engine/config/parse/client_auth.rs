//! `client_auth`: exactly one way to authenticate, and what belongs to it (OAU-14).

use std::time::Duration;

use crate::base::secret::Secret;
use crate::config::error::Fault;
use crate::config::keys::text::is_bearer_token;
use crate::config::parse::Context;
use crate::config::parse::node::Node;
use crate::config::schema::listed;
use crate::jose::algorithm::Algorithm;
use crate::jose::signing_key::{SigningKey, material};
use crate::provider::assertion::{Assertion, Statement};
use crate::provider::client_auth::{BasicEncoding, ClientAuth, Method};

/// The credentials; without them if anything is wrong.
#[inline(never)]
pub(super) fn parse(auth: &Node<'_>, issuer: &Node<'_>, context: &mut Context<'_>) -> ClientAuth {
    let id = auth.key("client_id");
    let raw = auth.key("basic_encoding").text() == "raw";
    if !is_printable(id.text()) {
        let what = "a client id of printable ASCII (RFC 6749 Appendix A.1)".to_owned();
        context.faults.add(&id.place, Fault::Expected { what });
    }
    // A method of no known name has been reported.
    let Some(method) = Method::named(auth.key("method").text()) else {
        return ClientAuth::None { client_id: None };
    };
    if raw && method != Method::Basic {
        unused(auth, method, &["basic_encoding"], context);
    }
    match method {
        Method::Basic => {
            only(auth, method, &[&["client_id"], &SECRET], context);
            required(&id, context);
            let secret = client_secret(auth, context).unwrap_or_default();
            if raw && id.text().contains(':') {
                let what = "a client id without a colon, because it is sent raw (RFC 7617 §2)".to_owned();
                context.faults.add(&id.place, Fault::Expected { what });
            }
            let encoding = if raw { BasicEncoding::Raw } else { BasicEncoding::Form };
            ClientAuth::basic(id.text(), &Secret::new(secret), encoding)
        }
        Method::Post => {
            only(auth, method, &[&["client_id"], &SECRET], context);
            required(&id, context);
            let secret = client_secret(auth, context).unwrap_or_default();
            ClientAuth::Post { client_id: id.text().to_owned(), client_secret: Secret::new(secret) }
        }
        Method::SecretJwt => {
            only(auth, method, &[&["client_id"], &SECRET, &ASSERTION], context);
            assertion(auth, issuer, &Algorithm::OF_SECRETS, context)
        }
        Method::PrivateKeyJwt => {
            only(auth, method, &[&["client_id"], &PRIVATE_KEY, &ASSERTION], context);
            required(&auth.key("algorithm"), context);
            assertion(auth, issuer, &Algorithm::OF_PRIVATE_KEYS, context)
        }
        Method::Bearer => {
            only(auth, method, &[&BEARER], context);
            let token = secret(auth, BEARER, context);
            if let Some(token) = &token
                && !is_bearer_token(token)
            {
                unfit(auth, BEARER, "a Bearer token (RFC 6750 §2.1)", context);
            }
            ClientAuth::bearer(&Secret::new(token.unwrap_or_default()))
        }
        Method::None => {
            only(auth, method, &[&["client_id"]], context);
            ClientAuth::None { client_id: id.some_text() }
        }
    }
}

const SECRET: [&str; 2] = ["client_secret", "client_secret_env"];
const BEARER: [&str; 2] = ["bearer_token", "bearer_token_env"];
const PRIVATE_KEY: [&str; 2] = ["private_key", "private_key_env"];
const ASSERTION: [&str; 6] =
    ["algorithm", "kid", "audience", "assertion_lifetime", "assertion_typ", "assertion_reuse"];

/// A signed statement, by one of `algorithms` (CAS-01 to CAS-12).
#[inline(never)]
fn assertion(
    auth: &Node<'_>,
    issuer: &Node<'_>,
    algorithms: &[Algorithm],
    context: &mut Context<'_>,
) -> ClientAuth {
    let nothing = ClientAuth::None { client_id: None };
    let [id, algorithm, kid, audience] =
        ["client_id", "algorithm", "kid", "audience"].map(|name| auth.key(name));
    required(&id, context);
    let audience = if audience.is_set() { audience } else { issuer.clone() };
    if !audience.is_set() {
        context
            .faults
            .add(&auth.key("method").place, Fault::Needs { other: "issuer or client_auth.audience" });
    }
    let of_secrets = algorithms == Algorithm::OF_SECRETS;
    let keys = if of_secrets { SECRET } else { PRIVATE_KEY };
    let material = if of_secrets { client_secret(auth, context) } else { secret(auth, keys, context) };
    let material = material.map(Secret::new);
    let name = if algorithm.is_set() { algorithm.text() } else { "HS256" };
    let Some(chosen) = algorithms.iter().copied().find(|known| known.name() == name) else {
        if algorithm.is_set() {
            let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
            let what = format!("{}, for the method {:?}", listed(&names, "or"), auth.key("method").text());
            context.faults.add(&algorithm.place, Fault::Expected { what });
        }
        return nothing;
    };
    let Some(material) = material else { return nothing };
    let key = if of_secrets {
        SigningKey::of_secret(&material, chosen)
    } else {
        SigningKey::of_pem(&material, chosen)
    };
    let Some(key) = key else {
        unfit(auth, keys, self::material(chosen), context);
        return nothing;
    };
    let [lifetime, typ, reuse] =
        ["assertion_lifetime", "assertion_typ", "assertion_reuse"].map(|name| auth.key(name));
    let statement = Statement {
        client_id: id.text(),
        audience: audience.text(),
        kid: kid.is_set().then(|| kid.text()),
        typ: if typ.is_set() { typ.text() } else { "JWT" },
        lifetime: if lifetime.is_set() { lifetime.duration() } else { LIFETIME },
        is_reused: reuse.is_set() && reuse.bool(),
    };
    ClientAuth::Assertion(Box::new(Assertion::new(&statement, chosen, key, &material)))
}

/// How long an assertion is good for.
const LIFETIME: Duration = Duration::from_secs(60);

#[inline(never)]
fn required(node: &Node<'_>, context: &mut Context<'_>) {
    if !node.is_set() {
        context.faults.add(&node.place, Fault::Missing);
    }
}

/// Faults at every key that belongs to other methods.
#[inline(never)]
fn only(auth: &Node<'_>, method: Method, used: &[&[&str]], context: &mut Context<'_>) {
    let all: [&[&'static str]; 5] = [&["client_id"], &SECRET, &BEARER, &PRIVATE_KEY, &ASSERTION];
    for keys in all {
        if !used.contains(&keys) {
            unused(auth, method, keys, context);
        }
    }
}

#[inline(never)]
fn unused(auth: &Node<'_>, method: Method, keys: &[&'static str], context: &mut Context<'_>) {
    for key in keys.iter().map(|key| auth.key(key)).filter(Node::is_set) {
        context.faults.add(&key.place, Fault::Unused { method });
    }
}

/// Faults at a secret of the wrong form, wherever it is written.
#[inline(never)]
fn unfit(auth: &Node<'_>, keys: [&'static str; 2], what: &'static str, context: &mut Context<'_>) {
    let [written, variable] = keys.map(|key| auth.key(key));
    let (place, fault) = if written.is_set() {
        (written.place, Fault::Expected { what: what.to_owned() })
    } else {
        (variable.place, Fault::UnfitVariable { what })
    };
    context.faults.add(&place, fault);
}

/// The client secret ([RFC 6749 Appendix A.2]). What else is in it was not meant to be: a server would get
/// another one than it knows.
///
/// [RFC 6749 Appendix A.2]: https://www.rfc-editor.org/rfc/rfc6749#appendix-A.2
#[inline(never)]
fn client_secret(auth: &Node<'_>, context: &mut Context<'_>) -> Option<String> {
    let secret = secret(auth, SECRET, context)?;
    if !is_printable(&secret) {
        unfit(auth, SECRET, "a client secret of printable ASCII (RFC 6749 Appendix A.2)", context);
    }
    Some(secret)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, 0x20..=0x7e))
}

/// The secret, written here or in an environment variable; exactly one of the two.
#[inline(never)]
fn secret(auth: &Node<'_>, keys: [&'static str; 2], context: &mut Context<'_>) -> Option<String> {
    let [written, variable] = keys.map(|key| auth.key(key));
    match (written.is_set(), variable.is_set()) {
        (true, false) => written.some_text(),
        (false, true) => {
            let value = context.variable(variable.text());
            if value.is_none() {
                context.faults.add(&variable.place, Fault::Unset);
            }
            value
        }
        (found, _) => {
            let found = if found { 2 } else { 0 };
            let fault = Fault::Choice { quantity: "exactly one", keys: listed(&keys, "and"), found };
            context.faults.add(&auth.place, fault);
            None
        }
    }
}
