//! Reads the short file, and the files and clients that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tollgate_config::schema::{self, Place, nearest};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::client_auth::Method;
use url::Url;

use super::faults::{Faults, of_api};
use super::shape::{NOT_IN_POLICY, SHORT_FILE};
use super::{
    Api, ClientRateLimit, Credential, Kubernetes, Login, Plan, Provider, Traffic, Workload, is_loopback,
    resources, rules, several,
};
use crate::kit::failure::Failure;
use crate::kit::find::located::{self, Located};
use crate::kit::find::places;
use crate::kit::find::{self};
use crate::kit::http::Network;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::{Content, StoreArgs, StoredClient, StoredProvider};

/// Where the plan is read from.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    /// The directory of relative file names.
    pub(super) directory: PathBuf,
    value: Value,
    document: Option<Located>,
}

impl Source {
    /// The short file.
    pub(crate) fn file(file: &Path) -> Result<Self, Failure> {
        let text = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
        let documents = located::read(&text).map_err(|located::Unreadable { at, why }| {
            Failure::new(format_args!("{}:{}:{}: {why}", file.display(), at.line, at.column))
                .help("The short file is YAML or JSON; `tollgate generate --help` has an example.")
        })?;
        let [document] = documents.as_slice() else {
            let what = if documents.is_empty() { "is empty" } else { "holds several documents" };
            return Err(Failure::new(format_args!("{} {what}", file.display())).help(
                "Expected one document with `providers` and `apis`; `tollgate generate --help` has an example.",
            ));
        };
        let name =
            if file == Path::new("-") { "the standard input".to_owned() } else { file.display().to_string() };
        Ok(Self {
            name,
            directory: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            value: document.value(),
            document: Some(document.clone()),
        })
    }

    /// The arguments, in the form of a short file.
    pub(crate) fn arguments(value: Value) -> Self {
        Self { name: "the arguments".to_owned(), directory: PathBuf::new(), value, document: None }
    }

    /// The files that the short file names, except for certificates that Envoy itself reads.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut names = Vec::new();
        file_names(&self.value, &mut names);
        names.into_iter().map(|name| self.directory.join(name)).collect()
    }

    /// All errors, with their places in the file.
    pub(crate) fn refusal(&self, faults: Faults) -> Failure {
        let line = |(place, what): (Place, String)| match &self.document {
            Some(document) => {
                let unknown = what.starts_with("unknown key");
                let at = places::position(document, &place, unknown);
                format!("{}:{}:{}: {place}: {what}", self.name, at.line, at.column)
            }
            None => format!("{place}: {what}"),
        };
        several(faults.into_iter().map(line).collect())
    }

    /// The plan, if there are no errors.
    pub(crate) fn plan(
        &self,
        store: &StoreArgs,
        network: &Network,
        out: &mut Output,
    ) -> Result<Plan, Failure> {
        let mut whole = self.value.clone();
        let policy = whole.as_object_mut().and_then(|members| members.remove("policy")).unwrap_or(json!({}));
        let mut found = schema::Faults::default();
        schema::check(&SHORT_FILE, &whole, &Place::default(), &mut found);
        let mut faults: Faults =
            found.into_errors().into_iter().map(|error| (error.at, error.fault.to_string())).collect();
        let policy = if let Value::Object(policy) = policy {
            policy
        } else {
            faults.push((Place::names(&["policy"]), "expected an object".to_owned()));
            Map::new()
        };
        for key in NOT_IN_POLICY {
            if policy.contains_key(key) {
                let what = "cannot be set here; it is derived from apis and client_lists".to_owned();
                faults.push((Place::names(&["policy", key]), what));
            }
        }
        if !faults.is_empty() {
            return Err(self.refusal(faults));
        }
        let mut reader = Reader { source: self, store, network, out, content: None, faults };
        let plan = reader.plan(&whole, policy)?;
        let faults = reader.faults;
        if faults.is_empty() { Ok(plan) } else { Err(self.refusal(faults)) }
    }
}

