//! The book of `docs/`: every page is in it once, and the pages about verdicts say what the engine does.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::collections::BTreeSet;

use tollgate_cases::page::{self, Page};

#[test]
fn the_summary_has_every_page_once() {
    let links = Page::read("docs/SUMMARY.md").links();
    let listed: BTreeSet<_> = links.iter().filter(|link| !link.starts_with("../")).cloned().collect();
    assert_eq!(
        listed.len(),
        links.iter().filter(|link| !link.starts_with("../")).count(),
        "a page is there twice"
    );
    let pages = page::of_the_book().into_iter().map(|page| page.name["docs/".len()..].to_owned());
    let pages: BTreeSet<_> = pages.filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed, pages, "docs/SUMMARY.md and the files of docs/ differ");
}

#[test]
fn every_task_has_the_same_shape() {
    let tasks: Vec<_> =
        page::of_the_book().into_iter().filter(|page| page.name.starts_with("docs/tasks/")).collect();
    let list = Page::read("docs/tasks.md").links();
    for page in &tasks {
        let headings: Vec<_> = page.prose.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, SHAPE, "{}", page.name);
        assert!(list.contains(&page.name["docs/".len()..].to_owned()), "docs/tasks.md lacks {}", page.name);
    }
    assert!(tasks.len() > 15, "only {} tasks", tasks.len());
}

#[test]
fn every_authorization_server_has_the_same_shape() {
    for page in page::of_the_book().iter().filter(|page| page.name.starts_with("docs/providers/")) {
        let headings: Vec<_> = page.prose.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, OF_SERVERS, "{}", page.name);
    }
}

/// The headings of a page about an authorization server.
const OF_SERVERS: [&str; 6] = [
    "In the server",
    "The command",
    "The file",
    "The request that proves it",
    "What goes wrong, and what to know",
    "Tested",
];

/// The headings of a page about a task.
const SHAPE: [&str; 5] =
    ["What you have", "The file", "The command", "The request that proves it", "What goes wrong"];
