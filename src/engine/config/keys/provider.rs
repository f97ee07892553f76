//! The keys of a provider: where it is, how it is asked, and how we are known there.

use super::{
    ALGORITHM, AUDIENCE, CALL_TIME, CLIENT_ID, CLUSTER, FALLBACK_CLUSTERS, MEMBER, REACHED_BY, SCOPE,
    SCOPE_LIST, TIMEOUT,
};
use super::{default, duration, later, list, list_or_none, optional, required, text, word};
use crate::config::schema::{Choice, Kind, Names, Object, Quantity, When};

pub(super) static PROVIDER: Object = Object {
    keys: &[
        default(
            "preset",
            word(&["generic", "okta", "openam", "forgerock", "salesforce", "ping_federate", "keycloak"]),
            "generic",
            "The product, which fills in `introspection.uri` where that is absent. `okta`: `https://HOST` or `https://HOST/oauth2/NAME`; `openam`: `https://HOST/openam/oauth2` and the realm's path; `forgerock`: PingAM and ForgeRock AM, `https://HOST/am/oauth2` and the realm's path; `salesforce`: `https://MYDOMAIN.my.salesforce.com`; `ping_federate`: `https://HOST:9031`; `keycloak`: `https://HOST/realms/REALM`.",
        ),
        optional(
            "base_url",
            Kind::Text(&text::ENDPOINT),
            "What the preset's paths are found below. Absent: the `issuer`.",
        ),
        optional(
            "issuer",
            Kind::Text(&text::ISSUER),
            "The `iss` that replies must carry if they carry one, compared character by character. Also the issuer of the JWTs that belong to this provider.",
        ),
        optional(
            "audiences",
            list(&AUDIENCE),
            "A token must carry at least one of these in `aud`; a reply without `aud` fails when this is set.",
        ),
        default(
            "any_audience",
            Kind::Bool,
            "false",
            "Takes JWTs whoever they are meant for, where `audiences` names nobody.",
        ).lowers(When::Set, "A token for any other API of this issuer passes."),
        optional(
            "clock_skew",
            duration(0, 300_000),
            "Leeway for `exp` and `nbf`, and for `iat` with `max_token_age`. Absent: `60s` where JWTs are verified, otherwise `0s`.",
        ).lowers(When::Above("60s"), "An expired token is accepted for that much longer."),
        default(
            "validate",
            word(&["introspection", "jwt", "jwt_then_introspection"]),
            "introspection",
            "How tokens are checked. `introspection`: the authorization server is asked. `jwt`: the signature is verified here and the claims are believed (RFC 9068), so a token that has been revoked passes until it ends. `jwt_then_introspection`: first the one, and only what passes is asked about; the response decides about scopes, and of bindings, times, audiences and names the stricter of both counts. A JWT that does not pass is refused, never asked about instead.",
        ).lowers_as_meant(When::Words(&["jwt"]), "A revoked token is accepted until it expires."),
        optional(
            "token_prefix",
            Kind::Text(&text::TOKEN_START),
            "Tokens that start with this belong to this provider; the longest prefix wins.",
        ),
        optional(
            "introspection",
            Kind::Object(&INTROSPECTION),
            "Where and how the authorization server is asked (RFC 7662). Must be there, or `userinfo`, unless `validate` is `jwt`.",
        ),
        optional(
            "jwks",
            Kind::Object(&JWKS),
            "The provider's keys (RFC 7517). Must be there where JWTs are verified.",
        ),
        default(
            "algorithms",
            list(&ALGORITHM),
            r#"["RS256","PS256","ES256","EdDSA"]"#,
            "What JWTs may be signed with. `EdDSA` and `Ed25519` are the same; `none` and HMAC cannot be allowed. Envoy verifies `RS…` and `ES…` in native code; `PS…` and `EdDSA` are verified in the module, which takes about ten times as long.",
        ),
        optional(
            "typ",
            word(&["at+jwt", "any"]),
            "What a JWT must say that it is: `at+jwt` demands that `typ` and every claim that RFC 9068 requires; `any` takes `JWT` or no `typ` as well, and refuses what its claims show to be no access token. Absent: `at+jwt`, or `any` for a `preset` other than `generic`, since none of those products follows RFC 9068.",
        ).lowers(When::Words(&["any"]), "An ID token whose audience is ours may be taken for an access token."),
        optional(
            "max_token_age",
            duration(1000, 31_536_000_000),
            "The greatest age of a JWT, against `iat`.",
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
            "What an array of strings is worth where RFC 7662 wants a space-separated string: `ignore` grants nothing, `accept` takes each string as a scope. Absent: `accept` for the `preset`s `okta`, `openam` and `forgerock`, whose JWTs have arrays, otherwise `ignore`.",
        ).lowers(When::Words(&["accept"]), "A member of the wrong type grants something."),
        default(
            "default_scopes",
            list_or_none(&SCOPE),
            "[]",
            "The scopes of a token whose reply has none of the members of `scope_claim`, for authorization servers that leave out a default scope (RFC 6749 §3.3; PingFederate).",
        ).lowers(When::Set, "A reply that has lost its scopes grants these."),
        default(
            "implied_scopes",
            Kind::Map { names: Names::Text("SCOPE", &text::SCOPE), of: &SCOPE_LIST, empty: true },
            "{}",
            "Scopes that stand for others, with those: `{files:*: [files:read, files:write]}`. Absent: no scope implies another, whatever its spelling.",
        ),
        optional(
            "userinfo",
            Kind::Object(&USERINFO),
            "Where tokens are tried out that nobody can be asked about: a UserInfo endpoint (OpenID Connect Core, section 5.3) that answers knows the token. The last resort, instead of `introspection`: nothing is known of scopes, audience, client and end then, so nothing of it can be demanded, unless `validate` is `jwt_then_introspection` and the token says so itself.",
        ).lowers(When::Set, "Any token of any client is accepted if the server names a user for it: scopes and audience are unknown, unless the token is a JWT that has been verified."),
    ],
    choices: &[Choice { quantity: Quantity::AtMostOne, keys: &["introspection", "userinfo"] }],
};

