//! The keys of a provider: where it is, how it is asked, and how we are known there.

use super::{
    ALGORITHM, AUDIENCE, CALL_TIME, CLIENT_ID, CLUSTER, FALLBACK_CLUSTERS, MEMBER, REACHED_BY, SCOPE,
    SCOPE_LIST, TIMEOUT,
};
use super::{default, duration, later, list, list_or_none, optional, required, text, word};
use crate::config::schema::{Choice, Kind, Names, Object, Quantity, When};
use crate::jose::algorithm::Algorithm;
use crate::provider::client_auth::Method;
use crate::provider::preset::Preset;

pub(super) static PROVIDER: Object = Object {
    keys: &[
        default(
            "preset",
            word(&Preset::NAMES),
            "generic",
            "The product, which supplies `introspection.uri` if it is absent. `okta`: `https://HOST` or `https://HOST/oauth2/NAME`; `openam`: `https://HOST/openam/oauth2` and the realm's path; `forgerock`: PingAM and ForgeRock AM, `https://HOST/am/oauth2` and the realm's path; `salesforce`: `https://MYDOMAIN.my.salesforce.com`; `ping_federate`: `https://HOST:9031`; `keycloak`: `https://HOST/realms/REALM`.",
        ),
        optional(
            "base_url",
            Kind::Text(&text::ENDPOINT),
            "The base of the preset's paths. Absent: the `issuer`.",
        ),
        optional(
            "issuer",
            Kind::Text(&text::ISSUER),
            "If a response has `iss`, it must equal this value, character by character. Also the issuer of the JWTs that belong to this provider.",
        ),
        optional(
            "audiences",
            list(&AUDIENCE),
            "A token must have at least one of these in `aud`. If this is set, a response without `aud` is rejected.",
        ),
        default(
            "any_audience",
            Kind::Bool,
            "false",
            "Accepts JWTs for any audience if `audiences` is not set.",
        ).lowers(When::Set, "A token for any other API of this issuer is accepted."),
        optional(
            "clock_skew",
            duration(0, 300_000),
            "Leeway for `exp` and `nbf`, and for `iat` with `max_token_age`. Absent: `60s` if JWTs are verified, otherwise `0s`.",
        ).lowers(When::Above("60s"), "An expired token is accepted for that much longer."),
        default(
            "validate",
            word(&["introspection", "jwt", "jwt_then_introspection"]),
            "introspection",
            "How tokens are checked. `introspection`: the token is introspected. `jwt`: the signature is verified locally and the claims decide (RFC 9068), so a revoked token is accepted until it expires. `jwt_then_introspection`: the signature is verified locally first; tokens that pass are then introspected, and the introspection response decides about scopes. For bindings, times, audiences and names, the stricter of both counts. A JWT that fails verification is rejected and is not introspected instead.",
        ).lowers_as_meant(When::Words(&["jwt"]), "A revoked token is accepted until it expires."),
        optional(
            "token_prefix",
            Kind::Text(&text::TOKEN_START),
            "Tokens that start with this text belong to this provider. The longest prefix wins.",
        ),
        optional(
            "introspection",
            Kind::Object(&INTROSPECTION),
            "Where and how tokens are introspected (RFC 7662). This or `userinfo` is required, unless `validate` is `jwt`.",
        ),
        optional(
            "jwks",
            Kind::Object(&JWKS),
            "The provider's keys (RFC 7517). Required if JWTs are verified.",
        ),
        default(
            "algorithms",
            list(&ALGORITHM),
            r#"["RS256","PS256","ES256","EdDSA"]"#,
            "The allowed signature algorithms of JWTs. `EdDSA` and `Ed25519` are the same. `none` and HMAC cannot be allowed. Envoy verifies `RS…` and `ES…` in native code; `PS…` and `EdDSA` are verified in the module, which takes about ten times as long.",
        ),
        optional(
            "typ",
            word(&["at+jwt", "any"]),
            "The required `typ` of a JWT. `at+jwt`: this `typ` and every claim that RFC 9068 requires. `any`: `JWT` or no `typ` is accepted as well, and a JWT is rejected if its claims show that it is not an access token. Absent: `at+jwt`, or `any` for a `preset` other than `generic`, since none of those products follows RFC 9068.",
        ).lowers(When::Words(&["any"]), "An ID token whose audience is ours may be accepted as an access token."),
        optional(
            "max_token_age",
            duration(1000, 31_536_000_000),
            "The maximum age of a JWT, from its `iat`.",
        ),
        default(
            "scope_claim",
            list(&MEMBER),
            r#"["scope","scp"]"#,
            "The members that may hold the scopes; the first one present is read.",
        ),
        default(
            "client_id_claim",
            list(&MEMBER),
            r#"["client_id","azp","cid","appid"]"#,
            "The members that may hold the client's id; the first one present is read.",
        ),
        optional(
            "scope_array",
            word(&["ignore", "accept"]),
            "How an array of strings is treated where RFC 7662 requires a space-separated string. `ignore`: it grants no scopes. `accept`: each string is a scope. Absent: `accept` for the `preset`s `okta`, `openam` and `forgerock`, whose JWTs have arrays, otherwise `ignore`.",
        ).lowers(When::Words(&["accept"]), "A member of the wrong type grants scopes."),
        default(
            "default_scopes",
            list_or_none(&SCOPE),
            "[]",
            "The scopes of a token whose response has none of the members in `scope_claim`, for authorization servers that omit a default scope (RFC 6749 §3.3; PingFederate).",
        ).lowers(When::Set, "A response that lacks its scopes grants these."),
        default(
            "implied_scopes",
            Kind::Map { names: Names::Text("SCOPE", &text::SCOPE), of: &SCOPE_LIST, empty: true },
            "{}",
            "Scopes that include others: `{files:*: [files:read, files:write]}`. Absent: no scope implies another, whatever its spelling.",
        ),
        optional(
            "userinfo",
            Kind::Object(&USERINFO),
            "A UserInfo endpoint (OpenID Connect Core, section 5.3), as a last resort if the server has no `introspection`. A token is valid if the endpoint accepts it. Scopes, audience, client and expiry are then unknown and cannot be required, unless `validate` is `jwt_then_introspection` and the token contains them.",
        ).lowers(When::Set, "Any token of any client is accepted if the server returns a user for it. Scopes and audience are unknown, unless the token is a verified JWT."),
    ],
    choices: &[Choice { quantity: Quantity::AtMostOne, keys: &["introspection", "userinfo"] }],
};

