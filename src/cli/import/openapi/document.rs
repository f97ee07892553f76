//! An OpenAPI document: its operations, and what each demands.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::import::openapi::Remarks;
use crate::cli::import::openapi::demand::{Checker, Demand};
use crate::cli::import::openapi::servers::{self, Server};

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// The method, in upper case.
    pub(super) method: String,
    /// The path as the document has it.
    pub(super) path: String,
    /// The same below each base path.
    pub(super) paths: Vec<String>,
    /// Where it is served, whatever `paths` makes of that.
    pub(super) servers: Vec<Server>,
    /// The `operationId`.
    pub(super) id: Option<String>,
    /// What it demands.
    pub(super) demand: Demand,
    /// Whether the document says nothing of its security.
    pub(super) unsaid: bool,
}

/// How a document is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// Instead of the base paths of `servers`.
    pub(super) base_path: Option<String>,
    /// The schemes that are about our tokens; empty: those that can be.
    pub(super) schemes: Vec<String>,
    /// The schemes that something else checks.
    pub(super) elsewhere: Vec<String>,
}

/// The longest chain of references.
const MAX_REFERENCES: usize = 16;

/// The methods that a Path Item Object has fields for.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// All operations of a document.
pub(super) fn operations(
    document: &Value,
    options: &Options,
    remarks: &mut Remarks,
) -> Result<Vec<Operation>, Failure> {
    let reader = Reader { document, checkers: checkers(document, options)?, options };
    let paths = document.get("paths").and_then(Value::as_object).filter(|paths| !paths.is_empty());
    let paths = paths.ok_or_else(|| {
        Failure::new("the OpenAPI document has no `paths`, so there is nothing to make rules of")
    })?;
    let mut operations = Vec::new();
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
        reader.path_item(path, item, remarks, &mut operations)?;
    }
    Ok(operations)
}

struct Reader<'a> {
    document: &'a Value,
    checkers: BTreeMap<String, Checker>,
    options: &'a Options,
}

impl Reader<'_> {
    fn path_item(
        &self,
        path: &str,
        item: &Value,
        remarks: &mut Remarks,
        operations: &mut Vec<Operation>,
    ) -> Result<(), Failure> {
        let place = format!("paths.{path}");
        let item = resolve(self.document, item, &place)?;
        let item = item.as_object().ok_or_else(|| Failure::new(format_args!("{place} is no object")))?;
        let more = item.get("additionalOperations").and_then(Value::as_object);
        let named = METHODS.iter().filter_map(|method| item.get(*method).map(|found| (*method, found)));
        let all = named.chain(more.into_iter().flatten().map(|(method, found)| (method.as_str(), found)));
        for (method, operation) in all {
            let method = method.to_ascii_uppercase();
            let operation = operation
                .as_object()
                .ok_or_else(|| Failure::new(format_args!("{method} of {place} is no object")))?;
            operations.push(self.operation(method, path, item, operation, remarks)?);
        }
        Ok(())
    }

    fn operation(
        &self,
        method: String,
        path: &str,
        item: &Map<String, Value>,
        operation: &Map<String, Value>,
        remarks: &mut Remarks,
    ) -> Result<Operation, Failure> {
        let name = format!("{method} {path}");
        let security = operation.get("security").or_else(|| self.document.get("security"));
        let demand = match security {
            // Nothing said is not the same as `security: []`: it may have been forgotten.
            None => {
                remarks.add("the document says nothing of security, so any valid token is demanded; `security: []` there opens it", &name);
                Demand::Token(<_>::default())
            }
            Some(Value::Array(security)) => {
                let (demand, said) = Demand::of(security, &self.checkers);
                for remark in &said {
                    remarks.add(remark, &name);
                }
                demand
            }
            Some(_) => return Err(Failure::new(format_args!("`security` of {name} is no list"))),
        };
        let servers = operation.get("servers").or_else(|| item.get("servers"));
        let bases = match &self.options.base_path {
            Some(base) => vec![base.trim_end_matches('/').to_owned()],
            None => base_paths(self.document, servers, remarks),
        };
        Ok(Operation {
            method,
            path: path.to_owned(),
            paths: bases.iter().map(|base| format!("{base}{path}")).collect(),
            servers: servers::of(self.document, servers),
            id: operation.get("operationId").and_then(Value::as_str).map(str::to_owned),
            demand,
            unsaid: security.is_none(),
        })
    }
}

