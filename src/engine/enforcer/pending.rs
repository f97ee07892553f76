//! A request that waits: what becomes of it when something has been found out.

use std::rc::Rc;

use crate::base::ids::ProviderId;
use crate::base::moment::Now;
use crate::base::time::UnixTime;
use crate::cache::entry::{Age, Entry};
use crate::decision::fault::JwtFault;
use crate::decision::trace::{Check, Trace};
use crate::decision::{Decision, NoAnswer, Rejection, Verdict};
use crate::enforcer::outcome::Source;
use crate::enforcer::{Enforcer, Finding, Pending, Step, done};
use crate::policy::Mode;
use crate::provider::Validate;
use crate::provider::fetch::Document;
use crate::provider::flight::Question;
use crate::provider::introspection::reply::Introspection;
use crate::provider::keys::KeyNews;
use crate::token::access_token::AccessToken;
use crate::token::key::TokenKey;

/// How often a token is introspected again because of events that have come meanwhile.
const MAX_OVERTAKEN: u8 = 2;

impl Pending {
    /// Continues with what has been found out.
    pub(crate) fn resume<T: Trace>(
        mut self,
        enforcer: &mut Enforcer<T>,
        finding: &Finding,
        now: &Now<'_>,
    ) -> Step {
        match finding {
            Ok(entry) if self.is_overtaken(enforcer, entry, now) => self.ask_once_more(enforcer, now.wall()),
            Ok(entry) if !self.is_asked_for && !self.is_young(entry, now.wall()) => {
                self.ask_anew(enforcer, entry, now.wall())
            }
            Ok(entry) => self.take(enforcer, entry, Source::Answer, now.wall()),
            // What was said last counts: this worker may have learned only meanwhile what another one was told.
            Err(failure) => match self.asked.take().and_then(|key| enforcer.remembered(key)) {
                Some(entry) if self.may_fall_back_on(&entry, now.wall()) => {
                    self.take(enforcer, &entry, Source::StaleMemory, now.wall())
                }
                _ => {
                    enforcer.trace.made(|| Check::Response, Some(failure));
                    self.undecided.get_or_insert((self.request.provider, failure.clone()));
                    self.ask_next(enforcer, failure.clone(), Source::Answer, now.wall())
                }
            },
        }
    }

    /// The call that it waits for is made on its account: no response to it is too old.
    pub(crate) fn asks(&mut self) {
        self.is_asked_for = true;
    }

    /// Only a response that was asked for after this moment lets it pass; `None`: any response.
    pub(crate) fn after(&self) -> Option<UnixTime> {
        self.after
    }

    /// Whether a response is young enough for what is required (`max_cache_age`). Whatever its age, a response rejects
    /// a token. After a clock that was set back, no age is known.
    fn is_young(&self, entry: &Entry, now: UnixTime) -> bool {
        let Some(after) = self.after else { return true };
        let is_active = matches!(entry.said(), Introspection::Active(_));
        !is_active || (entry.asked() > after && entry.asked() <= now)
    }

    /// Whether a cached response may stand in for one that has not come.
    fn may_fall_back_on(&self, entry: &Entry, now: UnixTime) -> bool {
        match entry.age(now) {
            Age::Fresh => self.is_young(entry, now),
            Age::Stale => self.after.is_none(),
            Age::Over => false,
        }
    }

    /// Introspects the token again: the call that it has waited for had been made before it came.
    #[cold]
    #[inline(never)]
    fn ask_anew<T: Trace>(mut self, enforcer: &mut Enforcer<T>, entry: &Entry, now: UnixTime) -> Step {
        self.tell_age(enforcer, Some(entry), now);
        // Whatever call is under way by now was made after this request had come.
        self.is_asked_for = true;
        match self.asked {
            Some(key) => self.introspect(key),
            None => self.ask_next(enforcer, Rejection::NoProvider, Source::Answer, now),
        }
    }

    fn introspect(self, key: TokenKey) -> Step {
        let question = Question { key, token: self.found.token.clone() };
        Step::Introspect(Box::new(question), Box::new(self))
    }

    /// Reports that a cached response is too old, or that none is there.
    fn tell_age<T: Trace>(&self, enforcer: &Enforcer<T>, entry: Option<&Entry>, now: UnixTime) {
        if self.after.is_some() {
            let max = || enforcer.policy.max_cache_age(&self.request.ruling).unwrap_or_default();
            let found = || entry.map(|entry| entry.asked().until(now));
            enforcer.trace.made(|| Check::CacheAge { max: max(), found: found() }, None);
        }
    }

