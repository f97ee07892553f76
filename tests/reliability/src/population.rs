//! The tokens of the traffic: who has one, what the authorization server says of it, and how each one ends.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_cases::token::Token as Jwt;

use crate::random::{Random, Zipf};
use crate::truth::{Life, Means};

/// How a token is checked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// By introspection.
    Opaque,
    /// As a JWT, by its signature alone.
    Jwt,
    /// As a JWT, and then by introspection.
    Both,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Opaque, Self::Jwt, Self::Both];

    /// The name of its provider.
    pub fn provider(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Jwt => "jwt",
            Self::Both => "both",
        }
    }

    /// Its provider's `issuer`.
    pub fn issuer(self) -> String {
        format!("https://{}.example.com", self.provider())
    }
}

/// A token, and what is known of it.
#[derive(Debug)]
pub struct Token {
    /// As it is sent.
    pub text: String,
    /// How it is checked.
    pub kind: Kind,
    /// Whose it is; no other token has the same.
    pub sub: String,
    /// The key that has signed it, if it is a JWT.
    pub key: String,
    /// What the server says while it is active.
    pub active: String,
    expires: Instant,
    is_inactive: AtomicBool,
    life: Mutex<Life>,
}

impl Token {
    /// What is known of it now.
    pub fn life(&self) -> Life {
        self.lock().clone()
    }

    /// From now on it may be rejected.
    pub fn may_end(&self) {
        let now = Instant::now();
        let mut life = self.lock();
        life.ends = Some(life.ends.map_or(now, |ends| ends.min(now)));
    }

    /// It has ended: the time until it must be rejected begins.
    pub fn has_ended(&self, means: Means) {
        self.lock().ended.push((Instant::now(), means));
    }

    /// The server calls it inactive from now on.
    pub fn deactivate(&self) {
        self.may_end();
        self.is_inactive.store(true, Ordering::SeqCst);
        self.has_ended(Means::Server);
    }

    /// Whether the server calls it active.
    pub fn is_active(&self) -> bool {
        !self.is_inactive.load(Ordering::SeqCst) && Instant::now() < self.expires
    }

    /// Whether nothing has ended it, and nothing will in the next moments.
    pub fn lives(&self) -> bool {
        self.lock().ended.iter().all(|(at, _)| *at > Instant::now() + Duration::from_secs(3))
    }

    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody's tokens.
#[derive(Debug)]
pub struct Population {
    kinds: Vec<Kind>,
    short: f64,
    slots: RwLock<Vec<Arc<Token>>>,
    ended: Mutex<VecDeque<Arc<Token>>>,
    known: RwLock<HashMap<String, Arc<Token>>>,
    serial: AtomicU64,
    key: Mutex<String>,
    ranks: Zipf,
    ended_ranks: Zipf,
}

/// How many tokens that have ended are still sent.
const ENDED: usize = 400;
/// The keys with which tokens are signed, by their files.
pub const FIRST_KEY: &str = "p256";
/// The one that comes with a rotation.
pub const SECOND_KEY: &str = "other-p256";
/// The leeway for `exp` of JWTs, in the configuration; and the second in which they end.
pub const SKEW: Duration = Duration::from_secs(1);

impl Population {
    /// So many tokens, of these kinds in turn. `short`: the share that expires within a minute or so.
    pub fn new(count: usize, kinds: &[Kind], short: f64) -> Self {
        let population = Self {
            kinds: kinds.to_vec(),
            short,
            slots: RwLock::default(),
            ended: Mutex::default(),
            known: RwLock::default(),
            serial: AtomicU64::new(1),
            key: Mutex::new(FIRST_KEY.to_owned()),
            ranks: Zipf::new(count),
            ended_ranks: Zipf::new(ENDED),
        };
        let mut random = Random::new(7);
        let slots = (0..count).map(|slot| population.issue(slot, &mut random)).collect();
        *population.slots.write().unwrap_or_else(PoisonError::into_inner) = slots;
        population
    }

