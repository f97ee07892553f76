//! The keys of the short file: their types and descriptions.
//!
//! They use the schema of the filter's configuration, so a misspelt key is reported in the same way.

use serde_json::Value;
use tollgate_config::keys::{
    CONFIGURATION, ClientAuth, ClientList, Keyed as _, Provider, Requirement, Resource, Rule, SIGNED_WITH,
    text,
};
use tollgate_config::reference;
use tollgate_config::schema::{Absent, Choice, Kind, Names, Object, Quantity, Row, Text};
use tollgate_engine::provider::client_auth::Method;
use url::{Host, Url};

/// The whole short file, except for `policy`, which contains keys of the filter.
pub(crate) static SHORT_FILE: Kind = Kind::Object(&Object {
    keys: &[
        optional(
            "listen",
            Kind::Text(&ADDRESS),
            "The address on which Envoy listens. Absent: `127.0.0.1:8080`, or `0.0.0.0:8080` in a container.",
        ),
        optional(
            "admin",
            Kind::Text(&ADDRESS),
            "The address of Envoy's admin interface. Absent: `127.0.0.1:9901`.",
        ),
        optional(
            "max_connections",
            Kind::Integer { min: 1, max: 1_000_000 },
            "The maximum number of client connections (Envoy and Compose). Absent: `10000`.",
        ),
        optional(
            "rate_limit",
            Kind::Integer { min: 0, max: 1_000_000 },
            "The maximum number of requests per second from one client address (Envoy and Compose). `0`: no limit. Absent: `1000`.",
        ),
        optional(
            "client_rate_limit",
            Kind::Object(&CLIENT_RATE_LIMIT),
            "The maximum number of requests per minute from one client (Envoy and Compose). Absent: no limit.",
        ),
        optional("tls", Kind::Object(&TLS), "Envoy's certificate. Absent: Envoy listens for plain HTTP."),
        required(
            "providers",
            Kind::Map { names: Names::Text("NAME", &text::NAME), of: &Kind::Object(&PROVIDER), empty: false },
            "The authorization servers.",
        ),
        required(
            "apis",
            Kind::Map { names: Names::Text("NAME", &text::NAME), of: &Kind::Object(&API), empty: false },
            "The protected APIs.",
        ),
        optional(
            "client_lists",
            Kind::Map {
                names: Names::Text("NAME", &text::NAME),
                of: &Kind::Object(ClientList::OBJECT),
                empty: true,
            },
            "Lists of clients, as in the filter's configuration. An API may also name a list of the store.",
        ),
        optional("login", Kind::Object(&LOGIN), "Browser login for the APIs (Envoy and Compose)."),
        optional("kubernetes", Kind::Object(&KUBERNETES), "Names in the cluster (Istio and Envoy Gateway)."),
    ],
    choices: &[],
});

static CLIENT_RATE_LIMIT: Object = Object {
    keys: &[
        required(
            "default",
            Kind::Integer { min: 1, max: 1_000_000_000 },
            "The limit for clients without a tier, and with a tier that is not listed.",
        ),
        optional(
            "tiers",
            Kind::Map {
                names: Names::Text("TIER", &text::NAME),
                of: &Kind::Integer { min: 1, max: 1_000_000_000 },
                empty: true,
            },
            "The limits for clients of these tiers. The client list of the API says which tier a client has.",
        ),
    ],
    choices: &[],
};

static TLS: Object = Object {
    keys: &[
        required("certificate", Kind::Text(&text::LINE), "The file with the certificate chain (PEM)."),
        required("key", Kind::Text(&text::LINE), "The file with the private key (PEM)."),
        optional(
            "client_certificates",
            Kind::Bool,
            "Whether clients may present a certificate, for tokens that are bound to one (RFC 8705; Envoy and Compose).",
        ),
    ],
    choices: &[],
};

