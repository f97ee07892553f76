//! Operations by path, in the order in which rules have to stand, and the rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::import::openapi::Remarks;
use crate::cli::import::openapi::demand::Demand;
use crate::cli::import::openapi::document::Operation;
use crate::cli::import::openapi::path::{Common, Path};

/// Every path with its methods; what is more specific comes first.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_path: BTreeMap<Path, Route>,
    /// A path that cannot be matched.
    pub(super) left_out: Option<String>,
}

#[derive(Debug)]
struct Route {
    /// The path as it is written.
    text: String,
    /// What each method demands, and the `operationId`.
    methods: BTreeMap<String, (Demand, Option<String>)>,
    /// Whether it is only what two others have in common.
    is_common: bool,
}

/// How many paths may be added because others have requests in common.
const MAX_COMMON: usize = 500;

impl Routes {
    /// Sorts the operations. What cannot be matched is left out, and is among the remarks.
    pub(super) fn new(operations: &[Operation], remarks: &mut Remarks) -> Result<Self, Failure> {
        let mut routes = Self::default();
        for operation in operations {
            for text in &operation.paths {
                match Path::parse(text) {
                    Ok(path) => routes.add(path, text, operation, remarks),
                    Err(why) => {
                        remarks.add(
                            &format!("the path {text} {why}; there is no rule for it"),
                            &format!("{} {}", operation.method, operation.path),
                        );
                        routes.left_out.get_or_insert_with(|| text.clone());
                    }
                }
            }
        }
        routes.heads();
        while routes.add_common(remarks)? {}
        Ok(routes)
    }

    fn add(&mut self, path: Path, text: &str, operation: &Operation, remarks: &mut Remarks) {
        let new = || Route { text: text.to_owned(), methods: BTreeMap::new(), is_common: false };
        let route = self.by_path.entry(path).or_insert_with(new);
        let mut said = (operation.demand.clone(), operation.id.clone());
        if let Some((other, _)) = route.methods.get(&operation.method)
            && *other != said.0
        {
            said.0 = said.0.and(other);
            remarks.add(
                &format!(
                    "two operations are for {} {text}; the rule demands what either does",
                    operation.method
                ),
                "",
            );
        }
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

    /// Adds what paths have in common of which none is more specific than the other: a request for it
    /// has to meet both. Says whether there was anything to add.
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
                for (method, (demand, _)) in &route.methods {
                    let Some((other_demand, _)) = other.methods.get(method) else { continue };
                    if demand == other_demand {
                        continue;
                    }
                    let Some(common) = &common else {
                        remarks.add(
                            &format!(
                                "{} and {} may match the same requests; the first rule decides",
                                route.text, other.text
                            ),
                            "",
                        );
                        continue;
                    };
                    let both = demand.and(other_demand);
                    let known = self.by_path.get(common);
                    let settled = known.is_some_and(|known| {
                        known
                            .methods
                            .get(method)
                            .is_some_and(|(settled, _)| !known.is_common || settled.and(&both) == *settled)
                    });
                    if !settled {
                        remarks.add(
                            &format!(
                                "{} and {} both match {}; the rule demands what either does",
                                route.text,
                                other.text,
                                common.text()
                            ),
                            "",
                        );
                        found.push((common.clone(), method.clone(), both));
                    }
                }
            }
        }
        if self.by_path.values().filter(|route| route.is_common).count() > MAX_COMMON {
            return Err(Failure::new("too many paths of the document match the same requests")
                .help("Give paths that differ more, or split the document."));
        }
        let any = !found.is_empty();
        for (path, method, demand) in found {
            let new = Route { text: path.text(), methods: BTreeMap::new(), is_common: true };
            let route = self.by_path.entry(path).or_insert(new);
            let both =
                route.methods.get(&method).map_or_else(|| demand.clone(), |(known, _)| known.and(&demand));
            route.methods.insert(method, (both, None));
        }
        Ok(any)
    }

    /// `rules`.
    pub(super) fn rules(&self) -> Vec<Value> {
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for (path, route) in &self.by_path {
            let mut by_demand: BTreeMap<&Demand, Vec<(&str, Option<&str>)>> = BTreeMap::new();
            for (method, (demand, id)) in &route.methods {
                by_demand.entry(demand).or_default().push((method, id.as_deref()));
            }
            for (demand, operations) in by_demand {
                let methods: Vec<_> = operations.iter().map(|(method, _)| *method).collect();
                let mut rule = Map::new();
                if let Some(name) = name(&route.text, &operations).filter(|name| names.insert(name.clone())) {
                    rule.insert("name".to_owned(), name.into());
                }
                let mut matcher = path.matcher(&route.text);
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

/// The `operationId` if there is one only, or methods and path.
fn name(path: &str, operations: &[(&str, Option<&str>)]) -> Option<String> {
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
        (1..=128).contains(&name.len()) && name.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
    };
    only.filter(fits).or_else(|| Some(format!("{} {path}", methods.join(","))).filter(fits))
}
