//! Token Status Lists ([draft-ietf-oauth-status-list]): which tokens their issuer has revoked, a few bits for each.
//!
//! A list is fetched in the background as a signed token. It is accepted as a whole or not at all. While its server is
//! unavailable, or sends anything else, the last list is kept for a while, but never beyond its `exp`.
//!
//! [draft-ietf-oauth-status-list]: https://datatracker.ietf.org/doc/draft-ietf-oauth-status-list/

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::base::inflate::{self, InflateFault};
use crate::base::json::{Map, Value};
use crate::base::text;
use crate::base::time::UnixTime;
use crate::base::uri::{HttpUri, http_uri};
use crate::decision::fault::StatusFault;
use crate::jose::jws::Compact;
use crate::jose::key_set::KeySet;
use crate::jose::verifier::Verifier;
use crate::provider::Provider;
use crate::provider::fetch::{self, Address, FetchCall, FetchFault, News};
use crate::provider::keys::LiveKeys;
use crate::provider::outcome::CallOutcome;
use crate::token::access_token::timestamp;

/// `providers.*.status_list`: which lists are fetched, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusLists {
    /// The lists that are known by name.
    pub uris: Vec<String>,
    /// Every list whose URI begins so is fetched as well, when a token names it.
    pub prefix: Option<String>,
    /// The Envoy cluster that reaches all of them.
    pub cluster: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// Whether a token without a status is rejected.
    pub required: bool,
    /// How old a list may become before it is fetched anew, if its `ttl` is not shorter.
    pub refresh: Duration,
    /// How long beyond that it may serve while its server is away.
    pub stale_if_error: Duration,
    /// How many lists are kept at once.
    pub max_lists: usize,
    /// The longest response that is read, in bytes.
    pub max_response_bytes: usize,
    /// The longest list, in bytes, once decompressed.
    pub max_list_bytes: usize,
    /// The keys that verify lists; `None`: those of the provider.
    pub keys: Option<Rc<KeySet>>,
    /// What we call ourselves ([RFC 9110 §10.1.5]).
    ///
    /// [RFC 9110 §10.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
    pub user_agent: String,
}

/// Where a token's status is: the member `status_list` of its claim `status`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reference<'a> {
    /// Its entry in the list.
    pub index: u64,
    /// The list.
    pub uri: &'a str,
}

/// A list, decompressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusList {
    /// How many bits a status has: 1, 2, 4 or 8.
    bits: u8,
    bytes: Box<[u8]>,
}

/// What is known of a list.
#[derive(Clone, Debug, Default)]
pub struct LiveStatusList {
    /// Which list it is; `None`: this place is free.
    uri: Option<Rc<str>>,
    list: Option<Rc<StatusList>>,
    etag: Option<String>,
    times: Times,
    /// Until when it may be used.
    until: Option<UnixTime>,
    /// When it was fetched last.
    fetched: Option<UnixTime>,
    /// Whether a token has named it since the latest call.
    is_wanted: Cell<bool>,
}

/// The times in a Status List Token.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// `iat`.
    issued: i64,
    /// `exp` in whole seconds.
    exp: Option<i64>,
    /// `ttl`.
    ttl: Option<Duration>,
}

/// What goes with a provider's lists.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Which lists are fetched, and how.
    pub lists: &'a StatusLists,
    /// Whose tokens they are about.
    pub provider: &'a Provider,
    /// Its keys.
    pub keys: &'a LiveKeys,
    /// What verifies signatures.
    pub verifier: &'static dyn Verifier,
}

/// The media type of a Status List Token.
const MEDIA_TYPE: &str = "application/statuslist+jwt";
/// By how many seconds `iat` may be ahead of us.
const AHEAD: i64 = 60;
/// The shortest time from one call to the next, whatever `ttl` says.
const SHORTEST: Duration = Duration::from_secs(1);
/// The same, whatever `exp` says: a list may be past its `exp` by `clock_skew`.
const SHORTEST_BY_EXP: Duration = Duration::from_secs(5);
/// How much longer than the prefix a list's URI may be.
const MAX_REST: usize = 128;

impl StatusLists {
    /// Whether a list may be fetched. A token names a list, but cannot choose where calls go: the cluster, the authority
    /// and the beginning of the path are those of the configuration.
    pub fn names(&self, uri: &str) -> bool {
        let rest = self.prefix.as_deref().and_then(|prefix| uri.strip_prefix(prefix));
        self.uris.iter().any(|known| known == uri) || rest.is_some_and(is_plain)
    }

