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
use crate::jose::algorithm;
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
            "Providers to ask in turn about a token that nothing else assigns to one of several. Empty: such a token is `invalid_token`. What decides before: the rule's `providers`, then `token_prefix`, then the unverified `iss` of a JWT-shaped token, then the only provider there is.",
        ).lowers_as_meant(When::Set, "Each of them sees the token."),
        default(
            "token",
            Kind::Object(&TOKEN),
            "{}",
            "Where a token may be, and what becomes of it (RFC 6750 §2).",
        ),
        default(
            "requires",
            Kind::Object(&REQUIREMENT),
            "{}",
            "What a valid token must carry besides, for every request that no rule matches.",
        ),
        default(
            "rules",
            list_or_none(&Kind::Object(&RULE)),
            "[]",
            "Demands for some requests; the first rule that matches decides.",
        ),
        default(
            "matching",
            Kind::Object(&MATCHING),
            "{}",
            "How rules and resources read what Envoy or the upstream may read otherwise.",
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
            "What the upstream is told about the token. Every field named here is removed from the client's request first, on every path.",
        ),
        default(
            "cache",
            Kind::Object(&CACHE),
            "{}",
            "Answers of authorization servers, kept for a while. An entry is what the server said, never a verdict: scopes, clients, claims, times and rules are looked at for every request.",
        ),
        later("revocation", "Pushed revocations."),
        optional(
            "dpop",
            Kind::Object(&DPOP),
            "Proofs of possession (RFC 9449): tokens with the scheme `DPoP`, and the checks of their proofs. `{}` turns it on. Absent: tokens that are bound to a key are refused.",
        ),
        optional(
            "mtls",
            Kind::Object(&MTLS),
            "Tokens that are bound to the client's certificate (RFC 8705). Absent: they are refused.",
        ),
        optional(
            "resource",
            Kind::Either { list: &RESOURCES, object: &RESOURCE },
            "The protected resource: its metadata (RFC 9728) is served without a token at `/.well-known/oauth-protected-resource`, made from this policy, and challenges say where it is (`resource_metadata`). A query and a slash at the end make no difference there; what is below that path and describes no resource is 404 without a token, never a challenge. Several: a request is for the one of its host (if any has it) with the longest path, in whole segments, that its own starts with.",
        ),
        default("responses", Kind::Object(&RESPONSES), "{}", "What a refused client is told."),
        default(
            "cors_preflight",
            word(&["enforce", "pass"]),
            "enforce",
            "`pass` lets CORS preflights (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) through without a token; `enforce` treats them like everything else, so put Envoy's CORS filter before this one.",
        ).lowers(When::Words(&["pass"]), "Preflights reach the upstream without a token."),
        later("on_expiry", "Ending long-lived streams with their token."),
        optional(
            "user_agent",
            Kind::Text(&text::USER_AGENT),
            "The `User-Agent` of all calls: for introspection, keys and client lists (RFC 9110 §10.1.5). Absent: `tollgate/` and the version. A field of that name in `introspection.headers` wins.",
        ),
        default(
            "mode",
            word(&["enforce", "shadow"]),
            "enforce",
            "`shadow` decides, counts and logs; of a request it changes the identity fields (`upstream`) and nothing else.",
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
            "How many active tokens each worker remembers; `0` turns the cache off altogether.",
        ),
        default(
            "ttl",
            duration(0, 86_400_000),
            "5m",
            "How long an active token is remembered, from the moment of the call; never past its `exp`. So long may a token still pass that has been revoked.",
        ).lowers(When::Above("15m"), "A revoked token may be accepted for up to this long (RFC 7662 §4)."),
        default(
            "ttl_without_exp",
            duration(0, 86_400_000),
            "0s",
            "The same for replies without `exp`; `0s`: they are not remembered.",
        ).lowers(When::Above("5m"), "A token of unknown lifetime may be accepted for this long after it has expired."),
        default(
            "ttl_jitter",
            Kind::Integer { min: 0, max: 50 },
            "10",
            "By how many per cent, at most, an entry ends sooner, so that not all end at once. Never later.",
        ),
        default(
            "negative_ttl",
            duration(0, 3_600_000),
            "10s",
            "How long a token that is not active is remembered; `0s`: it is not.",
        ),
        default(
            "negative_max_entries",
            Kind::Integer { min: 0, max: 1_000_000 },
            "2000",
            "How many of those each worker remembers, in a place of their own: garbage cannot push good tokens out. `0`: none.",
        ),
        default(
            "shared",
            Kind::Bool,
            "true",
            "Whether workers tell each other what they have heard, through Envoy's shared data: one call for a token and proxy instead of one for each worker.",
        ),
        default(
            "refresh_ahead",
            duration(0, 3_600_000),
            "10s",
            "A token in use is asked about again this long before its entry ends, in the background; at most half of the entry's life. `0s`: never.",
        ),
        default(
            "stale_if_error",
            duration(0, 86_400_000),
            "0s",
            "How long beyond its end an entry may serve while the authorization server gives no verdict; never past `exp`.",
        ).lowers(When::Set, "A token that was revoked meanwhile is accepted for that much longer."),
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
            "Query parameters that may carry a token, as `access_token`. Absent: none; in the profile `anypoint`, `[access_token]`.",
        ).lowers(When::Set, "URIs end up in logs and histories (RFC 6750 §5.3)."),
        default(
            "from_cookies",
            list_or_none(&Kind::Text(&text::COOKIE_NAME)),
            "[]",
            "Cookies that may carry a token, bare or in double quotes (RFC 6265 §4.1.1).",
        ).lowers(When::Set, "Browsers send them unasked, so other sites can act for the user (RFC 6750 §5.3)."),
        optional(
            "from_websocket_protocol",
            Kind::Text(&text::PROTOCOL),
            "The WebSocket protocol behind which a client offers its token in `Sec-WebSocket-Protocol`, as browsers have no other field: with `bearer`, `Sec-WebSocket-Protocol: bearer, TOKEN`. With a dot at its end the token follows in the same protocol, in base64url, as `base64url.bearer.authorization.k8s.io.`. Looked at where a WebSocket begins. The upstream never sees token and marker, whatever `forward` says.",
        ).lowers(When::Set, "More logs show this field than `Authorization`."),
        default(
            "from_form",
            Kind::Bool,
            "false",
            "Whether a form body may carry a token in the field `access_token`, which RFC 6750 §2.2 advises against.",
        ).lowers(When::Set, "More code of more parties sees bodies than headers."),
        default(
            "max_form_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The longest form body that is looked at.",
        ).lowers(When::Above("65536"), "A request may take more memory."),
        default(
            "max_length",
            Kind::Integer { min: 1, max: 1_048_576 },
            "16384",
            "The longest token, in bytes; a longer one is `invalid_token`.",
        ).lowers(When::Above("16384"), "A request may take more memory."),
        optional(
            "forward",
            Kind::Bool,
            "Whether the upstream gets to see the token; `false` takes it out of the request, under every rule, out of forms as well if they are a place for tokens (`from_form`). `mode: shadow` leaves it in. Absent: `true`, or `false` where a `resource` has the profile `mcp`.",
        ),
        default(
            "strict_multiple",
            Kind::Bool,
            "false",
            "Refuses a token in `access_token` of the query even where the query is no place for tokens, if another place carries one as well.",
        ),
        default("require_tls", Kind::Bool, "false", "Refuses requests that have not come over TLS (RFC 6750 §5.3).").lowers_as_meant(When::Off, "Tokens that come over plain HTTP are accepted. Turn it on wherever Envoy itself ends TLS."),
        default(
            "tls_source",
            word(&["connection", "forwarded_proto"]),
            "connection",
            "Who tells whether a request has come over TLS. `connection`: the connection to this Envoy. `forwarded_proto`: the field `x-forwarded-proto` of a hop before, which must be `https`.",
        ).lowers(When::Words(&["forwarded_proto"]), "A client that reaches this Envoy around that hop, or through a hop that does not replace the field, can claim TLS."),
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
            "The URI that clients know the resource by (RFC 9728 §1.2, RFC 8707 §2). Compared as it is written; the metadata is found at its host, under `/.well-known/oauth-protected-resource` and its path.",
        ),
        default(
            "profile",
            word(&["rfc9728", "mcp"]),
            "rfc9728",
            "`mcp` holds the configuration to the authorization part of the Model Context Protocol: an authorization server is named, the audience is checked, no token is in the query, tokens are not forwarded unless told to, challenges with 401 name the `scope` to ask for, and `offline_access` is never named.",
        ),
        optional(
            "audiences",
            list(&AUDIENCE),
            "A token must carry at least one of these in `aud`, besides what provider and rule demand. Absent: the `identifier`. Compared exactly, final slash and all.",
        ),
        default(
            "audience_check",
            word(&["enforce", "ignore"]),
            "enforce",
            "`ignore` leaves `aud` to providers and rules.",
        )
        .lowers(When::Words(&["ignore"]), "A token that was issued for another API may pass."),
        optional(
            "authorization_servers",
            list(&Kind::Text(&text::ISSUER)),
            "Issuers of tokens for it, as clients are told. Absent: those of the providers that `requires` and the rules for this resource allow.",
        ),
        optional(
            "scopes_supported",
            list(&SCOPE),
            "Scopes, as clients are told. Absent: all that `requires` and the rules for this resource name.",
        ),
        optional("name", Kind::Text(&text::LINE), "Its name, for people."),
        optional("documentation", Kind::Text(&text::ENDPOINT), "A page for developers."),
        optional("policy_uri", Kind::Text(&text::ENDPOINT), "A page on how clients may use the data."),
        optional("tos_uri", Kind::Text(&text::ENDPOINT), "Its terms of service."),
    ],
    choices: &[],
};