    /// A token that is valid, or was when it was chosen: the first ones often.
    pub fn frequent(&self, random: &mut Random) -> Arc<Token> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&slots[self.ranks.rank(random)])
    }

    /// One that has ended, mostly a short time ago.
    pub fn ended(&self, random: &mut Random) -> Option<Arc<Token>> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get(self.ended_ranks.rank(random)).cloned()
    }

    /// A valid one to be ended: its place goes to a new one. `None`: the chosen one ends anyway, or is of another kind.
    pub fn replace(&self, random: &mut Random, wanted: impl Fn(&Token) -> bool) -> Option<Arc<Token>> {
        let slot = self.ranks.rank(random);
        let token = Arc::clone(&self.slots.read().unwrap_or_else(PoisonError::into_inner)[slot]);
        (token.lives() && wanted(&token)).then(|| self.put_new(slot, random))
    }

    /// Replaces what has ended by itself, and what else is wanted. The old ones.
    pub fn renew(&self, random: &mut Random, wanted: impl Fn(&Token) -> bool) -> Vec<Arc<Token>> {
        let mut old = Vec::new();
        let count = self.slots.read().unwrap_or_else(PoisonError::into_inner).len();
        for slot in 0..count {
            let token = Arc::clone(&self.slots.read().unwrap_or_else(PoisonError::into_inner)[slot]);
            if !token.lives() || wanted(&token) {
                old.push(self.put_new(slot, random));
            }
        }
        old
    }

    /// All that are not ended.
    pub fn all(&self) -> Vec<Arc<Token>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the server knows of a token.
    pub fn by_text(&self, text: &str) -> Option<Arc<Token>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned()
    }

    /// New JWTs are signed with this key.
    pub fn sign_with(&self, key: &str) {
        key.clone_into(&mut self.key.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A key that was withdrawn is published again, and with it all that it has signed may pass again.
    pub fn published_again(&self, key: &str) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        for token in ended.iter().filter(|token| token.key == key) {
            token.lock().ended.retain(|(_, means)| *means != Means::Keys);
        }
    }

    /// Puts a new token in the place of one, and returns the old one.
    fn put_new(&self, slot: usize, random: &mut Random) -> Arc<Token> {
        let new = self.issue(slot, random);
        let old = {
            let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut slots[slot], new)
        };
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push_front(Arc::clone(&old));
        if let Some(forgotten) = (ended.len() > ENDED).then(|| ended.pop_back()).flatten() {
            self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&forgotten.text);
        }
        old
    }

    fn issue(&self, slot: usize, random: &mut Random) -> Arc<Token> {
        let kind = self.kinds[slot % self.kinds.len()];
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let seconds =
            if random.chance(self.short) { 20 + random.below(60) } else { 300 + random.below(600) } as u64;
        let now = Instant::now();
        let issued = seconds_now();
        let (sub, exp) = (format!("u-{serial}"), issued + seconds);
        let writes = serial.is_multiple_of(2);
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let claims = claims(kind, &sub, serial, exp, writes);
        let text = match kind {
            Kind::Opaque => format!("at-{serial:08}-{:016x}", random.number()),
            Kind::Jwt | Kind::Both => jwt(&claims, &key, issued),
        };
        let mut active = claims;
        active["active"] = json!(true);
        // `exp` is a whole second: the token ends a part of a second before this moment, or is accepted for as long as the leeway.
        let expires = now + Duration::from_secs(seconds);
        let leeway = if kind == Kind::Opaque { Duration::ZERO } else { SKEW };
        let life = Life {
            ends: Some(expires.checked_sub(Duration::from_secs(2)).unwrap_or(now)),
            ended: vec![(expires + leeway, Means::Expiry)],
            writes,
            never: false,
        };
        let token = Arc::new(Token {
            text: text.clone(),
            kind,
            sub,
            key,
            active: active.to_string(),
            expires,
            is_inactive: AtomicBool::new(false),
            life: Mutex::new(life),
        });
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(text, Arc::clone(&token));
        token
    }
}

/// A JWT that nobody has issued, in one of several ways.
pub fn forged(random: &mut Random) -> String {
    let kind = if random.chance(0.5) { Kind::Jwt } else { Kind::Both };
    let serial = random.number();
    let claims = claims(kind, "mallory", serial, seconds_now() + 300, true);
    let (alg, key, name, changed) = match random.below(6) {
        // Another key under a known name.
        0 => ("ES256", "other-p256", "p256", None),
        // A name that no key has.
        1 => ("ES256", "other-p256", "unknown", None),
        // No signature.
        2 => ("none", "p256", "p256", None),
        // A public key as a shared secret.
        3 => ("HS256", "p256", "p256", None),
        // A key that is too short.
        4 => ("RS256", "rsa-1024", "short", None),
        // Other claims under a right signature.
        _ => ("ES256", "p256", "p256", Some(1)),
    };
    let header = json!({"kid": name}).as_object().cloned().unwrap_or_default();
    let claims = claims.as_object().cloned().unwrap_or_default();
    let (alg, key) = (Some(alg.to_owned()), Some(key.to_owned()));
    Jwt { alg, key, header, claims, changed, ..Jwt::default() }.at(seconds_now())
}

/// A signed event that ends a user's tokens.
pub fn event(kind: Kind, sub: &str, jti: &str, key: &str) -> String {
    let claims = json!({
        "jti": jti, "aud": "receiver", "iat": "$now", "iss": kind.issuer(),
        "sub_id": {"format": "iss_sub", "iss": kind.issuer(), "sub": sub},
        "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}},
    });
    let header = json!({"typ": "secevent+jwt", "kid": kid(key)}).as_object().cloned().unwrap_or_default();
    let without = ["exp", "sub", "client_id", "scope"].map(str::to_owned).to_vec();
    let claims = claims.as_object().cloned().unwrap_or_default();
    Jwt { key: Some(key.to_owned()), header, claims, without, ..Jwt::default() }.at(seconds_now())
}

/// Seconds since 1970.
pub fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

fn claims(kind: Kind, sub: &str, serial: u64, exp: u64, writes: bool) -> Value {
    json!({
        "iss": kind.issuer(), "aud": "https://api.example.com", "sub": sub, "jti": format!("t-{serial}"),
        "client_id": "shop", "exp": exp, "scope": if writes { "read write" } else { "read" },
    })
}

fn jwt(claims: &Value, key: &str, now: u64) -> String {
    let claims = claims.as_object().cloned().unwrap_or_default();
    let header = json!({"kid": kid(key)}).as_object().cloned().unwrap_or_default();
    Jwt { key: Some(key.to_owned()), header, claims, ..Jwt::default() }.at(now)
}

/// The name under which the server publishes a key.
fn kid(key: &str) -> &str {
    if key == SECOND_KEY { "second" } else { key }
}
