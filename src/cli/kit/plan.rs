//! The plan: what is generated, from the short file or from arguments, and the filter's configuration.

mod faults;
mod provider;
mod read;
mod resources;
mod rules;
pub(crate) mod shape;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tollgate_config::error::{ConfigError, Fault};
use tollgate_config::schema::{Place, Step};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::policy::log::LogField;
use tollgate_engine::policy::resource::{Identifier, WELL_KNOWN};
use tollgate_engine::provider::Validate;
use tollgate_engine::provider::client_auth::{self, BasicEncoding, Method};
use tollgate_engine::provider::preset::Preset;
use url::Url;

use crate::kit::entry::{ClientAuth, Entry, Introspection, Jwks};
use crate::kit::failure::Failure;
use crate::kit::find::reads_bodies;
pub(crate) use crate::kit::http::is_loopback;
use crate::kit::named;
use crate::kit::output::Output;

pub(crate) use faults::{Faults, of_api};
pub(crate) use read::Source;

/// Everything that an output is made from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The source, for the first line of every file.
    pub(crate) source: String,
    /// The address on which Envoy listens.
    pub(crate) listen: Option<SocketAddr>,
    /// The address of Envoy's admin interface.
    pub(crate) admin: Option<SocketAddr>,
    /// The maximum number of client connections.
    pub(crate) max_connections: u64,
    /// The maximum number of requests per second from one client address, if there is a limit.
    pub(crate) rate_limit: Option<u64>,
    /// The maximum number of requests per minute from one client, if there is a limit.
    pub(crate) client_rate_limit: Option<ClientRateLimit>,
    /// Envoy's certificate and its key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Whether clients use TLS to the configured Envoy.
    pub(crate) is_https: bool,
    /// Whether clients may present a certificate, for tokens that are bound to one.
    pub(crate) client_certificates: bool,
    /// The authorization servers, by name.
    pub(crate) providers: Vec<Provider>,
    /// The APIs, in the order in which they are tried. The first that matches gets the request.
    pub(crate) apis: Vec<Api>,
    /// The client lists in the form of the filter's configuration, without clusters.
    pub(crate) lists: Map<String, Value>,
    /// Browser login.
    pub(crate) login: Option<Login>,
    /// Other keys of the filter's configuration.
    pub(crate) policy: Map<String, Value>,
    /// Names in the cluster.
    pub(crate) kubernetes: Kubernetes,
    /// The place of each rule in the short file, for errors.
    origins: Vec<Place>,
    rules: Vec<Value>,
    /// The protected resources, each with its place in the short file.
    resources: Vec<(Place, Value)>,
}

/// An authorization server.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    preset: Preset,
    issuer: Option<String>,
    base_url: Option<String>,
    audiences: Vec<String>,
    /// The introspection endpoint, or the address of the keys if tokens are not introspected.
    pub(crate) introspection: Url,
    /// How its tokens are validated.
    validate: Validate,
    /// The address of its keys, if they are needed.
    jwks: Option<Url>,
    /// The authorization endpoint.
    pub(crate) authorization: Option<Url>,
    /// The token endpoint.
    pub(crate) token: Option<Url>,
    /// The gateway's credentials.
    pub(crate) credential: Credential,
    /// Its certificate authority, if the system does not trust it.
    pub(crate) ca_file: Option<PathBuf>,
}

/// How the gateway authenticates at an authorization server.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) client_id: String,
    /// `Method::None` if tokens are not introspected.
    pub(crate) method: Method,
    /// The algorithm of assertions and the key's `kid`, for `private_key_jwt` and `client_secret_jwt`.
    pub(crate) signing: (Option<Algorithm>, Option<String>),
    /// How Basic credentials are encoded.
    pub(crate) encoding: BasicEncoding,
    /// The secret or the private key. `None`: it will be in the variable.
    pub(crate) secret: Option<Secret>,
    /// The variable of Envoy's environment, if one is needed.
    pub(crate) variable: String,
}

/// An API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) name: String,
    /// Its hosts. Empty: all.
    pub(crate) hosts: Vec<String>,
    /// The prefix of its paths.
    pub(crate) prefix: String,
    /// Its address.
    pub(crate) upstream: Url,
    /// The upstream's certificate authority, if the system does not trust it.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether requests are sent with the upstream's own host.
    pub(crate) rewrite_host: bool,
    /// The requirements on tokens.
    pub(crate) scopes: Vec<String>,
    /// Settings of its requests and responses.
    pub(crate) traffic: Traffic,
}

