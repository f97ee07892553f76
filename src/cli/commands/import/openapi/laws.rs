//! Properties of every document: its rules are read back the same, agree with it, and allow no request that it rejects.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regex_lite::Regex;
use serde_json::{Value, json};
use tollgate_engine::policy::Policy;
use tollgate_engine::policy::rule::{Access, Seen};
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::request::path::NormalPath;

use super::{beside_a_provider, import};
use crate::kit::openapi::{Document, Options, drift};
use crate::kit::yaml;

/// A segment as a document writes it, what of a request's path it is for, and how general it is.
type Segment = (&'static str, &'static str, u8);

/// Text, mixtures, variables and the rest of a path; queries and fragments at the end.
const SEGMENTS: [Segment; 17] = [
    ("a", "a", 0),
    ("b", "b", 0),
    ("a:b", "a:b", 0),
    ("caf\u{e9}", "caf%C3%A9", 0),
    ("%41", "A", 0),
    ("", "", 0),
    ("a{z}", "a[^/]+", 1),
    ("{n}.b", "[^/]+\\.b", 1),
    ("{u}-{v}", "[^/]+-[^/]+", 1),
    ("{x}", "[^/]+", 2),
    ("{order-id}", "[^/]+", 2),
    ("{id:[a-z]{1,2}}", "[^/]+", 2),
    ("{p+}", "[^/]+(?:/.*)?", 3),
    ("{*q}", "[^/]+(?:/.*)?", 3),
    ("a?b=c", "a", 0),
    ("{x}#f", "[^/]+", 2),
    ("b{?q}", "b", 0),
];

/// What segments of requests are.
const WORDS: [&str; 11] = ["a", "b", "a:b", "ab", "a.b", "a-b", "a-.b", "caf%C3%A9", "A", "x", ""];

/// One operation: its path, its method, and `security` if it says something of it.
type Operation = (Vec<Segment>, &'static str, Option<Vec<Alternative>>);

/// A request: the segments of its path, and the scopes of its token if it has one.
type Request = (Vec<&'static str>, Option<BTreeSet<String>>);

/// A Security Requirement Object.
type Alternative = BTreeMap<&'static str, BTreeSet<String>>;

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..4)
}