static JWKS: Object = Object {
    keys: &[
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "The address from which the key set is fetched, in the background. Absent: the address from the `preset`.",
        ),
        optional(
            "inline",
            Kind::Json,
            "The key set itself: `{keys: […]}`. Every entry must be a public key that can be used here.",
        ),
        optional(
            "cluster",
            CLUSTER,
            "The Envoy cluster for `uri`. Absent: `introspection.cluster`.",
        ),
        default(
            "timeout",
            CALL_TIME,
            "2s",
            "The maximum duration of one call. Requests wait for the first key set, and for a newer one if a token names a key that is not in the set.",
        ),
        default(
            "cache_duration",
            duration(1000, 86_400_000),
            "5m",
            "How old a key set may become before it is fetched again. Each worker fetches it slightly earlier, so that not all call at once. A withdrawn key works for up to this long.",
        ).lowers(When::Above("1h"), "Tokens signed with a withdrawn key may be accepted for up to this long."),
        default(
            "stale_if_error",
            duration(0, 604_800_000),
            "24h",
            "How much longer the last valid key set is used while its server is down. After that, tokens end as `unavailable`.",
        ).lowers(When::Above("24h"), "Tokens signed with a withdrawn key may be accepted for that much longer."),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "262144",
            "The maximum size of a response.",
        ),
        default(
            "lenient_content_type",
            Kind::Bool,
            "false",
            "Accepts a key set with any media type (such as `text/plain` or `application/octet-stream`), not only `application/json` or `application/jwk-set+json`.",
        ).lowers(When::Set, "Another kind of document may be accepted as the key set."),
    ],
    choices: &[Choice { quantity: Quantity::AtMostOne, keys: &["uri", "inline"] }],
};

