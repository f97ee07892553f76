//! `tollgate import openapi`: rules from an OpenAPI document's `security`.

mod demand;
mod document;
mod drift;
mod path;
mod routes;
mod security;
mod servers;
mod source;
mod template;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_engine::token::scope::ScopeToken;

use crate::commands::Exit;
use crate::commands::import::openapi::demand::Demand;
pub(crate) use crate::commands::import::openapi::document::Options;
pub(crate) use crate::commands::import::openapi::drift::drift;
use crate::commands::import::openapi::routes::{Base, Routes, unique};
pub(crate) use crate::commands::import::openapi::source::Document;
use crate::commands::import::{Imported, verify};
use crate::kit::failure::Failure;
use crate::kit::output::Output;

/// Derive rules from the security requirements of an OpenAPI document
///
/// Prints `rules:` to put beside `providers:`. Paths, methods and scopes come from `paths` and `security`
/// in OpenAPI 3.x and Swagger 2.0, in YAML or JSON. The rules are never less strict than the document. If a
/// rule cannot express something, it is stricter, and a remark says so. Requests that the document does not
/// list are denied. Later, `tollgate check --openapi` checks whether both still agree.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The OpenAPI document; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Set the prefix of request paths, instead of the paths in `servers`; `/` for no prefix
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,
    /// Treat this security scheme as access tokens, whatever its type [default: all of the types oauth2,
    /// openIdConnect and http bearer]
    #[arg(long, value_name = "NAME")]
    scheme: Vec<String>,
    /// Ignore this security scheme, such as an API key, because another component checks it
    #[arg(long, value_name = "NAME")]
    elsewhere: Vec<String>,
    /// Require this scope for operations without security requirements in the document; repeatable
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    require: Vec<ScopeToken>,
    /// Do not deny what the document does not list; the top-level `requires` applies to it
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

/// From how many operations on it is said that they are open to everybody.
const MANY_OPEN: usize = 20;

/// Imports.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let document = read(&args.file)?;
    let options = Options::new(args.base_path.as_deref(), &args.scheme, &args.elsewhere, &args.require)?;
    import(&document, &options, args.allow_unlisted)?.print(out)?;
    Ok(Exit::Good)
}

impl Options {
    /// How a document is read, as switches say it.
    pub(crate) fn new(
        base_path: Option<&str>,
        schemes: &[String],
        elsewhere: &[String],
        require: &[ScopeToken],
    ) -> Result<Self, Failure> {
        if let Some(base) = base_path.filter(|base| !base.starts_with('/')) {
            return Err(Failure::new(format_args!("--base-path {base} does not begin with \"/\""))
                .help(format_args!("Say --base-path /{base}, or --base-path / for nothing.")));
        }
        Ok(Self {
            base_path: base_path.map(str::to_owned),
            schemes: schemes.to_vec(),
            elsewhere: elsewhere.to_vec(),
            require: (!require.is_empty()).then(|| Demand::token(require.iter().cloned())),
            hosts: Vec::new(),
        })
    }

    /// The same for a document that is about these hosts, instead of those of its servers, if there are any.
    pub(crate) fn of_hosts(self, hosts: &[String]) -> Self {
        Self { hosts: hosts.to_vec(), ..self }
    }
}

/// A scope, of an option.
pub(crate) fn scope(text: &str) -> Result<ScopeToken, &'static str> {
    ScopeToken::parse(text).ok_or("expected a scope (RFC 6749, section 3.3)")
}

fn import(document: &Document, options: &Options, allow_unlisted: bool) -> Result<Imported, Failure> {
    let mut remarks = Remarks::default();
    let operations = document::operations(document, options, &mut remarks)?;
    let routes = Routes::new(&operations, Base::Servers, &mut remarks)?;
    if let (Some(path), true) = (&routes.narrow, allow_unlisted) {
        return Err(Failure::new(format_args!(
            "the rule for {path} may be for fewer requests than the document means"
        ))
        .help("Leave out --allow-unlisted, so that the others are denied."));
    }
    let open = operations.iter().filter(|operation| operation.demand.is_open()).count();
    if open >= MANY_OPEN {
        remarks.add(
            &format!("{open} of {} operations are open to everybody, without a token", operations.len()),
            "",
        );
    }
    let mut names = BTreeSet::new();
    let mut rules = routes.rules(&mut names);
    if !allow_unlisted {
        let name = unique("unlisted", &names);
        rules.push(json!({"name": name, "match": {"prefix": "/"}, "access": "deny"}));
    }
    let configuration = json!({"rules": rules});
    verify(&beside_a_provider(&configuration))?;
    let title = document.title();
    let of = if title.is_empty() { String::new() } else { format!(" of {title}") };
    let title = format!("Rules{of}, made by `tollgate import openapi`.");
    Ok(Imported { title, configuration, remarks: remarks.sentences() })
}

/// Reads a document, and makes sure that it is OpenAPI.
pub(crate) fn read(file: &Path) -> Result<Document, Failure> {
    let (name, document) = (file.display(), Document::read(file)?);
    let root = document.root();
    let version = |key: &str| root.key(key).map(|version| version.text_or_number()).transpose();
    let is = |version: &str, major: &str| {
        version.strip_prefix(major).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match (version("openapi")?, version("swagger")?) {
        (Some(version), None) if is(&version, "3") => Ok(document),
        (None, Some(version)) if is(&version, "2") => Ok(document),
        (Some(_), Some(_)) => Err(Failure::new(format_args!(
            "{name} has both `openapi` and `swagger`, so it may be read in two ways"
        ))),
        (Some(version), None) | (None, Some(version)) => {
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

#[cfg(test)]
mod laws;
