//! Every key of the configuration: what it may hold, what holds without it, and what it is for.
//!
//! This table is the reference. `docs/configuration.md` and `docs/config.schema.json` are written from
//! it, and it decides what [`crate::policy::Policy::parse`] accepts.

pub mod text;

use std::time::Duration;

use crate::jose::algorithm;
use crate::policy::MAX_TIMEOUT;
use crate::policy::schema::{Absent, Choice, Key, Kind, Names, Object, Quantity};

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
            "Providers to ask in turn about a token that nothing else assigns to one of several. Empty: such a token is `invalid_token`. What decides before: the rule's `providers`, then `token_prefix`, then the unverified `iss` of a JWT-shaped token, then the only provider there is. **Lowers security.** Each of them sees the token.",
        ),
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
            "The protected resource: its metadata (RFC 9728) is served without a token at `/.well-known/oauth-protected-resource`, made from this policy, and challenges say where it is (`resource_metadata`). Several: a request is for the one of its host (if any has it) with the longest path, in whole segments, that its own starts with.",
        ),
        default("responses", Kind::Object(&RESPONSES), "{}", "What a refused client is told."),
        default(
            "cors_preflight",
            word(&["enforce", "pass"]),
            "enforce",
            "`pass` lets CORS preflights (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) through without a token; `enforce` treats them like everything else, so put Envoy's CORS filter before this one. **Lowers security.** With `pass`, they reach the upstream without a token.",
        ),
        later("on_expiry", "Ending long-lived streams with their token."),
        default(
            "mode",
            word(&["enforce", "shadow"]),
            "enforce",
            "`shadow` decides, counts and logs. **Lowers security.** Nothing is blocked.",
        ),
    ],
    choices: &[],
});

