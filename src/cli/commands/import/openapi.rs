//! `tollgate import openapi`: rules from an OpenAPI document's `security`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use tollgate_engine::token::scope::ScopeToken;

use crate::commands::import::{Imported, verify};
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::openapi::routes::{Base, Routes, unique};
use crate::kit::openapi::{Document, Options, Remarks, document, read, scope};
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

/// From how many operations on it is said that they are open to everybody.
const MANY_OPEN: usize = 20;

/// Imports.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let document = read(&args.file)?;
    let options = Options::new(args.base_path.as_deref(), &args.scheme, &args.elsewhere, &args.require)?;
    import(&document, &options, args.allow_unlisted)?.print(out)?;
    Ok(Exit::Good)
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

#[cfg(test)]
mod laws;