    /// Whether the response was asked for before an event that ends it.
    fn is_overtaken<T: Trace>(&self, enforcer: &Enforcer<T>, entry: &Entry, now: &Now<'_>) -> bool {
        self.asked.is_some_and(|key| enforcer.is_ended(key.provider, entry, now))
    }

    /// Introspects the token again, a few times at most.
    #[inline(never)]
    fn ask_once_more<T: Trace>(mut self, enforcer: &mut Enforcer<T>, now: UnixTime) -> Step {
        self.overtaken = self.overtaken.saturating_add(1);
        match self.asked {
            Some(key) if self.overtaken <= MAX_OVERTAKEN => self.introspect(key),
            _ => {
                let failure = Rejection::NoAnswer { cause: NoAnswer::Overtaken, retry_after: None };
                enforcer.trace.made(|| Check::Response, Some(&failure));
                self.undecided.get_or_insert((self.request.provider, failure.clone()));
                self.ask_next(enforcer, failure, Source::Answer, now)
            }
        }
    }

    /// Continues after a document has been fetched, or could not be: with other keys, or with the same.
    pub(crate) fn resume_with<T: Trace>(
        mut self,
        enforcer: &mut Enforcer<T>,
        document: Document,
        news: KeyNews,
        now: UnixTime,
    ) -> Step {
        match document {
            Document::Keys(_) => self.keys = Some(news),
            // If it is still not there, that is said when the token is judged.
            Document::Status(_) | Document::List(_) => self.has_waited_for_status = true,
        }
        self.ask_next(enforcer, Rejection::NoProvider, Source::Answer, now)
    }

    /// Gives up: no further call is made.
    pub(crate) fn give_up<T: Trace>(self, enforcer: &Enforcer<T>, rejection: Rejection) -> Step {
        enforcer.trace.made(|| Check::Response, Some(&rejection));
        enforcer.deny_by(self.request, rejection, Source::Answer)
    }

    /// Turns to the next provider, or to the end. `ended` is how the one before has.
    pub(super) fn ask_next<T: Trace>(
        mut self,
        enforcer: &mut Enforcer<T>,
        ended: Rejection,
        source: Source,
        now: UnixTime,
    ) -> Step {
        let Some(provider) = self.next_providers.pop_front() else {
            // Nobody knows the token; if somebody could not say, neither can we.
            let (provider, rejection) = self.undecided.unwrap_or((self.request.provider, ended));
            self.request.provider = provider;
            return enforcer.deny_by(self.request, rejection, source);
        };
        self.request.provider = Some(provider);
        let key = enforcer.cache.key(provider, &self.found.token);
        self.is_asked_for = false;
        match enforcer.remembered(key).filter(|entry| entry.age(now) == Age::Fresh) {
            Some(entry) if self.is_young(&entry, now) => {
                return self.take(enforcer, &entry, Source::Memory, now);
            }
            known => self.tell_age(enforcer, known.as_deref(), now),
        }
        let validate = enforcer.provider(provider).map(|provider| provider.validate).unwrap_or_default();
        if validate != Validate::Introspection {
            match self.verify(enforcer, provider, now) {
                Ok(token) if validate == Validate::Jwt && enforcer.is_revoked(provider, &token, now) => {
                    let rejection = Rejection::BadJwt { fault: JwtFault::Revoked };
                    enforcer.trace.made(|| Check::Active, Some(&rejection));
                    return self.ask_next(enforcer, rejection, Source::Answer, now);
                }
                Ok(token) if validate == Validate::Jwt => {
                    let entry = enforcer.learn(key, Introspection::Active(token), now);
                    return self.take(enforcer, &entry, Source::Answer, now);
                }
                Ok(_) => {}
                Err(None) => {
                    self.next_providers.push_front(provider);
                    return Step::Fetch(Document::Keys(provider), Box::new(self));
                }
                Err(Some(rejection)) => {
                    match &rejection {
                        Rejection::NoAnswer { .. } => {
                            self.undecided.get_or_insert((Some(provider), rejection.clone()));
                        }
                        // That was work: as long as the keys are the same, it need not be done again.
                        Rejection::BadJwt { fault: JwtFault::Signature } => {
                            enforcer.learn(key, Introspection::Inactive, now);
                        }
                        _ => {}
                    }
                    return self.ask_next(enforcer, rejection, Source::Answer, now);
                }
            }
        }
        self.asked = Some(key);
        self.introspect(key)
    }

