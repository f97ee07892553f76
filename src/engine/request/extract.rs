//! Finding the token ([RFC 6750 §2]), and taking it out again.
//!
//! [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2

use crate::base::secret::Secret;
use crate::request::head::RequestHead;
use crate::request::path::{escaped_byte, split_query};
use crate::request::places::{TokenHeader, TokenPlaces};

/// A syntactically valid token, and where it was.
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
    /// The `Authorization` field with the scheme `DPoP` ([RFC 9449 §7.1]).
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    Dpop,
    /// The query.
    Query,
    /// A cookie.
    Cookie,
    /// The subprotocols that a WebSocket client offers.
    WebSocket,
    /// A form body.
    Form,
}

impl Place {
    /// Whether the token is in the URI, so that responses must be private ([RFC 6750 §2.3]).
    ///
    /// [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3
    pub fn is_in_uri(self) -> bool {
        match self {
            Self::Query => true,
            Self::Header | Self::Dpop | Self::Cookie | Self::WebSocket | Self::Form => false,
        }
    }
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

/// Looks into every enabled place but the form body. `extra_params` are the rule's. `Ok(None)`: no token, or
/// only credentials of an unsupported scheme.
///
/// Hosts join the lines of a field with commas, so a comma is rejected wherever a token might be in
/// one: in a field without a scheme too, although [RFC 6749 §A.12] would let a token have one.
///
/// [RFC 6749 §A.12]: https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12
#[inline]
pub fn extract(
    head: RequestHead<'_>,
    places: &TokenPlaces,
    extra_params: &[String],
) -> Result<Option<Found>, TokenError> {
    // Every place is named: one that is added has to be found here, and removed in `strip`.
    let TokenPlaces {
        headers,
        params,
        cookies,
        websocket,
        form: _, // `form::extract`
        max_form_bytes: _,
        max_length,
        forward: _,
        strict_multiple: _, // `has_second_method`
        require_tls: _,
    } = places;
    let mut sole = Sole::default();
    for header in headers {
        if let Some(token) = in_header(head, header)? {
            sole.put(token, if header.is_dpop() { Place::Dpop } else { Place::Header })?;
        }
    }
    let params = params.iter().chain(extra_params).map(String::as_str);
    if params.clone().next().is_some() {
        for (name, value) in query_params(head) {
            match relation(name, params.clone()) {
                Name::Ours => sole.put(in_param(value)?, Place::Query)?,
                Name::Disguised => return Err(TokenError::MalformedParameter),
                Name::Other => {}
            }
        }
    }
    for name in cookies {
        from_cookies(head, name, &mut sole)?;
    }
    if let Some(marker) = websocket
        && let Some(token) = marker.find(head)?
    {
        sole.put(token, Place::WebSocket)?;
    }
    if sole.0.is_some() && has_second_method(head, places, extra_params) {
        return Err(TokenError::Several);
    }
    sole.within(*max_length)
}

/// Looks into the cookies for one of that name.
#[inline(never)]
fn from_cookies(head: RequestHead<'_>, name: &str, sole: &mut Sole) -> Result<(), TokenError> {
    let cookies = crumbs(head).map(split_cookie);
    for (own, value) in cookies.filter(|(own, _)| is_cookie(own, name)) {
        if own != name.as_bytes() {
            return Err(TokenError::MalformedParameter);
        }
        let token = b64token(unquoted(value)).ok_or(TokenError::MalformedParameter)?;
        sole.put(token, Place::Cookie)?;
    }
    Ok(())
}

/// Whether `access_token` in the query counts beside a token from elsewhere although the query is no
/// place for tokens: only if `strict_multiple` is on. For a token from a form, which [`extract`]
/// cannot know of.
#[inline]
pub(crate) fn has_second_method(
    head: RequestHead<'_>,
    places: &TokenPlaces,
    extra_params: &[String],
) -> bool {
    let own = |name: &[u8]| relation(name, std::iter::once(ACCESS_TOKEN)) != Name::Other;
    places.strict_multiple
        && !places.params.iter().chain(extra_params).any(|name| name == ACCESS_TOKEN)
        && query_params(head).any(|(name, _)| own(name))
}

/// Whether the form body of this request has to be read: `from_form` is on, the method has a body,
/// and the media type is `application/x-www-form-urlencoded` (charset absent, UTF-8 or US-ASCII).
#[inline]
pub fn wants_form(head: RequestHead<'_>, places: &TokenPlaces) -> bool {
    if !places.form || !matches!(head.method(), b"POST" | b"PUT" | b"PATCH") {
        return false;
    }
    head.single("content-type").is_some_and(is_form)
}

/// Whether a media type is that of forms, in a character set that they may have.
#[inline(never)]
fn is_form(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let is_form =
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"));
    is_form
        && parts.filter(|parameter| !parameter.is_empty()).all(|parameter| {
            let allowed: [&[u8]; 4] =
                [b"charset=utf-8", b"charset=us-ascii", b"charset=\"utf-8\"", b"charset=\"us-ascii\""];
            allowed.iter().any(|allowed| parameter.eq_ignore_ascii_case(allowed))
        })
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
#[inline(never)]
pub fn strip(head: RequestHead<'_>, places: &TokenPlaces, extra_params: &[String]) -> Stripped {
    // Every place is named: one that is added has to be removed here.
    let TokenPlaces {
        headers,
        params,
        cookies,
        websocket: _, // `Marker::strip`, for every request
        form: _,      // `form::strip`
        max_form_bytes: _,
        max_length: _,
        forward: _,
        strict_multiple: _,
        require_tls: _,
    } = places;
    let mut stripped = Stripped::default();
    for header in headers {
        let carries = |value: &[u8]| match &header.scheme {
            Some(scheme) => {
                value.split(|byte| *byte == b',').any(|element| credentials(element, scheme).is_some())
            }
            None => true,
        };
        if head.all(&header.name).any(carries) && !stripped.remove.contains(&header.name) {
            stripped.remove.push(header.name.clone());
        }
    }
    strip_cookies(head, cookies, &mut stripped);
    let params = params.iter().chain(extra_params).map(String::as_str);
    let (path, query) = split_query(head.path());
    let is_token = |pair: &[u8]| relation(split_pair(pair).0, params.clone()) != Name::Other;
    if let Some(query) = query
        && pairs(query).any(is_token)
    {
        let kept: Vec<&[u8]> = pairs(query).filter(|pair| !is_token(pair)).collect();
        let mut target = path.to_vec();
        if !kept.is_empty() {
            target.push(b'?');
            target.extend_from_slice(&kept.join(&b'&'));
        }
        stripped.path = Some(target);
    }
    stripped
}

/// The token if it follows `b64token` ([RFC 6750 §2.1]): `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" /
/// "+" / "/" ) *"="`.
///
/// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
#[inline]
pub(crate) fn b64token(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes).ok()?;
    let body = text.trim_end_matches('=');
    let fits =
        |b| matches!(b, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    (!body.is_empty() && body.bytes().all(fits)).then(|| Secret::new(text))
}

/// At most one token, and where it was.
#[derive(Debug, Default)]
pub(crate) struct Sole(Option<Found>);

impl Sole {
    /// A second token is an error, whether it is the same or not.
    #[inline]
    pub(crate) fn put(&mut self, token: Secret, place: Place) -> Result<(), TokenError> {
        if self.0.is_some() {
            return Err(TokenError::Several);
        }
        self.0 = Some(Found { token, place });
        Ok(())
    }

    /// The token, if it is not too long.
    #[inline]
    pub(crate) fn within(self, max_length: usize) -> Result<Option<Found>, TokenError> {
        match self.0 {
            Some(found) if found.token.expose().len() > max_length => Err(TokenError::TooLong),
            found => Ok(found),
        }
    }
}

/// How a parameter's name relates to the configured ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Name {
    Ours,
    /// The name of a token place in another spelling, as an upstream would read it.
    Disguised,
    Other,
}

#[inline]
fn in_header(head: RequestHead<'_>, header: &TokenHeader) -> Result<Option<Secret>, TokenError> {
    let mut lines = head.all(&header.name).map(trim_space);
    let only = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(line), None) => Some(line).filter(|line| !line.is_empty()),
        (Some(_), Some(_)) => None,
    };
    match (&header.scheme, only) {
        (Some(scheme), Some(line)) => with_scheme(line, scheme),
        (None, Some(line)) => without_scheme(line),
        (_, None) => in_several(head, header),
    }
}

