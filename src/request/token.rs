//! Finding the token ([RFC 6750 §2]), and taking it out again.
//!
//! [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2

use crate::policy::TokenPlaces;
use crate::request::head::RequestHead;
use crate::secret::Secret;

/// A syntactically good token, and where it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The token.
    pub token: Secret,
    /// The kind of place it was in.
    pub place: Place,
}

/// The kind of place a token was in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A header field.
    Header,
    /// The query.
    Query,
    /// A cookie.
    Cookie,
    /// A form body.
    Form,
}

/// Why credentials cannot be used ([RFC 6750 §3.1], `invalid_request` but for `TooLong`).
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenError {
    /// The header field does not follow the grammar, or came more than once.
    MalformedHeader,
    /// The query parameter, cookie or form field does not follow the grammar.
    MalformedParameter,
    /// More than one place carries a token, or one place carries it twice.
    Several,
    /// The token is longer than `max_length`: well-formed, so `invalid_token`.
    TooLong,
}

/// Looks into every enabled place but the form body. `extra_params` are the rule's. `Ok(None)`: no
/// token, or only credentials of a scheme that we do not speak.
pub fn extract(
    head: RequestHead<'_>,
    places: &TokenPlaces,
    extra_params: &[String],
) -> Result<Option<Found>, TokenError> {
    let _ = (head, places, extra_params);
    todo!()
}

/// Whether the form body of this request has to be read: `from_form` is on, the method has a body,
/// and the media type is `application/x-www-form-urlencoded` (charset absent, UTF-8 or US-ASCII).
pub fn wants_form(head: RequestHead<'_>, places: &TokenPlaces) -> bool {
    let _ = (head, places);
    todo!()
}

/// What must change in the head so that no place shows a token any more (`forward: false`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stripped {
    /// Fields to remove, all lines of them.
    pub remove: Vec<String>,
    /// Fields to write anew after removal (cookies that remain), name and value.
    pub set: Vec<(String, Vec<u8>)>,
    /// The new `:path`, if the query carried a token; every other byte is as it was.
    pub path: Option<Vec<u8>>,
}

/// Takes the token out of every place that `places` and `extra_params` name. A header field with a
/// scheme is removed only if its scheme is the configured one.
pub fn strip(head: RequestHead<'_>, places: &TokenPlaces, extra_params: &[String]) -> Stripped {
    let _ = (head, places, extra_params);
    todo!()
}