static JWKS: Object = Object {
    keys: &[
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "Where the set of keys is fetched, in the background. Absent: where the `preset` has it.",
        ),
        optional(
            "inline",
            Kind::Json,
            "The set itself: `{keys: […]}`. Every entry must be a public key that is of use here.",
        ),
        optional(
            "cluster",
            CLUSTER,
            "The Envoy cluster that reaches the server of `uri`. Absent: `introspection.cluster`.",
        ),
        default(
            "timeout",
            CALL_TIME,
            "2s",
            "How long one call may take. Requests wait for the first set, and for a newer one when a token names a key that is not in the set.",
        ),
        default(
            "cache_duration",
            duration(1000, 86_400_000),
            "5m",
            "How old a set becomes before it is fetched anew; a little less, so that not all workers ask at once. A key that has been withdrawn works for that much longer.",
        ).lowers(When::Above("1h"), "What is signed with a withdrawn key may be accepted for up to this long."),
        default(
            "stale_if_error",
            duration(0, 604_800_000),
            "24h",
            "How long beyond that the last good set is used while its server is away; then tokens are `unavailable`.",
        ).lowers(When::Above("24h"), "What is signed with a withdrawn key may be accepted for that much longer."),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "262144",
            "The longest answer that is read.",
        ),
        default(
            "lenient_content_type",
            Kind::Bool,
            "false",
            "Reads a set whatever its media type is (`text/plain`, `application/octet-stream`), and not only as `application/json` or `application/jwk-set+json`.",
        ).lowers(When::Set, "Some other document may be taken for the set."),
    ],
    choices: &[Choice { quantity: Quantity::AtMostOne, keys: &["uri", "inline"] }],
};

