//! `tollgate generate envoy-gateway`: Envoy Gateway's resources.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tollgate_config::schema::{Place, written};
use tollgate_engine::base::secret::Secret;
use url::Url;

use super::istio::{resource_name, secret, unreachable_in_a_cluster};
use crate::kit::failure::Failure;
use crate::kit::files::{Content, File};
use crate::kit::module::Module;
use crate::kit::plan::{Api, Faults, Holder, Plan, Way, endpoint};
use crate::kit::template::{ACCESS_LOG, STATS_TAGS, fill};
use crate::kit::yaml::{configuration, scalar};

/// `envoy-gateway.yaml` and the secrets. The inner error contains the errors in the plan.
pub(crate) fn files(plan: &Plan, module: &Module<'_>) -> Result<Result<Vec<File>, Faults>, Failure> {
    match resources(plan, module) {
        Err(faults) => Ok(Err(faults)),
        Ok(text) => {
            let mut files = vec![File::text("envoy-gateway.yaml", text)];
            files.extend(secret(plan));
            files.extend(tls_secret(plan)?);
            files.extend(authorities(plan)?);
            Ok(Ok(files))
        }
    }
}

fn resources(plan: &Plan, module: &Module<'_>) -> Result<String, Faults> {
    unreachable_in_a_cluster(plan)?;
    let everywhere = plan.apis.iter().filter(|api| api.hosts.is_empty()).count();
    if everywhere != 0 && everywhere != plan.apis.len() {
        // Envoy Gateway keeps the final dot of a host: `api.example.com.` would match the routes without hosts.
        let what = "some APIs have hosts and some do not; Envoy Gateway needs hosts for all of them, or for none of them";
        return Err(vec![(Place::names(&["apis"]), what.to_owned())]);
    }
    let namespace = plan.kubernetes.namespace.as_str();
    let mut policy = plan.configuration(Holder::Module, |way| {
        format!("httproute/{namespace}/{}/rule/0", resource_name(way.kind, way.name))
    })?;
    // These routes exist only for their clusters.
    let hosts: Vec<_> = plan.ways().map(|way| hidden_host(&way)).collect();
    if let Some(rules) = policy.get_mut("rules").and_then(Value::as_array_mut) {
        rules.insert(0, json!({"name": "own calls", "match": {"hosts": hosts}, "access": "deny"}));
    }
    let variables = plan.variables(Holder::Module);
    let environment = variables.iter().fold(String::new(), |text, name| {
        format!("{text}- name: {name}\n  valueFrom: {{secretKeyRef: {{name: tollgate, key: {name}}}}}\n")
    });
    let code = if let Some(image) = module.url.strip_prefix("oci://") {
        let digest =
            module.sha256.map(|sha256| format!(", sha256: {}", Value::from(sha256))).unwrap_or_default();
        format!("type: Image\nimage: {{url: {}{digest}}}", scalar(image))
    } else {
        let digest =
            module.sha256.map(|sha256| format!(", sha256: {}", Value::from(sha256))).unwrap_or_default();
        format!("type: HTTP\nhttp: {{url: {}{digest}}}", scalar(module.url))
    };
    let mut text = fill(
        include_str!("templates/envoy-gateway.yaml"),
        &[
            ("source", &plan.source),
            ("stats_tags", STATS_TAGS),
            ("access_log", ACCESS_LOG),
            ("namespace", &scalar(namespace)),
            ("gateway", &scalar(&plan.kubernetes.gateway)),
            ("listener", &listener(plan)),
            ("connections", &plan.max_connections.to_string()),
            ("idle", &written(plan.longest(|traffic| traffic.idle))),
            ("longest", &written(plan.longest(|traffic| traffic.longest))),
            ("environment", &environment),
            ("variables", &variables.join(", ")),
            ("code", &code),
            ("policy", &configuration(&policy)),
        ],
    );
    for (i, (host, apis)) in plan.hosts().into_iter().enumerate() {
        text.push_str(&route(plan, &format!("apis-{}", i.saturating_add(1)), &host, &apis));
    }
    for api in &plan.apis {
        let protocol = if api.traffic.http2 {
            "# gRPC needs HTTP/2.\nappProtocols: [gateway.envoyproxy.io/h2c]"
        } else {
            ""
        };
        let name = resource_name("api", &api.name);
        text.push_str(&backend(plan, &name, &api.upstream, api.ca_file.is_some(), protocol));
    }
    for way in plan.ways() {
        let name = resource_name(way.kind, way.name);
        text.push_str(&fill(
            include_str!("templates/envoy-gateway-provider.yaml"),
            &[
                ("name", &name),
                ("namespace", &scalar(namespace)),
                ("gateway", &scalar(&plan.kubernetes.gateway)),
                ("host", &hidden_host(&way)),
            ],
        ));
        text.push_str(&backend(plan, &name, &way.url, way.ca_file.is_some(), ""));
    }
    Ok(text)
}

/// The Gateway's listeners.
fn listener(plan: &Plan) -> String {
    let port = |otherwise| plan.listen.map_or(otherwise, |listen| listen.port());
    if plan.is_https {
        format!(
            "- name: https\n  protocol: HTTPS\n  port: {}\n  tls: {{mode: Terminate, certificateRefs: [{{group: \"\", kind: Secret, name: {}}}]}}",
            port(8443),
            scalar(secret_of_tls(plan))
        )
    } else {
        format!(
            "# Plain HTTP. With `tls` in the short file, it is HTTPS.\n- {{name: http, protocol: HTTP, port: {}}}",
            port(8080)
        )
    }
}

