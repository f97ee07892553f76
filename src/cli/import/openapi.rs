//! `tollgate import openapi`: rules from an OpenAPI document's `security`.

mod demand;
mod document;
mod drift;
mod path;
mod routes;
mod servers;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::find;
use crate::cli::find::located::{self, Unreadable};
use crate::cli::import::openapi::document::Options;
pub(crate) use crate::cli::import::openapi::drift::drift;
use crate::cli::import::openapi::routes::Routes;
use crate::cli::import::{Imported, verify};
use crate::cli::output::Output;

/// Make rules of what an OpenAPI document demands for each operation
///
/// Prints `rules:` to put beside `providers:`. Paths, methods and scopes come from `paths` and
/// `security`; OpenAPI 3.x and Swagger 2.0, YAML or JSON. Nothing becomes laxer than the document says:
/// what a rule cannot express is stricter, and a remark says so. What the document does not list is
/// denied. `tollgate check --openapi` tells later whether both still agree.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The OpenAPI document; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What requests' paths begin with, instead of the paths of `servers`; `/` for nothing
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,
    /// A security scheme that is about our tokens, whatever its type; without it, all of the types
    /// oauth2, openIdConnect and http bearer are
    #[arg(long, value_name = "NAME")]
    scheme: Vec<String>,
    /// A security scheme that something else checks, as an API key: it is left out of the demands
    #[arg(long, value_name = "NAME")]
    elsewhere: Vec<String>,
    /// End without the rule that denies what the document does not list: the top-level `requires` is for it
    #[arg(long)]
    allow_unlisted: bool,
}

const EXAMPLES: &str = "\
Examples:
  tollgate import openapi orders.yaml >> tollgate.yaml
  tollgate import openapi orders.json --base-path /v1 --elsewhere api_key";

/// What there is to say, each sentence once with the operations that it is about.
#[derive(Debug, Default)]
struct Remarks(Vec<(String, Vec<String>)>);

/// How many operations a remark names.
const MAX_NAMED: usize = 5;

/// Imports.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    if let Some(base) = args.base_path.as_deref().filter(|base| !base.starts_with('/')) {
        return Err(Failure::new(format_args!("--base-path {base} does not begin with \"/\""))
            .help(format_args!("Say --base-path /{base}, or --base-path / for nothing.")));
    }
    let document = read(&args.file)?;
    let options = Options {
        base_path: args.base_path.clone(),
        schemes: args.scheme.clone(),
        elsewhere: args.elsewhere.clone(),
    };
    import(&document, &options, args.allow_unlisted)?.print(out)?;
    Ok(Exit::Good)
}

fn import(document: &Value, options: &Options, allow_unlisted: bool) -> Result<Imported, Failure> {
    let mut remarks = Remarks::default();
    let operations = document::operations(document, options, &mut remarks)?;
    let routes = Routes::new(&operations, &mut remarks)?;
    if let (Some(path), true) = (&routes.left_out, allow_unlisted) {
        return Err(Failure::new(format_args!("there can be no rule for the path {path}"))
            .help("Correct it, or leave out --allow-unlisted, so that it is denied."));
    }
    let mut rules = routes.rules();
    if !allow_unlisted {
        rules.push(json!({"name": "unlisted", "match": {"prefix": "/"}, "access": "deny"}));
    }
    let configuration = json!({"rules": rules});
    verify(&beside_a_provider(&configuration))?;
    let info =
        |name: &str| document.pointer(&format!("/info/{name}")).and_then(Value::as_str).unwrap_or_default();
    let title = format!("Rules of {} {}, made by `tollgate import openapi`.", info("title"), info("version"));
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",");
    Ok(Imported { title, configuration, remarks: remarks.sentences() })
}

/// Reads a document, and makes sure that it is OpenAPI.
pub(crate) fn read(file: &Path) -> Result<Value, Failure> {
    let name = file.display();
    let text = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
    if text.trim_start().starts_with("#%RAML") {
        return Err(Failure::new(format_args!("{name} is RAML, and only OpenAPI is read"))
            .help("Convert it to OpenAPI first."));
    }
    let documents = located::read(&text).map_err(|Unreadable { at, why }| {
        Failure::new(format_args!("{name}:{}:{}: {why}", at.line, at.column))
            .help("An OpenAPI document is YAML or JSON.")
    })?;
    let document = match documents.as_slice() {
        [] => return Err(Failure::new(format_args!("{name} is empty"))),
        [document] => document.value(),
        _ => {
            return Err(Failure::new(format_args!("{name} holds {} documents", documents.len()))
                .help("Give a file with one OpenAPI document."));
        }
    };
    let version = |key: &str| match document.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(number @ Value::Number(_)) => Some(number.to_string()),
        _ => None,
    };
    match (version("openapi"), version("swagger")) {
        (Some(version), _) if version.starts_with("3.") || version == "3" => Ok(document),
        (_, Some(version)) if version.starts_with("2.") || version == "2" => Ok(document),
        (Some(version), _) | (_, Some(version)) => {
            Err(Failure::new(format_args!("{name} is OpenAPI {version}, and only 3.x and 2.0 are read")))
        }
        (None, None) => Err(Failure::new(format_args!(
            "{name} is no OpenAPI document: it has neither `openapi` nor `swagger` at the top"
        ))),
    }
}

/// The rules in a whole configuration.
fn beside_a_provider(configuration: &Value) -> Value {
    let mut whole = configuration.clone();
    if let Value::Object(whole) = &mut whole {
        let introspection = json!({
            "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
        });
        whole.insert("providers".to_owned(), json!({"as": {"introspection": introspection}}));
    }
    whole
}

impl Remarks {
    /// Adds a sentence without a full stop; the operation, if any, as `GET /orders`.
    fn add(&mut self, text: &str, operation: &str) {
        if !self.0.iter().any(|(known, _)| known == text) {
            self.0.push((text.to_owned(), Vec::new()));
        }
        let entry = self.0.iter_mut().find(|(known, _)| known == text).map(|(_, operations)| operations);
        if let Some(operations) = entry
            && !operation.is_empty()
            && !operations.iter().any(|known| known == operation)
        {
            operations.push(operation.to_owned());
        }
    }

    fn sentences(self) -> Vec<String> {
        self.0
            .into_iter()
            .map(|(text, operations)| {
                let more = operations.len().saturating_sub(MAX_NAMED);
                let mut named: Vec<_> = operations.into_iter().take(MAX_NAMED).collect();
                if more > 0 {
                    named.push(format!("and {more} more"));
                }
                if named.is_empty() { text } else { format!("{}: {text}", named.join(", ")) }
            })
            .collect()
    }
}
