//! The keys of a provider: where it is, how it is called, and with which credentials.

use std::time::Duration;

use serde_json::Value;

use super::{
    ANY, AUDIENCE, CALL_TIME, CLIENT_ID, CLUSTER, ERROR_CODE, FALLBACK_CLUSTERS, FIELD_VALUE, MEMBER,
    PUBLIC_KEY, REACHED_BY, SCOPE, TIMEOUT, text, words,
};
use crate::key::{
    Later, Map, Shape, default, duration, flag, integer, json, keys, later, list, list_or_none, map_or_none,
    object, optional, required, secret, word, word_of,
};
use crate::schema::{Names, When};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::client_auth::{BasicEncoding, Method};
use tollgate_engine::provider::preset::Preset;
use tollgate_engine::provider::{TokenIn, Typ, Validate};

keys! {
    /// An entry of `providers`.
    Provider {
        PRESET: Preset = default(
            "preset", word(), Preset::Generic.name(),
            "The product, which supplies `introspection.uri` if it is absent. `okta`: `https://HOST` or `https://HOST/oauth2/NAME`; `openam`: `https://HOST/openam/oauth2` and the realm's path; `forgerock`: PingAM and ForgeRock AM, `https://HOST/am/oauth2` and the realm's path; `salesforce`: `https://MYDOMAIN.my.salesforce.com`; `ping_federate`: `https://HOST:9031`; `keycloak`: `https://HOST/realms/REALM`.",
        );
        BASE_URL: Option<String> = optional(
            "base_url", text(&text::PAGE),
            "The base of the preset's paths. Absent: the `issuer`.",
        );
        ISSUER: Option<String> = optional(
            "issuer", text(&text::ISSUER),
            "If a response has `iss`, it must equal this value, character by character. Also the issuer of the JWTs that belong to this provider.",
        );
        AUDIENCES: Option<Vec<String>> = optional(
            "audiences", list(&AUDIENCE),
            "A token must have at least one of these in `aud`. If this is set, a response without `aud` is rejected.",
        );
        ANY_AUDIENCE: bool = default(
            "any_audience", flag(), "false",
            "Accepts JWTs for any audience if `audiences` is not set.",
        )
        .lowers(When::Set, "A token for any other API of this issuer is accepted.");
        CLOCK_SKEW: Option<Duration> = optional(
            "clock_skew", duration(0, 300_000),
            "Leeway for `exp` and `nbf`, and for `iat` with `max_token_age`. Absent: `60s` if JWTs are verified, otherwise `0s`.",
        )
        .lowers(When::Above("60s"), "An expired token is accepted for that much longer.");
        VALIDATE: Validate = default(
            "validate", word(), Validate::Introspection.name(),
            "How tokens are checked. `introspection`: the token is introspected. `jwt`: the signature is verified locally and the claims decide (RFC 9068), so a revoked token is accepted until it expires, unless its `status_list` says that it is revoked. `jwt_then_introspection`: the signature is verified locally first; tokens that pass are then introspected, and the introspection response decides about scopes. For bindings, times, audiences and names, the stricter of both counts. A JWT that fails verification is rejected and is not introspected instead.",
        )
        .lowers_as_meant(When::Words(&[Validate::Jwt.name()]), "A revoked token is accepted until it expires.");
        TOKEN_PREFIX: Option<String> = optional(
            "token_prefix", text(&text::TOKEN_START),
            "Tokens that start with this text belong to this provider. The longest prefix wins.",
        );
        INTROSPECTION: Option<Introspection> = optional(
            "introspection", object(),
            "Where and how tokens are introspected (RFC 7662). This or `userinfo` is required, unless `validate` is `jwt`.",
        );
        JWKS: Option<Jwks> = optional(
            "jwks", object(),
            "The provider's keys (RFC 7517). Required if JWTs are verified.",
        );
        STATUS_LIST: Option<StatusList> = optional(
            "status_list", object(),
            "Where the status of the provider's JWTs is (Token Status List): the claim `status.status_list` of a JWT names a list and an entry. A JWT passes only if its entry is 0 (`VALID`). Absent: `status` is ignored.",
        );
        ALGORITHMS: Vec<Algorithm> = default(
            "algorithms", list(&PUBLIC_KEY), r#"["RS256","PS256","ES256","EdDSA"]"#,
            "The allowed signature algorithms of JWTs. `EdDSA` and `Ed25519` are the same. `none` and HMAC cannot be allowed. Envoy verifies `RS…` and `ES…` in native code, and a host that cannot rejects the configuration; `PS…` and `EdDSA` are verified in the module, which takes about ten times as long.",
        );
        TYP: Option<Typ> = optional(
            "typ", word(),
            "The required `typ` of a JWT. `at+jwt`: this `typ` and every claim that RFC 9068 requires. `any`: `JWT` or no `typ` is accepted as well, and a JWT is rejected if its claims show that it is not an access token. Absent: `at+jwt`, or `any` for a `preset` other than `generic`, since none of those products follows RFC 9068.",
        )
        .lowers(
            When::Words(&[Typ::Any.name()]),
            "An ID token whose audience is ours may be accepted as an access token.",
        );
        MAX_TOKEN_AGE: Option<Duration> = optional(
            "max_token_age", duration(1000, 31_536_000_000),
            "The maximum age of a JWT, from its `iat`.",
        );
        SCOPE_CLAIM: Vec<String> = default(
            "scope_claim", list(&MEMBER), r#"["scope","scp"]"#,
            "The members that may hold the scopes; the first one present is read.",
        );
        CLIENT_ID_CLAIM: Vec<String> = default(
            "client_id_claim", list(&MEMBER), r#"["client_id","azp","cid","appid"]"#,
            "The members that may hold the client's id; the first one present is read.",
        );
        SCOPE_ARRAY: Option<words::ScopeArray> = optional(
            "scope_array", word(),
            "How an array of strings is treated where RFC 7662 requires a space-separated string. `ignore`: it grants no scopes. `accept`: each string is a scope. Absent: `accept` for the `preset`s `okta`, `openam` and `forgerock`, whose JWTs have arrays, otherwise `ignore`.",
        )
        .lowers(When::Words(&[words::ScopeArray::Accept.name()]), "A member of the wrong type grants scopes.");
        DEFAULT_SCOPES: Vec<String> = default(
            "default_scopes", list_or_none(&SCOPE), "[]",
            "The scopes of a token whose response has none of the members in `scope_claim`, for authorization servers that omit a default scope (RFC 6749 §3.3; PingFederate).",
        )
        .lowers(When::Set, "A response that lacks its scopes grants these.");
        IMPLIED_SCOPES: Map<Vec<String>> = default(
            "implied_scopes", map_or_none(Names::Text("SCOPE", &text::SCOPE), &list(&SCOPE)), "{}",
            "Scopes that include others: `{files:*: [files:read, files:write]}`. Absent: no scope implies another, whatever its spelling.",
        );
        USERINFO: Option<UserInfo> = optional(
            "userinfo", object(),
            "A UserInfo endpoint (OpenID Connect Core, section 5.3), as a last resort if the server has no `introspection`. A token is valid if the endpoint accepts it. Scopes, audience, client and expiry are then unknown and cannot be required, unless `validate` is `jwt_then_introspection` and the token contains them.",
        )
        .lowers(
            When::Set,
            "Any token of any client is accepted if the server returns a user for it. Scopes and audience are unknown, unless the token is a verified JWT.",
        );
    }
    choices {
        AtMostOne: INTROSPECTION, USERINFO;
    }
}

