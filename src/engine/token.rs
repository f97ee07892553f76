//! A token: its claims, its scopes, and the checks that need nothing but these and the provider's rules.

pub mod access_token;
pub mod claims;
pub mod details;
pub mod key;
pub mod rules;
pub mod scope;
