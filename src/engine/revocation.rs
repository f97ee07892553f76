//! What authorization servers revoke, by the events that they push.
//!
//! An event is a Security Event Token ([RFC 8417], pushed as [RFC 8935] says) or a logout token ([OpenID Connect
//! Back-Channel Logout 1.0]). It means **ask again**: a response about a token of that session, user, client or token
//! id that was asked for before the event counts no more. Where JWTs are verified here alone,
//! it means that tokens issued up to the event's time are rejected.
//!
//! ```text
//!  endpoint ──▶ event ──▶ subject ──▶ ring, for all workers ──▶ revocations, of one worker
//!  path, head   JWT       whose       records in the host's     entries that are dropped, and
//!               claims    tokens      shared data               responses that count no more
//! ```
//!
//! Only an event that its provider has signed has any effect. Events come late, in any order and more than once
//! ([RFC 8417 §4]): an event revokes what was asked for before its own time, never what was asked for since.
//!
//! [RFC 8417]: https://www.rfc-editor.org/rfc/rfc8417
//! [RFC 8417 §4]: https://www.rfc-editor.org/rfc/rfc8417#section-4
//! [RFC 8935]: https://www.rfc-editor.org/rfc/rfc8935
//! [OpenID Connect Back-Channel Logout 1.0]: https://openid.net/specs/openid-connect-backchannel-1_0.html

pub mod endpoint;
pub mod event;
pub mod marks;
pub mod revocations;
pub mod ring;
pub mod subject;
