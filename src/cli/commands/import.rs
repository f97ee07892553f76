//! `tollgate import`: rules and configurations from elsewhere.

pub(crate) mod anypoint;
pub(crate) mod openapi;

use serde_json::{Value, json};

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::named;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::yaml;

/// Import rules or a configuration from other documents
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Openapi(openapi::Args),
    Anypoint(anypoint::Args),
}

/// The result of an import.
#[derive(Debug)]
struct Imported {
    /// The source, in one line.
    title: String,
    /// A configuration, or a part of one.
    configuration: Value,
    /// What was not converted exactly, and what to do about it; a sentence each.
    remarks: Vec<String>,
}

/// Imports, and prints the result.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    match &args.from {
        From::Openapi(args) => openapi::run(args, out),
        From::Anypoint(args) => anypoint::run(args, out),
    }
}

impl Imported {
    /// Prints the result: YAML with the remarks as comments, so that they stay with the file, or JSON.
    fn print(mut self, out: &mut Output) -> Result<(), Failure> {
        for remark in &self.remarks {
            out.warning(printable(remark));
        }
        if out.is_json() {
            if let Value::Object(document) = &mut self.configuration {
                let remarks = self.remarks.iter().map(|remark| Value::from(printable(remark))).collect();
                let result = json!({"configuration": document, "remarks": Value::Array(remarks)});
                return out.document(&result);
            }
            return out.document(&self.configuration);
        }
        // Rules alone are no configuration.
        if self.configuration.get("providers").is_some() {
            out.line("# yaml-language-server: $schema=config.schema.json")?;
        }
        out.line(format_args!("# {}", printable(&self.title)))?;
        for remark in &self.remarks {
            out.line(format_args!("# - {}", printable(remark)))?;
        }
        out.line(yaml::configuration(&self.configuration).trim_end())
    }
}

/// Checks that the filter would load the configuration. Secrets that only the proxy has are replaced.
fn verify(configuration: &Value) -> Result<(), Failure> {
    named::policy(configuration).map(drop).map_err(|faults| {
        let faults: Vec<_> = faults.iter().take(3).map(ToString::to_string).collect();
        Failure::new(format_args!("the result is not a valid configuration: {}", faults.join("; ")))
            .help("Correct these values in the imported file, and import it again.")
    })
}
