//! `make mutants`: every small change to what decides must make a test fail, or somebody has said why it is harmless.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_mutants::copy;
use tollgate_mutants::instrument::Mutant;
use tollgate_mutants::page::{self, Harmless};
use tollgate_mutants::tests::{Fate, Tests};

fn main() -> ExitCode {
    match Options::of(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line says.
#[derive(Debug, Default)]
struct Options {
    /// Only mutants of files whose names begin so.
    files: Vec<String>,
    /// Only these.
    only: Vec<usize>,
    /// For how long mutants are begun.
    seconds: Option<u64>,
    /// How many run at a time.
    jobs: usize,
    /// Survivors of earlier runs run again, unless somebody has said why they are harmless.
    again: bool,
    /// Nothing is run: only what is known is told.
    report: bool,
    /// Whether the page is written.
    record: bool,
}

const USAGE: &str = "options: --file START…, --only NUMBER…, --seconds N, --jobs N, --again (unexplained survivors, too), --report (run nothing), --record";

impl Options {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { jobs: std::thread::available_parallelism().map_or(1, usize::from), ..Self::default() };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            let number = |text: String| text.parse::<usize>().map_err(|_| USAGE);
            match name.as_str() {
                "--file" => options.files.push(value()?),
                "--only" => options.only.push(number(value()?)?),
                "--seconds" => options.seconds = Some(number(value()?)? as u64),
                "--jobs" => options.jobs = number(value()?)?.max(1),
                "--again" => options.again = true,
                "--report" => options.report = true,
                "--record" => options.record = true,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    fn chooses(&self, number: usize, mutant: &Mutant) -> bool {
        (self.only.is_empty() || self.only.contains(&number))
            && (self.files.is_empty()
                || self.files.iter().any(|start| mutant.file.starts_with(start.as_str())))
    }
}

fn run(options: &Options) -> Result<bool, String> {
    let root =
        fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).map_err(|error| error.to_string())?;
    let below = root.join("target/mutants");
    let work = below.join("work");
    fs::create_dir_all(&work).map_err(|error| error.to_string())?;
    let mutants = copy::write(&root, &work)?;
    let mut results = Results::read(below.join("results.json"), &root, &mutants);
    if options.report {
        return report(options, &root, &mutants, &results);
    }
    let harmless = harmless(&root)?;
    println!("==> compile the engine with {} mutants", mutants.len());
    let programs = copy::build(&work, &below.join("target"))?;
    println!("==> run every test without a mutant");
    let tests = Tests::measure(&programs, &work.join("src/engine"), &below.join("tests.json"))?;
    let (count, time) = tests.size();
    println!("    {count} tests, {} s", time.as_secs());
    let mut chosen: Vec<usize> = (0..mutants.len())
        .filter(|number| options.chooses(*number, &mutants[*number]))
        .filter(|number| {
            let is_unexplained = || mutants.get(*number).is_some_and(|one| harmless.reason(one).is_none());
            results.of(*number).is_none_or(|fate| {
                !options.only.is_empty() || options.again && fate.is_alive() && is_unexplained()
            })
        })
        .collect();
    shuffle(&mut chosen);
    println!("==> {} mutants to run", chosen.len());
    judge(options, &mutants, &tests, &chosen, &mut results);
    report(options, &root, &mutants, &results)
}

/// Runs the mutants, several at a time.
fn judge(options: &Options, mutants: &[Mutant], tests: &Tests, chosen: &[usize], results: &mut Results) {
    let begin = Instant::now();
    let is_over = || options.seconds.is_some_and(|seconds| begin.elapsed().as_secs() >= seconds);
    let rest = Mutex::new(chosen.iter().copied().enumerate());
    let results = Mutex::new(results);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while !is_over() {
                    let next = rest.lock().ok().and_then(|mut rest| rest.next());
                    let Some((at, number)) = next else { return };
                    let start = Instant::now();
                    let fate = tests.judge(number);
                    if let Ok(mut results) = results.lock() {
                        results.keep(number, fate);
                    }
                    if fate.is_alive() {
                        println!("{at:5} {}", told(number, &mutants[number], fate));
                    } else if start.elapsed() > Duration::from_secs(20) {
                        println!("{at:5} {number}: {} s", start.elapsed().as_secs());
                    }
                }
            });
        }
    });
    if let Ok(results) = results.into_inner() {
        results.write();
    }
}

