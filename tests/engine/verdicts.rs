//! The pages about verdicts have every reason, with its status, and show what a client gets.

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tollgate_cases::driver::lines;
use tollgate_cases::page::{self, Page};
use tollgate_engine::decision::fault::{JwtFault, ProofFault, ReplyFault, StatusFault};
use tollgate_engine::decision::{BadAnswer, Doubt, NoAnswer, Rejection, Verdict};
use tollgate_engine::jose::jws::JwsFault;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::response::answer::Advertised;
use tollgate_engine::response::body::Wording;

#[test]
fn every_verdict_has_a_page_and_every_page_a_verdict() {
    let pages = page::of_the_book().into_iter().map(|page| page.name);
    let pages: BTreeSet<_> = pages.filter(|name| name.starts_with("docs/verdicts/")).collect();
    let verdicts = Verdict::ALL.map(|verdict| format!("docs/verdicts/{}.md", verdict.name()));
    assert_eq!(pages, BTreeSet::from(verdicts));
    let list = Page::read("docs/verdicts.md");
    for verdict in Verdict::ALL {
        let name = verdict.name();
        assert!(
            list.text.contains(&format!("[`{name}`](verdicts/{name}.md)")),
            "docs/verdicts.md lacks {name}"
        );
    }
}

#[test]
fn the_pages_have_every_reason_with_its_status() {
    let mut wrong = Vec::new();
    for verdict in Verdict::ALL {
        let reasons = all().into_iter().filter(|rejection| rejection.verdict() == verdict);
        let engine: BTreeSet<_> =
            reasons.map(|rejection| (reason(&rejection), Wording::of(&rejection).status)).collect();
        let page = page_of(verdict);
        let shown: BTreeSet<_> =
            rows(&page, "## Reasons").iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect();
        wrong.extend(engine.difference(&shown).map(|it| format!("{} lacks {it:?}", page.name)));
        wrong.extend(
            shown.difference(&engine).map(|it| format!("{} has {it:?}, and the engine does not", page.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_for_clients_has_every_error() {
    let engine = all().into_iter().map(|rejection| {
        let Wording { status, code, description, .. } = Wording::of(&rejection);
        vec![status.to_string(), format!("`{code}`"), description.to_owned()]
    });
    let page = Page::read("docs/verdicts.md");
    let shown = rows(&page, "## For developers of clients").into_iter().map(|row| row[..3].to_vec());
    assert_eq!(shown.collect::<BTreeSet<_>>(), engine.collect::<BTreeSet<_>>());
}

#[test]
fn the_rejections_shown_are_those_that_clients_get() {
    let config = json!({"responses": {"realm": "orders"}, "providers": {"main": {"introspection":
        {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}}}}});
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    for verdict in Verdict::ALL.into_iter().filter(|verdict| verdict.is_refusal()) {
        let page = page_of(verdict);
        let possible: Vec<_> = all()
            .iter()
            .filter(|rejection| rejection.verdict() == verdict)
            .map(|rejection| {
                let head = lines(&[(":method", "GET"), (":path", "/orders")]);
                let answer =
                    policy.responses.answer(rejection, &Advertised::default(), RequestHead::new(&head));
                let mut text = String::new();
                for (name, value) in &answer.headers {
                    writeln!(text, "{name}: {value}").unwrap();
                }
                (answer.status, text + "\n" + &answer.body + "\n")
            })
            .collect();
        let block = page.blocks("http").next().unwrap_or_else(|| panic!("{} shows no rejection", page.name));
        let (line, rest) = block.text.split_once('\n').unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(
            possible.contains(&(status, rest.to_owned())),
            "{}: no client gets this: {}\n{possible:#?}",
            page.name,
            block.text
        );
    }
}

#[test]
fn the_log_lines_shown_are_those_that_are_written() {
    for verdict in Verdict::ALL.into_iter().filter(|verdict| verdict.is_refusal()) {
        let page = page_of(verdict);
        let line = &page.blocks("text").next().unwrap().text;
        let start = format!("tollgate: {}: ", verdict.name());
        let shown =
            line.strip_prefix(&start).and_then(|rest| rest.rsplit_once(" (rule ")).map(|(reason, _)| reason);
        let shown = shown.unwrap_or_else(|| panic!("{}: {line}", page.name));
        let known = rows(&page, "## Reasons").into_iter().any(|row| {
            let (before, after) = row[0].split_once('…').unwrap_or((&row[0], ""));
            shown.starts_with(before) && (shown.ends_with(after))
        });
        assert!(known, "{}: the engine has no reason {shown:?}", page.name);
    }
}

#[test]
fn the_pages_name_the_metrics() {
    for verdict in Verdict::ALL {
        let (page, name) = (page_of(verdict), verdict.name());
        let counter = format!("`tollgate.verdict.{name}`");
        let metric = format!("`tollgate_requests_total{{verdict=\"{name}\"}}`");
        assert!(
            page.text.contains(&counter) && page.text.contains(&metric),
            "{}: {counter}, {metric}",
            page.name
        );
    }
}

#[test]
fn all_variants_are_here() {
    const REJECTION: &str = include_str!("../../src/engine/decision/rejection.rs");
    const FAULT: &str = include_str!("../../src/engine/decision/fault.rs");
    const DOUBT: &str = include_str!("../../src/engine/decision/doubt.rs");
    let debug = format!("{:?}", all());
    let words: BTreeSet<_> = debug.split(|c: char| !c.is_alphanumeric()).collect();
    for (source, name) in [
        (REJECTION, "Rejection"),
        (REJECTION, "NoAnswer"),
        (REJECTION, "BadAnswer"),
        (FAULT, "JwtFault"),
        (FAULT, "ProofFault"),
        (FAULT, "ReplyFault"),
        (DOUBT, "Doubt"),
    ] {
        let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
        let variants = body.split("\n}").next().unwrap().lines().filter_map(|line| line.strip_prefix("    "));
        for line in variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())) {
            let variant = line.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            assert!(words.contains(variant), "`all` below lacks {name}::{variant}");
        }
    }
}

fn page_of(verdict: Verdict) -> Page {
    Page::read(&format!("docs/verdicts/{}.md", verdict.name()))
}

/// The rows of the table below a heading.
fn rows(page: &Page, heading: &str) -> Vec<Vec<String>> {
    let Some((_, rest)) = page.text.split_once(&format!("{heading}\n")) else { return Vec::new() };
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    rows.skip(2).map(|row| row.split(" | ").map(str::to_owned).collect()).collect()
}

/// The reason as the pages have it: `…` stands for what differs.
fn reason(rejection: &Rejection) -> String {
    rejection.to_string().replace(&JwsFault::Parts.to_string(), "…").replace("599", "…").replace(SCOPE, "…")
}

/// Every rejection, with `…`, 599 or [`SCOPE`] for what differs.
fn all() -> Vec<Rejection> {
    use Rejection as R;
    let mut all = vec![
        R::NoToken,
        R::NoMetadata,
        R::AmbiguousPath,
        R::Malformed,
        R::Several,
        R::TlsRequired,
        R::FormTooLarge,
        R::FormMissing,
        R::TokenTooLong,
        R::NoProvider,
        R::Inactive,
        R::Revoked,
        R::Expired,
        R::NotYetValid,
        R::WrongIssuer,
        R::WrongAudience,
        R::NotAnAccessToken,
        R::Unproven,
        R::NonceWanted { nonce: "…".to_owned() },
        R::OtherKey,
        R::NotBound,
        R::NoCertificate,
        R::OtherCertificate,
        R::BindingWanted,
        R::ProofWanted,
        R::WeakAuthentication { acr_values: "phr".to_owned(), max_age: Some(300), scope: String::new() },
        R::ScopeMissing { needed: SCOPE.to_owned() },
        R::DetailMissing,
        R::Delegated,
        R::ClientNotListed,
        R::ClaimMismatch { claim: "…".to_owned() },
        R::Denied,
    ];
    all.extend(DOUBTS.map(R::Ambiguous));
    all.extend(JWT.map(|fault| R::BadJwt { fault }));
    all.extend(PROOF.map(R::BadProof));
    all.extend(NO_ANSWER.map(|cause| R::NoAnswer { cause, retry_after: None }));
    all.extend(BAD_ANSWER.map(|cause| R::BadAnswer { cause }));
    all.extend(SIGNED.map(|fault| R::BadAnswer { cause: BadAnswer::Signed(fault) }));
    all
}

/// The scope that is missing.
const SCOPE: &str = "orders:read";

const DOUBTS: [Doubt; 9] = [
    Doubt::Parameters,
    Doubt::EscapedSlash,
    Doubt::Spelling,
    Doubt::LongPath,
    Doubt::Method,
    Doubt::MethodOverride,
    Doubt::Host,
    Doubt::Authority,
    Doubt::Field,
];

const JWT: [JwtFault; 21] = [
    JwtFault::Jws(JwsFault::Parts),
    JwtFault::Algorithm,
    JwtFault::Typ,
    JwtFault::Nested,
    JwtFault::Claims,
    JwtFault::Claim("…"),
    JwtFault::Kind("…"),
    JwtFault::Early,
    JwtFault::TooOld,
    JwtFault::UnknownKey,
    JwtFault::Signature,
    JwtFault::Contradicted("…"),
    JwtFault::Revoked,
    JwtFault::Status(StatusFault::Missing),
    JwtFault::Status(StatusFault::Malformed),
    JwtFault::Status(StatusFault::Mechanism),
    JwtFault::Status(StatusFault::Elsewhere),
    JwtFault::Status(StatusFault::Index),
    JwtFault::Status(StatusFault::Invalid),
    JwtFault::Status(StatusFault::Suspended),
    JwtFault::Status(StatusFault::Other),
];

const PROOF: [ProofFault; 17] = [
    ProofFault::Missing,
    ProofFault::Several,
    ProofFault::TooLong,
    ProofFault::Malformed(JwsFault::Parts),
    ProofFault::Typ,
    ProofFault::Algorithm,
    ProofFault::Key,
    ProofFault::Size,
    ProofFault::Claim("all"),
    ProofFault::Claim("…"),
    ProofFault::Method,
    ProofFault::Target,
    ProofFault::Time,
    ProofFault::Token,
    ProofFault::Signature,
    ProofFault::Replayed,
    ProofFault::Forgotten,
];

const NO_ANSWER: [NoAnswer; 15] = [
    NoAnswer::Failed,
    NoAnswer::TimedOut(Duration::from_secs(599)),
    NoAnswer::NotDispatched,
    NoAnswer::Status(599),
    NoAnswer::Throttled,
    NoAnswer::BackingOff,
    NoAnswer::Crowded,
    NoAnswer::Unsigned,
    NoAnswer::TooManyStreams,
    NoAnswer::Replaced,
    NoAnswer::Overtaken,
    NoAnswer::NoClientList,
    NoAnswer::NoRevocations,
    NoAnswer::NoStatusList,
    NoAnswer::NoKeys,
];

const BAD_ANSWER: [BadAnswer; 14] = [
    BadAnswer::CredentialsRefused(599),
    BadAnswer::Redirect(599),
    BadAnswer::Status(599),
    BadAnswer::MediaType,
    BadAnswer::Coded("…"),
    BadAnswer::TooLong,
    BadAnswer::NotJson,
    BadAnswer::NotAnObject,
    BadAnswer::Active,
    BadAnswer::Timestamp,
    BadAnswer::Lifetime,
    BadAnswer::OtherToken,
    BadAnswer::Subject,
    BadAnswer::Elsewhere,
];

const SIGNED: [ReplyFault; 9] = [
    ReplyFault::Jws(JwsFault::Parts),
    ReplyFault::Typ,
    ReplyFault::Algorithm,
    ReplyFault::Signature,
    ReplyFault::Claims,
    ReplyFault::Issuer,
    ReplyFault::Audience,
    ReplyFault::Time,
    ReplyFault::Shape,
];
