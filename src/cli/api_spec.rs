//! `tollgate generate api-spec`.

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Print the security scheme for the API's own specification, as OpenAPI or RAML
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Not built yet.
pub(crate) fn run(_args: Args, _out: &mut Output) -> Result<Exit, Failure> {
    Err(Failure::new("not built yet"))
}
