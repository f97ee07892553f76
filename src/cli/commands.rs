//! The command line: parses the arguments, runs a command, and returns the exit status.
//!
//! | room | what it does |
//! | --- | --- |
//! | [`discover`], [`discovery`] | authorization server metadata (RFC 8414) |
//! | [`client`], [`store`] | clients, registered and stored (RFC 7591, RFC 7592) |
//! | [`revoke`] | an operator's own word about tokens, clients and subjects |
//! | [`generate`] | complete configurations, from one short file |
//! | [`run`] | an Envoy with the filter, from the same file |
//! | [`check`], [`find`], [`schema`] | Tollgate's configuration inside other files, and its errors |
//! | [`explain`], [`doctor`] | why a request is rejected; what is wrong with a provider |
//! | [`import`] | rules and configurations from elsewhere |
//!
//! What several commands use is in `kit`. A command imports the kit, but never another command.
//!
//! A command is a module with `Args`, whose doc comments are the help text, and
//! `run(args, out) -> Result<Exit, Failure>`. [`Exit`] is 0 or 1; a [`Failure`] is 2.

mod check;
mod client;
mod discover;
mod doctor;
mod explain;
mod generate;
mod import;
mod manual;
mod revoke;
mod run;
mod schema;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;

/// Configure, check and debug Tollgate, the access-token filter for Envoy and Istio
///
/// Exit status: 0 for success, 1 if errors were found or a request would be rejected, 2 if the command
/// could not run.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, propagate_version = true, arg_required_else_help = true)]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON for scripts instead of text for people
    #[arg(long, global = true)]
    json: bool,
    /// Print no progress and no warnings
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Discover(discover::Args),
    Client(client::Args),
    Revoke(revoke::Args),
    Generate(generate::Args),
    Run(Box<run::Args>),
    Check(check::Args),
    Explain(explain::Args),
    Doctor(doctor::Args),
    Import(import::Args),
    Schema(schema::Args),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// Parses the command line, runs the command and returns the exit status.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Output::new(cli.json, cli.quiet);
    match cli.command.run(&mut out).and_then(|exit| out.finish().map(|()| exit)) {
        // The reader has closed the pipe, so it needs no more output.
        Ok(Exit::Good) | Err(Failure::Gone) => ExitCode::SUCCESS,
        Ok(Exit::Faults) => ExitCode::from(1),
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(2)
        }
    }
}

impl Command {
    fn run(self, out: &mut Output) -> Result<Exit, Failure> {
        match self {
            Self::Discover(args) => discover::run(&args, out),
            Self::Client(args) => client::run(args, out),
            Self::Revoke(args) => revoke::run(&args, out),
            Self::Generate(args) => generate::run(args, out),
            Self::Run(args) => run::run(*args, out),
            Self::Check(args) => check::run(&args, out),
            Self::Explain(args) => explain::run(&args, out),
            Self::Doctor(args) => doctor::run(&args, out),
            Self::Import(args) => import::run(&args, out),
            Self::Schema(args) => schema::run(&args, out),
            Self::Completions(args) => manual::completions(&args, Cli::command(), out),
            Self::Man(args) => manual::man(&args, Cli::command(), out),
        }
    }
}
