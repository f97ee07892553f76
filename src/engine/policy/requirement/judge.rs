//! Whether a valid token satisfies what a rule, or the configuration for all requests, requires.

use std::time::Duration;

use crate::base::time::UnixTime;
use crate::decision::Rejection;
use crate::decision::trace::{Bound, Check, Trace};
use crate::policy::requirement::{Requirement, SenderConstraint};
use crate::policy::resource::Resource;
use crate::proof::dpop::Proof;
use crate::provider::client_list::LiveList;
use crate::token::access_token::AccessToken;
use crate::token::claims::ClaimRequirement;
use crate::token::rules::TokenRules;

impl Requirement {
    /// Whether a valid token satisfies this.
    pub(crate) fn judge(
        &self,
        token: &AccessToken,
        rules: &TokenRules,
        lists: &[LiveList],
        now: UnixTime,
        trace: &impl Trace,
    ) -> Result<(), Rejection> {
        // Every field is named: one that is added has to be judged, here or below.
        let Self {
            providers: _, // `Enforcer::judge`
            scopes,
            audiences,
            clients,
            claims,
            details: _,           // `judge_details`
            no_delegation: _,     // `judge_details`
            acr_values: _,        // `judge_authentication`
            max_age: _,           // `judge_authentication`
            max_cache_age: _,     // `Pending`
            sender_constraint: _, // `judge_binding`
        } = self;
        token.check_audience(audiences, trace)?;
        if let Some(list) = clients {
            let client = token.client_id(rules);
            let is_listed = match list.live {
                Some(id) => {
                    lists.get(id.0).map_or(Err(Rejection::ClientNotListed), |list| list.allows(client))
                }
                None if client.is_some_and(|client| list.allows(client)) => Ok(()),
                None => Err(Rejection::ClientNotListed),
            };
            trace.came(|| Check::Client { list: list.name.as_deref(), found: client }, is_listed)?;
        }
        let has_scopes = scopes.is_empty() || scopes.is_met_by(&token.scopes(rules));
        self.judge_authentication(token, rules.clock_skew, has_scopes, now, trace)?;
        for ClaimRequirement { claim, test } in claims {
            let check = || Check::Claim {
                name: claim.as_str(),
                wanted: test.to_string(),
                found: claim.find(&token.claims),
            };
            let mismatch = || Rejection::ClaimMismatch { claim: claim.as_str().to_owned() };
            trace.demand(test.is_met_by(claim.find(&token.claims)), check, mismatch)?;
        }
        if scopes.is_empty() {
            return Ok(());
        }
        let check = || Check::Scope { wanted: scopes.to_string(), found: token.scopes(rules) };
        trace.demand(has_scopes, check, || Rejection::ScopeMissing { needed: scopes.challenge() })
    }

    /// What is required besides scopes ([RFC 9396 §9], [RFC 8693 §4.1]).
    ///
    /// [RFC 9396 §9]: https://www.rfc-editor.org/rfc/rfc9396#section-9
    /// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
    pub(crate) fn judge_details(
        &self,
        token: &AccessToken,
        rules: &TokenRules,
        resource: Option<&Resource>,
        trace: &impl Trace,
    ) -> Result<(), Rejection> {
        if self.no_delegation {
            let act = token.present("act");
            trace.demand(act.is_none(), || Check::Delegation(act), || Rejection::Delegated)?;
        }
        if self.details.is_empty() {
            return Ok(());
        }
        let ours = || {
            let resource = resource.map(|one| std::iter::once(&one.identifier).chain(&one.audiences));
            resource.into_iter().flatten().chain(&rules.audiences).chain(&self.audiences)
        };
        let is_here = |place: &str| ours().any(|own| own == place);
        let details = token.present("authorization_details");
        let is_met = self.details.iter().all(|demand| demand.is_met_by(details, &is_here));
        let kinds = || self.details.iter().map(|demand| demand.kind.as_str()).collect();
        let check = || Check::Details { wanted: kinds(), found: details };
        trace.demand(is_met, check, || Rejection::DetailMissing)
    }

