//! Each check of the engine as a line: what was wanted, what was found, and the section of the standard.

use std::time::Duration;

use serde_json::Value;
use tollgate_config::schema::written;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::fault::JwtFault;
use tollgate_engine::decision::trace::{Bound, Check, FoundToken, Jwt};
use tollgate_engine::decision::{Doubt, NoAnswer, Rejection};
use tollgate_engine::jose::jws::Compact;
use tollgate_engine::request::extract::Place;

use crate::commands::explain::report::Step;
use crate::kit::clock;

/// The lines of a check.
pub(super) fn row(check: &Check<'_>, failure: Option<&Rejection>, now: UnixTime) -> Vec<Step> {
    let found = step(check, failure, now);
    // What was found says why the check failed, except for a JWT.
    let tells = found.is_some() && !matches!(check, Check::Jwt(_));
    let refused = |rejection: &Rejection| Step {
        failure: Some(rejection.clone()),
        ..Step::new(name_of_failed(check), rejection.to_string(), section(rejection))
    };
    let found = found.map(|step| Step { failure: failure.filter(|_| tells).cloned(), ..step });
    found.into_iter().chain(failure.filter(|_| !tells).map(refused)).collect()
}

/// What was found. `None` if the check only passes or fails.
fn step(check: &Check<'_>, failure: Option<&Rejection>, now: UnixTime) -> Option<Step> {
    let (text, section) = match check {
        Check::Reading
        | Check::Rule
        | Check::Connection
        | Check::Form
        | Check::Provider
        | Check::Response
        | Check::Active
        | Check::Agreement => return None,
        Check::Token(Some(found)) => (token(*found), "RFC 6750 §2"),
        Check::Token(None) => match failure {
            None | Some(Rejection::NoToken | Rejection::NoMetadata) => ("none".to_owned(), "RFC 6750 §2"),
            Some(rejection) => (rejection.to_string(), "RFC 6750 §2"),
        },
        Check::Proof if failure.is_some() => return None,
        Check::Proof => ("valid, for this request and token".to_owned(), "RFC 9449 §4.3"),
        Check::Jwt(it) => (jwt(*it, failure), "RFC 9068 §4, RFC 7515 §5.2"),
        Check::Revoked { list, what } => {
            let is_late = matches!(failure, Some(Rejection::NoAnswer { .. }));
            let unknown = if is_late { "the list is not loaded yet" } else { "not the token" };
            (format!("revoked by the list {list}: {}", what.unwrap_or(unknown)), "RFC 6750 §3.1")
        }
        Check::Status { at, found } => (status(*at, *found, failure)?, SECTION_OF_STATUS),
        Check::CacheAge { max, found } => (cache_age(*max, *found), "RFC 7662 §4"),
        Check::Issuer { wanted, found, is_optional } => {
            let allowed = if found.is_none() && *is_optional { ", which is allowed" } else { "" };
            (format!("wanted {wanted}, found {}{allowed}", shown(*found)), "RFC 7662 §2.2")
        }
        Check::Expiry(exp) => {
            (exp.map_or_else(|| "no exp".to_owned(), |exp| moment("ends", exp, now)), "RFC 7662 §2.2")
        }
        Check::NotBefore(nbf) => (moment("begins", *nbf, now), "RFC 7662 §2.2"),
        Check::TokenType(found) => (shown(*found), "RFC 6749 §7.1"),
        Check::Age { max, skew, found } => (age(*max, *skew, *found, now), "RFC 9068 §4"),
        Check::Audience { wanted, .. } if wanted.is_empty() => return None,
        Check::Audience { wanted, found } => {
            (format!("wanted {}, found {}", wanted.join(" or "), shown(*found)), "RFC 9700 §2.3")
        }
        Check::Binding { found, is_ignored } => (binding(*found, *is_ignored), "RFC 9449 §6, RFC 8705 §3"),
        Check::Client { list, found } => {
            let list = list.map_or_else(|| "the rule's list".to_owned(), |name| format!("the list {name}"));
            let is_late = matches!(failure, Some(Rejection::NoAnswer { .. }));
            let state = if is_late { ", which is not loaded yet" } else { "" };
            (format!("wanted one of {list}{state}, found {}", found.unwrap_or("none")), "RFC 7662 §2.2")
        }
        Check::Authentication { contexts, context, max_age, at } => {
            let acr = (!contexts.is_empty())
                .then(|| format!("wanted acr {}, found {}", contexts.join(" or "), shown(*context)));
            let age = max_age
                .map(|age| format!("wanted auth_time at most {} s ago, found {}", age.as_secs(), shown(*at)));
            (acr.into_iter().chain(age).collect::<Vec<_>>().join("; "), "RFC 9470 §3")
        }
        Check::Claim { name, wanted, found } => {
            (format!("wanted {name} {wanted}, found {}", shown(*found)), "RFC 7662 §2.2")
        }
        Check::Scope { wanted, found } => {
            let found = if found.is_empty() { "none".to_owned() } else { found.join(" ") };
            (format!("wanted {wanted}, found {found}"), "RFC 6750 §3.1")
        }
        Check::Delegation(found) => (format!("wanted no act, found {}", shown(*found)), "RFC 8693 §4.1"),
        Check::Details { wanted, found } => {
            let kinds = wanted.join(" and one of ");
            (format!("wanted an entry of type {kinds}, found {}", shown(*found)), "RFC 9396 §9")
        }
    };
    Some(Step::new(check.name(), text, section))
}