static PROVIDER: Object = Object {
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
            "Takes JWTs whoever they are meant for, where `audiences` names nobody. **Lowers security.** A token for any other API of this issuer passes.",
        ),
        optional(
            "clock_skew",
            duration(0, 300_000),
            "Leeway for `exp` and `nbf`, and for `iat` with `max_token_age`. Absent: `60s` where JWTs are verified, otherwise `0s`.",
        ),
        default(
            "validate",
            word(&["introspection", "jwt", "jwt_then_introspection"]),
            "introspection",
            "How tokens are checked. `introspection`: the authorization server is asked. `jwt`: the signature is verified here and the claims are believed (RFC 9068), so a token that has been revoked passes until it ends. `jwt_then_introspection`: first the one, and only what passes is asked about; what counts is the answer. A JWT that does not pass is refused, never asked about instead.",
        ),
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
            "What a JWT must say that it is: `at+jwt` demands that `typ` and every claim that RFC 9068 requires; `any` takes `JWT` or no `typ` as well, and refuses what its claims show to be no access token. Absent: `at+jwt`, or `any` for a `preset` other than `generic`, since none of those products follows RFC 9068. **Lowers security.** With `any`, an ID token whose audience is ours may be taken for an access token.",
        ),
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
        default(
            "scope_array",
            word(&["ignore", "accept"]),
            "ignore",
            "What an array of strings is worth where RFC 7662 wants a space-separated string: `ignore` grants nothing, `accept` takes each string as a scope. **Lowers security.** A member of the wrong type grants something.",
        ),
        default(
            "default_scopes",
            list_or_none(&SCOPE),
            "[]",
            "The scopes of a token whose reply has none of the members of `scope_claim`, for authorization servers that leave out a default scope (RFC 6749 §3.3; PingFederate). **Lowers security.** A reply that has lost its scopes grants these.",
        ),
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
        ),
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
            Kind::Duration { min: Duration::from_millis(1), max: MAX_TIMEOUT },
            "2s",
            "How long one call may take. Requests wait for the first set, and for a newer one when a token names a key that is not in the set.",
        ),
        default(
            "cache_duration",
            duration(1000, 86_400_000),
            "5m",
            "How old a set becomes before it is fetched anew; a little less, so that not all workers ask at once. A key that has been withdrawn works for that much longer.",
        ),
        default(
            "stale_if_error",
            duration(0, 604_800_000),
            "24h",
            "How long beyond that the last good set is used while its server is away; then tokens are `unavailable`.",
        ),
        default(
            "max_response_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "262144",
            "The longest answer that is read.",
        ),
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
        required("cluster", CLUSTER, "The Envoy cluster that reaches it."),
        default(
            "timeout",
            Kind::Duration { min: Duration::from_millis(1), max: MAX_TIMEOUT },
            "2s",
            "How long one call may take.",
        ),
        default(
            "retries",
            Kind::Integer { min: 0, max: 5 },
            "1",
            "How many more calls may follow one that brought no answer (timeout, connection, 5xx). All of them together never take longer than `timeout` × (`retries` + 1).",
        ),
        default(
            "fallback_clusters",
            list_or_none(&CLUSTER),
            "[]",
            "Clusters to try in order when `cluster` gave no answer.",
        ),
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
            "What the reply looks like. `rfc7662`: JSON. `rfc9701`: a JWT, signed with one of the provider's keys (`jwks`), of the `issuer`, for us alone and of this moment; nothing else is accepted. `tokeninfo`: JSON as it was before RFC 7662 (OpenAM up to 12, PingFederate up to 8): status 200 says that the token is good, and `expires_in` for how long; `invalid_token` or `invalid_grant` that it is not. No `token_type_hint` is sent then.",
        ),
        optional(
            "token_in",
            word(&["header", "form", "query"]),
            "Where a call of the dialect `tokeninfo` has the token. `header`: a GET with `Authorization: Bearer`. `form`: a POST, with our credentials. `query`: a GET with `access_token`. Absent: `form` for the `preset` `ping_federate`, otherwise `header`. **Lowers security.** With `query`, tokens end up in the authorization server's logs (RFC 6750 §5.3).",
        ),
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
        ),
        default(
            "lenient_content_type",
            Kind::Bool,
            "false",
            "Reads a reply whose media type is not `application/json` all the same. **Lowers security.** Some other document may be taken for the answer.",
        ),
        default(
            "ignore_token_type",
            Kind::Bool,
            "false",
            "Leaves `token_type` alone, for authorization servers that fill it with something else. **Lowers security.** An active token of another kind is taken for an access token.",
        ),
        default("require_iss", Kind::Bool, "false", "Refuses replies without `iss`; needs `issuer`."),
        default(
            "back_off",
            duration(0, 60_000),
            "1s",
            "The longest pause after a series of calls without an answer. Three in a row begin with 50 ms, each further one doubles it; until it is over nobody is asked, and then one call at first. `0s`: no pause.",
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
        required("cluster", CLUSTER, "The Envoy cluster that reaches it."),
        default(
            "timeout",
            Kind::Duration { min: Duration::from_millis(1), max: MAX_TIMEOUT },
            "2s",
            "How long one call may take.",
        ),
        default(
            "retries",
            Kind::Integer { min: 0, max: 5 },
            "1",
            "How many more calls may follow one that brought no answer, as for `introspection`.",
        ),
        default(
            "fallback_clusters",
            list_or_none(&CLUSTER),
            "[]",
            "Clusters to try in order when `cluster` gave no answer.",
        ),
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
        ),
        default(
            "ttl_without_exp",
            duration(0, 86_400_000),
            "0s",
            "The same for replies without `exp`; `0s`: they are not remembered.",
        ),
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
            "How long beyond its end an entry may serve while the authorization server gives no verdict; never past `exp`. **Lowers security.** A token that was revoked meanwhile passes for that much longer.",
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
        ),
        optional(
            "client_id",
            CLIENT_ID,
            "Our client id, for every method that begins with `client_secret` or is `private_key_jwt`; with `none` it is sent as a form field.",
        ),
        optional("client_secret", Kind::Secret, "The client secret. Better: `client_secret_env`."),
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
        ),
        optional(
            "bearer_token",
            Kind::Secret,
            "The token of the method `bearer`. Better: `bearer_token_env`.",
        ),
        optional(
            "bearer_token_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the token of the method `bearer`.",
        ),
        optional(
            "private_key",
            Kind::Secret,
            "The key of `private_key_jwt`, in PEM: PKCS#8, PKCS#1 (RSA) or SEC1 (elliptic curves), without a passphrase. Better: `private_key_env`.",
        ),
        optional(
            "private_key_env",
            Kind::Text(&text::VARIABLE),
            "The environment variable of the VM that holds the private key. Its line breaks may have become `\\n` or spaces.",
        ),
        optional(
            "algorithm",
            Kind::Word {
                known: &["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
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
            "For how long an assertion is good; each is used once, so this is for clocks that differ. Absent: `60s`.",
        ),
        optional(
            "assertion_typ",
            word(&["JWT", "client-authentication+jwt"]),
            "The `typ` of an assertion; the longer word is for authorization servers that ask for it. Absent: `JWT`.",
        ),
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
            "Query parameters that may carry a token, as `access_token`. Absent: none; in the profile `anypoint`, `[access_token]`. **Lowers security.** URIs end up in logs and histories (RFC 6750 §5.3).",
        ),
        default(
            "from_cookies",
            list_or_none(&Kind::Text(&text::COOKIE_NAME)),
            "[]",
            "Cookies that may carry a token. **Lowers security.** Browsers send them unasked, so other sites can act for the user (RFC 6750 §5.3).",
        ),
        default(
            "from_form",
            Kind::Bool,
            "false",
            "Whether a form body may carry a token in the field `access_token`, which RFC 6750 §2.2 advises against. **Lowers security.** More code of more parties sees bodies than headers.",
        ),
        default(
            "max_form_bytes",
            Kind::Integer { min: 1, max: 16_777_216 },
            "65536",
            "The longest form body that is looked at.",
        ),
        default(
            "max_length",
            Kind::Integer { min: 1, max: 1_048_576 },
            "16384",
            "The longest token, in bytes; a longer one is `invalid_token`.",
        ),
        optional(
            "forward",
            Kind::Bool,
            "Whether the upstream gets to see the token; `false` takes it out of the request. Absent: `true`, or `false` where a `resource` has the profile `mcp`.",
        ),
        default(
            "strict_multiple",
            Kind::Bool,
            "false",
            "Refuses a token in `access_token` of the query even where the query is no place for tokens, if another place carries one as well.",
        ),
        default("require_tls", Kind::Bool, "false", "Refuses requests over plain HTTP (RFC 6750 §5.3)."),
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
            "`ignore` leaves `aud` to providers and rules. **Lowers security.** A token that was issued for another API may pass.",
        ),
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

