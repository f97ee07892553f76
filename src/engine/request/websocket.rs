//! The token among the subprotocols that a WebSocket client offers.
//!
//! A browser's WebSocket can set no header field except `Sec-WebSocket-Protocol` ([RFC 6455 §11.3.4]), so
//! clients offer their token as if it were a protocol: behind one that says so (`bearer, TOKEN`), or in one
//! with it, in base64url (`base64url.bearer.authorization.k8s.io.TOKEN`, Kubernetes' way, for tokens with
//! characters that a protocol's name cannot have).
//!
//! [RFC 6455 §11.3.4]: https://www.rfc-editor.org/rfc/rfc6455#section-11.3.4

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::secret::Secret;
use crate::request::extract::{TokenError, b64token};
use crate::request::head::RequestHead;

/// The field.
pub const FIELD: &str = "sec-websocket-protocol";

/// The protocol by which a client says that it offers a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Marker {
    /// The token is the next one.
    Before(String),
    /// The token stands behind this in the same one.
    Within(String),
}

/// What the upstream sees in place of what was offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rest {
    /// The protocols that are left; may be empty.
    pub protocols: Vec<u8>,
    /// The marker as it was offered, if the response may name it. A marker that contains the token is never
    /// named.
    pub marker: Option<String>,
}

impl Marker {
    /// A marker by its name; with a dot at its end, the token is within.
    pub fn new(name: &str) -> Self {
        let name = name.to_owned();
        if name.ends_with('.') { Self::Within(name) } else { Self::Before(name) }
    }

    /// The token, if this is the beginning of a WebSocket and one is offered.
    pub(crate) fn find(&self, head: RequestHead<'_>) -> Result<Option<Secret>, TokenError> {
        if !head.is_websocket() || self.count(head) == 0 {
            return Ok(None);
        }
        // Lines are one list, but not everybody puts them together, and some take the first marker, others the last.
        let Some(line) = head.single(FIELD).filter(|_| self.count(head) == 1) else {
            return Err(TokenError::Several);
        };
        let mut offered = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let token = offered.clone().all(|one| !one.is_empty()).then(|| match self {
            Self::Before(_) => offered.by_ref().skip_while(|one| !self.marks(one)).nth(1).and_then(b64token),
            Self::Within(name) => offered.find(|one| self.marks(one)).and_then(|one| {
                URL_SAFE_NO_PAD.decode(one.get(name.len()..)?).ok().as_deref().and_then(b64token)
            }),
        });
        token.flatten().map(Some).ok_or(TokenError::MalformedHeader)
    }

    /// The field without the token; `None`: no token was offered. Applies to every request: only a WebSocket
    /// needs this field.
    pub(crate) fn strip(&self, head: RequestHead<'_>) -> Option<Rest> {
        if self.count(head) == 0 {
            return None;
        }
        let mut rest = Rest { protocols: Vec::new(), marker: None };
        let mut is_token = false;
        for one in offered(head) {
            let marks = self.marks(one);
            let is_next = std::mem::replace(&mut is_token, marks && matches!(self, Self::Before(_)));
            if marks && matches!(self, Self::Before(_)) {
                rest.marker = std::str::from_utf8(one).ok().map(str::to_owned);
            } else if !marks && !is_next {
                if !rest.protocols.is_empty() {
                    rest.protocols.extend_from_slice(b", ");
                }
                rest.protocols.extend_from_slice(one);
            }
        }
        Some(rest)
    }

    fn count(&self, head: RequestHead<'_>) -> usize {
        offered(head).filter(|one| self.marks(one)).count()
    }

    /// Whether this protocol is the marker, in any case: upstreams that compare like that are not to see it.
    fn marks(&self, protocol: &[u8]) -> bool {
        match self {
            Self::Before(name) => protocol.eq_ignore_ascii_case(name.as_bytes()),
            Self::Within(name) => {
                protocol.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            }
        }
    }
}