/// The name of a line that only says why the check failed.
fn name_of_failed(check: &Check<'_>) -> &'static str {
    match check {
        Check::Reading | Check::Rule | Check::Connection | Check::Proof => check.name(),
        _ => "refused",
    }
}

fn token(FoundToken { place, length }: FoundToken) -> String {
    let place = match place {
        Place::Header => "a header field",
        Place::Dpop => "a header field, with the scheme DPoP",
        Place::Query => "the query",
        Place::Cookie => "a cookie",
        Place::WebSocket => "a WebSocket's protocols",
        Place::Form => "a form",
    };
    format!("{length} {}, in {place}", if length == 1 { "byte" } else { "bytes" })
}

/// A JWT's header, and whether its signature was verified.
fn jwt(Jwt { provider, token, keys }: Jwt<'_>, failure: Option<&Rejection>) -> String {
    let Ok(Compact { header, .. }) = Compact::parse(token) else {
        return format!("{provider}: not a JWT that can be verified");
    };
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let keys = if keys == 1 { "1 key is".to_owned() } else { format!("{keys} keys are") };
    let came = match failure {
        None => "the signature is valid",
        Some(Rejection::BadJwt { fault: JwtFault::Signature }) => "the signature is not valid",
        Some(Rejection::BadJwt { fault: JwtFault::UnknownKey }) => "no key has the token's kid and algorithm",
        Some(_) => "the signature was not checked",
    };
    format!(
        "{provider}: alg {}, typ {}, kid {}; {keys} known, {came}",
        header.alg.name(),
        or(&header.typ),
        or(&header.kid)
    )
}

/// The entry of a token in its status list, and what it says.
fn status(at: Option<(&str, u64)>, found: Option<u8>, failure: Option<&Rejection>) -> Option<String> {
    let (uri, index) = at?;
    let found = match (found, failure) {
        (Some(0), _) => "0, valid".to_owned(),
        (Some(1), _) => "1, revoked".to_owned(),
        (Some(2), _) => "2, suspended".to_owned(),
        (Some(other), _) => format!("{other}, which is not valid"),
        (None, Some(Rejection::NoAnswer { .. })) => "the list is not loaded".to_owned(),
        (None, Some(rejection)) => rejection.to_string(),
        (None, None) => return None,
    };
    Some(format!("wanted 0, found {found}: entry {index} of {uri}"))
}

fn binding(found: Bound, is_ignored: bool) -> String {
    let bound = match found {
        Bound::Otherwise => "bound in a way that cannot be proven here",
        Bound::ToBoth => "bound to a key and a certificate",
        Bound::ToCertificate => "bound to a certificate",
        Bound::ToKey => "bound to a key",
        Bound::Not => "not bound",
    };
    format!("{bound}{}", if is_ignored { "; not checked" } else { "" })
}

/// The token's maximum age (`max_token_age`), and its age.
fn age(max: Duration, skew: Duration, iat: Option<&Value>, now: UnixTime) -> String {
    let leeway =
        if skew.is_zero() { String::new() } else { format!(" (and {} of clock_skew)", written(skew)) };
    let found = match iat.and_then(|iat| iat.as_i64().or_else(|| rounded(iat.as_f64()?))) {
        Some(seconds) => moment("issued", seconds, now),
        None => shown(iat),
    };
    format!("wanted at most {}{leeway} since iat, found {found}", written(max))
}

/// The age from which on a cached response does not count (`max_cache_age`), and the age of the one that is there.
fn cache_age(max: Duration, found: Option<Duration>) -> String {
    let wanted = match max {
        Duration::ZERO => "wanted none, for every request asks".to_owned(),
        max => format!("wanted less than {}", written(max)),
    };
    let found = found.map_or_else(|| "no cached response".to_owned(), |age| format!("{} s", age.as_secs()));
    format!("{wanted}, found {found}; the token is introspected")
}

fn rounded(seconds: f64) -> Option<i64> {
    format!("{:.0}", seconds.floor()).parse().ok()
}

/// A claim's value: text without quotation marks.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// `ends 2026-11-23T09:00:00Z, in 54s`.
fn moment(what: &str, seconds: i64, now: UnixTime) -> String {
    let moment = UnixTime::from_secs(u64::try_from(seconds).unwrap_or_default());
    let span = |span: Duration| {
        let text = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
        let rough = text.split(' ').take(2).collect::<Vec<_>>().join(" ");
        ["year", "month", "day"].iter().fold(rough, |text, word| text.replace(word, &format!(" {word}")))
    };
    let when = if moment > now {
        format!("in {}", span(now.until(moment)))
    } else {
        format!("{} ago", span(moment.until(now)))
    };
    format!("{what} {}, {when}", clock::date(moment))
}

/// Of the Token Status List, which has no number yet.
const SECTION_OF_STATUS: &str = "draft-ietf-oauth-status-list §8.3";

/// The section that requires the rejection.
pub(super) fn section(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::NoToken => "RFC 6750 §3",
        Rejection::NoMetadata => "RFC 9728 §3",
        Rejection::AmbiguousPath => "RFC 3986 §6.2",
        Rejection::Ambiguous(Doubt::Method | Doubt::MethodOverride) => "RFC 9110 §9.1",
        Rejection::Ambiguous(Doubt::Host) => "RFC 9110 §7.2",
        Rejection::Ambiguous(Doubt::Field) => "RFC 9110 §5.3",
        Rejection::Ambiguous(_) => "RFC 3986 §3.3, §6.2",
        Rejection::Malformed | Rejection::Several | Rejection::FormTooLarge | Rejection::FormMissing => {
            "RFC 6750 §2, §3.1"
        }
        Rejection::TlsRequired => "RFC 6750 §5.3",
        Rejection::TokenTooLong
        | Rejection::NoProvider
        | Rejection::Revoked
        | Rejection::ScopeMissing { .. } => "RFC 6750 §3.1",
        Rejection::Inactive
        | Rejection::Expired
        | Rejection::NotYetValid
        | Rejection::WrongIssuer
        | Rejection::ClientNotListed
        | Rejection::ClaimMismatch { .. } => "RFC 7662 §2.2",
        Rejection::WrongAudience => "RFC 9700 §2.3",
        Rejection::NotAnAccessToken => "RFC 6749 §7.1",
        Rejection::BadJwt { fault: JwtFault::Signature | JwtFault::UnknownKey } => "RFC 7515 §5.2",
        Rejection::BadJwt { fault: JwtFault::Status(_) } => SECTION_OF_STATUS,
        Rejection::BadJwt { .. } => "RFC 9068 §4, RFC 8725 §3",
        Rejection::Unproven => "RFC 9449 §7.1, RFC 8705 §3",
        Rejection::BadProof(_) => "RFC 9449 §4.3",
        Rejection::NonceWanted { .. } => "RFC 9449 §9",
        Rejection::NoCertificate | Rejection::OtherCertificate => "RFC 8705 §3",
        Rejection::BindingWanted => "RFC 8705 §3, RFC 9449 §7.1",
        Rejection::OtherKey | Rejection::NotBound | Rejection::ProofWanted => "RFC 9449 §7.1",
        Rejection::WeakAuthentication { .. } => "RFC 9470 §3",
        Rejection::DetailMissing => "RFC 9396 §9",
        Rejection::Delegated => "RFC 8693 §4.1",
        Rejection::Denied => "RFC 9110 §15.5.4",
        Rejection::NoAnswer { cause: NoAnswer::Throttled, .. } => "RFC 6585 §4, RFC 9110 §15.6.4",
        Rejection::NoAnswer { .. } => "RFC 9110 §15.6.4",
        Rejection::BadAnswer { .. } => "RFC 7662 §2.3, RFC 9110 §15.6.3",
    }
}