/// The token of a field without a scheme.
#[inline(never)]
fn without_scheme(line: &[u8]) -> Result<Option<Secret>, TokenError> {
    // A comma may be two lines that the host has joined, so no token can have one here.
    if line.contains(&b',') {
        return Err(TokenError::Several);
    }
    let text = std::str::from_utf8(line).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    text.map(|text| Some(Secret::new(text))).ok_or(TokenError::MalformedHeader)
}

/// What there is to say of a field that has several lines, or an empty one: there is no token in it, or too much.
#[inline(never)]
fn in_several(head: RequestHead<'_>, header: &TokenHeader) -> Result<Option<Secret>, TokenError> {
    let lines = || head.all(&header.name).map(trim_space);
    let is_empty = lines().all(<[u8]>::is_empty);
    // `Authorization` is a singleton (RFC 9110 §11.6.2): ours beside any other, even an empty one, is refused.
    let is_ours =
        |line: &[u8]| header.scheme.as_ref().is_none_or(|scheme| with_scheme(line, scheme) != Ok(None));
    if is_empty || !lines().any(is_ours) { Ok(None) } else { Err(TokenError::Several) }
}

/// The token of one line's credentials. `Ok(None)`: only credentials of other schemes.
#[inline]
fn with_scheme(line: &[u8], scheme: &str) -> Result<Option<Secret>, TokenError> {
    // Lines that the host has joined: ours behind another.
    let mut others = line.split(|byte| *byte == b',').skip(1);
    if line.contains(&b',') && others.any(|element| credentials(element, scheme).is_some()) {
        return Err(TokenError::Several);
    }
    let Some(rest) = credentials(line, scheme) else { return Ok(None) };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).filter(|_| spaces > 0).and_then(b64token);
    token.map(Some).ok_or(TokenError::MalformedHeader)
}

