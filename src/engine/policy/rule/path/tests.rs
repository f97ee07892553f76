use super::{PathPattern, Spelling, Variation};
use crate::decision::Doubt;
use crate::policy::rule::fit::Fit;
use crate::request::matching::Reading;
use crate::request::path::NormalPath;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn which_paths_fit() {
    let cases = [
        (
            "exact",
            PathPattern::exact("/health"),
            vec!["/health"],
            vec!["/health/", "/healthz", "/HEALTH", "/"],
        ),
        (
            "a prefix means whole segments",
            PathPattern::prefix("/foo"),
            vec!["/foo", "/foo/", "/foo/bar"],
            vec!["/foobar", "/fo", "/Foo", "/"],
        ),
        (
            "a prefix with a slash",
            PathPattern::prefix("/foo/"),
            vec!["/foo/", "/foo/a"],
            vec!["/foo", "/foob"],
        ),
        ("the root prefix", PathPattern::prefix("/"), vec!["/", "/a"], vec![]),
        (
            "PTH-03 an open path and no other",
            PathPattern::prefix("/health"),
            vec!["/health", "/%68ealth", "/x/../health"],
            vec!["/healthz", "/HEALTH", "/health/../x"],
        ),
        (
            "ATK-104 an open directory and no other",
            PathPattern::prefix("/public/"),
            vec!["/public/x", "//public/./x"],
            vec![
                "/public/../admin",
                "/public/%2e%2e/admin",
                "//admin",
                "/./admin",
                "/Public/x",
                "/publicadmin",
            ],
        ),
        (
            "patterns are normalised as paths are",
            PathPattern::exact("//a/./%7Eb/../%7e/%c3"),
            vec!["/a/~/%C3", "/a/%7e/%c3"],
            vec!["/a/~/%C3/"],
        ),
        ("an empty segment of a template", PathPattern::template("/a//{x}"), vec!["/a/1"], vec!["/a"]),
        ("a slash at a template's end", PathPattern::template("/a/{x}/"), vec!["/a/1/"], vec!["/a/1"]),
        ("the root template", PathPattern::template("/"), vec!["/"], vec!["/a"]),
        ("a template of a rest", PathPattern::template("/{all=**}"), vec!["/", "/a/b"], vec![]),
        (
            "flags stay within the expression",
            PathPattern::regex("(?i)/a|(?m)^/b$|(?s)/c."),
            vec!["/A", "/b", "/cd"],
            vec!["/ab", "/b/b", "/x/a", "/cde"],
        ),
        (
            "a template",
            PathPattern::template("/orders/{order_id}"),
            vec!["/orders/7", "/orders/a%20b"],
            vec!["/orders", "/orders/", "/orders/7/items", "/x/7"],
        ),
        (
            "a template with a rest",
            PathPattern::template("/files/{name=**}"),
            vec!["/files", "/files/", "/files/a/b"],
            vec!["/filesystem", "/"],
        ),
        ("a literal is normalised", PathPattern::template("/~u/{x}"), vec!["/~u/1"], vec!["/u/1"]),
        (
            "a regular expression fits the whole path",
            PathPattern::regex("/a|/b"),
            vec!["/a", "/b"],
            vec!["/ab", "/x/b", "/a/"],
        ),
        ("the longest alternative counts", PathPattern::regex("/a|/ab"), vec!["/a", "/ab"], vec!["/abc"]),
        ("anchors are harmless", PathPattern::regex("^/v[0-9]+$"), vec!["/v1"], vec!["/v", "/v1x"]),
    ];
    for (name, pattern, fits, fits_not) in cases {
        let pattern = pattern.expect(name);
        for (path, want) in
            fits.into_iter().map(|path| (path, true)).chain(fits_not.into_iter().map(|path| (path, false)))
        {
            let normal = NormalPath::parse(path.as_bytes()).unwrap();
            assert_eq!(pattern.fits(&normal, AS_WRITTEN) == Fit::Yes, want, "{name}: {path}");
            assert_eq!(pattern.fits(&normal, Spelling::default()) == Fit::Yes, want, "{name}: {path}");
        }
    }
}