keys! {
    /// `jwks`.
    Jwks {
        URI: Option<String> = optional(
            "uri", text(&text::ENDPOINT),
            "The address from which the key set is fetched, in the background. Absent: the address from the `preset`.",
        );
        INLINE: Option<Value> = optional(
            "inline", json(),
            "The key set itself: `{keys: […]}`. Every entry must be a public key that can be used here.",
        );
        CLUSTER: Option<String> = optional(
            "cluster", CLUSTER,
            "The Envoy cluster for `uri`. Absent: `introspection.cluster`.",
        );
        TIMEOUT: Duration = default(
            "timeout", CALL_TIME, "2s",
            "The maximum duration of one call. Requests wait for the first key set, and for a newer one if a token names a key that is not in the set.",
        );
        CACHE_DURATION: Duration = default(
            "cache_duration", duration(1000, 86_400_000), "5m",
            "How old a key set may become before it is fetched again. Each worker fetches it slightly earlier, so that not all call at once. A withdrawn key works for up to this long.",
        )
        .lowers(
            When::Above("1h"),
            "Tokens signed with a withdrawn key may be accepted for up to this long.",
        );
        STALE_IF_ERROR: Duration = default(
            "stale_if_error", duration(0, 604_800_000), "24h",
            "How much longer the last valid key set is used while its server is down. After that, tokens end as `unavailable`.",
        )
        .lowers(
            When::Above("24h"),
            "Tokens signed with a withdrawn key may be accepted for that much longer.",
        );
        MAX_RESPONSE_BYTES: usize = default(
            "max_response_bytes", integer(1, 16_777_216), "262144",
            "The maximum size of a response.",
        );
        LENIENT_CONTENT_TYPE: bool = default(
            "lenient_content_type", flag(), "false",
            "Accepts a key set with any media type (such as `text/plain` or `application/octet-stream`), not only `application/json` or `application/jwk-set+json`.",
        )
        .lowers(When::Set, "Another kind of document may be accepted as the key set.");
    }
    choices {
        AtMostOne: URI, INLINE;
    }
}

