//! Every key of the configuration: what it may hold, what holds without it, and what it is for.
//!
//! This table is the reference. `docs/configuration.md` and `docs/config.schema.json` are written from
//! it, and it decides what [`crate::policy`] accepts.

mod client_lists;
mod log;
mod provider;
mod revocation;
mod rules;
pub mod text;
pub mod words;

use std::time::Duration;

pub use self::client_lists::{Client, ClientList, FetchedList};
pub use self::log::Log;
pub use self::provider::{
    ClientAuth, Introspection, Jwks, Provider, SIGNED_WITH, StatusList, UnknownToken, UserInfo,
};
pub use self::revocation::{Events, Revocation, Revoked};
pub use self::rules::{Claim, Clients, Detail, HeaderMatch, Match, Matching, Requirement, Rule, Scopes};
pub use crate::key::Keyed;
use crate::key::{
    Declared, Either, Map, Shape, default, duration, either, flag, integer, keys, list, list_or_none, map,
    map_or_none, object, optional, required, text, word, word_of,
};
use crate::schema::{Kind, Names, When};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::policy::{CorsPreflight, Mode, OnExpiry};
use tollgate_engine::proof::certificate::Encoding;
use tollgate_engine::provider::MAX_TIMEOUT;
use tollgate_engine::request::tls::TlsSource;
use tollgate_engine::response::{Format, Profile};

/// The whole configuration.
pub static CONFIGURATION: Kind = Kind::Object(Configuration::OBJECT);

