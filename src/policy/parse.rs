//! To come.

use crate::policy::Policy;
use crate::policy::error::ConfigError;

impl Policy {
    /// To come.
    pub fn parse(bytes: &[u8], env: &dyn Fn(&str) -> Option<String>) -> Result<Policy, Vec<ConfigError>> {
        let _ = (bytes, env);
        todo!()
    }
}
