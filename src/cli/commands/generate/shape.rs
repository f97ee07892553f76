//! The short file's keys: what each may hold, what holds without it, and what it is for.
//!
//! The same machinery as the filter's own configuration, so a misspelt key is reported the same way.

use tollgate_engine::config::keys::{
    ClientAuth, ClientList, Keyed as _, Provider, Requirement, Resource, Rule, SIGNED_WITH, text,
};
use tollgate_engine::config::schema::{Absent, Choice, Kind, Names, Object, Quantity, Row, Text};
use tollgate_engine::provider::client_auth::Method;
use url::{Host, Url};

/// The whole short file, but for `policy`, whose keys are the filter's.
pub(crate) static SHORT_FILE: Kind = Kind::Object(&Object {
    keys: &[
        optional(
            "listen",
            Kind::Text(&ADDRESS),
            "Where Envoy listens. Absent: `127.0.0.1:8080`, and `0.0.0.0:8080` in a container.",
        ),
        optional("admin", Kind::Text(&ADDRESS), "Where Envoy's own pages are. Absent: `127.0.0.1:9901`."),
        optional(
            "max_connections",
            Kind::Integer { min: 1, max: 1_000_000 },
            "How many connections clients may have at once (Envoy and Compose). Absent: `10000`.",
        ),
        optional(
            "rate_limit",
            Kind::Integer { min: 0, max: 1_000_000 },
            "How many requests a second one address may send (Envoy and Compose); `0`: any number. Absent: `1000`.",
        ),
        optional("tls", Kind::Object(&TLS), "The certificate with which Envoy listens. Absent: plain HTTP."),
        required(
            "providers",
            Kind::Map { names: Names::Text("NAME", &text::NAME), of: &Kind::Object(&PROVIDER), empty: false },
            "The authorization servers.",
        ),
        required(
            "apis",
            Kind::Map { names: Names::Text("NAME", &text::NAME), of: &Kind::Object(&API), empty: false },
            "The APIs that are protected.",
        ),
        optional(
            "client_lists",
            Kind::Map {
                names: Names::Text("NAME", &text::NAME),
                of: &Kind::Object(ClientList::OBJECT),
                empty: true,
            },
            "Allow-lists of clients, as in the filter's configuration; others come from the store.",
        ),
        optional("login", Kind::Object(&LOGIN), "Browser login in front of the APIs (Envoy and Compose)."),
        optional("kubernetes", Kind::Object(&KUBERNETES), "Names in the cluster (Istio and Envoy Gateway)."),
    ],
    choices: &[],
});

static TLS: Object = Object {
    keys: &[
        required("certificate", Kind::Text(&text::LINE), "The certificate chain (PEM), as a file."),
        required("key", Kind::Text(&text::LINE), "Its private key (PEM), as a file."),
        optional(
            "client_certificates",
            Kind::Bool,
            "Whether clients may show theirs, for tokens that are bound to one (RFC 8705); Envoy and Compose.",
        ),
    ],
    choices: &[],
};

