//! What a token says: its claims, its scopes, and what is demanded of them.

pub mod claims;
pub mod details;
pub mod key;
pub mod scope;
