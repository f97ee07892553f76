//! `tollgate schema`.

use tollgate_config::reference;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;

/// Print the configuration's JSON Schema for editors, or its reference
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the reference as Markdown instead
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// Prints it.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    if args.markdown {
        out.line(reference::markdown().trim_end())?;
    } else {
        out.document(&reference::json_schema())?;
    }
    Ok(Exit::Good)
}