    /// The call that fetches a list.
    #[inline(never)]
    pub fn call(&self, known: &LiveStatusList) -> Option<FetchCall> {
        let uri = known.uri()?;
        let HttpUri { scheme, authority, .. } = http_uri(uri).ok()?;
        // The name of a host may be a part of the scheme's.
        let (_, path) = text::split_once(text::split_once(uri, "://")?.1, authority)?;
        let (authority, path) =
            (authority.to_ascii_lowercase(), format!("/{}", path.trim_start_matches('/')));
        let address = Address { scheme, authority: &authority, path: &path, user_agent: &self.user_agent };
        known.is_wanted.set(false);
        Some(FetchCall {
            cluster: self.cluster.clone(),
            timeout: self.timeout,
            headers: fetch::head(address, MEDIA_TYPE, known.etag.as_ref()),
            read_up_to: self.max_response_bytes.saturating_add(1),
        })
    }
}

/// Whether this may follow the prefix: segments of letters, digits and `-._~`, and none of dots alone.
fn is_plain(rest: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    rest.len() <= MAX_REST
        && rest.bytes().all(fits)
        && rest.split('/').all(|segment| segment.bytes().any(|b| b != b'.'))
}

impl<'a> Reference<'a> {
    /// Where the status of a token with these claims is; `None`: it has no status. One that is in a form or by a
    /// mechanism that is not known cannot be checked, so it is an error.
    pub fn of(claims: &'a Map<String, Value>) -> Result<Option<Self>, StatusFault> {
        let Some(status) = claims.get("status") else { return Ok(None) };
        let mechanisms = status.as_object().ok_or(StatusFault::Malformed)?;
        let list = mechanisms.get("status_list").ok_or(StatusFault::Mechanism)?;
        match (list.get("idx").and_then(Value::as_u64), list.get("uri").and_then(Value::as_str)) {
            (Some(index), Some(uri)) => Ok(Some(Self { index, uri })),
            _ => Err(StatusFault::Malformed),
        }
    }
}

impl StatusList {
    /// Reads the member `status_list` of a Status List Token: `bits` and `lst`.
    fn read(member: Option<&Value>, max: usize) -> Result<Self, FetchFault> {
        let member = |name: &str| member.and_then(|list| list.get(name));
        let bits = member("bits").and_then(Value::as_u64).and_then(|bits| u8::try_from(bits).ok());
        let bits = bits
            .filter(|bits| matches!(bits, 1 | 2 | 4 | 8))
            .ok_or_else(|| unfit("bits is not 1, 2, 4 or 8"))?;
        let compressed = member("lst").and_then(Value::as_str).ok_or_else(|| unfit("lst is not text"))?;
        let bytes = inflate::zlib(compressed, max).map_err(|fault| {
            unfit(match fault {
                InflateFault::Base64 => "lst is not base64url without padding",
                InflateFault::TooLong => "longer than max_list_bytes, once decompressed",
                InflateFault::Zlib => "lst is not valid zlib data",
            })
        })?;
        Ok(Self { bits, bytes: bytes.into_boxed_slice() })
    }

