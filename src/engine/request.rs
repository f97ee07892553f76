//! What the client sent: the head as bytes, its path, and the places in which a token may be.

pub mod connection;
pub mod extract;
pub mod form;
pub mod head;
pub mod matching;
pub mod path;
pub mod places;
pub mod tls;
pub mod websocket;