static DPOP: Object = Object {
    keys: &[
        default("max_age", duration(1000, 600_000), "60s", "How old a proof may be, by its `iat`.")
            .lowers(When::Above("60s"), "A captured proof can be used for longer."),
        default("clock_skew", duration(0, 300_000), "5s", "Leeway for `iat`, both ways.")
            .lowers(When::Above("5s"), "A captured proof can be used for longer."),
        default(
            "algorithms",
            list(&ALGORITHM),
            "[\"ES256\",\"EdDSA\"]",
            "What proofs may be signed with; challenges name them in this order. RSA keys may have up to 3072 bits.",
        )
        .lowers(
            When::Words(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
            "Clients choose their own keys, so each proof can cost a worker more: with `PS…` some milliseconds.",
        ),
        default(
            "nonce",
            word(&["off", "required"]),
            "off",
            "`required`: a proof must carry a nonce of ours (RFC 9449 §9); one without it is answered with a new one.",
        ),
        default(
            "nonce_lifetime",
            duration(1000, 86_400_000),
            "5m",
            "How long a nonce is the current one. It is good for that long again, and a new one comes with the responses then.",
        ),
        optional(
            "nonce_key_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the key for nonces, the same for all proxies that clients may reach. Absent: each proxy makes its own when it starts.",
        ),
        default(
            "replay_cache",
            Kind::Integer { min: 1, max: 1_000_000 },
            "10000",
            "How many used proofs are remembered, about, by all workers together. Room for the requests of `max_age` and twice `clock_skew` is enough; with less, older proofs of the busiest clients are rejected.",
        ),
        optional(
            "external_origin",
            Kind::Text(&text::LINE),
            "Scheme and authority by which clients call, as `https://api.example.com`, if Envoy sees others; and the prefix of paths that a hop before takes off, as `https://api.example.com/orders`. Absent: the authority that Envoy sees, and `https` if the connection is one over TLS. Forwarding fields are never believed. Plugins with one scheme and authority remember used proofs together.",
        ),
        default(
            "forward",
            Kind::Bool,
            "true",
            "Whether the upstream gets to see the proof; not without the token (`token.forward`).",
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
            "Who tells of the certificate. `connection`: the TLS connection to this Envoy. `xfcc`: the field `x-forwarded-client-cert` of a hop before, which Envoy's connection manager must let through (`forward_client_cert_details`); its element starts with `Hash`, or with `Cert`, or with `By` before them. `header`: the field `header` of a hop before.",
        )
        .lowers(
            When::Words(&["xfcc", "header"]),
            "A client that reaches this Envoy around that hop can claim any certificate.",
        ),
        default(
            "hops",
            Kind::Integer { min: 1, max: 10 },
            "1",
            "With `xfcc`, how many hops write an element, this Envoy included if it does. The field must have exactly that many; the first one counts.",
        )
        .lowers(
            When::Above("1"),
            "The first hop must replace what clients send (`SANITIZE_SET`), or a client can claim any certificate.",
        ),
        optional(
            "header",
            Kind::Text(&text::FIELD_NAME),
            "With `header`, the field's name. It must come once.",
        ),
        optional(
            "format",
            word(&["pem", "pem_chain", "rfc9440", "base64"]),
            "With `header`, how the field holds the certificate. `pem`: one in PEM, percent-encoded. `pem_chain`: the same with those of its issuers behind it. `rfc9440`: `Client-Cert` of RFC 9440. `base64`: DER in base64.",
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
            "The clients; an empty list lets nobody pass.",
        ),
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "Where the list is fetched instead, in the background: `{\"clients\": [{\"id\": …, \"name\": …, \"tier\": …}]}` as `application/json`. The last good list is kept; before the first one has arrived, requests that need it are `unavailable`. `ETag` and 304 are understood.",
        ),
        optional("cluster", CLUSTER, "The Envoy cluster that reaches it; needed with `uri`."),
        default("refresh", duration(1000, 86_400_000), "30s", "How often it is fetched, by each worker.").lowers(When::Above("5m"), "A client that was removed from the list may be accepted for up to this long."),
        TIMEOUT,
        optional("bearer_token", Kind::Secret, "Sent there as a Bearer token. Better: `bearer_token_env`.").lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "bearer_token_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds that token.",
        ),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "1048576",
            "The longest list that is read.",
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
        optional("tier", Kind::Text(&text::LINE), "The tier it has been granted."),
    ],
    choices: &[],
};

