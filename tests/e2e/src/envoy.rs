//! A real Envoy with the built filter.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Request;
use crate::world::merge;
use crate::{dead_port, root, scratch};

/// What an Envoy is to be started with.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The listeners, by name.
    pub listeners: Vec<(String, Plugin)>,
    /// The port behind each cluster, by name.
    pub clusters: Vec<(String, u16)>,
    /// Worker threads.
    pub workers: u32,
    /// The filter's log level.
    pub log_level: &'static str,
    /// The environment of the VM.
    pub env: Vec<(String, String)>,
    /// Whether the listeners are part of the bootstrap; otherwise they can be changed later.
    pub fixed: bool,
    /// How many requests at once a cluster lets through, by its name, where that is not Envoy's default.
    pub narrow: BTreeMap<String, u32>,
    /// The module's file; `None`: the one that `make build` makes.
    pub module: Option<PathBuf>,
    /// The clusters that speak HTTP/2, by name.
    pub http2: Vec<String>,
}

/// One listener's filter.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Tollgate's configuration.
    pub configuration: Value,
    /// Whether it is handed over as a `Struct` instead of JSON in a `StringValue`.
    pub as_struct: bool,
    /// `allow_on_headers_stop_iteration`.
    pub stop_iteration: bool,
    /// Where it listens; 0: where the system likes.
    pub port: u16,
    /// Whether the connection manager normalises paths.
    pub normalize_path: bool,
    /// The filters before ours.
    pub earlier: Vec<Value>,
    /// The filters between ours and the router.
    pub later: Vec<Value>,
    /// Members of the connection manager, besides those that it has or in their place.
    pub manager: Value,
    /// A `DownstreamTlsContext`; `None`: plain HTTP.
    pub tls: Option<Value>,
}

impl Plugin {
    /// A filter with this configuration.
    pub fn new(configuration: Value) -> Self {
        Self {
            configuration,
            as_struct: false,
            stop_iteration: false,
            port: 0,
            normalize_path: false,
            earlier: Vec::new(),
            later: Vec::new(),
            manager: json!({}),
            tls: None,
        }
    }
}

/// A running Envoy; it ends with this value.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    directory: PathBuf,
    admin: u16,
}

impl Stage {
    /// One worker, quiet.
    pub fn new() -> Self {
        Self {
            listeners: Vec::new(),
            clusters: Vec::new(),
            workers: 1,
            log_level: "debug",
            env: Vec::new(),
            fixed: false,
            narrow: BTreeMap::new(),
            module: None,
            http2: Vec::new(),
        }
    }

    /// Adds a listener.
    #[must_use]
    pub fn listener(mut self, name: &str, plugin: Plugin) -> Self {
        self.listeners.push((name.to_owned(), plugin));
        self
    }

    /// Adds a cluster.
    #[must_use]
    pub fn cluster(mut self, name: &str, port: u16) -> Self {
        self.clusters.push((name.to_owned(), port));
        self
    }

    /// Starts Envoy and waits until it serves. Panics with its last log lines if it does not.
    pub fn start(&self) -> Envoy {
        self.try_start().unwrap_or_else(|log| panic!("Envoy does not start:\n{log}"))
    }

    /// Starts Envoy; its log if it refuses.
    pub fn try_start(&self) -> Result<Envoy, String> {
        let directory = scratch();
        self.write_listeners(&directory.join("lds.json"));
        let bootstrap = self.bootstrap(&directory);
        let path = directory.join("envoy.json");
        fs::write(&path, bootstrap.to_string()).expect("the bootstrap is written");
        launch(directory, &path, self.workers, self.log_level, &[])
    }

    /// Writes the listeners' file anew, in place, as an operator's tool would: by renaming.
    pub fn write_listeners(&self, path: &PathBuf) {
        let file = json!({"version_info": nonce(), "resources": self.listeners_json()});
        let new = path.with_extension("new");
        fs::write(&new, file.to_string()).expect("the listeners are written");
        fs::rename(&new, path).expect("the listeners are renamed");
    }

