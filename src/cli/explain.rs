//! `tollgate explain`.

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Decide one request as the filter would, and show each step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Not built yet.
pub(crate) fn run(_args: Args, _out: &mut Output) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
