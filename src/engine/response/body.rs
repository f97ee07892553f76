//! What a verdict looks like in each profile: status, code, sentence, body.

use crate::decision::{Rejection, Verdict};
use crate::response::{Format, Profile};

/// A rejection in words, before it is put into a form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wording {
    /// The HTTP status.
    pub status: u16,
    /// The code in the challenge; `None` where no error information may be given ([RFC 6750 §3.1]).
    ///
    /// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
    pub error: Option<&'static str>,
    /// The code in the body, which always has one.
    pub code: &'static str,
    /// One sentence, the same for all causes that a client must not be able to distinguish.
    pub description: &'static str,
}

impl Wording {
    /// The table of `rfc6750`.
    #[inline(never)]
    pub fn of(rejection: &Rejection) -> Self {
        let (status, error, description) = match rejection {
            Rejection::NoToken => (401, None, "An access token is required."),
            Rejection::NoMetadata => (404, None, "No protected resource is described here."),
            Rejection::AmbiguousPath => (400, None, "The request path is not acceptable."),
            Rejection::Ambiguous(_) => (400, None, "The request could be read in two ways."),
            Rejection::Malformed => (400, Some("invalid_request"), "The credentials are malformed."),
            Rejection::Several => (400, Some("invalid_request"), "The access token was sent more than once."),
            Rejection::TlsRequired => {
                (400, Some("invalid_request"), "Access tokens are accepted over TLS only.")
            }
            Rejection::FormMissing => (400, Some("invalid_request"), "The form body did not arrive."),
            Rejection::FormTooLarge => (413, Some("invalid_request"), "The form body is too large."),
            Rejection::TokenTooLong
            | Rejection::NoProvider
            | Rejection::Inactive
            | Rejection::Revoked
            | Rejection::Expired
            | Rejection::NotYetValid
            | Rejection::WrongIssuer
            | Rejection::WrongAudience
            | Rejection::NotAnAccessToken
            | Rejection::BadJwt { .. } => (401, Some("invalid_token"), "The access token is not valid."),
            Rejection::BadProof(_) => (401, Some("invalid_dpop_proof"), "The DPoP proof is not valid."),
            Rejection::NonceWanted { .. } => {
                (401, Some("use_dpop_nonce"), "The DPoP proof must carry the nonce of this response.")
            }
            Rejection::ProofWanted => (401, None, "An access token with a DPoP proof is required."),
            Rejection::NoCertificate | Rejection::OtherCertificate => (
                401,
                Some("invalid_token"),
                "The access token is not bound to the client certificate of the connection.",
            ),
            Rejection::BindingWanted => {
                (401, Some("invalid_token"), "The access token must be bound to its sender.")
            }
            Rejection::OtherKey | Rejection::NotBound => {
                (401, Some("invalid_token"), "The access token is not bound to the key of the DPoP proof.")
            }
            Rejection::Unproven => (
                401,
                Some("invalid_token"),
                "The access token is bound to its sender, and no proof was presented.",
            ),
            Rejection::WeakAuthentication { .. } => (
                401,
                Some("insufficient_user_authentication"),
                "A stronger or more recent authentication is required.",
            ),
            Rejection::ScopeMissing { .. } => {
                (403, Some("insufficient_scope"), "A required scope is missing.")
            }
            Rejection::DetailMissing => {
                (403, Some("insufficient_scope"), "The access token's details do not grant this.")
            }
            Rejection::Delegated => {
                (403, Some("insufficient_scope"), "Nobody may act on another's behalf here.")
            }
            Rejection::ClientNotListed | Rejection::ClaimMismatch { .. } | Rejection::Denied => {
                (403, Some("access_denied"), "Access is denied.")
            }
            Rejection::NoAnswer { .. } => (
                503,
                Some("temporarily_unavailable"),
                "The access token could not be checked; try again later.",
            ),
            Rejection::BadAnswer { .. } => {
                (502, Some("server_error"), "The access token could not be checked.")
            }
        };
        let code = error.unwrap_or(match status {
            401 => "unauthorized",
            404 => "not_found",
            _ => "invalid_request",
        });
        Self { status, error, code, description }
    }

    /// The body and its media type, with the status that is really sent.
    #[inline(never)]
    pub fn body(&self, format: Format, status: u16) -> Option<(String, &'static str)> {
        match format {
            Format::None => None,
            Format::Json | Format::Auto => Some((self.json(), "application/json")),
            Format::Problem => Some((self.problem(status), "application/problem+json")),
        }
    }

    fn json(&self) -> String {
        [r#"{"error":""#, self.code, r#"","error_description":""#, self.description, r#""}"#].concat()
    }

    /// Problem details ([RFC 9457 §3.1]); `error` is an extension member.
    ///
    /// [RFC 9457 §3.1]: https://www.rfc-editor.org/rfc/rfc9457#section-3.1
    fn problem(&self, status: u16) -> String {
        format!(
            r#"{{"type":"about:blank","title":"{}","status":{status},"detail":"{}","error":"{}"}}"#,
            reason_phrase(status),
            self.description,
            self.code,
        )
    }
}

/// Status and body of the `anypoint` profile.
pub fn anypoint(rejection: &Rejection) -> (u16, &'static str, &'static str) {
    const JSON: &str = "application/json; charset=UTF-8";
    const TEXT: &str = "text/plain; charset=UTF-8";
    match rejection.verdict() {
        Verdict::NoToken if *rejection == Rejection::NoMetadata => (404, r#"{"error": "Not Found"}"#, JSON),
        Verdict::NoToken => (400, r#"{"error": "Access token was not provided."}"#, JSON),
        Verdict::InvalidRequest => {
            let status = if *rejection == Rejection::FormTooLarge { 413 } else { 400 };
            (status, r#"{"error": "Authorization header is invalid"}"#, JSON)
        }
        Verdict::InvalidToken if *rejection == Rejection::Expired => {
            (401, r#"{"error": "Token has expired."}"#, JSON)
        }
        Verdict::InvalidToken => (401, r#"{"error": "Token has been revoked."}"#, JSON),
        Verdict::InsufficientScope => (403, r#"{"error": "The required scopes are not authorized"}"#, JSON),
        Verdict::Forbidden if *rejection == Rejection::ClientNotListed => (403, "Invalid Client", TEXT),
        Verdict::Forbidden => (403, r#"{"error": "Forbidden"}"#, JSON),
        Verdict::BadAnswer => {
            (500, r#"{"error": "Unexpected error processing Authentication Server response"}"#, JSON)
        }
        Verdict::Unavailable
        | Verdict::InvalidBinding
        | Verdict::InsufficientAuthentication
        | Verdict::Allowed
        | Verdict::Anonymous
        | Verdict::Metadata
        | Verdict::Event => (401, r#"{"error": "Unauthorized"}"#, JSON),
    }
}

/// The realm of a profile that has none configured.
pub fn default_realm(profile: Profile) -> &'static str {
    match profile {
        Profile::Rfc6750 => "tollgate",
        Profile::Anypoint => "OAuth2 Introspection Client Realm",
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        413 => "Content Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