    fn bootstrap(&self, directory: &PathBuf) -> Value {
        let at_most = |name: &str| self.narrow.get(name).copied();
        let cluster = |(name, port): &(String, u16)| {
            let mut cluster = cluster_json(name, *port, at_most(name));
            if self.http2.contains(name) {
                let options = &mut cluster["typed_extension_protocol_options"];
                options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"] =
                    json!({"http2_protocol_options": {}});
            }
            cluster
        };
        let clusters: Vec<Value> = self.clusters.iter().map(cluster).collect();
        let mut fixed = json!({"clusters": clusters});
        let mut dynamic = json!({});
        if self.fixed {
            let untyped = |mut listener: Value| {
                listener.as_object_mut().map(|members| members.remove("@type"));
                listener
            };
            fixed["listeners"] = self.listeners_json().into_iter().map(untyped).collect();
        } else {
            dynamic["lds_config"] = json!({
                "path_config_source": {"path": directory.join("lds.json"), "watched_directory": {"path": directory}},
                "resource_api_version": "V3",
            });
        }
        json!({
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": address(0)},
            "static_resources": fixed,
            "dynamic_resources": dynamic,
            "layered_runtime": {"layers": [{"name": "static", "static_layer": {
                "envoy.reloadable_features.http_reject_path_with_fragment": false,
            }}]},
        })
    }

    fn listeners_json(&self) -> Vec<Value> {
        self.listeners.iter().map(|(name, plugin)| self.listener_json(name, plugin)).collect()
    }

    fn listener_json(&self, name: &str, plugin: &Plugin) -> Value {
        let mut filters = plugin.earlier.clone();
        filters.push(self.filter_json(plugin));
        filters.extend(plugin.later.clone());
        filters.push(json!({"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}));
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "normalize_path": plugin.normalize_path,
            "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
            "http_protocol_options": {"enable_trailers": true},
            "http2_protocol_options": {"allow_connect": true},
            "max_request_headers_kb": 96,
            "common_http_protocol_options": {"max_headers_count": 1000},
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"connect_matcher": {}}, "route": {"cluster": "upstream"}},
                {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "30s"}},
            ]}]},
            "access_log": [{"name": "envoy.access_loggers.stderr", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
                "log_format": {"text_format_source": {"inline_string":
                    "access %REQ(X-CASE)% %RESPONSE_CODE% %FILTER_STATE(wasm.tollgate.verdict:PLAIN)% %FILTER_STATE(wasm.tollgate.reason:PLAIN)%\nstate %REQ(X-CASE)% %FILTER_STATE(wasm.tollgate.client_id:PLAIN)% %FILTER_STATE(wasm.tollgate.sub:PLAIN)% %FILTER_STATE(wasm.tollgate.claims:PLAIN)%\n"}},
            }}],
            "http_filters": filters,
        });
        merge(&mut manager, plugin.manager.clone());
        let mut chain = json!({"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]});
        if let Some(tls) = &plugin.tls {
            let mut typed = json!({"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"});
            merge(&mut typed, tls.clone());
            chain["transport_socket"] = json!({"name": "tls", "typed_config": typed});
        }
        json!({
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": name,
            "address": address(plugin.port),
            "filter_chains": [chain],
        })
    }

    fn filter_json(&self, plugin: &Plugin) -> Value {
        let configuration = if plugin.as_struct {
            json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": plugin.configuration})
        } else {
            json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": plugin.configuration.to_string()})
        };
        let env: serde_json::Map<String, Value> =
            self.env.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        json!({"name": "tollgate", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "tollgate",
                "root_id": "tollgate",
                "failure_policy": "FAIL_RELOAD",
                "allow_on_headers_stop_iteration": plugin.stop_iteration,
                "configuration": configuration,
                "vm_config": {
                    "vm_id": "tollgate",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": self.module.clone().unwrap_or_else(module)}},
                    "environment_variables": {"key_values": env},
                },
            },
        }})
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts an Envoy with this configuration and waits until it serves; its log if it refuses.
fn launch(
    directory: PathBuf,
    configuration: &Path,
    workers: u32,
    log_level: &str,
    variables: &[(&str, &str)],
) -> Result<Envoy, String> {
    let log = File::create(directory.join("log")).expect("a log file");
    let child = Command::new("sh")
        .args(["-c", WATCH, "sh"])
        .arg(binary())
        .args(["--use-dynamic-base-id", "--log-level", "warning", "--file-flush-interval-msec", "20"])
        .arg("--concurrency")
        .arg(workers.to_string())
        .args(["--component-log-level", &format!("wasm:{log_level},config:warning")])
        .arg("--admin-address-path")
        .arg(directory.join("admin"))
        .arg("-c")
        .arg(configuration)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("Envoy can be run");
    let mut envoy = Envoy { child, directory, admin: 0 };
    if envoy.becomes_ready() { Ok(envoy) } else { Err(last_lines(&envoy.log())) }
}