/// What follows `scheme` if the element starts with it as a whole word. A control ends the word too:
/// such credentials are malformed, not of another scheme.
#[inline]
fn credentials<'a>(element: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let element = trim_space(element);
    let start = element.get(..scheme.len())?;
    let rest = element.get(scheme.len()..)?;
    (start.eq_ignore_ascii_case(scheme.as_bytes())
        && matches!(rest.first(), None | Some(0..=b' ' | b',' | 0x7f)))
    .then_some(rest)
}

#[inline]
pub(crate) fn query_params(head: RequestHead<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (_, query) = split_query(head.path());
    pairs(query.unwrap_or_default()).map(split_pair)
}

#[inline]
fn pairs(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| *byte == b'&')
}

#[inline]
fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            (pair.get(..at).unwrap_or_default(), pair.get(at.saturating_add(1)..).unwrap_or_default())
        }
        None => (pair, &[]),
    }
}

#[inline]
fn relation<'a>(name: &[u8], ours: impl Iterator<Item = &'a str>) -> Name {
    for own in ours {
        if own.as_bytes() == name {
            return Name::Ours;
        }
        if form_decoded(name).eq(own.bytes()) || is_to_php(form_decoded(name), own) {
            return Name::Disguised;
        }
    }
    Name::Other
}

/// Whether PHP takes this name for that one.
pub(crate) fn is_to_php(name: impl Iterator<Item = u8>, own: &str) -> bool {
    name_for_php(name).eq(own.bytes().map(underscored))
}

/// A parameter's or a cookie's name as PHP reads it: without spaces before it and without what stands behind a
/// zero byte, and with underscores for dots and spaces. A list (`access_token[]`) is never read as a token.
pub(crate) fn name_for_php(decoded: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let named = decoded.skip_while(|byte| *byte == b' ').take_while(|byte| *byte != 0);
    named.map(underscored)
}

fn underscored(byte: u8) -> u8 {
    if matches!(byte, b'.' | b' ') { b'_' } else { byte }
}

/// A name of a form or a query, decoded. An invalid escape becomes `%`.
pub(crate) fn form_decoded(name: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = name.iter().copied();
    std::iter::from_fn(move || match rest.next()? {
        b'%' => Some(escaped_byte(rest.next(), rest.next()).unwrap_or(b'%')),
        b'+' => Some(b' '),
        plain => Some(plain),
    })
}

/// A parameter's value, decoded once; `+` stays `+`, since a token can hold one and never a space.
fn in_param(value: &[u8]) -> Result<Secret, TokenError> {
    percent_decoded(value).as_deref().and_then(b64token).ok_or(TokenError::MalformedParameter)
}

/// Percent-decoded; `None` if an escape is not valid.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(if byte == b'%' { escaped_byte(rest.next(), rest.next())? } else { byte });
    }
    Some(decoded)
}

/// All cookies, as `name=value` and without the space around it.
#[inline]
fn crumbs(head: RequestHead<'_>) -> impl Iterator<Item = &[u8]> {
    head.all("cookie").flat_map(|line| line.split(|byte| *byte == b';')).map(trim_space)
}

/// The name, which upstreams read without space around it, and the value.
fn split_cookie(crumb: &[u8]) -> (&[u8], &[u8]) {
    let (name, value) = split_pair(crumb);
    (trim_space(name), value)
}

/// Whether this is that cookie, to PHP at least.
fn is_cookie(name: &[u8], own: &str) -> bool {
    name == own.as_bytes() || is_to_php(name.iter().copied(), own)
}

/// A cookie's value without the quotes that may stand around it ([RFC 6265 §4.1.1]).
///
/// [RFC 6265 §4.1.1]: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

#[inline(never)]
fn strip_cookies(head: RequestHead<'_>, names: &[String], stripped: &mut Stripped) {
    let is_token = |crumb: &[u8]| names.iter().any(|own| is_cookie(split_cookie(crumb).0, own));
    if !crumbs(head).any(is_token) {
        return;
    }
    stripped.remove.push("cookie".to_owned());
    let kept: Vec<&[u8]> = crumbs(head).filter(|crumb| !crumb.is_empty() && !is_token(crumb)).collect();
    if !kept.is_empty() {
        stripped.set.push(("cookie".to_owned(), kept.join(&b"; "[..])));
    }
}

/// Without the whitespace that is no part of a field value ([RFC 9110 §5.6.3]): no other controls.
///
/// [RFC 9110 §5.6.3]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3
#[inline]
pub(crate) fn trim_space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const ACCESS_TOKEN: &str = "access_token";

#[cfg(test)]
mod tests;

#[cfg(all(test, not(target_family = "wasm")))]
mod laws;