keys! {
    /// `status_list`.
    StatusList {
        URIS: Option<Vec<String>> = optional(
            "uris", list(&LIST_URI),
            "The lists, exactly as tokens name them in `uri`. They are fetched in the background from the start.",
        );
        URI_PREFIX: Option<String> = optional(
            "uri_prefix", text(&text::ENDPOINT),
            "Every list whose URI begins so may be used as well: `https://login.example.com/statuslists/`. It ends with a slash, and only letters, digits and `-._~/` may follow. Such a list is fetched once a token names it, and is dropped again if no token has named it since the fetch before.",
        );
        CLUSTER: Option<String> = optional(
            "cluster", CLUSTER,
            "The Envoy cluster for all lists. Absent: `jwks.cluster`, otherwise `introspection.cluster`.",
        );
        REQUIRED: bool = default(
            "required", flag(), "true",
            "`false` accepts a JWT without the claim `status`. A JWT whose `status` cannot be read, or that names another list or another mechanism, is always rejected.",
        )
        .lowers(When::Off, "A JWT without a status is accepted, and cannot be revoked this way.");
        REFRESH: Duration = default(
            "refresh", duration(1000, 86_400_000), "5m",
            "How old a list may become before it is fetched again. A shorter `ttl` or an earlier `exp` in the list takes precedence. Each worker fetches a list slightly earlier, so that not all call at once.",
        )
        .lowers(
            When::Above("15m"),
            "A revoked token may be accepted for up to this long, unless the list has a shorter `ttl`.",
        );
        STALE_IF_ERROR: Duration = default(
            "stale_if_error", duration(0, 86_400_000), "5m",
            "How much longer the last list is used while its server is down, at most until its `exp`. After that, its tokens end as `unavailable`. `0s`: no longer than `ttl`.",
        )
        .lowers(
            When::Above("5m"),
            "While the server of the lists is down, a revoked token may be accepted for that much longer.",
        );
        TIMEOUT: Duration = default(
            "timeout", CALL_TIME, "2s",
            "The maximum duration of one call. Requests wait for a list that is not loaded yet.",
        );
        MAX_LISTS: usize = default(
            "max_lists", integer(1, 64), "16",
            "How many lists are kept at once. While that many are in use, tokens of another list are `unavailable`.",
        );
        MAX_RESPONSE_BYTES: usize = default(
            "max_response_bytes", integer(1, 16_777_216), "1048576",
            "The maximum size of a response.",
        );
        MAX_LIST_BYTES: usize = default(
            "max_list_bytes", integer(1, 67_108_864), "1048576",
            "The maximum size of a list once it is decompressed, which each worker keeps in memory: a mebibyte is eight million tokens with one bit each. Decompression stops there, and the list is not used.",
        );
        JWKS: Option<Value> = optional(
            "jwks", json(),
            "The key set that verifies lists, if another party than the provider issues them: `{keys: […]}`. Absent: the provider's `jwks`.",
        );
    }
    choices {
        AtLeastOne: URIS, URI_PREFIX;
    }
}

