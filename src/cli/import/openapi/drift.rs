//! What an OpenAPI document demands and the rules do not, and the reverse.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_filter::policy::Policy;
use tollgate_filter::policy::rule::{Access, Rule};
use tollgate_filter::request::head::RequestHead;
use tollgate_filter::request::path::{AmbiguousPath, NormalPath};

use crate::cli::import::openapi::Remarks;
use crate::cli::import::openapi::demand::Demand;
use crate::cli::import::openapi::document::{self, Operation, Options};
use crate::cli::import::openapi::path::Path;
use crate::cli::import::openapi::servers::Server;

/// A sentence for every difference. Each operation is asked for as a request would, so that it does not
/// matter how the rules are written. What other schemes than tokens' are about is not looked at. `hosts` are
/// those that the document is about, instead of its own.
pub(crate) fn drift(configuration: &Value, openapi: &Value, hosts: &[String]) -> Vec<String> {
    let stand_in = |_: &str| Some("a-value-that-stands-in-for-a-secret".to_owned());
    // Its faults are `check`'s to report.
    let Ok(policy) = Policy::from_value(configuration, &stand_in) else { return Vec::new() };
    let closed = Options::default();
    let open = Options { elsewhere: foreign(openapi), ..Options::default() };
    let read = |options: &Options| document::operations(openapi, options, &mut Remarks::default());
    let (strict, lax) = match (read(&closed), read(&open)) {
        (Ok(strict), Ok(lax)) => (strict, lax),
        (Err(failure), _) | (_, Err(failure)) => return vec![failure.what().to_owned()],
    };
    let by_host = policy.rules.iter().any(|rule| !rule.matcher.hosts.is_empty());
    let comparison = Comparison { policy: &policy, hosts, by_host, below_base: true };
    let declared = comparison.differences(&strict, &lax);
    // The rules may have been made without the servers' base paths, for a proxy that has cut them off.
    let bare = Comparison { below_base: false, ..comparison }.differences(&strict, &lax);
    if bare.len() < declared.len() { bare } else { declared }
}

/// The schemes that are not about tokens.
fn foreign(openapi: &Value) -> Vec<String> {
    document::foreign(openapi)
}

struct Comparison<'a> {
    policy: &'a Policy,
    /// The hosts that the operator says the document is about.
    hosts: &'a [String],
    /// Whether it matters which host a request is for.
    by_host: bool,
    below_base: bool,
}

const NO_HOST: &str = "the rules are for certain hosts, and the document does not name its own; name it with --openapi-host HOST, or in `servers`";

impl Comparison<'_> {
    fn differences(&self, strict: &[Operation], lax: &[Operation]) -> Vec<String> {
        let mut differences = Vec::new();
        let (mut used, mut hosts) = (BTreeSet::new(), BTreeSet::new());
        for (strict, lax) in strict.iter().zip(lax) {
            for (host, path) in self.requests(strict) {
                let Some(host) = host else {
                    if differences.first().is_none_or(|first| first != NO_HOST) {
                        differences.insert(0, NO_HOST.to_owned());
                    }
                    continue;
                };
                let name = format!("{} {host}{path}", strict.method);
                let rule = self.deciding(&strict.method, &host, &Path::sample(&path));
                hosts.insert(host);
                let Ok(rule) = rule else {
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
            let own = &rule.matcher.hosts;
            let is_elsewhere = !own.is_empty()
                && !own.iter().any(|own| hosts.iter().any(|host| own.may_fit(host.as_bytes())));
            let is_exempt = rule.access == Access::Deny || !rule.matcher.headers.is_empty() || is_elsewhere;
            if !used.contains(&number) && !is_exempt {
                differences.push(format!("the rule {} is for no operation of the document", rule.name));
            }
        }
        differences
    }

    /// Hosts and paths of an operation's requests. The host is `None` where it matters and is not known, and
    /// empty where it does not matter.
    fn requests(&self, operation: &Operation) -> Vec<(Option<String>, String)> {
        let mut requests = Vec::new();
        for Server { host, base } in &operation.servers {
            let path =
                if self.below_base { format!("{base}{}", operation.path) } else { operation.path.clone() };
            let named = self.hosts.iter().map(|host| Some(host.to_ascii_lowercase()));
            let hosts: Vec<_> = match (self.by_host, self.hosts) {
                (false, _) => vec![Some(String::new())],
                (true, []) => vec![host.clone()],
                (true, _) => named.collect(),
            };
            for request in hosts.into_iter().map(|host| (host, path.clone())) {
                if !requests.contains(&request) {
                    requests.push(request);
                }
            }
        }
        requests
    }

    /// The rule that decides a request, if any does; `Err` if there is no such request.
    fn deciding(
        &self,
        method: &str,
        host: &str,
        path: &str,
    ) -> Result<Option<(usize, &Rule)>, AmbiguousPath> {
        let normal = NormalPath::parse(path.as_bytes())?;
        let fields = [(":method", method), (":authority", host)];
        let fields = fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let fits = |rule: &Rule| rule.matcher.matches(RequestHead::new(&fields), Some(&normal));
        Ok(self.policy.rules.iter().enumerate().find(|(_, rule)| fits(rule)))
    }
}
