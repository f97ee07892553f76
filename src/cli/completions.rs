//! `tollgate completions` and `tollgate man`, from the same definitions as the help.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{Cli, Exit};

/// Print a completion script: `tollgate completions bash > /etc/bash_completion.d/tollgate`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Print a manual page: `tollgate man | man -l -`, `tollgate man client register | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command it is about; all of tollgate without one
    command: Vec<String>,
}

/// Prints the completion script.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tollgate", &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Good)
}

/// Prints the manual page.
pub(crate) fn man(args: &ManArgs, out: &mut Output) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    for name in &args.command {
        let known = command.find_subcommand(name).cloned();
        command = known
            .ok_or_else(|| Failure::new(format_args!("{} has no command {name:?}", command.get_name())))?;
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| Failure::new(format_args!("cannot write the page: {error}")))?;
    out.line(String::from_utf8_lossy(&page).trim_end())?;
    Ok(Exit::Good)
}
