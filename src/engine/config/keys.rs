//! Every key of the configuration: what it may hold, what holds without it, and what it is for.
//!
//! This table is the reference. `docs/configuration.md` and `docs/config.schema.json` are written from
//! it, and it decides what [`crate::policy::Policy::parse`] accepts.

mod provider;
mod rules;
pub mod text;

use std::time::Duration;

use self::provider::PROVIDER;
pub use self::provider::SIGNED_WITH;
pub use self::rules::RULE;
use self::rules::{MATCHING, REQUIREMENT};
use crate::config::schema::{Absent, Choice, Key, Kind, Names, Object, Quantity, When, prose};
use crate::jose::algorithm::Algorithm;
use crate::provider::MAX_TIMEOUT;

/// The whole configuration.
pub static CONFIGURATION: Kind = Kind::Object(&Object {
    keys: &[
        required(
            "providers",
            Kind::Map { names: Names::Text("NAME", &text::NAME), of: &Kind::Object(&PROVIDER), empty: false },
            "The authorization servers, by names of your choice.",
        ),
        default(
            "provider_order",
            list_or_none(&NAME),
            "[]",
            "Providers to try in turn for a token that nothing else assigns to a provider. If empty, such a token is `invalid_token`. These decide first: the rule's `providers`, then `token_prefix`, then the unverified `iss` of a JWT-shaped token, then the only configured provider.",
        ).lowers_as_meant(When::Set, "Each of these providers sees the token."),
        default(
            "token",
            Kind::Object(&TOKEN),
            "{}",
            "Where a token may be in the request, and how it is handled (RFC 6750 §2).",
        ),
        default(
            "requires",
            Kind::Object(&REQUIREMENT),
            "{}",
            "What else a valid token must have, for requests that no rule matches.",
        ),
        default(
            "rules",
            list_or_none(&Kind::Object(&RULE)),
            "[]",
            "Requirements for particular requests. The first rule that matches decides.",
        ),
        default(
            "matching",
            Kind::Object(&MATCHING),
            "{}",
            "How rules and resources interpret parts of a request that Envoy or the upstream may interpret differently.",
        ),
        default(
            "client_lists",
            Kind::Map {
                names: Names::Text("NAME", &text::NAME),
                of: &Kind::Object(&CLIENT_LIST),
                empty: true,
            },
            "{}",
            "Allow-lists of clients (\"contracts\"), by names of your choice.",
        ),
        default(
            "upstream",
            Kind::Object(&UPSTREAM),
            "{}",
            "What the upstream learns about the token. Every field named here is first removed from the client's request, on every path.",
        ),
        default(
            "cache",
            Kind::Object(&CACHE),
            "{}",
            "The cache of introspection responses. An entry holds the response, never a verdict: scopes, clients, claims, times and rules are checked for every request.",
        ),
        later("revocation", "Pushed revocations."),
        optional(
            "dpop",
            Kind::Object(&DPOP),
            "Proofs of possession (RFC 9449): tokens with the scheme `DPoP`, and how their proofs are checked. `{}` turns it on. Absent: tokens that are bound to a key are rejected.",
        ),
        optional(
            "mtls",
            Kind::Object(&MTLS),
            "Tokens that are bound to the client's certificate (RFC 8705). Absent: such tokens are rejected.",
        ),
        optional(
            "resource",
            Kind::Either { list: &RESOURCES, object: &RESOURCE },
            "The protected resource. Its metadata (RFC 9728) are generated from this policy and served without a token at `/.well-known/oauth-protected-resource`. Challenges contain their address (`resource_metadata`). A query and a final slash make no difference there. Any other path below that one gets 404 without a token, never a challenge. With several resources, a request belongs to the resource of its host (if there is one) with the longest path, in whole segments, that the request's path starts with.",
        ),
        default("responses", Kind::Object(&RESPONSES), "{}", "What a client learns when its request is rejected."),
        default(
            "cors_preflight",
            word(&["enforce", "pass"]),
            "enforce",
            "`pass` lets CORS preflights (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) through without a token. `enforce` treats them like any other request, so put Envoy's CORS filter before this one.",
        ).lowers(When::Words(&["pass"]), "Preflights reach the upstream without a token."),
        later("on_expiry", "Ending long-lived streams with their token."),
        optional(
            "user_agent",
            Kind::Text(&text::USER_AGENT),
            "The `User-Agent` of all calls: for introspection, keys and client lists (RFC 9110 §10.1.5). Absent: `tollgate/` and the version. A field of that name in `introspection.headers` takes precedence.",
        ),
        default(
            "mode",
            word(&["enforce", "shadow"]),
            "enforce",
            "`shadow` decides, counts and logs, but rejects nothing. It changes only the identity fields (`upstream`) of a request.",
        ).lowers(When::Words(&["shadow"]), "Nothing is blocked, and the token reaches the upstream even with `token.forward: false`."),
    ],
    choices: &[],
});

