//! What is known of the connection that a request has come by.

use std::fmt;

use crate::base::ids::StreamId;

/// Who knows the connections of requests.
pub trait Peer: fmt::Debug {
    /// The SHA-256 of the client's certificate, in hexadecimal; `None`: it has sent no certificate.
    fn certificate_digest(&self, stream: StreamId) -> Option<Vec<u8>>;
    /// Whether the connection is one over TLS.
    fn is_tls(&self, stream: StreamId) -> bool;
}

/// Nothing is known about any connection.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Peer for Nobody {
    fn certificate_digest(&self, _stream: StreamId) -> Option<Vec<u8>> {
        None
    }

    fn is_tls(&self, _stream: StreamId) -> bool {
        false
    }
}

/// The connection of one request. Nothing is looked up before it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    peer: &'a dyn Peer,
    stream: StreamId,
}

impl<'a> Connection<'a> {
    /// The one that this stream has come by.
    pub fn new(peer: &'a dyn Peer, stream: StreamId) -> Self {
        Self { peer, stream }
    }

    /// The SHA-256 of the client's certificate, in hexadecimal; `None`: it has sent no certificate.
    pub fn certificate_digest(self) -> Option<Vec<u8>> {
        self.peer.certificate_digest(self.stream)
    }

    /// Whether it is one over TLS.
    pub fn is_tls(self) -> bool {
        self.peer.is_tls(self.stream)
    }
}
