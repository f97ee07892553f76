//! What Envoy is told: listeners with one chain of filters each, and the filters.

use std::path::Path;

use serde_json::{Value, json};
use tollgate_e2e::root;

/// What a listener's route does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// Goes to the API.
    Api,
    /// Envoy itself responds with this status.
    Direct(u16),
}

/// A listener with one chain of filters.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// The filters before the router.
    pub filters: Vec<Value>,
    /// What comes behind them.
    pub route: Route,
}

/// Where the back ends are.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The API.
    pub api: u16,
    /// The authorization server.
    pub authorization_server: u16,
    /// The service for `ext_authz`, if there is one.
    pub authz: u16,
}

/// A whole bootstrap.
pub fn bootstrap(listeners: &[Listener], ports: Ports) -> Value {
    json!({
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": address(0)},
        "static_resources": {
            "listeners": listeners.iter().map(listener).collect::<Vec<_>>(),
            "clusters": [
                cluster("api", ports.api, "http_protocol_options"),
                cluster("as", ports.authorization_server, "http_protocol_options"),
                cluster("authz", ports.authz, "http2_protocol_options"),
            ],
        },
    })
}

/// A filter in WebAssembly. All of one `vm` share a VM.
pub fn wasm(name: &str, vm: &str, module: &Path, configuration: &str) -> Value {
    filter(
        name,
        "wasm.v3.Wasm",
        &json!({"config": {
            "name": name,
            "root_id": name,
            "failure_policy": "FAIL_CLOSED",
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            "vm_config": {
                "vm_id": vm,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": module}},
            },
        }}),
    )
}

/// Tollgate's configuration: one provider, whatever the defaults are, and these keys besides.
pub fn tollgate(more: &Value) -> String {
    let mut policy = json!({"providers": {"as": {"introspection": {
        "uri": "https://as.example.com/introspect",
        "cluster": "as",
        "client_auth": {"client_id": "gateway", "client_secret": "hush-client-secret"},
    }}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        policy[key] = value.clone();
    }
    policy.to_string()
}

/// Two claims for the upstream.
pub fn two_claims() -> Value {
    json!({"claim_to_headers": [
        {"header_name": "x-client-id", "claim_name": "client_id"},
        {"header_name": "x-user", "claim_name": "sub"},
    ]})
}

/// Fifty rules; only the last one is about `/orders/…`.
pub fn fifty_rules() -> Value {
    let other = |n| {
        let path = match n % 3 {
            0 => json!({"path": format!("/things-{n}")}),
            1 => json!({"prefix": format!("/area-{n}")}),
            _ => json!({"path_template": format!("/kinds-{n}/{{id}}")}),
        };
        json!({"match": path, "requires": {"scopes": [format!("scope:{n}")]}})
    };
    let mut rules: Vec<Value> = (0..49).map(other).collect();
    rules.push(json!({"match": {"path_template": "/orders/{id}"}, "requires": {"scopes": ["orders:read"]}}));
    Value::Array(rules)
}

/// A Lua script that asks about every token, or about those that are not in its table.
pub fn lua(name: &str, remembers: bool) -> Value {
    let script = LUA.replace("REMEMBERS", if remembers { "true" } else { "false" });
    filter(name, "lua.v3.Lua", &json!({"default_source_code": {"inline_string": script}}))
}

/// Envoy's own filter for JWTs, which asks nobody.
pub fn jwt_authn(name: &str, remembers: bool) -> Value {
    let mut provider = json!({
        "issuer": "https://as.example.com",
        "audiences": ["https://api.example.com"],
        "local_jwks": {"inline_string": keys()},
        "forward": true,
        "claim_to_headers": [
            {"header_name": "x-client-id", "claim_name": "client_id"},
            {"header_name": "x-user", "claim_name": "sub"},
        ],
    });
    if remembers {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": 100});
    }
    filter(
        name,
        "jwt_authn.v3.JwtAuthentication",
        &json!({
            "providers": {"as": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "as"}}],
        }),
    )
}

