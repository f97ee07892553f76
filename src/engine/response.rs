//! What clients get: challenges, bodies, header fields.

pub mod answer;
pub mod body;
pub mod cache_control;
pub mod challenge;
mod receipt;

use std::time::Duration;

use crate::base::named::named;
use crate::decision::Verdict;

/// `responses`: what a rejected client gets.
#[derive(Clone, Debug)]
pub struct Responses {
    /// Whose statuses and bodies.
    pub profile: Profile,
    /// The protection space, as written; `None`: the profile's own. Printable ASCII only.
    pub realm: Option<String>,
    /// The body's form.
    pub format: Format,
    /// `Retry-After` of `unavailable` where the authorization server named none.
    pub retry_after: Duration,
    /// An absolute URI for `error_uri` ([RFC 6750 §3]).
    ///
    /// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
    pub error_uri: Option<String>,
    /// Origins whose scripts may read a rejection.
    pub cors_origins: Vec<String>,
    /// Other statuses and bodies, by verdict.
    pub overrides: Vec<(Verdict, Override)>,
}

/// Whose statuses and bodies a rejection has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// RFC 6750 and its relatives.
    Rfc6750,
    /// What clients of Anypoint's policies expect.
    Anypoint,
}

named! { Profile:
    Rfc6750 = "rfc6750",
    Anypoint = "anypoint",
}

/// The form of a rejection's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// `application/json` with `error` and `error_description`.
    Json,
    /// `application/problem+json` ([RFC 9457]).
    ///
    /// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
    Problem,
    /// What the request's `Accept` prefers of the two.
    Auto,
    /// No body.
    None,
}

named! { Format:
    Json = "json",
    Problem = "problem",
    Auto = "auto",
    None = "none",
}

/// `responses.overrides.VERDICT`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Override {
    /// Another status, 400 to 599.
    pub status: Option<u16>,
    /// Another body, as written.
    pub body: Option<String>,
    /// Its media type; default `text/plain; charset=utf-8`.
    pub content_type: Option<String>,
}
