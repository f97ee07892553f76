//! The status of JWTs, by the status lists of their issuers.

use crate::base::ids::{ProviderId, StatusId};
use crate::base::time::UnixTime;
use crate::decision::fault::{JwtFault, StatusFault};
use crate::decision::trace::{Check, Trace};
use crate::decision::{NoAnswer, Rejection};
use crate::enforcer::Enforcer;
use crate::policy::Policy;
use crate::provider::Provider;
use crate::provider::fetch::{FetchCall, FetchFault, News};
use crate::provider::keys::{KeySource, LiveKeys};
use crate::provider::outcome::CallOutcome;
use crate::provider::status_list::{LiveStatusList, Reference, Source, StatusLists};
use crate::token::access_token::AccessToken;

/// The places for each provider's lists: those that are known by name are taken.
#[inline(never)]
pub(super) fn places(policy: &Policy) -> Vec<Vec<LiveStatusList>> {
    let of = |provider: &Provider| {
        let Some(lists) = &provider.status_lists else { return Vec::new() };
        let mut places: Vec<_> = lists.uris.iter().map(|uri| LiveStatusList::new(uri)).collect();
        places.resize(lists.max_lists.max(places.len()), LiveStatusList::default());
        places
    };
    if policy.providers.iter().all(|one| one.status_lists.is_none()) {
        return Vec::new();
    }
    policy.providers.iter().map(of).collect()
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
    fn missing_status(&mut self, token: &AccessToken, now: UnixTime) -> Option<StatusId> {
        let lists = self.policy.providers.get(token.provider.0)?.status_lists.as_ref()?;
        let uri = Reference::of(&token.claims).ok()??.uri;
        let places = self.statuses.get_mut(token.provider.0)?;
        let at = match places.iter().position(|place| place.uri() == Some(uri)) {
            Some(at) => at,
            None if lists.names(uri) => {
                let Some(free) = places.iter().position(|place| place.uri().is_none()) else {
                    log::warn!("tollgate: more status lists are in use than status_list.max_lists");
                    return None;
                };
                *places.get_mut(free)? = LiveStatusList::new(uri);
                free
            }
            None => return None,
        };
        let is_there = places.get(at)?.list(now).is_some();
        (!is_there).then_some(StatusId { provider: token.provider, at })
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
        let bad = |fault| Rejection::BadJwt { fault: JwtFault::Status(fault) };
        let at = match Reference::of(&token.claims) {
            Ok(Some(at)) => at,
            Ok(None) if !lists.required => return Ok(()),
            other => {
                let fault = other.err().unwrap_or(StatusFault::Missing);
                return self.trace.came(|| Check::Status { at: None, found: None }, Err(bad(fault)));
            }
        };
        let places = self.statuses.get(token.provider.0).map(Vec::as_slice).unwrap_or_default();
        let place = places.iter().find(|place| place.uri() == Some(at.uri));
        let list = place.and_then(|place| place.list(now));
        let found = list.and_then(|list| list.status(at.index));
        let result = match (list, found) {
            _ if !lists.names(at.uri) => Err(bad(StatusFault::Elsewhere)),
            (None, _) => Err(Rejection::NoAnswer { cause: NoAnswer::NoStatusList, retry_after: None }),
            (Some(_), None) => Err(bad(StatusFault::Index)),
            (Some(_), Some(0)) => Ok(()),
            (Some(_), Some(1)) => Err(bad(StatusFault::Invalid)),
            (Some(_), Some(2)) => Err(bad(StatusFault::Suspended)),
            (Some(_), Some(_)) => Err(bad(StatusFault::Other)),
        };
        self.trace.came(|| Check::Status { at: Some((at.uri, at.index)), found }, result)
    }

    /// Every place for a status list.
    pub(crate) fn status_ids(&self) -> impl Iterator<Item = StatusId> {
        let of = |(provider, places): (usize, &Vec<LiveStatusList>)| {
            (0..places.len()).map(move |at| StatusId { provider: ProviderId(provider), at })
        };
        self.statuses.iter().enumerate().flat_map(of)
    }

    /// What is known of a list.
    pub(crate) fn status(&self, id: StatusId) -> Option<&LiveStatusList> {
        self.statuses.get(id.provider.0)?.get(id.at)
    }

    /// Which lists of a provider are fetched, and how.
    pub(crate) fn status_lists(&self, id: ProviderId) -> Option<&StatusLists> {
        self.provider(id)?.status_lists.as_ref()
    }

    /// Whether there are keys that could verify a provider's lists.
    pub(crate) fn verifies_status(&self, id: ProviderId) -> bool {
        let has_own = self.status_lists(id).is_some_and(|lists| lists.keys.is_some());
        has_own || self.keys.get(id.0).is_some_and(LiveKeys::has_arrived)
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
        let provider = self.policy.providers.get(id.provider.0).ok_or(FetchFault::NoAnswer)?;
        let places = self.statuses.get_mut(id.provider.0);
        match (
            &provider.status_lists,
            self.keys.get(id.provider.0),
            places.and_then(|all| all.get_mut(id.at)),
        ) {
            (Some(lists), Some(keys), Some(place)) => {
                place.take(Source { lists, provider, keys, verifier: self.verifier }, outcome, now)
            }
            _ => Err(FetchFault::NoAnswer),
        }
    }

    /// Gives the place of a list back that no token has named for a while. `false`: it is kept.
    pub(crate) fn free_status(&mut self, id: StatusId) -> bool {
        let by_name = self.status_lists(id.provider).map_or(0, |lists| lists.uris.len());
        let place = self.statuses.get_mut(id.provider.0).and_then(|all| all.get_mut(id.at));
        let Some(place) = place.filter(|place| id.at >= by_name && !place.is_wanted()) else { return false };
        *place = LiveStatusList::default();
        true
    }

    /// A key of this provider is withdrawn: what it may have verified does not count.
    pub(super) fn drop_statuses(&mut self, id: ProviderId) {
        let has_own = self.status_lists(id).is_some_and(|lists| lists.keys.is_some());
        if !has_own && let Some(places) = self.statuses.get_mut(id.0) {
            places.iter_mut().for_each(LiveStatusList::drop_list);
        }
    }

    /// Takes over the lists that another engine has fetched from the same places; which ones those are.
    #[inline(never)]
    pub(crate) fn inherit_statuses(&mut self, before: &Self) -> Vec<StatusId> {
        let is_same = |own: &Provider, other: &Provider| {
            let lists = own.status_lists.as_ref().zip(other.status_lists.as_ref());
            (&own.name, &own.tokens.issuer) == (&other.name, &other.tokens.issuer)
                && lists.is_some_and(|(own, other)| own.is_same_place(other))
                && has_same_keys(own, other)
        };
        for (provider, places) in self.policy.providers.iter().zip(&mut self.statuses) {
            let other = before.policy.providers.iter().position(|other| is_same(provider, other));
            if let Some(known) = other.and_then(|at| before.statuses.get(at)) {
                let own = provider.status_lists.as_ref();
                *places = known.iter().map(|place| place.under(own, provider.tokens.clock_skew)).collect();
            }
        }
        self.status_ids().filter(|id| self.status(*id).is_some_and(LiveStatusList::has_arrived)).collect()
    }
}

fn has_same_keys(one: &Provider, other: &Provider) -> bool {
    match (&one.keys, &other.keys) {
        (Some(KeySource::Uri(one)), Some(KeySource::Uri(other))) => one.is_same_place(other),
        (Some(KeySource::Inline(one)), Some(KeySource::Inline(other))) => {
            one.fingerprint() == other.fingerprint()
        }
        _ => false,
    }
}
