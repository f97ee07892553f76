//! What is demanded of an active token, in the order in which the engine looks at it.

use std::time::Duration;

use serde_json::Value;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::config::schema::written;
use tollgate_engine::decision::fault::JwtFault;
use tollgate_engine::decision::{NoAnswer, Rejection};
use tollgate_engine::policy::requirement::{Requirement, SenderConstraint};
use tollgate_engine::provider::{Provider, Validate};
use tollgate_engine::token::access_token::AccessToken;
use tollgate_engine::token::claims::{ClaimRequirement, ClaimTest};
use tollgate_engine::token::scope::{ScopePolicy, ScopeToken};

use crate::kit::clock;
use crate::kit::printable::printable;

/// One demand.
#[derive(Debug)]
pub(super) struct Check {
    /// What it is about.
    pub(super) name: &'static str,
    /// What is wanted and what is there.
    pub(super) text: String,
    /// Where that is written.
    pub(super) section: &'static str,
    /// Whether a rejection is this demand's.
    pub(super) is_missed: bool,
}

/// Every demand; the one with `is_missed` is why the token was rejected, if it was.
pub(super) fn of(
    token: &AccessToken,
    provider: &Provider,
    audiences: &[String],
    requirement: &Requirement,
    rejection: Option<&Rejection>,
    now: UnixTime,
) -> Vec<Check> {
    let mut checks = Checks { token, provider, rejection, all: Vec::new() };
    checks.of_provider(now);
    checks.audience(audiences);
    checks.of_requirement(requirement);
    checks.all
}

/// How old the token may be (`max_token_age`), and how old it is.
pub(super) fn age(token: &AccessToken, provider: &Provider, is_missed: bool, now: UnixTime) -> Option<Check> {
    let (max, skew) = (provider.tokens.max_token_age?, provider.tokens.clock_skew);
    let leeway =
        if skew.is_zero() { String::new() } else { format!(" (and {} of clock_skew)", written(skew)) };
    let iat = token.present("iat");
    let found = match iat.and_then(|iat| iat.as_i64().or_else(|| rounded(iat.as_f64()?))) {
        Some(seconds) => moment("issued", seconds, now),
        None => shown(iat),
    };
    let text = format!("wanted at most {}{leeway} since iat, found {found}", written(max));
    Some(Check { name: "age", text: printable(&text), section: "RFC 9068 §4", is_missed })
}

fn rounded(seconds: f64) -> Option<i64> {
    format!("{:.0}", seconds.floor()).parse().ok()
}

struct Checks<'a> {
    token: &'a AccessToken,
    provider: &'a Provider,
    rejection: Option<&'a Rejection>,
    all: Vec<Check>,
}