static REQUIREMENT: Object = Object {
    keys: &[
        optional("providers", list(&NAME), "Only tokens of these providers."),
        optional(
            "scopes",
            Kind::Either { list: &Kind::List { of: &SCOPE, empty: false }, object: &SCOPES },
            "Scopes the token must have: a list means all of them. Compared exactly, case and all.",
        ),
        optional(
            "audiences",
            list(&AUDIENCE),
            "At least one of these must be in `aud`, besides what the provider demands.",
        ),
        optional(
            "clients",
            Kind::Either { list: &Kind::List { of: &CLIENT_ID, empty: false }, object: &CLIENTS },
            "Only these clients: a list of client ids, or the name of a list.",
        ),
        optional("claims", list(&Kind::Object(&CLAIM)), "Claims that must hold, all of them."),
        optional(
            "authorization_details",
            list(&Kind::Object(&DETAIL)),
            "What the token's `authorization_details` (RFC 9396) must grant, all of it, besides `scopes`. Each of these must be found in one entry there.",
        ),
        default(
            "no_delegation",
            Kind::Bool,
            "false",
            "Refuses a token that somebody uses on another's behalf: one with `act` (RFC 8693 §4.1). To name who may, use `claims` with `act.sub`; only the outermost actor counts.",
        ),
        optional(
            "acr_values",
            list(&Kind::Text(&text::ACR)),
            "At least one of these must be the token's `acr` (RFC 9470), by preference.",
        ),
        optional(
            "max_age",
            duration(0, 31_536_000_000),
            "The longest time since `auth_time` (RFC 9470), in whole seconds.",
        ),
        default(
            "sender_constraint",
            word(&["if_bound", "dpop", "mtls", "any_bound", "ignore"]),
            "if_bound",
            "What is done about a token that is bound to a key or a certificate (`cnf`): `if_bound` refuses it without its proof, as `dpop` and `mtls` have it; `dpop` refuses every token that is not bound to a key as well, `mtls` every one that is not bound to a certificate, and `any_bound` those that are bound to neither; `ignore` takes a bound token as if it were not. **Lowers security.** With `ignore`, whoever steals such a token can use it.",
        ),
    ],
    choices: &[],
};

