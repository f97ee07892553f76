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
