//! What is known of the connection that a request has come by.

use std::fmt;

/// Who knows the connection of the request that is being decided.
pub trait Peer: fmt::Debug {
    /// The SHA-256 of the client's certificate, in hexadecimal; `None`: it has shown none.
    fn certificate_digest(&self) -> Option<Vec<u8>>;
    /// Whether the connection is one over TLS.
    fn is_tls(&self) -> bool;
}

/// Nobody knows of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Peer for Nobody {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        None
    }

    fn is_tls(&self) -> bool {
        false
    }
}
