//! Runs the tests of the copy: once each, to see which mutants they reach; then, for each mutant, those that reach it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What has come of a mutant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// A test has failed.
    Killed,
    /// The tests did not end. A test that never ends is seen, too.
    Hung,
    /// All tests have passed.
    Survived,
    /// There is no test that runs the code.
    NotReached,
}

impl Fate {
    /// All of them, with their names in `results.json`.
    pub const ALL: [(Self, &str); 4] = [
        (Self::Killed, "killed"),
        (Self::Hung, "hung"),
        (Self::Survived, "survived"),
        (Self::NotReached, "not reached"),
    ];

    /// Whether no test has noticed it.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Survived | Self::NotReached)
    }
}

/// A test, and what it reaches.
#[derive(Clone, Debug)]
pub struct Test {
    program: PathBuf,
    name: String,
    time: Duration,
    reached: BTreeSet<usize>,
}

/// The programs of the tests, and where they run.
#[derive(Clone, Debug)]
pub struct Tests {
    folder: PathBuf,
    all: Vec<Test>,
}

impl Tests {
    /// Runs every test alone, without a mutant. All of them must pass. What comes out is kept in `memory`, for the same programs.
    pub fn measure(programs: &[PathBuf], folder: &Path, memory: &Path) -> Result<Self, String> {
        let stamp = stamp(programs);
        if let Some(all) = fs::read_to_string(memory).ok().and_then(|text| remembered(&text, &stamp)) {
            return Ok(Self { folder: folder.to_owned(), all });
        }
        let mut all = Vec::new();
        for program in programs {
            for name in names(program, folder)? {
                all.push(measured(program, folder, name, &memory.with_extension("reached"))?);
            }
        }
        // The quick ones first.
        all.sort_by_key(|test| test.time);
        let text = json!({"stamp": stamp, "tests": all.iter().map(written).collect::<Vec<_>>()}).to_string();
        fs::write(memory, text).map_err(|error| format!("{}: {error}", memory.display()))?;
        Ok(Self { folder: folder.to_owned(), all })
    }

    /// How many there are, and how long they take one after the other.
    pub fn size(&self) -> (usize, Duration) {
        (self.all.len(), self.all.iter().map(|test| test.time).sum())
    }

    /// Runs the tests that reach a mutant, the quick ones first, until one of them fails.
    pub fn judge(&self, mutant: usize) -> Fate {
        let reaching: Vec<&Test> = self.all.iter().filter(|test| test.reached.contains(&mutant)).collect();
        if reaching.is_empty() {
            return Fate::NotReached;
        }
        let mut rest = reaching.as_slice();
        let mut budget = FIRST;
        while !rest.is_empty() {
            let mut time = Duration::ZERO;
            let fit = rest.iter().take_while(|test| {
                time += test.time;
                time <= budget
            });
            let (now, later) = rest.split_at(fit.count().max(1));
            match self.run(now, mutant) {
                Fate::Survived => (rest, budget) = (later, budget * 4),
                fate => return fate,
            }
        }
        Fate::Survived
    }

    fn run(&self, tests: &[&Test], mutant: usize) -> Fate {
        let programs: BTreeSet<&Path> = tests.iter().map(|test| test.program.as_path()).collect();
        for program in programs {
            let own: Vec<&Test> = tests.iter().copied().filter(|test| test.program == program).collect();
            let time: Duration = own.iter().map(|test| test.time).sum();
            let mut command = command(program, &self.folder);
            command.arg("--exact").args(own.iter().map(|test| &test.name));
            command.env("TOLLGATE_MUTANT", mutant.to_string());
            match passes(command, time * 10 + PATIENCE) {
                Some(true) => {}
                Some(false) => return Fate::Killed,
                None => return Fate::Hung,
            }
        }
        Fate::Survived
    }
}

/// Tests that read sources and documents, and run nothing of the engine's.
const READERS: [&str; 8] =
    ["book::", "conformance::", "layers::", "prose::", "readme::", "supply::", "switches::", "threats::"];

/// How long the tests take that run first.
const FIRST: Duration = Duration::from_millis(200);

/// How much longer tests may take, whatever the machine does meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);

/// A loop without end may also take memory without end.
const MEMORY: &str = "ulimit -v 4000000; exec \"$@\"";

fn names(program: &Path, folder: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(program)
        .arg("--list")
        .current_dir(folder)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names
        .filter(|name| !READERS.iter().any(|reader| name.starts_with(reader)))
        .map(str::to_owned)
        .collect())
}

fn measured(program: &Path, folder: &Path, name: String, reached: &Path) -> Result<Test, String> {
    let _ = fs::remove_file(reached);
    let mut tracing = command(program, folder);
    tracing.arg("--exact").arg(&name).env("TOLLGATE_REACHED", reached);
    let mut plain = command(program, folder);
    plain.arg("--exact").arg(&name);
    let begin = Instant::now();
    let is_good = passes(plain, Duration::from_secs(600)) == Some(true);
    let time = begin.elapsed();
    if !is_good || passes(tracing, Duration::from_secs(600)) != Some(true) {
        return Err(format!("{name} fails without a mutant"));
    }
    let numbers = fs::read_to_string(reached).unwrap_or_default();
    let reached = numbers.lines().filter_map(|line| line.parse().ok()).collect();
    Ok(Test { program: program.to_owned(), name, time, reached })
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", MEMORY, "sh"]).arg(program).args(["--quiet", "--test-threads=1"]).current_dir(folder);
    // The same cases in each run, and none left behind.
    command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether it ends well; nothing if it does not end in time.
fn passes(mut command: Command, limit: Duration) -> Option<bool> {
    let end = Instant::now() + limit;
    let mut child = command.spawn().ok()?;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < end => std::thread::sleep(pause),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The programs, and when they were built.
fn stamp(programs: &[PathBuf]) -> Value {
    let of = |program: &PathBuf| {
        let time = fs::metadata(program).and_then(|data| data.modified()).ok();
        let time = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        json!([program, time.as_millis().to_string()])
    };
    programs.iter().map(of).collect()
}

fn written(test: &Test) -> Value {
    let millis = u64::try_from(test.time.as_millis()).unwrap_or(u64::MAX);
    json!({"program": test.program, "name": test.name, "millis": millis, "reached": test.reached})
}

fn remembered(text: &str, stamp: &Value) -> Option<Vec<Test>> {
    let memory: Value = serde_json::from_str(text).ok()?;
    let test = |one: &Value| {
        Some(Test {
            program: one["program"].as_str()?.into(),
            name: one["name"].as_str()?.to_owned(),
            time: Duration::from_millis(one["millis"].as_u64()?),
            reached: one["reached"]
                .as_array()?
                .iter()
                .filter_map(|n| usize::try_from(n.as_u64()?).ok())
                .collect(),
        })
    };
    if memory["stamp"] == *stamp { memory["tests"].as_array()?.iter().map(test).collect() } else { None }
}