/// Settings of an API's requests and responses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// Whether WebSocket upgrades are allowed.
    pub(crate) websocket: bool,
    /// Whether the upstream is called over HTTP/2.
    pub(crate) http2: bool,
    /// The maximum duration of a whole response, if there is a limit.
    pub(crate) timeout: Option<Duration>,
    /// The maximum time without data.
    pub(crate) idle: Duration,
    /// The maximum duration of a request.
    pub(crate) longest: Duration,
}

/// A destination of the filter's own calls, with its own cluster.
#[derive(Clone, Debug)]
pub(crate) struct Way<'a> {
    /// `provider`, `keys` (on another server), or `list`.
    pub(crate) kind: &'static str,
    /// The name of the provider or the list.
    pub(crate) name: &'a str,
    /// The address.
    pub(crate) url: Url,
    /// Its certificate authority, if the system does not trust it.
    pub(crate) ca_file: Option<&'a PathBuf>,
}

impl Way<'_> {
    /// Its place in the short file.
    pub(crate) fn place(&self) -> Place {
        match self.kind {
            "list" => Place::names(&["client_lists", self.name]),
            "keys" => Place::names(&["providers", self.name, "jwks_uri"]),
            _ => Place::names(&["providers", self.name]),
        }
    }
}

/// Browser login.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The provider's place in [`Plan::providers`].
    pub(crate) provider: usize,
    /// The client for logins.
    pub(crate) client_id: String,
    pub(crate) secret: Secret,
    /// Whether it authenticates by `client_secret_post`.
    pub(crate) posts: bool,
    /// The requested scopes.
    pub(crate) scopes: Vec<String>,
    /// The path to which the authorization server redirects users.
    pub(crate) callback: String,
    /// The path that logs users out.
    pub(crate) signout: String,
}

/// Where the filter runs in a mesh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Workload {
    Sidecar,
    /// To Istio, a gateway is a client.
    Gateway,
    /// The waypoint of this Service. It ignores labels.
    Waypoint(String),
}

/// Names in the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: String,
    /// The labels of the protected workload.
    pub(crate) selector: Map<String, Value>,
    /// Whether the labels were given.
    pub(crate) is_selected: bool,
    pub(crate) workload: Workload,
    /// The existing Secret with the certificate, if there is one.
    pub(crate) tls_secret: Option<String>,
    /// The Gateway's name.
    pub(crate) gateway: String,
}

/// Which component has the gateway's secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Holder {
    /// Envoy, which adds it to the calls. Outputs in which Envoy cannot do so use the variable.
    Envoy,
    /// The module, from its environment.
    Module,
}