keys! {
    /// The whole configuration.
    Configuration {
        PROVIDERS: Map<Provider> = required(
            "providers", map(Names::Text("NAME", &text::NAME), &object()),
            "The authorization servers, by names of your choice.",
        );
        PROVIDER_ORDER: Vec<String> = default(
            "provider_order", list_or_none(&NAME), "[]",
            "Providers to try in turn for a token that nothing else assigns to a provider. If empty, such a token is `invalid_token`. These decide first: the rule's `providers`, then `token_prefix`, then the unverified `iss` of a JWT-shaped token, then the only configured provider.",
        )
        .lowers_as_meant(When::Set, "Each of these providers sees the token.");
        TOKEN: Token = default(
            "token", object(), "{}",
            "Where a token may be in the request, and how it is handled (RFC 6750 §2).",
        );
        REQUIRES: Requirement = default(
            "requires", object(), "{}",
            "What else a valid token must have, for requests that no rule matches.",
        );
        RULES: Vec<Rule> = default(
            "rules", list_or_none(&object()), "[]",
            "Requirements for particular requests. The first rule that matches decides.",
        );
        MATCHING: Matching = default(
            "matching", object(), "{}",
            "How rules and resources interpret parts of a request that Envoy or the upstream may interpret differently.",
        );
        CLIENT_LISTS: Map<ClientList> = default(
            "client_lists", map_or_none(Names::Text("NAME", &text::NAME), &object()), "{}",
            "Allow-lists of clients (\"contracts\"), by names of your choice.",
        );
        UPSTREAM: Upstream = default(
            "upstream", object(), "{}",
            "What the upstream learns about the token. Every field named here is first removed from the client's request, on every path.",
        );
        LOG: Log = default(
            "log", object(), "{}",
            "What access logs, traces and later filters learn about each request, in Envoy's filter state.",
        );
        CACHE: Cache = default(
            "cache", object(), "{}",
            "The cache of introspection responses. An entry holds the response, never a verdict: scopes, clients, claims, times and rules are checked for every request.",
        );
        REVOCATION: Revocation = default(
            "revocation", object(), "{}",
            "Revocations that act before cached responses expire: events that authorization servers push, and what an operator has revoked.",
        );
        DPOP: Option<Dpop> = optional(
            "dpop", object(),
            "Proofs of possession (RFC 9449): tokens with the scheme `DPoP`, and how their proofs are checked. `{}` turns it on. Absent: tokens that are bound to a key are rejected.",
        );
        MTLS: Option<Mtls> = optional(
            "mtls", object(),
            "Tokens that are bound to the client's certificate (RFC 8705). Absent: such tokens are rejected.",
        );
        RESOURCE: Option<Either<Resource, Resource>> = optional(
            "resource", either(&list(&object())),
            "The protected resource. Its metadata (RFC 9728) are generated from this policy and served without a token at `/.well-known/oauth-protected-resource`. Challenges contain their address (`resource_metadata`). A query and a final slash make no difference there. Any other path below that one gets 404 without a token, never a challenge. With several resources, a request belongs to the resource of its host (if there is one) with the longest path, in whole segments, that the request's path starts with.",
        );
        RESPONSES: Responses = default(
            "responses", object(), "{}",
            "What a client learns when its request is rejected.",
        );
        CORS_PREFLIGHT: CorsPreflight = default(
            "cors_preflight", word(), CorsPreflight::Enforce.name(),
            "`pass` lets CORS preflights (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) through without a token. `enforce` treats them like any other request, so put Envoy's CORS filter before this one.",
        )
        .lowers(When::Words(&[CorsPreflight::Pass.name()]), "Preflights reach the upstream without a token.");
        ON_EXPIRY: OnExpiry = default(
            "on_expiry", word(), OnExpiry::Ignore.name(),
            "What becomes of a request that is still going on when its token expires or is revoked: a WebSocket, server-sent events, a gRPC stream, a long POST. `ignore`: it goes on. `close`: it ends within a second. It goes on as long as a new request with its token would be let in, so its token is introspected again when its cached response expires. A client whose response has not begun gets the rejection. Otherwise its stream is reset: HTTP/2 and HTTP/3 reset the stream, HTTP/1.1 closes the connection.",
        );
        ON_EXPIRY_MAX_STREAMS: usize = default(
            "on_expiry_max_streams", integer(1, 1_000_000), "10000",
            "How many requests with a token may be going on in each worker with `on_expiry: close`. More are rejected (503).",
        );
        USER_AGENT: Option<String> = optional(
            "user_agent", text(&text::USER_AGENT),
            "The `User-Agent` of all calls: for introspection, keys and client lists (RFC 9110 §10.1.5). Absent: `tollgate/` and the version. A field of that name in `introspection.headers` takes precedence.",
        );
        MODE: Mode = default(
            "mode", word(), Mode::Enforce.name(),
            "`shadow` decides, counts and logs, but rejects nothing. It changes only the identity fields (`upstream`) of a request.",
        )
        .lowers(
            When::Words(&[Mode::Shadow.name()]),
            "Nothing is blocked, and the token reaches the upstream even with `token.forward: false`.",
        );
    }
}

keys! {
    /// `cache`.
    Cache {
        MAX_ENTRIES: usize = default(
            "max_entries", integer(0, 1_000_000), "10000",
            "How many active tokens each worker caches. `0` turns the whole cache off.",
        );
        TTL: Duration = default(
            "ttl", duration(0, 86_400_000), "5m",
            "How long an active token is cached, from the moment of the call, but never past its `exp`. A revoked token may be accepted for up to this long.",
        )
        .lowers(When::Above("15m"), "A revoked token may be accepted for up to this long (RFC 7662 §4).");
        TTL_WITHOUT_EXP: Duration = default(
            "ttl_without_exp", duration(0, 86_400_000), "0s",
            "The same for responses without `exp`. `0s`: they are not cached.",
        )
        .lowers(
            When::Above("5m"),
            "A token of unknown lifetime may be accepted for this long after it has expired.",
        );
        TTL_JITTER: u32 = default(
            "ttl_jitter", integer(0, 50), "10",
            "An entry expires earlier by up to this many per cent, so that not all entries expire at once. It never expires later.",
        );
        NEGATIVE_TTL: Duration = default(
            "negative_ttl", duration(0, 3_600_000), "10s",
            "How long an inactive token is cached. `0s`: not at all.",
        );
        NEGATIVE_MAX_ENTRIES: usize = default(
            "negative_max_entries", integer(0, 1_000_000), "2000",
            "How many inactive tokens each worker caches. They are kept separately, so invalid tokens cannot evict valid ones. `0`: inactive tokens are not cached.",
        );
        SHARED: bool = default(
            "shared", flag(), "true",
            "Whether workers share responses through Envoy's shared data. A token then costs one call per proxy instead of one per worker.",
        );
        REFRESH_AHEAD: Duration = default(
            "refresh_ahead", duration(0, 3_600_000), "10s",
            "A token in use is introspected again in the background this long before its entry expires, but at most half of the entry's lifetime. `0s`: never.",
        );
        STALE_IF_ERROR: Duration = default(
            "stale_if_error", duration(0, 86_400_000), "0s",
            "How long an expired entry may still be used while the authorization server gives no verdict, but never past `exp`.",
        )
        .lowers(When::Set, "A revoked token may be accepted for that much longer.");
    }
}

