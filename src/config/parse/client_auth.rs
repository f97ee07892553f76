//! `client_auth`: exactly one way to authenticate, and what belongs to it (OAU-14).

use std::time::Duration;

use crate::error::{Fault, Needed};
use crate::key::{AnyKey, Key};
use crate::keys;
use crate::keys::text::is_bearer_token;
use crate::keys::words::AssertionTyp;
use crate::parse::Context;
use crate::parse::node::{Node, Part};
use crate::schema::{listed, quoted};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::signing_key::{SigningKey, material};
use tollgate_engine::provider::assertion::{Assertion, Statement};
use tollgate_engine::provider::client_auth::{BasicEncoding, ClientAuth, Method};

/// The credentials; without them if anything is wrong.
#[inline(never)]
pub(super) fn parse(
    auth: &Node<'_, keys::ClientAuth>,
    issuer: &Node<'_, String>,
    context: &mut Context<'_>,
) -> ClientAuth {
    let id = auth.at(keys::ClientAuth::CLIENT_ID);
    let encoding = auth.get(keys::ClientAuth::BASIC_ENCODING);
    let raw = encoding == BasicEncoding::Raw;
    if !is_printable(id.text()) {
        let what = "a client id of printable ASCII (RFC 6749 Appendix A.1)";
        context.expected(&id, what);
    }
    // A method of no known name has been reported.
    let Some(method) = auth.at(keys::ClientAuth::METHOD).known() else {
        return ClientAuth::None { client_id: None };
    };
    if raw && method != Method::Basic {
        unused(auth, method, &[keys::ClientAuth::BASIC_ENCODING.any()], context);
    }
    match method {
        Method::Basic => {
            only(auth, method, &[Group::Id, Group::Secret], context);
            required(&id, context);
            let secret = client_secret(auth, context).unwrap_or_default();
            if raw && id.text().contains(':') {
                let what = "a client id without a colon, because it is sent raw (RFC 7617 §2)";
                context.expected(&id, what);
            }
            ClientAuth::basic(id.text(), &Secret::new(secret), encoding)
        }
        Method::Post => {
            only(auth, method, &[Group::Id, Group::Secret], context);
            required(&id, context);
            let secret = client_secret(auth, context).unwrap_or_default();
            ClientAuth::Post { client_id: id.text().to_owned(), client_secret: Secret::new(secret) }
        }
        Method::SecretJwt => {
            only(auth, method, &[Group::Id, Group::Secret, Group::Assertion], context);
            assertion(auth, issuer, &Algorithm::OF_SECRETS, context)
        }
        Method::PrivateKeyJwt => {
            only(auth, method, &[Group::Id, Group::PrivateKey, Group::Assertion], context);
            required(&auth.at(keys::ClientAuth::ALGORITHM), context);
            assertion(auth, issuer, &Algorithm::OF_PRIVATE_KEYS, context)
        }
        Method::Bearer => {
            only(auth, method, &[Group::Bearer], context);
            let token = secret(auth, BEARER, context);
            if let Some(token) = &token
                && !is_bearer_token(token)
            {
                unfit(auth, BEARER, "a Bearer token (RFC 6750 §2.1)", context);
            }
            ClientAuth::bearer(&Secret::new(token.unwrap_or_default()))
        }
        Method::None => {
            only(auth, method, &[Group::Id], context);
            ClientAuth::None { client_id: id.some() }
        }
    }
}

/// Where a secret is: in the configuration, or in an environment variable that the configuration names.
type Written = [Key<keys::ClientAuth, Option<String>>; 2];

const SECRET: Written = [keys::ClientAuth::CLIENT_SECRET, keys::ClientAuth::CLIENT_SECRET_ENV];
const BEARER: Written = [keys::ClientAuth::BEARER_TOKEN, keys::ClientAuth::BEARER_TOKEN_ENV];
const PRIVATE_KEY: Written = [keys::ClientAuth::PRIVATE_KEY, keys::ClientAuth::PRIVATE_KEY_ENV];