/// Who checks each security scheme.
fn checkers(document: &Value, options: &Options) -> Result<BTreeMap<String, Checker>, Failure> {
    let components = document.pointer("/components/securitySchemes");
    let defined = components.or_else(|| document.get("securityDefinitions")).and_then(Value::as_object);
    let Some(defined) = defined.filter(|defined| !defined.is_empty()) else {
        return Err(Failure::new("the OpenAPI document defines no security schemes, so it does not say which operations need a token").help(
            "Define one in components.securitySchemes (`tollgate generate api-spec` prints it), and name it in `security`.",
        ));
    };
    for name in options.schemes.iter().chain(&options.elsewhere) {
        if !defined.contains_key(name) {
            let known: Vec<_> = defined.keys().map(String::as_str).collect();
            return Err(Failure::new(format_args!("the document has no security scheme {name:?}"))
                .help(format_args!("It has {}.", known.join(", "))));
        }
    }
    let mut checkers = BTreeMap::new();
    for (name, scheme) in defined {
        let scheme = resolve(document, scheme, &format!("the security scheme {name}"))?;
        let checker = if options.elsewhere.contains(name) {
            Checker::Elsewhere
        } else if options.schemes.contains(name) {
            Checker::Tollgate
        } else if options.schemes.is_empty() {
            checker(name, scheme)
        } else {
            Checker::Nobody("not the scheme that was asked for".to_owned())
        };
        checkers.insert(name.clone(), checker);
    }
    Ok(checkers)
}

/// Who checks a scheme unless the operator says otherwise.
fn checker(name: &str, scheme: &Value) -> Checker {
    let text = |name: &str| scheme.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let what = match (text("type").as_str(), text("scheme").as_str()) {
        ("oauth2" | "openidconnect", _) | ("http", "bearer" | "dpop") => return Checker::Tollgate,
        // As Swagger 2.0, which has no `bearer`, writes it.
        ("apikey", _) if text("in") == "header" && text("name") == "authorization" => {
            let what = format!("an API key in Authorization (--scheme {name} if that is the access token)");
            return Checker::Nobody(what);
        }
        ("apikey", _) => "an API key",
        ("http", "basic") | ("basic", _) => "a user name and password",
        ("mutualtls", _) => "a client certificate",
        ("http", other) if !other.is_empty() => return Checker::Nobody(format!("the HTTP scheme {other:?}")),
        _ => "of no kind that is known",
    };
    Checker::Nobody(what.to_owned())
}

/// What stands behind a reference within the document.
fn resolve<'a>(document: &'a Value, value: &'a Value, place: &str) -> Result<&'a Value, Failure> {
    let mut value = value;
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
        let pointer = reference.strip_prefix('#').ok_or_else(|| {
            Failure::new(format_args!("{place} refers to another file ({reference}), which is not read"))
                .help("Bundle the document into one file first, as `npx @redocly/cli bundle` does.")
        })?;
        value = document
            .pointer(pointer)
            .ok_or_else(|| Failure::new(format_args!("{place} refers to {reference}, which is not there")))?;
    }
    Err(Failure::new(format_args!("{place} refers to itself, or through more than {MAX_REFERENCES} places")))
}

/// The paths of the servers, without a final slash; each once.
fn base_paths(document: &Value, servers: Option<&Value>, remarks: &mut Remarks) -> Vec<String> {
    if let Some(base) = document.get("basePath").and_then(Value::as_str) {
        return vec![base.trim_end_matches('/').to_owned()];
    }
    let servers = servers.or_else(|| document.get("servers")).and_then(Value::as_array);
    let mut paths: Vec<String> = Vec::new();
    for server in servers.into_iter().flatten() {
        let Some(url) = server.get("url").and_then(Value::as_str) else { continue };
        let path = path_of(&with_defaults(url, server.get("variables")));
        let path = path.unwrap_or_else(|relative| {
            remarks.add(
                &format!("the server {url:?} is relative to the document; taken for \"/{relative}\" (or say --base-path)"),
                "",
            );
            format!("/{relative}")
        });
        let path = path.trim_end_matches('/').to_owned();
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() { vec![String::new()] } else { paths }
}

/// The path of a server's URL; `Err` if it is relative to where the document is.
pub(super) fn path_of(url: &str) -> Result<String, String> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let authority = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    match authority {
        Some(rest) => Ok(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default().to_owned()),
        None if url.is_empty() || url.starts_with('/') => Ok(url.to_owned()),
        None => Err(url.trim_start_matches("./").to_owned()),
    }
}

/// A server's URL with the defaults of its variables.
pub(super) fn with_defaults(url: &str, variables: Option<&Value>) -> String {
    let mut text = url.to_owned();
    for (name, variable) in variables.and_then(Value::as_object).into_iter().flatten() {
        if let Some(default) = variable.get("default").and_then(Value::as_str) {
            text = text.replace(&format!("{{{name}}}"), default);
        }
    }
    text
}

/// The schemes that are not about tokens, by their types.
pub(super) fn foreign(document: &Value) -> Vec<String> {
    let checkers = checkers(document, &Options::default()).unwrap_or_default();
    let nobody = |checker: &Checker| matches!(checker, Checker::Nobody(_));
    checkers.into_iter().filter(|(_, checker)| nobody(checker)).map(|(name, _)| name).collect()
}
