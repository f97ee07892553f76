//! `tollgate check`: finds Tollgate's configurations and all of their errors, with file, line and column.

mod fapi;
mod versions;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_config::schema::Place;
use tollgate_engine::token::scope::ScopeToken;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::find::located::{Position, Unreadable};
use crate::kit::find::{self, Found, Unfound};
use crate::kit::inspection::{Finding, Inspection};
use crate::kit::numbers::Number;
use crate::kit::openapi;
use crate::kit::output::Output;

use versions::EnvoyVersion;

/// Find errors in configurations, in any kind of file
///
/// Finds Tollgate's configuration in its own files and in Envoy, Istio, Envoy Gateway and `ConfigMap`
/// files, in YAML or JSON. Reports every error with its line and column. Warns about risky settings.
/// Each message ends with a stable number, such as `[TG005]`, which docs/messages.md describes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files to check; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also compare the rules with the requirements of this OpenAPI document
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
    /// Check requests to this host, instead of the hosts in the document's `servers`; repeatable
    #[arg(long, value_name = "HOST", requires = "openapi")]
    openapi_host: Vec<String>,
    #[command(flatten)]
    reading: Reading,
    /// Also check the requirements of a security profile: `fapi2`, the FAPI 2.0 Security Profile
    #[arg(long, value_name = "PROFILE", value_parser = ["fapi2"])]
    profile: Option<String>,
    /// Also warn about what this version of Envoy lacks, for example 1.36
    #[arg(long, value_name = "VERSION")]
    envoy_version: Option<EnvoyVersion>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

/// What a configuration is compared with, besides the rules of its own.
struct Against {
    openapi: Option<OpenApi>,
    is_fapi: bool,
    envoy: Option<EnvoyVersion>,
}

/// How the OpenAPI document is read, with the options of `tollgate import openapi`.
#[derive(Debug, clap::Args)]
struct Reading {
    /// Set the prefix of request paths, instead of the paths in the document's `servers`
    #[arg(long = "openapi-base-path", value_name = "PATH", requires = "openapi")]
    base_path: Option<String>,
    /// Treat this security scheme of the document as access tokens, whatever its type
    #[arg(long = "openapi-scheme", value_name = "NAME", requires = "openapi")]
    scheme: Vec<String>,
    /// Ignore this security scheme of the document, because another component checks it
    #[arg(long = "openapi-elsewhere", value_name = "NAME", requires = "openapi")]
    elsewhere: Vec<String>,
    /// Require this scope for operations without security requirements in the document
    #[arg(long = "openapi-require", value_name = "SCOPE", requires = "openapi", value_parser = openapi::scope)]
    require: Vec<ScopeToken>,
}

/// An OpenAPI document, and the options for reading it.
type OpenApi = (openapi::Document, openapi::Options);

impl Reading {
    fn document(&self, file: &Path, hosts: &[String]) -> Result<OpenApi, Failure> {
        let Self { base_path, scheme, elsewhere, require } = self;
        let options = openapi::Options::new(base_path.as_deref(), scheme, elsewhere, require)?;
        Ok((openapi::read(file)?, options.of_hosts(hosts)))
    }
}

/// What was found in a file.
struct Checked {
    file: PathBuf,
    /// The kind of file, and where the configuration begins.
    configurations: Vec<(&'static str, Position)>,
    findings: Vec<Finding>,
}

/// Checks the files.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let openapi = args.openapi.as_deref().map(|file| args.reading.document(file, &args.openapi_host));
    let against =
        Against { openapi: openapi.transpose()?, is_fapi: args.profile.is_some(), envoy: args.envoy_version };
    let mut all = Vec::new();
    for file in &args.files {
        all.push(check(file, &against)?);
    }
    let nothing = |checked: &Checked| checked.configurations.is_empty() && checked.findings.is_empty();
    if all.iter().all(nothing) {
        let files: Vec<_> = args.files.iter().map(PathBuf::as_path).collect();
        return Err(find::nothing_found(&files));
    }
    let count = |fault: bool| {
        let findings = all.iter().flat_map(|checked| &checked.findings);
        findings.filter(|finding| finding.is_fault == fault).count()
    };
    let (faults, warnings) = (count(true), count(false));
    if out.is_json() {
        out.document(&document(&all, faults, warnings))?;
    } else {
        print(&all, faults, warnings, out)?;
    }
    Ok(if faults > 0 || (args.strict && warnings > 0) { Exit::Faults } else { Exit::Good })
}

