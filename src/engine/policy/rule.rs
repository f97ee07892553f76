//! Rules: which requirement applies to which requests.

mod field;
pub mod fit;
mod host;
mod method;
mod path;
mod seen;

pub use self::field::{HeaderMatch, HeaderTest};
use self::fit::Fit;
pub use self::host::HostPattern;
pub(crate) use self::host::HostReading;
use self::path::is_below;
pub use self::path::{PathPattern, PatternError, Spelling, Variation};
pub use self::seen::Seen;
use crate::base::named::named;
use crate::decision::Doubt;
use crate::policy::Policy;
use crate::policy::requirement::Requirement;
use crate::request::head::RequestHead;
use crate::request::matching::Matching;
use crate::request::path::NormalPath;

/// One entry of `rules`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in logs and metrics; `rules[N]` if none was given.
    pub name: String,
    /// Which requests it is for.
    pub matcher: Matcher,
    /// What becomes of them.
    pub access: Access,
    /// Replaces the top-level requirement; `None`: that one applies.
    pub requires: Option<Requirement>,
    /// Query parameters that may carry a token, in addition to the general places.
    pub from_params: Vec<String>,
}

/// What becomes of a request that matches a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// It needs a valid token.
    Required,
    /// It needs a valid token or none.
    Optional,
    /// Tokens are not read.
    Anonymous,
    /// It is rejected.
    Deny,
}

named! { Access:
    Required = "required",
    Optional = "optional",
    Anonymous = "anonymous",
    Deny = "deny",
}

/// Everything that is given must match.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// On the normalised path, without the query.
    pub path: Option<PathPattern>,
    /// How spellings of a path are compared.
    pub spelling: Spelling,
    /// Methods, case-sensitive ([RFC 9110 §9.1]); empty: any.
    ///
    /// [RFC 9110 §9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
    pub methods: Vec<String>,
    /// Hosts; empty: any.
    pub hosts: Vec<HostPattern>,
    /// Header fields.
    pub headers: Vec<HeaderMatch>,
}

impl Access {
    /// Whether a request without a token may pass.
    fn grants(self) -> bool {
        matches!(self, Self::Optional | Self::Anonymous)
    }
}

impl Matcher {
    /// Whether some request below `prefix` may match, judged by its path alone.
    pub fn may_concern(&self, prefix: &PathPattern) -> bool {
        let folded = |start: String| match self.spelling.case {
            Variation::Ignored => start.to_ascii_lowercase(),
            Variation::Refused | Variation::Counts => start,
        };
        let Some(own) = self.path.as_ref().and_then(PathPattern::fixed_start).map(folded) else {
            return true;
        };
        let Some(other) = prefix.fixed_start().map(folded) else { return true };
        is_below(&own, &other) || !matches!(self.path, Some(PathPattern::Exact(_))) && is_below(&other, &own)
    }

    /// Whether every request below `prefix` fits that is sent to this URI's host.
    pub fn covers(&self, prefix: &PathPattern, uri: &str) -> bool {
        let all_paths = match (&self.path, prefix.fixed_start()) {
            (None, _) => true,
            (Some(PathPattern::Prefix(own)), Some(other)) => is_below(&other, own),
            _ => false,
        };
        let authority = uri.split('/').nth(2).unwrap_or_default().as_bytes();
        let is_host = self.hosts.is_empty() || self.hosts.iter().any(|host| host.may_fit(authority));
        all_paths && is_host && self.methods.is_empty() && self.headers.is_empty()
    }

    /// Whether the request matches, if that is certain. Cheap conditions are checked first.
    #[inline]
    pub fn fits(&self, seen: &Seen<'_>) -> Fit {
        self.fits_without_path(seen).and(|| match (&self.path, seen.path) {
            (Some(pattern), Some(path)) => pattern.fits(path, self.spelling),
            (Some(_), None) => Fit::No,
            (None, Some(path)) if path.has_escaped_slash() && !self.spelling.keeps_escaped_slashes => {
                Fit::Unclear(Doubt::EscapedSlash)
            }
            (None, _) => Fit::Yes,
        })
    }

    /// Whether the request may fit where the slashes of its path are unescaped, and only there.
    #[inline]
    pub(super) fn may_fit_unescaped_only(&self, seen: &Seen<'_>) -> bool {
        let (Some(pattern), Some(path)) = (&self.path, seen.path) else { return false };
        self.fits_without_path(seen) != Fit::No && pattern.fits_unescaped_only(path, self.spelling)
    }