impl Checks<'_> {
    /// What holds for every token of the provider.
    fn of_provider(&mut self, now: UnixTime) {
        if let Some(issuer) = &self.provider.tokens.issuer {
            let found = match (self.token.present("iss"), self.provider.tokens.require_iss) {
                (None, false) => "none, which is allowed".to_owned(),
                _ => self.claim("iss"),
            };
            let missed = self.is(&Rejection::WrongIssuer);
            self.add("issuer", "RFC 7662 §2.2", missed, format!("wanted {issuer}, found {found}"));
        }
        let ends = self.token.exp.map_or_else(|| "no exp".to_owned(), |exp| moment("ends", exp, now));
        self.add("expiry", "RFC 7662 §2.2", self.is(&Rejection::Expired), ends);
        if let Some(nbf) = self.token.nbf {
            self.add(
                "not before",
                "RFC 7662 §2.2",
                self.is(&Rejection::NotYetValid),
                moment("begins", nbf, now),
            );
        }
        let kind = self.claim("token_type");
        self.add("token type", "RFC 6749 §7.1", self.is(&Rejection::NotAnAccessToken), kind);
        if self.provider.validate == Validate::Jwt {
            let is_missed = self.is(&Rejection::BadJwt { fault: JwtFault::TooOld });
            self.all.extend(age(self.token, self.provider, is_missed, now));
        }
        self.audience(&self.provider.tokens.audiences);
    }

    /// What the rule, or the configuration for all requests, demands.
    fn of_requirement(&mut self, requirement: &Requirement) {
        let bound = match (self.token.jkt(), self.token.x5t(), self.token.is_bound) {
            _ if self.token.is_bound_otherwise() => "bound in a way that cannot be proven here",
            (Some(_), Some(_), _) => "bound to a key and a certificate",
            (_, Some(_), _) => "bound to a certificate",
            (Some(_), _, _) | (_, _, true) => "bound to a key",
            (_, _, false) => "not bound",
        };
        let ignored =
            if requirement.sender_constraint == SenderConstraint::Ignore { "; not looked at" } else { "" };
        let missed = [
            Rejection::Unproven,
            Rejection::OtherKey,
            Rejection::NotBound,
            Rejection::NoCertificate,
            Rejection::OtherCertificate,
            Rejection::BindingWanted,
        ];
        let missed = missed.iter().any(|one| self.is(one));
        self.add("binding", "RFC 9449 §6, RFC 8705 §3", missed, format!("{bound}{ignored}"));
        self.audience(&requirement.audiences);
        if let Some(list) = &requirement.clients {
            let list = list
                .name
                .as_deref()
                .map_or_else(|| "the rule's list".to_owned(), |name| format!("the list {name}"));
            let client =
                self.token.client_id(&self.provider.tokens).map_or_else(|| "none".to_owned(), str::to_owned);
            let is_late = self.rejection.is_some_and(|rejection| {
                matches!(rejection, Rejection::NoAnswer { cause: NoAnswer::NoClientList, .. })
            });
            let missed = is_late || self.is(&Rejection::ClientNotListed);
            let state = if is_late { ", which has not arrived yet" } else { "" };
            self.add(
                "client",
                "RFC 7662 §2.2",
                missed,
                format!("wanted one of {list}{state}, found {client}"),
            );
        }
        self.authentication(requirement);
        for demand in &requirement.claims {
            let name = demand.claim.as_str();
            let missed = matches!(self.rejection, Some(Rejection::ClaimMismatch { claim }) if claim == name);
            let found = shown(demand.claim.find(&self.token.claims));
            self.add(
                "claim",
                "RFC 7662 §2.2",
                missed,
                format!("wanted {name} {}, found {found}", wanted(demand)),
            );
        }
        self.scopes(&requirement.scopes);
        self.details(requirement);
    }

    fn details(&mut self, requirement: &Requirement) {
        if requirement.no_delegation {
            let missed = self.is(&Rejection::Delegated);
            let text = format!("wanted no act, found {}", self.claim("act"));
            self.add("delegation", "RFC 8693 §4.1", missed, text);
        }
        if !requirement.details.is_empty() {
            let kinds: Vec<_> = requirement.details.iter().map(|detail| detail.kind.as_str()).collect();
            let missed = self.is(&Rejection::DetailMissing);
            let found = self.claim("authorization_details");
            let text = format!("wanted an entry of type {}, found {found}", kinds.join(" and one of "));
            self.add("details", "RFC 9396 §9", missed, text);
        }
    }

    fn audience(&mut self, wanted: &[String]) {
        if !wanted.is_empty() {
            let missed = self.is(&Rejection::WrongAudience) && !self.token.has_audience(wanted);
            let text = format!("wanted {}, found {}", wanted.join(" or "), self.claim("aud"));
            self.add("audience", "RFC 9700 §2.3", missed, text);
        }
    }

    fn authentication(&mut self, requirement: &Requirement) {
        let mut wanted = Vec::new();
        if !requirement.acr_values.is_empty() {
            wanted.push(format!(
                "wanted acr {}, found {}",
                requirement.acr_values.join(" or "),
                self.claim("acr")
            ));
        }
        if let Some(age) = requirement.max_age {
            wanted.push(format!(
                "wanted auth_time at most {} s ago, found {}",
                age.as_secs(),
                self.claim("auth_time")
            ));
        }
        if !wanted.is_empty() {
            let missed = matches!(self.rejection, Some(Rejection::WeakAuthentication { .. }));
            self.add("authentication", "RFC 9470 §3", missed, wanted.join("; "));
        }
    }

    fn scopes(&mut self, wanted: &ScopePolicy) {
        if wanted.is_empty() {
            return;
        }
        let join = |scopes: &[ScopeToken], word: &str| {
            let scopes: Vec<_> = scopes.iter().map(ScopeToken::as_str).collect();
            (!scopes.is_empty()).then(|| scopes.join(word))
        };
        let parts: Vec<_> =
            [join(&wanted.all, " and "), join(&wanted.any, " or ")].into_iter().flatten().collect();
        let found = self.token.scopes(&self.provider.tokens).join(" ");
        let found = if found.is_empty() { "none" } else { &found };
        let missed = matches!(self.rejection, Some(Rejection::ScopeMissing { .. }));
        let text = format!("wanted {}, found {found}", parts.join(", and "));
        self.add("scope", "RFC 6750 §3.1", missed, text);
    }

    fn is(&self, wanted: &Rejection) -> bool {
        self.rejection == Some(wanted)
    }

    fn claim(&self, name: &str) -> String {
        shown(self.token.present(name))
    }

    fn add(&mut self, name: &'static str, section: &'static str, is_missed: bool, text: impl AsRef<str>) {
        self.all.push(Check { name, text: printable(text.as_ref()), section, is_missed });
    }
}

/// A claim, short.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn wanted(demand: &ClaimRequirement) -> String {
    match &demand.test {
        ClaimTest::Equals(value) => format!("to be {value}"),
        ClaimTest::Contains(value) => format!("to hold {value}"),
        ClaimTest::AnyOf(values) => format!("to be one of {}", Value::from(values.clone())),
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
