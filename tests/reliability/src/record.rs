//! Where results go: below `target/reliability`, and with `RECORD=1` into `docs/reliability.md` and the files beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tollgate_bench::envoy::Measured;
use tollgate_e2e::root;

/// The result of one command.
#[derive(Clone, Debug)]
pub struct Result {
    /// Its part of the page: `soak`.
    pub part: &'static str,
    /// As text.
    pub markdown: String,
    /// For everything else.
    pub json: Value,
    /// Its picture.
    pub svg: Option<String>,
}

/// Writes a result.
pub fn write(result: &Result) {
    let target = root().join("target/reliability");
    fs::create_dir_all(&target).expect("a directory for results");
    file(&target, &format!("{}.md", result.part), &result.markdown);
    into(&target, result);
    if records() {
        let docs = root().join("docs");
        into(&docs, result);
        let page = docs.join("reliability.md");
        let text = fs::read_to_string(&page).expect("docs/reliability.md");
        fs::write(&page, with_part(&text, result.part, &result.markdown)).expect("docs/reliability.md");
        eprintln!("  docs/reliability.md tells of this run now");
    }
}

/// What is recorded of earlier runs: in the documentation with `RECORD=1`, below `target` otherwise.
pub fn recorded(part: &str) -> Value {
    let directory = if records() { root().join("docs") } else { root().join("target/reliability") };
    let text = fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    serde_json::from_str::<Value>(&text).unwrap_or_default()[part].take()
}

fn records() -> bool {
    std::env::var_os("RECORD").is_some_and(|value| !value.is_empty())
}

/// The file for everything else.
const FILE: &str = "reliability.json";

/// Writes what is too long for the documentation.
pub fn series(name: &str, series: &Value) {
    let target = root().join("target/reliability");
    fs::create_dir_all(&target).expect("a directory for results");
    file(&target, name, &series.to_string());
}

/// The machine and the day.
pub fn machine_line() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = text("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let day =
        Command::new("date").args(["-u", "+%Y-%m-%d"]).output().map(|out| out.stdout).unwrap_or_default();
    let day = String::from_utf8_lossy(&day).trim().to_owned();
    format!(
        "{day}, Envoy {} with two workers, {cores} cores of {}",
        Measured::version(),
        model.unwrap_or("an unknown processor")
    )
}

/// The page with another text between the marks of a part.
fn with_part(page: &str, part: &str, markdown: &str) -> String {
    let (begin, end) = (format!("<!-- {part}:begin -->"), format!("<!-- {part}:end -->"));
    let (before, rest) =
        page.split_once(&begin).unwrap_or_else(|| panic!("{begin} is not in docs/reliability.md"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{end} is not in docs/reliability.md"));
    format!("{before}{begin}\n{markdown}{end}{after}")
}

fn into(directory: &Path, result: &Result) {
    let old = fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    let mut all: Value = serde_json::from_str(&old).unwrap_or_else(|_| json!({}));
    all[result.part] = result.json.clone();
    file(directory, FILE, &(serde_json::to_string_pretty(&all).expect("JSON") + "\n"));
    if let Some(svg) = &result.svg {
        file(directory, &format!("reliability-{}.svg", result.part), svg);
    }
}

fn file(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("a result is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_marks_changes() {
        let page =
            "a\n<!-- soak:begin -->\nold\n<!-- soak:end -->\nb <!-- chaos:begin -->x<!-- chaos:end -->";
        let new = with_part(page, "soak", "new\n");
        assert_eq!(
            new,
            "a\n<!-- soak:begin -->\nnew\n<!-- soak:end -->\nb <!-- chaos:begin -->x<!-- chaos:end -->"
        );
    }
}
