//! `tollgate generate istio`: a plugin for a workload, and its connections to the authorization servers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tollgate_config::schema::Place;
use tollgate_engine::base::secret::Secret;
use url::{Host, Url};

use crate::kit::files::{Content, File};
use crate::kit::module::Module;
use crate::kit::output::Output;
use crate::kit::plan::{Faults, Holder, Kubernetes, Plan, Way, Workload, endpoint, is_loopback, of_api};
use crate::kit::template::{ACCESS_LOG, fill};
use crate::kit::yaml::{configuration, document, scalar};

/// Warns about assumptions, and about what has to be added by hand.
pub(crate) fn guesses(plan: &Plan, out: &mut Output) {
    if let (Workload::Waypoint(service), false) = (&plan.kubernetes.workload, plan.kubernetes.is_selected) {
        out.warning(format_args!(
            "kubernetes.service is not set, so {service} is assumed; if no Service has this name, nothing is protected"
        ));
    } else if !plan.kubernetes.is_selected {
        out.warning(format_args!(
            "kubernetes.selector is not set, so {} is assumed; if no workload has these labels, nothing is protected",
            yaml_line(&plan.kubernetes.selector)
        ));
    }
    if plan.is_https {
        out.warning("tls is not used for Istio; the protected workload has TLS settings of its own");
    }
    for way in plan.ways().filter(|way| way.ca_file.is_some()) {
        out.warning(format_args!(
            "{}: mount its certificate authority into the proxy as {}",
            way.place(),
            authority(&way)
        ));
    }
}

/// The path of a destination's certificate authority in the proxy.
fn authority(way: &Way<'_>) -> String {
    format!("/etc/tollgate/ca/{}.pem", resource_name(way.kind, way.name))
}

fn yaml_line(labels: &Map<String, Value>) -> String {
    document(&Value::Object(labels.clone())).trim_end().replace('\n', ", ")
}

/// `istio.yaml` and the secrets.
pub(crate) fn files(plan: &Plan, module: &Module<'_>, api: Api) -> Result<Vec<File>, Faults> {
    unreachable_in_a_cluster(plan)?;
    let ports = own_ports(plan);
    let own_port = |way: &Way<'_>| ports.get(&endpoint(&way.url)).copied().unwrap_or(FIRST_PORT);
    let policy = plan.configuration(Holder::Module, |way| {
        format!("outbound|{}||{}", own_port(way), endpoint(&way.url).0)
    })?;
    let environment = plan
        .variables(Holder::Module)
        .iter()
        .fold(String::new(), |text, name| text + "- {name: " + name + ", valueFrom: HOST}\n");
    let namespace = scalar(&plan.kubernetes.namespace);
    let digest = module.sha256.map(|sha256| format!("sha256: {}", Value::from(sha256))).unwrap_or_default();
    let target = Target::of(&plan.kubernetes);
    let plugin = fill(
        match api {
            Api::Trafficextension => include_str!("templates/istio-traffic-extension.yaml"),
            Api::Wasmplugin => include_str!("templates/istio-wasm-plugin.yaml"),
        },
        &[
            ("namespace", &namespace),
            ("target", &target.of_plugin),
            ("match", target.traffic),
            ("module", &scalar(module.url)),
            ("sha256", &digest),
            ("environment", &environment),
            ("policy", &configuration(&policy)),
        ],
    );
    let hosts: BTreeSet<_> = plan.ways().map(|way| endpoint(&way.url).0).collect();
    let hosts = hosts.into_iter().collect::<Vec<_>>().join(",");
    let mut text = fill(
        include_str!("templates/istio.yaml"),
        &[
            ("access_log", ACCESS_LOG),
            ("source", &plan.source),
            ("namespace", &namespace),
            ("plugin", &plugin),
            ("hosts", &Value::from(hosts).to_string()),
            ("filter_target", &target.of_filter),
            ("context", target.context),
            ("listener", target.listener),
        ],
    );
    let mut ways: BTreeMap<(String, u16), Way<'_>> = BTreeMap::new();
    for way in plan.ways() {
        ways.entry(endpoint(&way.url)).or_insert(way);
    }
    for ((host, port), way) in ways {
        text.push_str(&resources(&way, &host, (port, own_port(&way)), &namespace));
    }
    let mut files = vec![File::text("istio.yaml", text)];
    files.extend(secret(plan));
    Ok(files)
}

/// A port for each destination that no other host of the mesh uses: a listener for HTTP on 443 would affect all
/// hosts. Two ports of one host get two.
fn own_ports(plan: &Plan) -> BTreeMap<(String, u16), u16> {
    let mut ports = BTreeMap::new();
    for way in plan.ways() {
        let (host, port) = endpoint(&way.url);
        if !ports.contains_key(&(host.clone(), port)) {
            let before = u16::try_from(ports.len()).unwrap_or_default();
            ports.insert((host, port), FIRST_PORT.saturating_add(before));
        }
    }
    ports
}

/// Below the ports that Linux assigns, and below Istio's own.
const FIRST_PORT: u16 = 14_430;

/// What loads the module.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Api {
    /// Istio 1.30 and later
    Trafficextension,
    /// Older versions of Istio
    Wasmplugin,
}

/// Which proxies get the filter, and for which of their requests.
struct Target {
    /// Of what loads the module.
    of_plugin: String,
    /// Of the `EnvoyFilter`.
    of_filter: String,
    traffic: &'static str,
    context: &'static str,
    listener: &'static str,
}