/// A path that matches a request for these segments, or may, so that paths meet.
fn path(words: &[&'static str]) -> impl Strategy<Value = Vec<Segment>> + use<> {
    let is_last = |(text, _, rank): &Segment| *rank == 3 || text.is_empty() || text.contains(['?', '#']);
    let one = |word: &&str| {
        let fits = |(_, regex, _): &Segment| Regex::new(&format!("^(?:{regex})$")).unwrap().is_match(word);
        let fitting: Vec<_> = SEGMENTS.into_iter().filter(fits).collect();
        let mixtures = fitting.iter().copied().filter(|(.., rank)| *rank == 1);
        // Often, for it takes two of them to meet.
        let fitting = mixtures.cycle().take(6).chain(fitting.iter().copied()).collect::<Vec<_>>();
        prop_oneof![4 => prop::sample::select(fitting), 1 => prop::sample::select(SEGMENTS.to_vec())]
    };
    words.iter().map(one).collect::<Vec<_>>().prop_map(move |mut path| {
        let end = path.iter().position(is_last).map_or(path.len(), |at| at.saturating_add(1));
        path.truncate(end);
        path
    })
}

fn security() -> impl Strategy<Value = Option<Vec<Alternative>>> {
    let scopes = prop::collection::btree_set("[a-c]", 0..3);
    let schemes = prop_oneof![4 => Just("o"), 1 => Just("key")];
    let alternative = prop_oneof![
        1 => Just(Alternative::new()),
        6 => prop::collection::btree_map(schemes, scopes, 1..3),
    ];
    prop::option::of(prop::collection::vec(alternative, 0..3))
}

/// Operations that have requests in common, and requests.
fn operations_and_requests() -> impl Strategy<Value = (Vec<Operation>, Vec<Request>)> {
    words().prop_flat_map(|common| {
        let method = prop::sample::select(vec!["get", "post"]);
        let path = prop_oneof![4 => path(&common), 1 => words().prop_flat_map(|words| path(&words))];
        let granted = prop::option::of(prop::collection::btree_set("[a-c]", 0..4));
        let words = prop_oneof![Just(common), words()];
        (prop::collection::vec((path, method, security()), 1..8), prop::collection::vec((words, granted), 20))
    })
}

fn text(path: &[Segment]) -> String {
    path.iter().fold(String::new(), |text, (part, ..)| text + "/" + part)
}

fn is_cut(path: &[Segment]) -> bool {
    path.iter().any(|(text, ..)| text.contains(['?', '#']))
}

/// One operation for each path and method: the last.
fn document(operations: &[Operation], general: Option<&Vec<Alternative>>, base: &str) -> Value {
    let mut document = json!({
        "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
        "components": {"securitySchemes": {"o": {"type": "oauth2"}, "key": {"type": "apiKey"}}},
        "servers": [{"url": format!("https://api.example.com{base}")}],
        "paths": {},
    });
    if let Some(general) = general {
        document["security"] = json!(general);
    }
    for (path, method, security) in operations {
        let mut operation = json!({"operationId": "unlisted"});
        if let Some(security) = security {
            operation["security"] = json!(security);
        }
        document["paths"][text(path)][*method] = operation;
    }
    document
}

/// Whether what the document says is met.
fn met(security: Option<&Vec<Alternative>>, granted: Option<&BTreeSet<String>>) -> bool {
    let Some(security) = security else { return granted.is_some() };
    let one = |schemes: &Alternative| {
        schemes
            .iter()
            .all(|(name, scopes)| *name == "o" && granted.is_some_and(|granted| scopes.is_subset(granted)))
    };
    security.is_empty() || security.iter().any(one)
}

/// Whether the path of one operation is plainly more specific than another's, which matches the same request.
fn is_more_specific(path: &[Segment], other: &[Segment]) -> bool {
    let mut less = false;
    for (i, (_, regex, rank)) in path.iter().enumerate() {
        let Some((_, other_regex, other_rank)) = other.get(i) else { return false };
        if regex == other_regex {
            continue;
        }
        if rank >= other_rank {
            return false;
        }
        less = true;
        if *other_rank == 3 {
            break;
        }
    }
    less
}

/// An operation, and the requests that fit its path: as they are written, and in any letter case or with another
/// final slash, for which the filter takes both readings.
struct Fitting<'o> {
    operation: &'o Operation,
    exactly: Regex,
    nearly: Regex,
}

impl<'o> Fitting<'o> {
    fn new(operation: &'o Operation, base: &str) -> Self {
        let regex = operation.0.iter().fold(base.to_owned(), |text, (_, regex, _)| text + "/" + regex);
        Self {
            operation,
            exactly: Regex::new(&format!("^(?:{regex})$")).unwrap(),
            nearly: Regex::new(&format!("(?i)^(?:{})/?$", regex.trim_end_matches('/'))).unwrap(),
        }
    }
}

/// Whether the filter lets a request pass.
fn passes(policy: &Policy, method: &str, path: &NormalPath, granted: Option<&BTreeSet<String>>) -> bool {
    let fields = [
        (b":method".to_vec(), method.as_bytes().to_vec()),
        (b":authority".to_vec(), b"api.example.com".to_vec()),
    ];
    let seen = Seen::new(RequestHead::new(&fields), Some(path), policy.matching);
    let Ok(ruling) = policy.rule_of(&seen) else { return false };
    let passes = |at: Option<usize>| {
        let (access, requires) = match at.map(|at| &policy.rules[at]) {
            Some(rule) => (rule.access, rule.requires.as_ref().unwrap_or(&policy.requires)),
            None => (Access::Required, &policy.requires),
        };
        match access {
            Access::Anonymous | Access::Optional => true,
            Access::Deny => false,
            Access::Required => granted.is_some_and(|granted| {
                requires.scopes.is_met_by(&granted.iter().map(String::as_str).collect::<Vec<_>>())
            }),
        }
    };
    passes(ruling.rule) && ruling.others.into_iter().all(passes)
}