static PROVIDER: Object = Object {
    keys: &[
        shared(Provider::OBJECT, "issuer", "Its issuer."),
        shared(Provider::OBJECT, "preset", "The product, which knows the endpoints."),
        shared(Provider::OBJECT, "base_url", "What the preset's endpoints are below, if not the issuer."),
        optional(
            "introspection_endpoint",
            Kind::Text(&text::ENDPOINT),
            "The introspection endpoint (RFC 7662).",
        ),
        shared(Provider::OBJECT, "validate", "How tokens are checked; `jwt` needs no client."),
        optional("jwks_uri", Kind::Text(&text::ENDPOINT), "Where its keys are, for `validate: jwt`."),
        optional("authorization_endpoint", Kind::Text(&text::ENDPOINT), "Where users log in; for `login`."),
        optional("token_endpoint", Kind::Text(&text::ENDPOINT), "Where tokens come from; for `login`."),
        shared(Provider::OBJECT, "audiences", "A token must be for one of these."),
        optional("client", Kind::Text(&text::NAME), "The gateway's client there, by its name in the store."),
        shared(ClientAuth::OBJECT, "client_id", "The gateway's client id there."),
        optional("client_secret_file", Kind::Text(&text::LINE), "The file that holds its secret."),
        shared(
            ClientAuth::OBJECT,
            "client_secret_env",
            "The variable of Envoy's environment that will hold its secret; the module sees it.",
        ),
        optional(
            "auth_method",
            Kind::Word { known: &WITH_A_CREDENTIAL, later: &[] },
            "How it authenticates.",
        ),
        optional(
            "private_key_file",
            Kind::Text(&text::LINE),
            "The file that holds its private key (PEM), for `private_key_jwt`.",
        ),
        shared(
            ClientAuth::OBJECT,
            "private_key_env",
            "The variable of Envoy's environment that will hold it; the module sees it.",
        ),
        optional(
            "algorithm",
            Kind::Word { known: &SIGNED_WITH, later: &[] },
            "What it signs with; for `private_key_jwt` and `client_secret_jwt`.",
        ),
        optional("kid", Kind::Text(&text::LINE), "The key's id, as the server knows it."),
        shared(ClientAuth::OBJECT, "basic_encoding", "Whether id and secret are form-encoded first."),
        optional(
            "ca_file",
            Kind::Text(&text::LINE),
            "Its certificate authority (PEM), if the system does not know it.",
        ),
        optional("allow_http", Kind::Bool, "Allow plain HTTP to a host that is not this machine."),
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
        optional("hosts", Kind::List { of: &Kind::Text(&HOST), empty: false }, "Its hosts. Absent: all."),
        optional("prefix", Kind::Text(&PREFIX), "The start of its paths. Absent: all."),
        required("upstream", Kind::Text(&UPSTREAM), "Where it runs."),
        optional(
            "upstream_ca_file",
            Kind::Text(&text::LINE),
            "Its certificate authority (PEM), if the system does not know it.",
        ),
        optional(
            "rewrite_host",
            Kind::Bool,
            "Whether it is called by the host of `upstream` instead of the client's.",
        ),
        optional("websocket", Kind::Bool, "Whether its requests may become WebSockets."),
        optional("grpc", Kind::Bool, "Whether the upstream is called by HTTP/2, as gRPC is."),
        optional(
            "timeout",
            SPAN,
            "How long a whole response may take. Absent: as long as something moves, so that streams are not cut.",
        ),
        optional("idle_timeout", SPAN, "How long nothing may move in either direction. Absent: `5m`."),
        optional(
            "max_stream_duration",
            SPAN,
            "How long a request may last in all: streams outlive their tokens, and this is their end. Absent: `1h`, or what `timeout` says.",
        ),
        optional(
            "provider",
            Kind::Text(&text::NAME),
            "Whose tokens it takes; not needed if there is one provider.",
        ),
        optional(
            "scopes",
            Kind::List { of: &Kind::Text(&text::SCOPE), empty: true },
            "What a token must carry, all of it.",
        ),
        shared(Requirement::OBJECT, "audiences", "A token must be for one of these."),
        optional("client_list", Kind::Text(&text::NAME), "The clients that may call it."),
        optional(
            "sender_constraint",
            Kind::Word { known: &["if_bound", "dpop", "mtls", "any_bound"], later: &[] },
            "What is done about bound tokens, as in the filter's configuration.",
        ),
        optional(
            "resource",
            Kind::Object(Resource::OBJECT),
            "What clients are told of it, as in the filter's configuration: `identifier`, and `profile: mcp` for an MCP server.",
        ),
        optional(
            "rules",
            Kind::List { of: &Kind::Object(Rule::OBJECT), empty: true },
            "Other demands for some of its requests, as in the filter's configuration.",
        ),
    ],
    choices: &[Choice { quantity: Quantity::AtMostOne, keys: &["timeout", "max_stream_duration"] }],
};

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
            "Where users log in; not needed if there is one provider.",
        ),
        optional("client", Kind::Text(&text::NAME), "The client for logins, by its name in the store."),
        optional("client_id", Kind::Text(&text::CLIENT_ID), "Its client id."),
        optional("client_secret_file", Kind::Text(&text::LINE), "The file that holds its secret."),
        optional("auth_method", Kind::Word { known: &OF_LOGINS, later: &[] }, "How it authenticates."),
        optional(
            "scopes",
            Kind::List { of: &Kind::Text(&text::SCOPE), empty: false },
            "What is asked for. Absent: the scopes of all APIs.",
        ),
        optional(
            "callback_path",
            Kind::Text(&PREFIX),
            "Where users come back to. Absent: `/oauth2/callback`.",
        ),
        optional("signout_path", Kind::Text(&PREFIX), "Where users log out. Absent: `/oauth2/signout`."),
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
            "Istio: the labels of the guarded workload. Absent: `app` and the first API's name.",
        ),
        optional(
            "workload",
            Kind::Word { known: &["sidecar", "gateway"], later: &[] },
            "Istio: what those labels select. Absent: `gateway` if one of them names a gateway, as `istio: ingressgateway`; `sidecar` otherwise.",
        ),
        optional("gateway", Kind::Text(&LABEL), "Envoy Gateway: the Gateway's name. Absent: `tollgate`."),
        optional(
            "tls_secret",
            Kind::Text(&RESOURCE_NAME),
            "Envoy Gateway: the Secret that holds the certificate with which the Gateway listens, if it is in the cluster already. Absent: one is written from the files of `tls`.",
        ),
    ],
    choices: &[],
};

static ADDRESS: Text = Text {
    what: "an IP address and a port, as 127.0.0.1:8080",
    fits: |text| text.parse::<std::net::SocketAddr>().is_ok(),
};

static UPSTREAM: Text = Text {
    what: "scheme, host and perhaps port, as http://orders:8080 (no path)",
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

/// Envoy and the filter must mean the same by a host; they do by names.
static HOST: Text = Text {
    what: "a host name without a port, as api.example.com or *.example.com",
    fits: |text| {
        let name = text.strip_prefix("*.").unwrap_or(text);
        (text::HOST.fits)(text)
            && matches!(Host::parse(name), Ok(Host::Domain(parsed)) if parsed == name.to_ascii_lowercase())
            && !name.ends_with('.')
    },
};

/// Envoy and the filter must mean the same by a path.
static PREFIX: Text = Text {
    what: "a path of plain segments, as /orders",
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

/// The name of a resource of Kubernetes (RFC 1123 subdomain).
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

/// A key that the filter's configuration has too.
const fn shared(with: &Object, name: &'static str, doc: &'static str) -> Row {
    optional(name, with.kind_of(name), doc)
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Row {
    Row::new(name, kind, Absent::Nothing, doc)
}