impl Target {
    fn of(kubernetes: &Kubernetes) -> Self {
        let labels = document(&Value::Object(kubernetes.selector.clone()));
        let labels = labels.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
        let selected = |traffic, context| Self {
            of_plugin: format!("selector:\n  matchLabels:\n{labels}"),
            of_filter: format!("workloadSelector:\n  labels:\n{labels}"),
            traffic,
            context,
            listener: "listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}",
        };
        match &kubernetes.workload {
            Workload::Sidecar => selected(OF_SIDECARS, "SIDECAR_INBOUND"),
            Workload::Gateway => selected(OF_GATEWAYS, "GATEWAY"),
            Workload::Waypoint(service) => {
                let target =
                    format!("targetRefs:\n- {{group: \"\", kind: Service, name: {}}}\n", scalar(service));
                Self {
                    of_plugin: format!("# A waypoint ignores `selector`.\n{target}"),
                    of_filter: target,
                    traffic: OF_WAYPOINTS,
                    context: "WAYPOINT",
                    listener: "waypoint: {}",
                }
            }
        }
    }
}

const OF_SIDECARS: &str = "# Only requests to the workload, not those that it sends itself. On a gateway, no request would be checked.
match:
- mode: SERVER";

const OF_GATEWAYS: &str =
    "# No `match`: Istio treats a gateway as a client, so with `mode: SERVER` no request would be checked.";

const OF_WAYPOINTS: &str = "# No `match`: all requests to the Service pass through the waypoint.";

fn resources(way: &Way<'_>, host: &str, (port, own_port): (u16, u16), namespace: &str) -> String {
    let name = resource_name(way.kind, way.name);
    let gaps = [
        ("name", scalar(&name)),
        ("namespace", namespace.to_owned()),
        ("host", scalar(host)),
        ("port", port.to_string()),
        ("own_port", own_port.to_string()),
        (
            "ca",
            match way.ca_file {
                Some(_) => format!(
                    "# Put {}'s certificate authority there: the annotations sidecar.istio.io/userVolume and userVolumeMount.\ncaCertificates: {}",
                    way.name,
                    authority(way)
                ),
                None => {
                    "# No caCertificates: the proxy image's own root certificates are trusted.".to_owned()
                }
            },
        ),
    ];
    let gaps: Vec<_> = gaps.iter().map(|(name, content)| (*name, content.as_str())).collect();
    let template = if way.url.scheme() == "https" {
        include_str!("templates/istio-way.yaml")
    } else {
        include_str!("templates/istio-plain-way.yaml")
    };
    fill(template, &gaps)
}

/// The secrets for the proxies' environment, if they are known.
pub(crate) fn secret(plan: &Plan) -> Option<File> {
    let known: Vec<_> = plan
        .providers
        .iter()
        .filter_map(|provider| Some((&provider.credential.variable, provider.credential.secret.as_ref()?)))
        .collect();
    if known.is_empty() {
        return None;
    }
    let mut data = String::new();
    for (name, secret) in known {
        data.extend(["  ", name, ": ", &Value::from(secret.expose()).to_string(), "\n"]);
    }
    let text = format!(
        "# The gateway's secrets. Keep this file out of repositories.\napiVersion: v1\nkind: Secret\nmetadata:\n  name: tollgate\n  namespace: {}\ntype: Opaque\nstringData:\n{data}",
        scalar(&plan.kubernetes.namespace)
    );
    Some(File { path: "secret.yaml".into(), content: Content::Secret(Secret::new(text)) })
}

/// Adds errors for addresses that mean something else inside a cluster, and for settings that Istio cannot express.
pub(crate) fn unreachable_in_a_cluster(plan: &Plan) -> Result<(), Faults> {
    let mut faults = Faults::new();
    let mut look = |place: Place, url: &Url| {
        if is_loopback(url) {
            faults.push((
                place,
                format!("{url}: inside a Kubernetes cluster, this host is the proxy itself; expected the service's name"),
            ));
        } else if !matches!(url.host(), Some(Host::Domain(_))) {
            faults.push((
                place,
                format!("{url}: expected a host name, because the certificate is checked against it"),
            ));
        }
    };
    for way in plan.ways() {
        look(way.place(), &way.url);
    }
    one_name_each(plan, &mut faults);
    if plan.client_certificates {
        let what = "can be generated for envoy and compose only; in a mesh, say policy: {mtls: …}";
        faults.push((Place::names(&["tls", "client_certificates"]), what.to_owned()));
    }
    if plan.login.is_some() {
        faults.push((Place::names(&["login"]), "can be generated for envoy and compose only".to_owned()));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Adds an error if two names become the same in the cluster: the second resource would replace the first.
fn one_name_each(plan: &Plan, faults: &mut Faults) {
    let apis = plan.apis.iter().map(|api| (of_api(&api.name), resource_name("api", &api.name)));
    let ways = plan.ways().map(|way| (way.place(), resource_name(way.kind, way.name)));
    let all: Vec<_> = ways.chain(apis).collect();
    for (i, (place, name)) in all.iter().enumerate() {
        if let Some((twin, _)) = all.iter().take(i).find(|(_, other)| other == name) {
            let what =
                format!("its resource would be named {name}, as that of {twin} is; expected another name");
            faults.push((place.clone(), what));
        }
    }
}

/// A valid Kubernetes name.
pub(crate) fn resource_name(kind: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(50).collect();
    format!("{kind}-{}", name.trim_matches('-'))
}
