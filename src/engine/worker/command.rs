//! What goes into a [`Worker`](crate::worker::Worker), and what comes out.

use std::time::Duration;

use crate::base::ids::StreamId;
use crate::base::secret::Secret;
use crate::base::table::Key;
use crate::enforcer::outcome::Outcome;
use crate::provider::fetch::{Document, FetchCall};
use crate::provider::introspection::call::IntrospectionCall;
use crate::provider::outcome::CallOutcome;
use crate::request::head::{Head, RequestHead};
use crate::request::websocket;
use crate::response::answer::Answer;
use crate::response::cache_control;

/// One thing that has happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request's head has come.
    Request {
        /// Which stream it is.
        stream: StreamId,
        /// The head.
        head: Head,
        /// Whether this is all of the request.
        is_whole: bool,
    },
    /// A part of a request's body has come.
    Body {
        /// Of which request.
        stream: StreamId,
        /// How many bytes have come so far.
        size: usize,
        /// All of the body, if it has come and [`Worker::body_limit`](crate::worker::Worker::body_limit) wants it.
        whole: Option<&'a [u8]>,
        /// Whether this is the end of the request.
        is_end: bool,
    },
    /// A response's head has come, from the upstream or from the host itself.
    ResponseHead(StreamId),
    /// A stream has ended, for any reason: nothing may be sent to it any more.
    Gone(StreamId),
    /// What has become of a call.
    Response(CallId, CallOutcome<'a>),
    /// Time has passed.
    Tick,
}

/// One thing to do.
#[derive(Debug)]
pub enum Command {
    /// Make this call. What becomes of it is an [`Event::Response`], at once if it cannot be made.
    Call(CallId, OutgoingCall),
    /// Change the request as the outcome says, and let it go on.
    Pass(StreamId, Box<Outcome>),
    /// Respond to the request.
    Answer(StreamId, Box<Outcome>, Answer),
    /// Let this part of a request through that has been let through already.
    Continue(StreamId),
    /// Change the response's head.
    Change(StreamId, ResponseChange),
    /// End a stream whose response has begun: its token has ended.
    End(StreamId, Box<Outcome>),
}

/// A call, as one worker knows it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallId(pub u32);

impl Key for CallId {
    fn spread(self) -> u32 {
        self.0.spread()
    }
}

/// A call to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OutgoingCall {
    /// Asks about a token.
    Introspection(Box<IntrospectionCall>),
    /// Fetches a client list, keys or a status list.
    Fetch(Document, FetchCall),
}

impl OutgoingCall {
    /// The Envoy cluster to send it to.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Introspection(call) => &call.cluster,
            Self::Fetch(_, call) => &call.cluster,
        }
    }

    /// The head, pseudo-fields first.
    pub fn headers(&self) -> &[(String, Secret)] {
        match self {
            Self::Introspection(call) => &call.headers,
            Self::Fetch(_, call) => &call.headers,
        }
    }

    /// The body; empty if there is no body.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Introspection(call) => call.body.expose().as_bytes(),
            Self::Fetch(..) => &[],
        }
    }

    /// How long its response may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Introspection(call) => call.timeout,
            Self::Fetch(_, call) => call.timeout,
        }
    }

    /// How many bytes of the response's body are wanted.
    pub fn read_up_to(&self) -> usize {
        match self {
            Self::Introspection(call) => call.read_up_to,
            Self::Fetch(_, call) => call.read_up_to,
        }
    }
}

/// What changes in a response's head.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseChange {
    /// It becomes `Cache-Control: private` ([RFC 6750 §2.3]).
    ///
    /// [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3
    pub is_private: bool,
    /// It gets this `DPoP-Nonce`, and must not be stored ([RFC 9449 §8.2]).
    ///
    /// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
    pub dpop_nonce: Option<String>,
    /// If it begins a WebSocket and names no protocol, it names this one.
    pub websocket_protocol: Option<String>,
}

impl ResponseChange {
    /// The fields that the response's head gets, in place of its own fields of the same names.
    #[inline(never)]
    pub fn fields(self, head: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if let Some(nonce) = self.dpop_nonce {
            fields.push(("dpop-nonce", nonce));
            fields.push(("cache-control", "no-store".to_owned()));
        } else if self.is_private
            && let Some(value) = cache_control::made_private(head)
        {
            fields.push(("cache-control", value));
        }
        if let Some(protocol) = self.websocket_protocol {
            let head = RequestHead::new(head);
            let switches = head.single(":status") == Some(b"101");
            if switches && head.all(websocket::FIELD).next().is_none() {
                fields.push((websocket::FIELD, protocol));
            }
        }
        fields
    }

    pub(super) fn is_nothing(&self) -> bool {
        !self.is_private && self.dpop_nonce.is_none() && self.websocket_protocol.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::ResponseChange;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_response_gets_what_it_lacks_and_keeps_the_rest() {
        let nothing = ResponseChange::default;
        let private = || ResponseChange { is_private: true, ..nothing() };
        let nonce = || ResponseChange { dpop_nonce: Some("n".to_owned()), ..nothing() };
        let protocol = || ResponseChange { websocket_protocol: Some("p".to_owned()), ..nothing() };
        let websocket = ("sec-websocket-protocol", "p");
        #[rustfmt::skip]
        let cases = [
            ("nothing",                 nothing(),  vec![(":status", "200")],                                    vec![]),
            ("a token in the query",    private(),  vec![(":status", "200")],                                    vec![("cache-control", "private")]),
            ("an error has no need",    private(),  vec![(":status", "500")],                                    vec![]),
            ("a nonce",                 nonce(),    vec![(":status", "200")],                                    vec![("dpop-nonce", "n"), ("cache-control", "no-store")]),
            ("both",                    ResponseChange { is_private: true, ..nonce() }, vec![(":status", "200")], vec![("dpop-nonce", "n"), ("cache-control", "no-store")]),
            ("a WebSocket",             protocol(), vec![(":status", "101")],                                    vec![websocket]),
            ("one with a protocol",     protocol(), vec![(":status", "101"), ("sec-websocket-protocol", "own")], vec![]),
            ("no WebSocket after all",  protocol(), vec![(":status", "200")],                                    vec![]),
        ];
        for (name, change, head, want) in cases {
            assert_eq!(change.is_nothing(), name == "nothing", "{name}");
            let head: Vec<_> = head
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect();
            let want: Vec<_> = want.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            assert_eq!(change.fields(&head), want, "{name}");
        }
    }
}