keys! {
    /// `introspection`.
    Introspection {
        URI: Option<String> = optional(
            "uri", text(&text::ENDPOINT),
            "The introspection endpoint. Required unless the `preset` supplies it. The call uses its authority and path. The scheme is not used to connect; TLS is configured on the Envoy cluster.",
        );
        CLUSTER: String = REACHED_BY;
        TIMEOUT: Duration = TIMEOUT;
        RETRIES: u32 = default(
            "retries", integer(0, 5), "1",
            "How many times a call without a response is repeated (timeout, connection error, 5xx). All calls together never take longer than `timeout` × (`retries` + 1).",
        );
        FALLBACK_CLUSTERS: Vec<String> = FALLBACK_CLUSTERS;
        CLIENT_AUTH: ClientAuth = required(
            "client_auth", object(),
            "Our credentials at the endpoint. To send no credentials, use `{method: none}`.",
        );
        TOKEN_TYPE_HINT: String = default(
            "token_type_hint", text(&text::HINT), "access_token",
            "The value of `token_type_hint`. `\"\"`: the parameter is not sent.",
        );
        PARAMETERS: Map<String> = default(
            "parameters", map_or_none(Names::Text("NAME", &text::FORM_FIELD), &ANY), "{}",
            "Additional form fields. `token`, `token_type_hint` and the fields of client authentication cannot be set here.",
        );
        HEADERS: Map<String> = default(
            "headers", map_or_none(Names::Text("NAME", &text::FIELD_NAME), &FIELD_VALUE), "{}",
            "Additional header fields. Fields that Tollgate sends itself cannot be set here.",
        );
        DIALECT: words::Dialect = default(
            "dialect", word(), words::Dialect::Rfc7662.name(),
            "The format of the response. `rfc7662`: JSON. `rfc9701`: only a JWT that the `issuer` has just issued for this gateway, signed with one of the provider's keys (`jwks`). `tokeninfo`: JSON from before RFC 7662 (OpenAM up to 12, PingFederate up to 8). Status 200 means that the token is valid, `expires_in` says for how long, and errors such as `invalid_token` mean that it is not valid. `token_type_hint` is not sent then.",
        );
        TOKEN_IN: Option<TokenIn> = optional(
            "token_in", word(),
            "How a call with the dialect `tokeninfo` sends the token. `header`: a GET with `Authorization: Bearer`. `form`: a POST, with the gateway's credentials. `query`: a GET with `access_token`. Absent: `form` for the `preset` `ping_federate`, otherwise `header`.",
        )
        .lowers(
            When::Words(&[TokenIn::Query.name()]),
            "Tokens end up in the authorization server's logs (RFC 6750 §5.3).",
        );
        REPLY_AUDIENCE: Option<String> = optional(
            "reply_audience", text(&text::CLIENT_ID),
            "The name of this gateway in `aud` of signed responses. Absent: our client id.",
        );
        EXPECTED_ISSUER: Option<String> = optional(
            "expected_issuer", text(&text::ISSUER),
            "The `iss` of signed responses. Absent: the provider's `issuer`.",
        );
        #[expect(dead_code, reason = "of a later version")]
        JWKS: Later = later("jwks", "The keys for signed responses, if they differ from the provider's.");
        MAX_RESPONSE_BYTES: usize = default(
            "max_response_bytes", integer(1, 16_777_216), "65536",
            "The maximum size of a response.",
        )
        .lowers(When::Above("65536"), "A request may take more memory.");
        LENIENT_CONTENT_TYPE: bool = default(
            "lenient_content_type", flag(), "false",
            "Accepts a response whose media type is not `application/json`.",
        )
        .lowers(When::Set, "Another kind of document may be accepted as the response.");
        IGNORE_TOKEN_TYPE: bool = default(
            "ignore_token_type", flag(), "false",
            "Ignores `token_type`, for authorization servers that use it for something else.",
        )
        .lowers(When::Set, "An active token of another kind is accepted as an access token.");
        REQUIRE_ISS: bool = default(
            "require_iss", flag(), "false",
            "Rejects responses without `iss`. Requires `issuer`.",
        );
        UNKNOWN_TOKEN: Option<UnknownToken> = optional(
            "unknown_token", object(),
            "Which errors mean that a token is inactive, for authorization servers that send an error where RFC 7662 §2.2 requires `active: false`. Absent: such an error is `bad_answer`.",
        )
        .lowers_as_meant(
            When::Set,
            "If the server sends this error by mistake, valid tokens are rejected, the rejection is cached for `cache.negative_ttl`, and no alert is raised.",
        );
        BACK_OFF: Duration = default(
            "back_off", duration(0, 60_000), "1s",
            "The longest pause after a series of calls without a response. Three in a row cause a pause of 50 ms, and each further one doubles it. No calls are made during the pause, and a single call is made after it. `0s`: no pause.",
        );
    }
}