fn secret_of_tls(plan: &Plan) -> &str {
    plan.kubernetes.tls_secret.as_deref().unwrap_or("tollgate-tls")
}

/// The Secret with certificate and key, unless the cluster has one already.
fn tls_secret(plan: &Plan) -> Result<Option<File>, Failure> {
    let (Some((certificate, key)), None) = (&plan.tls, &plan.kubernetes.tls_secret) else { return Ok(None) };
    let pem = |file: &Path, what: &str| -> Result<String, Failure> {
        let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
        if text.lines().any(|line| line.starts_with("-----BEGIN ") && line.ends_with(&format!("{what}-----")))
        {
            return Ok(text);
        }
        let failure = Failure::new(format_args!("{} contains no {}", file.display(), what.to_lowercase()));
        Err(failure
            .help("Expected PEM. A Secret that is in the cluster already: kubernetes: {tls_secret: NAME}."))
    };
    let text = fill(
        include_str!("templates/tls-secret.yaml"),
        &[
            ("name", secret_of_tls(plan)),
            ("namespace", &scalar(&plan.kubernetes.namespace)),
            ("certificate", &STANDARD.encode(pem(certificate, "CERTIFICATE")?)),
            ("key", &STANDARD.encode(pem(key, "PRIVATE KEY")?)),
        ],
    );
    Ok(Some(File { path: "tls-secret.yaml".into(), content: Content::Secret(Secret::new(text)) }))
}

/// A host that does not exist (RFC 6761).
fn hidden_host(way: &Way<'_>) -> String {
    format!("{}.tollgate.invalid", resource_name(way.kind, way.name))
}

fn route(plan: &Plan, name: &str, host: &str, apis: &[&Api]) -> String {
    let hostnames = if host == "*" { String::new() } else { format!("hostnames: [{}]", scalar(host)) };
    let mut rules = String::new();
    for api in apis {
        let name = resource_name("api", &api.name);
        let filters = match (api.rewrite_host, api.upstream.host_str()) {
            (true, Some(own)) => {
                format!("  filters:\n  - {{type: URLRewrite, urlRewrite: {{hostname: {}}}}}\n", scalar(own))
            }
            _ => String::new(),
        };
        // The filter responds to these itself, but Envoy Gateway runs it only on routes.
        let metadata = plan.metadata_paths(api).iter().fold(String::new(), |text, path| {
            format!("{text}  - path: {{type: Exact, value: {}}}\n", scalar(path))
        });
        // Writing to a String cannot fail.
        let _ = write!(
            rules,
            "- matches:\n  - path: {{type: PathPrefix, value: {}}}\n{metadata}{filters}  timeouts: {{request: {}}}\n  backendRefs:\n  - {{group: gateway.envoyproxy.io, kind: Backend, name: {name}}}\n",
            scalar(&api.prefix),
            written(api.traffic.timeout.unwrap_or_default())
        );
    }
    fill(
        include_str!("templates/envoy-gateway-route.yaml"),
        &[
            ("name", name),
            ("namespace", &scalar(&plan.kubernetes.namespace)),
            ("gateway", &scalar(&plan.kubernetes.gateway)),
            ("hostnames", &hostnames),
            ("rules", &rules),
        ],
    )
}

fn backend(plan: &Plan, name: &str, url: &Url, own_authority: bool, protocol: &str) -> String {
    let (host, port) = endpoint(url);
    let is_name = matches!(url.host(), Some(url::Host::Domain(_)));
    let address = if is_name {
        format!("fqdn: {{hostname: {}, port: {port}}}", scalar(&host))
    } else {
        format!("ip: {{address: {}, port: {port}}}", Value::from(host.as_str()))
    };
    let mut text = fill(
        include_str!("templates/envoy-gateway-backend.yaml"),
        &[
            ("name", name),
            ("namespace", &scalar(&plan.kubernetes.namespace)),
            ("address", &address),
            ("protocol", protocol),
        ],
    );
    if url.scheme() == "https" {
        let authority = if own_authority {
            format!("caCertificateRefs:\n- {{group: \"\", kind: ConfigMap, name: {name}-ca}}")
        } else {
            "wellKnownCACertificates: System".to_owned()
        };
        text.push_str(&fill(
            include_str!("templates/envoy-gateway-tls.yaml"),
            &[
                ("name", name),
                ("namespace", &scalar(&plan.kubernetes.namespace)),
                ("host", &scalar(&host)),
                ("authority", &authority),
            ],
        ));
    }
    text
}

/// The certificate authorities that the system does not trust.
fn authorities(plan: &Plan) -> Result<Vec<File>, Failure> {
    let providers = plan
        .providers
        .iter()
        .filter_map(|provider| Some((resource_name("provider", &provider.name), provider.ca_file.as_ref()?)));
    let apis =
        plan.apis.iter().filter_map(|api| Some((resource_name("api", &api.name), api.ca_file.as_ref()?)));
    let mut files = Vec::new();
    for (name, from) in providers.chain(apis) {
        let pem = std::fs::read_to_string(from).map_err(|error| Failure::file("read", from, &error))?;
        let text = fill(
            include_str!("templates/config-map.yaml"),
            &[
                ("name", &format!("{name}-ca")),
                ("namespace", &scalar(&plan.kubernetes.namespace)),
                ("pem", &pem),
            ],
        );
        files.push(File::text(&format!("{name}-ca.yaml"), text));
    }
    Ok(files)
}
