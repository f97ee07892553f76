//! `tollgate import`.

pub(crate) mod openapi;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Take rules or a configuration from elsewhere
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Not built yet.
pub(crate) fn run(_args: Args, _out: &mut Output) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
