use super::{Place, Stripped, TokenError, extract, strip, wants_form};
use crate::request::head::RequestHead;
use crate::request::places::{TokenHeader, TokenPlaces};
use TokenError::{MalformedHeader, MalformedParameter, Several, TooLong};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn places() -> TokenPlaces {
    TokenPlaces {
        headers: vec![TokenHeader { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) }],
        max_form_bytes: 1000,
        max_length: 20,
        ..TokenPlaces::none()
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
fn a_cookie_that_php_takes_for_the_token() {
    let mut places = places();
    places.cookies.push("access_token".to_owned());
    #[rustfmt::skip]
    let cases = [
        ("as it is",            "a=b; access_token=tok",             Ok(Some(("tok".to_owned(), Place::Cookie))), true),
        ("with a dot",          "a=b; access.token=tok",             Err(MalformedParameter),                     true),
        ("with a space",        "a=b; access token=tok",             Err(MalformedParameter),                     true),
        ("beside ours",         "access_token=a; a=b; access.token=b", Err(MalformedParameter),                   true),
        ("with a hyphen",       "a=b; access-token=tok",             Ok(None),                                    false),
    ];
    for (name, cookies, want, is_removed) in cases {
        assert_eq!(look(&[("cookie", cookies.as_bytes())], &places), want, "{name}");
        let fields = [(b"cookie".to_vec(), cookies.as_bytes().to_vec())];
        let stripped = strip(RequestHead::new(&fields), &places, &[]);
        let kept = is_removed.then(|| ("cookie".to_owned(), b"a=b".to_vec()));
        assert_eq!(stripped.set, Vec::from_iter(kept), "{name}");
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
