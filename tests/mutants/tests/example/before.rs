//! A file of the engine.

use std::fmt;

/// Whether it may pass.
pub fn may_pass(age: u64, limit: Option<u64>) -> bool {
    !is_old(age) && limit.is_none_or(|limit| age < limit) || matches!(age, 0)
}

impl Rule {
    const ANY: bool = true;

    fn check(&self, token: &Token) -> Result<(), Rejection> {
        token.check(self)?;
        if let Some(name) = &self.name
            && token.name() == name
        {
            return Ok(());
        }
        match token.kind {
            Kind::Open if self.is_open => Ok(()),
            _ => Err(Rejection::Kind),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open { "open" } else { "closed" })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_not_touched() {
        assert!(1 == 1);
    }
}
