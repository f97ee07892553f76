//! Finding the token ([RFC 6750 §2]), and taking it out again.
//!
//! [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2

use crate::policy::{TokenHeader, TokenPlaces};
use crate::request::head::RequestHead;
use crate::request::path::{escaped_byte, split_query};
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
    let mut sole = Sole::default();
    for header in &places.headers {
        if let Some(token) = in_header(head, header)? {
            sole.put(token, Place::Header)?;
        }
    }
    let mut params = places.params.iter().chain(extra_params);
    for (name, value) in query_params(head) {
        match param_names(name, &mut params.clone()) {
            Name::Ours => sole.put(in_param(value)?, Place::Query)?,
            Name::Disguised => return Err(TokenError::MalformedParameter),
            Name::Other => {}
        }
    }
    for name in &places.cookies {
        for value in cookies(head).filter(|(n, _)| *n == name.as_bytes()).map(|(_, value)| value) {
            let token = b64token(value).ok_or(TokenError::MalformedParameter)?;
            sole.put(token, Place::Cookie)?;
        }
    }
    let elsewhere = || query_params(head).any(|(name, _)| name == ACCESS_TOKEN);
    let strict = places.strict_multiple && !params.any(|name| name.as_bytes() == ACCESS_TOKEN);
    if strict && sole.0.is_some() && elsewhere() {
        return Err(TokenError::Several);
    }
    sole.within(places.max_length)
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
    let params = places.params.iter().chain(extra_params);
    let (path, query) = split_query(head.path());
    let is_token = |pair: &[u8]| param_names(split_pair(pair).0, &mut params.clone()) != Name::Other;
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
    let lines: Vec<&[u8]> =
        head.all(&header.name).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    match (&header.scheme, lines.as_slice()) {
        (_, []) => Ok(None),
        (Some(scheme), [line]) => with_scheme(line, scheme),
        (Some(scheme), lines) => {
            // `Authorization` is a singleton (RFC 9110 §11.6.2): ours beside any other is refused.
            let ours = |line: &&[u8]| with_scheme(line, scheme) != Ok(None);
            if lines.iter().any(ours) { Err(TokenError::Several) } else { Ok(None) }
        }
        // A comma may be two lines that the host has joined.
        (None, [line]) if line.contains(&b',') => Err(TokenError::Several),
        (None, [line]) => {
            let text =
                std::str::from_utf8(line).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
            text.map(|text| Some(Secret::new(text))).ok_or(TokenError::MalformedHeader)
        }
        (None, _) => Err(TokenError::Several),
    }
}

/// The token of one line's credentials. `Ok(None)`: credentials of other schemes alone.
fn with_scheme(line: &[u8], scheme: &str) -> Result<Option<Secret>, TokenError> {
    if let Some(rest) = credentials(line, scheme) {
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        let token = rest.get(spaces..).filter(|_| spaces > 0).and_then(b64token);
        return token.map(Some).ok_or(TokenError::MalformedHeader);
    }
    // Lines that the host has joined: ours beside another.
    let hidden =
        line.split(|byte| *byte == b',').skip(1).any(|element| credentials(element, scheme).is_some());
    if hidden { Err(TokenError::Several) } else { Ok(None) }
}

/// What follows `scheme` if the element starts with it as a whole word.
fn credentials<'a>(element: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let element = element.trim_ascii();
    let start = element.get(..scheme.len())?;
    let rest = element.get(scheme.len()..)?;
    (start.eq_ignore_ascii_case(scheme.as_bytes())
        && matches!(rest.first(), None | Some(b' ' | b'\t' | b',')))
    .then_some(rest)
}

fn query_params(head: RequestHead<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
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

fn param_names<'a>(name: &[u8], ours: &mut impl Iterator<Item = &'a String>) -> Name {
    let decoded = name.contains(&b'%').then(|| percent_decoded(name).unwrap_or_default());
    for own in ours {
        if own.as_bytes() == name {
            return Name::Ours;
        }
        if decoded.as_deref() == Some(own.as_bytes()) {
            return Name::Disguised;
        }
    }
    Name::Other
}

/// A parameter's value, decoded once; `+` stays `+`, since a token can hold one and never a space.
fn in_param(value: &[u8]) -> Result<Secret, TokenError> {
    percent_decoded(value).as_deref().and_then(b64token).ok_or(TokenError::MalformedParameter)
}

/// Percent-decoded; `None` if an escape is none.
fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(if byte == b'%' { escaped_byte(rest.next(), rest.next())? } else { byte });
    }
    Some(decoded)
}

