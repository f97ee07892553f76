//! The token in a form body ([RFC 6750 §2.2]).
//!
//! [RFC 6750 §2.2]: https://www.rfc-editor.org/rfc/rfc6750#section-2.2

use crate::policy::TokenPlaces;
use crate::request::token::{Found, TokenError};

/// Finds `access_token` in a whole form body. `Ok(None)`: there is none, or the body is not all ASCII.
pub fn extract(body: &[u8], places: &TokenPlaces) -> Result<Option<Found>, TokenError> {
    let _ = (body, places);
    todo!()
}

/// The body without its `access_token` fields, every other byte as it was; `None` if there is none.
pub fn strip(body: &[u8]) -> Option<Vec<u8>> {
    let _ = body;
    todo!()
}
