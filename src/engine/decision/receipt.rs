//! What the sender of a pushed event is told.

use std::fmt;

use crate::jose::jws::JwsFault;

/// What an event has been pushed as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// A Security Event Token ([RFC 8417]), pushed as [RFC 8935] says.
    ///
    /// [RFC 8417]: https://www.rfc-editor.org/rfc/rfc8417
    /// [RFC 8935]: https://www.rfc-editor.org/rfc/rfc8935
    SecurityEvent,
    /// A logout token ([OpenID Connect Back-Channel Logout 1.0]).
    ///
    /// [OpenID Connect Back-Channel Logout 1.0]: https://openid.net/specs/openid-connect-backchannel-1_0.html
    Logout,
}

/// How the push of an event has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Receipt {
    /// It is valid.
    Taken(EventKind, Taken),
    /// It is not valid.
    Refused(EventKind, EventFault),
    /// The method is not POST.
    WrongMethod,
    /// The body is longer than an event may be.
    TooLarge,
    /// It could not be verified or kept, or has not arrived in time: it is to be sent again.
    Unavailable,
}

/// What has been done about a valid event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// All workers know it.
    Applied,
    /// They knew it already.
    Repeated,
    /// Nothing: it revokes nothing, or nothing that is known here.
    Ignored,
}

/// Why an event is not valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventFault {
    /// The body's media type is another one, or the body is encoded.
    ContentType,
    /// `Authorization` is not what the transmitter has to send.
    Authorization,
    /// The form does not have exactly one `logout_token`.
    Form,
    /// It is no signed object.
    Jws(JwsFault),
    /// Its `typ` is that of something else.
    Typ,
    /// Its algorithm is not allowed.
    Algorithm,
    /// No known key has signed it.
    Key,
    /// Its claims are not one strict JSON object.
    Claims,
    /// It is from another issuer.
    Issuer,
    /// It is for another receiver.
    Audience,
    /// This claim is missing, or is not what it should be.
    Claim(&'static str),
    /// This claim must not be there.
    Excess(&'static str),
}

impl EventFault {
    /// The code of the error ([RFC 8935 §2.4]).
    ///
    /// [RFC 8935 §2.4]: https://www.rfc-editor.org/rfc/rfc8935#section-2.4
    pub fn code(self) -> &'static str {
        match self {
            Self::Authorization => "authentication_failed",
            Self::Algorithm | Self::Key => "invalid_key",
            Self::Issuer => "invalid_issuer",
            Self::Audience => "invalid_audience",
            Self::ContentType
            | Self::Form
            | Self::Jws(_)
            | Self::Typ
            | Self::Claims
            | Self::Claim(_)
            | Self::Excess(_) => "invalid_request",
        }
    }
}

/// In words, without anything that was sent.
impl fmt::Display for EventFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContentType => "the content type is not that of an event",
            Self::Authorization => "the transmitter is not authenticated",
            Self::Form => "the form does not have exactly one logout_token",
            Self::Jws(fault) => return write!(f, "not a usable JWT: {fault}"),
            Self::Typ => "the typ is not that of an event",
            Self::Algorithm => "the algorithm is not allowed",
            Self::Key => "not signed with any of the issuer's keys",
            Self::Claims => "the claims are not a single JSON object",
            Self::Issuer => "from another issuer",
            Self::Audience => "for another audience",
            Self::Claim(name) => return write!(f, "the claim {name} is missing or not valid"),
            Self::Excess(name) => return write!(f, "the claim {name} is not allowed"),
        })
    }
}
