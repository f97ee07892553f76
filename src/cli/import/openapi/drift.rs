//! What an OpenAPI document demands and the rules do not, and the reverse.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_filter::policy::Policy;
use tollgate_filter::policy::rule::{Access, Matcher, Rule};
use tollgate_filter::request::head::RequestHead;
use tollgate_filter::request::path::{AmbiguousPath, NormalPath};

use crate::cli::import::openapi::Remarks;
use crate::cli::import::openapi::demand::Demand;
use crate::cli::import::openapi::document::{self, Operation, Options};
use crate::cli::import::openapi::path::Path;

/// A sentence for every difference. Each operation is asked for as a request would, so that it does not
/// matter how the rules are written. What other schemes than tokens' are about is not looked at.
pub(crate) fn drift(configuration: &Value, openapi: &Value) -> Vec<String> {
    let stand_in = |_: &str| Some("a-value-that-stands-in-for-a-secret".to_owned());
    // Its faults are `check`'s to report.
    let Ok(policy) = Policy::from_value(configuration, &stand_in) else { return Vec::new() };
    let closed = Options::default();
    let open = Options { elsewhere: foreign(openapi), ..Options::default() };
    let read = |options: &Options| document::operations(openapi, options, &mut Remarks::default());
    let (strict, lax) = match (read(&closed), read(&open)) {
        (Ok(strict), Ok(lax)) => (strict, lax),
        (Err(failure), _) | (_, Err(failure)) => return vec![failure.to_string()],
    };
    let declared = Comparison { policy: &policy, below_base: true }.differences(&strict, &lax);
    // The rules may have been made without the servers' base paths, for a proxy that has cut them off.
    let bare = Comparison { policy: &policy, below_base: false }.differences(&strict, &lax);
    if bare.len() < declared.len() { bare } else { declared }
}

/// The schemes that are not about tokens.
fn foreign(openapi: &Value) -> Vec<String> {
    document::foreign(openapi)
}

struct Comparison<'a> {
    policy: &'a Policy,
    below_base: bool,
}

impl Comparison<'_> {
    fn differences(&self, strict: &[Operation], lax: &[Operation]) -> Vec<String> {
        let mut differences = Vec::new();
        let mut used = BTreeSet::new();
        for (strict, lax) in strict.iter().zip(lax) {
            let bare = [strict.path.clone()];
            let paths = if self.below_base { strict.paths.as_slice() } else { &bare };
            for path in paths {
                let name = format!("{} {path}", strict.method);
                let Ok(rule) = self.deciding(&strict.method, &Path::sample(path)) else {
                    differences.push(format!("{name}: the path cannot be matched"));
                    continue;
                };
                let (mut who, mut access) = ("no rule is for it, and the rest".to_owned(), Access::Required);
                let mut requires = &self.policy.requires;
                if let Some((number, rule)) = rule {
                    used.insert(number);
                    (who, access) = (format!("the rule {}", rule.name), rule.access);
                    requires = rule.requires.as_ref().unwrap_or(requires);
                }
                let enforced = Demand::enforced(access, &requires.scopes);
                // No security given may mean none; and where only other schemes count, anything goes.
                let open = strict.unsaid && enforced == Demand::Anonymous;
                let others = strict.demand == Demand::Deny && lax.demand == Demand::Anonymous;
                if enforced != strict.demand && enforced != lax.demand && !open && !others {
                    let demanded = if strict.demand == Demand::Deny { &lax.demand } else { &strict.demand };
                    differences
                        .push(format!("{name}: the document demands {demanded}; {who} demands {enforced}"));
                }
            }
        }
        for (number, rule) in self.policy.rules.iter().enumerate() {
            if !used.contains(&number) && rule.access != Access::Deny && rule.matcher.headers.is_empty() {
                differences.push(format!("the rule {} is for no operation of the document", rule.name));
            }
        }
        differences
    }

    /// The rule that decides a request, if any does; `Err` if there is no such request.
    fn deciding(&self, method: &str, path: &str) -> Result<Option<(usize, &Rule)>, AmbiguousPath> {
        let normal = NormalPath::parse(path.as_bytes())?;
        let fields = [(b":method".to_vec(), method.as_bytes().to_vec())];
        let fits = |rule: &Rule| {
            // Rules for some hosts are compared as if the request were for one of these.
            let matcher = Matcher { hosts: Vec::new(), ..rule.matcher.clone() };
            matcher.matches(RequestHead::new(&fields), Some(&normal))
        };
        Ok(self.policy.rules.iter().enumerate().find(|(_, rule)| fits(rule)))
    }
}