impl Provider {
    /// The destination of its calls.
    pub(crate) fn way(&self) -> Way<'_> {
        let ca_file = self.ca_file.as_ref();
        Way { kind: "provider", name: &self.name, url: self.introspection.clone(), ca_file }
    }

    /// The destination of key fetches, if the keys are on another server.
    fn way_to_keys(&self) -> Option<Way<'_>> {
        let keys = self.jwks.as_ref().filter(|keys| keys.origin() != self.introspection.origin())?;
        Some(Way { kind: "keys", name: &self.name, url: keys.clone(), ca_file: None })
    }

    /// Whether Envoy adds the credentials.
    pub(crate) fn injected(&self) -> Option<Secret> {
        let Credential { client_id, method, encoding, secret, .. } = &self.credential;
        let secret = secret.as_ref().filter(|_| *method == Method::Basic && self.is_asked())?;
        match client_auth::ClientAuth::basic(client_id, secret, *encoding) {
            client_auth::ClientAuth::Basic(header) => Some(header),
            _ => None,
        }
    }

    /// Whether the module reads the secret from its environment.
    pub(crate) fn by_variable(&self, holder: Holder) -> bool {
        self.is_asked() && (holder == Holder::Module || self.injected().is_none())
    }

    /// Where its tokens come from, for people: the issuer, or the introspection endpoint.
    pub(crate) fn origin(&self) -> &str {
        self.issuer.as_deref().unwrap_or(self.introspection.as_str())
    }

    /// The audiences that its tokens must have.
    pub(crate) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Whether its tokens are introspected.
    fn is_asked(&self) -> bool {
        self.validate != Validate::Jwt
    }

    fn entry(&self, cluster: &dyn Fn(&Way<'_>) -> String, holder: Holder) -> Entry {
        let own = cluster(&self.way());
        let keys_cluster = self.way_to_keys().map_or_else(|| own.clone(), |way| cluster(&way));
        let jwks = |uri: &Url| Jwks {
            uri: uri.to_string(),
            cluster: keys_cluster,
            timeout: None,
            cache_duration: None,
        };
        let introspection = || Introspection {
            uri: self.introspection.to_string(),
            cluster: own,
            client_auth: self.client_auth(holder),
            timeout: None,
        };
        Entry {
            preset: self.preset,
            issuer: self.issuer.clone(),
            base_url: self.base_url.clone(),
            audiences: self.audiences.clone(),
            validate: self.validate,
            jwks: self.jwks.as_ref().map(jwks),
            introspection: self.is_asked().then(introspection),
            ..Entry::default()
        }
    }

    fn client_auth(&self, holder: Holder) -> ClientAuth {
        if !self.by_variable(holder) {
            return ClientAuth::by_cluster(None);
        }
        let Credential { client_id, method, encoding, variable, signing: (algorithm, kid), .. } =
            &self.credential;
        ClientAuth {
            method: Some(*method).filter(|method| *method != Method::default()),
            encoding: if *method == Method::Basic { *encoding } else { BasicEncoding::default() },
            algorithm: *algorithm,
            kid: kid.clone(),
            ..ClientAuth::secret(client_id, variable)
        }
    }
}

impl Api {
    /// Whether it matches a host, which may be a pattern itself.
    pub(crate) fn serves(&self, host: &str) -> bool {
        let fits = |own: &String| own == host || own.strip_prefix('*').is_some_and(|end| host.ends_with(end));
        self.hosts.is_empty() || self.hosts.iter().any(fits)
    }
}

/// How many requests one client may send in a minute.
#[derive(Clone, Debug)]
pub(crate) struct ClientRateLimit {
    /// Clients without a tier, and with a tier that is not listed.
    pub(crate) default: u64,
    /// Clients of these tiers.
    pub(crate) tiers: Vec<(String, u64)>,
}

impl Plan {
    /// The filter's configuration, checked as the filter will check it. `cluster` names the cluster of a
    /// destination.
    pub(crate) fn configuration(
        &self,
        holder: Holder,
        cluster: impl Fn(&Way<'_>) -> String,
    ) -> Result<Value, Faults> {
        let entry = |provider: &Provider| (provider.name.clone(), provider.entry(&cluster, holder).value());
        let providers: Map<_, _> = self.providers.iter().map(entry).collect();
        let mut lists = self.lists.clone();
        for way in self.more_ways().filter(|way| way.kind == "list") {
            if let Some(Value::Object(list)) = lists.get_mut(way.name) {
                list.insert("cluster".to_owned(), json!(cluster(&way)));
            }
        }
        let mut whole = json!({"providers": providers, "rules": self.rules, "client_lists": lists});
        if let (true, Some(members)) = (self.lists.is_empty(), whole.as_object_mut()) {
            members.remove("client_lists");
        }
        let resources: Vec<_> = self.resources.iter().map(|(_, resource)| resource.clone()).collect();
        if let (Some(members), Some(first)) = (whole.as_object_mut(), resources.first()) {
            let one = resources.len() == 1;
            members.insert("resource".to_owned(), if one { first.clone() } else { resources.into() });
        }
        if let (Some(members), true) = (whole.as_object_mut(), self.client_certificates) {
            members.insert("mtls".to_owned(), json!({"source": "connection"}));
        }
        merge(&mut whole, &self.surroundings());
        // The routes that are generated ignore ports, and so do those of Istio's and Envoy Gateway's gateways.
        if let (Some(members), true) = (whole.as_object_mut(), self.tells_hosts_apart()) {
            members.insert("matching".to_owned(), json!({"host_port": "ignore"}));
        }
        merge(&mut whole, &Value::Object(self.policy.clone()));
        // Variables that are not set yet do not matter here.
        let variable = |name: &str| {
            let of = |provider: &&Provider| provider.credential.variable == name;
            let known =
                self.providers.iter().find(of).and_then(|provider| provider.credential.secret.as_ref());
            Some(known.map_or_else(|| "set".to_owned(), |secret| secret.expose().to_owned()))
        };
        let is_open = |error: &ConfigError| {
            let of = |provider: &&Provider| {
                error.at.steps().take(2).eq([Step::Key("providers"), Step::Key(&provider.name)])
            };
            let is_known =
                self.providers.iter().find(of).is_some_and(|provider| provider.credential.secret.is_some());
            matches!(error.fault, Fault::UnfitVariable { .. }) && !is_known
        };
        let faults: Faults = tollgate_config::policy_of(&whole, &variable)
            .err()
            .into_iter()
            .flatten()
            .filter(|error| !is_open(error))
            .map(|error| (self.origin(&error.at), self.in_words(error.fault).to_string()))
            .collect();
        if faults.is_empty() { Ok(whole) } else { Err(faults) }
    }

    /// An error, with its places in the short file.
    fn in_words(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Duplicate { first } => Fault::Duplicate { first: self.origin(&first) },
            Fault::Contradiction { with, why } => Fault::Contradiction { with: self.origin(&with), why },
            other => other,
        }
    }