impl Envoy {
    /// Starts one with a configuration that somebody else has written. Panics with its last log lines
    /// if it does not start.
    pub fn with_file(configuration: &Path, variables: &[(&str, &str)]) -> Self {
        launch(scratch(), configuration, 1, "trace", variables)
            .unwrap_or_else(|log| panic!("Envoy does not start:\n{log}"))
    }

    /// What Envoy says of a configuration (`--mode validate`); empty if it is fine.
    pub fn faults_of(configuration: &Path, variables: &[(&str, &str)]) -> String {
        let done = Command::new(binary())
            .args(["--mode", "validate", "--log-level", "error", "--use-dynamic-base-id", "-c"])
            .arg(configuration)
            .envs(variables.iter().copied())
            .output()
            .expect("Envoy can be run");
        if done.status.success() { String::new() } else { String::from_utf8_lossy(&done.stderr).into_owned() }
    }

    /// The port of a listener.
    pub fn port(&self, listener: &str) -> u16 {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.listeners().into_iter().find(|(name, _)| name == listener);
            match found {
                Some((_, port)) => return port,
                None if Instant::now() > until => {
                    panic!("no listener {listener}:\n{}", last_lines(&self.log()))
                }
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// The ports of all listeners, once there are as many.
    pub fn ports(&self, count: usize) -> BTreeMap<String, u16> {
        let until = Instant::now() + PATIENCE;
        loop {
            let ports: BTreeMap<_, _> = self.listeners().into_iter().collect();
            if ports.len() >= count {
                return ports;
            }
            assert!(
                Instant::now() < until,
                "{} of {count} listeners:\n{}",
                ports.len(),
                last_lines(&self.log())
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The filter's counters of a kind (`verdict`, `shadow`, `introspection`), by their last word.
    pub fn counters(&self, kind: &str) -> BTreeMap<String, u64> {
        let all = self.all_counters().into_iter();
        all.filter_map(|(name, n)| Some((name.strip_prefix(kind)?.strip_prefix('.')?.to_owned(), n)))
            .collect()
    }

    /// All of the filter's counters: `verdict.allowed` and so on.
    pub fn all_counters(&self) -> BTreeMap<String, u64> {
        let stats: Value =
            serde_json::from_str(&self.admin("/stats?filter=wasmcustom&format=json")).unwrap_or_default();
        let all = stats["stats"].as_array().cloned().unwrap_or_default();
        let counter = |stat: &Value| {
            let name = stat["name"].as_str()?.strip_prefix("wasmcustom.tollgate.")?;
            Some((name.to_owned(), stat["value"].as_u64()?))
        };
        all.iter().filter_map(counter).collect()
    }

    /// How much memory Envoy has, in bytes.
    pub fn memory(&self) -> u64 {
        // The process that we started is the shell that watches over it.
        let of = |pid: &str| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(children).unwrap_or_default();
        children.split_whitespace().map(of).max().unwrap_or_default().saturating_mul(1024)
    }

    /// What the access log says of the request with this `x-case`: its status, and the verdict and
    /// reason of a refusal.
    pub fn access_log_of(&self, case: &str) -> String {
        self.logged(&format!("access {case} "))
    }

    /// What the access log says of who sent the request with this `x-case`: client, user and claims.
    pub fn filter_state_of(&self, case: &str) -> String {
        self.logged(&format!("state {case} "))
    }

    fn logged(&self, start: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log().lines().find_map(|line| line.strip_prefix(start)) {
                return line.to_owned();
            }
            assert!(Instant::now() < until, "{start:?} is not in the access log");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything that Envoy has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("log")).unwrap_or_default()).into_owned()
    }

    /// The end of the log.
    pub fn last_lines(&self) -> String {
        last_lines(&self.log())
    }

    /// Waits until the log holds a text after its first `since` bytes.
    pub fn wait_for_log(&self, since: usize, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().get(since..).is_some_and(|log| log.contains(text)) {
            assert!(Instant::now() < until, "{text:?} is not in the log:\n{}", last_lines(&self.log()));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Replaces the listeners of the running Envoy.
    pub fn update(&self, stage: &Stage) {
        stage.write_listeners(&self.directory.join("lds.json"));
    }

    /// A gauge or counter of Envoy's own, by its whole name; 0 if there is none.
    pub fn stat(&self, name: &str) -> u64 {
        let path = format!("/stats?filter=^{}$&format=json", name.replace('.', "\\."));
        let stats: Value = serde_json::from_str(&self.admin(&path)).unwrap_or_default();
        stats["stats"][0]["value"].as_u64().unwrap_or_default()
    }

    /// Panics if Envoy has ended or the VM has trapped, or if one of these words is in the log.
    pub fn assert_clean_log(&self, secrets: &[&str]) {
        let log = self.log();
        let is_alive = Request::get("/ready").try_send(self.admin).is_ok();
        assert!(is_alive, "Envoy has ended:\n{}", last_lines(&log));
        for sign in ["Function: proxy", "wasm trap", "panicked at", "Uncaught RuntimeError", "VM failure"] {
            assert!(!log.contains(sign), "the VM has trapped:\n{}", last_lines(&log));
        }
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret:?} is in the log: {line:?}");
        }
    }

    fn becomes_ready(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return false;
            }
            if self.admin == 0 {
                let address = fs::read_to_string(self.directory.join("admin")).unwrap_or_default();
                self.admin =
                    address.rsplit(':').next().and_then(|port| port.trim().parse().ok()).unwrap_or(0);
            } else if Request::get("/ready").try_send(self.admin).is_ok_and(|ready| ready.status() == 200) {
                return true;
            }
            thread::sleep(Duration::from_millis(30));
        }
        false
    }

    fn listeners(&self) -> Vec<(String, u16)> {
        let listeners: Value =
            serde_json::from_str(&self.admin("/listeners?format=json")).unwrap_or_default();
        let all = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
        let port = |status: &Value| {
            let port = status["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some((status["name"].as_str()?.to_owned(), u16::try_from(port).ok()?))
        };
        all.iter().filter_map(port).collect()
    }

    fn admin(&self, path: &str) -> String {
        Request::get(path).try_send(self.admin).map(|response| response.text()).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn cluster_json(name: &str, port: u16, at_most: Option<u32>) -> Value {
    let port = if port == 0 { dead_port() } else { port };
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]},
    });
    if let Some(n) = at_most {
        let threshold = json!({"max_connections": n, "max_pending_requests": n, "max_requests": n});
        cluster["circuit_breakers"] = json!({"thresholds": [threshold]});
    }
    cluster
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn nonce() -> String {
    format!("{:?}", Instant::now())
}

/// `ENVOY`, or the one that `make tools` fetches.
fn binary() -> PathBuf {
    let path = std::env::var_os("ENVOY").map_or_else(|| root().join("target/tools/envoy"), PathBuf::from);
    assert!(
        path.is_file(),
        "there is no Envoy at {}: run \"make tools\" first, or set ENVOY",
        path.display()
    );
    path
}

/// `TOLLGATE_WASM`, or the one that `make build` makes.
pub fn module() -> PathBuf {
    let default = || root().join("target/wasm32-wasip1/release/tollgate_filter.wasm");
    let path = std::env::var_os("TOLLGATE_WASM").map_or_else(default, PathBuf::from);
    assert!(path.is_file(), "there is no module at {}: run \"make build\" first", path.display());
    path
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(40)).copied().collect::<Vec<_>>().join("\n")
}

/// How long Envoy may take for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs Envoy until it ends by itself or until our end of standard input closes: an Envoy does not
/// outlive its test, however that ends.
const WATCH: &str = r#"exec 3<&0; "$@" </dev/null & envoy=$!
(cat <&3 >/dev/null; kill -9 $envoy 2>/dev/null) & wait $envoy"#;
