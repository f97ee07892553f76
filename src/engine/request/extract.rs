//! Finding the token ([RFC 6750 §2]), and taking it out again.
//!
//! [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2

use crate::base::secret::Secret;
use crate::request::head::RequestHead;
use crate::request::path::{escaped_byte, split_query};
use crate::request::places::{TokenHeader, TokenPlaces};

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
///
/// Hosts join the lines of a field with commas, so a comma is refused wherever a token might be in
/// one: in a field without a scheme too, although [RFC 6749 §A.12] would let a token have one.
///
/// [RFC 6749 §A.12]: https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12
pub fn extract(
    head: RequestHead<'_>,
    places: &TokenPlaces,
    extra_params: &[String],
) -> Result<Option<Found>, TokenError> {
    let mut sole = Sole::default();
    for header in &places.headers {
        if let Some(token) = in_header(head, header)? {
            sole.put(token, if header.is_dpop() { Place::Dpop } else { Place::Header })?;
        }
    }
    let params = places.params.iter().chain(extra_params).map(String::as_str);
    if params.clone().next().is_some() {
        for (name, value) in query_params(head) {
            match relation(name, params.clone()) {
                Name::Ours => sole.put(in_param(value)?, Place::Query)?,
                Name::Disguised => return Err(TokenError::MalformedParameter),
                Name::Other => {}
            }
        }
    }
    for name in &places.cookies {
        let cookies = crumbs(head).map(split_cookie);
        for (own, value) in cookies.filter(|(own, _)| is_cookie(own, name)) {
            if own != name.as_bytes() {
                return Err(TokenError::MalformedParameter);
            }
            let token = b64token(unquoted(value)).ok_or(TokenError::MalformedParameter)?;
            sole.put(token, Place::Cookie)?;
        }
    }
    if let Some(marker) = &places.websocket
        && let Some(token) = marker.find(head)?
    {
        sole.put(token, Place::WebSocket)?;
    }
    if sole.0.is_some() && has_second_method(head, places, extra_params) {
        return Err(TokenError::Several);
    }
    sole.within(places.max_length)
}

/// Whether `access_token` in the query counts beside a token from elsewhere although the query is no
/// place for tokens: only if `strict_multiple` is on. For a token from a form, which [`extract`]
/// cannot know of.
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
pub fn wants_form(head: RequestHead<'_>, places: &TokenPlaces) -> bool {
    if !places.form || !matches!(head.method(), b"POST" | b"PUT" | b"PATCH") {
        return false;
    }
    let Some(value) = head.single("content-type") else { return false };
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
pub fn strip(head: RequestHead<'_>, places: &TokenPlaces, extra_params: &[String]) -> Stripped {
    let mut stripped = Stripped::default();
    for header in &places.headers {
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
    strip_cookies(head, places, &mut stripped);
    let params = places.params.iter().chain(extra_params).map(String::as_str);
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
pub(crate) fn b64token(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes).ok()?;
    let body = text.trim_end_matches('=');
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    (!body.is_empty() && body.bytes().all(fits)).then(|| Secret::new(text))
}

/// At most one token, and where it was.
#[derive(Debug, Default)]
pub(crate) struct Sole(Option<Found>);

impl Sole {
    /// A second token is an error, whether it is the same or not.
    pub(crate) fn put(&mut self, token: Secret, place: Place) -> Result<(), TokenError> {
        if self.0.is_some() {
            return Err(TokenError::Several);
        }
        self.0 = Some(Found { token, place });
        Ok(())
    }

    /// The token, if it is not too long.
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
    /// One of ours in another spelling, as an upstream would read it.
    Disguised,
    Other,
}

fn in_header(head: RequestHead<'_>, header: &TokenHeader) -> Result<Option<Secret>, TokenError> {
    let mut lines = head.all(&header.name).map(trim_space);
    let only = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(line), None) => Some(line).filter(|line| !line.is_empty()),
        (Some(_), Some(_)) => None,
    };
    match (&header.scheme, only) {
        (Some(scheme), Some(line)) => with_scheme(line, scheme),
        (_, None) if head.all(&header.name).map(trim_space).all(<[u8]>::is_empty) => Ok(None),
        (Some(scheme), None) => {
            // `Authorization` is a singleton (RFC 9110 §11.6.2): ours beside any other, even an empty
            // one, is refused.
            let ours = |line: &[u8]| with_scheme(line, scheme) != Ok(None);
            let several = head.all(&header.name).map(trim_space).any(ours);
            if several { Err(TokenError::Several) } else { Ok(None) }
        }
        // A comma may be two lines that the host has joined, so no token can have one here.
        (None, Some(line)) if line.contains(&b',') => Err(TokenError::Several),
        (None, Some(line)) => {
            let text =
                std::str::from_utf8(line).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
            text.map(|text| Some(Secret::new(text))).ok_or(TokenError::MalformedHeader)
        }
        (None, None) => Err(TokenError::Several),
    }
}