fn told(number: usize, mutant: &Mutant, fate: Fate) -> String {
    let name = Fate::ALL.iter().find(|(own, _)| *own == fate).map(|(_, name)| *name).unwrap_or_default();
    format!("{number} {name}: src/engine/{}:{}\n      {}", mutant.file, mutant.line, page::line(mutant))
}

/// Which mutants somebody has explained.
fn harmless(root: &Path) -> Result<Harmless, String> {
    let text =
        fs::read_to_string(root.join("tests/mutants/harmless.txt")).map_err(|error| error.to_string())?;
    Harmless::read(&text).map_err(|error| format!("tests/mutants/harmless.txt: {error}"))
}

/// Names the survivors that nobody has explained, and writes the page.
fn report(options: &Options, root: &Path, mutants: &[Mutant], results: &Results) -> Result<bool, String> {
    let harmless = harmless(root)?;
    let all: Vec<(&Mutant, Option<Fate>)> =
        mutants.iter().enumerate().map(|(n, one)| (one, results.of(n))).collect();
    if options.record {
        let file = root.join("docs/mutants.md");
        let page = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        fs::write(&file, page::with_result(&page, &all, &harmless)).map_err(|error| error.to_string())?;
    }
    let run = all.iter().filter(|(_, fate)| fate.is_some()).count();
    let mut alive = 0;
    let mut unknown = 0;
    for (number, (mutant, fate)) in all.iter().enumerate() {
        let Some(fate) = fate.filter(|fate| fate.is_alive()) else { continue };
        alive += 1;
        if harmless.reason(mutant).is_none() && options.chooses(number, mutant) {
            unknown += 1;
            println!("{}", told(number, mutant, fate));
        }
    }
    for line in harmless.outdated(mutants) {
        println!("harmless.txt: there is no such mutant any more: {line}");
    }
    println!(
        "{} mutants, {run} run, {alive} survive; of {unknown} nobody has said why they are harmless",
        all.len()
    );
    Ok(unknown == 0)
}

/// What has come of the mutants, kept between runs for as long as their file stays as it is.
struct Results {
    file: PathBuf,
    keys: Vec<String>,
    fates: HashMap<String, Fate>,
    written: Instant,
}

impl Results {
    fn read(file: PathBuf, root: &Path, mutants: &[Mutant]) -> Self {
        let keys = keys(root, mutants);
        let old: Value = fs::read_to_string(&file)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let fate = |key: &String| {
            let name = old[key].as_str()?;
            Fate::ALL.iter().find(|(_, own)| *own == name).map(|(fate, _)| (key.clone(), *fate))
        };
        let fates = keys.iter().filter_map(fate).collect();
        Self { file, keys, fates, written: Instant::now() }
    }

    fn of(&self, number: usize) -> Option<Fate> {
        self.fates.get(self.keys.get(number)?).copied()
    }

    fn keep(&mut self, number: usize, fate: Fate) {
        if let Some(key) = self.keys.get(number) {
            self.fates.insert(key.clone(), fate);
        }
        if self.written.elapsed() > Duration::from_secs(5) {
            self.write();
            self.written = Instant::now();
        }
    }

    fn write(&self) {
        let name = |fate: &Fate| Fate::ALL.iter().find(|(own, _)| own == fate).map(|(_, name)| *name);
        let all: serde_json::Map<String, Value> =
            self.fates.iter().map(|(key, fate)| (key.clone(), json!(name(fate)))).collect();
        let new = self.file.with_extension("new");
        if let Err(error) =
            fs::write(&new, json!(all).to_string()).and_then(|()| fs::rename(&new, &self.file))
        {
            eprintln!("{}: {error}", self.file.display());
        }
    }
}

/// A name for each mutant that lasts as long as its file stays as it is, but for its tests.
fn keys(root: &Path, mutants: &[Mutant]) -> Vec<String> {
    let mut counts: HashMap<&str, (u64, usize)> = HashMap::new();
    let mut names = Vec::with_capacity(mutants.len());
    for mutant in mutants {
        let (hash, count) = counts.entry(&mutant.file).or_insert_with(|| {
            let text = fs::read_to_string(root.join("src/engine").join(&mutant.file)).unwrap_or_default();
            (fingerprint(&text), 0)
        });
        *count += 1;
        names.push(format!("{} {hash:016x} {count}", mutant.file));
    }
    names
}

/// FNV-1a of a file without its tests, which come last.
fn fingerprint(text: &str) -> u64 {
    let code = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    code.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Always in the same order, in which each part is a fair sample.
fn shuffle(numbers: &mut [usize]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..numbers.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        numbers.swap(at, (state % (at as u64 + 1)) as usize);
    }
}
