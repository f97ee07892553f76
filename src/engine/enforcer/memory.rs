//! The cached responses of providers, here and in the other workers.

use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::moment::{Moment, Steady};
use crate::base::time::UnixTime;
use crate::cache::Recalled;
use crate::cache::entry::Entry;
use crate::cache::shared::{Claim, Ending, Place};
use crate::decision::Rejection;
use crate::decision::trace::Trace;
use crate::enforcer::Enforcer;
use crate::provider::Provider;
use crate::provider::flight::{Flight, Landing, Question};
use crate::provider::introspection;
use crate::provider::introspection::call::IntrospectionCall;
use crate::provider::introspection::reply::Introspection;
use crate::provider::keys::LiveKeys;
use crate::provider::outcome::CallOutcome;
use crate::token::key::{TokenDigest, TokenKey};

impl<T: Trace> Enforcer<T> {
    /// Caches a provider's response about a token. `asked` is when the call was made.
    pub(crate) fn learn(&mut self, key: TokenKey, said: Introspection, asked: UnixTime) -> Rc<Entry> {
        self.cache.learn(key, said, asked)
    }

    /// The entry for a token, whatever its age.
    pub(crate) fn remembered(&mut self, key: TokenKey) -> Option<Rc<Entry>> {
        self.cache.get(key)
    }

    /// Drops the entry for a token.
    pub(crate) fn remove(&mut self, key: TokenKey) {
        self.cache.remove(key);
    }

    /// Drops every entry.
    pub(crate) fn forget(&mut self) {
        self.cache.clear();
    }

    /// How a token is known to all workers that have the same keys of its provider; `None` if they share nothing.
    pub(crate) fn digest(&self, question: &Question) -> Option<TokenDigest> {
        let id = question.key.provider;
        self.cache.digest(id, &self.fingerprint(id), &question.token)
    }

    /// A hash of the keys that a provider has now, if responses depend on them.
    #[inline(never)]
    pub(crate) fn fingerprint(&self, id: ProviderId) -> [u8; 32] {
        let keys =
            self.keys.get(id.0).filter(|_| self.provider(id).is_some_and(Provider::verifies_responses));
        keys.map(LiveKeys::fingerprint).unwrap_or_default()
    }

    /// Looks at what the workers know of a token.
    pub(crate) fn look(&self, digest: &TokenDigest) -> Place {
        self.cache.look(self.store.as_ref(), digest)
    }

    /// What any worker has found out about the token of that place since `after`.
    pub(crate) fn recall(
        &mut self,
        place: &Place,
        key: TokenKey,
        now: Moment,
        after: Option<UnixTime>,
    ) -> Recalled {
        self.cache.recall(place, key, now, after)
    }

    /// Shares a response with the other workers. `false`: it is not shared.
    pub(crate) fn share(
        &self,
        digest: &TokenDigest,
        question: &Question,
        entry: &Entry,
        asked: Moment,
    ) -> bool {
        self.cache.tell(self.store.as_ref(), digest, &question.token, entry, asked.steady)
    }

    /// Announces a call to the other workers, unless one of them has done so since this look.
    pub(crate) fn claim(&self, place: &Place, now: Steady, patience: Duration, since: Steady) -> Claim {
        self.cache.claim(self.store.as_ref(), place, now, patience, since)
    }

    /// Takes the announcement back.
    pub(crate) fn release(&self, digest: &TokenDigest, now: Steady, ending: Ending<'_>) {
        self.cache.release(self.store.as_ref(), digest, now, ending);
    }

    /// A flight for this question, and its first call; `None`: there is no such provider.
    pub(crate) fn take_off(&self, question: Question, now: UnixTime) -> Option<(Flight, IntrospectionCall)> {
        let provider = self.provider(question.key.provider)?;
        Some(Flight::take_off(provider, question, now, &self.nonces))
    }

    /// Takes what has come of a flight's latest call.
    pub(crate) fn land(&self, flight: &mut Flight, outcome: CallOutcome<'_>, now: UnixTime) -> Landing {
        let id = flight.question().key.provider;
        let (Some(provider), Some(keys)) = (self.provider(id), self.keys.get(id.0)) else {
            return Landing::Settled(Err(Rejection::NoProvider));
        };
        let token = &flight.question().token;
        let times = (flight.asked(), now);
        let said = introspection::read((id, provider), keys, token, outcome, self.verifier, times);
        flight.land(provider, said, now, &self.nonces)
    }
}