/// The token of one line's credentials. `Ok(None)`: credentials of other schemes alone.
fn with_scheme(line: &[u8], scheme: &str) -> Result<Option<Secret>, TokenError> {
    // Lines that the host has joined: ours behind another.
    if line.split(|byte| *byte == b',').skip(1).any(|element| credentials(element, scheme).is_some()) {
        return Err(TokenError::Several);
    }
    let Some(rest) = credentials(line, scheme) else { return Ok(None) };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).filter(|_| spaces > 0).and_then(b64token);
    token.map(Some).ok_or(TokenError::MalformedHeader)
}

/// What follows `scheme` if the element starts with it as a whole word. A control ends the word too:
/// such credentials are malformed, not of another scheme.
fn credentials<'a>(element: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let element = trim_space(element);
    let start = element.get(..scheme.len())?;
    let rest = element.get(scheme.len()..)?;
    (start.eq_ignore_ascii_case(scheme.as_bytes())
        && matches!(rest.first(), None | Some(0..=b' ' | b',' | 0x7f)))
    .then_some(rest)
}

pub(crate) fn query_params(head: RequestHead<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (_, query) = split_query(head.path());
    pairs(query.unwrap_or_default()).map(split_pair)
}

fn pairs(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| *byte == b'&')
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            (pair.get(..at).unwrap_or_default(), pair.get(at.saturating_add(1)..).unwrap_or_default())
        }
        None => (pair, &[]),
    }
}

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
/// zero byte, and with underscores for dots and spaces. A list (`access_token[]`) is no token to anybody.
pub(crate) fn name_for_php(decoded: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let named = decoded.skip_while(|byte| *byte == b' ').take_while(|byte| *byte != 0);
    named.map(underscored)
}

fn underscored(byte: u8) -> u8 {
    if matches!(byte, b'.' | b' ') { b'_' } else { byte }
}

/// A name of a form or a query, decoded. An escape that is none becomes `%`.
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

/// Percent-decoded; `None` if an escape is none.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(if byte == b'%' { escaped_byte(rest.next(), rest.next())? } else { byte });
    }
    Some(decoded)
}

/// All cookies, as `name=value` and without the space around it.
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

