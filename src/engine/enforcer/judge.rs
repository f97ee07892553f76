//! The last word on an active token.

use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::cache::entry::Entry;
use crate::decision::fault::ProofFault;
use crate::decision::trace::{Check, Trace};
use crate::decision::{NoAnswer, Rejection};
use crate::enforcer::{Enforcer, Request};
use crate::policy::rule::Ruling;
use crate::proof::dpop::Proof;
use crate::provider::client_list::LiveList;
use crate::provider::revoked::What;
use crate::token::access_token::AccessToken;
use crate::token::rules::TokenRules;

impl<T: Trace> Enforcer<T> {
    /// The last word on an active token.
    #[inline(never)]
    pub(super) fn judge(
        &self,
        request: &Request,
        (entry, token, secret): (&Entry, &AccessToken, &Secret),
        proof: Option<&Proof>,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let Some(provider) = self.provider(token.provider) else {
            return self.trace.came(|| Check::Provider, Err(Rejection::NoProvider));
        };
        token.check(&provider.tokens, now, &self.trace)?;
        if !self.policy.revocation.lists.is_empty() {
            self.check_revoked(token, (entry, secret), &provider.tokens, now)?;
        }
        if let Some(lists) = &provider.status_lists {
            self.check_status(lists, token, now)?;
        }
        let resources = &self.policy.resources;
        let is_accepted = resources.accept(&request.resource, |wanted| token.has_audience(wanted));
        let check =
            || Check::Audience { wanted: resources.wanted(&request.resource), found: token.present("aud") };
        self.trace.demand(is_accepted, check, || Rejection::WrongAudience)?;
        let certificate = || match &self.policy.mtls {
            Some(source) => Ok(source.thumbprint(request.head(), self.connection(request))),
            None => Err(Rejection::Unproven),
        };
        let resource = request.resource(&self.policy);
        let Ruling { rule, others } = &request.ruling;
        for rule in std::iter::once(rule).chain(others) {
            let requirement = self.policy.requirement_at(*rule);
            let is_responsible =
                requirement.providers.is_empty() || requirement.providers.contains(&token.provider);
            self.trace.demand(is_responsible, || Check::Provider, || Rejection::NoProvider)?;
            if !request.is_again {
                requirement.judge_binding(token, proof, certificate, &self.trace)?;
            }
            requirement.judge(token, &provider.tokens, &self.lists, now, &self.trace)?;
            requirement.judge_details(token, &provider.tokens, resource, &self.trace)?;
        }
        self.use_up(proof, now)
    }

    /// The tier of the client, in the client list of the rule that the request matches.
    #[cold]
    #[inline(never)]
    pub(super) fn tier(&self, request: &Request, token: &AccessToken) -> Option<String> {
        let clients = request.requirement(&self.policy).clients.as_ref()?;
        let list = match clients.live {
            Some(id) => self.lists.get(id.0)?.list()?,
            None => clients,
        };
        let client = token.client_id(&self.provider(token.provider)?.tokens)?;
        list.tier(client).map(str::to_owned)
    }

    /// Whether an operator has revoked the token, its client or its subject. Until it is known what is revoked, nothing
    /// passes.
    #[cold]
    #[inline(never)]
    pub(super) fn check_revoked(
        &self,
        token: &AccessToken,
        (entry, secret): (&Entry, &Secret),
        rules: &TokenRules,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let claim = |name: &str| token.present(name).and_then(|value| value.as_str());
        let own = [rules.issuer.as_deref(), claim("iss")];
        // Where nobody says whose the token is, it may be anybody's.
        let is_of = |issuer: &str| own.contains(&Some(issuer)) || own == [None, None];
        for id in &self.policy.revocation.lists {
            let list = self.policy.lists.get(id.0).map(|list| list.name.as_str()).unwrap_or_default();
            let Some(revoked) = self.lists.get(id.0).and_then(LiveList::revoked) else {
                let missing = Rejection::NoAnswer { cause: NoAnswer::NoRevocations, retry_after: None };
                return self.trace.came(|| Check::Revoked { list, what: None }, Err(missing));
            };
            let covers = |what, value: &str| revoked.covers(what, value, &is_of, now);
            let what = if token.client_id(rules).is_some_and(|client| covers(What::Client, client)) {
                Some(What::Client)
            } else if claim("sub").is_some_and(|sub| covers(What::Subject, sub)) {
                Some(What::Subject)
            } else if revoked.has_tokens()
                && entry.hashes(secret).iter().any(|hash| covers(What::Token, hash))
            {
                Some(What::Token)
            } else {
                None
            };
            self.trace.demand(
                what.is_none(),
                || Check::Revoked { list, what: what.map(What::name) },
                || Rejection::Revoked,
            )?;
        }
        Ok(())
    }

    /// Uses up the proof of a request that passes. The second time, it does not.
    #[inline(never)]
    pub(super) fn use_up(&self, proof: Option<&Proof>, now: UnixTime) -> Result<(), Rejection> {
        match (&self.proofs, &self.policy.dpop, proof) {
            (Some(proofs), Some(dpop), Some(proof))
                if !proofs.first_use(dpop, proof, self.store.as_ref(), now) =>
            {
                self.trace.came(|| Check::Proof, Err(Rejection::BadProof(ProofFault::Replayed)))
            }
            _ => Ok(()),
        }
    }
}