    /// Adds keys that depend on the generated parts around the filter.
    fn surroundings(&self) -> Value {
        let mut follows = json!({"log": {"fields": LogField::NAMES}});
        if self.is_https {
            merge(&mut follows, &json!({"token": {"require_tls": true}}));
        }
        follows
    }

    /// Whether rules or resources depend on the host.
    fn tells_hosts_apart(&self) -> bool {
        self.resources.len() > 1 || self.apis.iter().any(|api| !api.hosts.is_empty())
    }

    /// The place in the short file for a place in the filter's configuration.
    fn origin(&self, place: &Place) -> Place {
        let apis = Place::names(&["apis"]);
        let mut steps = place.steps();
        let (first, second) = (steps.next(), steps.next());
        let number = match second {
            Some(Step::Index(number)) => Some(number),
            Some(Step::Key(_)) | None => None,
        };
        match (first, number) {
            (Some(Step::Key("rules")), Some(number)) => {
                place.below(self.origins.get(number).unwrap_or(&apis), 2)
            }
            (Some(Step::Key("resource")), _) if !self.policy.contains_key("resource") => {
                let own = self.resources.get(number.unwrap_or_default()).map(|(place, _)| place);
                place.below(own.unwrap_or(&apis), if number.is_some() { 2 } else { 1 })
            }
            (Some(Step::Key(own @ ("providers" | "client_lists"))), _) if !self.policy.contains_key(own) => {
                place.clone()
            }
            _ => place.below(&Place::names(&["policy"]), 0),
        }
    }

    /// The path of an API's metadata, if it is a protected resource.
    pub(crate) fn metadata_paths(&self, api: &Api) -> Vec<String> {
        let place = resources::place(api);
        let own = self.resources.iter().find(|(known, _)| *known == place);
        let identifier = own.and_then(|(_, resource)| resource.get("identifier")?.as_str());
        let Some(identifier) = identifier.and_then(Identifier::parse) else { return Vec::new() };
        let mut paths = vec![format!("{WELL_KNOWN}{}", identifier.path)];
        if self.resources.len() == 1 && !identifier.path.is_empty() {
            paths.push(WELL_KNOWN.to_owned());
        }
        paths
    }