fn strip_cookies(head: RequestHead<'_>, places: &TokenPlaces, stripped: &mut Stripped) {
    let is_token = |crumb: &[u8]| places.cookies.iter().any(|own| is_cookie(split_cookie(crumb).0, own));
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
pub(crate) fn trim_space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const ACCESS_TOKEN: &str = "access_token";

#[cfg(test)]
mod tests {
    use super::{Place, Stripped, TokenError, extract, strip, wants_form};
    use crate::request::head::RequestHead;
    use crate::request::places::{TokenHeader, TokenPlaces};
    use TokenError::{MalformedHeader, MalformedParameter, Several, TooLong};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn places() -> TokenPlaces {
        TokenPlaces {
            headers: vec![TokenHeader {
                name: "authorization".to_owned(),
                scheme: Some("Bearer".to_owned()),
            }],
            params: Vec::new(),
            cookies: Vec::new(),
            websocket: None,
            form: false,
            max_form_bytes: 1000,
            max_length: 20,
            forward: true,
            strict_multiple: false,
            require_tls: None,
        }
    }

    fn everywhere() -> TokenPlaces {
        let custom = TokenHeader { name: "x-token".to_owned(), scheme: None };
        let mut places = places();
        places.headers.push(custom);
        places.params.push("access_token".to_owned());
        places.cookies.push("session".to_owned());
        places.form = true;
        places
    }

    fn look(lines: &[(&str, &[u8])], places: &TokenPlaces) -> Result<Option<(String, Place)>, TokenError> {
        let fields: Vec<_> = lines.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.to_vec())).collect();
        let found = extract(RequestHead::new(&fields), places, &[])?;
        Ok(found.map(|found| (found.token.expose().to_owned(), found.place)))
    }

    #[test]
    fn the_authorization_field() {
        let good = |token: &str| Ok(Some((token.to_owned(), Place::Header)));
        #[rustfmt::skip]
        let cases: Vec<(&str, Vec<&[u8]>, _)> = vec![
            ("BRR-01 a token",                     vec![b"Bearer mF_9.B5f-4.1JqM"], good("mF_9.B5f-4.1JqM")),
            ("BRR-02 several spaces",              vec![b"Bearer    tok"],          good("tok")),
            ("BRR-02 a tab",                       vec![b"Bearer\ttok"],            Err(MalformedHeader)),
            ("BRR-03 any case",                    vec![b"bEaReR tok"],             good("tok")),
            ("BRR-04 padding",                     vec![b"Bearer a+/~-._=="],       good("a+/~-._==")),
            ("BRR-04 two words",                   vec![b"Bearer a b"],             Err(MalformedHeader)),
            ("BRR-04 a quoted token",              vec![b"Bearer \"a\""],           Err(MalformedHeader)),
            ("BRR-04 a parameter",                 vec![b"Bearer tok=x"],           Err(MalformedHeader)),
            ("ATK-13 padding alone",               vec![b"Bearer ===="],            Err(MalformedHeader)),
            ("BRR-05 the scheme alone",            vec![b"Bearer"],                 Err(MalformedHeader)),
            ("BRR-05 the scheme and spaces",       vec![b"Bearer  "],               Err(MalformedHeader)),
            ("ATK-02 the scheme and a tab",        vec![b"Bearer\t"],               Err(MalformedHeader)),
            ("ATK-05 angle brackets",              vec![b"Bearer <a>"],             Err(MalformedHeader)),
            ("ATK-05 single quotes",               vec![b"Bearer 'a'"],             Err(MalformedHeader)),
            ("a tab behind the space",             vec![b"Bearer \ttok"],           Err(MalformedHeader)),
            ("ATK-13 padding within",              vec![b"Bearer a==b"],            Err(MalformedHeader)),
            ("BRR-06 the scheme is a whole word",  vec![b"Bearertok"],              Ok(None)),
            ("BRR-06 its end is not enough",       vec![b"XBearer tok"],            Ok(None)),
            ("ATK-12 an equals sign",              vec![b"Bearer=tok"],             Ok(None)),
            ("ATK-12 a scheme like it",            vec![b"Token tok"],              Ok(None)),
            ("DPoP is another scheme",             vec![b"DPoP tok"],               Ok(None)),
            ("ATK-12 a colon",                     vec![b"Bearer:tok"],             Ok(None)),
            ("ATK-12 bare",                        vec![b"tok"],                    Ok(None)),
            ("BRR-23 another scheme",              vec![b"Basic Zm9vOmJhcg=="],     Ok(None)),
            ("ATK-01 empty",                       vec![b""],                       Ok(None)),
            ("ATK-06 joined by a comma",           vec![b"Bearer a, Bearer b"],     Err(Several)),
            ("ATK-06 a trailing comma",            vec![b"Bearer a,"],              Err(MalformedHeader)),
            ("ATK-06 a leading comma",             vec![b"Bearer ,a"],              Err(MalformedHeader)),
            ("ours behind another scheme",         vec![b"Basic x, Bearer b"],      Err(Several)),
            ("ATK-08 two lines",                   vec![b"Bearer a", b"Bearer b"],  Err(Several)),
            ("HTT-07 two equal lines",             vec![b"Bearer a", b"Bearer a"],  Err(Several)),
            ("ATK-10 two schemes",                 vec![b"Bearer a", b"DPoP a"],    Err(Several)),
            ("two lines, neither ours",            vec![b"Basic a", b"Digest b"],   Ok(None)),
            ("two lines, both empty",              vec![b"", b" "],                 Ok(None)),
            ("HTT-07 beside an empty line",        vec![b"", b"Bearer a"],          Err(Several)),
            ("HTT-07 the same, joined",            vec![b",Bearer a"],              Err(Several)),
            ("HTT-07 the scheme alone, twice",     vec![b"Bearer", b"Bearer"],      Err(Several)),
            ("ATK-06 ours before another",         vec![b"Bearer a, Basic x"],      Err(MalformedHeader)),
            ("ATK-06 joined without space",        vec![b"Bearer a,Bearer b"],      Err(Several)),
            ("ATK-10 two schemes, joined",         vec![b"DPoP a,Bearer a"],        Err(Several)),
            ("three in one line",                  vec![b"Basic a, b=c, bearer x"], Err(Several)),
            ("other schemes with commas",          vec![b"Digest a=b, bearer=c"],   Ok(None)),
            ("HTT-09 space around",                vec![b"  Bearer tok "],          good("tok")),
            ("HTT-09 a tab around",                vec![b"\tBearer tok\t"],         good("tok")),
            ("HTT-10 bytes beyond ASCII",          vec![b"Bearer \xff"],            Err(MalformedHeader)),
            ("ATK-18 a look-alike",                vec!["Вearer tok".as_bytes()],   Ok(None)),
            ("ATK-15 a control",                   vec![b"Bearer a\x00b"],          Err(MalformedHeader)),
            ("ATK-15 a line end at the end",       vec![b"Bearer a\r\n"],           Err(MalformedHeader)),
            ("ATK-15 a line end for a space",      vec![b"Bearer\ntok"],            Err(MalformedHeader)),
            ("ATK-15 NUL for a space",             vec![b"Bearer\x00tok"],          Err(MalformedHeader)),
            ("HTT-10 beyond ASCII, other scheme",  vec![b"\xff\xfe"],               Ok(None)),
            ("ATK-14 just short enough",           vec![b"Bearer 12345678901234567890"], good("12345678901234567890")),
            ("ATK-14 one too long",                vec![b"Bearer 123456789012345678901"], Err(TooLong)),
        ];
        for (name, values, want) in cases {
            let lines: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
            assert_eq!(look(&lines, &places()), want, "{name}");
        }
    }

    #[test]
    fn the_other_places() {
        let found = |token: &str, place| Ok(Some((token.to_owned(), place)));
        let auth: (&str, &[u8]) = ("authorization", b"Bearer a");
        #[rustfmt::skip]
        let cases: Vec<(&str, Vec<(&str, &[u8])>, _)> = vec![
            ("BRR-10 in the query",          vec![(":path", b"/r?access_token=tok")],              found("tok", Place::Query)),
            ("BRR-11 the name's case",       vec![(":path", b"/r?Access_Token=tok")],              Ok(None)),
            ("ATK-31 a semicolon",           vec![(":path", b"/r?a=1;access_token=tok")],          Ok(None)),
            ("ATK-31 a second mark",         vec![(":path", b"/r?a=b?access_token=tok")],          Ok(None)),
            ("BRR-12 decoded once",          vec![(":path", b"/r?access_token=a%2Bb%2F")],         found("a+b/", Place::Query)),
            ("BRR-12 and not twice",         vec![(":path", b"/r?access_token=%252B")],            Err(MalformedParameter)),
            ("a plus is a plus",             vec![(":path", b"/r?access_token=a+b")],              found("a+b", Place::Query)),
            ("BRR-13 query and header",      vec![auth, (":path", b"/r?access_token=a")],          Err(Several)),
            ("BRR-14 twice in the query",    vec![(":path", b"/r?access_token=a&access_token=a")], Err(Several)),
            ("ATK-24 empty",                 vec![(":path", b"/r?access_token=")],                 Err(MalformedParameter)),
            ("ATK-24 without a value",       vec![(":path", b"/r?access_token")],                  Err(MalformedParameter)),
            ("ATK-23 one good, one bad",     vec![(":path", b"/r?access_token=a&access_token=b")], Err(Several)),
            ("ATK-27 a control",             vec![(":path", b"/r?access_token=a%00")],             Err(MalformedParameter)),
            ("ATK-27 a line end",            vec![(":path", b"/r?access_token=a%0d%0aX:%20y")],    Err(MalformedParameter)),
            ("ATK-27 a space behind",        vec![(":path", b"/r?access_token=a%20")],             Err(MalformedParameter)),
            ("ATK-27 a space before",        vec![(":path", b"/r?access_token=%20a")],             Err(MalformedParameter)),
            ("ATK-28 another parameter",     vec![(":path", b"/r?access_token=x%26token%3Dy")],    Err(MalformedParameter)),
            ("ATK-29 half an escape",        vec![(":path", b"/r?access_token=%4")],               Err(MalformedParameter)),
            ("ATK-29 a percent sign",        vec![(":path", b"/r?access_token=%")],                Err(MalformedParameter)),
            ("ATK-29 not an escape",         vec![(":path", b"/r?access_token=%zz")],              Err(MalformedParameter)),
            ("ATK-29 another kind of escape", vec![(":path", b"/r?access_token=%u0041")],          Err(MalformedParameter)),
            ("ATK-29 an overlong slash",     vec![(":path", b"/r?access_token=%c0%af")],           Err(MalformedParameter)),
            ("ATK-30 decoded once",          vec![(":path", b"/r?access_token=%2567ood")],         Err(MalformedParameter)),
            ("an escape of a plain letter",  vec![(":path", b"/r?access_token=%67ood")],           found("good", Place::Query)),
            ("a name that is no escape",     vec![(":path", b"/r?access%zztoken=a")],              Ok(None)),
            ("ATK-14 too long a parameter",  vec![(":path", b"/r?access_token=123456789012345678901")], Err(TooLong)),
            ("ATK-34 equal tokens",          vec![auth, (":path", b"/r?access_token=a")],          Err(Several)),
            ("a name with a dot, as PHP reads it", vec![(":path", b"/r?access_token=a&access.token=b")], Err(MalformedParameter)),
            ("a space before it",     vec![(":path", b"/r?+access%20token=b")],             Err(MalformedParameter)),
            ("a zero byte behind it", vec![(":path", b"/r?access_token%00x=b")],            Err(MalformedParameter)),
            ("a disguised name",      vec![(":path", b"/r?access%5Ftoken=a")],              Err(MalformedParameter)),
            ("OAU-10 any visible character", vec![("x-token", b"a:b|c")],                          found("a:b|c", Place::Header)),
            ("a space is none",              vec![("x-token", b"a b")],                            Err(MalformedHeader)),
            ("a comma may be two lines",     vec![("x-token", b"a,b")],                            Err(Several)),
            ("two lines",                    vec![("x-token", b"a"), ("x-token", b"b")],           Err(Several)),
            ("two lines, one empty",         vec![("x-token", b""), ("x-token", b"b")],            Err(Several)),
            ("OAU-10 space around",          vec![("x-token", b" a ")],                            found("a", Place::Header)),
            ("an empty custom header",       vec![("x-token", b" ")],                              Ok(None)),
            ("a line end behind it",         vec![("x-token", b"a\n")],                            Err(MalformedHeader)),
            ("beyond ASCII",                 vec![("x-token", b"\xff")],                           Err(MalformedHeader)),
            ("two headers",                  vec![auth, ("x-token", b"b")],                        Err(Several)),
            ("a cookie",                     vec![("cookie", b"a=b; session=tok")],                found("tok", Place::Cookie)),
            ("BRR-32 cookie and header",     vec![auth, ("cookie", b"session=a")],                 Err(Several)),
            ("two cookies",                  vec![("cookie", b"session=a"), ("cookie", b"session=b")], Err(Several)),
            ("BRR-32 a quoted cookie",       vec![("cookie", b"x=\"y\"; session=\"tok\" ")],       found("tok", Place::Cookie)),
            ("a list to PHP",                vec![("cookie", b"session=tok; session[]=b")],        found("tok", Place::Cookie)),
            ("a quote in front",             vec![("cookie", b"session=\"a")],                     Err(MalformedParameter)),
            ("a quote behind",               vec![("cookie", b"session=a\"")],                     Err(MalformedParameter)),
            ("one quote alone",              vec![("cookie", b"session=\"")],                      Err(MalformedParameter)),
            ("quotes around nothing",        vec![("cookie", b"session=\"\"")],                    Err(MalformedParameter)),
            ("quotes in quotes",             vec![("cookie", b"session=\"\"a\"\"")],               Err(MalformedParameter)),
            ("space in quotes",              vec![("cookie", b"session=\" a\"")],                  Err(MalformedParameter)),
            ("space before quotes",          vec![("cookie", b"session= \"a\"")],                  Err(MalformedParameter)),
            ("single quotes",                vec![("cookie", b"session='a'")],                     Err(MalformedParameter)),
            ("a semicolon in quotes",        vec![("cookie", b"x=\"; session=a; y=\"z\"; session=\"b\"")], Err(Several)),
            ("quotes do not hold a cookie",  vec![("cookie", b"x=\"a; session=tok\"")],            Err(MalformedParameter)),
            ("quoted and not",               vec![("cookie", b"session=\"a\"; session=a")],        Err(Several)),
            ("twice in one line",            vec![("cookie", b"session=a; session=a")],            Err(Several)),
            ("a cookie in two spellings",    vec![("cookie", b"session=a;session =b")],            Err(Several)),
            ("an empty cookie",              vec![("cookie", b"session=")],                        Err(MalformedParameter)),
            ("a cookie's name has a case",   vec![("cookie", b"Session=a; xsession=b")],           Ok(None)),
            ("cookie and query",             vec![("cookie", b"session=a"), (":path", b"/r?access_token=a")], Err(Several)),
            ("ATK-21 names alike",           vec![("x-authorization", b"Bearer a"), ("authorization-", b"Bearer a")], Ok(None)),
            ("HTT-14 for proxies",           vec![("proxy-authorization", b"Bearer a")],           Ok(None)),
        ];
        for (name, lines, want) in cases {
            assert_eq!(look(&lines, &everywhere()), want, "{name}");
        }
    }

    #[test]
    fn a_disabled_place_counts_only_if_asked_to() {
        // BRR-15
        let lines: [(&str, &[u8]); 2] = [("authorization", b"Bearer a"), (":path", b"/r?access_token=x")];
        assert!(look(&lines, &places()).is_ok_and(|found| found.is_some()));
        let strict = TokenPlaces { strict_multiple: true, ..places() };
        assert_eq!(look(&lines, &strict), Err(Several));
        assert_eq!(look(&lines[1..], &strict), Ok(None));
        let disguised = [lines[0], (":path", &b"/r?access%5ftoken=x"[..])];
        assert_eq!(look(&disguised, &strict), Err(Several));
        let other = [lines[0], (":path", &b"/r?token=x"[..])];
        assert!(look(&other, &strict).is_ok_and(|found| found.is_some()));
    }

    #[test]
    fn a_rule_may_add_parameters() {
        let fields = vec![(b":path".to_vec(), b"/r?ticket=tok&t=1".to_vec())];
        let head = RequestHead::new(&fields);
        let extra = ["ticket".to_owned()];
        assert_eq!(extract(head, &places(), &[]), Ok(None));
        assert_eq!(extract(head, &places(), &extra).unwrap().unwrap().place, Place::Query);
        assert_eq!(strip(head, &places(), &extra).path.as_deref(), Some(&b"/r?t=1"[..]));
    }

    #[test]
    fn which_bodies_are_forms() {
        // BRR-07, ATK-38
        #[rustfmt::skip]
        let cases = [
            ("a form",        "POST", "application/x-www-form-urlencoded",                 true),
            ("in any case",   "PUT",  "Application/X-WWW-Form-Urlencoded; charset=UTF-8",  true),
            ("ASCII",         "PATCH", "application/x-www-form-urlencoded;charset=\"us-ascii\"", true),
            ("no word",       "post", "application/x-www-form-urlencoded",                 false),
            ("DELETE",        "DELETE", "application/x-www-form-urlencoded",               false),
            ("a longer name", "POST", "application/x-www-form-urlencoded2",                false),
            ("two in one",    "POST", "application/x-www-form-urlencoded, text/plain",     false),
            ("a boundary",    "POST", "application/x-www-form-urlencoded; boundary=x",     false),
            ("nothing",       "POST", "",                                                  false),
            ("odd charset",   "POST", "application/x-www-form-urlencoded; charset=utf-16", false),
            ("no body",       "GET",  "application/x-www-form-urlencoded",                 false),
            ("multipart",     "POST", "multipart/form-data; boundary=x",                   false),
            ("JSON",          "POST", "application/json",                                  false),
        ];
        for (name, method, kind, want) in cases {
            let fields = vec![
                (b":method".to_vec(), method.as_bytes().to_vec()),
                (b"content-type".to_vec(), kind.as_bytes().to_vec()),
            ];
            assert_eq!(wants_form(RequestHead::new(&fields), &everywhere()), want, "{name}");
            assert!(!wants_form(RequestHead::new(&fields), &places()), "BRR-09 off: {name}");
        }
    }

    #[test]
    fn stripping_leaves_every_other_byte() {
        // BRR-18, ATK-36
        let of = |lines: &[(&str, &str)]| {
            let fields: Vec<_> =
                lines.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
            strip(RequestHead::new(&fields), &everywhere(), &[])
        };
        let path = |path: &str| Stripped { path: Some(path.as_bytes().to_vec()), ..Stripped::default() };
        let remove = |name: &str| Stripped { remove: vec![name.to_owned()], ..Stripped::default() };
        let cookie = Stripped { set: vec![("cookie".to_owned(), b"a=b; c=d".to_vec())], ..remove("cookie") };
        #[rustfmt::skip]
        let cases = [
            ("in the middle",        vec![(":path", "/r?x=%2B&access_token=tok&y=%zz")], path("/r?x=%2B&y=%zz")),
            ("alone",                vec![(":path", "/r?access_token=tok")],             path("/r")),
            ("in another spelling",  vec![(":path", "/r?access%5ftoken=tok&b")],         path("/r?b")),
            ("several times",        vec![(":path", "/r?access_token=a&b&access_token=%zz&access_token")], path("/r?b")),
            ("BRR-18 first of two",  vec![(":path", "/r?a=%41&access_token=tok&b=2&c")], path("/r?a=%41&b=2&c")),
            ("none",                 vec![(":path", "/r?b=access_token")],               Stripped::default()),
            ("header",               vec![("authorization", "bearer a")],                remove("authorization")),
            ("hidden in a header",   vec![("authorization", "Basic a,Bearer b")],        remove("authorization")),
            ("another scheme stays", vec![("authorization", "Basic a")],                 Stripped::default()),
            ("custom header",        vec![("x-token", "a")],                             remove("x-token")),
            ("a cookie among others", vec![("cookie", "a=b; session=x;c=d")],            cookie.clone()),
            ("cookies in two lines", vec![("cookie", "a=b; session =x"), ("cookie", "session=y;c=d; ;")], cookie),
            ("a cookie alone",       vec![("cookie", "session=x")],                      remove("cookie")),
            ("a cookie in quotes",   vec![("cookie", "session=\"x\"")],                  remove("cookie")),
        ];
        for (name, lines, want) in cases {
            assert_eq!(of(&lines), want, "{name}");
        }
    }
    #[test]
    fn hostile_heads_take_no_longer_than_they_must() {
        // Each of these would take minutes if time grew with the square of the length.
        let many = 200_000;
        let commas = ",".repeat(many).into_bytes();
        let schemes = "Basic x, ".repeat(many).into_bytes();
        let spaces = format!("Bearer{}", " ".repeat(many)).into_bytes();
        let padding = format!("Bearer {}x", "=".repeat(many)).into_bytes();
        let params = format!("/r?{}", "a%62=c&".repeat(many)).into_bytes();
        let crumbs = "a = b; ".repeat(many).into_bytes();
        let tokens = format!("/r?{}", "access%5ftoken=a&b&".repeat(many)).into_bytes();
        let sessions = "session=a;b; ".repeat(many).into_bytes();
        let lines = vec![("authorization", &b"Basic x"[..]); many];
        let heads = [
            vec![("authorization", commas.as_slice())],
            vec![("authorization", schemes.as_slice())],
            vec![("authorization", spaces.as_slice())],
            vec![("authorization", padding.as_slice())],
            vec![(":path", params.as_slice()), ("cookie", crumbs.as_slice())],
            vec![(":path", tokens.as_slice())],
            vec![("cookie", sessions.as_slice())],
            lines,
        ];
        for head in heads {
            let fields: Vec<_> = head.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.to_vec())).collect();
            let head = RequestHead::new(&fields);
            assert!(!matches!(extract(head, &everywhere(), &[]), Ok(Some(_))));
            strip(head, &everywhere(), &[]);
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::{Stripped, TokenError, b64token, extract, has_second_method, strip, wants_form};
    use crate::request::head::RequestHead;
    use crate::request::places::{TokenHeader, TokenPlaces};
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
    use proptest::{collection, prop_oneof, sample};

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;

    fn places() -> TokenPlaces {
        let header = |name: &str, scheme: Option<&str>| TokenHeader {
            name: name.to_owned(),
            scheme: scheme.map(ToOwned::to_owned),
        };
        TokenPlaces {
            headers: vec![
                header("authorization", Some("Bearer")),
                header("authorization", Some("Token")),
                header("x-token", None),
            ],
            params: vec!["access_token".to_owned()],
            cookies: vec!["session".to_owned()],
            websocket: None,
            form: true,
            max_form_bytes: 100,
            max_length: 16,
            forward: false,
            strict_multiple: true,
            require_tls: None,
        }
    }

    fn joined(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        collection::vec(sample::select(pieces), 0..8).prop_map(|pieces| pieces.concat().into_bytes())
    }

    /// A field line out of the pieces that matter, or of anything.
    fn line() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let name = |name: &'static str| move |value| (name.as_bytes().to_vec(), value);
        let credentials = || {
            joined(&[
                "Bearer", "bearer", "Token", "Basic", " ", ",", "\t", "tok", "a+/=", "=", "\0", "\r",
                "\u{e9}",
            ])
        };
        let names = &["authorization", "x-token", "cookie", ":path", "content-type", ":method"][..];
        prop_oneof![
            credentials().prop_map(name("authorization")),
            credentials().prop_map(name("x-token")),
            joined(&["session", "=", ";", " ", "a", "\"", "\t", ","]).prop_map(name("cookie")),
            joined(&["access_token", "access%5Ftoken", "=", "&", "a", "%2B", "%zz", "?", "ticket", ";"])
                .prop_map(|query| [b"/r?", query.as_slice()].concat())
                .prop_map(name(":path")),
            (sample::select(names), any::<Vec<u8>>()).prop_map(|(n, value)| (n.as_bytes().to_vec(), value)),
            (any::<Vec<u8>>(), any::<Vec<u8>>()),
        ]
    }

    fn heads() -> impl Strategy<Value = Fields> {
        collection::vec(line(), 0..5)
    }

    fn apply(stripped: Stripped, mut fields: Fields) -> Fields {
        fields.retain(|(name, _)| {
            !stripped.remove.iter().any(|gone| name.eq_ignore_ascii_case(gone.as_bytes()))
        });
        fields.extend(stripped.set.into_iter().map(|(name, value)| (name.into_bytes(), value)));
        if let Some(path) = stripped.path {
            fields.retain(|(name, _)| name != b":path");
            fields.push((b":path".to_vec(), path));
        }
        fields
    }

    proptest! {
        #[test]
        fn no_head_is_too_strange(fields in heads()) {
            let head = RequestHead::new(&fields);
            if let Ok(Some(found)) = extract(head, &places(), &["ticket".to_owned()]) {
                prop_assert!(found.token.expose().bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
                prop_assert!((1..=16).contains(&found.token.expose().len()));
            }
            wants_form(head, &places());
            has_second_method(head, &places(), &[]);
        }

        // BRR-18
        #[test]
        fn stripping_leaves_nothing_to_find(fields in heads()) {
            let extra = ["ticket".to_owned()];
            let left = apply(strip(RequestHead::new(&fields), &places(), &extra), fields);
            let head = RequestHead::new(&left);
            prop_assert_eq!(extract(head, &places(), &extra), Ok(None));
            prop_assert_eq!(strip(head, &places(), &extra), Stripped::default());
        }

        // BRR-18
        #[test]
        fn stripping_keeps_all_other_parameters(
            before in collection::vec("[a-z%=+.;]{0,5}", 0..4), after in collection::vec("[a-z%=+.;]{0,5}", 0..4)
        ) {
            let target = |pairs: &[String]| match pairs {
                [] => b"/r".to_vec(),
                pairs => format!("/r?{}", pairs.join("&")).into_bytes(),
            };
            let with = [&before[..], &["access_token=tok".to_owned()], &after[..]].concat();
            let fields = vec![(b":path".to_vec(), target(&with))];
            let stripped = strip(RequestHead::new(&fields), &places(), &[]);
            prop_assert_eq!(stripped.path, Some(target(&[before, after].concat())));
        }

        // BRR-01, BRR-12: a token is found as it was sent, wherever it was sent.
        #[test]
        fn a_token_comes_out_as_it_went_in(token in "[A-Za-z0-9._~+/-]{1,12}={0,4}", escape in any::<bool>()) {
            let escaped = token.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
            let in_query = if escape { &escaped } else { &token };
            for (name, value) in [
                ("authorization", format!(" bEARER   {token} ")),
                ("authorization", format!("Token {token}")),
                ("x-token", format!("\t{token}")),
                ("cookie", format!("a=b;  session={token} ;c")),
                (":path", format!("/r?a=b&access_token={in_query}&c")),
            ] {
                let fields = vec![(name.as_bytes().to_vec(), value.clone().into_bytes())];
                let found = extract(RequestHead::new(&fields), &places(), &[]).unwrap().unwrap();
                prop_assert_eq!(found.token.expose(), &token, "{}: {}", name, value);
            }
        }

        // BRR-13
        #[test]
        fn two_places_are_one_too_many(at in sample::subsequence(vec![0, 1, 2, 3], 2)) {
            let all = [
                (":path", "/r?access_token=a"), ("authorization", "Bearer a"), ("x-token", "a"), ("cookie", "session=a")
            ];
            let fields: Fields =
                at.into_iter().map(|at| (all[at].0.as_bytes().to_vec(), all[at].1.as_bytes().to_vec())).collect();
            prop_assert_eq!(extract(RequestHead::new(&fields), &places(), &[]), Err(TokenError::Several));
        }

        // BRR-04
        #[test]
        fn the_alphabet_is_that_of_the_grammar(bytes in any::<Vec<u8>>(), text in "[a=+,/ .]{0,6}") {
            let grammar = regex_lite::Regex::new(r"\A[A-Za-z0-9._~+/-]+=*\z").unwrap();
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let fits = std::str::from_utf8(bytes).is_ok_and(|text| grammar.is_match(text));
                prop_assert_eq!(b64token(bytes).is_some(), fits);
            }
        }
    }
}
