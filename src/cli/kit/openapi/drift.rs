//! The differences between the requirements of an OpenAPI document and of rules.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_engine::policy::Policy;
use tollgate_engine::policy::rule::{Access, Rule};
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::request::path::{AmbiguousPath, NormalPath};

use crate::kit::failure::Failure;
use crate::kit::named;
use crate::kit::openapi::Remarks;
use crate::kit::openapi::demand::Demand;
use crate::kit::openapi::document::{self, Operation, Options};
use crate::kit::openapi::path::Written;
use crate::kit::openapi::routes::{Base, Routes};
use crate::kit::openapi::security::Schemes;
use crate::kit::openapi::source::Document;

/// A sentence for every difference. It compares the decisions for a request of each operation, so it does not
/// matter how the rules are written. Schemes that do not stand for tokens are not compared.
pub(crate) fn drift(configuration: &Value, openapi: &Document, options: &Options) -> Vec<String> {
    // `check` reports its errors.
    let Ok(policy) = named::policy(configuration) else { return Vec::new() };
    differences(&policy, openapi, options).unwrap_or_else(|failure| vec![failure.what().to_owned()])
}

fn differences(policy: &Policy, openapi: &Document, closed: &Options) -> Result<Vec<String>, Failure> {
    let foreign = Schemes::of(openapi, closed)?.foreign();
    let elsewhere = closed.elsewhere.iter().cloned().chain(foreign).collect();
    let open = Options { elsewhere, ..closed.clone() };
    let strict = document::operations(openapi, closed, &mut Remarks::default())?;
    let lax = document::operations(openapi, &open, &mut Remarks::default())?;
    let by_host = policy.rules.iter().any(|rule| !rule.matcher.hosts.is_empty());
    let compared = |base| {
        let routes = |operations: &[Operation<'_>]| Routes::new(operations, base, &mut Remarks::default());
        let (strict_routes, lax) = (routes(&strict)?, routes(&lax)?);
        let hosts = &closed.hosts;
        Comparison { policy, hosts, by_host, base, strict: strict_routes, lax }.differences(&strict)
    };
    let declared = compared(Base::Servers)?;
    if declared.is_empty() || closed.base_path.is_some() {
        return Ok(declared);
    }
    // The rules may lack the servers' base paths, for a proxy that removes them.
    let bare = compared(Base::Nothing)?;
    Ok(if bare.len() < declared.len() { bare } else { declared })
}

struct Comparison<'a> {
    policy: &'a Policy,
    /// The hosts of the API, as the operator gave them.
    hosts: &'a [String],
    /// Whether rules depend on the host of a request.
    by_host: bool,
    base: Base,
    /// What is required if only Tollgate checks it: operations that another component checks are closed.
    strict: Routes,
    /// What is required once the other component has accepted the request.
    lax: Routes,
}

const NO_HOST: &str = "the rules are for certain hosts, and the document names no host; give it with --openapi-host HOST, or in `servers`";

impl Comparison<'_> {
    fn differences(&self, operations: &[Operation<'_>]) -> Result<Vec<String>, Failure> {
        let mut differences = Vec::new();
        let mut hosts = BTreeSet::new();
        for operation in operations {
            let method = &operation.method;
            for (host, text) in self.requests(operation) {
                let Some(host) = host else {
                    if differences.first().is_none_or(|first| first != NO_HOST) {
                        differences.insert(0, NO_HOST.to_owned());
                    }
                    continue;
                };
                let name = format!("{method} {host}{text}");
                let written = Written::parse(&text).map_err(|why| operation.part.fault(why))?;
                let sample = written.path.sample();
                let deciding = self.fitting(method, &host, &sample).map(|mut fitting| fitting.next());
                hosts.insert(host);
                let Ok(deciding) = deciding else {
                    differences.push(format!("{name}: the path cannot be matched"));
                    continue;
                };
                let (strict, lax) = (self.strict.demand(method, &sample), self.lax.demand(method, &sample));
                let (Some(strict), Some(lax)) = (strict, lax) else { continue };
                let (mut who, mut access) = ("no rule is for it, and the rest".to_owned(), Access::Required);
                let mut requires = &self.policy.requires;
                if let Some((_, rule)) = deciding {
                    (who, access) = (format!("the rule {}", rule.name), rule.access);
                    requires = rule.requires.as_ref().unwrap_or(requires);
                }
                let enforced = Demand::enforced(access, &requires.scopes);
                // An absent `security` may mean no requirement. If only other schemes are required, any rule agrees.
                let open = operation.unsaid && enforced == Demand::Anonymous;
                let others = *strict == Demand::Deny && *lax == Demand::Anonymous;
                if enforced != *strict && enforced != *lax && !open && !others {
                    let demanded = if *strict == Demand::Deny { lax } else { strict };
                    differences
                        .push(format!("{name}: the document requires {demanded}; {who} requires {enforced}"));
                }
            }
        }
        let concerned = self.concerned(&hosts);
        for (number, rule) in self.policy.rules.iter().enumerate() {
            let own = &rule.matcher.hosts;
            let is_elsewhere = !own.is_empty()
                && !own.iter().any(|own| hosts.iter().any(|host| own.may_fit(host.as_bytes())));
            let is_exempt = rule.access == Access::Deny || !rule.matcher.headers.is_empty() || is_elsewhere;
            if !concerned.contains(&number) && !is_exempt {
                differences.push(format!("the rule {} matches no operation of the document", rule.name));
            }
        }
        Ok(differences)
    }

    /// The rules that match a request of some operation, including those after the rule that decides it.
    fn concerned(&self, hosts: &BTreeSet<String>) -> BTreeSet<usize> {
        let mut concerned = BTreeSet::new();
        for (method, sample) in self.strict.samples() {
            for host in hosts {
                let fitting = self.fitting(method, host, &sample).into_iter().flatten();
                concerned.extend(fitting.map(|(number, _)| number));
            }
        }
        concerned
    }

    /// Hosts and paths of an operation's requests. The host is `None` if it matters but is not known, and empty if
    /// it does not matter.
    fn requests(&self, operation: &Operation<'_>) -> Vec<(Option<String>, String)> {
        let mut requests = Vec::new();
        for server in &operation.servers {
            let named = self.hosts.iter().map(|host| Some(host.to_ascii_lowercase()));
            let hosts: Vec<_> = match (self.by_host, self.hosts) {
                (false, _) => vec![Some(String::new())],
                (true, []) => vec![server.host.clone()],
                (true, _) => named.collect(),
            };
            for request in hosts.into_iter().map(|host| (host, server.path(self.base, &operation.path))) {
                if !requests.contains(&request) {
                    requests.push(request);
                }
            }
        }
        requests
    }

    /// The rules that match a request; the first one decides. `Err` if there is no such request.
    fn fitting<'s>(
        &'s self,
        method: &str,
        host: &str,
        path: &str,
    ) -> Result<impl Iterator<Item = (usize, &'s Rule)> + use<'s>, AmbiguousPath> {
        let normal = NormalPath::parse(path.as_bytes())?;
        let fields = [(":method", method), (":authority", host)];
        let fields = fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let rules = self.policy.rules.iter().enumerate();
        Ok(rules.filter(move |(_, rule)| rule.matcher.matches(RequestHead::new(&fields), Some(&normal))))
    }
}