    /// Verifies the token by the keys that are there. An error without a reason: other keys might do.
    #[inline(never)]
    pub(super) fn verify<T: Trace>(
        &mut self,
        enforcer: &mut Enforcer<T>,
        id: ProviderId,
        now: UnixTime,
    ) -> Result<AccessToken, Option<Rejection>> {
        let news = self.keys.take();
        let verified = enforcer.verify(id, &self.found.token, now).map_err(|rejection| {
            let for_keys = matches!(
                rejection,
                Rejection::BadJwt { fault: JwtFault::UnknownKey }
                    | Rejection::NoAnswer { cause: NoAnswer::NoKeys, .. }
            );
            match news {
                None | Some(KeyNews::Older) if for_keys && enforcer.key_uri(id).is_some() => None,
                // While their server is away, nobody can tell whose key it is.
                Some(KeyNews::None) if for_keys => {
                    Some(Rejection::NoAnswer { cause: NoAnswer::NoKeys, retry_after: None })
                }
                _ => Some(rejection),
            }
        });
        let jwt = || enforcer.as_jwt(id, &self.found.token);
        match &verified {
            Ok(_) => enforcer.trace.made(jwt, None),
            Err(Some(rejection)) => enforcer.trace.made(jwt, Some(rejection)),
            // It is verified once more.
            Err(None) => {}
        }
        verified
    }

    /// The last word of one provider.
    #[inline(never)]
    fn take<T: Trace>(
        mut self,
        enforcer: &mut Enforcer<T>,
        entry: &Rc<Entry>,
        source: Source,
        now: UnixTime,
    ) -> Step {
        let token = match entry.said() {
            Introspection::Active(token) => token,
            Introspection::Inactive => {
                enforcer.trace.made(|| Check::Active, Some(&Rejection::Inactive));
                return self.ask_next(enforcer, Rejection::Inactive, source, now);
            }
            Introspection::Contradicts(name) => {
                let rejection = Rejection::BadJwt { fault: JwtFault::Contradicted(name) };
                enforcer.trace.made(|| Check::Agreement, Some(&rejection));
                return self.ask_next(enforcer, rejection, source, now);
            }
        };
        if !self.has_waited_for_status
            && let Some(id) = enforcer.awaits_status(token, now)
        {
            self.next_providers.push_front(token.provider);
            return Step::Fetch(Document::Status(id), Box::new(self));
        }
        enforcer.trace.made(|| Check::Active, None);
        let asks = enforcer.provider(token.provider).is_some_and(|one| one.validate != Validate::Jwt);
        let refresh = (source == Source::Memory && asks && entry.wants_refresh(now)).then(|| {
            let key = enforcer.cache.key(token.provider, &self.found.token);
            Box::new(Question { key, token: self.found.token.clone() })
        });
        let Self { mut request, found, body, proof, .. } = self;
        let tells_tier = request.told.is_some() || enforcer.policy.upstream.tier_header.is_some();
        let tier = if tells_tier { enforcer.tier(&request, token) } else { None };
        if let Some(told) = &mut request.told {
            told.entry = Some(Rc::clone(entry));
            told.tier.clone_from(&tier);
        }
        let judged = enforcer.judge(&request, (entry, token, &found.token), proof.as_deref(), now);
        let lasting = match &judged {
            Ok(()) => enforcer.lasting(&request, &found, entry, token.provider),
            Err(_) => None,
        };
        let mut grant = enforcer.clean(&request, body.as_deref().filter(|_| judged.is_ok()));
        let decision = match judged {
            Ok(()) => {
                let provider = enforcer.provider(token.provider);
                grant.identity = Some(entry.identity(&enforcer.policy.upstream, provider));
                if let Some(tier) = &tier {
                    grant.set.extend(enforcer.policy.upstream.tier_field(tier));
                }
                if enforcer.policy.mode == Mode::Enforce {
                    grant.private_response = found.place.is_in_uri();
                    grant.dpop_nonce = proof.and_then(|proof| proof.next_nonce);
                }
                Decision::Allow(Verdict::Allowed)
            }
            Err(rejection) => Decision::Deny(rejection),
        };
        done(decision, grant, source, refresh, request).lasting(lasting)
    }
}
