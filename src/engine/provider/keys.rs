//! The keys of an authorization server: in the configuration, or fetched and refreshed in the background.
//!
//! A set is accepted as a whole or not at all. While its server is unavailable, or sends anything else, the
//! last set is kept for a while. Until the first set is loaded, no signature can be verified.

use std::rc::Rc;
use std::time::Duration;

use crate::base::time::UnixTime;
use crate::decision::{NoAnswer, Rejection};
use crate::jose::key_set::KeySet;
use crate::provider::fetch::{self, Address, FetchCall, FetchFault, Fetched, News};
use crate::provider::outcome::CallOutcome;

/// `providers.*.jwks`: where the keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the configuration.
    Inline(Rc<KeySet>),
    /// Somewhere else.
    Uri(KeyUri),
}

/// `providers.*.jwks.uri`: where a set is fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUri {
    /// `http` or `https`; informative, TLS is the cluster's.
    pub scheme: String,
    /// Host and port as the URI has them.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// How old a set may become before it is fetched anew.
    pub cache_duration: Duration,
    /// How long beyond that it may serve while its server is away.
    pub stale_if_error: Duration,
    /// The longest response that is read, in bytes.
    pub max_response_bytes: usize,
    /// Whether a response of another media type than that of a key set is also read.
    pub lenient_content_type: bool,
    /// What we call ourselves ([RFC 9110 §10.1.5]).
    ///
    /// [RFC 9110 §10.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
    pub user_agent: String,
}

/// What is known of a provider's keys.
#[derive(Clone, Debug, Default)]
pub struct LiveKeys {
    set: Option<Rc<KeySet>>,
    etag: Option<String>,
    /// Until when it may be used; `None`: forever.
    until: Option<UnixTime>,
}

/// What a fetch has done for those who waited for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyNews {
    /// The keys as they are now.
    Fresh,
    /// The keys that another worker has fetched; there may be newer ones.
    Older,
    /// Nothing: the server is away.
    None,
}

impl KeyUri {
    /// Whether another configuration fetches from the same place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        (&self.authority, &self.path, &self.cluster) == (&other.authority, &other.path, &other.cluster)
    }

    /// The call that fetches the set.
    pub fn call(&self, known: &LiveKeys) -> FetchCall {
        let Self { scheme, authority, path, user_agent, .. } = self;
        let address = Address { scheme, authority, path, user_agent };
        FetchCall {
            cluster: self.cluster.clone(),
            timeout: self.timeout,
            headers: fetch::head(address, "application/jwk-set+json, application/json", known.etag.as_ref()),
            read_up_to: self.max_response_bytes.saturating_add(1),
        }
    }
}

impl LiveKeys {
    /// What is known at first.
    pub fn new(source: Option<&KeySource>) -> Self {
        match source {
            Some(KeySource::Inline(set)) => Self { set: Some(Rc::clone(set)), ..Self::default() },
            Some(KeySource::Uri(_)) | None => Self::default(),
        }
    }

    /// Takes a response. If anything is wrong with it, the last set is kept.
    #[inline(never)]
    pub fn take(
        &mut self,
        source: &KeyUri,
        outcome: CallOutcome<'_>,
        now: UnixTime,
    ) -> Result<News, FetchFault> {
        let media_types: &[&str] =
            if source.lenient_content_type { &[] } else { &["application/json", "application/jwk-set+json"] };
        let fetched = fetch::read(outcome, self.set.is_some(), media_types, source.max_response_bytes)?;
        let until = now.plus(source.cache_duration).plus(source.stale_if_error);
        let (document, etag) = match fetched {
            Fetched::Same => {
                self.until = Some(until);
                return Ok(News::Unchanged);
            }
            Fetched::Document(document, etag) => (document, etag),
        };
        let set = KeySet::from_json(&document).map_err(|fault| FetchFault::Shape(fault.of(&document)))?;
        (self.etag, self.until) = (etag, Some(until));
        // In whatever order they come: nobody is to wait again and again for keys that are there.
        if self.set.as_deref().is_some_and(|known| known.fingerprint() == set.fingerprint()) {
            return Ok(News::Unchanged);
        }
        let number = set.len();
        self.set = Some(Rc::new(set));
        Ok(News::Changed(number))
    }

