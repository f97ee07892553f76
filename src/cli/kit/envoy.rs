//! A complete Envoy configuration, and the parts of which it consists.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_config::schema::duration;
use tollgate_engine::base::secret::Secret;
use url::{Host, Url};

use crate::kit::capabilities;
use crate::kit::failure::Failure;
use crate::kit::files::{Content, File};
use crate::kit::http::is_loopback;
use crate::kit::plan::{Api, ClientRateLimit, Faults, Holder, Login, Plan, Provider, Traffic, Way, endpoint};
use crate::kit::template::{ACCESS_LOG, STATS_TAGS, fill};
use crate::kit::yaml::{configuration, scalar};

/// The addresses and paths of one Envoy.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// `envoy` or `compose`.
    pub(crate) target: &'static str,
    /// The directory of the generated files, as Envoy sees it.
    pub(crate) directory: PathBuf,
    pub(crate) module: PathBuf,
    /// The file of root certificates.
    pub(crate) roots: PathBuf,
    /// The address on which Envoy listens.
    pub(crate) listen: SocketAddr,
    /// The address of Envoy's admin interface.
    pub(crate) admin: SocketAddr,
    /// Envoy's certificate and its key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Whether another program may listen on the same port, with a part of the connections.
    pub(crate) shares_port: bool,
    /// The key that signs the cookies of browser logins.
    pub(crate) login_key: Secret,
}

/// The address of Envoy's admin interface, unless the short file has one.
pub(crate) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// The name of a destination's cluster.
pub(crate) fn cluster_of(way: &Way<'_>) -> String {
    format!("{}-{}", way.kind, way.name)
}

/// The parts of Envoy's configuration. The inner error contains the errors in the plan.
pub(crate) fn parts(plan: &Plan, around: &Surroundings) -> Result<Result<Parts, Faults>, Failure> {
    let policy = match plan.configuration(Holder::Envoy, cluster_of) {
        Ok(policy) => policy,
        Err(faults) => return Ok(Err(faults)),
    };
    Ok(Ok(Parts {
        listener: listener(plan, around, &policy),
        clusters: clusters(plan, around, &policy),
        beside: beside(plan, around)?,
        longest: longest_response(&policy),
    }))
}

/// `envoy.yaml` and the files that it names. The inner error contains the errors in the plan.
pub(crate) fn files(plan: &Plan, around: &Surroundings) -> Result<Result<Vec<File>, Faults>, Failure> {
    let parts = match parts(plan, around)? {
        Ok(parts) => parts,
        Err(faults) => return Ok(Err(faults)),
    };
    let mut files = vec![File::text("envoy.yaml", parts.whole(plan, around))];
    files.extend(parts.beside);
    Ok(Ok(files))
}

/// The resources of an Envoy, and the files that they name.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The listener, as an item of a list.
    pub(crate) listener: String,
    /// The clusters, each as an item of a list.
    pub(crate) clusters: Vec<String>,
    /// The other files: secrets and certificates.
    pub(crate) beside: Vec<File>,
    /// The longest response that one of the module's calls may have, in bytes.
    pub(crate) longest: u64,
}

impl Parts {
    /// The whole configuration in one file.
    pub(crate) fn whole(&self, plan: &Plan, around: &Surroundings) -> String {
        let head =
            fill(include_str!("templates/head.yaml"), &[("target", around.target), ("source", &plan.source)]);
        let resources = fill(
            include_str!("templates/static-resources.yaml"),
            &[("listener", &self.listener), ("clusters", &self.clusters.concat())],
        );
        self.bootstrap(plan, around, &head, &resources)
    }

    /// What Envoy reads once, at its start, with these first lines and these resources.
    pub(crate) fn bootstrap(
        &self,
        plan: &Plan,
        around: &Surroundings,
        head: &str,
        resources: &str,
    ) -> String {
        let admin = around.admin;
        fill(
            include_str!("templates/envoy.yaml"),
            &[
                ("head", head),
                ("stats_tags", STATS_TAGS),
                ("most_buffered", &self.longest.saturating_add(SPARE).to_string()),
                ("connections", &plan.max_connections.to_string()),
                ("admin_address", &scalar_address(admin)),
                ("admin_port", &admin.port().to_string()),
                ("resources", resources),
            ],
        )
    }
}

/// How much longer than allowed a response may be and still be named as too long by the module, in bytes.
const SPARE: u64 = 64 << 10;