/// A signed statement, by one of `algorithms` (CAS-01 to CAS-12).
#[inline(never)]
fn assertion(
    auth: &Node<'_, keys::ClientAuth>,
    issuer: &Node<'_, String>,
    algorithms: &[Algorithm],
    context: &mut Context<'_>,
) -> ClientAuth {
    let nothing = ClientAuth::None { client_id: None };
    let (id, audience) = (auth.at(keys::ClientAuth::CLIENT_ID), auth.at(keys::ClientAuth::AUDIENCE));
    let (algorithm, method) = (auth.at(keys::ClientAuth::ALGORITHM), auth.at(keys::ClientAuth::METHOD));
    required(&id, context);
    let audience = if audience.is_set() { audience } else { *issuer };
    if !audience.is_set() {
        context.needs(&method, Needed::Either("issuer or client_auth.audience"));
    }
    let of_secrets = algorithms == Algorithm::OF_SECRETS;
    let keys = if of_secrets { SECRET } else { PRIVATE_KEY };
    let material = if of_secrets { client_secret(auth, context) } else { secret(auth, keys, context) };
    let material = material.map(Secret::new);
    let chosen = if algorithm.is_set() { algorithm.known() } else { Some(Algorithm::Hs256) };
    let Some(chosen) = chosen.filter(|chosen| algorithms.contains(chosen)) else {
        if algorithm.is_set() {
            let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
            let what = format!("{}, for the method {}", listed(&names, "or"), quoted(method.read().name()));
            context.fault(&algorithm, Fault::Expected { what });
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
    let (kid, typ) = (auth.get(keys::ClientAuth::KID), auth.get(keys::ClientAuth::ASSERTION_TYP));
    let statement = Statement {
        client_id: id.text(),
        audience: audience.text(),
        kid: kid.as_deref(),
        typ: typ.unwrap_or(AssertionTyp::Jwt).name(),
        lifetime: auth.get(keys::ClientAuth::ASSERTION_LIFETIME).unwrap_or(LIFETIME),
        is_reused: auth.get(keys::ClientAuth::ASSERTION_REUSE).unwrap_or_default(),
    };
    ClientAuth::Assertion(Box::new(Assertion::new(&statement, chosen, key, &material)))
}

/// How long an assertion is valid.
const LIFETIME: Duration = Duration::from_secs(60);

#[inline(never)]
fn required(node: &Part<'_>, context: &mut Context<'_>) {
    if !node.is_set() {
        context.missing(node);
    }
}

/// Adds an error for every key that belongs to other methods.
#[inline(never)]
fn only(auth: &Node<'_, keys::ClientAuth>, method: Method, used: &[Group], context: &mut Context<'_>) {
    for (group, keys) in GROUPS {
        if !used.contains(&group) {
            unused(auth, method, keys, context);
        }
    }
}

/// Keys that belong together.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Group {
    Id,
    Secret,
    Bearer,
    PrivateKey,
    Assertion,
}

const GROUPS: [(Group, &[AnyKey<keys::ClientAuth>]); 5] = [
    (Group::Id, &[keys::ClientAuth::CLIENT_ID.any()]),
    (Group::Secret, &[keys::ClientAuth::CLIENT_SECRET.any(), keys::ClientAuth::CLIENT_SECRET_ENV.any()]),
    (Group::Bearer, &[keys::ClientAuth::BEARER_TOKEN.any(), keys::ClientAuth::BEARER_TOKEN_ENV.any()]),
    (Group::PrivateKey, &[keys::ClientAuth::PRIVATE_KEY.any(), keys::ClientAuth::PRIVATE_KEY_ENV.any()]),
    (
        Group::Assertion,
        &[
            keys::ClientAuth::ALGORITHM.any(),
            keys::ClientAuth::KID.any(),
            keys::ClientAuth::AUDIENCE.any(),
            keys::ClientAuth::ASSERTION_LIFETIME.any(),
            keys::ClientAuth::ASSERTION_TYP.any(),
            keys::ClientAuth::ASSERTION_REUSE.any(),
        ],
    ),
];

#[inline(never)]
fn unused(
    auth: &Node<'_, keys::ClientAuth>,
    method: Method,
    keys: &[AnyKey<keys::ClientAuth>],
    context: &mut Context<'_>,
) {
    for key in keys.iter().map(|key| auth.part(*key)).filter(Part::is_set) {
        context.fault(&key, Fault::Unused { method });
    }
}

/// Adds an error for a secret of the wrong form, wherever it is written.
#[inline(never)]
fn unfit(auth: &Node<'_, keys::ClientAuth>, keys: Written, what: &'static str, context: &mut Context<'_>) {
    let [written, variable] = keys.map(|key| auth.at(key));
    if written.is_set() {
        context.expected(&written, what);
    } else {
        context.unfit_variable(&variable, what);
    }
}

/// The client secret ([RFC 6749 Appendix A.2]). What else is in it was not meant to be: a server would get
/// another one than it knows.
///
/// [RFC 6749 Appendix A.2]: https://www.rfc-editor.org/rfc/rfc6749#appendix-A.2
#[inline(never)]
fn client_secret(auth: &Node<'_, keys::ClientAuth>, context: &mut Context<'_>) -> Option<String> {
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
fn secret(auth: &Node<'_, keys::ClientAuth>, keys: Written, context: &mut Context<'_>) -> Option<String> {
    let [written, variable] = keys.map(|key| auth.at(key));
    match (written.is_set(), variable.is_set()) {
        (true, false) => written.some(),
        (false, true) => {
            let value = context.variable(variable.text());
            if value.is_none() {
                context.unset(&variable);
            }
            value
        }
        (found, _) => {
            let found = if found { 2 } else { 0 };
            let fault =
                Fault::Choice { quantity: "exactly one", keys: listed(&keys.map(Key::name), "and"), found };
            context.fault(auth, fault);
            None
        }
    }
}