    /// Whether the request fits in every reading. `path` is `None` where the request has none (CONNECT,
    /// `OPTIONS *`).
    #[inline]
    pub fn matches(&self, head: RequestHead<'_>, path: Option<&NormalPath>) -> bool {
        self.fits(&Seen::new(head, path, Matching::default())) == Fit::Yes
    }

    #[inline]
    fn fits_without_path(&self, seen: &Seen<'_>) -> Fit {
        let method = if self.methods.is_empty() { Fit::Yes } else { seen.method().fits(&self.methods) };
        let host = || match seen.authority() {
            _ if self.hosts.is_empty() => Fit::Yes,
            Some(authority) => authority.fits(&self.hosts),
            None => Fit::Unclear(Doubt::Authority),
        };
        let fields = || self.headers.iter().fold(Fit::Yes, |fit, header| fit.and(|| header.fits(seen.head)));
        method.and(host).and(fields)
    }
}

/// The rules that a request falls under, by their number; `None`: what holds where no rule matches.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ruling {
    /// The one that says what becomes of it.
    pub rule: Option<usize>,
    /// The rules of other readings: the token has to satisfy these as well.
    pub others: Vec<Option<usize>>,
}

impl Policy {
    /// The rules that apply to a request. A rule that grants access applies only if every reading of the
    /// request matches. A rule that requires something applies if any reading matches; then what would apply
    /// without it is required as well. A request that cannot be compared is rejected.
    #[inline]
    pub fn rule_of(&self, seen: &Seen<'_>) -> Result<Ruling, Doubt> {
        let mut perhaps = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            match rule.matcher.fits(seen) {
                Fit::No => {}
                Fit::Unclear(doubt) if rule.access.grants() && doubt.is_of_a_condition() => {}
                Fit::Unclear(Doubt::Host | Doubt::Spelling) => perhaps.push(at),
                Fit::Unclear(doubt) => return Err(doubt),
                Fit::Yes => return self.only(at, seen).map(|rule| self.ruling(&perhaps, rule)),
            }
        }
        let has_escaped_slash = seen.path.is_some_and(NormalPath::has_escaped_slash);
        if has_escaped_slash { Err(Doubt::EscapedSlash) } else { Ok(self.ruling(&perhaps, None)) }
    }

    /// The ruling from rules that apply only in some readings (`perhaps`), and the rule that applies in the
    /// others.
    #[inline]
    fn ruling(&self, perhaps: &[usize], surely: Option<usize>) -> Ruling {
        let access = |rule: Option<usize>| {
            rule.and_then(|at| self.rules.get(at)).map_or(Access::Required, |rule| rule.access)
        };
        let mut all: Vec<_> = perhaps.iter().copied().map(Some).collect();
        if access(surely) != Access::Anonymous || all.is_empty() {
            all.push(surely);
        }
        let deny = all.iter().position(|rule| access(*rule) == Access::Deny);
        let rule = all.swap_remove(deny.unwrap_or_default());
        Ruling { rule, others: all }
    }

    /// Whether an escaped slash keeps the request from no later rule. It keeps it from no earlier one.
    fn only(&self, at: usize, seen: &Seen<'_>) -> Result<Option<usize>, Doubt> {
        let has_escaped_slash = seen.path.is_some_and(NormalPath::has_escaped_slash);
        let mut later = self.rules.iter().skip(at).filter(|_| has_escaped_slash);
        if later.any(|rule| rule.matcher.may_fit_unescaped_only(seen)) {
            return Err(Doubt::EscapedSlash);
        }
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMatch, HeaderTest, HostPattern, Matcher, PathPattern, Seen, Spelling};
    use crate::decision::Doubt;
    use crate::policy::rule::fit::Fit;
    use crate::request::head::RequestHead;
    use crate::request::matching::{Matching, Reading};
    use crate::request::path::NormalPath;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn all_conditions_of_a_rule_hold_together() {
        // PTH-07, ATK-107
        let matcher = Matcher {
            methods: vec!["GET".to_owned()],
            headers: vec![HeaderMatch {
                name: "x-tier".to_owned(),
                test: HeaderTest::Exact("gold".to_owned()),
            }],
            ..Matcher::default()
        };
        let fits = |method: &str, tiers: &[&str]| {
            let mut fields = vec![(b":method".to_vec(), method.as_bytes().to_vec())];
            fields.extend(tiers.iter().map(|tier| (b"x-tier".to_vec(), tier.as_bytes().to_vec())));
            matcher.matches(RequestHead::new(&fields), None)
        };
        assert!(fits("GET", &["gold"]));
        for method in ["get", "TRACE", "PROPFIND", "GETT", "", &"G".repeat(100)] {
            assert!(!fits(method, &["gold"]), "{method}");
        }
        assert!(!fits("GET", &["silver"]));
        assert!(!fits("GET", &["gold", "gold"]));
        assert!(!fits("GET", &[]));
    }

    #[test]
    fn a_request_without_a_path_fits_no_path() {
        // HTT-16
        let everything = Matcher { path: Some(PathPattern::prefix("/").unwrap()), ..Matcher::default() };
        let head = RequestHead::new(&[]);
        assert!(!everything.matches(head, None));
        assert!(everything.matches(head, Some(&NormalPath::parse(b"/").unwrap())));
        assert!(Matcher::default().matches(head, None));
    }

    #[test]
    fn a_rule_without_a_path_says_whether_slashes_may_be_escaped() {
        // PTH-12
        let normal = NormalPath::read(b"/a%2Fb", Reading::Refuse).unwrap();
        let seen = Seen::new(RequestHead::new(&[]), Some(&normal), Matching::default());
        let everything = |keeps_escaped_slashes| Matcher {
            spelling: Spelling { keeps_escaped_slashes, ..Spelling::default() },
            ..Matcher::default()
        };
        assert_eq!(everything(false).fits(&seen), Fit::Unclear(Doubt::EscapedSlash));
        assert_eq!(everything(true).fits(&seen), Fit::Yes);
    }

    #[test]
    fn a_condition_that_fails_for_sure_settles_what_is_unclear() {
        let matcher = Matcher {
            path: Some(PathPattern::prefix("/admin").unwrap()),
            methods: vec!["DELETE".to_owned()],
            hosts: vec![HostPattern::parse("a.example").unwrap()],
            ..Matcher::default()
        };
        #[rustfmt::skip]
        let cases = [
            ("DELETE", "a.example",    "/admin",  Fit::Yes),
            ("delete", "a.example",    "/admin",  Fit::Unclear(Doubt::Method)),
            ("delete", "b.example",    "/admin",  Fit::No),
            ("delete", "a.example",    "/public", Fit::No),
            ("DELETE", "a.example:80", "/admin",  Fit::Unclear(Doubt::Host)),
            ("GET",    "a.example:80", "/ADMIN",  Fit::No),
            ("DELETE", "a.example,",   "/public", Fit::No),
            ("DELETE", "a.example",    "/ADMIN",  Fit::Unclear(Doubt::Spelling)),
        ];
        for (method, authority, path, want) in cases {
            let fields = [(":method", method), (":authority", authority), (":path", path)]
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            let normal = NormalPath::parse(path.as_bytes()).unwrap();
            let seen = Seen::new(RequestHead::new(&fields), Some(&normal), Matching::default());
            assert_eq!(matcher.fits(&seen), want, "{method} {authority} {path}");
        }
    }
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod laws {
    use super::{Access, HostPattern, Matcher, PathPattern, Rule, Ruling, Seen, Spelling, Variation};
    use crate::policy::Policy;
    use crate::request::head::RequestHead;
    use crate::request::matching::{Matching, Reading};
    use crate::request::path::NormalPath;
    use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
    use proptest::{collection, option, sample};

    /// How another reader may read a request.
    #[derive(Debug)]
    struct Other<'a> {
        method: &'a str,
        host: &'a str,
        path: &'a str,
        any_case: bool,
        any_final_slash: bool,
    }

    fn is_meant(matcher: &Matcher, other: &Other<'_>) -> bool {
        let methods = &matcher.methods;
        let is_method = methods.is_empty() || methods.iter().any(|one| one == other.method);
        let (name, port) = match other.host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (other.host, None),
        };
        let is_host = matcher.hosts.is_empty() || matcher.hosts.iter().any(|one| one.is((name, port)));
        let Some(pattern) = &matcher.path else { return is_method && is_host };
        let any_case = match matcher.spelling.case {
            Variation::Counts => false,
            Variation::Ignored => true,
            Variation::Refused => other.any_case,
        };
        let any_final_slash = match matcher.spelling.final_slash {
            Variation::Counts => false,
            Variation::Ignored => true,
            Variation::Refused => {
                other.any_final_slash && matches!(pattern, PathPattern::Exact(_) | PathPattern::Template(_))
            }
        };
        let without = other.path.trim_end_matches('/');
        let with = format!("{without}/");
        let is = |path: &str| !path.is_empty() && pattern.is_start_of(path, any_case);
        let is_path = is(other.path) || any_final_slash && (is(without) || is(&with));
        is_method && is_host && is_path
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let text = || sample::select(vec!["/", "/a", "/A", "/a/", "/a/b", "/a/B/", "/b"]);
        let path = prop_oneof![
            text().prop_map(|text| PathPattern::exact(text).unwrap()),
            text().prop_map(|text| PathPattern::prefix(text).unwrap()),
            sample::select(vec!["/{x}", "/a/{x}", "/A/{x}/", "/a/{x=**}"])
                .prop_map(|text| PathPattern::template(text).unwrap()),
            sample::select(vec!["/a/.*", "/[ab]", "/A/", "/.*b"])
                .prop_map(|text| PathPattern::regex(text).unwrap()),
        ];
        let variation = || {
            sample::select(vec![
                Variation::Refused,
                Variation::Refused,
                Variation::Ignored,
                Variation::Counts,
            ])
        };
        let spelling = (variation(), variation()).prop_map(|(case, final_slash)| Spelling {
            case,
            final_slash,
            keeps_escaped_slashes: false,
        });
        let hosts = sample::subsequence(vec!["h", "*.h", "h:1", "i"], 0..2)
            .prop_map(|all| all.into_iter().map(|one| HostPattern::parse(one).unwrap()).collect());
        let methods = sample::subsequence(vec!["GET", "POST", "PUT"], 0..2)
            .prop_map(|all| all.into_iter().map(str::to_owned).collect());
        let access =
            sample::select(vec![Access::Required, Access::Optional, Access::Anonymous, Access::Deny]);
        let rule = (option::of(path), spelling, methods, hosts, access);
        let rule = rule.prop_map(|(path, spelling, methods, hosts, access)| Rule {
            name: String::new(),
            matcher: Matcher { path, spelling, methods, hosts, headers: Vec::new() },
            access,
            requires: None,
            from_params: Vec::new(),
        });
        collection::vec(rule, 1..5)
    }

    proptest! {
        // PTH-10, PTH-11, PTH-14, PTH-18
        #[test]
        fn whoever_reads_otherwise_gets_no_milder_rule(
            rules in rules(),
            path in sample::select(vec!["/", "/a", "/A", "/a/", "/A/b", "/a/B/", "/a/b/", "/a;x", "/;x/A/", "/a/b;/c", "/b", "/b/a", "/%61/b"]),
            authority in sample::select(vec!["h", "h:1", "h:2", "H.", "x.h", "x.h.:1", "i", "i:1", "j", "h,"]),
            (method, overridden) in (sample::select(vec!["GET", "POST"]), prop_oneof![Just(""), Just("PUT"), Just("GET")]),
        ) {
            let mut policy = Policy::bare();
            policy.rules = rules;
            let fields = [(":method", method), (":authority", authority), (":path", path), ("x-http-method", overridden)]
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            let normal = NormalPath::read(path.as_bytes(), Reading::Refuse).unwrap();
            let ruling = policy.rule_of(&Seen::new(RequestHead::new(&fields), Some(&normal), Matching::default()));
            let Ok(Ruling { rule, others }) = ruling else { return Ok(()) };
            let access = |rule: Option<usize>| rule.map_or(Access::Required, |at| policy.rules[at].access);
            let name = authority.to_ascii_lowercase();
            let no_port = name.split(':').next().unwrap();
            let no_dot = name.replace('.', if name.ends_with('.') || name.contains(".:") { "" } else { "." });
            let plain = no_port.strip_suffix('.').unwrap_or(no_port);
            for method in [method, overridden].into_iter().filter(|one| !one.is_empty()) {
                for host in [&*name, no_port, &*no_dot, plain] {
                    for path in normal.readings() {
                        for (any_case, any_final_slash) in [(false, false), (false, true), (true, false), (true, true)] {
                            let other = Other { method, host, path, any_case, any_final_slash };
                            let meant = policy.rules.iter().position(|rule| is_meant(&rule.matcher, &other));
                            let is_enforced = match access(meant) {
                                Access::Deny => access(rule) == Access::Deny,
                                Access::Required => {
                                    access(rule) == Access::Deny
                                        || access(rule) == Access::Required && (rule == meant || others.contains(&meant))
                                }
                                Access::Optional | Access::Anonymous => true,
                            };
                            prop_assert!(is_enforced, "{rule:?} {others:?}, but {meant:?} for {other:?}");
                        }
                    }
                }
            }
        }
    }
}