/// The longest response that one of the module's calls may have, in bytes: what a list may have, unless something says more.
fn longest_response(policy: &Value) -> u64 {
    let mut longest = 1 << 20;
    let mut rest = vec![policy];
    while let Some(value) = rest.pop() {
        let own = value.get("max_response_bytes").and_then(Value::as_u64).unwrap_or_default();
        longest = longest.max(own);
        match value {
            Value::Object(members) => rest.extend(members.values()),
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    longest
}

/// The files that Envoy's configuration names.
fn beside(plan: &Plan, around: &Surroundings) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    for provider in &plan.providers {
        if let Some(header) = provider.injected() {
            let path = format!("secrets/{}.yaml", provider.name);
            let what = format!("# The Authorization header of the introspection calls to {}.", provider.name);
            files.push(sds(&path, &what, &secret_name(provider), &header));
        }
    }
    let variables: Vec<_> =
        plan.providers.iter().filter(|provider| provider.by_variable(Holder::Envoy)).collect();
    let known: Vec<_> = variables
        .iter()
        .filter_map(|provider| Some((&provider.credential.variable, provider.credential.secret.as_ref()?)))
        .collect();
    if !known.is_empty() {
        let mut text = String::new();
        for (name, secret) in known {
            // Shells and Compose agree on text between single quotes, but not on how to escape a single quote.
            if secret.expose().contains('\'') {
                return Err(Failure::new(format_args!(
                    "the secret for {name} has a single quote, which secrets.env cannot hold"
                ))
                .help("Put it into Envoy's environment yourself: client_secret_env: NAME."));
            }
            text.extend([name.as_str(), "='", secret.expose(), "'\n"]);
        }
        files.push(File { path: "secrets.env".into(), content: Content::Secret(Secret::new(text)) });
    }
    if let Some(login) = &plan.login {
        let what = "# The secret of the client for browser logins.";
        files.push(sds("secrets/login-client.yaml", what, "login-client", &login.secret));
        let what = "# The key that signs the cookies of browser logins. Anyone who has it can forge them.";
        files.push(sds("secrets/login-hmac.yaml", what, "login-hmac", &around.login_key));
    }
    for (path, from) in certificates(plan) {
        let text = std::fs::read_to_string(&from).map_err(|error| Failure::file("read", &from, &error))?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Failure::new(format_args!("{} contains no certificate", from.display()))
                .help("Expected PEM: -----BEGIN CERTIFICATE-----."));
        }
        files.push(File::text(&path, text));
    }
    Ok(files)
}

/// The certificate authorities that the system does not trust, by file name.
fn certificates(plan: &Plan) -> Vec<(String, PathBuf)> {
    let providers = plan.providers.iter().filter_map(|provider| {
        Some((format!("ca/{}.pem", cluster_of(&provider.way())), provider.ca_file.clone()?))
    });
    let apis =
        plan.apis.iter().filter_map(|api| Some((format!("ca/api-{}.pem", api.name), api.ca_file.clone()?)));
    providers.chain(apis).collect()
}

fn sds(path: &str, what: &str, name: &str, secret: &Secret) -> File {
    let resource = format!(
        "{what}\n# Envoy watches this file. To change the secret, move a new file over it; no restart is needed.\nresources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  name: {}\n  generic_secret:\n    secret: {{inline_string: {}}}\n",
        scalar(name),
        Value::from(secret.expose()),
    );
    File { path: path.into(), content: Content::Secret(Secret::new(resource)) }
}

fn secret_name(provider: &Provider) -> String {
    format!("introspection-{}", provider.name)
}

/// A key for the cookies of browser logins. With another key, all sessions end.
pub(crate) fn login_key() -> Result<Secret, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(format_args!("the operating system gives no random numbers: {error}"))
    })?;
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(Secret::new(hex))
}