static CACHE: Object = Object {
    keys: &[
        default(
            "max_entries",
            Kind::Integer { min: 0, max: 1_000_000 },
            "10000",
            "How many active tokens each worker caches. `0` turns the whole cache off.",
        ),
        default(
            "ttl",
            duration(0, 86_400_000),
            "5m",
            "How long an active token is cached, from the moment of the call, but never past its `exp`. A revoked token may be accepted for up to this long.",
        ).lowers(When::Above("15m"), "A revoked token may be accepted for up to this long (RFC 7662 §4)."),
        default(
            "ttl_without_exp",
            duration(0, 86_400_000),
            "0s",
            "The same for responses without `exp`. `0s`: they are not cached.",
        ).lowers(When::Above("5m"), "A token of unknown lifetime may be accepted for this long after it has expired."),
        default(
            "ttl_jitter",
            Kind::Integer { min: 0, max: 50 },
            "10",
            "An entry expires earlier by up to this many per cent, so that not all entries expire at once. It never expires later.",
        ),
        default(
            "negative_ttl",
            duration(0, 3_600_000),
            "10s",
            "How long an inactive token is cached. `0s`: not at all.",
        ),
        default(
            "negative_max_entries",
            Kind::Integer { min: 0, max: 1_000_000 },
            "2000",
            "How many inactive tokens each worker caches. They are kept separately, so invalid tokens cannot evict valid ones. `0`: inactive tokens are not cached.",
        ),
        default(
            "shared",
            Kind::Bool,
            "true",
            "Whether workers share responses through Envoy's shared data. A token then costs one call per proxy instead of one per worker.",
        ),
        default(
            "refresh_ahead",
            duration(0, 3_600_000),
            "10s",
            "A token in use is introspected again in the background this long before its entry expires, but at most half of the entry's lifetime. `0s`: never.",
        ),
        default(
            "stale_if_error",
            duration(0, 86_400_000),
            "0s",
            "How long an expired entry may still be used while the authorization server gives no verdict, but never past `exp`.",
        ).lowers(When::Set, "A revoked token may be accepted for that much longer."),
    ],
    choices: &[],
};