static PROVIDER: Object = Object {
    keys: &[
        shared(Provider::OBJECT, "issuer", "The issuer (`iss`)."),
        shared(Provider::OBJECT, "preset", "The product, which supplies the endpoints."),
        shared(Provider::OBJECT, "base_url", "The base of the preset's paths. Absent: the `issuer`."),
        optional(
            "introspection_endpoint",
            Kind::Text(&text::ENDPOINT),
            "The introspection endpoint (RFC 7662).",
        ),
        shared(Provider::OBJECT, "validate", "How tokens are validated. `jwt` needs no client."),
        optional(
            "jwks_uri",
            Kind::Text(&text::ENDPOINT),
            "The address of the server's keys, for `validate: jwt`.",
        ),
        optional(
            "authorization_endpoint",
            Kind::Text(&text::ENDPOINT),
            "The authorization endpoint, for `login`.",
        ),
        optional("token_endpoint", Kind::Text(&text::ENDPOINT), "The token endpoint, for `login`."),
        shared(Provider::OBJECT, "audiences", "The accepted audiences. A token must be for one of them."),
        optional("client", Kind::Text(&text::NAME), "The gateway's client, by its name in the store."),
        shared(
            ClientAuth::OBJECT,
            "client_id",
            "The gateway's client id, for a client that is not in the store.",
        ),
        optional("client_secret_file", Kind::Text(&text::LINE), "The file with the client secret."),
        shared(
            ClientAuth::OBJECT,
            "client_secret_env",
            "The variable of Envoy's environment with the client secret. The module can read it.",
        ),
        optional(
            "auth_method",
            Kind::Word { known: &WITH_A_CREDENTIAL, later: &[] },
            "How the gateway authenticates at this server.",
        ),
        optional(
            "private_key_file",
            Kind::Text(&text::LINE),
            "The file with the client's private key (PEM), for `private_key_jwt`.",
        ),
        shared(
            ClientAuth::OBJECT,
            "private_key_env",
            "The variable of Envoy's environment with the private key. The module can read it.",
        ),
        optional(
            "algorithm",
            Kind::Word { known: &SIGNED_WITH, later: &[] },
            "The signature algorithm, for `private_key_jwt` and `client_secret_jwt`.",
        ),
        optional("kid", Kind::Text(&text::LINE), "The id of the key, as it is registered at the server."),
        shared(
            ClientAuth::OBJECT,
            "basic_encoding",
            "Whether client id and secret are form-encoded for `client_secret_basic`.",
        ),
        optional(
            "ca_file",
            Kind::Text(&text::LINE),
            "The file with the certificate authority (PEM), if the system does not trust it.",
        ),
        optional(
            "allow_http",
            Kind::Bool,
            "Whether plain HTTP is allowed to a host other than this machine.",
        ),
    ],
    choices: &[
        Choice { quantity: Quantity::AtMostOne, keys: &["client", "client_id"] },
        Choice {
            quantity: Quantity::AtMostOne,
            keys: &[
                "client",
                "client_secret_file",
                "client_secret_env",
                "private_key_file",
                "private_key_env",
            ],
        },
    ],
};

