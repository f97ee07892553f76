//! Rules from an OpenAPI document.

use std::path::Path;

use serde_json::Value;

use crate::cli::failure::Failure;

/// Reads the document.
pub(crate) fn read(_file: &Path) -> Result<Value, Failure> {
    Err(Failure::new("not built yet"))
}

/// What the document demands and the rules do not, and the reverse; a sentence each.
pub(crate) fn drift(_configuration: &Value, _openapi: &Value) -> Vec<String> {
    Vec::new()
}