/// All protocols, of all lines.
fn offered(head: RequestHead<'_>) -> impl Iterator<Item = &[u8]> {
    let all = head.all(FIELD).flat_map(|line| line.split(|byte| *byte == b','));
    all.map(<[u8]>::trim_ascii).filter(|one| !one.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{FIELD, Marker, Rest};
    use crate::request::extract::TokenError::{self, MalformedHeader, Several};
    use crate::request::head::RequestHead;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const UPGRADE: [(&str, &str); 2] = [(":method", "GET"), ("upgrade", "websocket")];
    const KUBERNETES: &str = "base64url.bearer.authorization.k8s.io.";

    fn fields(start: &[(&str, &str)], lines: &[&str]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let lines = lines.iter().map(|line| (FIELD, *line));
        let all = start.iter().copied().chain(lines);
        all.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    fn find(marker: &str, start: &[(&str, &str)], lines: &[&str]) -> Result<Option<String>, TokenError> {
        let fields = fields(start, lines);
        let found = Marker::new(marker).find(RequestHead::new(&fields))?;
        Ok(found.map(|token| token.expose().to_owned()))
    }

    #[test]
    fn the_token_among_the_protocols() {
        // BRR-35
        let token = |token: &str| Ok(Some(token.to_owned()));
        #[rustfmt::skip]
        let cases: Vec<(&str, &str, &[&str], _)> = vec![
            ("behind its marker",        "bearer",   &["bearer, tok"],                   token("tok")),
            ("among others",             "bearer",   &["chat, bearer, tok, chat2"],      token("tok")),
            ("without spaces",           "bearer",   &["chat,bearer,t.o-k"],             token("t.o-k")),
            ("the marker in any case",   "bearer",   &["Bearer, tok"],                   token("tok")),
            ("no marker",                "bearer",   &["chat, tok"],                     Ok(None)),
            ("no field",                 "bearer",   &[],                                Ok(None)),
            ("a marker like it",         "bearer",   &["bearer2, tok"],                  Ok(None)),
            ("the marker alone",         "bearer",   &["bearer"],                        Err(MalformedHeader)),
            ("the marker at the end",    "bearer",   &["tok, bearer"],                   Err(MalformedHeader)),
            ("an empty token",           "bearer",   &["bearer, , tok"],                 Err(MalformedHeader)),
            ("an empty protocol",        "bearer",   &["bearer, tok,"],                  Err(MalformedHeader)),
            ("two words",                "bearer",   &["bearer, a b"],                   Err(MalformedHeader)),
            ("a quoted token",           "bearer",   &["bearer, \"a\""],                 Err(MalformedHeader)),
            ("two markers",              "bearer",   &["bearer, a, bearer, b"],          Err(Several)),
            ("a marker for a token",     "bearer",   &["bearer, bearer, tok"],           Err(Several)),
            ("two lines",                "bearer",   &["bearer, a", "bearer, a"],        Err(Several)),
            ("marker and token apart",   "bearer",   &["bearer", "tok"],                 Err(Several)),
            ("another line",             "bearer",   &["bearer, tok", "chat"],           Err(Several)),
            ("within its marker",        KUBERNETES, &["base64url.bearer.authorization.k8s.io.dG9rLys9, chat"], token("tok/+=")),
            ("within, in any case",      KUBERNETES, &["chat, Base64url.bearer.authorization.k8s.io.dG9r"], token("tok")),
            ("not base64url",            KUBERNETES, &["base64url.bearer.authorization.k8s.io.dG9rLys9="], Err(MalformedHeader)),
            ("no token when decoded",    KUBERNETES, &["base64url.bearer.authorization.k8s.io.YSBi"], Err(MalformedHeader)),
            ("nothing within",           KUBERNETES, &["base64url.bearer.authorization.k8s.io., tok"], Err(MalformedHeader)),
            ("two within",               KUBERNETES, &["base64url.bearer.authorization.k8s.io.dG9r,base64url.bearer.authorization.k8s.io.dG9r"], Err(Several)),
        ];
        for (name, marker, lines, want) in cases {
            assert_eq!(find(marker, &UPGRADE, lines), want, "{name}");
        }
    }

    #[test]
    fn only_what_begins_a_websocket_has_one() {
        // BRR-35
        #[rustfmt::skip]
        let cases: Vec<(&str, &[(&str, &str)], bool)> = vec![
            ("HTTP/1.1",           &[(":method", "GET"), ("upgrade", "WebSocket")],                       true),
            ("HTTP/2",             &[(":method", "CONNECT"), (":protocol", "websocket")],                 true),
            ("no upgrade",         &[(":method", "GET")],                                                 false),
            ("another upgrade",    &[(":method", "GET"), ("upgrade", "h2c")],                             false),
            ("several upgrades",   &[(":method", "GET"), ("upgrade", "h2c, websocket")],                  false),
            ("upgrade twice",      &[(":method", "GET"), ("upgrade", "websocket"), ("upgrade", "h2c")],   false),
            ("another method",     &[(":method", "POST"), ("upgrade", "websocket")],                      false),
            ("CONNECT",            &[(":method", "CONNECT")],                                             false),
            ("another protocol",   &[(":method", "CONNECT"), (":protocol", "connect-udp")],               false),
        ];
        for (name, start, is_there) in cases {
            assert_eq!(
                find("bearer", start, &["bearer, tok"]),
                Ok(is_there.then(|| "tok".to_owned())),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_left_of_the_offer() {
        // BRR-35
        #[rustfmt::skip]
        let cases: Vec<(&str, &str, &[&str], Option<(&str, Option<&str>)>)> = vec![
            ("nothing",                "bearer",   &["Bearer, tok"],                  Some(("", Some("Bearer")))),
            ("the others",             "bearer",   &["a,bearer, tok ,b"],             Some(("a, b", Some("bearer")))),
            ("of all lines",           "bearer",   &["a, bearer", "tok, b", "c"],     Some(("a, b, c", Some("bearer")))),
            ("every marker goes",      "bearer",   &["bearer, bearer, tok"],          Some(("", Some("bearer")))),
            ("past empty ones",        "bearer",   &["bearer,, tok, a"],              Some(("a", Some("bearer")))),
            ("a marker at the end",    "bearer",   &["a, bearer"],                    Some(("a", Some("bearer")))),
            ("all, without a marker",  "bearer",   &["a, tok"],                       None),
            ("without a field",        "bearer",   &[],                               None),
            ("within, and none told",  KUBERNETES, &["a, base64url.bearer.authorization.k8s.io.dG9r, b"], Some(("a, b", None))),
            ("within, all of them",    KUBERNETES, &["base64url.bearer.authorization.k8s.io.dG9r,BASE64URL.bearer.authorization.k8s.io.x"], Some(("", None))),
        ];
        for (name, marker, lines, want) in cases {
            for start in [&UPGRADE[..], &[(":method", "GET")]] {
                let fields = fields(start, lines);
                let rest = Marker::new(marker).strip(RequestHead::new(&fields));
                let want = want.map(|(protocols, marker)| Rest {
                    protocols: protocols.as_bytes().to_vec(),
                    marker: marker.map(str::to_owned),
                });
                assert_eq!(rest, want, "{name}");
            }
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::{FIELD, Marker};
    use crate::request::head::RequestHead;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use proptest::{collection, sample};

    const PIECES: &[&str] =
        &["bearer", "Bearer", "bearer.", ",", ", ", " ", "tok", "dG9r", "\"", "\t", "\u{e9}"];

    proptest! {
        // BRR-35
        #[test]
        fn nothing_is_found_in_what_is_left(
            lines in collection::vec(collection::vec(sample::select(PIECES), 0..10), 0..3),
            name in sample::select(&["bearer", "bearer."][..]),
        ) {
            let marker = Marker::new(name);
            let start = [(":method", "GET"), ("upgrade", "websocket")];
            let mut fields: Vec<_> =
                start.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).into();
            fields.extend(lines.iter().map(|line| (FIELD.as_bytes().to_vec(), line.concat().into_bytes())));
            let found = marker.find(RequestHead::new(&fields));
            let rest = marker.strip(RequestHead::new(&fields));
            prop_assert!(rest.is_some() || found == Ok(None));
            if let Some(rest) = rest {
                fields.truncate(2);
                fields.push((FIELD.as_bytes().to_vec(), rest.protocols));
                prop_assert_eq!(marker.strip(RequestHead::new(&fields)), None);
                prop_assert_eq!(marker.find(RequestHead::new(&fields)), Ok(None));
            }
        }
    }
}
