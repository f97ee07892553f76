//! The operations by path, in the order of their rules, and the rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::kit::failure::Failure;
use crate::kit::openapi::Remarks;
use crate::kit::openapi::demand::Demand;
use crate::kit::openapi::document::Operation;
use crate::kit::openapi::path::{Common, Path, Written};
use crate::kit::openapi::servers::Server;

/// Every path with its methods. More specific paths come first.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_path: BTreeMap<Path, Route>,
    /// A path for which the author may have meant more requests than its rule matches.
    pub(crate) narrow: Option<String>,
}

#[derive(Debug)]
struct Route {
    /// The path as the first of its operations writes it.
    text: String,
    /// `match`, without the methods.
    matcher: Value,
    methods: BTreeMap<String, Said>,
}

/// The requirement for one method.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Said {
    demand: Demand,
    /// The path as this operation writes it. Its variables may have other names than the route's.
    text: String,
    /// The `operationId`.
    id: Option<String>,
    /// Whether only operations for other paths match this one, too.
    is_common: bool,
}

/// The prefix of the operations' paths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Base {
    /// The base paths of the servers.
    Servers,
    /// No prefix, for a proxy that removes it.
    Nothing,
}

/// The maximum number of paths that are added because others overlap.
const MAX_COMMON: usize = 500;

impl Operation<'_> {
    /// The prefixes, each once.
    pub(crate) fn below(&self, base: Base) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for server in &self.servers {
            let path = server.path(base, &self.path);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }
}

impl Server {
    /// The path of an operation below a prefix.
    pub(crate) fn path(&self, base: Base, path: &str) -> String {
        match base {
            Base::Servers => format!("{}{path}", self.base),
            Base::Nothing => path.to_owned(),
        }
    }
}

