//! The one writer: results to standard output, everything else to standard error.

use std::fmt;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::kit::failure::Failure;

/// Where a command prints.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    out: io::BufWriter<io::Stdout>,
}

impl Output {
    /// For people or, with `json`, for scripts.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, out: io::BufWriter::new(io::stdout()) }
    }

    /// Whether a script reads: then a command prints one JSON document, by [`Output::document`], and
    /// no lines.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line of the result. The caller makes text of peers [`printable`](crate::kit::printable::printable).
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(|error| unwritten(&error))
    }

    /// The result as a JSON document.
    pub(crate) fn document(&mut self, document: &Value) -> Result<(), Failure> {
        self.line(format_args!("{document:#}"))
    }

    /// What is being done, for work that takes a while.
    pub(crate) fn progress(&mut self, what: impl fmt::Display) {
        if !self.quiet && !self.json {
            self.aside(format_args!("… {what}"));
        }
    }

    /// What is legal and unwise, or not as it should be.
    pub(crate) fn warning(&mut self, what: impl fmt::Display) {
        if !self.quiet {
            self.aside(format_args!("warning: {what}"));
        }
    }

    /// What nobody may overlook; `--quiet` does not silence it.
    pub(crate) fn alarm(&mut self, what: impl fmt::Display) {
        self.aside(format_args!("WARNING: {what}"));
    }

    /// Why the command could not run.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if self.json {
            let Failure::Told { what, help, .. } = failure else { return };
            // The status says it too, so it does not matter if nobody reads this.
            drop(self.document(&json!({"error": what, "help": help})));
            drop(self.finish());
        } else {
            self.aside(format_args!("tollgate: {failure}"));
        }
    }

    /// Writes out what is still held back.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| unwritten(&error))
    }

    fn aside(&mut self, line: fmt::Arguments<'_>) {
        // In the order in which things happened; and nothing is left to do if nobody reads it.
        drop(self.out.flush());
        drop(writeln!(io::stderr(), "{line}"));
    }
}

fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Gone,
        _ => Failure::new(format_args!("cannot write to standard output: {error}")),
    }
}