    /// Whether the client that presents the token is the one that it was issued to ([RFC 9449 §7.1], [RFC 8705
    /// §3]). The certificate is only read if the token is bound to one.
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    /// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
    pub(crate) fn judge_binding(
        &self,
        token: &AccessToken,
        proof: Option<&Proof>,
        certificate: impl FnOnce() -> Result<Option<String>, Rejection>,
        trace: &impl Trace,
    ) -> Result<(), Rejection> {
        trace.came(|| self.binding_of(token), self.is_proven(token, proof, certificate))
    }

    fn is_proven(
        &self,
        token: &AccessToken,
        proof: Option<&Proof>,
        certificate: impl FnOnce() -> Result<Option<String>, Rejection>,
    ) -> Result<(), Rejection> {
        match (proof, token.jkt()) {
            (Some(proof), Some(jkt)) if proof.thumbprint == jkt => {}
            (Some(_), Some(_)) => return Err(Rejection::OtherKey),
            (Some(_), None) => return Err(Rejection::NotBound),
            (None, _) => {}
        }
        if self.sender_constraint == SenderConstraint::Ignore {
            return Ok(());
        }
        if token.is_bound {
            let by_key = token.jkt().is_some() || token.is_dpop();
            if (by_key && proof.is_none()) || token.is_bound_otherwise() {
                return Err(Rejection::Unproven);
            }
            if let Some(x5t) = token.x5t() {
                match certificate()? {
                    Some(shown) if shown == x5t => {}
                    Some(_) => return Err(Rejection::OtherCertificate),
                    None => return Err(Rejection::NoCertificate),
                }
            }
        }
        let is_enough = match self.sender_constraint {
            SenderConstraint::Mtls => token.x5t().is_some(),
            SenderConstraint::AnyBound => token.is_bound,
            SenderConstraint::Dpop => proof.is_some(),
            SenderConstraint::IfBound | SenderConstraint::Ignore => true,
        };
        if is_enough { Ok(()) } else { Err(Rejection::BindingWanted) }
    }

    fn binding_of(&self, token: &AccessToken) -> Check<'static> {
        let found = match (token.jkt(), token.x5t(), token.is_bound) {
            _ if token.is_bound_otherwise() => Bound::Otherwise,
            (Some(_), Some(_), _) => Bound::ToBoth,
            (None, Some(_), _) => Bound::ToCertificate,
            (Some(_), None, _) | (None, None, true) => Bound::ToKey,
            (None, None, false) => Bound::Not,
        };
        Check::Binding { found, is_ignored: self.sender_constraint == SenderConstraint::Ignore }
    }

    /// Step-up ([RFC 9470 §3]): how, and how long ago, the user was authenticated.
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    fn judge_authentication(
        &self,
        token: &AccessToken,
        skew: Duration,
        has_scopes: bool,
        now: UnixTime,
        trace: &impl Trace,
    ) -> Result<(), Rejection> {
        if self.acr_values.is_empty() && self.max_age.is_none() {
            return Ok(());
        }
        let acr = || token.present("acr").and_then(|acr| acr.as_str());
        let weak = !self.acr_values.is_empty()
            && !acr().is_some_and(|acr| self.acr_values.iter().any(|wanted| wanted == acr));
        let old = self.max_age.is_some_and(|max_age| {
            let age = token.present("auth_time").and_then(serde_json::Value::as_f64).map(|at| {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "milliseconds of this era fit into a double exactly"
                )]
                let now = now.as_millis() as f64 / 1000.0;
                now - at
            });
            let skew = skew.as_secs_f64();
            !age.is_some_and(|age| (-skew..=max_age.as_secs_f64() + skew).contains(&age.floor()))
        });
        let check = || Check::Authentication {
            contexts: &self.acr_values,
            context: token.present("acr"),
            max_age: self.max_age,
            at: token.present("auth_time"),
        };
        trace.demand(!weak && !old, check, || Rejection::WeakAuthentication {
            acr_values: if weak { self.acr_values.join(" ") } else { String::new() },
            max_age: self.max_age.filter(|_| old).map(|max_age| max_age.as_secs()),
            scope: if has_scopes { String::new() } else { self.scopes.challenge() },
        })
    }
}