impl Routes {
    /// Sorts the operations.
    pub(crate) fn new(
        operations: &[Operation<'_>],
        base: Base,
        remarks: &mut Remarks,
    ) -> Result<Self, Failure> {
        let (mut routes, mut cut) = (Self::default(), Vec::new());
        let mut spellings: BTreeMap<String, String> = BTreeMap::new();
        for operation in operations {
            for text in operation.below(base) {
                let known = spellings.entry(text.to_ascii_lowercase()).or_insert_with(|| text.clone());
                if *known != text {
                    remarks.add(&format!("the paths {known} and {text} differ only in letter case, which some servers ignore; a request for either must meet the requirements of both"), "");
                }
                let written = Written::parse(&text)
                    .map_err(|why| operation.part.fault(format_args!("the path {text} {why}")))?;
                for remark in &written.remarks {
                    remarks.add(&format!("the path {text}: {remark}"), "");
                }
                if written.is_narrow {
                    routes.narrow.get_or_insert_with(|| text.clone());
                }
                if written.is_cut {
                    cut.push((operation, written, text));
                } else {
                    routes.add(&written, &text, operation, remarks);
                }
            }
        }
        for (operation, written, text) in cut {
            routes.add_cut(&written, &text, operation, remarks);
        }
        routes.heads();
        while routes.add_common(remarks)? {}
        Ok(routes)
    }

    fn add(&mut self, written: &Written, text: &str, operation: &Operation<'_>, remarks: &mut Remarks) {
        let route = self.by_path.entry(written.path.clone()).or_insert_with(|| Route::new(written, text));
        let mut said = Said {
            demand: operation.demand.clone(),
            text: text.to_owned(),
            id: operation.id.clone(),
            is_common: false,
        };
        if let Some(Said { demand: other, .. }) = route.methods.get(&operation.method)
            && *other != said.demand
        {
            said.demand = said.demand.and(other);
            remarks.add(
                &format!(
                    "two operations are for {} {text}; the rule requires what both require",
                    operation.method
                ),
                "",
            );
        }
        route.methods.insert(operation.method.clone(), said);
    }

    /// Adds an operation that differs only by a query or a fragment, which rules do not see. A request for it looks
    /// like one for the path alone. If an operation has that path, the request has to meet both requirements;
    /// otherwise it is rejected.
    fn add_cut(&mut self, written: &Written, text: &str, operation: &Operation<'_>, remarks: &mut Remarks) {
        let route = self.by_path.entry(written.path.clone()).or_insert_with(|| Route::new(written, text));
        let name = format!("{} {}", operation.method, operation.path);
        let closed = Said { demand: Demand::Deny, text: text.to_owned(), id: None, is_common: false };
        let (said, what) = match route.methods.get(&operation.method) {
            Some(said) => (
                Said { demand: said.demand.and(&operation.demand), ..said.clone() },
                "the rule for the path alone requires what both require",
            ),
            None => (closed, "it is denied"),
        };
        remarks.add(&format!("the path has a query or a fragment, which rules do not see; {what}"), &name);
        route.methods.insert(operation.method.clone(), said);
    }

    /// HEAD is GET without the content (RFC 9110, section 9.3.2).
    fn heads(&mut self) {
        for route in self.by_path.values_mut() {
            if let (Some(get), false) =
                (route.methods.get("GET").cloned(), route.methods.contains_key("HEAD"))
            {
                route.methods.insert("HEAD".to_owned(), get);
            }
        }
    }

    /// Adds the overlap of two paths of which none is more specific: such a request has to meet both requirements.
    /// Returns whether anything was added.
    fn add_common(&mut self, remarks: &mut Remarks) -> Result<bool, Failure> {
        let mut found: Vec<(Path, String, Demand)> = Vec::new();
        let routes: Vec<_> = self.by_path.iter().collect();
        for (i, (path, route)) in routes.iter().enumerate() {
            for (other_path, other) in routes.iter().skip(i.saturating_add(1)) {
                let common = match path.common(other_path) {
                    Common::Nothing => continue,
                    Common::Unknown => None,
                    Common::Path(common) if common == **path || common == **other_path => continue,
                    Common::Path(common) => Some(common),
                };
                for (method, Said { demand, text, .. }) in &route.methods {
                    let Some(Said { demand: other_demand, text: other_text, .. }) = other.methods.get(method)
                    else {
                        continue;
                    };
                    if demand == other_demand {
                        continue;
                    }
                    let both = demand.and(other_demand);
                    let what = |one_rule| in_common([demand, other_demand, &both], one_rule);
                    let Some(common) = &common else {
                        remarks.add(
                            &format!("{text} and {other_text} may match the same requests; {}", what(false)),
                            "",
                        );
                        for path in [*path, *other_path] {
                            found.push((path.clone(), method.clone(), both.clone()));
                        }
                        continue;
                    };
                    let known = self.by_path.get(common).and_then(|known| known.methods.get(method));
                    let settled = known
                        .is_some_and(|known| !known.is_common || known.demand.and(&both) == known.demand);
                    if !settled {
                        remarks.add(
                            &format!("{text} and {other_text} both match {}; {}", common.text(), what(true)),
                            "",
                        );
                        found.push((common.clone(), method.clone(), both));
                    }
                }
            }
        }
        let is_common = |route: &&Route| route.methods.values().any(|said| said.is_common);
        if self.by_path.values().filter(is_common).count() > MAX_COMMON {
            return Err(Failure::new("too many paths of the document match the same requests")
                .help("Give paths that differ more, or split the document."));
        }
        let any = !found.is_empty();
        for (path, method, demand) in found {
            let text = path.text();
            let route = self.by_path.entry(path).or_insert_with_key(Route::common);
            let said = match route.methods.get(&method) {
                Some(said) => Said { demand: said.demand.and(&demand), ..said.clone() },
                None => Said { demand, text, id: None, is_common: true },
            };
            route.methods.insert(method, said);
        }
        Ok(any)
    }

    /// The requirement for a request. `None`: no operation matches it. `path` is in the spelling that rules see.
    pub(crate) fn demand(&self, method: &str, path: &str) -> Option<&Demand> {
        let fits = |(known, route): &(&Path, &Route)| route.methods.contains_key(method) && known.fits(path);
        let (_, route) = self.by_path.iter().find(fits)?;
        route.methods.get(method).map(|said| &said.demand)
    }

    /// A request for each path and method, including overlaps of two paths.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (&str, String)> {
        let of = |(path, route)| {
            let (path, route): (&Path, &Route) = (path, route);
            route.methods.keys().map(|method| (method.as_str(), path.sample()))
        };
        self.by_path.iter().flat_map(of)
    }

