//! Whether a request has come over TLS, where tokens must not come over anything else ([RFC 6750 §5.3]).
//!
//! A request's own words do not count: over plain HTTP, clients write `:scheme`, the absolute form of a target and
//! `x-forwarded-proto` as they like.
//!
//! [RFC 6750 §5.3]: https://www.rfc-editor.org/rfc/rfc6750#section-5.3

use crate::base::named::named;
use crate::request::connection::Connection;
use crate::request::head::RequestHead;

/// `token.tls_source`: how to find out whether a request came over TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsSource {
    /// The connection that the request has come by.
    Connection,
    /// `x-forwarded-proto`, from a hop that clients cannot bypass.
    ForwardedProto,
}

named! { TlsSource:
    Connection = "connection",
    ForwardedProto = "forwarded_proto",
}

impl TlsSource {
    /// Whether the client has used TLS.
    #[inline(never)]
    pub fn says_tls(self, head: RequestHead<'_>, connection: Connection<'_>) -> bool {
        match self {
            Self::Connection => connection.is_tls(),
            Self::ForwardedProto => {
                head.single("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"))
            }
        }
    }
}