/// Whether some remark names the path of the operation, or so many that it may be among them.
fn is_remarked(remarks: &[String], base: &str, path: &[Segment]) -> bool {
    let own = text(path);
    let names = |word: &str| {
        let word = word.trim_end_matches([',', ':', ';']);
        word == own || word.strip_prefix(base) == Some(&own)
    };
    // What is said of each such operation, whatever its rule demands.
    let is_general = |remark: &&String| {
        ["says nothing about security", "is treated as"].iter().any(|general| remark.contains(general))
    };
    let mut remarks = remarks.iter().filter(|remark| !is_general(remark));
    remarks.any(|remark| remark.split(' ').any(names) || remark.contains(" more: "))
}

proptest! {
    // As many cases as `PROPTEST_CASES` says, or 256.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_agree_with_their_document(
        (operations, requests) in operations_and_requests(),
        general in security(),
        base in prop::sample::select(vec!["", "/v1", "/v1/a/"]),
    ) {
        holds(&operations, general.as_ref(), base, &requests)?;
    }
}

/// What the law has found to be wrong or in need of a word.
#[test]
fn documents_that_were_found() {
    let segment = |text: &str| SEGMENTS.into_iter().find(|(known, ..)| *known == text).unwrap();
    let path = |text: &str| text.split('/').skip(1).map(segment).collect::<Vec<_>>();
    let token = || Some(vec![Alternative::from([("o", BTreeSet::new())])]);
    let scope = |scope: &str| Some(vec![Alternative::from([("o", BTreeSet::from([scope.to_owned()]))])]);
    let scopes =
        |scopes: &[&str]| Some(scopes.iter().flat_map(|one| scope(one).unwrap()).collect::<Vec<_>>());
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<Operation>, Option<Vec<Alternative>>, &str)> = vec![
        ("a mixture may meet a path that is closed for its fragment", vec![(path("/a{z}/a:b"), "get", None), (path("/{u}-{v}/{x}#f"), "get", None)], None, "/a:b/a:b"),
        ("a mixture that is open may meet one that is not", vec![(path("/a{z}"), "get", None), (path("/{n}.b"), "get", token())], Some(Vec::new()), "/a:b"),
        ("three mixtures, of which two differ", vec![(path("/a{z}"), "get", scope("a")), (path("/{n}.b"), "get", scope("a")), (path("/{u}-{v}"), "get", scope("b"))], None, "/a:b"),
        ("mixtures in two segments", vec![(path("/a{z}/{n}.b"), "get", token()), (path("/{u}-{v}/a{z}"), "get", scope("c"))], None, "/a:b/a.b"),
        ("scopes that no rule can demand together", vec![(path("/a{z}"), "post", scopes(&["a", "b"])), (path("/{n}.b"), "post", scopes(&["b", "c"]))], None, "/a.b"),
        ("a mixture and the rest of a path", vec![(path("/a{z}/{p+}"), "get", token()), (path("/{u}-{v}/{x}"), "get", Some(Vec::new()))], None, "/a-b/x"),
        ("the same shape under two names", vec![(path("/a{z}/{x}"), "get", token()), (path("/a{z}/{order-id}"), "post", token()), (path("/{n}.b/{x}"), "post", scope("a"))], None, "/a:b/x"),
        ("a remark names the operation that it is about, and not another of the same shape", vec![(path("/a{z}/{*q}"), "get", token()), (path("/a{z}/{p+}"), "post", Some(Vec::new())), (path("/{n}.b/a{z}"), "post", token())], None, "/a:b/A"),
        ("the same, with an expression", vec![(path("/{order-id}/a{z}"), "get", token()), (path("/{x}/a{z}"), "post", token()), (path("/{id:[a-z]{1,2}}/{n}.b"), "get", scope("a")), (path("/{x}/{n}.b"), "post", scope("b"))], None, "/A/a:b"),
        ("another letter case is another operation", vec![(path("/a"), "get", scope("a")), (path("/%41"), "get", token())], None, "/A"),
    ];
    for (name, operations, general, request) in cases {
        let words: Vec<_> = request
            .split('/')
            .skip(1)
            .map(|word| WORDS.into_iter().find(|known| *known == word).unwrap())
            .collect();
        let granted = [None, Some(""), Some("a"), Some("b"), Some("c"), Some("abc")]
            .map(|scopes| scopes.map(|scopes| scopes.chars().map(String::from).collect()));
        let requests: Vec<_> = granted.into_iter().map(|granted| (words.clone(), granted)).collect();
        for base in ["", "/v1"] {
            holds(&operations, general.as_ref(), base, &requests)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

fn holds(
    operations: &[Operation],
    general: Option<&Vec<Alternative>>,
    base: &str,
    requests: &[Request],
) -> Result<(), TestCaseError> {
    let written = document(operations, general, base);
    let document = Document::alone(&written.to_string());
    let options = Options::default();
    let imported =
        import(&document, &options, false).map_err(|failure| TestCaseError::fail(failure.to_string()))?;

    let printed = yaml::configuration(&imported.configuration);
    let read: Value = serde_saphyr::from_str(&printed).unwrap();
    prop_assert_eq!(&read, &imported.configuration, "{}", printed);

    let whole = beside_a_provider(&imported.configuration);
    prop_assert_eq!(drift(&whole, &document, &options), Vec::<String>::new(), "{}", printed);

    let policy = tollgate_config::policy_of(&whole, &|_| None).unwrap();
    let base = base.trim_end_matches('/');
    let mut latest: BTreeMap<(String, &str), Fitting<'_>> = BTreeMap::new();
    for operation in operations {
        latest.insert((text(&operation.0), operation.1), Fitting::new(operation, base));
    }
    for (words, granted) in requests {
        // Empty segments but the last are not there.
        let path = words.iter().fold(base.to_owned(), |text, word| text + "/" + word);
        let Ok(normal) = NormalPath::parse(path.as_bytes()) else { continue };
        for (method, of) in [("GET", "get"), ("HEAD", "get"), ("POST", "post"), ("DELETE", "delete")] {
            let of_method = || latest.values().filter(|fitting| fitting.operation.1 == of);
            let matching: Vec<_> = of_method()
                .filter(|fitting| fitting.exactly.is_match(normal.matched()))
                .map(|fitting| fitting.operation)
                .collect();
            let near = of_method().filter(|fitting| fitting.nearly.is_match(normal.matched())).count();
            let said = |operation: &Operation| met(operation.2.as_ref().or(general), granted.as_ref());
            let passes = passes(&policy, method, &normal, granted.as_ref());
            let what =
                || format!("{method} {path} with {granted:?}\n{written}\n{printed}\n{:#?}", imported.remarks);
            if passes {
                let mut closest = matching
                    .iter()
                    .filter(|(path, ..)| !matching.iter().any(|(other, ..)| is_more_specific(other, path)));
                prop_assert!(
                    matching.iter().any(|(path, ..)| !is_cut(path)),
                    "not in the document: {}",
                    what()
                );
                prop_assert!(closest.all(|operation| said(operation)), "laxer than the document: {}", what());
            } else if near == matching.len()
                && !matching.is_empty()
                && matching.iter().all(|operation| said(operation))
            {
                let is_remarked =
                    matching.iter().any(|(path, ..)| is_remarked(&imported.remarks, base, path));
                prop_assert!(is_remarked, "stricter, and nothing says so: {}", what());
            }
        }
    }
    Ok(())
}
