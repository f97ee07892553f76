//! What the client sent: the head as bytes, its path, and the places in which a token may be.

pub mod form;
pub mod head;
pub mod path;
pub mod token;
pub mod websocket;