static TOKEN: Object = Object {
    keys: &[
        default(
            "from_headers",
            list_or_none(&Kind::Object(&TOKEN_HEADER)),
            r#"[{"name":"authorization","scheme":"Bearer"}]"#,
            "Header fields that may carry a token.",
        ),
        optional(
            "from_params",
            list_or_none(&PARAMETER),
            "Query parameters that may carry a token, for example `access_token`. Absent: no parameters, or `[access_token]` in the profile `anypoint`.",
        ).lowers(When::Set, "URIs end up in logs and histories (RFC 6750 §5.3)."),
        default(
            "from_cookies",
            list_or_none(&Kind::Text(&text::COOKIE_NAME)),
            "[]",
            "Cookies that may carry a token, bare or in double quotes (RFC 6265 §4.1.1).",
        ).lowers(When::Set, "Browsers send cookies automatically, so other sites can act for the user (RFC 6750 §5.3)."),
        optional(
            "from_websocket_protocol",
            Kind::Text(&text::PROTOCOL),
            "The WebSocket subprotocol that marks a token in `Sec-WebSocket-Protocol`, because browsers cannot set any other field. With `bearer`, the client sends `Sec-WebSocket-Protocol: bearer, TOKEN`. If the name ends with a dot, as in `base64url.bearer.authorization.k8s.io.`, the token follows in the same subprotocol, in base64url. It is read only from requests that open a WebSocket. The upstream never sees the token or the marker, whatever `forward` says.",
        ).lowers(When::Set, "More logs show this field than `Authorization`."),
        default(
            "from_form",
            Kind::Bool,
            "false",
            "Whether a form body may carry a token in the field `access_token`, which RFC 6750 §2.2 advises against.",
        ).lowers(When::Set, "Bodies are seen by more components than headers."),
        default(
            "max_form_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The longest form body that is read.",
        ).lowers(When::Above("65536"), "A request may take more memory."),
        default(
            "max_length",
            Kind::Integer { min: 1, max: 1_048_576 },
            "16384",
            "The longest token, in bytes. A longer one is `invalid_token`.",
        ).lowers(When::Above("16384"), "A request may take more memory."),
        optional(
            "forward",
            Kind::Bool,
            "Whether the upstream receives the token. `false` removes it from the request, under every rule, and also from forms if they may carry tokens (`from_form`). `mode: shadow` does not remove it. Absent: `true`, or `false` if a `resource` has the profile `mcp`.",
        ),
        default(
            "strict_multiple",
            Kind::Bool,
            "false",
            "Rejects a request with `access_token` in the query if another place also carries a token, even if the query may not carry tokens.",
        ),
        default("require_tls", Kind::Bool, "false", "Rejects requests that did not arrive over TLS (RFC 6750 §5.3).").lowers_as_meant(When::Off, "Tokens over plain HTTP are accepted. Turn it on wherever Envoy itself terminates TLS."),
        default(
            "tls_source",
            word(&["connection", "forwarded_proto"]),
            "connection",
            "How to tell whether a request arrived over TLS. `connection`: from the connection to this Envoy. `forwarded_proto`: from the field `x-forwarded-proto` that a previous hop writes, which must be `https`.",
        ).lowers(When::Words(&["forwarded_proto"]), "A client that can bypass that hop can claim TLS. So can every client if the hop does not overwrite the field."),
    ],
    choices: &[],
};

static TOKEN_HEADER: Object = Object {
    keys: &[
        required("name", Kind::Text(&text::FIELD_NAME), "The field's name."),
        optional(
            "scheme",
            Kind::Text(&text::SCHEME),
            "The authentication scheme before the token. Absent: the whole value is the token.",
        ),
    ],
    choices: &[],
};

static RESOURCES: Kind = Kind::List { of: &Kind::Object(&RESOURCE), empty: false };

/// A protected resource.
pub static RESOURCE: Object = Object {
    keys: &[
        required(
            "identifier",
            Kind::Text(&text::RESOURCE),
            "The URI by which clients know the resource (RFC 9728 §1.2, RFC 8707 §2). It is compared exactly as written. The metadata are at its host, under `/.well-known/oauth-protected-resource` and its path.",
        ),
        default(
            "profile",
            word(&["rfc9728", "mcp"]),
            "rfc9728",
            "`mcp` enforces the authorization part of the Model Context Protocol: an authorization server is named, the audience is checked, no token is in the query, tokens are not forwarded by default, challenges with 401 name the `scope` to request, and `offline_access` is never named.",
        ),
        optional(
            "audiences",
            list(&AUDIENCE),
            "A token must have at least one of these in `aud`, in addition to what the provider and the rule require. Absent: the `identifier`. They are compared exactly, including a final slash.",
        ),
        default(
            "audience_check",
            word(&["enforce", "ignore"]),
            "enforce",
            "`ignore` leaves the check of `aud` to providers and rules.",
        )
        .lowers(When::Words(&["ignore"]), "A token that was issued for another API may be accepted."),
        optional(
            "authorization_servers",
            list(&Kind::Text(&text::ISSUER)),
            "The issuers of its tokens, as published to clients. Absent: those of the providers that `requires` and the rules for this resource allow.",
        ),
        optional(
            "scopes_supported",
            list(&SCOPE),
            "The scopes, as published to clients. Absent: all that `requires` and the rules for this resource name.",
        ),
        optional("name", Kind::Text(&text::LINE), "A human-readable name."),
        optional("documentation", Kind::Text(&text::ENDPOINT), "The address of a page for developers."),
        optional(
            "policy_uri",
            Kind::Text(&text::ENDPOINT),
            "The address of a page about how clients may use the data.",
        ),
        optional("tos_uri", Kind::Text(&text::ENDPOINT), "The address of its terms of service."),
    ],
    choices: &[],
};

