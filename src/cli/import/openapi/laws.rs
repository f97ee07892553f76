//! What holds for every document: its rules read back the same, agree with it, and let nobody pass whom it refuses.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regex_lite::Regex;
use serde_json::{Value, json};
use tollgate_filter::policy::Policy;
use tollgate_filter::policy::rule::Access;
use tollgate_filter::request::head::RequestHead;
use tollgate_filter::request::path::NormalPath;

use super::{Document, Options, beside_a_provider, drift, import};
use crate::cli::import::yaml;

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
const WORDS: [&str; 10] = ["a", "b", "a:b", "ab", "a.b", "a-b", "caf%C3%A9", "A", "x", ""];

/// One operation: its path, its method, and `security` if it says something of it.
type Operation = (Vec<Segment>, &'static str, Option<Vec<Alternative>>);

/// A Security Requirement Object.
type Alternative = BTreeMap<&'static str, BTreeSet<String>>;

fn path() -> impl Strategy<Value = Vec<Segment>> {
    let is_last = |(text, _, rank): &Segment| *rank == 3 || text.is_empty() || text.contains(['?', '#']);
    prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 1..4).prop_map(move |mut path| {
        let end = path.iter().position(is_last).map_or(path.len(), |at| at.saturating_add(1));
        path.truncate(end);
        path
    })
}

fn security() -> impl Strategy<Value = Option<Vec<Alternative>>> {
    let scopes = prop::collection::btree_set("[a-c]", 0..3);
    let alternative = prop::collection::btree_map(prop::sample::select(vec!["o", "key"]), scopes, 0..2);
    prop::option::of(prop::collection::vec(alternative, 0..3))
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let method = prop::sample::select(vec!["get", "post"]);
    prop::collection::vec((path(), method, security()), 1..8)
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

/// Whether the filter lets a request pass.
fn passes(policy: &Policy, method: &str, path: &str, granted: Option<&BTreeSet<String>>) -> bool {
    let fields = [
        (b":method".to_vec(), method.as_bytes().to_vec()),
        (b":authority".to_vec(), b"api.example.com".to_vec()),
    ];
    let Ok(normal) = NormalPath::parse(path.as_bytes()) else { return false };
    let rule =
        policy.rules.iter().find(|rule| rule.matcher.matches(RequestHead::new(&fields), Some(&normal)));
    let (access, requires) = match rule {
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
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rules_agree_with_their_document(
        operations in operations(),
        general in security(),
        base in prop::sample::select(vec!["", "/v1", "/v1/a/"]),
        requests in prop::collection::vec(
            (prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..4), prop::option::of(prop::collection::btree_set("[a-c]", 0..4))),
            20,
        ),
    ) {
        let written = document(&operations, general.as_ref(), base);
        let document = Document::alone(&written.to_string());
        let options = Options::default();
        let imported = import(&document, &options, false).map_err(|failure| TestCaseError::fail(failure.to_string()))?;

        let printed = yaml::configuration(&imported.configuration);
        let read: Value = serde_saphyr::from_str(&printed).unwrap();
        prop_assert_eq!(&read, &imported.configuration, "{}", printed);

        let whole = beside_a_provider(&imported.configuration);
        prop_assert_eq!(drift(&whole, &document, &options), Vec::<String>::new(), "{}", printed);

        let policy = Policy::from_value(&whole, &|_| None).unwrap();
        let mut latest: BTreeMap<(String, &str), &Operation> = BTreeMap::new();
        for operation in &operations {
            latest.insert((text(&operation.0), operation.1), operation);
        }
        let base = base.trim_end_matches('/');
        for (words, granted) in &requests {
            let own = words.iter().fold(String::new(), |text, word| text + "/" + word);
            // Empty segments but the last are not there.
            let path = format!("{base}{own}");
            let Ok(normal) = NormalPath::parse(path.as_bytes()) else { continue };
            for (method, of) in [("GET", "get"), ("HEAD", "get"), ("POST", "post"), ("DELETE", "delete")] {
                let fits = |path: &[Segment]| {
                    let regex = path.iter().fold(base.to_owned(), |text, (_, regex, _)| text + "/" + regex);
                    Regex::new(&format!("^(?:{regex})$")).unwrap().is_match(normal.matched())
                };
                let matching: Vec<_> = latest.values().filter(|(path, own, _)| *own == of && fits(path)).collect();
                let said = |operation: &&&Operation| met(operation.2.as_ref().or(general.as_ref()), granted.as_ref());
                let passes = passes(&policy, method, &path, granted.as_ref());
                let closest: Vec<_> = matching
                    .iter()
                    .filter(|(path, ..)| !matching.iter().any(|(other, ..)| is_more_specific(other, path)))
                    .collect();
                let what = format!("{method} {path} with {granted:?}\n{written}\n{printed}");
                if passes {
                    prop_assert!(matching.iter().any(|(path, ..)| !is_cut(path)), "not in the document: {}", what);
                    prop_assert!(closest.iter().all(|operation| said(operation)), "laxer than the document: {}", what);
                }
                if let [only] = matching.as_slice() && !is_cut(&only.0) {
                    let alternatives = only.2.as_ref().or(general.as_ref()).map_or(0, Vec::len);
                    prop_assert!(alternatives > 1 || passes == said(only), "stricter than it need be: {}", what);
                }
            }
        }
    }
}
