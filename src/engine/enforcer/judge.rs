//! The last word on an active token.

use crate::base::time::UnixTime;
use crate::decision::Rejection;
use crate::decision::fault::ProofFault;
use crate::decision::trace::{Check, Trace};
use crate::enforcer::{Enforcer, Request};
use crate::policy::rule::Ruling;
use crate::proof::dpop::Proof;
use crate::token::access_token::AccessToken;

impl<T: Trace> Enforcer<T> {
    /// The last word on an active token.
    #[inline(never)]
    pub(super) fn judge(
        &self,
        request: &Request,
        token: &AccessToken,
        proof: Option<&Proof>,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let Some(provider) = self.provider(token.provider) else {
            return self.trace.came(|| Check::Provider, Err(Rejection::NoProvider));
        };
        token.check(&provider.tokens, now, &self.trace)?;
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
            requirement.judge_binding(token, proof, certificate, &self.trace)?;
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

    /// Uses up the proof of a request that passes. The second time, it does not.
    #[inline(never)]
    fn use_up(&self, proof: Option<&Proof>, now: UnixTime) -> Result<(), Rejection> {
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
