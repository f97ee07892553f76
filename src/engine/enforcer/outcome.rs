//! How a request was settled, and what is told of it.

use std::borrow::Cow;

use crate::base::ids::ProviderId;
use crate::decision::{Decision, Grant};
use crate::enforcer::Request;
use crate::enforcer::lasting::Lasting;
use crate::policy::Policy;
use crate::policy::log::LogField;
use crate::policy::resource::Resource;
use crate::policy::rule::Rule;
use crate::provider::flight::Question;
use crate::provider::introspection::reply::Introspection;
use crate::response::answer::{Advertised, Answer};

/// A settled request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub decision: Decision,
    /// What changes in its head if it is forwarded, also after a rejection that is not enforced: forged
    /// identity fields never reach the upstream.
    pub grant: Grant,
    /// Where what is known of the token came from.
    pub source: Source,
    /// A token to introspect again in the background: its entry is in use and expires soon.
    pub(crate) refresh: Option<Box<Question>>,
    /// Words for access logs and later filters, by name.
    pub notes: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(super) request: Request,
    /// What it is judged by again while it lasts, if it is to end with its token.
    pub(crate) lasting: Option<Box<Lasting>>,
}

/// Where what is known of a token came from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Source {
    /// Nothing had to be known.
    #[default]
    Nowhere,
    /// From the authorization server, or another worker, just now.
    Answer,
    /// From memory.
    Memory,
    /// From memory that is stale, since the authorization server gave no verdict.
    StaleMemory,
}

impl Source {
    /// The word for it in logs; `None`: nothing had to be known.
    fn cache_state(self) -> Option<&'static str> {
        match self {
            Self::Nowhere => None,
            Self::Answer => Some("miss"),
            Self::Memory => Some("hit"),
            Self::StaleMemory => Some("stale"),
        }
    }
}

impl Outcome {
    /// The rule that the request matched, if any.
    pub fn rule<'a>(&self, policy: &'a Policy) -> Option<&'a Rule> {
        self.request.rule(policy)
    }

    /// The number of that rule.
    pub(crate) fn rule_number(&self) -> Option<usize> {
        self.request.ruling.rule
    }

    /// The provider that recognized its token, or that was asked last.
    pub(crate) fn provider(&self) -> Option<ProviderId> {
        self.request.provider
    }

    /// The response to the client; `None` if it is not rejected.
    #[inline(never)]
    pub fn answer(&self, policy: &Policy) -> Option<Answer> {
        let head = self.request.head();
        match &self.decision {
            Decision::Allow(_) => None,
            Decision::Describe(_) => Some(self.resource(policy)?.answer(head.method())),
            Decision::Receive(receipt) => Some(Answer::to_event(*receipt)),
            Decision::Deny(rejection) => {
                let resource = self.request.advertised(policy);
                Some(policy.responses.answer(rejection, &resource, head))
            }
        }
    }

    /// Writes down what access logs and later filters are told. `waited` are milliseconds.
    #[inline(never)]
    pub(crate) fn take_notes(&mut self, policy: &Policy, waited: u64) {
        let verdict = self.decision.verdict().name();
        match &self.decision {
            Decision::Allow(_)
                if policy.upstream.filter_state || !policy.upstream.claim_to_filter_state.is_empty() =>
            {
                self.note("tollgate.verdict", verdict);
                let told = self.grant.identity.iter().flat_map(|identity| &identity.state);
                self.notes.extend(told.map(|(name, text)| (name.clone(), Cow::Owned(text.clone()))));
            }
            Decision::Allow(_) => {}
            Decision::Describe(_) | Decision::Receive(_) => self.note("tollgate.verdict", verdict),
            Decision::Deny(rejection) => {
                let reason = rejection.to_string();
                self.note("tollgate.verdict", verdict);
                self.note("tollgate.reason", reason);
            }
        }
        if !policy.log.is_empty() {
            self.take_fields(policy, waited);
        }
    }

    /// What `log.fields` asks for, unless it has been noted.
    #[cold]
    #[inline(never)]
    fn take_fields(&mut self, policy: &Policy, waited: u64) {
        for field in &policy.log {
            let name = field.property();
            let is_noted = self.notes.iter().any(|(noted, _)| noted == name);
            if let Some(value) = self.field(*field, policy, waited).filter(|_| !is_noted) {
                self.note(name, value);
            }
        }
    }

    fn field(&self, field: LogField, policy: &Policy, waited: u64) -> Option<String> {
        let provider = policy.providers.get(self.request.provider.map_or(usize::MAX, |id| id.0));
        let told = self.request.told.as_ref();
        let token = || match told?.entry.as_ref()?.said() {
            Introspection::Active(token) => Some(token),
            Introspection::Inactive | Introspection::Contradicts(_) => None,
        };
        let text = match field {
            LogField::Verdict => self.decision.verdict().name(),
            LogField::Cache => self.source.cache_state()?,
            LogField::Rule => &self.rule(policy)?.name,
            LogField::Provider => &provider?.name,
            LogField::ClientId => token()?.client_id(&provider?.tokens)?,
            LogField::Sub => token()?.claims.get("sub")?.as_str()?,
            LogField::Tier => told?.tier.as_deref()?,
            LogField::Waited => return Some(waited.to_string()),
            LogField::Fingerprint => return Some(format!("{:016x}", told?.fingerprint?.spread())),
        };
        Some(text.to_owned())
    }

    #[inline(never)]
    fn note(&mut self, name: &'static str, text: impl Into<Cow<'static, str>>) {
        self.notes.push((name.into(), text.into()));
    }

    /// The protected resource that the request is for, or asks about.
    pub fn resource<'a>(&self, policy: &'a Policy) -> Option<&'a Resource> {
        self.request.resource(policy)
    }
}

impl Request {
    /// What a challenge says about the resource.
    fn advertised<'a>(&self, policy: &'a Policy) -> Advertised<'a> {
        let resource = self.resource(policy);
        let requirement = self.requirement(policy);
        let is_mcp = resource.is_some_and(|resource| resource.is_mcp);
        Advertised {
            metadata_uri: resource.map(|resource| resource.metadata_uri.as_str()),
            scope: is_mcp.then(|| requirement.scopes.challenge()),
            dpop: policy.dpop.as_ref().map(|dpop| dpop.algorithms.to_string()),
            only_dpop: requirement.sender_constraint.requires_dpop(),
        }
    }
}
