//! Finds Tollgate's configuration inside other files.
//!
//! | file | place |
//! | --- | --- |
//! | plain | the document is the configuration |
//! | Envoy | a Wasm plugin's `configuration`, as a `Struct`, a `StringValue` or a `BytesValue` |
//! | Istio | a `TrafficExtension`'s `spec.wasm.pluginConfig`, or a `WasmPlugin`'s `spec.pluginConfig`; an `EnvoyFilter` holds what Envoy's files hold |
//! | Envoy Gateway | an `EnvoyExtensionPolicy`'s `spec.wasm[].config` |
//! | Kubernetes | any of these as text in a `ConfigMap` |

pub(crate) mod located;
pub(crate) mod places;
mod words;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;
use tollgate_config::schema::nearest;

use crate::kit::failure::Failure;
use crate::kit::find::located::{Located, Member, Node, Position, Unreadable};

/// One configuration, and the parts of its file that matter to it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The kind of file.
    pub(crate) host: Host,
    /// The configuration, with positions.
    pub(crate) located: Located,
    pub(crate) value: Value,
    /// What loads the module: Envoy's plugin (`config` of the Wasm filter), Istio's `spec`, or Envoy
    /// Gateway's entry. Absent in a plain file.
    pub(crate) plugin: Option<Located>,
    /// The clusters in the same document, if it is a complete Envoy configuration.
    pub(crate) clusters: Option<Vec<Located>>,
    /// The secrets in the same document.
    pub(crate) secrets: Vec<Located>,
    /// Envoy's connection manager with the filter.
    pub(crate) manager: Option<Located>,
}

/// What loads the module.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Host {
    /// The file does not say.
    Plain,
    /// Envoy.
    Envoy,
    /// Istio's `TrafficExtension` or `WasmPlugin`.
    Istio,
    /// Envoy Gateway's `EnvoyExtensionPolicy`.
    EnvoyGateway,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(crate) enum Unfound {
    /// It cannot be read at all.
    File(Failure),
    /// It is not YAML.
    Syntax(Unreadable),
}

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

impl Host {
    /// Its name in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Envoy => "envoy",
            Self::Istio => "istio",
            Self::EnvoyGateway => "envoy_gateway",
        }
    }
}

/// Every configuration in the file; an error without a configuration.
pub(crate) fn load(file: &Path) -> Result<Vec<Found>, Failure> {
    let found = configurations(file).map_err(|unfound| match unfound {
        Unfound::File(failure) => failure,
        Unfound::Syntax(Unreadable { at, why }) => {
            Failure::new(format_args!("{}:{}:{}: {why}", file.display(), at.line, at.column))
        }
    })?;
    if found.is_empty() {
        return Err(nothing_found(&[file]));
    }
    Ok(found)
}

/// The one configuration in the file, or the `number`-th, counted from 1.
pub(crate) fn load_one(file: &Path, number: Option<usize>) -> Result<Found, Failure> {
    let mut found = load(file)?;
    let place =
        |(i, found): (usize, &Found)| format!("{} (line {})", i.saturating_add(1), found.located.at.line);
    let places = || found.iter().enumerate().map(place).collect::<Vec<_>>().join(", ");
    match number {
        None if found.len() > 1 => Err(Failure::new(format_args!(
            "{} contains {} configurations: {}",
            file.display(),
            found.len(),
            places()
        ))
        .help("Select one, for example --number 1.")),
        None => Ok(found.swap_remove(0)),
        Some(number) if (1..=found.len()).contains(&number) => {
            Ok(found.swap_remove(number.saturating_sub(1)))
        }
        Some(number) => Err(Failure::new(format_args!(
            "{} has no configuration number {number}, only {}",
            file.display(),
            places()
        ))),
    }
}

/// None of the files contains a configuration.
pub(crate) fn nothing_found(files: &[&Path]) -> Failure {
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let failure = Failure::new(format_args!("no configuration of Tollgate in {}", names.join(", ")));
    match files.iter().find_map(|file| misspelt(file)) {
        Some(hint) => failure.help(hint),
        None => failure.help(
            "Expected a document with `providers`, or one of Envoy's Wasm filters, Istio's TrafficExtensions and WasmPlugins, or Envoy Gateway's EnvoyExtensionPolicies.",
        ),
    }
}

/// The place of a key that may be a misspelt `providers`. Other people's files have such a key, too.
fn misspelt(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let documents = located::read(&text).ok()?;
    let plain = documents.iter().filter(|document| document.key("apiVersion").is_none());
    let key = plain
        .flat_map(Located::members)
        .find(|member| nearest(&member.key, ["providers"].into_iter()).is_some())?;
    Some(format!("{}: {:?}: did you mean \"providers\"?", file.display(), key.key))
}