static DPOP: Object = Object {
    keys: &[
        default("max_age", duration(1000, 600_000), "60s", "How old a proof may be, by its `iat`."),
        default("clock_skew", duration(0, 300_000), "5s", "Leeway for `iat`, both ways."),
        default(
            "algorithms",
            list(&ALGORITHM),
            "[\"ES256\", \"EdDSA\", \"RS256\", \"PS256\"]",
            "What proofs may be signed with; challenges name them in this order.",
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
            "How many used proofs are remembered, about, by all workers together; the oldest give way. Room for the requests of `max_age` and twice `clock_skew` is enough.",
        ),
        optional(
            "external_origin",
            Kind::Text(&text::LINE),
            "Scheme and authority by which clients call, as `https://api.example.com`, if Envoy sees others. Forwarding fields are never believed.",
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
    keys: &[default(
        "source",
        word(&["connection", "xfcc"]),
        "connection",
        "Who tells of the certificate. `connection`: the TLS connection to this Envoy. `xfcc`: the last element of `x-forwarded-client-cert`, added by a hop before, which Envoy's connection manager must let through (`forward_client_cert_details`). **Lowers security.** With `xfcc`, whoever gets around that hop has any certificate that he likes.",
    )],
    choices: &[],
};

static SCOPES: Object = Object {
    keys: &[
        optional("all", list(&SCOPE), "Each of these."),
        optional("any", list(&SCOPE), "At least one of these."),
    ],
    choices: &[Choice { quantity: Quantity::AtLeastOne, keys: &["all", "any"] }],
};

static CLIENTS: Object =
    Object { keys: &[required("list", NAME, "The name of an entry of `client_lists`.")], choices: &[] };

static CLAIM: Object = Object {
    keys: &[
        required("name", Kind::Text(&text::CLAIM), "The claim, as `tenant` or `realm_access.roles`."),
        optional(
            "any_of",
            list(&Kind::Scalar),
            "The claim is one of these, or an array that holds one of them.",
        ),
        optional("contains", Kind::Scalar, "The claim is an array that holds this."),
        optional("equals", Kind::Scalar, "The claim is this."),
    ],
    choices: &[Choice { quantity: Quantity::ExactlyOne, keys: &["any_of", "contains", "equals"] }],
};

static DETAIL: Object = Object {
    keys: &[
        required("type", Kind::Text(&text::LINE), "The entry's `type`."),
        optional(
            "locations",
            list(&Kind::Text(&text::LINE)),
            "All of these are in its `locations`. Absent: an entry with `locations` counts if one of them is an audience of ours: the `identifier` or `audiences` of the `resource`, or `audiences` of the provider or of this requirement.",
        ),
        optional("actions", list(&Kind::Text(&text::LINE)), "All of these are in its `actions`."),
        optional("datatypes", list(&Kind::Text(&text::LINE)), "All of these are in its `datatypes`."),
        optional("privileges", list(&Kind::Text(&text::LINE)), "All of these are in its `privileges`."),
        optional("identifier", Kind::Text(&text::LINE), "Its `identifier`."),
    ],
    choices: &[],
};

/// A rule.
pub static RULE: Object = Object {
    keys: &[
        optional("name", Kind::Text(&text::LABEL), "Its name in logs. Absent: `rules[N]`, counted from 0."),
        required(
            "match",
            Kind::Object(&MATCH),
            "Which requests it is for; everything given here must match.",
        ),
        default(
            "access",
            word(&["required", "optional", "anonymous", "deny"]),
            "required",
            "`required`: a valid token. `optional`: a valid token or none. `anonymous`: tokens are not looked at; identity headers are removed all the same. `deny`: nobody passes.",
        ),
        optional(
            "requires",
            Kind::Object(&REQUIREMENT),
            "Replaces the top-level `requires`, and is never merged with it.",
        ),
        default(
            "from_params",
            list_or_none(&PARAMETER),
            "[]",
            "More query parameters that may carry a token, for this rule only (WebSocket, server-sent events). **Lowers security.** URIs end up in logs and histories (RFC 6750 §5.3).",
        ),
    ],
    choices: &[],
};

static MATCH: Object = Object {
    keys: &[
        optional(
            "path",
            Kind::Text(&text::PATH),
            "The whole path, without the query. All paths are compared in one spelling: dot segments resolved, slashes merged, and every character that may stand in a segment as it is unescaped (`%3A` is `:`).",
        ),
        optional(
            "prefix",
            Kind::Text(&text::PATH),
            "Whole segments from the start: `/foo` matches `/foo` and `/foo/bar`, not `/foobar`.",
        ),
        optional(
            "path_template",
            Kind::Text(&text::TEMPLATE),
            "Segments with variables: `/orders/{id}`, `/files/{name=**}`.",
        ),
        optional(
            "safe_regex",
            Kind::Text(&text::REGEX),
            "A regular expression for the whole path; it runs in linear time.",
        ),
        optional("methods", list(&Kind::Text(&text::METHOD)), "Methods, case-sensitive."),
        optional(
            "hosts",
            list(&Kind::Text(&text::HOST)),
            "Hosts without their port: `api.example.com`, `*.example.com`.",
        ),
        optional("headers", list(&Kind::Object(&HEADER_MATCH)), "Header fields that must be there."),
    ],
    choices: &[
        Choice {
            quantity: Quantity::AtLeastOne,
            keys: &["path", "prefix", "path_template", "safe_regex", "methods", "hosts", "headers"],
        },
        Choice { quantity: Quantity::AtMostOne, keys: &["path", "prefix", "path_template", "safe_regex"] },
    ],
};

static HEADER_MATCH: Object = Object {
    keys: &[
        required("name", Kind::Text(&text::FIELD_NAME), "The field's name."),
        required("exact", Kind::Text(&text::FIELD_VALUE), "Its whole value; the field must be there once."),
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
        default("refresh", duration(1000, 86_400_000), "30s", "How often it is fetched, by each worker."),
        default(
            "timeout",
            Kind::Duration { min: Duration::from_millis(1), max: MAX_TIMEOUT },
            "2s",
            "How long one call may take.",
        ),
        optional("bearer_token", Kind::Secret, "Sent there as a Bearer token. Better: `bearer_token_env`."),
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
            "Every scalar claim but `scope` and `exp` becomes a field of this prefix and its name; whatever a client sends under the prefix is removed.",
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
        ),
        optional(
            "realm",
            Kind::Text(&text::REALM),
            "The protection space named in challenges. Absent: `tollgate`, or Anypoint's own in its profile.",
        ),
        default(
            "format",
            word(&["json", "problem", "auto", "none"]),
            "json",
            "The body: `json` with `error` and `error_description`, `problem` of RFC 9457, `auto` for what `Accept` prefers of the two, `none`.",
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
        ),
        default(
            "overrides",
            Kind::Map {
                names: Names::Words("VERDICT", &REFUSALS),
                of: &Kind::Object(&OVERRIDE),
                empty: true,
            },
            "{}",
            "Other statuses and bodies, by verdict.",
        ),
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

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, absent: Absent::Fault, doc }
}

const fn default(name: &'static str, kind: Kind, value: &'static str, doc: &'static str) -> Key {
    Key { name, kind, absent: Absent::Default(value), doc }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, absent: Absent::Nothing, doc }
}

const fn later(name: &'static str, doc: &'static str) -> Key {
    Key { name, kind: Kind::Later, absent: Absent::Nothing, doc }
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