keys! {
    /// `token`.
    Token {
        FROM_HEADERS: Vec<TokenHeader> = default(
            "from_headers", list_or_none(&object()), r#"[{"name":"authorization","scheme":"Bearer"}]"#,
            "Header fields that may carry a token.",
        );
        FROM_PARAMS: Option<Vec<String>> = optional(
            "from_params", list_or_none(&PARAMETER),
            "Query parameters that may carry a token, for example `access_token`. Absent: no parameters, or `[access_token]` in the profile `anypoint`.",
        )
        .lowers(When::Set, "URIs end up in logs and histories (RFC 6750 §5.3).");
        FROM_COOKIES: Vec<String> = default(
            "from_cookies", list_or_none(&COOKIE_NAME), "[]",
            "Cookies that may carry a token, bare or in double quotes (RFC 6265 §4.1.1).",
        )
        .lowers(
            When::Set,
            "Browsers send cookies automatically, so other sites can act for the user (RFC 6750 §5.3).",
        );
        FROM_WEBSOCKET_PROTOCOL: Option<String> = optional(
            "from_websocket_protocol", text(&text::PROTOCOL),
            "The WebSocket subprotocol that marks a token in `Sec-WebSocket-Protocol`, because browsers cannot set any other field. With `bearer`, the client sends `Sec-WebSocket-Protocol: bearer, TOKEN`. If the name ends with a dot, as in `base64url.bearer.authorization.k8s.io.`, the token follows in the same subprotocol, in base64url. It is read only from requests that open a WebSocket. The upstream never sees the token or the marker, whatever `forward` says.",
        )
        .lowers(When::Set, "More logs show this field than `Authorization`.");
        FROM_FORM: bool = default(
            "from_form", flag(), "false",
            "Whether a form body may carry a token in the field `access_token`, which RFC 6750 §2.2 advises against.",
        )
        .lowers(When::Set, "Bodies are seen by more components than headers.");
        MAX_FORM_BYTES: usize = default(
            "max_form_bytes", integer(1, 16_777_216), "65536",
            "The longest form body that is read.",
        )
        .lowers(When::Above("65536"), "A request may take more memory.");
        MAX_LENGTH: usize = default(
            "max_length", integer(1, 1_048_576), "16384",
            "The longest token, in bytes. A longer one is `invalid_token`.",
        )
        .lowers(When::Above("16384"), "A request may take more memory.");
        FORWARD: Option<bool> = optional(
            "forward", flag(),
            "Whether the upstream receives the token. `false` removes it from the request, under every rule, and also from forms if they may carry tokens (`from_form`). `mode: shadow` does not remove it. Absent: `true`, or `false` if a `resource` has the profile `mcp`.",
        );
        STRICT_MULTIPLE: bool = default(
            "strict_multiple", flag(), "false",
            "Rejects a request with `access_token` in the query if another place also carries a token, even if the query may not carry tokens.",
        );
        REQUIRE_TLS: bool = default(
            "require_tls", flag(), "false",
            "Rejects requests that did not arrive over TLS (RFC 6750 §5.3).",
        )
        .lowers_as_meant(
            When::Off,
            "Tokens over plain HTTP are accepted. Turn it on wherever Envoy itself terminates TLS.",
        );
        TLS_SOURCE: TlsSource = default(
            "tls_source", word(), TlsSource::Connection.name(),
            "How to tell whether a request arrived over TLS. `connection`: from the connection to this Envoy. `forwarded_proto`: from the field `x-forwarded-proto` that a previous hop writes, which must be `https`.",
        )
        .lowers(
            When::Words(&[TlsSource::ForwardedProto.name()]),
            "A client that can bypass that hop can claim TLS. So can every client if the hop does not overwrite the field.",
        );
    }
}