static API: Object = Object {
    keys: &[
        optional(
            "hosts",
            Kind::List { of: &Kind::Text(&HOST), empty: false },
            "The hosts of the API. Absent: all.",
        ),
        optional("prefix", Kind::Text(&PREFIX), "The prefix of the API's paths. Absent: all paths."),
        required("upstream", Kind::Text(&UPSTREAM), "The address of the API: scheme, host and port."),
        optional(
            "upstream_ca_file",
            Kind::Text(&text::LINE),
            "The file with the certificate authority (PEM), if the system does not trust it.",
        ),
        optional(
            "rewrite_host",
            Kind::Bool,
            "Whether requests are sent with the host of `upstream` instead of the host that the client sent.",
        ),
        optional("websocket", Kind::Bool, "Whether WebSocket upgrades are allowed."),
        optional("grpc", Kind::Bool, "Whether the upstream is called over HTTP/2, as gRPC requires."),
        optional(
            "timeout",
            SPAN,
            "The maximum duration of a whole response. Absent: no limit while data is sent, so that streams are not interrupted.",
        ),
        optional("idle_timeout", SPAN, "The maximum time without data in either direction. Absent: `5m`."),
        optional(
            "max_stream_duration",
            SPAN,
            "The maximum duration of a request. It limits how long a stream may outlive its token. Absent: `1h`, or `timeout`.",
        ),
        optional(
            "provider",
            Kind::Text(&text::NAME),
            "The provider whose tokens are accepted. Not needed with one provider.",
        ),
        optional(
            "scopes",
            Kind::List { of: &Kind::Text(&text::SCOPE), empty: true },
            "The required scopes. A token must have all of them.",
        ),
        shared(Requirement::OBJECT, "audiences", "The accepted audiences. A token must be for one of them."),
        optional("client_list", Kind::Text(&text::NAME), "The list of clients that may call the API."),
        optional(
            "sender_constraint",
            Kind::Word { known: &["if_bound", "dpop", "mtls", "any_bound"], later: &[] },
            "Whether tokens must be bound to a key or a certificate, as in the filter's configuration.",
        ),
        optional(
            "resource",
            Kind::Object(Resource::OBJECT),
            "The API's metadata for clients, as in the filter's configuration: `identifier`, and `profile: mcp` for an MCP server.",
        ),
        optional(
            "rules",
            Kind::List { of: &Kind::Object(Rule::OBJECT), empty: true },
            "Different requirements for some requests, as in the filter's configuration.",
        ),
    ],
    choices: &[Choice { quantity: Quantity::AtMostOne, keys: &["timeout", "max_stream_duration"] }],
};

/// The keys that are derived from `apis` and `client_lists`, so that `policy` cannot have them.
pub(crate) const NOT_IN_POLICY: [&str; 3] = ["rules", "requires", "client_lists"];

/// The methods whose credential a short file can name.
static WITH_A_CREDENTIAL: [&str; 4] =
    [Method::Basic.name(), Method::Post.name(), Method::SecretJwt.name(), Method::PrivateKeyJwt.name()];

/// The methods of Envoy's `oauth2` filter.
static OF_LOGINS: [&str; 2] = [Method::Basic.name(), Method::Post.name()];

static LOGIN: Object = Object {
    keys: &[
        optional(
            "provider",
            Kind::Text(&text::NAME),
            "The provider at which users log in. Not needed with one provider.",
        ),
        optional("client", Kind::Text(&text::NAME), "The client for logins, by its name in the store."),
        optional(
            "client_id",
            Kind::Text(&text::CLIENT_ID),
            "The client id, for a client that is not in the store.",
        ),
        optional("client_secret_file", Kind::Text(&text::LINE), "The file with the client secret."),
        optional(
            "auth_method",
            Kind::Word { known: &OF_LOGINS, later: &[] },
            "How the client authenticates.",
        ),
        optional(
            "scopes",
            Kind::List { of: &Kind::Text(&text::SCOPE), empty: false },
            "The scopes to request. Absent: the scopes of all APIs.",
        ),
        optional(
            "callback_path",
            Kind::Text(&PREFIX),
            "The path to which the authorization server redirects users. Absent: `/oauth2/callback`.",
        ),
        optional(
            "signout_path",
            Kind::Text(&PREFIX),
            "The path that logs users out. Absent: `/oauth2/signout`.",
        ),
    ],
    choices: &[Choice { quantity: Quantity::ExactlyOne, keys: &["client", "client_id"] }],
};

