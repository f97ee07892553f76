//! Writes all output: results to standard output, everything else to standard error.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::kit::failure::Failure;

/// Where a command prints.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    out: io::BufWriter<io::Stdout>,
    /// The warnings so far, if each is printed only once.
    told: Option<Arc<Mutex<BTreeSet<String>>>>,
}

impl Output {
    /// For people or, with `json`, for scripts.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, out: io::BufWriter::new(io::stdout()), told: None }
    }

    /// Another output of the same kind. All that begin with this one print a warning only once, together.
    pub(crate) fn sharing(&mut self) -> Self {
        let told = self.told.get_or_insert_default();
        Self { told: Some(Arc::clone(told)), ..Self::new(self.json, self.quiet) }
    }

    /// Whether the output is JSON. If so, a command prints one document with [`Output::document`], and no lines.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether progress and warnings are left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a line of the result. The caller makes text of peers [`printable`](crate::kit::printable::printable).
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(|error| unwritten(&error))
    }

    /// Prints the result as a JSON document.
    pub(crate) fn document(&mut self, document: &Value) -> Result<(), Failure> {
        self.line(format_args!("{document:#}"))
    }

    /// Says what the command is doing, if that takes a while.
    pub(crate) fn progress(&mut self, what: impl fmt::Display) {
        if !self.quiet && !self.json {
            self.aside(format_args!("… {what}"));
        }
    }

    /// Prints a warning.
    pub(crate) fn warning(&mut self, what: impl fmt::Display) {
        if !self.quiet {
            self.warn(&format!("warning: {what}"));
        }
    }

    /// Prints a warning that `--quiet` does not suppress.
    pub(crate) fn alarm(&mut self, what: impl fmt::Display) {
        self.warn(&format!("WARNING: {what}"));
    }

    /// Says why the command could not run.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if self.json {
            let Failure::Told { what, help, .. } = failure else { return };
            // The exit status says it too, so a closed pipe does not matter.
            drop(self.document(&json!({"error": what, "help": help})));
            drop(self.finish());
        } else {
            self.aside(format_args!("tollgate: {failure}"));
        }
    }

    /// Flushes the buffer.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| unwritten(&error))
    }

    fn warn(&mut self, line: &str) {
        let told = self.told.as_ref().and_then(|told| told.lock().ok());
        if told.is_none_or(|mut told| told.insert(line.to_owned())) {
            self.aside(format_args!("{line}"));
        }
    }

    fn aside(&mut self, line: fmt::Arguments<'_>) {
        // Keeps the order of both streams. A closed pipe does not matter.
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
