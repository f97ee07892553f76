//! `dpop`: how proofs of possession are checked.

use crate::keys;
use crate::keys::words;
use crate::parse::Context;
use crate::parse::endpoint;
use crate::parse::node::Node;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::text;
use tollgate_engine::jose::algorithm::{Algorithm, Algorithms};
use tollgate_engine::proof::dpop::{Dpop, NonceRule};
use tollgate_engine::proof::nonce::Key;
use tollgate_engine::request::path::NormalPath;

/// All of it; `None` if it is not there.
#[inline(never)]
pub(super) fn parse(dpop: &Node<'_, keys::Dpop>, context: &mut Context<'_>) -> Option<Dpop> {
    if !dpop.is_set() {
        return None;
    }
    let algorithms = dpop.at(keys::Dpop::ALGORITHMS);
    context.no_duplicates(&algorithms);
    let origin = dpop.at(keys::Dpop::EXTERNAL_ORIGIN);
    let external_origin = origin.is_set().then(|| {
        external(origin.text()).unwrap_or_else(|| {
            let what = "a scheme and authority, such as https://api.example.com, and the path prefix that a hop removes, if any, such as https://api.example.com/orders";
            context.expected(&origin, what);
            String::new()
        })
    });
    Some(Dpop {
        max_age: dpop.get(keys::Dpop::MAX_AGE),
        clock_skew: dpop.get(keys::Dpop::CLOCK_SKEW),
        algorithms: Algorithms::from_names(algorithms.read().into_iter().map(Algorithm::name))?,
        nonce: nonce(dpop, context),
        replay_cache: dpop.get(keys::Dpop::REPLAY_CACHE),
        external_origin,
        forward: dpop.get(keys::Dpop::FORWARD),
    })
}

/// Scheme and authority, and a path in normal form that does not end with a slash.
#[inline(never)]
fn external(text: &str) -> Option<String> {
    let parsed = endpoint::parse(text).ok()?;
    let (_, rest) = text::split_once(text, "://")?;
    let path = rest.find('/').map_or("", |at| rest.split_at(at).1);
    let prefix = path.strip_suffix('/').unwrap_or(path);
    let is_normal = || NormalPath::parse(prefix.as_bytes()).is_ok_and(|normal| normal.as_str() == prefix);
    let fits = prefix.is_empty() || !prefix.ends_with('/') && is_normal();
    (fits && !parsed.path.contains('?')).then(|| format!("{}://{}{prefix}", parsed.scheme, parsed.authority))
}

#[inline(never)]
fn nonce(dpop: &Node<'_, keys::Dpop>, context: &mut Context<'_>) -> Option<NonceRule> {
    let variable = dpop.at(keys::Dpop::NONCE_KEY_ENV);
    let required = dpop.get(keys::Dpop::NONCE) == words::Nonce::Required;
    if variable.is_set() && !required {
        context.needs(&variable, keys::Dpop::NONCE.needed_as(words::Nonce::Required));
    }
    if !required {
        return None;
    }
    let secret = variable.is_set().then(|| context.variable(variable.text()).unwrap_or_default());
    if secret.as_ref().is_some_and(String::is_empty) {
        context.unset(&variable);
    } else if secret.as_ref().is_some_and(|secret| secret.len() < MIN_KEY) {
        let what = "32 characters or more, chosen at random";
        context.unfit_variable(&variable, what);
    }
    let key = secret.map(|secret| Key::of_secret(&Secret::new(secret)));
    Some(NonceRule { lifetime: dpop.get(keys::Dpop::NONCE_LIFETIME), key })
}

/// The minimum length of a key for nonces.
const MIN_KEY: usize = 32;