static DPOP: Object = Object {
    keys: &[
        default("max_age", duration(1000, 600_000), "60s", "The maximum age of a proof, from its `iat`.")
            .lowers(When::Above("60s"), "A captured proof can be used for longer."),
        default("clock_skew", duration(0, 300_000), "5s", "Leeway for `iat`, in both directions.")
            .lowers(When::Above("5s"), "A captured proof can be used for longer."),
        default(
            "algorithms",
            list(&ALGORITHM),
            "[\"ES256\",\"EdDSA\"]",
            "Signature algorithms for proofs. Challenges list them in this order. RSA keys may have up to 3072 bits.",
        )
        .lowers(
            When::Words(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
            "Clients choose their own keys, so each proof can cost a worker more: with `PS…` some milliseconds.",
        ),
        default(
            "nonce",
            word(&["off", "required"]),
            "off",
            "`required`: a proof must contain a nonce from Tollgate (RFC 9449 §9). A proof without one is rejected, and the response contains a new nonce.",
        ),
        default(
            "nonce_lifetime",
            duration(1000, 86_400_000),
            "5m",
            "How long a nonce is current. It stays valid for the same time again; during that time, responses contain a new one.",
        ),
        optional(
            "nonce_key_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the key for nonces. Use the same key for all proxies that clients may reach. Absent: each proxy creates its own key when it starts.",
        ),
        default(
            "replay_cache",
            Kind::Integer { min: 1, max: 1_000_000 },
            "10000",
            "Roughly how many used proofs all workers together store. This should cover the requests of `max_age` plus twice `clock_skew`. If it is smaller, older proofs of the busiest clients are rejected.",
        ),
        optional(
            "external_origin",
            Kind::Text(&text::LINE),
            "The scheme and authority that clients use, for example `https://api.example.com`, if Envoy sees different ones. If a previous hop removes a path prefix, add it, as in `https://api.example.com/orders`. Absent: the authority that Envoy sees, and `https` if the connection uses TLS. Forwarding fields are never trusted. Plugins with the same scheme and authority share their used proofs.",
        ),
        default(
            "forward",
            Kind::Bool,
            "true",
            "Whether the upstream receives the proof. It never does without the token (`token.forward`).",
        ),
    ],
    choices: &[],
};

static MTLS: Object = Object {
    keys: &[
        default(
            "source",
            word(&["connection", "xfcc", "header"]),
            "connection",
            "Where the client certificate comes from. `connection`: the TLS connection to this Envoy. `xfcc`: the field `x-forwarded-client-cert` that a previous hop writes. Envoy's connection manager must let it through (`forward_client_cert_details`), and its element must start with `Hash` or `Cert`, optionally after `By`. `header`: the field named in `header`, which a previous hop writes.",
        )
        .lowers(
            When::Words(&["xfcc", "header"]),
            "Anyone who can bypass that hop can claim any certificate.",
        ),
        default(
            "hops",
            Kind::Integer { min: 1, max: 10 },
            "1",
            "With `xfcc`, how many hops write an element, including this Envoy if it writes one. The field must have exactly that many elements, and the first one counts.",
        )
        .lowers(
            When::Above("1"),
            "If the first hop does not replace what clients send (`SANITIZE_SET`), a client can claim any certificate.",
        ),
        optional(
            "header",
            Kind::Text(&text::FIELD_NAME),
            "With `header`, the field's name. The field must appear exactly once.",
        ),
        optional(
            "format",
            word(&["pem", "pem_chain", "rfc9440", "base64"]),
            "With `header`, how the field encodes the certificate. `pem`: one certificate in PEM, percent-encoded. `pem_chain`: the same, followed by the certificates of its issuers. `rfc9440`: `Client-Cert` as in RFC 9440. `base64`: DER in base64.",
        )
        .lowers(
            When::Words(&["pem_chain"]),
            "The first certificate counts. If the hop writes the chain in another order, a client can claim any certificate.",
        ),
    ],
    choices: &[],
};

/// A client list.
pub static CLIENT_LIST: Object = Object {
    keys: &[
        optional(
            "clients",
            list_or_none(&Kind::Object(&CLIENT)),
            "The clients. An empty list rejects every client.",
        ),
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "The address from which the list is fetched instead, in the background: `{\"clients\": [{\"id\": …, \"name\": …, \"tier\": …}]}` as `application/json`. The last valid list is kept. Until the first list is loaded, requests that require it are rejected (503). `ETag` and 304 are supported.",
        ),
        optional("cluster", CLUSTER, "The Envoy cluster for `uri`. Required with `uri`."),
        default("refresh", duration(1000, 86_400_000), "30s", "How often each worker fetches the list.").lowers(When::Above("5m"), "A client that was removed from the list may be accepted for up to this long."),
        TIMEOUT,
        optional("bearer_token", Kind::Secret, "The Bearer token for fetching the list. Prefer `bearer_token_env`.").lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "bearer_token_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds this token.",
        ),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "1048576",
            "The maximum size of a list.",
        ),
    ],
    choices: &[
        Choice { quantity: Quantity::ExactlyOne, keys: &["clients", "uri"] },
        Choice { quantity: Quantity::AtMostOne, keys: &["bearer_token", "bearer_token_env"] },
    ],
};