keys! {
    /// `unknown_token`.
    UnknownToken {
        STATUS: Vec<u16> = required(
            "status", list(&integer(400, 404)),
            "The statuses of such a response: `400`, `401`, `403` or `404`. With `client_auth.method: bearer`, `401` and `403` concern our own token.",
        );
        ERROR: Vec<String> = required(
            "error", list(&ERROR_CODE),
            "The exact value of `error` in its JSON body. Codes about the gateway's credentials (`invalid_client`) cannot be listed.",
        );
    }
}

keys! {
    /// `userinfo`.
    UserInfo {
        URI: Option<String> = optional(
            "uri", text(&text::ENDPOINT),
            "The UserInfo endpoint. Required unless the `preset` supplies it. The scheme is not used to connect; TLS is configured on the Envoy cluster.",
        );
        CLUSTER: String = REACHED_BY;
        TIMEOUT: Duration = TIMEOUT;
        RETRIES: u32 = default(
            "retries", integer(0, 5), "1",
            "How many times a call without a response is repeated, as for `introspection`.",
        );
        FALLBACK_CLUSTERS: Vec<String> = FALLBACK_CLUSTERS;
        REPLY_AUDIENCE: Option<String> = optional(
            "reply_audience", text(&text::CLIENT_ID),
            "Accepts only signed responses (`application/jwt`) from the `issuer`, verified with `jwks`, and with this value in `aud`. It is the id of the client to which the tokens are issued. Absent: responses are JSON.",
        );
        MAX_RESPONSE_BYTES: usize = default(
            "max_response_bytes", integer(1, 16_777_216), "65536",
            "The maximum size of a response.",
        );
        BACK_OFF: Duration = default(
            "back_off", duration(0, 60_000), "1s",
            "The longest pause after a series of calls without a response, as for `introspection`.",
        );
    }
}