static INTROSPECTION: Object = Object {
    keys: &[
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "The introspection endpoint. Required unless the `preset` supplies it. The call uses its authority and path. The scheme is not used to connect; TLS is configured on the Envoy cluster.",
        ),
        REACHED_BY,
        TIMEOUT,
        default(
            "retries",
            Kind::Integer { min: 0, max: 5 },
            "1",
            "How many times a call without a response is repeated (timeout, connection error, 5xx). All calls together never take longer than `timeout` × (`retries` + 1).",
        ),
        FALLBACK_CLUSTERS,
        required(
            "client_auth",
            Kind::Object(&CLIENT_AUTH),
            "Our credentials at the endpoint. To send no credentials, use `{method: none}`.",
        ),
        default(
            "token_type_hint",
            Kind::Text(&text::HINT),
            "access_token",
            "The value of `token_type_hint`. `\"\"`: the parameter is not sent.",
        ),
        default(
            "parameters",
            Kind::Map {
                names: Names::Text("NAME", &text::FORM_FIELD),
                of: &Kind::Text(&text::ANY),
                empty: true,
            },
            "{}",
            "Additional form fields. `token`, `token_type_hint` and the fields of client authentication cannot be set here.",
        ),
        default(
            "headers",
            Kind::Map {
                names: Names::Text("NAME", &text::FIELD_NAME),
                of: &Kind::Text(&text::FIELD_VALUE),
                empty: true,
            },
            "{}",
            "Additional header fields. Fields that Tollgate sends itself cannot be set here.",
        ),
        default(
            "dialect",
            word(&["rfc7662", "rfc9701", "tokeninfo"]),
            "rfc7662",
            "The format of the response. `rfc7662`: JSON. `rfc9701`: only a JWT that the `issuer` has just issued for this gateway, signed with one of the provider's keys (`jwks`). `tokeninfo`: JSON from before RFC 7662 (OpenAM up to 12, PingFederate up to 8). Status 200 means that the token is valid, `expires_in` says for how long, and errors such as `invalid_token` mean that it is not valid. `token_type_hint` is not sent then.",
        ),
        optional(
            "token_in",
            word(&["header", "form", "query"]),
            "How a call with the dialect `tokeninfo` sends the token. `header`: a GET with `Authorization: Bearer`. `form`: a POST, with our credentials. `query`: a GET with `access_token`. Absent: `form` for the `preset` `ping_federate`, otherwise `header`.",
        ).lowers(When::Words(&["query"]), "Tokens end up in the authorization server's logs (RFC 6750 §5.3)."),
        optional(
            "reply_audience",
            Kind::Text(&text::CLIENT_ID),
            "The name of this gateway in `aud` of signed responses. Absent: our client id.",
        ),
        optional(
            "expected_issuer",
            Kind::Text(&text::ISSUER),
            "The `iss` of signed responses. Absent: the provider's `issuer`.",
        ),
        later("jwks", "The keys for signed responses, if they differ from the provider's."),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The maximum size of a response.",
        ).lowers(When::Above("65536"), "A request may take more memory."),
        default(
            "lenient_content_type",
            Kind::Bool,
            "false",
            "Accepts a response whose media type is not `application/json`.",
        ).lowers(When::Set, "Another kind of document may be accepted as the response."),
        default(
            "ignore_token_type",
            Kind::Bool,
            "false",
            "Ignores `token_type`, for authorization servers that use it for something else.",
        ).lowers(When::Set, "An active token of another kind is accepted as an access token."),
        default("require_iss", Kind::Bool, "false", "Rejects responses without `iss`. Requires `issuer`."),
        optional(
            "unknown_token",
            Kind::Object(&UNKNOWN_TOKEN),
            "Which errors mean that a token is inactive, for authorization servers that send an error where RFC 7662 §2.2 requires `active: false`. Absent: such an error is `bad_answer`.",
        ).lowers_as_meant(When::Set, "If the server sends this error by mistake, valid tokens are rejected, the rejection is cached for `cache.negative_ttl`, and no alert is raised."),
        default(
            "back_off",
            duration(0, 60_000),
            "1s",
            "The longest pause after a series of calls without a response. Three in a row cause a pause of 50 ms, and each further one doubles it. No calls are made during the pause, and a single call is made after it. `0s`: no pause.",
        ),
    ],
    choices: &[],
};

static UNKNOWN_TOKEN: Object = Object {
    keys: &[
        required(
            "status",
            list(&Kind::Integer { min: 400, max: 404 }),
            "The statuses of such a response: `400`, `401`, `403` or `404`. With `client_auth.method: bearer`, `401` and `403` concern our own token.",
        ),
        required(
            "error",
            list(&Kind::Text(&text::ERROR_CODE)),
            "The exact value of `error` in its JSON body. Codes about our own credentials (`invalid_client`) cannot be listed.",
        ),
    ],
    choices: &[],
};

