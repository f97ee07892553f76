//! Requests that have been let through and last: whether their token still lets them in (`on_expiry: close`).
//!
//! A stream goes on as long as a new request with its token would be let in, by everything that is known: the token is
//! active, has not expired, is not revoked, and satisfies the rule. What the client has proved when the stream began
//! (DPoP, its certificate) holds as long as the connection does.

use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::moment::Now;
use crate::base::time::UnixTime;
use crate::cache::entry::{Age, Entry};
use crate::decision::Rejection;
use crate::decision::fault::JwtFault;
use crate::decision::trace::{Trace, Untraced};
use crate::enforcer::outcome::Source;
use crate::enforcer::{Enforcer, Pending, Request, Step};
use crate::policy::{Mode, choice};
use crate::provider::Validate;
use crate::provider::introspection::reply::Introspection;
use crate::request::extract::Found;
use crate::request::head::{Head, RequestHead};
use crate::token::access_token::AccessToken;
use crate::token::key::TokenKey;

/// A request that has been let through, and what it is judged by again.
#[derive(Clone, Debug)]
pub(crate) struct Lasting {
    request: Request,
    found: Found,
    key: TokenKey,
    entry: Rc<Entry>,
    /// The keys that have verified its token: what a key has verified does not count any more when it is withdrawn.
    keys: [u8; 32],
}

/// What is known of a stream's token now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// A new request would be let in at once.
    Good,
    /// What is known is too old.
    Old,
    /// A new request would be rejected, or its token introspected.
    Bad,
    /// A new request would be rejected, and nobody be asked.
    Rejected(Rejection),
}

/// The minimum time between two introspections of a token whose response is too old.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(10);

impl<T: Trace> Enforcer<T> {
    /// What a request that is let through with this token is judged by again, if it is to end with it.
    #[inline]
    pub(super) fn lasting(
        &self,
        request: &Request,
        found: &Found,
        entry: &Rc<Entry>,
        provider: ProviderId,
    ) -> Option<Box<Lasting>> {
        self.policy.max_streams.filter(|_| self.policy.mode == Mode::Enforce)?;
        let key = self.cache.key(provider, &found.token);
        if !self.policy.revocation.lists.is_empty() {
            // Now, and not when a list comes that all streams have to be compared with.
            entry.hashes(&found.token);
        }
        let keys = self.fingerprint(provider);
        Some(Lasting::new(request.clone(), found.clone(), key, Rc::clone(entry), keys))
    }

    /// What is known of a stream's token now. A thorough look judges it by all that the rule requires.
    #[inline(never)]
    pub(crate) fn standing(&mut self, lasting: &mut Lasting, is_thorough: bool, now: &Now<'_>) -> Standing {
        if let Some(known) = self.cache.get(lasting.key) {
            lasting.follow(&known);
        }
        let Lasting { request, found, entry, keys, .. } = lasting;
        let wall = now.wall();
        let Introspection::Active(token) = entry.said() else {
            return if *entry.said() == Introspection::Inactive
                && entry.age(wall) == Age::Fresh
                && choice::choose(&self.policy, request.requirement(&self.policy), &found.token).len() == 1
            {
                // However many streams it has: nobody has to be asked again.
                Standing::Rejected(Rejection::Inactive)
            } else {
                Standing::Bad
            };
        };
        let is_introspected = self.provider(token.provider).is_some_and(|one| one.validate != Validate::Jwt);
        let is_revoked = if is_introspected {
            self.is_ended(token.provider, entry, now)
        } else {
            self.is_revoked(token.provider, token, wall)
        };
        let is_fresh = entry.age(wall) == Age::Fresh;
        if !is_introspected
            && (is_revoked || !is_fresh)
            && let Some(rejection) = self.ends_alone(request, found, token, is_revoked, wall)
        {
            return Standing::Rejected(rejection);
        }
        // Once it has expired, it is introspected: it may have been prolonged.
        let expires = token.exp.and_then(|exp| u64::try_from(exp).ok()).map(UnixTime::from_secs);
        let has_expired = expires.is_some_and(|expires| expires <= wall && entry.asked() < expires);
        if is_revoked || has_expired || *keys != self.fingerprint(token.provider) {
            return Standing::Bad;
        }
        let is_young = self.oldest(request, wall).is_none_or(|oldest| entry.asked() > oldest);
        let is_old = self.policy.cache.max_entries == 0 || !is_fresh || !is_young;
        let judged =
            if is_thorough { self.judge(request, (entry, token, &found.token), None, wall) } else { Ok(()) };
        match judged {
            Ok(()) if is_old => Standing::Old,
            Ok(()) => Standing::Good,
            // It may be there after a fetch.
            Err(Rejection::NoAnswer { .. }) => Standing::Bad,
            // A newer response may say something else.
            Err(_) if is_old => Standing::Bad,
            Err(rejection) => Standing::Rejected(rejection),
        }
    }

    /// Why a token that is verified here alone counts no more, if no other provider may know it. However many streams end
    /// in that moment, none has to be judged anew.
    #[inline(never)]
    fn ends_alone(
        &self,
        request: &Request,
        found: &Found,
        token: &AccessToken,
        is_revoked: bool,
        now: UnixTime,
    ) -> Option<Rejection> {
        let rules = &self.provider(token.provider)?.tokens;
        if choice::choose(&self.policy, request.requirement(&self.policy), &found.token).len() != 1 {
            return None;
        }
        if is_revoked {
            return Some(Rejection::BadJwt { fault: JwtFault::Revoked });
        }
        token.check(rules, now, &Untraced).err()
    }