/// Every configuration in the file; may be empty.
pub(crate) fn configurations(file: &Path) -> Result<Vec<Found>, Unfound> {
    let text = text(file).map_err(|error| Unfound::File(Failure::file("read", file, &error)))?;
    let found = configurations_in(&text).map_err(Unfound::Syntax)?;
    if found.iter().any(is_short_file) {
        return Err(Unfound::File(short_file(file)));
    }
    Ok(found)
}

/// Whether it is the short file of `tollgate generate` and `tollgate run`: the filter's configuration has no `apis`.
fn is_short_file(found: &Found) -> bool {
    found.host == Host::Plain
        && found.located.key("apis").is_some_and(|apis| matches!(apis.node, Node::Map(_)))
}

fn short_file(file: &Path) -> Failure {
    let name = file.display();
    Failure::new(format_args!("{name} is a short file, not a configuration of the filter")).help(format_args!(
        "`tollgate generate envoy {name} --out DIR` checks it, and writes the configuration: DIR/envoy.yaml."
    ))
}

/// Every configuration in the text of a file; may be empty.
pub(crate) fn configurations_in(text: &str) -> Result<Vec<Found>, Unreadable> {
    let documents = located::read(text)?;
    let mut search =
        Search { text, clusters: None, secrets: Vec::new(), manager: None, found: Vec::new(), faults: None };
    for document in &documents {
        search.clusters = clusters(document);
        search.secrets = secrets(document);
        search.document(document);
    }
    match search.faults {
        Some(fault) => Err(fault),
        None => Ok(search.found),
    }
}

/// The text of a file, or of the standard input for `-`.
pub(crate) fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(MAX_FILE.saturating_add(1)).read_to_string(&mut text)?
    } else {
        fs::File::open(file)?.take(MAX_FILE.saturating_add(1)).read_to_string(&mut text)?
    };
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(io::Error::other("it is longer than 64 MiB"));
    }
    Ok(text)
}

struct Search<'a> {
    text: &'a str,
    clusters: Option<Vec<Located>>,
    secrets: Vec<Located>,
    /// The connection manager around the current part.
    manager: Option<Located>,
    found: Vec<Found>,
    /// The first embedded configuration that cannot be read.
    faults: Option<Unreadable>,
}