static KUBERNETES: Object = Object {
    keys: &[
        optional("namespace", Kind::Text(&LABEL), "The namespace. Absent: `default`."),
        optional(
            "selector",
            Kind::Map {
                names: Names::Text("LABEL", &text::LINE),
                of: &Kind::Text(&text::LINE),
                empty: false,
            },
            "Istio: the labels of the protected workload. Absent: `app` with the name of the first API.",
        ),
        optional(
            "workload",
            Kind::Word { known: &["sidecar", "gateway", "waypoint"], later: &[] },
            "Istio: the kind of proxy in which the filter runs; a waypoint is named by `service`. Absent: `gateway` if a label names a gateway, such as `istio: ingressgateway`; otherwise `sidecar`.",
        ),
        optional(
            "service",
            Kind::Text(&LABEL),
            "Istio, with `workload: waypoint`: the Service that the waypoint serves. Absent: the name of the first API.",
        ),
        optional(
            "gateway",
            Kind::Text(&LABEL),
            "Envoy Gateway: the name of the Gateway. Absent: `tollgate`.",
        ),
        optional(
            "tls_secret",
            Kind::Text(&RESOURCE_NAME),
            "Envoy Gateway: the existing Secret with the Gateway's certificate. Absent: a Secret is written from the files of `tls`.",
        ),
    ],
    choices: &[],
};

static ADDRESS: Text = Text {
    what: "an IP address and a port, such as 127.0.0.1:8080",
    fits: |text| text.parse::<std::net::SocketAddr>().is_ok(),
};

static UPSTREAM: Text = Text {
    what: "scheme, host and optional port, such as http://orders:8080 (no path)",
    fits: |text| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none()
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
        })
    },
};

/// Names only: Envoy and the filter must match the same hosts.
static HOST: Text = Text {
    what: "a host name without a port, such as api.example.com or *.example.com",
    fits: |text| {
        let name = text.strip_prefix("*.").unwrap_or(text);
        (text::HOST.fits)(text)
            && matches!(Host::parse(name), Ok(Host::Domain(parsed)) if parsed == name.to_ascii_lowercase())
            && !name.ends_with('.')
    },
};

/// Envoy and the filter must match the same paths.
static PREFIX: Text = Text {
    what: "a path of plain segments, such as /orders",
    fits: |text| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
        let segment = |segment: &str| !segment.is_empty() && !matches!(segment, "." | "..");
        text == "/"
            || text
                .strip_prefix('/')
                .is_some_and(|rest| text.bytes().all(fine) && rest.split('/').all(segment))
    },
};

const SPAN: Kind = Kind::Duration { min: 1, max: 7 * 24 * 60 * 60 * 1000 };

/// The name of a Kubernetes resource (RFC 1123 subdomain).
static RESOURCE_NAME: Text = Text {
    what: "a name of lower-case letters, digits, \"-\" and \".\"",
    fits: |text| text.len() <= 253 && text.split('.').all(LABEL.fits),
};

static LABEL: Text = Text {
    what: "a name of lower-case letters, digits and \"-\"",
    fits: |text| {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&text.len())
            && text.bytes().all(fine)
            && !text.starts_with('-')
            && !text.ends_with('-')
    },
};

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Row {
    Row::new(name, kind, Absent::Fault, doc)
}

/// A key of the filter's configuration, with the same type.
const fn shared(with: &Object, name: &'static str, doc: &'static str) -> Row {
    optional(name, with.kind_of(name), doc)
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Row {
    Row::new(name, kind, Absent::Nothing, doc)
}

/// The short file as a JSON Schema, for editors. Nothing is required in `policy`, because it is merged over the result.
pub(crate) fn json_schema() -> Value {
    let mut schema = reference::json_schema_of(&SHORT_FILE, "The short file of tollgate generate");
    let mut policy =
        reference::json_schema_of(&CONFIGURATION, "Any other keys of the filter's configuration");
    relax(&mut policy);
    if let Some(keys) = policy.get_mut("properties").and_then(Value::as_object_mut) {
        keys.retain(|key, _| !NOT_IN_POLICY.contains(&key.as_str()));
    }
    if let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        keys.insert("policy".to_owned(), policy);
    }
    schema
}

/// Removes what a part of a document need not have.
fn relax(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, _| !["$schema", "required", "allOf"].contains(&name.as_str()));
            members.values_mut().for_each(relax);
        }
        Value::Array(items) => items.iter_mut().for_each(relax),
        _ => {}
    }
}