static INTROSPECTION: Object = Object {
    keys: &[
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "The introspection endpoint; must be there unless the `preset` knows it. Authority and path of the call are taken from it; the scheme is informative, for TLS is the cluster's.",
        ),
        REACHED_BY,
        TIMEOUT,
        default(
            "retries",
            Kind::Integer { min: 0, max: 5 },
            "1",
            "How many more calls may follow one that brought no answer (timeout, connection, 5xx). All of them together never take longer than `timeout` × (`retries` + 1).",
        ),
        FALLBACK_CLUSTERS,
        required(
            "client_auth",
            Kind::Object(&CLIENT_AUTH),
            "Our credentials there. To send none, say `{method: none}`.",
        ),
        default(
            "token_type_hint",
            Kind::Text(&text::HINT),
            "access_token",
            "Sent as `token_type_hint`; `\"\"` sends none.",
        ),
        default(
            "parameters",
            Kind::Map {
                names: Names::Text("NAME", &text::FORM_FIELD),
                of: &Kind::Text(&text::ANY),
                empty: true,
            },
            "{}",
            "Further form fields. `token`, `token_type_hint` and the fields of client authentication are not yours to set.",
        ),
        default(
            "headers",
            Kind::Map {
                names: Names::Text("NAME", &text::FIELD_NAME),
                of: &Kind::Text(&text::FIELD_VALUE),
                empty: true,
            },
            "{}",
            "Further header fields. Those that the call carries anyway are not yours to set.",
        ),
        default(
            "dialect",
            word(&["rfc7662", "rfc9701", "tokeninfo"]),
            "rfc7662",
            "What the reply looks like. `rfc7662`: JSON. `rfc9701`: a JWT, signed with one of the provider's keys (`jwks`), of the `issuer`, for us alone and of this moment; nothing else is accepted. `tokeninfo`: JSON as it was before RFC 7662 (OpenAM up to 12, PingFederate up to 8): status 200 says that the token is good, and `expires_in` for how long; errors as `invalid_token` that it is not. No `token_type_hint` is sent then.",
        ),
        optional(
            "token_in",
            word(&["header", "form", "query"]),
            "Where a call of the dialect `tokeninfo` has the token. `header`: a GET with `Authorization: Bearer`. `form`: a POST, with our credentials. `query`: a GET with `access_token`. Absent: `form` for the `preset` `ping_federate`, otherwise `header`.",
        ).lowers(When::Words(&["query"]), "Tokens end up in the authorization server's logs (RFC 6750 §5.3)."),
        optional(
            "reply_audience",
            Kind::Text(&text::CLIENT_ID),
            "How the authorization server calls us in `aud` of signed replies. Absent: our client id.",
        ),
        optional(
            "expected_issuer",
            Kind::Text(&text::ISSUER),
            "The `iss` of signed replies. Absent: the provider's `issuer`.",
        ),
        later("jwks", "The keys of signed replies, where they are not the provider's."),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The longest reply that is read.",
        ).lowers(When::Above("65536"), "A request may take more memory."),
        default(
            "lenient_content_type",
            Kind::Bool,
            "false",
            "Reads a reply whose media type is not `application/json` all the same.",
        ).lowers(When::Set, "Some other document may be taken for the answer."),
        default(
            "ignore_token_type",
            Kind::Bool,
            "false",
            "Leaves `token_type` alone, for authorization servers that fill it with something else.",
        ).lowers(When::Set, "An active token of another kind is taken for an access token."),
        default("require_iss", Kind::Bool, "false", "Refuses replies without `iss`; needs `issuer`."),
        optional(
            "unknown_token",
            Kind::Object(&UNKNOWN_TOKEN),
            "Which errors mean that a token is not active, for authorization servers that answer with one where RFC 7662 §2.2 wants `active: false`. Absent: none; such an answer is `bad_answer`.",
        ).lowers_as_meant(When::Set, "An error of the server's that says the same refuses good tokens, is remembered for `cache.negative_ttl`, and raises no alert."),
        default(
            "back_off",
            duration(0, 60_000),
            "1s",
            "The longest pause after a series of calls without an answer. Three in a row begin with 50 ms, each further one doubles it; until it is over nobody is asked, and then one call at first. `0s`: no pause.",
        ),
    ],
    choices: &[],
};

static UNKNOWN_TOKEN: Object = Object {
    keys: &[
        required(
            "status",
            list(&Kind::Integer { min: 400, max: 404 }),
            "The statuses of such an answer: `400`, `401`, `403` or `404`. With `client_auth.method: bearer`, `401` and `403` are about our own token.",
        ),
        required(
            "error",
            list(&Kind::Text(&text::ERROR_CODE)),
            "What its JSON body must have in `error`, letter by letter. Codes that are about us (`invalid_client`) cannot be listed.",
        ),
    ],
    choices: &[],
};

