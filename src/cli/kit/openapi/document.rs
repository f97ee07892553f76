//! The operations of an OpenAPI document, and what each requires.

use crate::kit::failure::Failure;
use crate::kit::openapi::Remarks;
use crate::kit::openapi::demand::Demand;
use crate::kit::openapi::security::{self, Schemes};
use crate::kit::openapi::servers::{self, Server};
use crate::kit::openapi::source::{Document, Part};

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation<'a> {
    /// The method, in upper case.
    pub(crate) method: String,
    /// The path as it is written in the document.
    pub(crate) path: String,
    /// Its place in the document.
    pub(crate) part: Part<'a>,
    /// Its servers.
    pub(crate) servers: Vec<Server>,
    /// The `operationId`.
    pub(crate) id: Option<String>,
    /// What it requires.
    pub(crate) demand: Demand,
    /// Whether the document says nothing about its security.
    pub(crate) unsaid: bool,
}

/// Options for reading a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Replaces the base paths of `servers`.
    pub(crate) base_path: Option<String>,
    /// Replaces the hosts of `servers`.
    pub(crate) hosts: Vec<String>,
    /// The schemes that stand for access tokens. Empty: all that can.
    pub(crate) schemes: Vec<String>,
    /// The schemes that another component checks.
    pub(crate) elsewhere: Vec<String>,
    /// What is required of operations about whose security the document says nothing.
    pub(crate) require: Option<Demand>,
}

/// The methods with a field in a Path Item Object.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Amazon API Gateway's field for all other methods, and these methods.
const ANY_METHOD: (&str, [&str; 7]) =
    ("x-amazon-apigateway-any-method", ["delete", "get", "head", "options", "patch", "post", "put"]);

/// The fields of an operation that matter. None of them may be beside a reference.
const OF_AN_OPERATION: [&str; 2] = ["security", "servers"];

/// All operations of a document.
pub(crate) fn operations<'a>(
    document: &'a Document,
    options: &Options,
    remarks: &mut Remarks,
) -> Result<Vec<Operation<'a>>, Failure> {
    let root = document.root();
    let schemes = Schemes::of(document, options)?;
    let nothing = || Failure::new("the OpenAPI document has no `paths`, so no rules can be derived from it");
    let paths = root.key("paths").ok_or_else(nothing)?.resolved(&[])?;
    let reader = Reader { general: said(&root)?, root, schemes, options };
    let mut operations = Vec::new();
    for (path, item) in paths.members()?.filter(|(path, _)| !path.starts_with("x-")) {
        if !path.starts_with('/') {
            return Err(item.fault("this path does not begin with \"/\", so it may be read in two ways"));
        }
        reader.path_item(path, &item, remarks, &mut operations)?;
    }
    if operations.is_empty() && paths.members()?.next().is_none() {
        return Err(nothing());
    }
    Ok(operations)
}

struct Reader<'a, 'o> {
    root: Part<'a>,
    /// The document's own `security`.
    general: Option<Part<'a>>,
    schemes: Schemes<'a>,
    options: &'o Options,
}

/// A Path Item Object, merged with what it refers to.
#[derive(Default)]
struct PathItem<'a> {
    operations: Vec<(String, Part<'a>)>,
    servers: Option<Part<'a>>,
    any: Option<Part<'a>>,
}