static UPSTREAM: Object = Object {
    keys: &[
        default(
            "claim_to_headers",
            list_or_none(&Kind::Object(&CLAIM_HEADER)),
            "[]",
            "Claims that become header fields.",
        ),
        optional(
            "claims_prefix",
            Kind::Text(&text::FIELD_PREFIX),
            "Every scalar claim but `scope` and `exp` becomes a field of this prefix and its name, in lower case and with hyphens for underscores: `client_id` is `x-token-client-id`. Of claims that differ in case alone the one in lower case counts; where two are left for one field, as `a_b` and `a-b`, neither is forwarded. Whatever a client sends under the prefix is removed.",
        ),
        default(
            "claims_prefix_underscores",
            word(&["replace", "keep"]),
            "replace",
            "What becomes of underscores in names under the prefix. `keep` leaves them, for upstreams that look for such names; nginx and others drop fields whose names hold one.",
        ),
        optional(
            "forward_payload_header",
            Kind::Text(&text::FIELD_NAME),
            "The claims as base64url JSON in this field.",
        ),
        default(
            "filter_state",
            Kind::Bool,
            "false",
            "Tells access logs and later filters of requests that pass, in Envoy's filter state: `wasm.tollgate.verdict`, and of a token `wasm.tollgate.client_id`, `wasm.tollgate.sub` and, as JSON, `wasm.tollgate.claims`.",
        ),
    ],
    choices: &[],
};