    /// The status of an entry; `None`: the list is shorter.
    pub fn status(&self, index: u64) -> Option<u8> {
        let first = index.checked_mul(u64::from(self.bits))?;
        let byte = self.bytes.get(usize::try_from(first / 8).ok()?)?;
        let shifted = u32::from(*byte).checked_shr(u32::try_from(first % 8).ok()?)?;
        let mask = 1_u32.checked_shl(self.bits.into())?.checked_sub(1)?;
        u8::try_from(shifted & mask).ok()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_mul(8).checked_div(self.bits.into()).unwrap_or_default()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Times {
    /// Until when a list may be used that was fetched at this moment.
    fn end(self, fetched: UnixTime, lists: &StatusLists, skew: Duration) -> UnixTime {
        let ttl = self.ttl.unwrap_or(lists.refresh).min(lists.refresh).max(SHORTEST);
        let until = fetched.plus(ttl).plus(lists.stale_if_error);
        self.exp.map_or(until, |exp| until.min(moment(exp).plus(skew)))
    }
}

impl LiveStatusList {
    /// A list of which nothing is known yet.
    pub fn new(uri: &str) -> Self {
        Self { uri: Some(uri.into()), is_wanted: Cell::new(true), ..Self::default() }
    }

    /// Which list it is; `None`: this place is free.
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    /// Whether it has been loaded.
    pub fn has_arrived(&self) -> bool {
        self.list.is_some()
    }

    /// When it was fetched last; `None`: never.
    pub fn fetched(&self) -> Option<UnixTime> {
        self.fetched
    }

    /// Whether a token has named it since the latest call.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.get()
    }

    /// The list, if it may be used now. A token has named it.
    pub fn list(&self, now: UnixTime) -> Option<&StatusList> {
        self.is_wanted.set(true);
        self.list.as_deref().filter(|_| self.until.is_some_and(|until| now < until))
    }

    /// Drops what is known of it: the key that has signed it is withdrawn.
    pub fn drop_list(&mut self) {
        (self.list, self.etag, self.until) = (None, None, None);
    }

    /// How long it is to the next call.
    pub fn period(&self, lists: &StatusLists, now: UnixTime) -> Duration {
        let left = self.times.exp.map(|exp| now.until(moment(exp)).max(SHORTEST_BY_EXP));
        let ttl = self.times.ttl.unwrap_or(lists.refresh);
        left.map_or(ttl, |left| ttl.min(left)).min(lists.refresh).max(SHORTEST)
    }

    /// Takes a response. If anything is wrong with it, the last list is kept.
    #[inline(never)]
    pub fn take(
        &mut self,
        source: Source<'_>,
        outcome: CallOutcome<'_>,
        now: UnixTime,
    ) -> Result<News, FetchFault> {
        let lists = source.lists;
        let body = fetch::body(outcome, self.list.is_some(), &[MEDIA_TYPE], lists.max_response_bytes);
        let body = body.map_err(|fault| match fault {
            FetchFault::MediaType => unfit("not application/statuslist+jwt"),
            fault => fault,
        })?;
        let Some((body, etag)) = body else {
            self.keep(source, self.times, now);
            return Ok(News::Unchanged);
        };
        let text = std::str::from_utf8(body.trim_ascii_end()).map_err(|_| unfit("not text"))?;
        let (list, times) = self.verified(source, text, now)?;
        self.etag = etag;
        self.keep(source, times, now);
        if self.list.as_deref() == Some(&list) {
            return Ok(News::Unchanged);
        }
        let number = list.len();
        self.list = Some(Rc::new(list));
        Ok(News::Changed(number))
    }

    /// The list counts from now on, with these times.
    fn keep(&mut self, Source { lists, provider, .. }: Source<'_>, times: Times, now: UnixTime) {
        self.times = times;
        self.fetched = Some(now);
        self.until = Some(times.end(now, lists, provider.tokens.clock_skew));
    }

    /// Verifies a Status List Token. The signature comes after the other checks, and decompression comes last.
    #[inline(never)]
    fn verified(
        &self,
        Source { lists, provider, keys, verifier }: Source<'_>,
        text: &str,
        now: UnixTime,
    ) -> Result<(StatusList, Times), FetchFault> {
        let mut jws = Compact::parse(text).map_err(|fault| FetchFault::Shape(fault.to_string()))?;
        if !jws.header.is_typ("statuslist+jwt") {
            return Err(unfit("its typ is not statuslist+jwt"));
        }
        if !provider.jwt.algorithms.allow(jws.header.alg) {
            return Err(unfit("its algorithm is not among `algorithms`"));
        }
        let claims = jws.claims().ok_or_else(|| unfit("its claims are not a single JSON object"))?;
        // It may be long, and is not needed any more.
        jws.payload = Vec::new();
        if claims.get("sub").and_then(Value::as_str) != self.uri() {
            return Err(unfit("its sub is not the list's uri"));
        }
        let times = self.times_of(&claims, provider, now)?;
        let keys = match &lists.keys {
            Some(keys) => Rc::clone(keys),
            None => keys.set(now).map_err(|_| FetchFault::UnknownKey)?,
        };
        match keys.have_signed(&jws, verifier) {
            None => return Err(FetchFault::UnknownKey),
            Some(false) => return Err(unfit("its signature is not valid")),
            Some(true) => {}
        }
        Ok((StatusList::read(claims.get("status_list"), lists.max_list_bytes)?, times))
    }

    fn times_of(
        &self,
        claims: &Map<String, Value>,
        provider: &Provider,
        now: UnixTime,
    ) -> Result<Times, FetchFault> {
        let Ok(Some(issued)) = timestamp(claims, "iat") else {
            return Err(unfit("its iat is missing or not valid"));
        };
        let exp = timestamp(claims, "exp").map_err(|()| unfit("its exp is not valid"))?;
        let ttl = match claims.get("ttl") {
            None => None,
            Some(ttl) => {
                if ttl.as_f64().is_none_or(|seconds| seconds <= 0.0) {
                    return Err(unfit("its ttl is not a positive number"));
                }
                let seconds = timestamp(claims, "ttl").ok().flatten().unwrap_or_default();
                Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
            }
        };
        if exp.is_some_and(|exp| moment(exp).plus(provider.tokens.clock_skew) <= now) {
            return Err(unfit("it has expired"));
        }
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if issued > seconds.saturating_add(AHEAD) {
            return Err(unfit("it was issued in the future"));
        }
        // Whoever replays an older list takes revocations back.
        let is_known = self.list.is_some() && self.until.is_some_and(|until| now < until);
        if is_known && issued < self.times.issued {
            return Err(unfit("it is older than the list that is loaded"));
        }
        Ok(Times { issued, exp, ttl })
    }
}

/// The moment of a claim in seconds since 1970.
fn moment(seconds: i64) -> UnixTime {
    UnixTime::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn unfit(what: &'static str) -> FetchFault {
    FetchFault::Unfit(what)
}
