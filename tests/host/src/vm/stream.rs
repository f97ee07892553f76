//! What Envoy does with a stream after each entry into the module: bodies, trailers and local replies.

use crate::Fields;
use crate::host::{Afterwards, Forwarded, Reply, Stream};
use crate::vm::Vm;

impl Vm {
    /// Hands over what has come of the body, and the trailers, unless the request is held as a whole.
    pub(super) fn feed(&mut self, id: u32) {
        loop {
            let Some(stream) = self.stream(id).filter(|s| s.reply.is_none() && !s.holds_all) else { return };
            if let Some(chunk) = stream.coming.pop_front() {
                let held = stream.body.take().filter(|_| stream.holds_body);
                let data = [held.unwrap_or_default(), chunk].concat();
                let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let end = u32::from(stream.ends());
                stream.body = Some(data);
                let paused = self.enter_for_action("proxy_on_request_body", id, &[id, size, end]);
                if let Some(stream) = self.stream(id) {
                    stream.holds_body = paused;
                    stream.paused |= paused;
                    if !paused {
                        stream.go_on();
                    }
                }
            } else if stream.trailers.is_some() && !stream.trailers_seen && !stream.more {
                (stream.trailers_open, stream.trailers_seen) = (true, true);
                let count = stream.trailers.as_ref().map_or(0, Vec::len);
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                let paused = self.enter_for_action("proxy_on_request_trailers", id, &[id, count]);
                if let Some(stream) = self.stream(id) {
                    if paused {
                        stream.paused = true;
                    } else {
                        stream.go_on();
                    }
                }
            } else {
                return;
            }
            self.afterwards();
        }
    }

    /// Carries out what the module asked for during the callback that has just returned.
    pub(super) fn afterwards(&mut self) {
        while let Some((id, action)) = self.host().afterwards.pop_front() {
            match action {
                Afterwards::Resume => {
                    let Some(stream) = self.stream(id) else { continue };
                    assert!(!stream.ended, "a request whose stream has ended is resumed: Envoy crashes");
                    assert!(stream.reply.is_none(), "a request that has been answered is resumed");
                    assert!(stream.paused, "a request that is not held back is resumed");
                    stream.holds_all = false;
                    stream.go_on();
                    self.feed(id);
                }
                Afterwards::Reply { status, head, body, grpc_status } => {
                    self.reply(id, status, head, body, grpc_status);
                }
                Afterwards::Reset => {
                    assert!(
                        self.stream(id).is_none_or(|stream| !stream.ended),
                        "a stream that has ended is reset: Envoy crashes"
                    );
                    if let Some(stream) = self.stream(id) {
                        stream.is_reset = true;
                    }
                    self.end(id);
                }
            }
        }
    }

    /// Answers a request, as Envoy does: gRPC in trailers only, and past the module's own callbacks.
    pub(super) fn reply(&mut self, id: u32, status: u32, mut head: Fields, body: Vec<u8>, grpc_status: i32) {
        let Some(stream) = self.stream(id) else { return };
        assert!(!stream.ended, "a request whose stream has ended is answered: Envoy crashes");
        assert!(stream.reply.is_none(), "a request is answered twice");
        assert!(!stream.has_response, "a request whose response has begun is answered: Envoy resets it");
        let set = |head: &mut Fields, name: &str, value: String| {
            head.retain(|(known, _)| known != name.as_bytes());
            head.push((name.as_bytes().to_vec(), value.into_bytes()));
        };
        let mut reply = Reply { status, head: Fields::new(), body: Vec::new(), grpc_status: None };
        if stream.is_grpc {
            let grpc_status = u32::try_from(grpc_status).unwrap_or_else(|_| grpc_status_for(status));
            set(&mut head, "content-type", "application/grpc".to_owned());
            set(&mut head, "grpc-status", grpc_status.to_string());
            if !body.is_empty() {
                set(&mut head, "grpc-message", percent_encoded(&body));
            }
            (reply.status, reply.grpc_status) = (200, Some(grpc_status));
        } else if body.is_empty() {
            head.retain(|(name, _)| name != b"content-type" && name != b"content-length");
        } else {
            set(&mut head, "content-length", body.len().to_string());
            if !head.iter().any(|(name, _)| name == b"content-type") {
                set(&mut head, "content-type", "text/plain".to_owned());
            }
            if !stream.is_head {
                reply.body = body;
            }
        }
        head.insert(0, (b":status".to_vec(), reply.status.to_string().into_bytes()));
        let count = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let end = u32::from(reply.body.is_empty());
        stream.response = Some(head);
        stream.paused = false;
        stream.coming.clear();
        reply.head = Fields::new();
        stream.reply = Some(reply);
        let paused = self.enter_for_action("proxy_on_response_headers", id, &[id, count, end]);
        assert!(!paused, "the module holds its own answer back");
        if let Some(stream) = self.stream(id) {
            let mut head = stream.response.take().unwrap_or_default();
            head.retain(|(name, _)| name != b":status");
            if let Some(reply) = &mut stream.reply {
                reply.head = head;
            }
        }
        self.end(id);
    }
}

impl Stream {
    /// Whether what has been handed over is all.
    pub(super) fn ends(&self) -> bool {
        self.coming.is_empty() && self.trailers.is_none() && !self.more
    }

    /// Sends on what has been held back.
    pub(super) fn go_on(&mut self) {
        self.open = false;
        self.trailers_open = false;
        self.paused = false;
        self.holds_body = false;
        let forwarded = self.forwarded.get_or_insert_with(Forwarded::default);
        if forwarded.head.is_empty() {
            forwarded.head.clone_from(&self.request);
        }
        forwarded.body.extend(self.body.take().unwrap_or_default());
        if self.trailers_seen {
            forwarded.trailers.clone_from(&self.trailers);
        }
    }
}

pub(super) fn is_grpc(media_type: &[u8]) -> bool {
    let rest = media_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// What Envoy makes of an HTTP status for which the module names no gRPC status.
fn grpc_status_for(status: u32) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

fn percent_encoded(text: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text {
        match byte {
            b' '..=b'~' if *byte != b'%' => encoded.push(char::from(*byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    encoded
}