#[test]
fn patterns_that_are_refused() {
    #[rustfmt::skip]
    let refused = [
        (PathPattern::exact("health"),             "starts with \"/\""),
        (PathPattern::exact(""),                   "starts with \"/\""),
        (PathPattern::exact("https://x/health"),   "starts with \"/\""),
        (PathPattern::template("{id}"),            "starts with \"/\""),
        (PathPattern::prefix("/a%2fb"),            "read in one way only"),
        (PathPattern::prefix("/caf\u{e9}"),        "read in one way only"),
        (PathPattern::template("/a/..;/{x}"),      "read in one way only"),
        (PathPattern::exact("/a?b=c"),             "only paths are matched"),
        (PathPattern::exact("/a#b"),               "only paths are matched"),
        (PathPattern::prefix("/public/*"),         "prefix matches everything that follows"),
        (PathPattern::exact("/orders/{id}"),       "use path_template for {name}"),
        (PathPattern::template("/a/*"),            "no \"*\""),
        (PathPattern::template("/a/x{id}"),        "a whole segment"),
        (PathPattern::template("/a/{id}x"),        "a whole segment"),
        (PathPattern::template("/a/{x}-{y}"),      "letters, digits and _"),
        (PathPattern::template("/a/{1}"),          "letters, digits and _"),
        (PathPattern::template("/a/{}"),           "letters, digits and _"),
        (PathPattern::template("/a/{x=*}"),        "letters, digits and _"),
        (PathPattern::template("/a/{id}/{id}"),    "got {id} twice"),
        (PathPattern::template("/a/{id}/{id=**}"), "got {id} twice"),
        (PathPattern::template("/a/{rest=**}/b"),  "in the last segment only"),
        (PathPattern::template("/a/{rest=**}/"),   "in the last segment only"),
        (PathPattern::template("/a/../b"),         "no dot segments"),
        (PathPattern::regex("/a)|(/b"),            "a regular expression"),
        (PathPattern::regex("/a)(?:/b"),           "a regular expression"),
        (PathPattern::regex("/a("),                "a regular expression"),
        (PathPattern::regex("/a\\"),               "a regular expression"),
        (PathPattern::regex("(?=/a)"),             "look-around"),
        (PathPattern::regex("(?x)/a # b"),         "(?x) comments"),
        (PathPattern::regex("(?:.*){0,1000}x"),    "a smaller regular expression"),
        (PathPattern::regex(&"x".repeat(2000)),    "at most 1024 bytes"),
    ];
    for (at, (pattern, want)) in refused.iter().enumerate() {
        let error = pattern.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert!(error.starts_with("expected ") && error.contains(want), "{at}: {error:?}, not {want:?}");
    }
}

#[test]
fn no_path_takes_a_pattern_long() {
    // Each of these would take minutes if time grew with the square of the path's length.
    let long = |times| NormalPath::parse(format!("/{}", "a/".repeat(times)).as_bytes()).unwrap();
    let unclear = Fit::Unclear(Doubt::LongPath);
    for (pattern, times, want) in [
        (PathPattern::prefix("/a"), 100_000, Fit::Yes),
        (PathPattern::template("/a/{x}/{rest=**}"), 100_000, Fit::Yes),
        (PathPattern::template("/a/{x}"), 100_000, Fit::No),
        (PathPattern::regex("/(?:a|a/)*"), 1_000, Fit::Yes),
        (PathPattern::regex("(?:/a)*(?:/a)*b"), 1_000, Fit::No),
        (PathPattern::regex("/(?:a|a/)*"), 1_024, unclear),
        (PathPattern::regex("/x"), 100_000, unclear),
    ] {
        assert_eq!(pattern.unwrap().fits(&long(times), Spelling::default()), want);
    }
    // So do many expressions.
    for (expressions, longest) in [(1, 2048), (4, 2048), (8, 1024), (1000, 256)] {
        let mut pattern = PathPattern::regex("/a*").unwrap();
        pattern.one_of(expressions);
        let fits = |length: usize| {
            let path =
                NormalPath::parse(format!("/{}", "a".repeat(length).get(1..).unwrap_or_default()).as_bytes())
                    .unwrap();
            pattern.fits(&path, Spelling::default())
        };
        assert_eq!((fits(longest), fits(longest.saturating_add(1))), (Fit::Yes, unclear), "{expressions}");
    }
    // Three readings take three times as long.
    let three = NormalPath::read(format!("/;/{}", "a/".repeat(400)).as_bytes(), Reading::Refuse).unwrap();
    assert_eq!(PathPattern::regex("/.*").unwrap().fits(&three, Spelling::default()), Fit::Yes);
    let three = NormalPath::read(format!("/;/{}", "a/".repeat(600)).as_bytes(), Reading::Refuse).unwrap();
    assert_eq!(PathPattern::regex("/.*").unwrap().fits(&three, Spelling::default()), unclear);
}