/// Tollgate's configuration for the tokens that [`jwt_authn`] accepts: the same keys, the same claims forwarded.
pub fn tollgate_jwt(remembers: bool) -> String {
    let provider = json!({
        "issuer": "https://as.example.com",
        "audiences": ["https://api.example.com"],
        "validate": "jwt",
        "jwks": {"inline": serde_json::from_str::<Value>(&keys()).expect("the keys")},
    });
    let max_entries = if remembers { 10_000 } else { 0 };
    json!({"providers": {"as": provider}, "upstream": two_claims(), "cache": {"max_entries": max_entries}})
        .to_string()
}

/// The token that [`jwt_authn`] accepts: good until 2100, signed with a key that nobody has kept.
pub fn jwt() -> String {
    fixture("token.jwt")
}

/// The same with ES256.
pub fn es256_jwt() -> String {
    fixture("es256.jwt")
}

fn keys() -> String {
    fixture("jwks.json")
}

fn fixture(name: &str) -> String {
    let path = root().join("tests/bench/fixtures").join(name);
    std::fs::read_to_string(path).expect("a fixture").trim().to_owned()
}

/// Envoy's own filter that asks a service about every request, over gRPC.
pub fn ext_authz(name: &str) -> Value {
    filter(
        name,
        "ext_authz.v3.ExtAuthz",
        &json!({
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "authz"}, "timeout": "2s"},
        }),
    )
}

/// Envoy's own filter that removes what the others have told the upstream.
pub fn removes_identity(name: &str) -> Value {
    filter(
        name,
        "header_mutation.v3.HeaderMutation",
        &json!({
            "mutations": {"request_mutations": [{"remove": "x-client-id"}, {"remove": "x-user"}]},
        }),
    )
}

fn filter(name: &str, kind: &str, config: &Value) -> Value {
    let mut typed = json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")});
    for (key, value) in config.as_object().into_iter().flatten() {
        typed[key] = value.clone();
    }
    json!({"name": name, "typed_config": typed})
}

fn listener(listener: &Listener) -> Value {
    let mut filters = listener.filters.clone();
    filters.push(filter("router", "router.v3.Router", &json!({})));
    let action = match listener.route {
        Route::Api => json!({"cluster": "api", "timeout": "10s"}),
        Route::Direct(status) => {
            json!({"status": status, "body": {"inline_string": "{\"error\":\"invalid_token\"}"}})
        }
    };
    let kind = if listener.route == Route::Api { "route" } else { "direct_response" };
    json!({
        "name": listener.name,
        "address": address(0),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": listener.name,
                "codec_type": "HTTP1",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, (kind): action},
                ]}]},
                "http_filters": filters,
            },
        }]}],
    })
}

fn cluster(name: &str, port: u16, protocol: &str) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {(protocol): {}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]},
    })
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// What one finds when one looks for introspection in Lua, put right: a call, a table with times, two claims forwarded. It
/// takes `"active":true` by a pattern, which no one should.
const LUA: &str = r#"
local known = {}

function envoy_on_request(handle)
  local headers = handle:headers()
  local token = string.match(headers:get("authorization") or "", "^Bearer (.+)$")
  if token == nil then
    handle:respond({[":status"] = "401", ["www-authenticate"] = "Bearer"}, "")
    return
  end
  local now = os.time()
  local entry = known[token]
  if entry == nil or now >= entry.ends then
    local answer, body = handle:httpCall("as", {
      [":method"] = "POST",
      [":path"] = "/introspect",
      [":authority"] = "as.example.com",
      ["content-type"] = "application/x-www-form-urlencoded",
      ["accept"] = "application/json",
      ["authorization"] = "Basic Z2F0ZXdheTpodXNoLWNsaWVudC1zZWNyZXQ=",
    }, "token=" .. token .. "&token_type_hint=access_token", 2000)
    if answer[":status"] ~= "200" then
      handle:respond({[":status"] = "503"}, "")
      return
    end
    if not string.find(body, '"active":%s*true') then
      handle:respond({[":status"] = "401", ["www-authenticate"] = 'Bearer error="invalid_token"'}, "")
      return
    end
    entry = {
      ends = math.min(now + 300, tonumber(string.match(body, '"exp":%s*(%d+)') or "0")),
      client = string.match(body, '"client_id":%s*"([^"]*)"') or "",
      user = string.match(body, '"sub":%s*"([^"]*)"') or "",
    }
    if REMEMBERS then
      known[token] = entry
    end
  end
  headers:replace("x-client-id", entry.client)
  headers:replace("x-user", entry.user)
end
"#;