fn listener(plan: &Plan, around: &Surroundings, policy: &Value) -> String {
    let listen = around.listen;
    let variables = plan.variables(Holder::Envoy);
    let environment = if variables.is_empty() {
        "# The module sees no environment variables. Envoy adds the credentials to its calls, at the providers' clusters below."
            .to_owned()
    } else {
        let secrets = if plan
            .providers
            .iter()
            .any(|provider| provider.by_variable(Holder::Envoy) && provider.credential.secret.is_some())
        {
            " They are in secrets.env."
        } else {
            ""
        };
        format!(
            "# The module sees only these environment variables: secrets that Envoy cannot add itself.{secrets}\nenvironment_variables: {{host_env_keys: [{}]}}",
            variables.join(", ")
        )
    };
    let stop = match plan.reads_bodies().join(" and ") {
        keys if keys.is_empty() => keys,
        keys => format!("allow_on_headers_stop_iteration: true # for {keys}"),
    };
    let websockets = plan.apis.iter().any(|api| api.traffic.websocket);
    fill(
        include_str!("templates/listener.yaml"),
        &[
            ("access_log", ACCESS_LOG),
            ("longest", &seconds(plan.longest(|traffic| traffic.longest))),
            (
                "connect",
                if websockets { "allow_connect: true # WebSockets over HTTP/2 (RFC 8441)" } else { "" },
            ),
            ("rate_limit", &plan.rate_limit.map(rate_limit).unwrap_or_default()),
            (
                "client_rate_limit",
                &plan.client_rate_limit.as_ref().map(client_rate_limit).unwrap_or_default(),
            ),
            (
                "reuse_port",
                if around.shares_port { "" } else { "enable_reuse_port: false # a port in use is an error" },
            ),
            ("listen_address", &listen.ip().to_string()),
            ("listen_port", &listen.port().to_string()),
            (
                "login",
                &plan.login.as_ref().map(|login| login_filter(plan, login, around)).unwrap_or_default(),
            ),
            ("stop_iteration", &stop),
            ("capabilities", &capabilities::yaml()),
            ("module", &path(&around.module)),
            ("environment", &environment),
            ("policy", &configuration(policy)),
            ("hosts", &virtual_hosts(plan)),
            ("tls", &around.tls.as_ref().map(|files| downstream_tls(files, plan)).unwrap_or_default()),
        ],
    )
}

fn clusters(plan: &Plan, around: &Surroundings, policy: &Value) -> Vec<String> {
    plan.apis
        .iter()
        .map(|api| api_cluster(api, around))
        .chain(plan.providers.iter().map(|provider| provider_cluster(provider, around, policy)))
        .chain(plan.more_ways().map(|way| Cluster::new(&cluster_of(&way), &way.url, &around.roots).text()))
        .chain(login_cluster(plan, around))
        .collect()
}

fn scalar_address(address: SocketAddr) -> String {
    Value::from(address.ip().to_string()).to_string()
}

fn path(path: &Path) -> String {
    scalar(&path.display().to_string())
}

fn virtual_hosts(plan: &Plan) -> String {
    let mut text = String::new();
    for (host, apis) in plan.hosts() {
        let name = if host == "*" { "everywhere".to_owned() } else { scalar(&host) };
        // Writing to a String cannot fail.
        let _ = write!(text, "- name: {name}\n  domains: [{}]\n  routes:\n", scalar(&host));
        for api in apis {
            let matcher = if api.prefix == "/" { "prefix" } else { "path_separated_prefix" };
            let _ = writeln!(text, "  - match: {{{matcher}: {}}}", scalar(&api.prefix));
            text.push_str(&route(api));
        }
    }
    text
}

/// Without these settings, Envoy ends responses after 15 s, for example event streams and long calls.
fn route(api: &Api) -> String {
    let Traffic { timeout, idle, longest, websocket, .. } = api.traffic;
    // With a max_stream_duration, Envoy ignores the timeout.
    let longest = if timeout.is_some() {
        String::new()
    } else {
        let span = seconds(longest);
        format!("max_stream_duration: {{max_stream_duration: {span}, grpc_timeout_header_max: {span}}}")
    };
    let rewrite = if api.rewrite_host { "auto_host_rewrite: true" } else { "" };
    let upgrades = if websocket { "upgrade_configs: [{upgrade_type: websocket}]" } else { "" };
    let text = fill(
        include_str!("templates/route.yaml"),
        &[
            ("cluster", &scalar(&api_cluster_name(api))),
            ("rewrite", rewrite),
            ("timeout", &seconds(timeout.unwrap_or_default())),
            ("idle", &seconds(idle)),
            ("longest", &longest),
            ("upgrades", upgrades),
        ],
    );
    text.lines().fold(String::new(), |all, line| all + "    " + line + "\n")
}

/// A duration as Envoy reads it.
pub(crate) fn seconds(duration: Duration) -> String {
    let millis = duration.subsec_millis();
    let whole = duration.as_secs();
    if millis == 0 { format!("{whole}s") } else { format!("{whole}.{millis:03}s") }
}

fn rate_limit(rate: u64) -> String {
    fill(include_str!("templates/rate-limit.yaml"), &[("rate", &rate.to_string())])
}