impl<'a> Reader<'a, '_> {
    fn path_item(
        &self,
        path: &str,
        item: &Part<'a>,
        remarks: &mut Remarks,
        operations: &mut Vec<Operation<'a>>,
    ) -> Result<(), Failure> {
        let mut whole = PathItem::default();
        let mut part = item.clone();
        whole.add(&part)?;
        // It may have fields beside a reference, unless the referenced object has them, too.
        for number in 0_usize.. {
            let Some(reference) = part.key("$ref") else { break };
            if number >= MAX_REFERENCES {
                return Err(item
                    .fault(format_args!("refers to itself, or through more than {MAX_REFERENCES} places")));
            }
            part = reference.target()?;
            whole.add(&part)?;
        }
        if let Some(any) = whole.any.take() {
            let (field, methods) = ANY_METHOD;
            let is_listed =
                |method: &str| whole.operations.iter().any(|(known, _)| known.eq_ignore_ascii_case(method));
            let rest: Vec<_> = methods.into_iter().filter(|method| !is_listed(method)).collect();
            remarks.add(&format!("`{field}` is for {}", rest.join(", ").to_ascii_uppercase()), path);
            whole
                .operations
                .extend(rest.into_iter().map(|method| (method.to_ascii_uppercase(), any.clone())));
        }
        for (method, operation) in &whole.operations {
            operations.push(self.operation(method, path, whole.servers.as_ref(), operation, remarks)?);
        }
        Ok(())
    }

    fn operation(
        &self,
        method: &str,
        path: &str,
        servers: Option<&Part<'a>>,
        operation: &Part<'a>,
        remarks: &mut Remarks,
    ) -> Result<Operation<'a>, Failure> {
        let name = format!("{method} {path}");
        let operation = operation.resolved(&OF_AN_OPERATION)?;
        operation.be_object()?;
        self.schemes.agree_with(&operation.whole(), self.options)?;
        let own = said(&operation)?;
        let unsaid = own.is_none() && self.general.is_none();
        let mut demand = match own.as_ref().or(self.general.as_ref()) {
            Some(security) => self.demand(security, &name, remarks)?,
            // An absent `security` differs from `security: []`: it may have been forgotten.
            None => self.unsaid(&name, remarks),
        };
        let elsewhere = operation.whole();
        if let (None, false, Some(other)) = (&own, elsewhere.is_beside(&self.root), said(&elsewhere)?) {
            demand = demand.and(&self.demand(&other, &name, remarks)?);
            remarks.add(
                &format!(
                    "{} has its own `security` for all operations, which is required as well",
                    other.file()
                ),
                &name,
            );
        }
        let servers = operation.key("servers").or_else(|| servers.cloned());
        let mut servers = servers::of(&self.root, servers, remarks)?;
        if let Some(base) = &self.options.base_path {
            for server in &mut servers {
                base.trim_end_matches('/').clone_into(&mut server.base);
            }
        }
        Ok(Operation {
            method: method.to_owned(),
            path: path.to_owned(),
            servers,
            id: operation.key("operationId").and_then(|id| id.text().ok()).map(str::to_owned),
            part: operation,
            demand,
            unsaid,
        })
    }

    fn demand(&self, security: &Part<'a>, operation: &str, remarks: &mut Remarks) -> Result<Demand, Failure> {
        let (demand, said) = Demand::of(&security::requirements(security)?, self.schemes.checkers());
        for remark in &said {
            remarks.add(remark, operation);
        }
        Ok(demand)
    }

    fn unsaid(&self, operation: &str, remarks: &mut Remarks) -> Demand {
        if let Some(demand) = &self.options.require {
            remarks.add(
                &format!("the document says nothing about security; {demand} is required, as --require says"),
                operation,
            );
            return demand.clone();
        }
        remarks.add("the document says nothing about security, so any valid token is required; with `security: []`, none would be", operation);
        Demand::Token(<_>::default())
    }
}

/// The longest chain of references.
const MAX_REFERENCES: usize = 16;

impl<'a> PathItem<'a> {
    /// Adds the fields of a Path Item Object. An error if one of them exists already.
    fn add(&mut self, part: &Part<'a>) -> Result<(), Failure> {
        for (key, field) in part.members()? {
            let method = key.to_ascii_lowercase();
            if METHODS.contains(&method.as_str()) {
                if key != method {
                    return Err(field.fault(format_args!("is not a field of a path; expected `{method}`")));
                }
                self.operation(method.to_ascii_uppercase(), field)?;
            } else if key == "additionalOperations" {
                for (method, operation) in field.members()? {
                    if !is_method(method) {
                        return Err(operation.fault("expected a method in upper case as the key"));
                    }
                    self.operation(method.to_owned(), operation)?;
                }
            } else if key == ANY_METHOD.0 {
                once(&mut self.any, field)?;
            } else if key == "servers" {
                once(&mut self.servers, field)?;
            }
        }
        Ok(())
    }

    fn operation(&mut self, method: String, operation: Part<'a>) -> Result<(), Failure> {
        if self.operations.iter().any(|(known, _)| *known == method) {
            return Err(operation.fault(TWICE));
        }
        self.operations.push((method, operation));
        Ok(())
    }
}

fn once<'a>(slot: &mut Option<Part<'a>>, field: Part<'a>) -> Result<(), Failure> {
    match slot.replace(field) {
        None => Ok(()),
        Some(known) => Err(known.fault(TWICE)),
    }
}

const TWICE: &str = "is there twice for this path, and nothing says which of them counts";

/// The `security` of a part, with its shape checked.
fn said<'a>(part: &Part<'a>) -> Result<Option<Part<'a>>, Failure> {
    let security = part.key("security");
    security.iter().try_for_each(|security| security::requirements(security).map(drop))?;
    Ok(security)
}

/// A method as requests write it. Envoy rejects methods in lower case, or treats them as other methods.
fn is_method(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(fits)
}
