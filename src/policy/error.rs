//! To come.
/// To come.
#[derive(Debug, thiserror::Error)]
#[error("to come")]
pub struct ConfigError;