static USERINFO: Object = Object {
    keys: &[
        optional(
            "uri",
            Kind::Text(&text::ENDPOINT),
            "The UserInfo endpoint; must be there unless the `preset` knows it. The scheme is informative, for TLS is the cluster's.",
        ),
        REACHED_BY,
        TIMEOUT,
        default(
            "retries",
            Kind::Integer { min: 0, max: 5 },
            "1",
            "How many more calls may follow one that brought no answer, as for `introspection`.",
        ),
        FALLBACK_CLUSTERS,
        optional(
            "reply_audience",
            Kind::Text(&text::CLIENT_ID),
            "Takes signed answers (`application/jwt`) and nothing else: of the `issuer`, verified by `jwks`, with this in `aud`, which is the client id of those that get tokens. Absent: answers are JSON.",
        ),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The longest answer that is read.",
        ),
        default(
            "back_off",
            duration(0, 60_000),
            "1s",
            "The longest pause after a series of calls without an answer, as for `introspection`.",
        ),
    ],
    choices: &[],
};

static CLIENT_AUTH: Object = Object {
    keys: &[
        default(
            "method",
            Kind::Word {
                known: &[
                    "client_secret_basic",
                    "client_secret_post",
                    "client_secret_jwt",
                    "private_key_jwt",
                    "bearer",
                    "none",
                ],
                later: &[],
            },
            "client_secret_basic",
            "How we authenticate. `none` leaves it to the cluster: mutual TLS, or Envoy's `credential_injector`.",
        ).lowers_as_meant(When::Words(&["none"]), "Tollgate sends no credentials. Unless the cluster adds them, anybody may be able to ask (RFC 7662 §4)."),
        optional(
            "client_id",
            CLIENT_ID,
            "Our client id, for every method that begins with `client_secret` or is `private_key_jwt`; with `none` it is sent as a form field.",
        ),
        optional("client_secret", Kind::Secret, "The client secret. Better: `client_secret_env`.").lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "client_secret_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the client secret.",
        ),
        default(
            "basic_encoding",
            word(&["form", "raw"]),
            "form",
            "Whether id and secret are form-encoded in Basic credentials, as RFC 6749 §2.3.1 has it; some authorization servers want them `raw`.",
        ).lowers_as_meant(When::Words(&["raw"]), "Not RFC 6749 §2.3.1. Harmless where the server wants it."),
        optional(
            "bearer_token",
            Kind::Secret,
            "The token of the method `bearer`. Better: `bearer_token_env`.",
        ).lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "bearer_token_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the token of the method `bearer`.",
        ),
        optional(
            "private_key",
            Kind::Secret,
            "The key of `private_key_jwt`, in PEM: PKCS#8, PKCS#1 (RSA) or SEC1 (elliptic curves), without a passphrase. Better: `private_key_env`.",
        ).lowers(When::Set, "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`)."),
        optional(
            "private_key_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the private key. Its line breaks may have become `\\n` or spaces.",
        ),
        optional(
            "algorithm",
            Kind::Word {
                known: &SIGNED_WITH,
                later: &["RS384", "RS512", "PS384", "PS512", "ES384", "ES512"],
            },
            "How an assertion is signed, and so what its key is: `HS…` for `client_secret_jwt` (absent: `HS256`), any other for `private_key_jwt`, which has no default. It must be one of those that the authorization server lists in `introspection_endpoint_auth_signing_alg_values_supported`. `ES256` costs the least.",
        ),
        optional(
            "kid",
            CLIENT_ID,
            "The id of our key as the authorization server knows it, put into the header of an assertion.",
        ),
        optional(
            "audience",
            AUDIENCE,
            "The `aud` of an assertion. Absent: the provider's `issuer`, as RFC 7523 and FAPI 2.0 want it; some authorization servers insist on the URI of an endpoint.",
        ),
        optional(
            "assertion_lifetime",
            duration(5_000, 300_000),
            "For how long an assertion is good. Each is used for one call unless `assertion_reuse` says otherwise, so this is for clocks that differ. Absent: `60s`.",
        ),
        optional(
            "assertion_typ",
            word(&["JWT", "client-authentication+jwt"]),
            "The `typ` of an assertion; the longer word is for authorization servers that ask for it. Absent: `JWT`.",
        ),
        optional(
            "assertion_reuse",
            Kind::Bool,
            "`true`: each worker uses one assertion for all calls of half its lifetime, for authorization servers that accept a `jti` more than once (RFC 7523 §3). Wanted with `PS256`, which the module has to compute itself: without it a worker makes four signatures a second and sixteen at once, and requests that need more are `unavailable`. Absent: `false`.",
        ).lowers(When::Set, "An assertion that leaks can be used by others while it is good."),
    ],
    choices: &[],
};

/// What an assertion may be signed with.
pub static SIGNED_WITH: [&str; 8] =
    ["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