fn check(file: &Path, against: &Against) -> Result<Checked, Failure> {
    let found = match find::configurations(file) {
        Ok(found) => found,
        Err(Unfound::File(failure)) => return Err(failure),
        Err(Unfound::Syntax(Unreadable { at, why })) => {
            let number = Some(Number::UNREADABLE);
            let finding =
                Finding { position: at, is_fault: true, place: String::new(), message: why, number };
            return Ok(Checked {
                file: file.to_owned(),
                configurations: Vec::new(),
                findings: vec![finding],
            });
        }
    };
    let mut findings = Vec::new();
    for one in &found {
        inspect(one, against, &mut findings);
    }
    findings.sort();
    let configurations = found.iter().map(|found| (found.host.name(), found.located.at)).collect();
    Ok(Checked { file: file.to_owned(), configurations, findings })
}

/// All errors and warnings about one configuration.
fn inspect(found: &Found, against: &Against, findings: &mut Vec<Finding>) {
    let mut inspection = Inspection::of(found);
    if against.is_fapi {
        for (place, message) in fapi::shortcomings(&found.value) {
            inspection.add(true, &place, false, format!("FAPI 2.0: {message}"), Some(Number::PROFILE));
        }
    }
    if let (Some((document, options)), true) = (&against.openapi, inspection.loads()) {
        for message in openapi::drift(&found.value, document, options) {
            inspection.add(true, &Place::default().name("rules"), false, message, Some(Number::OPENAPI));
        }
    }
    findings.extend(inspection.findings());
    let lacking = against.envoy.map(|envoy| versions::lacking(found, envoy)).unwrap_or_default();
    for (position, message) in lacking {
        let number = Some(Number::ENVOY);
        findings.push(Finding { position, is_fault: false, place: String::new(), message, number });
    }
}

fn print(all: &[Checked], faults: usize, warnings: usize, out: &mut Output) -> Result<(), Failure> {
    for Checked { file, configurations, findings } in all {
        for Finding { position: Position { line, column }, is_fault, place, message, number } in findings {
            let kind = if *is_fault { "error: " } else { "warning: " };
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            let number = number.map(|number| format!(" [{number}]")).unwrap_or_default();
            out.line(format_args!("{}:{line}:{column}: {kind}{place}{message}{number}", file.display()))?;
        }
        if configurations.is_empty() && findings.is_empty() {
            out.line(format_args!("{}: no configuration of Tollgate", file.display()))?;
        }
    }
    let configurations =
        all.iter().map(|checked| checked.configurations.len()).fold(0, usize::saturating_add);
    let (faults, warnings) = (counted(faults, "error"), counted(warnings, "warning"));
    match configurations {
        0 => out.line(format_args!("{faults}, {warnings}, and no configuration was found")),
        number => out.line(format_args!("{faults}, {warnings} in {}", counted(number, "configuration"))),
    }
}

/// `no errors`, `1 error`, `2 errors`.
fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn document(all: &[Checked], faults: usize, warnings: usize) -> Value {
    let finding = |Finding { position, is_fault, place, message, number }: &Finding| {
        json!({
            "line": position.line,
            "column": position.column,
            "severity": if *is_fault { "fault" } else { "warning" },
            "at": place,
            "message": message,
            "code": number.map(|number| number.to_string()),
        })
    };
    let configuration = |(kind, position): &(&str, Position)| json!({"kind": kind, "line": position.line, "column": position.column});
    let files = all.iter().map(|checked| {
        json!({
            "file": checked.file.display().to_string(),
            "configurations": checked.configurations.iter().map(configuration).collect::<Value>(),
            "findings": checked.findings.iter().map(finding).collect::<Value>(),
        })
    });
    json!({"files": files.collect::<Value>(), "faults": faults, "warnings": warnings})
}