/// Reads the files and clients that the short file names.
pub(super) struct Reader<'a> {
    /// What is being read.
    pub(super) source: &'a Source,
    store: &'a StoreArgs,
    /// For reading the metadata of issuers.
    pub(super) network: &'a Network,
    /// For warnings.
    pub(super) out: &'a mut Output,
    /// The store, once it has been read.
    content: Option<Content>,
    /// The errors so far.
    pub(super) faults: Faults,
}

impl Reader<'_> {
    fn plan(&mut self, whole: &Value, policy: Map<String, Value>) -> Result<Plan, Failure> {
        let login = whole.get("login");
        let mut providers = Vec::new();
        for (name, written) in members(whole, "providers") {
            let logs_in = login.is_some_and(|login| login.get("provider").is_none_or(|own| own == name));
            providers.extend(self.provider(name, written, logs_in)?);
        }
        self.one_variable_each(&providers);
        let names: Vec<String> = members(whole, "providers").map(|(name, _)| name.clone()).collect();
        let mut apis: Vec<(Api, Value)> = members(whole, "apis")
            .filter_map(|(name, written)| Some((self.api(name, written)?, written.clone())))
            .collect();
        rules::sort(&mut apis);
        rules::no_two_alike(&apis, &mut self.faults);
        let mut lists: Map<String, Value> =
            whole.get("client_lists").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, list) in &lists {
            self.fetched(name, list);
        }
        let mut all: Vec<(String, Place, Value)> = Vec::new();
        for (api, written) in &apis {
            let place = of_api(&api.name);
            let provider = self.choice(&place, written, &names);
            let several = (names.len() > 1).then_some(provider).flatten();
            if let Some(list) = text(written, "client_list") {
                self.list(list, &place, &mut lists)?;
            }
            let requires = rules::requirement(written, several);
            let own = rules::of(api, written, &requires, &mut self.faults);
            let any_token = rules::any_token_passes(api, &own);
            all.extend(own.into_iter().map(|(origin, rule)| (api.name.clone(), origin, rule)));
            if any_token {
                self.out
                    .warning(format_args!("{place} requires no scopes, so every valid token is accepted"));
            }
        }
        // Requests that match no API are rejected, without introspection.
        if !apis.iter().any(|(api, _)| api.prefix == "/" && api.hosts.is_empty()) {
            let elsewhere = json!({"name": "elsewhere", "match": {"prefix": "/"}, "access": "deny"});
            all.push(("apis".to_owned(), Place::names(&["apis"]), elsewhere));
        }
        rules::distinct(&mut all);
        self.limits_clients(whole, &policy);
        let (origins, all) = all.into_iter().map(|(_, origin, rule)| (origin, rule)).unzip();
        let resources = resources::of(&apis, &mut self.faults);
        let apis: Vec<Api> = apis.into_iter().map(|(api, _)| api).collect();
        let login = match login {
            Some(written) => self.login(written, &names, &providers, &apis)?,
            None => None,
        };
        let address = |key| text(whole, key).and_then(|text| text.parse().ok());
        let file =
            |key| whole.pointer(key).and_then(Value::as_str).map(|file| self.source.directory.join(file));
        Ok(Plan {
            // The name is used in a comment.
            source: printable(&self.source.name),
            listen: address("listen"),
            admin: address("admin"),
            max_connections: whole.get("max_connections").and_then(Value::as_u64).unwrap_or(10_000),
            rate_limit: Some(whole.get("rate_limit").and_then(Value::as_u64).unwrap_or(1000))
                .filter(|rate| *rate != 0),
            client_rate_limit: whole.get("client_rate_limit").map(client_rate_limit),
            tls: file("/tls/certificate").zip(file("/tls/key")),
            is_https: whole.get("tls").is_some(),
            client_certificates: whole.pointer("/tls/client_certificates") == Some(&Value::Bool(true)),
            kubernetes: kubernetes(whole.get("kubernetes"), &apis),
            providers,
            apis,
            lists,
            login,
            policy,
            origins,
            rules: all,
            resources,
        })
    }

    /// Adds an error if clients are to be limited by what the filter does not tell.
    fn limits_clients(&mut self, whole: &Value, policy: &Map<String, Value>) {
        let fields = policy.get("log").and_then(|log| log.get("fields")).and_then(Value::as_array);
        let is_told = |name: &&str| fields.is_none_or(|fields| fields.contains(&Value::from(*name)));
        if whole.get("client_rate_limit").is_some() && !["client_id", "tier"].iter().all(is_told) {
            let what = "client_rate_limit needs client_id and tier".to_owned();
            self.faults.push((Place::names(&["policy", "log", "fields"]), what));
        }
    }

    /// Adds an error if two providers share a variable: each secret would be sent to both.
    fn one_variable_each(&mut self, providers: &[Provider]) {
        for (i, provider) in providers.iter().enumerate() {
            let Credential { variable, secret, .. } = &provider.credential;
            let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
            let twin =
                providers.iter().take(i).map(|other| (&other.name, &other.credential)).find(|(_, other)| {
                    !variable.is_empty()
                        && other.variable == *variable
                        && exposed(&other.secret) != exposed(secret)
                });
            if let Some((other, _)) = twin {
                let what = format!(
                    "its secret would be in {variable}, as that of providers.{other} is; expected another name, or client_secret_env"
                );
                self.faults.push((Place::names(&["providers", &provider.name]), what));
            }
        }
    }

    /// The name of the provider that something belongs to.
    fn choice<'n>(&mut self, place: &Place, written: &Value, names: &'n [String]) -> Option<&'n str> {
        match (text(written, "provider"), names) {
            (None, [only]) => Some(only),
            (None, _) => {
                let what = format!("there are several; expected one of {}", names.join(", "));
                self.faults.push((place.name("provider"), what));
                None
            }
            (Some(name), _) => {
                let known = names.iter().find(|known| *known == name);
                if known.is_none() {
                    let what = unknown("provider", name, names.iter().map(String::as_str));
                    self.faults.push((place.name("provider"), what));
                }
                known.map(String::as_str)
            }
        }
    }

    /// A client of the store, and its provider.
    pub(super) fn stored(
        &mut self,
        place: &Place,
        name: &str,
    ) -> Result<Option<(StoredClient, StoredProvider)>, Failure> {
        let environment = self.store.environment().to_owned();
        let content = self.content()?;
        if let Some(client) = content.clients.get(name) {
            let provider = content.providers.get(&client.provider).cloned().unwrap_or_default();
            return Ok(Some((client.clone(), provider)));
        }
        let hint = match nearest(name, content.clients.keys().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("to make one: tollgate client register {name}"),
        };
        let others = match self.store.other_environments() {
            none if none.is_empty() => String::new(),
            others => format!(" (other environments: {})", others.join(", ")),
        };
        let what = format!(
            "there is no client {name:?} in the environment {environment:?} of the store; {hint}{others}"
        );
        self.faults.push((place.clone(), what));
        Ok(None)
    }

    fn content(&mut self) -> Result<&Content, Failure> {
        let content = match self.content.take() {
            Some(content) => content,
            None => self.store.peek()?,
        };
        Ok(self.content.insert(content))
    }

    /// A secret from a file of one line.
    pub(super) fn secret(&mut self, place: &Place, file: &str) -> Result<Option<Secret>, Failure> {
        let file = self.source.directory.join(file);
        let text = find::text(&file).map_err(|error| Failure::file("read", &file, &error))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains(['\r', '\n']) {
            self.faults.push((place.clone(), "expected a file of one line, the secret".to_owned()));
            return Ok(None);
        }
        Ok(Some(Secret::new(text)))
    }

    /// A private key in PEM, as an environment variable takes it: without line breaks.
    pub(super) fn private_key(&mut self, place: &Place, file: &str) -> Result<Option<Secret>, Failure> {
        let file = self.source.directory.join(file);
        let text = find::text(&file).map_err(|error| Failure::file("read", &file, &error))?;
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let is_key = lines
            .first()
            .is_some_and(|first| first.starts_with("-----BEGIN ") && first.ends_with("PRIVATE KEY-----"));
        if !is_key {
            let what = "expected a private key in PEM: -----BEGIN PRIVATE KEY-----";
            self.faults.push((place.clone(), what.to_owned()));
            return Ok(None);
        }
        Ok(Some(Secret::new(lines.join(" "))))
    }

    /// A client list that an API names: the file's own, or the store's.
    fn list(&mut self, name: &str, place: &Place, lists: &mut Map<String, Value>) -> Result<(), Failure> {
        if lists.contains_key(name) {
            return Ok(());
        }
        let own: Vec<String> = lists.keys().cloned().collect();
        let content = self.content()?;
        if let Some(members) = content.lists.get(name) {
            lists.insert(name.to_owned(), json!({"clients": members}));
            return Ok(());
        }
        let all: BTreeSet<&str> = own.iter().chain(content.lists.keys()).map(String::as_str).collect();
        let what = unknown("client list", name, all.iter().copied());
        self.faults.push((place.name("client_list"), what));
        Ok(())
    }

    /// Adds errors of a list that is fetched: its cluster is generated, and generated files must not contain its
    /// token.
    fn fetched(&mut self, name: &str, list: &Value) {
        let place = Place::names(&["client_lists", name]);
        for (key, what) in [
            ("cluster", "cannot be set here; it is derived from uri"),
            ("bearer_token", "would be in the generated configuration; expected bearer_token_env"),
        ] {
            if list.get(key).is_some() {
                self.faults.push((place.name(key), what.to_owned()));
            }
        }
        let Some(Ok(url)) = text(list, "uri").map(Url::parse) else { return };
        if url.scheme() == "http" && !is_loopback(&url) {
            let what = format!(
                "{url} is plain HTTP, so anyone on the network path can decide which clients may call; expected https"
            );
            self.faults.push((place.name("uri"), what));
        }
    }

    fn api(&self, name: &str, written: &Value) -> Option<Api> {
        Some(Api {
            name: name.to_owned(),
            hosts: texts(written, "hosts").iter().map(|host| host.to_ascii_lowercase()).collect(),
            prefix: text(written, "prefix").unwrap_or("/").to_owned(),
            // The shape was checked.
            upstream: text(written, "upstream").and_then(|url| Url::parse(url).ok())?,
            ca_file: text(written, "upstream_ca_file").map(|file| self.source.directory.join(file)),
            rewrite_host: written.get("rewrite_host") == Some(&Value::Bool(true)),
            scopes: texts(written, "scopes"),
            traffic: traffic(written),
        })
    }

    fn login(
        &mut self,
        written: &Value,
        names: &[String],
        providers: &[Provider],
        apis: &[Api],
    ) -> Result<Option<Login>, Failure> {
        let place = Place::names(&["login"]);
        let Some(name) = self.choice(&place, written, names).map(str::to_owned) else { return Ok(None) };
        let Some((at, provider)) = providers.iter().enumerate().find(|(_, provider)| provider.name == name)
        else {
            return Ok(None);
        };
        if provider.authorization.is_none() || provider.token.is_none() {
            let what = "its metadata names no authorization_endpoint or no token_endpoint; expected both";
            self.faults.push((Place::names(&["providers", &name]), what.to_owned()));
            return Ok(None);
        }
        let (client_id, secret, method) = if let Some(client) = text(written, "client") {
            let Some((found, _)) = self.stored(&place.name("client"), client)? else { return Ok(None) };
            let method = Method::named(&found.token_endpoint_auth_method).unwrap_or_default();
            (found.client_id, found.client_secret.map(Secret::new), method)
        } else {
            let Some(file) = text(written, "client_secret_file") else {
                let what = "expected client_secret_file beside client_id";
                self.faults.push((place, what.to_owned()));
                return Ok(None);
            };
            let id = text(written, "client_id").unwrap_or_default().to_owned();
            (id, self.secret(&place.name("client_secret_file"), file)?, Method::default())
        };
        let Some(secret) = secret else {
            self.faults.push((place, "its client has no secret; Envoy's login needs one".to_owned()));
            return Ok(None);
        };
        let asked = written.get("scopes").and_then(Value::as_array);
        let mut scopes: Vec<String> = match asked {
            Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => apis.iter().flat_map(|api| api.scopes.clone()).collect(),
        };
        let mut seen = Vec::new();
        scopes.retain(|scope| {
            !seen.contains(scope) && {
                seen.push(scope.clone());
                true
            }
        });
        Ok(Some(Login {
            provider: at,
            client_id,
            secret,
            posts: text(written, "auth_method").and_then(Method::named).unwrap_or(method) == Method::Post,
            scopes,
            callback: text(written, "callback_path").unwrap_or("/oauth2/callback").to_owned(),
            signout: text(written, "signout_path").unwrap_or("/oauth2/signout").to_owned(),
        }))
    }
}

