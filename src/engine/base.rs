//! What everything else stands on. Nothing in here knows of tokens.

pub mod hash;
pub mod ids;
pub mod inflate;
pub mod ip;
pub mod json;
pub mod moment;
pub mod named;
pub mod random;
pub mod secret;
pub mod slack;
pub mod store;
pub mod table;
pub mod text;
pub mod time;
pub mod uri;