    /// The variables of Envoy's environment that the module reads.
    pub(crate) fn variables(&self, holder: Holder) -> Vec<&str> {
        let by_variable = self.providers.iter().filter(|provider| provider.by_variable(holder));
        let mut names: Vec<_> = by_variable.map(|provider| provider.credential.variable.as_str()).collect();
        names.extend(self.lists.values().filter_map(|list| read::text(list, "bearer_token_env")));
        names.extend(named::variables_in(&self.policy));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The access of the first rule that may decide on a GET without a query: `None` if it needs a token.
    pub(crate) fn access(&self, path: &str) -> Option<&str> {
        let decides = |rule: &&Value| {
            let of = |key: &str| rule.pointer(&format!("/match/{key}"));
            let is_below = |prefix: &str| {
                path.strip_prefix(prefix.trim_end_matches('/'))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            of("path").and_then(Value::as_str).map_or(of("prefix").is_some(), |own| own == path)
                && of("prefix").and_then(Value::as_str).is_none_or(is_below)
                && of("methods")
                    .and_then(Value::as_array)
                    .is_none_or(|methods| methods.contains(&json!("GET")))
        };
        self.rules.iter().find(decides)?.get("access")?.as_str()
    }

    /// The exact paths that need no token.
    pub(crate) fn anonymous_paths(&self) -> impl Iterator<Item = &str> {
        let path = |rule| Value::pointer(rule, "/match/path").and_then(Value::as_str);
        self.rules.iter().filter_map(path).filter(|path| self.access(path) == Some("anonymous"))
    }

    /// All destinations of the filter's own calls.
    pub(crate) fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        self.providers.iter().map(Provider::way).chain(self.more_ways())
    }

    /// The destinations of key fetches to other servers, and of list fetches.
    pub(crate) fn more_ways(&self) -> impl Iterator<Item = Way<'_>> {
        let lists = self.lists.iter().filter_map(|(name, list)| {
            let url = Url::parse(read::text(list, "uri")?).ok()?;
            Some(Way { kind: "list", name, url, ca_file: None })
        });
        self.providers.iter().filter_map(Provider::way_to_keys).chain(lists)
    }

    /// The hosts, each with its APIs in their order.
    pub(crate) fn hosts(&self) -> Vec<(String, Vec<&Api>)> {
        let mut hosts: Vec<&str> = self.apis.iter().flat_map(|api| &api.hosts).map(String::as_str).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let of = |host: &str| {
            let mut apis: Vec<&Api> = Vec::new();
            for api in self.apis.iter().filter(|api| api.serves(host)) {
                // A later one with the same paths gets none of this host's requests.
                if !apis.iter().any(|before| before.prefix == api.prefix) {
                    apis.push(api);
                }
            }
            apis
        };
        let mut all: Vec<_> = hosts.iter().map(|host| ((*host).to_owned(), of(host))).collect();
        let everywhere: Vec<_> = self.apis.iter().filter(|api| api.hosts.is_empty()).collect();
        if !everywhere.is_empty() {
            all.push(("*".to_owned(), everywhere));
        }
        all
    }

    /// The longest duration among all APIs.
    pub(crate) fn longest(&self, of: impl Fn(&Traffic) -> Duration) -> Duration {
        self.apis.iter().map(|api| of(&api.traffic)).max().unwrap_or_default()
    }

    /// Warns about addresses that other machines can reach.
    pub(crate) fn warn_of_exposure(&self, listen: SocketAddr, out: &mut Output) {
        if self.tls.is_none() && !listen.ip().is_loopback() {
            out.warning(format_args!(
                "{listen} is plain HTTP; unless a proxy in front of Envoy speaks TLS, anyone on the network path can read the clients' tokens; enable TLS with `tls: {{certificate: …, key: …}}`"
            ));
        }
        if let Some(admin) = self.admin.filter(|admin| !admin.ip().is_loopback()) {
            out.warning(format_args!(
                "admin: {admin} can be reached from other machines, and anyone who reaches it can stop Envoy"
            ));
        }
    }

    /// The keys by which the filter reads bodies, which needs a setting of the host.
    pub(crate) fn reads_bodies(&self) -> Vec<String> {
        reads_bodies(&self.policy.clone().into()).iter().map(|parts| parts.join(".")).collect()
    }
}

/// Host and port of an address.
pub(crate) fn endpoint(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    (host, url.port_or_known_default().unwrap_or(443))
}

/// Merges `more` into `whole`.
fn merge(whole: &mut Value, more: &Value) {
    match (whole, more) {
        (Value::Object(whole), Value::Object(more)) => {
            for (key, value) in more {
                merge(whole.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (whole, more) => *whole = more.clone(),
    }
}

/// One failure for several errors, each on a line of its own.
pub(crate) fn several(mut lines: Vec<String>) -> Failure {
    lines.dedup();
    let what = lines.iter().map(|line| crate::kit::printable::printable(line)).collect::<Vec<_>>().join("\n");
    Failure::Told {
        what,
        help: Some(
            "`tollgate generate schema` explains the keys; `tollgate generate --help` has an example."
                .to_owned(),
        ),
        is_own: false,
    }
}