/// The defaults allow streams: no limit for a whole response, but for time without data, and for the request.
fn traffic(written: &Value) -> Traffic {
    let is_true = |key: &str| written.get(key) == Some(&Value::Bool(true));
    let span = |key: &str| text(written, key).and_then(schema::duration);
    Traffic {
        websocket: is_true("websocket"),
        http2: is_true("grpc"),
        timeout: span("timeout"),
        idle: span("idle_timeout").unwrap_or(Duration::from_secs(5 * 60)),
        longest: span("max_stream_duration").unwrap_or(Duration::from_secs(60 * 60)),
    }
}

fn client_rate_limit(written: &Value) -> ClientRateLimit {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let tiers = written.get("tiers").and_then(Value::as_object).into_iter().flatten();
    ClientRateLimit {
        default: written.get("default").map(number).unwrap_or_default(),
        tiers: tiers.map(|(tier, limit)| (tier.clone(), number(limit))).collect(),
    }
}

fn kubernetes(written: Option<&Value>, apis: &[Api]) -> Kubernetes {
    let own = |key: &str| written.and_then(|written| text(written, key));
    let selector = written.and_then(|written| written.get("selector")).and_then(Value::as_object);
    let first = apis.iter().map(|api| api.name.as_str()).min().unwrap_or_default();
    // For example istio: ingressgateway, or gateway.networking.k8s.io/gateway-name: front.
    let names_a_gateway = || {
        selector.into_iter().flatten().any(|(key, value)| {
            key.contains("gateway") || value.as_str().is_some_and(|value| value.contains("gateway"))
        })
    };
    let workload = match (own("workload"), own("service")) {
        (Some("waypoint"), service) => Workload::Waypoint(service.unwrap_or(first).to_owned()),
        (Some("gateway"), _) => Workload::Gateway,
        (None, _) if names_a_gateway() => Workload::Gateway,
        _ => Workload::Sidecar,
    };
    Kubernetes {
        namespace: own("namespace").unwrap_or("default").to_owned(),
        is_selected: selector.is_some() || own("service").is_some(),
        selector: selector.cloned().unwrap_or_else(|| Map::from_iter([("app".to_owned(), json!(first))])),
        workload,
        tls_secret: own("tls_secret").map(str::to_owned),
        gateway: own("gateway").unwrap_or("tollgate").to_owned(),
    }
}

fn members<'v>(whole: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    whole.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// The text under a key.
fn file_names<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str() {
                    Some(name) if key.ends_with("_file") => names.push(name),
                    _ => file_names(member, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| file_names(item, names)),
        _ => {}
    }
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// The texts of the list under a key.
pub(super) fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("no {what} has this name; did you mean {near:?}?"),
        None => format!("no {what} has this name; known: {}", known.collect::<Vec<_>>().join(", ")),
    }
}
