//! Pages of the documentation, for the tests that make sure that they are true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every page of `docs/`.
///
/// # Panics
///
/// If it cannot be read.
pub fn of_the_book() -> Vec<Page> {
    let mut names = Vec::new();
    below("docs", &mut names);
    names.sort();
    names.iter().map(|name| Page::read(name)).collect()
}

fn below(directory: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(directory)).expect("a directory of this repository") {
        let path = entry.expect("an entry").path();
        let name =
            format!("{directory}/{}", path.file_name().and_then(|name| name.to_str()).expect("a name"));
        if path.is_dir() {
            below(&name, names);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            names.push(name);
        }
    }
}

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A page of Markdown, as far as tests understand it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its file, from the top of the repository.
    pub name: String,
    /// All of it.
    pub text: String,
    /// The text outside fenced blocks.
    pub prose: String,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// What follows the fence.
    pub info: String,
    /// The line of the fence.
    pub line: usize,
    /// What is in it.
    pub text: String,
}

impl Page {
    /// The page of that name.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::new(name.to_owned(), text)
    }

    /// A page with this text.
    ///
    /// # Panics
    ///
    /// If a block has no end.
    pub fn new(name: String, text: String) -> Self {
        let (mut prose, mut blocks, mut open) = (String::new(), Vec::new(), None::<Block>);
        for (number, line) in (1..).zip(text.lines()) {
            match (&mut open, line.trim_start().strip_prefix("```")) {
                (None, Some(info)) => {
                    open = Some(Block { info: info.trim().to_owned(), line: number, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {
                    prose.push_str(line);
                    prose.push('\n');
                }
            }
        }
        assert!(open.is_none(), "{name}: a block without an end");
        Self { name, text, prose, blocks }
    }

    /// The blocks of one kind.
    pub fn blocks(&self, info: &str) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| block.info == info)
    }

    /// Code spans in the prose, and lines of shell blocks.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let spans = self.prose.split('`').skip(1).step_by(2);
        spans.chain(self.blocks("sh").flat_map(|block| block.text.lines()))
    }

    /// The targets of its links.
    pub fn links(&self) -> Vec<String> {
        let without_code: String = self.prose.split('`').step_by(2).collect();
        let mut links = Vec::new();
        for rest in without_code.split("](").skip(1) {
            links.extend(rest.split(')').next().map(str::to_owned));
        }
        links
    }

    /// Headings, as GitHub and mdBook make anchors of them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
                let text = heading.trim_start_matches('#').trim().to_lowercase();
                text.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }
}