    /// Judges a stream anew, as a new request with its token.
    #[inline(never)]
    pub(crate) fn judge_again(&mut self, mut lasting: Lasting, now: &Now<'_>) -> Step {
        if let Standing::Rejected(rejection) = self.standing(&mut lasting, true, now) {
            return lasting.give_up(self, rejection);
        }
        let now = now.wall();
        let Lasting { request, found, .. } = lasting;
        let next_providers = choice::choose(&self.policy, request.requirement(&self.policy), &found.token);
        let pending = Pending {
            after: self.oldest(&request, now),
            request: Request { provider: None, ..request },
            found,
            body: None,
            next_providers: next_providers.into(),
            asked: None,
            undecided: None,
            keys: None,
            is_asked_for: false,
            has_waited_for_status: false,
            overtaken: 0,
            proof: None,
        };
        pending.ask_next(self, Rejection::NoProvider, Source::Nowhere, now)
    }

    /// Only what was asked for after this moment counts (`max_cache_age`); `None`: whatever is cached.
    fn oldest(&self, request: &Request, now: UnixTime) -> Option<UnixTime> {
        let age = self.policy.max_cache_age(&request.ruling)?;
        Some(now.minus(age.max(ASK_AGAIN)))
    }
}

impl Lasting {
    /// What its token is found by, and the provider that recognizes it.
    pub(crate) fn key(&self) -> TokenKey {
        self.key
    }

    /// What it is judged by.
    pub(crate) fn entry(&self) -> Rc<Entry> {
        Rc::clone(&self.entry)
    }

    /// Takes what else has been said about its token, if that is newer. Whether it is.
    pub(crate) fn follow(&mut self, known: &Rc<Entry>) -> bool {
        let is_newer = known.asked() > self.entry.asked();
        if is_newer {
            self.entry = Rc::clone(known);
        }
        is_newer
    }

    #[inline(never)]
    fn new(request: Request, found: Found, key: TokenKey, entry: Rc<Entry>, keys: [u8; 32]) -> Box<Self> {
        let head = told_of(request.head());
        // What its client has proved is not asked again.
        Box::new(Self { request: Request { is_again: true, head, ..request }, found, key, entry, keys })
    }

    /// Its response has begun: no other one can be given, so its head is not needed any more.
    pub(crate) fn forget_head(&mut self) {
        self.request.head = Head::Lines(Vec::new());
    }

    /// Ends it without asking.
    pub(crate) fn give_up<T: Trace>(self, enforcer: &Enforcer<T>, rejection: Rejection) -> Step {
        enforcer.deny_by(self.request, rejection, Source::Memory)
    }
}

/// What the form of a rejection depends on, and no more: it is kept until the response begins, and a head may be long.
#[inline(never)]
fn told_of(head: RequestHead<'_>) -> Head {
    let mut lines = Vec::new();
    for name in ["accept", "content-type", "origin", "authorization"] {
        for value in head.all(name).take(MAX_LINES) {
            // Of credentials, their scheme.
            let end =
                if name == "authorization" { value.iter().position(|byte| *byte <= b' ') } else { None };
            let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
            if value.len() <= MAX_TOLD {
                lines.push((name.as_bytes().to_vec(), value.to_vec()));
            }
        }
    }
    Head::Lines(lines)
}

/// How long such a field may be, in bytes.
const MAX_TOLD: usize = 512;
/// How many lines of each are kept.
const MAX_LINES: usize = 4;

impl Step {
    /// The same, with what the request is judged by again.
    pub(super) fn lasting(mut self, lasting: Option<Box<Lasting>>) -> Self {
        if let Self::Done(outcome) = &mut self {
            outcome.lasting = lasting;
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{MAX_TOLD, told_of};
    use crate::request::head::{Head, RequestHead};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_the_form_of_a_rejection_depends_on_is_kept() {
        // STR-01, STR-06
        let [fits, long] = [0, 1].map(|more| "x".repeat(MAX_TOLD + more));
        let token = format!("DPoP {long}");
        #[rustfmt::skip]
        let cases: [(&[(&str, &str)], &[(&str, &str)]); 5] = [
            (&[(":path", "/"), ("cookie", "a"), ("dpop", "b")], &[]),
            (&[("Authorization", &token)],                      &[("authorization", "DPoP")]),
            (&[("origin", "o"), ("content-type", "a/b; c=d"), ("accept", "a, b"), ("accept", "c d")],
             &[("accept", "a, b"), ("accept", "c d"), ("content-type", "a/b; c=d"), ("origin", "o")]),
            (&[("accept", &long), ("origin", &fits)],           &[("origin", &fits)]),
            (&[("accept", "a"); 9],                             &[("accept", "a"); 4]),
        ];
        let bytes = |lines: &[(&str, &str)]| -> Vec<_> {
            lines.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
        };
        for (sent, kept) in cases {
            let Head::Lines(lines) = told_of(RequestHead::new(&bytes(sent))) else { panic!("lines") };
            assert_eq!(lines, bytes(kept));
        }
    }
}
