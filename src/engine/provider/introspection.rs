//! How a provider is asked about a token, and what its response says ([RFC 7662]), in each dialect.
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

mod both;
pub mod call;
pub mod reply;
pub mod signed;
pub mod token_info;
pub mod user_info;