    /// The same under another configuration that fetches them from the same place: what counts is how long it lets
    /// them serve.
    pub(crate) fn under(&self, before: &KeyUri, now: &KeyUri) -> Self {
        let span = |uri: &KeyUri| uri.cache_duration.saturating_add(uri.stale_if_error);
        let until = self.until.map(|until| until.minus(span(before)).plus(span(now)));
        Self { until, ..self.clone() }
    }

    /// Whether there has been a set.
    pub fn has_arrived(&self) -> bool {
        self.set.is_some()
    }

    /// How many keys are known.
    pub fn number(&self) -> usize {
        self.set.as_ref().map_or(0, |set| set.len())
    }

    /// The set, if it may be used now; otherwise nothing can be verified.
    pub fn set(&self, now: UnixTime) -> Result<Rc<KeySet>, Rejection> {
        match &self.set {
            Some(set) if self.until.is_none_or(|until| now < until) => Ok(Rc::clone(set)),
            _ => Err(Rejection::NoAnswer { cause: NoAnswer::NoKeys, retry_after: None }),
        }
    }

    /// Distinguishes the set from others: what one set has verified does not count for another.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.set.as_ref().map_or([0; 32], |set| *set.fingerprint())
    }

    /// The set, whatever its age.
    pub(crate) fn last(&self) -> Option<&Rc<KeySet>> {
        self.set.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{KeyUri, LiveKeys};
    use crate::base::time::UnixTime;
    use crate::decision::{NoAnswer, Rejection};
    use crate::provider::fetch::{FetchFault, News};
    use crate::provider::outcome::CallOutcome;
    use crate::request::head::RequestHead;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SET: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn source() -> KeyUri {
        KeyUri {
            scheme: "https".to_owned(),
            authority: "as.example".to_owned(),
            path: "/jwks".to_owned(),
            cluster: "as".to_owned(),
            timeout: Duration::from_secs(2),
            cache_duration: Duration::from_secs(300),
            stale_if_error: Duration::from_secs(1000),
            max_response_bytes: 300,
            lenient_content_type: false,
            user_agent: "tollgate/x".to_owned(),
        }
    }

    fn take(
        keys: &mut LiveKeys,
        at: u64,
        status: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<News, FetchFault> {
        let mut head = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        head.extend(fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
        let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() };
        keys.take(&source(), outcome, UnixTime::from_secs(at))
    }

    fn is_there(keys: &LiveKeys, at: u64) -> bool {
        match keys.set(UnixTime::from_secs(at)) {
            Ok(set) => set.len() == 1,
            Err(error) => {
                assert_eq!(error, Rejection::NoAnswer { cause: NoAnswer::NoKeys, retry_after: None });
                false
            }
        }
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_set_is_kept_while_its_server_is_away() {
        let mut keys = LiveKeys::default();
        assert!(!is_there(&keys, 1000), "JWT-46 before the first set nobody can tell");
        let unchanged = take(&mut keys, 1000, "304", &[], "");
        assert_eq!((unchanged, keys.number()), (Err(FetchFault::Status(304)), 0), "there is nothing to keep");
        assert_eq!(take(&mut keys, 1000, "200", &[JSON, ("etag", "\"1\"")], SET), Ok(News::Changed(1)));
        #[rustfmt::skip]
        let cases = [
            ("JWT-45 ATK-64 another status",  "500", JSON, SET,                          FetchFault::Status(500)),
            ("JWT-45 a redirect",             "302", JSON, SET,                          FetchFault::Status(302)),
            ("ATK-64 a page",                 "200", ("content-type", "text/html"), SET, FetchFault::MediaType),
            ("plain text",                    "200", ("content-type", "text/plain"), SET, FetchFault::MediaType),
            ("no JSON",                       "200", JSON, "{",                          FetchFault::NotJson),
            ("ATK-64 no keys",                "200", JSON, r#"{"keys":[]}"#,             FetchFault::Shape("it has no usable key".to_owned())),
            ("another document",              "200", JSON, "{}",                         FetchFault::Shape("not an object with an array `keys`".to_owned())),
        ];
        for (name, status, field, body, want) in cases {
            assert_eq!(take(&mut keys, 1100, status, &[field], body), Err(want), "{name}");
            assert!(is_there(&keys, 2299), "{name}: the last set is kept");
        }
        for (coding, want) in [("gzip", "gzip"), ("identity, br", "of no known name"), ("ZSTD", "zstd")] {
            let got = take(&mut keys, 1100, "200", &[JSON, ("content-encoding", coding)], SET);
            assert_eq!(got, Err(FetchFault::Coded(want)), "{coding}");
        }
        let long = format!("{SET}{}", " ".repeat(300));
        assert_eq!(take(&mut keys, 1100, "200", &[JSON], &long), Err(FetchFault::TooLong), "JWT-45");
        assert!(!is_there(&keys, 2300), "JWT-45 ATK-64 until its greatest age");
        assert_eq!(take(&mut keys, 2300, "304", &[], ""), Ok(News::Unchanged));
        assert!(is_there(&keys, 2300) && keys.number() == 1, "the same set once more");
        let jwk_set = ("content-type", "application/jwk-set+json; charset=utf-8");
        assert_eq!(take(&mut keys, 9000, "200", &[jwk_set], SET), Ok(News::Unchanged));
        assert!(is_there(&keys, 9000));
    }

    #[test]
    fn a_set_of_another_media_type_is_read_only_where_that_is_configured() {
        for media_type in ["text/plain", "application/octet-stream", "binary/octet-stream", ""] {
            let head = [(":status", "200"), ("content-type", media_type)];
            let head = head.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            let take = |lenient_content_type, body: &str| {
                let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() };
                let source = KeyUri { lenient_content_type, ..source() };
                LiveKeys::default().take(&source, outcome, UnixTime::from_secs(1))
            };
            assert_eq!(take(false, SET), Err(FetchFault::MediaType), "{media_type}");
            assert_eq!(take(true, SET), Ok(News::Changed(1)), "{media_type}");
            assert_eq!(take(true, "<html>"), Err(FetchFault::NotJson), "{media_type}: a set all the same");
        }
    }

    #[test]
    fn keys_in_another_order_are_no_other_keys() {
        let ed =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"KID"}"#;
        let [a, b, c] = ["a", "b", "c"].map(|kid| ed.replace("KID", kid));
        let mut keys = LiveKeys::default();
        let mut news = |one: &str, two: &str| {
            let set = format!(r#"{{"keys":[{one},{two}]}}"#);
            take(&mut keys, 1000, "200", &[JSON], &set)
        };
        assert_eq!(news(&a, &b), Ok(News::Changed(2)));
        assert_eq!(news(&b, &a), Ok(News::Unchanged));
        assert_eq!(news(&b, &c), Ok(News::Changed(2)));
    }

    #[test]
    fn another_configuration_says_how_long_a_set_may_serve() {
        let mut keys = LiveKeys::default();
        take(&mut keys, 1000, "200", &[JSON], SET).unwrap();
        let shorter = KeyUri { stale_if_error: Duration::from_secs(100), ..source() };
        let inherited = keys.under(&source(), &shorter);
        assert!(is_there(&inherited, 1399) && !is_there(&inherited, 1400), "JWT-45");
        assert!(is_there(&inherited.under(&shorter, &source()), 2299));
        assert!(!LiveKeys::default().under(&source(), &shorter).has_arrived());
    }

    #[test]
    fn what_is_known_is_not_fetched_again() {
        let mut keys = LiveKeys::default();
        let field = |keys: &LiveKeys, name: &str| {
            let call = source().call(keys);
            call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
        };
        assert_eq!(field(&keys, "if-none-match"), None);
        assert_eq!(field(&keys, ":path").as_deref(), Some("/jwks"));
        assert_eq!(field(&keys, "accept-encoding").as_deref(), Some("identity"));
        assert_eq!(field(&keys, "user-agent").as_deref(), Some("tollgate/x"));
        take(&mut keys, 1, "200", &[JSON, ("etag", "\"1\"")], SET).unwrap();
        assert_eq!(field(&keys, "if-none-match").as_deref(), Some("\"1\""));
    }
}
