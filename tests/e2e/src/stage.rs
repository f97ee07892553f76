//! What an Envoy is started with: listeners with our filter, clusters, and everything around them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::envoy::{Envoy, Launch, module, version};
use crate::ports::dead_port;
use crate::scratch;
use crate::world::merge;

/// The most that Envoy keeps of a response to one of the filter's calls, in bytes. `tollgate generate` writes it as well.
pub const MOST_BUFFERED: u64 = (1 << 20) + (64 << 10);

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
    /// A host call or callback that Envoy does not allow, although the module needs it.
    pub forbidden: Option<&'static str>,
    /// Whether Envoy counts nothing but what the filter counts. With hundreds of listeners it finds that in a moment then.
    pub our_stats_only: bool,
    /// What runs Envoy, in front of its own name: `taskset -c 0`.
    pub under: Vec<String>,
    /// Further arguments of Envoy.
    pub arguments: Vec<String>,
    /// Of Envoy's environment.
    pub variables: Vec<(String, String)>,
    /// Members of the bootstrap, besides those that it has or in their place.
    pub more: Value,
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
            forbidden: None,
            our_stats_only: false,
            under: Vec::new(),
            arguments: Vec::new(),
            variables: Vec::new(),
            more: json!({}),
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
    #[track_caller]
    pub fn start(&self) -> Envoy {
        self.try_start().unwrap_or_else(|failure| panic!("Envoy does not start: {failure}"))
    }

    /// Starts Envoy; its log if it refuses.
    pub fn try_start(&self) -> Result<Envoy, String> {
        let directory = scratch();
        self.write_listeners(&directory.join("lds.json"));
        let bootstrap = self.bootstrap(&directory);
        let path = directory.join("envoy.json");
        fs::write(&path, bootstrap.to_string()).expect("the bootstrap is written");
        let component_log_level = format!("wasm:{},config:warning", self.log_level);
        let under: Vec<&str> = self.under.iter().map(String::as_str).collect();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let launch = Launch {
            under: &under,
            workers: self.workers,
            component_log_level: &component_log_level,
            variables: &variables,
            arguments: &arguments,
            ..Launch::default()
        };
        launch.start(directory, &path)
    }

    /// Writes the listeners' file anew, in place, as an operator's tool would: by renaming.
    pub fn write_listeners(&self, path: &Path) {
        let file = json!({"version_info": nonce(), "resources": self.listeners_json()});
        let new = path.with_extension("new");
        fs::write(&new, file.to_string()).expect("the listeners are written");
        fs::rename(&new, path).expect("the listeners are renamed");
    }

    fn bootstrap(&self, directory: &Path) -> Value {
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
        let stats = if self.our_stats_only {
            json!({"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": "wasmcustom."}, {"prefix": "listener_manager."}, {"prefix": "server."}]}}})
        } else {
            json!({})
        };
        let mut bootstrap = json!({
            "node": {"id": "test", "cluster": "test"},
            "stats_config": stats,
            "admin": {"address": address(0)},
            "static_resources": fixed,
            "dynamic_resources": dynamic,
            "layered_runtime": {"layers": [{"name": "static", "static_layer": {
                "envoy.reloadable_features.http_reject_path_with_fragment": false,
                "http.async_response_buffer_limit": MOST_BUFFERED,
            }}]},
        });
        merge(&mut bootstrap, self.more.clone());
        bootstrap
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
        // Every test runs with what the generated files allow.
        let names = include_str!("../../../src/filter/capabilities").lines();
        let allowed: serde_json::Map<String, Value> = names
            .filter(|name| Some(*name) != self.forbidden)
            .map(|name| (name.to_owned(), json!({})))
            .collect();
        let mut filter = json!({"name": "tollgate", "typed_config": {
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
        }});
        let config = &mut filter["typed_config"]["config"];
        let place = if version() < (1, 40) { config } else { &mut config["vm_config"] };
        place["capability_restriction_config"] = json!({"allowed_capabilities": allowed});
        filter
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
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