keys! {
    /// An entry of `token.from_headers`.
    TokenHeader {
        NAME: String = required("name", text(&text::FIELD_NAME), "The field's name.");
        SCHEME: Option<String> = optional(
            "scheme", text(&text::SCHEME),
            "The authentication scheme before the token. Absent: the whole value is the token.",
        );
    }
}

keys! {
    /// A protected resource.
    Resource {
        IDENTIFIER: String = required(
            "identifier", text(&text::RESOURCE),
            "The URI by which clients know the resource (RFC 9728 §1.2, RFC 8707 §2). It is compared exactly as written. The metadata are at its host, under `/.well-known/oauth-protected-resource` and its path.",
        );
        PROFILE: words::ResourceProfile = default(
            "profile", word(), words::ResourceProfile::Rfc9728.name(),
            "`mcp` enforces the authorization part of the Model Context Protocol: an authorization server is named, the audience is checked, no token is in the query, tokens are not forwarded by default, challenges with 401 name the `scope` to request, and `offline_access` is never named.",
        );
        AUDIENCES: Option<Vec<String>> = optional(
            "audiences", list(&AUDIENCE),
            "A token must have at least one of these in `aud`, in addition to what the provider and the rule require. Absent: the `identifier`. They are compared exactly, including a final slash.",
        );
        AUDIENCE_CHECK: words::AudienceCheck = default(
            "audience_check", word(), words::AudienceCheck::Enforce.name(),
            "`ignore` leaves the check of `aud` to providers and rules.",
        )
        .lowers(When::Words(&[words::AudienceCheck::Ignore.name()]), "A token that was issued for another API may be accepted.");
        AUTHORIZATION_SERVERS: Option<Vec<String>> = optional(
            "authorization_servers", list(&ISSUER),
            "The issuers of its tokens, as published to clients. Absent: those of the providers that `requires` and the rules for this resource allow.",
        );
        SCOPES_SUPPORTED: Option<Vec<String>> = optional(
            "scopes_supported", list(&SCOPE),
            "The scopes, as published to clients. Absent: all that `requires` and the rules for this resource name.",
        );
        NAME: Option<String> = optional("name", text(&text::LINE), "A human-readable name.");
        DOCUMENTATION: Option<String> = optional(
            "documentation", text(&text::PAGE),
            "The address of a page for developers.",
        );
        POLICY_URI: Option<String> = optional(
            "policy_uri", text(&text::PAGE),
            "The address of a page about how clients may use the data.",
        );
        TOS_URI: Option<String> = optional(
            "tos_uri", text(&text::PAGE),
            "The address of its terms of service.",
        );
    }
}

