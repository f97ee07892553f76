//! `tollgate client`.

mod lists;
mod manage;
mod mistakes;
mod products;
mod register;
pub(crate) mod serve;
pub(crate) mod servers;
mod tls;

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Run, Scripted, Tollgate};

/// Registers `gateway` at the server's `/reg`.
pub(crate) fn register(tollgate: &Tollgate, server: &Scripted, more: &[&str]) -> Run {
    let endpoint = format!("{}/reg", server.origin);
    let mut args =
        vec!["client", "register", "gateway", "--allow-http", "--registration-endpoint", &endpoint];
    args.extend(more);
    tollgate.run(args)
}

/// Runs `tollgate client` with these arguments, parted by spaces.
pub(crate) fn client(tollgate: &Tollgate, args: &str) -> Run {
    tollgate.run(["client"].into_iter().chain(args.split_whitespace()))
}

/// What the store of an environment holds.
pub(crate) fn stored(tollgate: &Tollgate, environment: &str) -> Value {
    serde_json::from_str(&tollgate.read(store(tollgate, environment))).unwrap()
}

pub(crate) fn store(tollgate: &Tollgate, environment: &str) -> PathBuf {
    tollgate.directory.path().join("store").join(format!("{environment}.json"))
}

/// Whether a run ended as it should, and says what it should, in whichever stream.
#[track_caller]
pub(crate) fn says(name: &str, run: &Run, status: i32, sentences: &[&str]) {
    assert_eq!(run.status, status, "{name}: {run:?}");
    for sentence in sentences {
        let found = run.stdout.contains(sentence) || run.stderr.contains(sentence);
        assert!(found, "{name}: expected {sentence:?} in {run:?}");
    }
}
