//! The page about the mutants: what has come of them, and why those that survive are harmless.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::instrument::Mutant;
use crate::tests::Fate;

/// The reasons why mutants are harmless: `file | function | change | code | reason`, one on each line.
#[derive(Debug)]
pub struct Harmless(BTreeMap<[String; 4], String>);

impl Harmless {
    /// Reads them. Lines that begin with `#` are comments.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // The code may contain the separator.
            let mut front = line.splitn(4, " | ").map(str::to_owned);
            let (Some(file), Some(function), Some(change), Some(rest)) =
                (front.next(), front.next(), front.next(), front.next())
            else {
                return Err(format!("it needs five parts: {line}"));
            };
            let Some((code, reason)) = rest.rsplit_once(" | ") else {
                return Err(format!("it needs five parts: {line}"));
            };
            if all.insert([file, function, change, code.to_owned()], reason.to_owned()).is_some() {
                return Err(format!("it is there twice: {line}"));
            }
        }
        Ok(Self(all))
    }

    /// The lines that are about no mutant any more.
    pub fn outdated(&self, mutants: &[Mutant]) -> Vec<String> {
        let known: BTreeSet<_> = mutants.iter().map(key).collect();
        self.0.keys().filter(|key| !known.contains(*key)).map(|key| key.join(" | ")).collect()
    }

    /// Why a mutant is harmless, if somebody has said so.
    pub fn reason(&self, mutant: &Mutant) -> Option<&str> {
        self.0.get(&key(mutant)).map(String::as_str)
    }
}

/// What a line about the mutant begins with.
pub fn line(mutant: &Mutant) -> String {
    key(mutant).join(" | ")
}

/// The body of a function is not repeated.
fn key(mutant: &Mutant) -> [String; 4] {
    let code = if mutant.code.is_empty() { "-" } else { &mutant.code };
    [mutant.file.clone(), mutant.function.clone(), mutant.change.clone(), code.to_owned()]
}

/// The page with the result between its markers.
pub fn with_result(page: &str, all: &[(&Mutant, Option<Fate>)], harmless: &Harmless) -> String {
    let (head, rest) = page.split_once(BEGIN).unwrap_or((page, ""));
    let tail = rest.split_once(END).map(|(_, tail)| tail).unwrap_or_default();
    format!("{head}{BEGIN}\n{}{END}{tail}", result(all, harmless))
}

const BEGIN: &str = "<!-- mutants:begin -->";
const END: &str = "<!-- mutants:end -->";

fn result(all: &[(&Mutant, Option<Fate>)], harmless: &Harmless) -> String {
    let mut rooms: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (mutant, fate) in all {
        let room = mutant.file.split(['/', '.']).next().unwrap_or_default();
        let counts = rooms.entry(room).or_default();
        counts[0] += 1;
        counts[1] += usize::from(fate.is_some());
        counts[2] += usize::from(fate.is_some_and(|fate| !fate.is_alive()));
        counts[3] += usize::from(fate.is_some_and(Fate::is_alive));
    }
    let mut text =
        String::from("| room | mutants | run | killed | survived |\n| --- | ---: | ---: | ---: | ---: |\n");
    let mut sum = [0; 4];
    for (room, counts) in &rooms {
        let [mutants, run, killed, survived] = counts;
        let _ = writeln!(text, "| `{room}` | {mutants} | {run} | {killed} | {survived} |");
        sum = std::array::from_fn(|n| sum[n] + counts[n]);
    }
    let [mutants, run, killed, survived] = sum;
    let _ = writeln!(text, "| **together** | {mutants} | {run} | {killed} | {survived} |\n");
    text.push_str("| where | change | code | why it is harmless |\n| --- | --- | --- | --- |\n");
    let mut lines: BTreeMap<[String; 4], usize> = BTreeMap::new();
    for (mutant, _) in all.iter().filter(|(_, fate)| fate.is_some_and(Fate::is_alive)) {
        *lines.entry(key(mutant)).or_default() += 1;
    }
    for (key, count) in &lines {
        let reason = harmless.0.get(key).map_or("**not yet known**", String::as_str);
        let [file, function, change, code] = key;
        let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
        let code = if code == "-" {
            String::new()
        } else {
            format!("`{}`", code.replace('|', "\\|").replace('`', "'"))
        };
        let _ = writeln!(
            text,
            "| `{file}`: `{function}` | {}{times} | {code} | {reason} |",
            change.replace('|', "\\|")
        );
    }
    text
}