fn client_rate_limit(limit: &ClientRateLimit) -> String {
    let tier = |(tier, rate): &(String, u64)| {
        let tier = Value::from(tier.as_str());
        format!(
            "- entries: [{{key: tier, value: {tier}}}, {{key: client}}]\n  token_bucket: {{max_tokens: {rate}, tokens_per_fill: {rate}, fill_interval: 60s}}\n"
        )
    };
    let tiers: String = limit.tiers.iter().map(tier).collect();
    // Of descriptors that match a request, Envoy takes any: the tiers must not overlap.
    let names: Vec<_> = limit.tiers.iter().map(|(tier, _)| format!("b'{tier}'")).collect();
    fill(
        include_str!("templates/client-rate-limit.yaml"),
        &[("names", &names.join(", ")), ("tiers", &tiers), ("default", &limit.default.to_string())],
    )
}

fn api_cluster_name(api: &Api) -> String {
    format!("api-{}", api.name)
}

fn api_cluster(api: &Api, around: &Surroundings) -> String {
    let ca = api.ca_file.as_ref().map(|_| around.directory.join(format!("ca/api-{}.pem", api.name)));
    let name = api_cluster_name(api);
    let plain = Cluster::new(&name, &api.upstream, ca.as_deref().unwrap_or(&around.roots));
    if api.traffic.http2 {
        let options = include_str!("templates/http2.yaml").to_owned();
        Cluster { options, alpn: "alpn_protocols: [h2]", ..plain }.text()
    } else {
        plain.text()
    }
}

fn provider_cluster(provider: &Provider, around: &Surroundings, policy: &Value) -> String {
    let own = around.directory.join(format!("ca/{}.pem", cluster_of(&provider.way())));
    let roots = if provider.ca_file.is_some() { &own } else { &around.roots };
    let is_https = provider.introspection.scheme() == "https";
    let mut options = if provider.injected().is_some() {
        let protocol = if is_https {
            "# HTTP/2 if the server supports it, which needs fewer connections.\nauto_config: {http_protocol_options: {}, http2_protocol_options: {}}"
        } else {
            "explicit_http_config: {http_protocol_options: {}}"
        };
        fill(
            include_str!("templates/injector.yaml"),
            &[
                ("protocol", protocol),
                ("secret", &scalar(&secret_name(provider))),
                ("file", &path(&around.directory.join(format!("secrets/{}.yaml", provider.name)))),
            ],
        )
    } else if is_https {
        include_str!("templates/alpn.yaml").to_owned()
    } else {
        String::new()
    };
    options.push_str(include_str!("templates/circuit-breakers.yaml"));
    let name = cluster_of(&provider.way());
    let connect = connect_timeout(policy, &provider.name);
    Cluster { options, connect, ..Cluster::new(&name, &provider.introspection, roots) }.text()
}

/// Shorter than the timeout of a call, so that an unreachable server is not mistaken for a slow one.
fn connect_timeout(policy: &Value, provider: &str) -> Duration {
    let introspection = policy.get("providers").and_then(|all| all.get(provider)?.get("introspection"));
    let timeout = introspection.and_then(|call| call.get("timeout")?.as_str()).and_then(duration);
    let half = timeout.and_then(|timeout| timeout.checked_div(2));
    half.map_or(Cluster::CONNECT, |half| half.clamp(Duration::from_millis(1), Cluster::CONNECT))
}

/// The cluster for browser logins, without the gateway's credentials.
fn login_cluster(plan: &Plan, around: &Surroundings) -> Option<String> {
    let provider = plan.providers.get(plan.login.as_ref()?.provider)?;
    let own = around.directory.join(format!("ca/{}.pem", cluster_of(&provider.way())));
    let roots = if provider.ca_file.is_some() { &own } else { &around.roots };
    Some(Cluster::new(&login_cluster_name(provider), provider.token.as_ref()?, roots).text())
}

fn login_cluster_name(provider: &Provider) -> String {
    format!("login-{}", provider.name)
}

/// A cluster of one address.
struct Cluster<'a> {
    name: &'a str,
    url: &'a Url,
    /// The file of root certificates.
    roots: &'a Path,
    /// Other members of the cluster.
    options: String,
    connect: Duration,
    /// A member of its `common_tls_context`, or an empty string.
    alpn: &'static str,
}

impl<'a> Cluster<'a> {
    const CONNECT: Duration = Duration::from_secs(1);

