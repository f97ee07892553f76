//! What the prose shows works: configurations load, commands exist, links lead somewhere.
//!
//! A fenced block with the info string `yaml tollgate` is a whole configuration of Tollgate, and must load.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::page::{self, Page};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Verdict;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::policy::Policy;
use tollgate_engine::worker::counts::Metric;

#[test]
fn every_configuration_in_the_prose_loads() {
    let mut seen = BTreeSet::new();
    for page in pages() {
        for block in page.blocks("yaml tollgate") {
            let place = format!("{}:{}", page.name, block.line);
            if let Err(fault) = load(&block.text) {
                panic!("{place}: {fault}");
            }
            seen.insert(page.name.clone());
        }
    }
    assert!(seen.contains("README.md") && seen.contains("docs/threat-model.md"), "only {seen:?} have any");
}

#[test]
fn every_yaml_block_is_yaml() {
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.info.split(' ').next() == Some("yaml")) {
            let read: Result<serde_json::Value, _> = serde_saphyr::from_str(&block.text);
            assert!(read.is_ok(), "{}:{}: {}", page.name, block.line, read.unwrap_err());
        }
    }
}

#[test]
fn the_refusal_that_the_readme_shows_is_the_one_that_a_client_gets() {
    let readme = page("README.md");
    let with_rules = readme.blocks("yaml tollgate").nth(1).expect("the configuration with rules");
    let policy = load(&with_rules.text).unwrap();
    let ports = Ports::new([1, 2], &Portable);
    let request = lines(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "api.example.com"),
        (":path", "/orders"),
        ("authorization", "Bearer good"),
    ]);
    let reply = r#"{"active":true,"scope":"profile","aud":"https://api.example.com"}"#;
    let mut driver = Driver::new(policy, ports, UnixTime::from_secs(1_800_000_000));
    let answer = driver.decide(request, None, |_| reply.to_owned()).answer.expect("a refusal");

    let mut shown = format!("HTTP/1.1 {} Forbidden\n", answer.status);
    for (name, value) in &answer.headers {
        writeln!(shown, "{name}: {value}").unwrap();
    }
    writeln!(shown, "\n{}", answer.body).unwrap();
    assert_eq!(readme.blocks("http").next().expect("a refusal").text, shown);
}

#[test]
fn every_verdict_is_explained() {
    for name in ["README.md", "docs/operations.md"] {
        let text = page(name).text;
        for verdict in Verdict::ALL {
            assert!(
                text.contains(&format!("`{}`", verdict.name())),
                "{name} says nothing of {}",
                verdict.name()
            );
        }
    }
}

#[test]
fn every_counter_is_explained() {
    let text = page("docs/operations.md").text;
    for counter in Metric::ALL {
        let name = format!("| `tollgate.{}` |", counter.name());
        assert!(text.contains(&name), "the table of counters in docs/operations.md has no {name}");
    }
}

#[test]
fn every_make_target_in_the_prose_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.contains(": ") && line.contains("## ") && !line.starts_with(['\t', '#']))
        .filter_map(|line| line.split(':').next())
        .collect();
    assert!(targets.contains("test"), "no targets in the Makefile");
    for page in pages() {
        for target in page.commands().filter_map(|command| command.strip_prefix("make ")) {
            let target = target.split_whitespace().next().unwrap_or_default();
            assert!(targets.contains(target), "{}: `make {target}` is not in the Makefile", page.name);
        }
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    for page in pages() {
        for link in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(p, a)| (p, Some(a)));
            let here = root().join(&page.name);
            let target =
                if path.is_empty() { here.clone() } else { here.parent().expect("a directory").join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.name);
            let is_of_the_book = page.name.starts_with("docs/");
            assert!(target.is_file() || !is_of_the_book, "{}: {link}: a book has no directories", page.name);
            if let Some(anchor) = anchor {
                let text = std::fs::read_to_string(&target).unwrap();
                let known = Page::new(link.clone(), text).anchors();
                assert!(
                    known.contains(anchor),
                    "{}: {link}: no such heading; there are {known:?}",
                    page.name
                );
            }
        }
    }
}

/// Every page of prose.
fn pages() -> Vec<Page> {
    let besides = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "envoy/README.md"];
    besides.into_iter().map(page).chain(page::of_the_book()).collect()
}

fn page(name: &str) -> Page {
    Page::read(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> PathBuf {
    Path::new(crate::ROOT).to_owned()
}

fn load(yaml: &str) -> Result<Policy, String> {
    let value: serde_json::Value = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    let some = |name: &str| {
        let is_key = name.ends_with("_KEY");
        Some(if is_key { include_str!("../keys/p256.pem") } else { "a-secret" }.to_owned())
    };
    tollgate_config::policy_of(&value, &some)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}