fn cookies(head: RequestHead<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    let crumbs = head.all("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    crumbs.map(|crumb| split_pair(crumb.trim_ascii()))
}

fn strip_cookies(head: RequestHead<'_>, places: &TokenPlaces, stripped: &mut Stripped) {
    let is_token = |name: &[u8]| places.cookies.iter().any(|own| own.as_bytes() == name);
    if !cookies(head).any(|(name, _)| is_token(name)) {
        return;
    }
    stripped.remove.push("cookie".to_owned());
    let crumbs = head.all("cookie").flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> =
        crumbs.filter(|crumb| !crumb.is_empty() && !is_token(split_pair(crumb).0)).collect();
    if !kept.is_empty() {
        stripped.set.push(("cookie".to_owned(), kept.join(&b"; "[..])));
    }
}

const ACCESS_TOKEN: &[u8] = b"access_token";

#[cfg(test)]
mod tests {
    use super::{Place, Stripped, TokenError, extract, strip, wants_form};
    use crate::policy::{TokenHeader, TokenPlaces};
    use crate::request::head::RequestHead;
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
            form: false,
            max_form_bytes: 1000,
            max_length: 20,
            forward: true,
            strict_multiple: false,
            require_tls: false,
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
            ("BRR-06 the scheme is a whole word",  vec![b"Bearertok"],              Ok(None)),
            ("ATK-12 a colon",                     vec![b"Bearer:tok"],             Ok(None)),
            ("ATK-12 bare",                        vec![b"tok"],                    Ok(None)),
            ("BRR-23 another scheme",              vec![b"Basic Zm9vOmJhcg=="],     Ok(None)),
            ("ATK-01 empty",                       vec![b""],                       Ok(None)),
            ("ATK-06 joined by a comma",           vec![b"Bearer a, Bearer b"],     Err(MalformedHeader)),
            ("ATK-06 a trailing comma",            vec![b"Bearer a,"],              Err(MalformedHeader)),
            ("ATK-06 a leading comma",             vec![b"Bearer ,a"],              Err(MalformedHeader)),
            ("ours behind another scheme",         vec![b"Basic x, Bearer b"],      Err(Several)),
            ("ATK-08 two lines",                   vec![b"Bearer a", b"Bearer b"],  Err(Several)),
            ("HTT-07 two equal lines",             vec![b"Bearer a", b"Bearer a"],  Err(Several)),
            ("ATK-10 two schemes",                 vec![b"Bearer a", b"DPoP a"],    Err(Several)),
            ("two lines, neither ours",            vec![b"Basic a", b"Digest b"],   Ok(None)),
            ("HTT-09 space around",                vec![b"  Bearer tok "],          good("tok")),
            ("HTT-10 bytes beyond ASCII",          vec![b"Bearer \xff"],            Err(MalformedHeader)),
            ("ATK-18 a look-alike",                vec!["Вearer tok".as_bytes()],   Ok(None)),
            ("ATK-15 a control",                   vec![b"Bearer a\x00b"],          Err(MalformedHeader)),
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
            ("ATK-27 a control",             vec![(":path", b"/r?access_token=a%00")],             Err(MalformedParameter)),
            ("ATK-28 another parameter",     vec![(":path", b"/r?access_token=x%26token%3Dy")],    Err(MalformedParameter)),
            ("ATK-29 half an escape",        vec![(":path", b"/r?access_token=%4")],               Err(MalformedParameter)),
            ("ATK-30 a disguised name",      vec![(":path", b"/r?access%5Ftoken=a")],              Err(MalformedParameter)),
            ("OAU-10 any visible character", vec![("x-token", b"a:b|c")],                          found("a:b|c", Place::Header)),
            ("a space is none",              vec![("x-token", b"a b")],                            Err(MalformedHeader)),
            ("a comma may be two lines",     vec![("x-token", b"a,b")],                            Err(Several)),
            ("two lines",                    vec![("x-token", b"a"), ("x-token", b"b")],           Err(Several)),
            ("two headers",                  vec![auth, ("x-token", b"b")],                        Err(Several)),
            ("a cookie",                     vec![("cookie", b"a=b; session=tok")],                found("tok", Place::Cookie)),
            ("BRR-32 cookie and header",     vec![auth, ("cookie", b"session=a")],                 Err(Several)),
            ("two cookies",                  vec![("cookie", b"session=a"), ("cookie", b"session=b")], Err(Several)),
            ("a quoted cookie",              vec![("cookie", b"session=\"a\"")],                   Err(MalformedParameter)),
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
    }

    #[test]
    fn which_bodies_are_forms() {
        // BRR-07, ATK-38
        #[rustfmt::skip]
        let cases = [
            ("a form",        "POST", "application/x-www-form-urlencoded",                 true),
            ("in any case",   "PUT",  "Application/X-WWW-Form-Urlencoded; charset=UTF-8",  true),
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
            ("none",                 vec![(":path", "/r?b=access_token")],               Stripped::default()),
            ("header",               vec![("authorization", "bearer a")],                remove("authorization")),
            ("hidden in a header",   vec![("authorization", "Basic a,Bearer b")],        remove("authorization")),
            ("another scheme stays", vec![("authorization", "Basic a")],                 Stripped::default()),
            ("custom header",        vec![("x-token", "a")],                             remove("x-token")),
            ("a cookie among others", vec![("cookie", "a=b; session=x;c=d")],            cookie),
            ("a cookie alone",       vec![("cookie", "session=x")],                      remove("cookie")),
        ];
        for (name, lines, want) in cases {
            assert_eq!(of(&lines), want, "{name}");
        }
    }
}
