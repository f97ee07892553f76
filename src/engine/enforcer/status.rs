//! The status of JWTs, by the status lists of their issuers.

use std::time::Duration;

use crate::base::ids::{ProviderId, StatusId};
use crate::base::time::UnixTime;
use crate::decision::fault::{JwtFault, StatusFault};
use crate::decision::trace::{Check, Trace};
use crate::decision::{NoAnswer, Rejection};
use crate::enforcer::Enforcer;
use crate::policy::Policy;
use crate::provider::fetch::{FetchCall, FetchFault, News};
use crate::provider::keys::LiveKeys;
use crate::provider::outcome::CallOutcome;
use crate::provider::status_list::{LiveStatusList, Reference, Source, StatusLists};
use crate::token::access_token::AccessToken;

/// How often it is said that there are too many lists: each request with such a token finds that out.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// The places for the lists of all providers: those that are known by name are taken.
#[inline(never)]
pub(super) fn places(policy: &Policy) -> Vec<(StatusId, LiveStatusList)> {
    let mut places = Vec::new();
    for (provider, one) in policy.providers.iter().enumerate() {
        let Some(lists) = &one.status_lists else { continue };
        for at in 0..lists.max_lists {
            let list = lists.uris.get(at).map(|uri| LiveStatusList::new(uri)).unwrap_or_default();
            places.push((StatusId { provider: ProviderId(provider), at }, list));
        }
    }
    places
}

impl<T: Trace> Enforcer<T> {
    /// The list that a token has to wait for; `None`: waiting does not help.
    #[inline]
    pub(super) fn awaits_status(&mut self, token: &AccessToken, now: UnixTime) -> Option<StatusId> {
        if self.statuses.is_empty() { None } else { self.missing_status(token, now) }
    }

    /// The same, with a place for a list that no token has named yet.
    #[cold]
    #[inline(never)]
    pub(super) fn missing_status(&mut self, token: &AccessToken, now: UnixTime) -> Option<StatusId> {
        let uri = Reference::of(&token.claims).ok()??.uri;
        if !self.status_lists(token.provider)?.names(uri) {
            return None;
        }
        let own = || self.statuses.iter().filter(|(id, _)| id.provider == token.provider);
        if let Some((id, list)) = own().find(|(_, list)| list.uri() == Some(uri)) {
            return list.list(now).is_none().then_some(*id);
        }
        let Some(id) = own().find(|(_, list)| list.uri().is_none()).map(|(id, _)| *id) else {
            if self.crowded.until(now) >= TELL_AGAIN {
                self.crowded = now;
                log::warn!("tollgate: more status lists are in use than status_list.max_lists");
            }
            return None;
        };
        *self.status_mut(id)? = LiveStatusList::new(uri);
        Some(id)
    }

    /// Whether the status of a token is valid. That is checked for every request, also if what else is known of the
    /// token is cached.
    #[cold]
    #[inline(never)]
    pub(super) fn check_status(
        &self,
        lists: &StatusLists,
        token: &AccessToken,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let bad = |fault| Err(Rejection::BadJwt { fault: JwtFault::Status(fault) });
        let at = match Reference::of(&token.claims) {
            Ok(Some(at)) => at,
            Ok(None) if !lists.required => return Ok(()),
            other => {
                let fault = other.err().unwrap_or(StatusFault::Missing);
                return self.trace.came(|| Check::Status { at: None, found: None }, bad(fault));
            }
        };
        let is_it = |(id, list): &&(StatusId, LiveStatusList)| {
            id.provider == token.provider && list.uri() == Some(at.uri)
        };
        let list = self.statuses.iter().find(is_it).and_then(|(_, list)| list.list(now));
        let found = list.and_then(|list| list.status(at.index));
        let result = match (list, found) {
            _ if !lists.names(at.uri) => bad(StatusFault::Elsewhere),
            (None, _) => Err(Rejection::NoAnswer { cause: NoAnswer::NoStatusList, retry_after: None }),
            (Some(_), None) => bad(StatusFault::Index),
            (Some(_), Some(0)) => Ok(()),
            (Some(_), Some(1)) => bad(StatusFault::Invalid),
            (Some(_), Some(2)) => bad(StatusFault::Suspended),
            (Some(_), Some(_)) => bad(StatusFault::Other),
        };
        self.trace.came(|| Check::Status { at: Some((at.uri, at.index)), found }, result)
    }