static CLAIM_HEADER: Object = Object {
    keys: &[
        required("header_name", Kind::Text(&text::FIELD_NAME), "The field."),
        required(
            "claim_name",
            Kind::Text(&text::CLAIM),
            "The claim, as `client_id` or `realm_access.roles`.",
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
            "Whose statuses and bodies: those of the RFCs, or those that clients of Anypoint's policies expect.",
        ).lowers_as_meant(When::Words(&["anypoint"]), "Responses tell an expired token from a revoked one, and a query parameter may carry the token."),
        optional(
            "realm",
            Kind::Text(&text::REALM),
            "The protection space named in challenges. Absent: `tollgate`, or Anypoint's own in its profile.",
        ),
        default(
            "format",
            word(&["json", "problem", "auto", "none"]),
            "json",
            "The body: `json` with `error` and `error_description` (`error` is that of the challenge; `unauthorized` with 401 and `invalid_request` with 400 where the challenge has none, as without a token), `problem` of RFC 9457, `auto` for what `Accept` prefers of the two, `none`.",
        ),
        default(
            "retry_after",
            duration(1000, 86_400_000),
            "5s",
            "`Retry-After` of `unavailable` where the authorization server named none, in whole seconds.",
        ),
        optional(
            "error_uri",
            Kind::Text(&text::ABSOLUTE_URI),
            "A page for people, named in challenges that carry an error.",
        ),
        default(
            "cors_origins",
            list_or_none(&Kind::Text(&text::ORIGIN)),
            "[]",
            "Origins whose scripts may read refusals, challenge included.",
        ).lowers_as_meant(When::Set, "Scripts of these origins can read refusals."),
        default(
            "overrides",
            Kind::Map {
                names: Names::Words("VERDICT", &REFUSALS),
                of: &Kind::Object(&OVERRIDE),
                empty: true,
            },
            "{}",
            "Other statuses and bodies, by verdict.",
        ).lowers_as_meant(When::Set, "The response is not the standard's. The decision stays."),
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
        optional("status", Kind::Integer { min: 400, max: 599 }, "Another status."),
        optional("body", Kind::Text(&text::ANY), "Another body, sent as it is."),
        optional(
            "content_type",
            Kind::Text(&text::MEDIA_TYPE),
            "The body's media type. Absent: `text/plain; charset=utf-8`.",
        ),
    ],
    choices: &[Choice { quantity: Quantity::AtLeastOne, keys: &["status", "body"] }],
};

static ALGORITHM: Kind = Kind::Word { known: &algorithm::NAMES, later: &[] };
static NAME: Kind = Kind::Text(&text::NAME);
static CLUSTER: Kind = Kind::Text(&text::CLUSTER);
static AUDIENCE: Kind = Kind::Text(&text::AUDIENCE);
static CLIENT_ID: Kind = Kind::Text(&text::CLIENT_ID);
static MEMBER: Kind = Kind::Text(&text::MEMBER);
static PARAMETER: Kind = Kind::Text(&text::PARAMETER);
static SCOPE: Kind = Kind::Text(&text::SCOPE);
static SCOPE_LIST: Kind = Kind::List { of: &SCOPE, empty: false };
const CALL_TIME: Kind = Kind::Duration { min: Duration::from_millis(1), max: MAX_TIMEOUT };
const TIMEOUT: Key = default("timeout", CALL_TIME, "2s", "How long one call may take.");
const REACHED_BY: Key = required("cluster", CLUSTER, "The Envoy cluster that reaches it.");
const FALLBACK_CLUSTERS: Key = default(
    "fallback_clusters",
    list_or_none(&CLUSTER),
    "[]",
    "Clusters to try in order when `cluster` gave no answer.",
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