/// A list as it is fetched.
pub static FETCHED_LIST: Kind = Kind::Object(&Object {
    keys: &[required("clients", list_or_none(&Kind::Object(&CLIENT)), "The clients.")],
    choices: &[],
});

static CLIENT: Object = Object {
    keys: &[
        required("id", CLIENT_ID, "The client's id."),
        optional("name", Kind::Text(&text::LINE), "A name for people."),
        optional("tier", Kind::Text(&text::LINE), "The tier that the client has been granted."),
    ],
    choices: &[],
};

static UPSTREAM: Object = Object {
    keys: &[
        default(
            "claim_to_headers",
            list_or_none(&Kind::Object(&CLAIM_HEADER)),
            "[]",
            "Claims that are forwarded as header fields.",
        ),
        optional(
            "claims_prefix",
            Kind::Text(&text::FIELD_PREFIX),
            "Every scalar claim except `scope` and `exp` becomes a field whose name is this prefix and the claim's name, in lower case and with hyphens for underscores. For example, `client_id` becomes `x-token-client-id`. If claims differ only in case, the one in lower case is used. If two claims still lead to the same field, such as `a_b` and `a-b`, neither is forwarded. All fields with this prefix that a client sends are removed.",
        ),
        default(
            "claims_prefix_underscores",
            word(&["replace", "keep"]),
            "replace",
            "How underscores in names under the prefix are handled. `keep` leaves them, for upstreams that expect such names. nginx and others drop fields with underscores in their names.",
        ),
        optional(
            "forward_payload_header",
            Kind::Text(&text::FIELD_NAME),
            "The field in which all claims are forwarded, as base64url JSON.",
        ),
        default(
            "filter_state",
            Kind::Bool,
            "false",
            "Makes data about requests that pass available to access logs and later filters, in Envoy's filter state: `wasm.tollgate.verdict` and, if there is a token, `wasm.tollgate.client_id`, `wasm.tollgate.sub` and, as JSON, `wasm.tollgate.claims`.",
        ),
    ],
    choices: &[],
};

static CLAIM_HEADER: Object = Object {
    keys: &[
        required("header_name", Kind::Text(&text::FIELD_NAME), "The name of the header field."),
        required(
            "claim_name",
            Kind::Text(&text::CLAIM),
            "The claim, for example `client_id` or `realm_access.roles`.",
        ),
    ],
    choices: &[],
};

