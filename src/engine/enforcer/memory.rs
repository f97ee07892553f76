//! What is remembered of what providers have said.

use std::rc::Rc;

use crate::base::time::UnixTime;
use crate::cache::entry::{Age, Entry};
use crate::enforcer::Enforcer;
use crate::provider::flight::Question;
use crate::provider::introspection::reply::Introspection;
use crate::provider::keys::LiveKeys;
use crate::token::key::{TokenDigest, TokenKey};

impl Enforcer {
    /// Remembers what a provider has said about a token when it was asked at `asked`.
    pub fn learn(&self, key: TokenKey, said: Introspection, asked: UnixTime) -> Rc<Entry> {
        let mut cache = self.cache.borrow_mut();
        let before = cache.get(key).map(Rc::as_ref);
        let spread = key.spread() ^ asked.as_millis();
        let entry = Rc::new(Entry::new(said, asked, &self.policy.cache, spread, before));
        cache.put(key, &entry);
        entry
    }

    /// Remembers what another worker has found out, if that is news, and hands it over if it is fresh.
    pub fn adopt(
        &self,
        key: TokenKey,
        said: Introspection,
        asked: UnixTime,
        now: UnixTime,
    ) -> Option<Rc<Entry>> {
        let spread = key.spread() ^ asked.as_millis();
        let entry = Rc::new(Entry::new(said, asked, &self.policy.cache, spread, None));
        let mut cache = self.cache.borrow_mut();
        if cache.get(key).is_none_or(|known| known.asked() < asked) {
            cache.put(key, &entry);
        }
        (entry.age(now) == Age::Fresh).then_some(entry)
    }

    /// What is remembered of a token, of whatever age.
    pub fn remembered(&self, key: TokenKey) -> Option<Rc<Entry>> {
        self.cache.borrow_mut().get(key).cloned()
    }

    /// Forgets everything: nobody knows any more how old it is.
    pub fn forget(&self) {
        self.cache.borrow_mut().clear();
    }

    /// How a token is known to all workers that have the same keys of its provider; `None` if they share
    /// nothing. What a key has verified that has gone from the set is found by nobody (JWT-47).
    pub fn digest(&self, question: &Question) -> Option<TokenDigest> {
        let namespace = self.namespaces.get(question.key.provider.0)?;
        let keys = || self.keys.borrow().get(question.key.provider.0).map(LiveKeys::fingerprint);
        self.policy.cache.is_shared().then(|| namespace.digest(&keys().unwrap_or_default(), &question.token))
    }
}
