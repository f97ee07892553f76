//! What arrives in the background: client lists, and the providers' keys. Status lists are in `status.rs`.

use crate::base::ids::{ListId, ProviderId};
use crate::base::time::UnixTime;
use crate::decision::trace::Trace;
use crate::enforcer::Enforcer;
use crate::provider::Provider;
use crate::provider::fetch::{FetchCall, FetchFault, News};
use crate::provider::keys::{KeySource, KeyUri, LiveKeys};
use crate::provider::outcome::CallOutcome;

impl<T: Trace> Enforcer<T> {
    /// The call that fetches a client list.
    pub(crate) fn list_call(&self, id: ListId) -> Option<FetchCall> {
        Some(self.policy.lists.get(id.0)?.call(self.lists.get(id.0)?))
    }

    /// Takes the outcome of that call. From now on the new list applies to every request, whether its token is
    /// cached or not.
    pub(crate) fn take_list(&mut self, id: ListId, outcome: CallOutcome<'_>) -> Result<News, FetchFault> {
        match (self.policy.lists.get(id.0), self.lists.get_mut(id.0)) {
            (Some(source), Some(list)) => list.take(source, outcome),
            _ => Err(FetchFault::NoAnswer),
        }
    }

    /// Takes over the lists that another engine has fetched from the same places; which ones those are.
    #[inline(never)]
    pub(crate) fn inherit_lists(&mut self, before: &Self) -> Vec<ListId> {
        let mut inherited = Vec::new();
        for (at, (source, list)) in self.policy.lists.iter().zip(&mut self.lists).enumerate() {
            let same = before.policy.lists.iter().position(|other| other.is_same_place(source));
            if let Some(found) = same.and_then(|at| before.lists.get(at)).filter(|list| list.has_arrived()) {
                list.clone_from(found);
                inherited.push(ListId(at));
            }
        }
        inherited
    }

    /// Where a provider's keys are fetched; `None`: they are not.
    pub(crate) fn key_uri(&self, id: ProviderId) -> Option<&KeyUri> {
        match self.provider(id)?.keys.as_ref()? {
            KeySource::Uri(uri) => Some(uri),
            KeySource::Inline(_) => None,
        }
    }

    /// The call that fetches a provider's keys.
    pub(crate) fn keys_call(&self, id: ProviderId) -> Option<FetchCall> {
        Some(self.key_uri(id)?.call(self.keys.get(id.0)?))
    }

    /// Takes the outcome of that call. If a key is withdrawn, all entries that it may have verified are dropped
    /// (JWT-47, JWT-51). If one is new, all entries are dropped that no key could verify.
    pub(crate) fn take_keys(
        &mut self,
        id: ProviderId,
        outcome: CallOutcome<'_>,
        now: UnixTime,
    ) -> Result<News, FetchFault> {
        let provider = self.policy.providers.get(id.0);
        let (Some(KeySource::Uri(uri)), Some(keys)) =
            (provider.and_then(|provider| provider.keys.as_ref()), self.keys.get_mut(id.0))
        else {
            return Err(FetchFault::NoAnswer);
        };
        let before = keys.last().cloned().filter(|_| provider.is_some_and(Provider::verifies_responses));
        let news = keys.take(uri, outcome, now)?;
        if let (Some(before), Some(after)) = (before, keys.last()) {
            let is_withdrawn = !before.is_part_of(after);
            self.cache.keys_changed(id, &before, after);
            if is_withdrawn && !self.statuses.is_empty() {
                self.drop_statuses(id);
            }
        }
        Ok(news)
    }

    /// What is known of a provider's keys.
    pub(crate) fn keys(&self, id: ProviderId) -> LiveKeys {
        self.keys.get(id.0).cloned().unwrap_or_default()
    }

    /// Takes over the keys that another engine has fetched from the same places; whose those are.
    #[inline(never)]
    pub(crate) fn inherit_keys(&mut self, before: &Self) -> Vec<ProviderId> {
        let mut inherited = Vec::new();
        for (at, provider) in self.policy.providers.iter().enumerate() {
            let id = ProviderId(at);
            let same = |other: &Provider| {
                other.name == provider.name && other.tokens.issuer == provider.tokens.issuer
            };
            let other = before.policy.providers.iter().position(same).map(ProviderId);
            let uris = (self.key_uri(id), other.and_then(|other| before.key_uri(other)));
            if let ((Some(own), Some(theirs)), Some(other)) = (uris, other)
                && own.is_same_place(theirs)
                && before.keys(other).has_arrived()
            {
                let keys = before.keys(other).under(theirs, own);
                if let Some(known) = self.keys.get_mut(at) {
                    *known = keys;
                }
                inherited.push(id);
            }
        }
        inherited
    }
}
