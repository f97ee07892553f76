//! The responses to pushed events ([RFC 8935 §2.2, §2.3], [OpenID Connect Back-Channel Logout 1.0, section 2.8]).
//! Nothing in them comes from the request.
//!
//! [RFC 8935 §2.2, §2.3]: https://www.rfc-editor.org/rfc/rfc8935#section-2.2
//! [OpenID Connect Back-Channel Logout 1.0, section 2.8]: https://openid.net/specs/openid-connect-backchannel-1_0.html#BCResponse

use crate::decision::receipt::{EventKind, Receipt};
use crate::response::answer::Answer;

impl Answer {
    /// What the sender of an event is told.
    #[inline(never)]
    pub(crate) fn to_event(receipt: Receipt) -> Self {
        let (status, field) = match receipt {
            Receipt::Taken(EventKind::SecurityEvent, _) => (202, None),
            Receipt::Taken(EventKind::Logout, _) => (200, None),
            Receipt::Refused(..) => (400, Some(("content-language", "en"))),
            Receipt::WrongMethod => (405, Some(("allow", "POST"))),
            Receipt::TooLarge => (413, None),
            Receipt::Unavailable => (503, Some(("retry-after", "1"))),
        };
        let mut headers = vec![("cache-control", "no-store".to_owned())];
        headers.extend(field.map(|(name, value)| (name, value.to_owned())));
        let mut body = String::new();
        if let Receipt::Refused(kind, fault) = receipt {
            headers.push(("content-type", "application/json".to_owned()));
            let [code, text] = match kind {
                EventKind::SecurityEvent => ["err", "description"],
                EventKind::Logout => ["error", "error_description"],
            };
            let error = match kind {
                EventKind::SecurityEvent => fault.code(),
                EventKind::Logout => "invalid_request",
            };
            body = [r#"{""#, code, r#"":""#, error, r#"",""#, text, r#"":""#, &fault.to_string(), r#""}"#]
                .concat();
        }
        Self { status, headers, body, grpc_status: None }
    }
}