keys! {
    /// `client_auth`.
    ClientAuth {
        METHOD: Method = default(
            "method", word(), Method::Basic.name(),
            "How the gateway authenticates. `none` leaves it to the cluster: mutual TLS, or Envoy's `credential_injector`.",
        )
        .lowers_as_meant(
            When::Words(&[Method::None.name()]),
            "Tollgate sends no credentials. Unless the cluster adds them, anyone may be able to introspect tokens (RFC 7662 §4).",
        );
        CLIENT_ID: Option<String> = optional(
            "client_id", CLIENT_ID,
            "Our client id, for `private_key_jwt` and every method that begins with `client_secret`. With `none` it is sent as a form field.",
        );
        CLIENT_SECRET: Option<String> = optional(
            "client_secret", secret(),
            "The client secret. Prefer `client_secret_env`.",
        )
        .lowers(
            When::Set,
            "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`).",
        );
        CLIENT_SECRET_ENV: Option<String> = optional(
            "client_secret_env", text(&text::VARIABLE),
            "The environment variable of the VM that holds the client secret.",
        );
        BASIC_ENCODING: BasicEncoding = default(
            "basic_encoding", word(), BasicEncoding::Form.name(),
            "Whether id and secret are form-encoded in Basic credentials, as RFC 6749 §2.3.1 requires. Some authorization servers expect them `raw`.",
        )
        .lowers_as_meant(
            When::Words(&[BasicEncoding::Raw.name()]),
            "This does not follow RFC 6749 §2.3.1. It is harmless if the server expects it.",
        );
        BEARER_TOKEN: Option<String> = optional(
            "bearer_token", secret(),
            "The token for the method `bearer`. Prefer `bearer_token_env`.",
        )
        .lowers(
            When::Set,
            "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`).",
        );
        BEARER_TOKEN_ENV: Option<String> = optional(
            "bearer_token_env", text(&text::VARIABLE),
            "The environment variable of the VM that holds the token for the method `bearer`.",
        );
        PRIVATE_KEY: Option<String> = optional(
            "private_key", secret(),
            "The key for `private_key_jwt`, in PEM: PKCS#8, PKCS#1 (RSA) or SEC1 (elliptic curves), without a passphrase. Prefer `private_key_env`.",
        )
        .lowers(
            When::Set,
            "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`).",
        );
        PRIVATE_KEY_ENV: Option<String> = optional(
            "private_key_env", text(&text::VARIABLE),
            "The environment variable of the VM that holds the private key. Line breaks may be replaced by `\\n` or spaces.",
        );
        ALGORITHM: Option<Algorithm> = optional(
            "algorithm", SIGNATURE,
            "The signature algorithm of assertions, which determines the kind of key. `HS…` is for `client_secret_jwt` (absent: `HS256`). All others are for `private_key_jwt`, which has no default. The authorization server must list it in `introspection_endpoint_auth_signing_alg_values_supported`. `ES256` costs the least. `RS256` and `ES256` need Envoy 1.37 or later.",
        );
        KID: Option<String> = optional(
            "kid", CLIENT_ID,
            "The id by which the authorization server knows our key. It is put into the header of an assertion.",
        );
        AUDIENCE: Option<String> = optional(
            "audience", AUDIENCE,
            "The `aud` of an assertion. Absent: the provider's `issuer`, as RFC 7523 and FAPI 2.0 require. Some authorization servers require the URI of an endpoint.",
        );
        ASSERTION_LIFETIME: Option<Duration> = optional(
            "assertion_lifetime", duration(5_000, 300_000),
            "How long an assertion is valid. Each is used for one call unless `assertion_reuse` is set, so this only has to cover clocks that differ. Absent: `60s`.",
        );
        ASSERTION_TYP: Option<words::AssertionTyp> = optional(
            "assertion_typ", word(),
            "The `typ` of an assertion. The longer value is for authorization servers that require it. Absent: `JWT`.",
        );
        ASSERTION_REUSE: Option<bool> = optional(
            "assertion_reuse", flag(),
            "`true`: each worker uses one assertion for all calls during half of its lifetime, for authorization servers that accept a `jti` more than once (RFC 7523 §3). Use it with `PS256`, which the module has to compute itself. Without it, a worker makes at most four signatures a second and sixteen at once, and requests that need more end as `unavailable`. Absent: `false`.",
        )
        .lowers(When::Set, "An assertion that leaks can be used by others while it is valid.");
    }
}

const LIST_URI: Shape<String> = text(&text::ENDPOINT);
const SIGNATURE: Shape<Algorithm> = word_of(&SIGNED_WITH, &NOT_SIGNED_WITH);

/// What an assertion may be signed with in later versions.
static NOT_SIGNED_WITH: [&str; Algorithm::ALL.len() - SIGNED_WITH_LEN] =
    ["RS384", "RS512", "PS384", "PS512", "ES384", "ES512"];
const SIGNED_WITH_LEN: usize = Algorithm::OF_SECRETS.len() + Algorithm::OF_PRIVATE_KEYS.len();

/// What an assertion may be signed with.
pub static SIGNED_WITH: [&str; SIGNED_WITH_LEN] = {
    let [hs256, hs384, hs512] = Algorithm::OF_SECRETS;
    let [rs256, ps256, es256, eddsa, ed25519] = Algorithm::OF_PRIVATE_KEYS;
    [
        hs256.name(),
        hs384.name(),
        hs512.name(),
        rs256.name(),
        ps256.name(),
        es256.name(),
        eddsa.name(),
        ed25519.name(),
    ]
};
