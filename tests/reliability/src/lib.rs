//! `make soak`, `make chaos` and `make load`: hours of traffic, failures and load, for the built filter in a real Envoy.
//!
//! Every response is judged: the checker ([`truth`]) knows what may be true of each token at each moment. The results go into
//! `docs/reliability.md`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::format_push_string,
    reason = "a run that cannot be set up must stop, and its numbers are small"
)]

pub mod chaos;
pub mod flood;
pub mod load;
pub mod plot;
pub mod population;
pub mod random;
pub mod record;
pub mod sampler;
pub mod server;
pub mod site;
pub mod soak;
pub mod tally;
pub mod tokens;
pub mod traffic;
pub mod truth;

use std::process::exit;
use std::time::Duration;

/// Runs what the first argument names.
pub fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let holds = match arguments.first().map(String::as_str) {
        Some("soak") => {
            let time = Duration::from_secs(number("SOAK_SECONDS", 3600));
            soak::run(soak::Extent { time, rate: number("SOAK_RATE", 250) as f64 })
        }
        Some("tokens") => {
            let time = Duration::from_secs(number("SOAK_SECONDS", 24 * 3600));
            tokens::run(number("SOAK_TOKENS", 10_000_000), time)
        }
        Some("chaos") => chaos::run(&arguments[1..]),
        Some("load") => load::run(&arguments[1..]),
        _ => {
            eprintln!("soak, tokens, chaos [SCENARIO…] or load [SCENARIO…]");
            exit(2);
        }
    };
    if !holds {
        eprintln!("  something did not hold: the table says what");
        exit(1);
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