#[test]
fn letter_case_and_final_slash() {
    // PTH-10
    use Fit::{No, Yes};
    let unclear = Fit::Unclear(Doubt::Spelling);
    #[rustfmt::skip]
    let cases = [
        // pattern, path, by default, ignored, as written
        (PathPattern::exact("/admin"),            "/admin",      Yes,     Yes, Yes),
        (PathPattern::exact("/admin"),            "/ADMIN",      unclear, Yes, No),
        (PathPattern::exact("/Admin"),            "/admin",      unclear, Yes, No),
        (PathPattern::exact("/admin"),            "/admin/",     unclear, Yes, No),
        (PathPattern::exact("/admin/"),           "/admin",      unclear, Yes, No),
        (PathPattern::exact("/admin"),            "/Admin/",     unclear, Yes, No),
        (PathPattern::exact("/admin"),            "/admin/x",    No,      No,  No),
        (PathPattern::exact("/"),                 "/",           Yes,     Yes, Yes),
        (PathPattern::exact("/"),                 "/a",          No,      No,  No),
        (PathPattern::exact("/caf%c3%a9"),        "/CAF%C3%A9",  unclear, Yes, No),
        (PathPattern::prefix("/admin"),           "/aDmin/x",    unclear, Yes, No),
        (PathPattern::prefix("/admin"),           "/ADMINS",     No,      No,  No),
        (PathPattern::prefix("/admin"),           "/admi",       No,      No,  No),
        (PathPattern::prefix("/assets/"),         "/assets",     No,      Yes, No),
        (PathPattern::prefix("/assets/"),         "/ASSETS/x",   unclear, Yes, No),
        (PathPattern::prefix("/"),                "/",           Yes,     Yes, Yes),
        (PathPattern::regex("/a/.*"),             "/a/",         Yes,     Yes, Yes),
        (PathPattern::regex("/a/"),               "/a",          No,      Yes, No),
        (PathPattern::regex("/a"),                "/a/",         No,      Yes, No),
        (PathPattern::template("/orders/{id}"),   "/Orders/7",   unclear, Yes, No),
        (PathPattern::template("/orders/{id}"),   "/orders/A",   Yes,     Yes, Yes),
        (PathPattern::template("/orders/{id}"),   "/orders/7/",  unclear, Yes, No),
        (PathPattern::template("/orders/{id}/"),  "/orders/7",   unclear, Yes, No),
        (PathPattern::template("/orders/{id}"),   "/orders/",    No,      No,  No),
        (PathPattern::template("/files/{f=**}"),  "/FILES/a/",   unclear, Yes, No),
        (PathPattern::template("/"),              "/",           Yes,     Yes, Yes),
        (PathPattern::regex("/v[0-9]+/status"),   "/V1/status",  unclear, Yes, No),
        (PathPattern::regex("/V[0-9]"),           "/v1",         unclear, Yes, No),
        (PathPattern::regex("/v"),                "/V",          unclear, Yes, No),
        (PathPattern::regex("/v[0-9]"),           "/v1",         Yes,     Yes, Yes),
        (PathPattern::regex("/v[0-9]"),           "/v1/",        No,      Yes, No),
        (PathPattern::regex("/[a-z]+"),           "/x/Y",        No,      No,  No),
    ];
    let ignored =
        Spelling { case: Variation::Ignored, final_slash: Variation::Ignored, ..Spelling::default() };
    for (pattern, path, by_default, if_ignored, as_written) in cases {
        let (pattern, normal) = (pattern.unwrap(), NormalPath::parse(path.as_bytes()).unwrap());
        for (spelling, want) in
            [(Spelling::default(), by_default), (ignored, if_ignored), (AS_WRITTEN, as_written)]
        {
            assert_eq!(pattern.fits(&normal, spelling), want, "{pattern:?} {path} {spelling:?}");
        }
    }
}

