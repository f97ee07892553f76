//! `tollgate completions` and `tollgate man`, from the same definitions as the help.

use std::fmt::Write as _;

use clap::Command;
use clap_complete::Shell;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;

/// Print a completion script for a shell
///
/// Example: `tollgate completions bash > /etc/bash_completion.d/tollgate`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print a manual page
///
/// Example: `tollgate man client register | man -l -`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command to describe [default: tollgate itself]
    command: Vec<String>,
    /// Print the help of all commands as Markdown instead
    #[arg(long, conflicts_with = "command")]
    markdown: bool,
}

/// Prints the completion script.
pub(crate) fn completions(
    args: &CompletionsArgs,
    mut tollgate: Command,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tollgate, "tollgate", &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Good)
}

/// Prints the manual page.
pub(crate) fn man(args: &ManArgs, tollgate: Command, out: &mut Output) -> Result<Exit, Failure> {
    let mut command = tollgate.term_width(100);
    command.build();
    if args.markdown {
        let mut page = PREFACE.to_owned();
        chapter(&command, &mut page);
        out.line(page.trim_end())?;
        return Ok(Exit::Good);
    }
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

const PREFACE: &str = "\
<!-- Written by `tollgate man --markdown`; `TOLLGATE_BLESS=1 cargo test -p tollgate --test cli` refreshes it. -->

# The command `tollgate`

This page is the output of `--help` for each command. The options that all commands share (`--json`, `--quiet`) are listed once, under `tollgate`.

";

/// A command and all below it.
fn chapter(command: &Command, page: &mut String) {
    let name = command.get_display_name().unwrap_or(command.get_name()).replace('-', " ");
    let name = command.get_bin_name().map_or(name, str::to_owned);
    let mut own = command.clone();
    for argument in command.get_arguments().filter(|argument| argument.is_global_set()) {
        if name != "tollgate" {
            own = own.mut_arg(argument.get_id().clone(), |argument| argument.hide(true));
        }
    }
    let help = own.term_width(100).render_long_help().to_string();
    // Writing to a String cannot fail.
    let _ = write!(page, "## {name}\n\n```text\n{}\n```\n\n", help.trim_end());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        chapter(below, page);
    }
}
