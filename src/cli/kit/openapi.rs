//! Reads what an OpenAPI document requires of each operation, and compares rules with it.

mod demand;
pub(crate) mod document;
mod drift;
mod path;
pub(crate) mod routes;
mod security;
mod servers;
mod source;
mod template;

use std::path::Path;

use tollgate_engine::token::scope::ScopeToken;

use crate::kit::failure::Failure;
use crate::kit::openapi::demand::Demand;
pub(crate) use crate::kit::openapi::document::Options;
pub(crate) use crate::kit::openapi::drift::drift;
pub(crate) use crate::kit::openapi::source::Document;

/// Remarks: each sentence once, with its operations.
#[derive(Debug, Default)]
pub(crate) struct Remarks(Vec<(String, Vec<String>)>);

impl Options {
    /// The options for reading a document.
    pub(crate) fn new(
        base_path: Option<&str>,
        schemes: &[String],
        elsewhere: &[String],
        require: &[ScopeToken],
    ) -> Result<Self, Failure> {
        if let Some(base) = base_path.filter(|base| !base.starts_with('/')) {
            return Err(Failure::new(format_args!("--base-path {base} does not begin with \"/\""))
                .help(format_args!("Use --base-path /{base}, or --base-path / for no prefix.")));
        }
        Ok(Self {
            base_path: base_path.map(str::to_owned),
            schemes: schemes.to_vec(),
            elsewhere: elsewhere.to_vec(),
            require: (!require.is_empty()).then(|| Demand::token(require.iter().cloned())),
            hosts: Vec::new(),
        })
    }

    /// Replaces the hosts of the document's servers, unless `hosts` is empty.
    pub(crate) fn of_hosts(self, hosts: &[String]) -> Self {
        Self { hosts: hosts.to_vec(), ..self }
    }
}

/// Parses a scope.
pub(crate) fn scope(text: &str) -> Result<ScopeToken, &'static str> {
    ScopeToken::parse(text).ok_or("expected a scope (RFC 6749, section 3.3)")
}

/// Reads a document, and checks that it is OpenAPI.
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
            Err(Failure::new(format_args!("{name} is OpenAPI {version}, and only 3.x and 2.0 are supported")))
        }
        (None, None) => Err(Failure::new(format_args!(
            "{name} is not an OpenAPI document: it has neither `openapi` nor `swagger` at the top"
        ))),
    }
}

impl Remarks {
    /// Adds a sentence without a full stop; the operation, if any, as `GET /orders`.
    pub(crate) fn add(&mut self, text: &str, operation: &str) {
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

    pub(crate) fn sentences(self) -> Vec<String> {
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

/// The maximum number of operations that a remark names.
const MAX_NAMED: usize = 5;