impl Search<'_> {
    fn document(&mut self, document: &Located) {
        let kind = document.key("kind").and_then(Located::text).unwrap_or_default();
        match kind {
            "WasmPlugin" => {
                if let Some(spec) = document.key("spec") {
                    let named = document.path(&["metadata", "name"]).and_then(Located::text);
                    let ours = is_ours(named) || is_ours(spec.key("url").and_then(Located::text));
                    self.plugin(Host::Istio, spec, spec.key("pluginConfig"), ours);
                }
            }
            "TrafficExtension" => {
                if let Some((spec, wasm)) =
                    document.key("spec").and_then(|spec| Some((spec, spec.key("wasm")?)))
                {
                    let named = document.path(&["metadata", "name"]).and_then(Located::text);
                    let ours = is_ours(named) || is_ours(wasm.key("url").and_then(Located::text));
                    // A WasmPlugin has both in one place.
                    let members = [spec.members(), wasm.members()].concat();
                    let plugin = Located { at: spec.at, node: Node::Map(members) };
                    self.plugin(Host::Istio, &plugin, wasm.key("pluginConfig"), ours);
                }
            }
            "EnvoyExtensionPolicy" => {
                for entry in document.path(&["spec", "wasm"]).map(Located::items).unwrap_or_default() {
                    let places: [&[&str]; 3] =
                        [&["name"], &["code", "http", "url"], &["code", "image", "url"]];
                    let ours = places.iter().any(|place| is_ours(entry.path(place).and_then(Located::text)));
                    self.plugin(Host::EnvoyGateway, entry, entry.key("config"), ours);
                }
            }
            "ConfigMap" => {
                for member in document.key("data").map(Located::members).unwrap_or_default() {
                    let Some(text) = member
                        .value
                        .text()
                        .filter(|text| text.contains("tollgate") || text.contains("providers"))
                    else {
                        continue;
                    };
                    // Text of other plugins need not be YAML.
                    for inner in located::read(text).unwrap_or_default() {
                        let inner = self.placed(inner, member.value.at);
                        let outer = (self.clusters.take(), std::mem::take(&mut self.secrets));
                        (self.clusters, self.secrets) = (clusters(&inner), secrets(&inner));
                        self.document(&inner);
                        (self.clusters, self.secrets) = outer;
                    }
                }
            }
            _ if document.key("apiVersion").is_none() && is_plain(document) => {
                self.push(Host::Plain, document.clone(), None);
            }
            _ => self.anywhere(document),
        }
    }

    /// Looks for Envoy's Wasm plugins at any depth.
    fn anywhere(&mut self, part: &Located) {
        if part.key("vm_config").is_some() {
            let texts = [
                &["name"][..],
                &["root_id"],
                &["vm_config", "code", "local", "filename"],
                &["vm_config", "vm_id"],
            ];
            let ours = texts.iter().any(|path| is_ours(part.path(path).and_then(Located::text)));
            self.plugin(Host::Envoy, part, part.key("configuration"), ours);
            return;
        }
        let is_manager = part.key("http_filters").is_some();
        let outer = is_manager.then(|| self.manager.replace(part.clone()));
        part.items().iter().for_each(|item| self.anywhere(item));
        part.members().iter().for_each(|member| self.anywhere(&member.value));
        if let Some(outer) = outer {
            self.manager = outer;
        }
    }

    /// A Wasm plugin. It is Tollgate if its names or its configuration say so.
    fn plugin(&mut self, host: Host, plugin: &Located, configuration: Option<&Located>, ours: bool) {
        let Some(configuration) = configuration else {
            if ours {
                let nothing = Located { at: plugin.at, node: Node::Map(Vec::new()) };
                self.push(host, nothing, Some(plugin.clone()));
            }
            return;
        };
        let typed = configuration.key("@type").is_some();
        let inner = if typed { configuration.key("value").unwrap_or(configuration) } else { configuration };
        let read = match inner.text() {
            Some(text) => located::read(text).map(|documents| {
                let first = documents.into_iter().next();
                first.map_or_else(
                    || Located { at: inner.at, node: Node::Map(Vec::new()) },
                    |first| self.placed(first, inner.at),
                )
            }),
            None => Ok(inner.clone()),
        };
        match read {
            Ok(configuration) if ours || configuration.key("providers").is_some() => {
                self.push(host, configuration, Some(plugin.clone()));
            }
            Err(Unreadable { why, .. }) if ours => {
                self.faults.get_or_insert(Unreadable {
                    at: inner.at,
                    why: format!("the configuration inside: {why}"),
                });
            }
            _ => {}
        }
    }

    /// A document that is text in the file. Its positions are exact in a literal block; otherwise all are the same.
    fn placed(&self, mut inner: Located, at: Position) -> Located {
        let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let own = self.text.lines().nth(index(at.line)).unwrap_or_default();
        let above = self.text.lines().take(index(at.line)).filter(|line| !line.trim().is_empty()).last();
        let indicator = above.unwrap_or_default().split(" #").next().unwrap_or_default().trim_end();
        let literal =
            indicator.trim_end_matches(|c: char| matches!(c, '-' | '+') || c.is_ascii_digit()).ends_with('|');
        if literal && own.chars().take(index(at.column)).all(|c| c == ' ') {
            inner.shift(at.line.saturating_sub(1), at.column.saturating_sub(1));
        } else {
            inner.gather(at);
        }
        inner
    }

    fn push(&mut self, host: Host, located: Located, plugin: Option<Located>) {
        let value = located.value();
        let (clusters, secrets, manager) = match host {
            Host::Envoy => (self.clusters.clone(), self.secrets.clone(), self.manager.clone()),
            _ => (None, Vec::new(), None),
        };
        self.found.push(Found { host, located, value, plugin, clusters, secrets, manager });
    }
}

/// Whether a document is a configuration, even if its key `providers` is misspelt.
fn is_plain(document: &Located) -> bool {
    let is_provider = |part: &Located| {
        ["issuer", "introspection", "jwks", "userinfo"].iter().any(|key| part.key(key).is_some())
    };
    let meant = |member: &Member| {
        nearest(&member.key, ["providers"].into_iter()).is_some()
            && member.value.members().iter().any(|below| is_provider(&below.value))
    };
    document.key("providers").is_some() || document.members().iter().any(meant)
}

fn is_ours(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.to_ascii_lowercase().contains("tollgate"))
}

fn secrets(document: &Located) -> Vec<Located> {
    document.path(&["static_resources", "secrets"]).map(Located::items).unwrap_or_default().to_vec()
}

/// The clusters, if the document is a complete Envoy configuration with all of its clusters.
fn clusters(document: &Located) -> Option<Vec<Located>> {
    let clusters = document.path(&["static_resources", "clusters"])?;
    if document.path(&["dynamic_resources", "cds_config"]).is_some() {
        return None;
    }
    Some(clusters.items().to_vec())
}

/// Why bodies are not read in a mesh, nor by Envoy Gateway.
pub(crate) const NO_BODIES: &str = "neither Istio's TrafficExtension and WasmPlugin nor an EnvoyExtensionPolicy can set allow_on_headers_stop_iteration, and without it Envoy never passes a body to the filter: each request with one is rejected, a form after ten seconds and an event after one";

/// The keys of a configuration by which the filter reads bodies, in two parts.
pub(crate) fn reads_bodies(configuration: &Value) -> Vec<[&'static str; 2]> {
    let is_on = |value: &Value| match value {
        Value::Array(entries) => !entries.is_empty(),
        other => *other == Value::Bool(true),
    };
    let set = |[object, key]: &[&str; 2]| {
        configuration.get(object).and_then(|part| part.get(key)).is_some_and(is_on)
    };
    [["token", "from_form"], ["revocation", "events"]].into_iter().filter(set).collect()
}
