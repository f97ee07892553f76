//! `tollgate import anypoint`.

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Make a configuration of what Anypoint had
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Imports.
pub(super) fn run(_args: &Args, _out: &mut Output) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