    /// Every place for a status list, and what is known of the list there.
    pub(crate) fn statuses(&self) -> &[(StatusId, LiveStatusList)] {
        &self.statuses
    }

    /// What is known of a list.
    #[inline(never)]
    pub(crate) fn status(&self, id: StatusId) -> Option<&LiveStatusList> {
        self.statuses.iter().find(|(known, _)| *known == id).map(|(_, list)| list)
    }

    #[inline(never)]
    fn status_mut(&mut self, id: StatusId) -> Option<&mut LiveStatusList> {
        self.statuses.iter_mut().find(|(known, _)| *known == id).map(|(_, list)| list)
    }

    /// When the oldest list of a provider was fetched that is in use; `None`: no list is.
    #[inline(never)]
    pub(crate) fn oldest_status(&self, provider: ProviderId) -> Option<UnixTime> {
        let mut oldest = None;
        for (id, list) in &self.statuses {
            let fetched = list.fetched().unwrap_or(UnixTime::from_secs(0));
            if id.provider == provider && list.uri().is_some() && oldest.is_none_or(|oldest| fetched < oldest)
            {
                oldest = Some(fetched);
            }
        }
        oldest
    }

    /// Which lists of a provider are fetched, and how.
    pub(crate) fn status_lists(&self, id: ProviderId) -> Option<&StatusLists> {
        self.provider(id)?.status_lists.as_ref()
    }

    fn has_own_status_keys(&self, id: ProviderId) -> bool {
        self.status_lists(id).is_some_and(|lists| lists.keys.is_some())
    }

    /// Whether there are keys that could verify a provider's lists.
    pub(crate) fn verifies_status(&self, id: ProviderId) -> bool {
        self.has_own_status_keys(id) || self.keys.get(id.0).is_some_and(LiveKeys::has_arrived)
    }

    /// The call that fetches a list.
    pub(crate) fn status_call(&self, id: StatusId) -> Option<FetchCall> {
        self.status_lists(id.provider)?.call(self.status(id)?)
    }

    /// Takes the outcome of that call. From now on the new list applies to every request.
    pub(crate) fn take_status(
        &mut self,
        id: StatusId,
        outcome: CallOutcome<'_>,
        now: UnixTime,
    ) -> Result<News, FetchFault> {
        let list = self.statuses.iter_mut().find(|(known, _)| *known == id);
        let (Some(provider), Some(keys), Some((_, list))) =
            (self.policy.providers.get(id.provider.0), self.keys.get(id.provider.0), list)
        else {
            return Err(FetchFault::NoAnswer);
        };
        let Some(lists) = &provider.status_lists else { return Err(FetchFault::NoAnswer) };
        list.take(Source { lists, provider, keys, verifier: self.verifier }, outcome, now)
    }

    /// Gives the place of a list back that no token has named for a while. `false`: it is kept.
    #[cold]
    #[inline(never)]
    pub(crate) fn free_status(&mut self, id: StatusId) -> bool {
        let is_by_name = self.status_lists(id.provider).is_some_and(|lists| id.at < lists.uris.len());
        let Some(list) = self.status_mut(id) else { return false };
        let is_free = !is_by_name && !list.is_wanted();
        if is_free {
            *list = LiveStatusList::default();
        }
        is_free
    }

    /// A key of this provider is withdrawn: what it may have verified does not count.
    #[cold]
    #[inline(never)]
    pub(super) fn drop_statuses(&mut self, provider: ProviderId) {
        if self.has_own_status_keys(provider) {
            return;
        }
        for (id, list) in &mut self.statuses {
            if id.provider == provider {
                list.drop_list();
            }
        }
    }
}