static USERINFO: Object = Object {
    keys: &[
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "The UserInfo endpoint. Required unless the `preset` supplies it. The scheme is not used to connect; TLS is configured on the Envoy cluster.",
        ),
        REACHED_BY,
        TIMEOUT,
        default(
            "retries",
            Kind::Integer { min: 0, max: 5 },
            "1",
            "How many times a call without a response is repeated, as for `introspection`.",
        ),
        FALLBACK_CLUSTERS,
        optional(
            "reply_audience",
            Kind::Text(&text::CLIENT_ID),
            "Accepts only signed responses (`application/jwt`) from the `issuer`, verified with `jwks`, and with this value in `aud`. It is the id of the client to which the tokens are issued. Absent: responses are JSON.",
        ),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The maximum size of a response.",
        ),
        default(
            "back_off",
            duration(0, 60_000),
            "1s",
            "The longest pause after a series of calls without a response, as for `introspection`.",
        ),
    ],
    choices: &[],
};

static CLIENT_AUTH: Object = Object {
    keys: &[
        default(
            "method",
            word(&Method::NAMES),
            "client_secret_basic",
            "How the gateway authenticates. `none` leaves it to the cluster: mutual TLS, or Envoy's `credential_injector`.",
        ).lowers_as_meant(When::Words(&["none"]), "Tollgate sends no credentials. Unless the cluster adds them, anyone may be able to introspect tokens (RFC 7662 §4)."),
        optional(
            "client_id",
            CLIENT_ID,
            "Our client id, for `private_key_jwt` and every method that begins with `client_secret`. With `none` it is sent as a form field.",
        ),
        optional("client_secret", Kind::Secret, "The client secret. Prefer `client_secret_env`.").lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "client_secret_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the client secret.",
        ),
        default(
            "basic_encoding",
            word(&["form", "raw"]),
            "form",
            "Whether id and secret are form-encoded in Basic credentials, as RFC 6749 §2.3.1 requires. Some authorization servers expect them `raw`.",
        ).lowers_as_meant(When::Words(&["raw"]), "This does not follow RFC 6749 §2.3.1. It is harmless if the server expects it."),
        optional(
            "bearer_token",
            Kind::Secret,
            "The token for the method `bearer`. Prefer `bearer_token_env`.",
        ).lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "bearer_token_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the token for the method `bearer`.",
        ),
        optional(
            "private_key",
            Kind::Secret,
            "The key for `private_key_jwt`, in PEM: PKCS#8, PKCS#1 (RSA) or SEC1 (elliptic curves), without a passphrase. Prefer `private_key_env`.",
        ).lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "private_key_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the private key. Line breaks may be replaced by `\\n` or spaces.",
        ),
        optional(
            "algorithm",
            Kind::Word {
                known: &SIGNED_WITH,
                later: &["RS384", "RS512", "PS384", "PS512", "ES384", "ES512"],
            },
            "The signature algorithm of assertions, which determines the kind of key. `HS…` is for `client_secret_jwt` (absent: `HS256`). All others are for `private_key_jwt`, which has no default. The authorization server must list it in `introspection_endpoint_auth_signing_alg_values_supported`. `ES256` costs the least.",
        ),
        optional(
            "kid",
            CLIENT_ID,
            "The id by which the authorization server knows our key. It is put into the header of an assertion.",
        ),
        optional(
            "audience",
            AUDIENCE,
            "The `aud` of an assertion. Absent: the provider's `issuer`, as RFC 7523 and FAPI 2.0 require. Some authorization servers require the URI of an endpoint.",
        ),
        optional(
            "assertion_lifetime",
            duration(5_000, 300_000),
            "How long an assertion is valid. Each is used for one call unless `assertion_reuse` is set, so this only has to cover clocks that differ. Absent: `60s`.",
        ),
        optional(
            "assertion_typ",
            word(&["JWT", "client-authentication+jwt"]),
            "The `typ` of an assertion. The longer value is for authorization servers that require it. Absent: `JWT`.",
        ),
        optional(
            "assertion_reuse",
            Kind::Bool,
            "`true`: each worker uses one assertion for all calls during half of its lifetime, for authorization servers that accept a `jti` more than once (RFC 7523 §3). Use it with `PS256`, which the module has to compute itself. Without it, a worker makes at most four signatures a second and sixteen at once, and requests that need more end as `unavailable`. Absent: `false`.",
        ).lowers(When::Set, "An assertion that leaks can be used by others while it is valid."),
    ],
    choices: &[],
};

/// What an assertion may be signed with.
pub static SIGNED_WITH: [&str; 8] = {
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