    /// The `rules`, each with a name that is not in `names` yet.
    pub(crate) fn rules(&self, names: &mut BTreeSet<String>) -> Vec<Value> {
        let mut rules = Vec::new();
        for route in self.by_path.values() {
            let mut by_demand: BTreeMap<&Demand, Vec<(&str, Option<&str>)>> = BTreeMap::new();
            for (method, said) in &route.methods {
                by_demand.entry(&said.demand).or_default().push((method, said.id.as_deref()));
            }
            for (demand, operations) in by_demand {
                let methods: Vec<_> = operations.iter().map(|(method, _)| *method).collect();
                let mut rule = Map::new();
                rule.insert("name".to_owned(), name(&route.text, &operations, names).into());
                let mut matcher = route.matcher.clone();
                if let Value::Object(matcher) = &mut matcher {
                    matcher.insert("methods".to_owned(), json!(methods));
                }
                rule.insert("match".to_owned(), matcher);
                rule.extend(demand.members().into_iter().map(|(name, value)| (name.to_owned(), value)));
                rules.push(rule.into());
            }
        }
        rules
    }
}

impl Route {
    fn new(written: &Written, text: &str) -> Self {
        Self { text: text.to_owned(), matcher: written.matcher(), methods: BTreeMap::new() }
    }

    fn common(path: &Path) -> Self {
        Self { text: path.text(), matcher: path.matcher(&[]).unwrap_or_default(), methods: BTreeMap::new() }
    }
}

/// The rules for requests that match two paths.
fn in_common([one, other, both]: [&Demand; 3], is_one_rule: bool) -> &'static str {
    let one_is_closed = [one, other].contains(&&Demand::Deny);
    match (both, is_one_rule) {
        (Demand::Deny, true) if one_is_closed => "the rule denies, because one of the two is denied",
        (Demand::Deny, false) if one_is_closed => "the rules of each deny, because one of the two is denied",
        (Demand::Deny, true) => "the rule denies, because no rule can express what both require",
        (Demand::Deny, false) => "the rules of each deny, because no rule can express what both require",
        (_, true) => "the rule requires what both require",
        (_, false) => "the rules of each require what both require",
    }
}

/// The `operationId` if it is the only one, otherwise methods and path; with a number if the name is taken.
fn name(path: &str, operations: &[(&str, Option<&str>)], taken: &mut BTreeSet<String>) -> String {
    let ids: BTreeSet<_> = operations.iter().map(|(_, id)| id).collect();
    let only = match ids.iter().next() {
        Some(Some(id)) if ids.len() == 1 => Some((*id).to_owned()),
        _ => None,
    };
    let mut methods: Vec<_> = operations.iter().map(|(method, _)| *method).collect();
    if methods.contains(&"GET") {
        methods.retain(|method| *method != "HEAD");
    }
    let fits = |name: &String| {
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
    };
    let long = format!("{} {path}", methods.join(","));
    let candidates = [only, Some(long)].into_iter().flatten().filter(fits);
    let free = candidates.clone().find(|name| !taken.contains(name));
    let name = free.unwrap_or_else(|| {
        let start = candidates.into_iter().next().unwrap_or_else(|| methods.join(","));
        let start: String = start.chars().take(MAX_NAME.saturating_sub(8)).collect();
        unique(&start, taken)
    });
    taken.insert(name.clone());
    name
}

/// The longest name of a rule, in bytes.
const MAX_NAME: usize = 128;

/// This name, with a number if it is taken.
pub(crate) fn unique(name: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2_usize..).map(|number| format!("{name} {number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}
