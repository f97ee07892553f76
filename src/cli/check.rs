//! `tollgate check`.

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Find the faults of configurations, wherever they stand
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Not built yet.
pub(crate) fn run(_args: Args, _out: &mut Output) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