keys! {
    /// `dpop`.
    Dpop {
        MAX_AGE: Duration = default(
            "max_age", duration(1000, 600_000), "60s",
            "The maximum age of a proof, from its `iat`.",
        )
        .lowers(When::Above("60s"), "A captured proof can be used for longer.");
        CLOCK_SKEW: Duration = default(
            "clock_skew", duration(0, 300_000), "5s",
            "Leeway for `iat`, in both directions.",
        )
        .lowers(When::Above("5s"), "A captured proof can be used for longer.");
        ALGORITHMS: Vec<Algorithm> = default(
            "algorithms", list(&PUBLIC_KEY), "[\"ES256\",\"EdDSA\"]",
            "Signature algorithms for proofs. Challenges list them in this order. RSA keys may have up to 3072 bits.",
        )
        .lowers(
            When::Words(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
            "Clients choose their own keys, so each proof can cost a worker more: with `PS…` some milliseconds.",
        );
        NONCE: words::Nonce = default(
            "nonce", word(), words::Nonce::Off.name(),
            "`required`: a proof must contain a nonce from Tollgate (RFC 9449 §9). A proof without one is rejected, and the response contains a new nonce.",
        );
        NONCE_LIFETIME: Duration = default(
            "nonce_lifetime", duration(1000, 86_400_000), "5m",
            "How long a nonce is current. It stays valid for the same time again; during that time, responses contain a new one.",
        );
        NONCE_KEY_ENV: Option<String> = optional(
            "nonce_key_env", text(&text::VARIABLE),
            "The environment variable of the VM that holds the key for nonces. Use the same key for all proxies that clients may reach. Absent: each proxy creates its own key when it starts.",
        );
        REPLAY_CACHE: usize = default(
            "replay_cache", integer(1, 1_000_000), "10000",
            "Roughly how many used proofs all workers together store. This should cover the requests of `max_age` plus twice `clock_skew`. If it is smaller, older proofs of the busiest clients are rejected.",
        );
        EXTERNAL_ORIGIN: Option<String> = optional(
            "external_origin", text(&text::LINE),
            "The scheme and authority that clients use, for example `https://api.example.com`, if Envoy sees different ones. If a previous hop removes a path prefix, add it, as in `https://api.example.com/orders`. Absent: the authority that Envoy sees, and `https` if the connection uses TLS. Forwarding fields are never trusted. Plugins with the same scheme and authority share their used proofs.",
        );
        FORWARD: bool = default(
            "forward", flag(), "true",
            "Whether the upstream receives the proof. It never does without the token (`token.forward`).",
        );
    }
}

keys! {
    /// `mtls`.
    Mtls {
        SOURCE: words::CertificateFrom = default(
            "source", word(), words::CertificateFrom::Connection.name(),
            "Where the client certificate comes from. `connection`: the TLS connection to this Envoy. `xfcc`: the field `x-forwarded-client-cert` that a previous hop writes. Envoy's connection manager must let it through (`forward_client_cert_details`), and its element must start with `Hash` or `Cert`, optionally after `By`. `header`: the field named in `header`, which a previous hop writes.",
        )
        .lowers(
            When::Words(&[words::CertificateFrom::Xfcc.name(), words::CertificateFrom::Header.name()]),
            "Anyone who can bypass that hop can claim any certificate.",
        );
        HOPS: usize = default(
            "hops", integer(1, 10), "1",
            "With `xfcc`, how many hops write an element, including this Envoy if it writes one. The field must have exactly that many elements, and the first one counts.",
        )
        .lowers(
            When::Above("1"),
            "If the first hop does not replace what clients send (`SANITIZE_SET`), a client can claim any certificate.",
        );
        HEADER: Option<String> = optional(
            "header", text(&text::FIELD_NAME),
            "With `header`, the field's name. The field must appear exactly once.",
        );
        FORMAT: Option<Encoding> = optional(
            "format", word(),
            "With `header`, how the field encodes the certificate. `pem`: one certificate in PEM, percent-encoded. `pem_chain`: the same, followed by the certificates of its issuers. `rfc9440`: `Client-Cert` as in RFC 9440. `base64`: DER in base64.",
        )
        .lowers(
            When::Words(&[Encoding::PemChain.name()]),
            "The first certificate counts. If the hop writes the chain in another order, a client can claim any certificate.",
        );
    }
}

keys! {
    /// `upstream`.
    Upstream {
        CLAIM_TO_HEADERS: Vec<ClaimHeader> = default(
            "claim_to_headers", list_or_none(&object()), "[]",
            "Claims that are forwarded as header fields.",
        );
        CLAIMS_PREFIX: Option<String> = optional(
            "claims_prefix", text(&text::FIELD_PREFIX),
            "Every scalar claim except `scope` and `exp` becomes a field whose name is this prefix and the claim's name, in lower case and with hyphens for underscores. For example, `client_id` becomes `x-token-client-id`. If claims differ only in case, the one in lower case is used. If two claims still lead to the same field, such as `a_b` and `a-b`, neither is forwarded. All fields with this prefix that a client sends are removed.",
        );
        CLAIMS_PREFIX_UNDERSCORES: words::Underscores = default(
            "claims_prefix_underscores", word(), words::Underscores::Replace.name(),
            "How underscores in names under the prefix are handled. `keep` leaves them, for upstreams that expect such names. nginx and others drop fields with underscores in their names.",
        );
        FORWARD_PAYLOAD_HEADER: Option<String> = optional(
            "forward_payload_header", text(&text::FIELD_NAME),
            "The field in which all claims are forwarded, as base64url JSON.",
        );
        TIER_HEADER: Option<String> = optional(
            "tier_header", text(&text::FIELD_NAME),
            "The field in which the tier of the client is forwarded, if the client list of the rule has one for it.",
        );
        FILTER_STATE: bool = default(
            "filter_state", flag(), "false",
            "Makes data about requests that pass available to access logs and later filters, in Envoy's filter state: `wasm.tollgate.verdict` and, if there is a token, `wasm.tollgate.client_id`, `wasm.tollgate.sub` and, as JSON, `wasm.tollgate.claims`.",
        );
        CLAIM_TO_FILTER_STATE: Vec<ClaimState> = default(
            "claim_to_filter_state", list_or_none(&object()), "[]",
            "Claims of requests that pass as single values in Envoy's filter state, for access logs, rate limits and RBAC: `wasm.tollgate.claim.` and a name. Text is written as it is, everything else as JSON.",
        );
    }
}

keys! {
    /// An entry of `upstream.claim_to_filter_state`.
    ClaimState {
        NAME: String = required(
            "name", NAME,
            "The value's name, after `wasm.tollgate.claim.`.",
        );
        CLAIM_NAME: String = required(
            "claim_name", text(&text::CLAIM),
            "The claim, for example `client_id`, `realm_access.roles` or `https://example.com/tenant`.",
        );
    }
}

keys! {
    /// An entry of `upstream.claim_to_headers`.
    ClaimHeader {
        HEADER_NAME: String = required(
            "header_name", text(&text::FIELD_NAME),
            "The name of the header field.",
        );
        CLAIM_NAME: String = required(
            "claim_name", text(&text::CLAIM),
            "The claim, for example `client_id` or `realm_access.roles`.",
        );
    }
}

keys! {
    /// `responses`.
    Responses {
        PROFILE: Profile = default(
            "profile", word(), Profile::Rfc6750.name(),
            "Which statuses and bodies rejections use: those of the RFCs, or those that clients of Anypoint's policies expect.",
        )
        .lowers_as_meant(
            When::Words(&[Profile::Anypoint.name()]),
            "Responses distinguish an expired token from a revoked one, and a query parameter may carry the token.",
        );
        REALM: Option<String> = optional(
            "realm", text(&text::REALM),
            "The protection space named in challenges. Absent: `tollgate`, or Anypoint's realm in the profile `anypoint`.",
        );
        FORMAT: Format = default(
            "format", word(), Format::Json.name(),
            "The format of the body. `json`: an object with `error` and `error_description`. `error` is that of the challenge. If the challenge has no error, as without a token, it is `unauthorized` with 401 and `invalid_request` with 400. `problem`: the format of RFC 9457. `auto`: whichever of the two `Accept` prefers. `none`: no body.",
        );
        RETRY_AFTER: Duration = default(
            "retry_after", duration(1000, 86_400_000), "5s",
            "The `Retry-After` of `unavailable`, in whole seconds, if the authorization server did not send one.",
        );
        ERROR_URI: Option<String> = optional(
            "error_uri", text(&text::ABSOLUTE_URI),
            "The address of a human-readable page. Challenges with an error contain it.",
        );
        CORS_ORIGINS: Vec<String> = default(
            "cors_origins", list_or_none(&ORIGIN), "[]",
            "Origins whose scripts may read rejections, including the challenge.",
        )
        .lowers_as_meant(When::Set, "Scripts of these origins can read rejections.");
        OVERRIDES: Map<Override> = default(
            "overrides", map_or_none(Names::Words("VERDICT", &REFUSALS), &object()), "{}",
            "Different statuses and bodies, by verdict.",
        )
        .lowers_as_meant(When::Set, "The response does not follow the standard. The decision is unchanged.");
    }
}

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

keys! {
    /// An entry of `responses.overrides`.
    Override {
        STATUS: Option<u16> = optional("status", integer(400, 599), "The status to send instead.");
        BODY: Option<String> = optional("body", text(&text::ANY), "The body to send instead, unchanged.");
        CONTENT_TYPE: Option<String> = optional(
            "content_type", text(&text::MEDIA_TYPE),
            "The body's media type. Absent: `text/plain; charset=utf-8`.",
        );
    }
    choices {
        AtLeastOne: STATUS, BODY;
    }
}

/// The algorithms of public keys.
const PUBLIC_KEY: Shape<Algorithm> = word_of(&PUBLIC_KEYS, &[]);
static PUBLIC_KEYS: [&str; 11] = {
    // HMAC comes first, and is not among them.
    let [_, _, _, rest @ ..] = Algorithm::NAMES;
    rest
};
const NAME: Shape<String> = text(&text::NAME);
const CLUSTER: Shape<String> = text(&text::CLUSTER);
const AUDIENCE: Shape<String> = text(&text::AUDIENCE);
const CLIENT_ID: Shape<String> = text(&text::CLIENT_ID);
const MEMBER: Shape<String> = text(&text::MEMBER);
const PARAMETER: Shape<String> = text(&text::PARAMETER);
const SCOPE: Shape<String> = text(&text::SCOPE);
const ACR: Shape<String> = text(&text::ACR);
const ANY: Shape<String> = text(&text::ANY);
const COOKIE_NAME: Shape<String> = text(&text::COOKIE_NAME);
const ERROR_CODE: Shape<String> = text(&text::ERROR_CODE);
const FIELD_VALUE: Shape<String> = text(&text::FIELD_VALUE);
const HOST: Shape<String> = text(&text::HOST);
const ISSUER: Shape<String> = text(&text::ISSUER);
const LINE: Shape<String> = text(&text::LINE);
const METHOD: Shape<String> = text(&text::METHOD);
const ORIGIN: Shape<String> = text(&text::ORIGIN);
const CALL_TIME: Shape<Duration> = duration(1, MAX_TIMEOUT.as_secs().saturating_mul(1000));
const TIMEOUT: Declared<Duration> = default("timeout", CALL_TIME, "2s", "The maximum duration of one call.");
const REACHED_BY: Declared<String> = required("cluster", CLUSTER, "The Envoy cluster to call.");
const FALLBACK_CLUSTERS: Declared<Vec<String>> = default(
    "fallback_clusters",
    list_or_none(&CLUSTER),
    "[]",
    "Clusters to try in order if a call to `cluster` gets no response.",
);