    fn new(name: &'a str, url: &'a Url, roots: &'a Path) -> Self {
        Self { name, url, roots, options: String::new(), connect: Self::CONNECT, alpn: "" }
    }

    fn text(&self) -> String {
        cluster(self)
    }
}

fn cluster(Cluster { name, url, roots, options, connect, alpn }: &Cluster<'_>) -> String {
    let (host, port) = endpoint(url);
    let tls = if url.scheme() == "https" {
        let (kind, sni) = match url.host() {
            Some(Host::Domain(_)) => ("DNS", format!("sni: {}", scalar(&host))),
            _ => ("IP_ADDRESS", String::new()),
        };
        fill(
            include_str!("templates/tls.yaml"),
            &[
                ("sni", &sni),
                ("alpn", alpn),
                ("roots", &path(roots)),
                ("kind", kind),
                ("name", &Value::from(host.as_str()).to_string()),
            ],
        )
    } else {
        String::new()
    };
    fill(
        include_str!("templates/cluster.yaml"),
        &[
            ("cluster", &scalar(name)),
            ("resolution", resolution(url)),
            ("host", &Value::from(host.as_str()).to_string()),
            ("port", &port.to_string()),
            ("connect", &seconds(*connect)),
            ("options", options),
            ("transport", &tls),
        ],
    )
}

/// How a cluster finds its server. `localhost` has two addresses, and many servers listen at one of them only: with `STRICT_DNS`, Envoy
/// takes the IPv6 address alone.
fn resolution(url: &Url) -> &'static str {
    if matches!(url.host(), Some(Host::Domain(_))) && is_loopback(url) {
        "# Envoy tries both addresses of this machine, IPv4 and IPv6.\ntype: LOGICAL_DNS\ndns_lookup_family: ALL"
    } else {
        "type: STRICT_DNS"
    }
}

fn downstream_tls((certificate, key): &(PathBuf, PathBuf), plan: &Plan) -> String {
    let (clients, validation) = if plan.client_certificates {
        (
            "# Clients may show a certificate of any authority. A token that is bound to a certificate names it.\nrequire_client_certificate: false",
            "validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED}",
        )
    } else {
        ("", "")
    };
    fill(
        include_str!("templates/downstream-tls.yaml"),
        &[
            ("certificate", &path(certificate)),
            ("key", &path(key)),
            ("clients", clients),
            ("validation", validation),
        ],
    )
}

fn login_filter(plan: &Plan, login: &Login, around: &Surroundings) -> String {
    let Some(provider) = plan.providers.get(login.provider) else { return String::new() };
    let url = |url: &Option<Url>| url.as_ref().map(|url| scalar(url.as_str())).unwrap_or_default();
    fill(
        include_str!("templates/login.yaml"),
        &[
            ("token_endpoint", &url(&provider.token)),
            ("cluster", &scalar(&login_cluster_name(provider))),
            ("authorization_endpoint", &url(&provider.authorization)),
            ("client_id", &Value::from(login.client_id.as_str()).to_string()),
            ("client_file", &path(&around.directory.join("secrets/login-client.yaml"))),
            ("hmac_file", &path(&around.directory.join("secrets/login-hmac.yaml"))),
            (
                "callback_uri",
                &Value::from(format!("%REQ(x-forwarded-proto)%://%REQ(:authority)%{}", login.callback))
                    .to_string(),
            ),
            ("callback", &scalar(&login.callback)),
            ("signout", &scalar(&login.signout)),
            ("auth_type", if login.posts { "URL_ENCODED_BODY" } else { "BASIC_AUTH" }),
            ("scopes", json!(login.scopes).to_string().replace("\",\"", "\", \"").as_str()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::longest_response;

    #[test]
    fn envoy_keeps_as_much_of_a_response_as_the_module_reads() {
        // INT-40
        let cases = [
            ("what a list may have", json!({}), 1 << 20),
            (
                "less than that",
                json!({"providers": {"a": {"introspection": {"max_response_bytes": 100}}}}),
                1 << 20,
            ),
            ("more", json!({"providers": {"a": {"jwks": {"max_response_bytes": 2_000_000}}}}), 2_000_000),
            (
                "in a list",
                json!([{"max_response_bytes": 1}, {"x": {"max_response_bytes": 3_000_000}}]),
                3_000_000,
            ),
        ];
        for (name, policy, longest) in cases {
            assert_eq!(longest_response(&policy), longest, "{name}");
        }
    }
}