#[test]
fn parameters_of_segments() {
    // PTH-11
    use Fit::{No, Yes};
    let unclear = Fit::Unclear(Doubt::Parameters);
    #[rustfmt::skip]
    let cases = [
        // pattern, path, by default, where they are ignored, where they count
        (PathPattern::prefix("/admin"),          "/admin;x=1",      unclear, Yes, No),
        (PathPattern::prefix("/admin"),          "/admin;",         unclear, Yes, No),
        (PathPattern::prefix("/admin"),          "/admin%3Bx",      unclear, Yes, No),
        (PathPattern::prefix("/admin"),          "/admin%3bx/y",    unclear, Yes, No),
        (PathPattern::prefix("/admin"),          "/;x/admin",       unclear, Yes, No),
        (PathPattern::prefix("/admin"),          "/x/..//;/admin",  unclear, Yes, No),
        (PathPattern::prefix("/admin"),          "/ADMIN;x",        unclear, Fit::Unclear(Doubt::Spelling), No),
        (PathPattern::prefix("/admin"),          "/admin/x;y=z",    Yes,     Yes, Yes),
        (PathPattern::prefix("/admin"),          "/public;/admin",  No,      No,  No),
        (PathPattern::prefix("/admin/users"),    "/admin/users;x/y", unclear, Yes, No),
        (PathPattern::exact("/admin"),           "/admin;/x",       unclear, No,  No),
        (PathPattern::exact("/admin/x"),         "/admin;a/x;b",    unclear, Yes, No),
        (PathPattern::exact("/admin/"),          "/admin/;x",       unclear, Yes, No),
        (PathPattern::template("/orders/{id}"),  "/orders/7;v=1",   Yes,     Yes, Yes),
        (PathPattern::template("/orders/{id}"),  "/orders/;x",      unclear, No,  Yes),
        (PathPattern::template("/orders/{id}"),  "/orders/7;v/x",   unclear, No,  No),
        (PathPattern::template("/{all=**}"),     "/a;x/b",          Yes,     Yes, Yes),
        (PathPattern::regex("/[a-z/]+"),         "/admin;x",        unclear, Yes, No),
    ];
    for (pattern, path, refuse, ignore, literal) in cases {
        let pattern = pattern.unwrap();
        for (reading, want) in
            [(Reading::Refuse, refuse), (Reading::Ignore, ignore), (Reading::Literal, literal)]
        {
            let normal = NormalPath::read(path.as_bytes(), reading).unwrap();
            assert_eq!(pattern.fits(&normal, Spelling::default()), want, "{pattern:?} {path} {reading:?}");
        }
    }
}

#[test]
fn escaped_slashes() {
    // PTH-12
    use Fit::{No, Yes};
    let unclear = Fit::Unclear(Doubt::EscapedSlash);
    #[rustfmt::skip]
    let cases = [
        // pattern, path, by default, where they are kept, whether it fits unescaped only
        (PathPattern::template("/projects/{id}"), "/projects/group%2Fproject", unclear, Yes,     false),
        (PathPattern::template("/projects/{id}"), "/projects/a%2fb%2fc",       unclear, Yes,     false),
        (PathPattern::template("/projects/{id}"), "/projects%2Fx",             unclear, unclear, true),
        (PathPattern::prefix("/projects"),        "/projects/a%2Fb",           unclear, Yes,     false),
        (PathPattern::prefix("/projects/a"),      "/projects/a%2Fb",           unclear, unclear, true),
        (PathPattern::prefix("/projects/A"),      "/projects/a%2Fb",           unclear, unclear, true),
        (PathPattern::prefix("/other"),           "/projects/a%2Fb",           No,      No,      false),
        (PathPattern::prefix("/"),                "/projects/a%2Fb",           unclear, Yes,     false),
        (PathPattern::exact("/a/b"),              "/a%2Fb",                    unclear, unclear, true),
    ];
    for (pattern, path, refuse, keep, unescaped_only) in cases {
        let (pattern, normal) =
            (pattern.unwrap(), NormalPath::read(path.as_bytes(), Reading::Refuse).unwrap());
        let kept = Spelling { keeps_escaped_slashes: true, ..Spelling::default() };
        assert_eq!(pattern.fits(&normal, Spelling::default()), refuse, "{pattern:?} {path}");
        assert_eq!(pattern.fits(&normal, kept), keep, "{pattern:?} {path}, kept");
        assert_eq!(pattern.fits_unescaped_only(&normal, kept), unescaped_only, "{pattern:?} {path}");
    }
    // What would take too long to tell may fit.
    let long = |length| {
        let path = format!("/a%2F{}", "b".repeat(length));
        NormalPath::read(path.as_bytes(), Reading::Refuse).unwrap()
    };
    let mut regex = PathPattern::regex("/other").unwrap();
    regex.one_of(8);
    let other = PathPattern::prefix("/other").unwrap();
    #[rustfmt::skip]
    let cases = [("a prefix", &other, 600, false), ("a prefix", &other, 3000, true), ("an expression", &regex, 300, false), ("an expression", &regex, 600, true)];
    for (name, pattern, length, want) in cases {
        assert_eq!(pattern.fits_unescaped_only(&long(length), Spelling::default()), want, "{name}: {length}");
    }
}

const AS_WRITTEN: Spelling =
    Spelling { case: Variation::Counts, final_slash: Variation::Counts, keeps_escaped_slashes: false };

#[test]
fn capitals_that_are_not_spelled_count_as_capitals() {
    // PTH-10: an upstream that ignores case reads the path as the rule means it.
    let path = NormalPath::parse(b"/ab/admin").unwrap();
    for expression in ["/[[:upper:]]{2}/admin", r"/\x41b/admin", "/[0-_]b/admin", "/AB/admin"] {
        let fit = PathPattern::regex(expression).unwrap().fits(&path, Spelling::default());
        assert!(!matches!(fit, Fit::No | Fit::Yes), "{expression}: {fit:?}");
    }
}