static RESPONSES: Object = Object {
    keys: &[
        default(
            "profile",
            word(&["rfc6750", "anypoint"]),
            "rfc6750",
            "Which statuses and bodies rejections use: those of the RFCs, or those that clients of Anypoint's policies expect.",
        ).lowers_as_meant(When::Words(&["anypoint"]), "Responses distinguish an expired token from a revoked one, and a query parameter may carry the token."),
        optional(
            "realm",
            Kind::Text(&text::REALM),
            "The protection space named in challenges. Absent: `tollgate`, or Anypoint's realm in the profile `anypoint`.",
        ),
        default(
            "format",
            word(&["json", "problem", "auto", "none"]),
            "json",
            "The format of the body. `json`: an object with `error` and `error_description`. `error` is that of the challenge. If the challenge has no error, as without a token, it is `unauthorized` with 401 and `invalid_request` with 400. `problem`: the format of RFC 9457. `auto`: whichever of the two `Accept` prefers. `none`: no body.",
        ),
        default(
            "retry_after",
            duration(1000, 86_400_000),
            "5s",
            "The `Retry-After` of `unavailable`, in whole seconds, if the authorization server did not send one.",
        ),
        optional(
            "error_uri",
            Kind::Text(&text::ABSOLUTE_URI),
            "The address of a human-readable page. Challenges with an error contain it.",
        ),
        default(
            "cors_origins",
            list_or_none(&Kind::Text(&text::ORIGIN)),
            "[]",
            "Origins whose scripts may read rejections, including the challenge.",
        ).lowers_as_meant(When::Set, "Scripts of these origins can read rejections."),
        default(
            "overrides",
            Kind::Map {
                names: Names::Words("VERDICT", &REFUSALS),
                of: &Kind::Object(&OVERRIDE),
                empty: true,
            },
            "{}",
            "Different statuses and bodies, by verdict.",
        ).lowers_as_meant(When::Set, "The response does not follow the standard. The decision is unchanged."),
    ],
    choices: &[],
};

/// The verdicts that do not pass.
pub static REFUSALS: [&str; 9] = [
    "no_token",
    "invalid_request",
    "invalid_token",
    "invalid_binding",
    "insufficient_authentication",
    "insufficient_scope",
    "forbidden",
    "unavailable",
    "bad_answer",
];

static OVERRIDE: Object = Object {
    keys: &[
        optional("status", Kind::Integer { min: 400, max: 599 }, "The status to send instead."),
        optional("body", Kind::Text(&text::ANY), "The body to send instead, unchanged."),
        optional(
            "content_type",
            Kind::Text(&text::MEDIA_TYPE),
            "The body's media type. Absent: `text/plain; charset=utf-8`.",
        ),
    ],
    choices: &[Choice { quantity: Quantity::AtLeastOne, keys: &["status", "body"] }],
};

static ALGORITHM: Kind = Kind::Word { known: &PUBLIC_KEYS, later: &[] };
static PUBLIC_KEYS: [&str; 11] = {
    // HMAC comes first, and is not among them.
    let [_, _, _, rest @ ..] = Algorithm::NAMES;
    rest
};
static NAME: Kind = Kind::Text(&text::NAME);
static CLUSTER: Kind = Kind::Text(&text::CLUSTER);
static AUDIENCE: Kind = Kind::Text(&text::AUDIENCE);
static CLIENT_ID: Kind = Kind::Text(&text::CLIENT_ID);
static MEMBER: Kind = Kind::Text(&text::MEMBER);
static PARAMETER: Kind = Kind::Text(&text::PARAMETER);
static SCOPE: Kind = Kind::Text(&text::SCOPE);
static SCOPE_LIST: Kind = Kind::List { of: &SCOPE, empty: false };
const CALL_TIME: Kind = Kind::Duration { min: Duration::from_millis(1), max: MAX_TIMEOUT };
const TIMEOUT: Key = default("timeout", CALL_TIME, "2s", "The maximum duration of one call.");
const REACHED_BY: Key = required("cluster", CLUSTER, "The Envoy cluster to call.");
const FALLBACK_CLUSTERS: Key = default(
    "fallback_clusters",
    list_or_none(&CLUSTER),
    "[]",
    "Clusters to try in order if a call to `cluster` gets no response.",
);

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, absent: Absent::Fault, doc: prose(doc), lowers: None }
}

const fn default(name: &'static str, kind: Kind, value: &'static str, doc: &'static str) -> Key {
    Key { name, kind, absent: Absent::Default(value), doc: prose(doc), lowers: None }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, absent: Absent::Nothing, doc: prose(doc), lowers: None }
}

const fn later(name: &'static str, doc: &'static str) -> Key {
    Key { name, kind: Kind::Later, absent: Absent::Nothing, doc: prose(doc), lowers: None }
}

const fn list(of: &'static Kind) -> Kind {
    Kind::List { of, empty: false }
}

const fn list_or_none(of: &'static Kind) -> Kind {
    Kind::List { of, empty: true }
}

const fn word(known: &'static [&'static str]) -> Kind {
    Kind::Word { known, later: &[] }
}

const fn duration(min_millis: u64, max_millis: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(min_millis), max: Duration::from_millis(max_millis) }
}
