//! What is compared with what.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::{
    Route, es256_jwt, ext_authz, fifty_rules, jwt, jwt_authn, lua, removes_identity, tollgate, tollgate_jwt,
    two_claims, wasm,
};
use crate::load::{Token, token};
use crate::modules::Modules;
use crate::series::Variant;

/// The token that everybody knows.
pub fn known_token() -> String {
    token("tok", 999_999_999_999)
}

/// One filter before a router that goes to the API: what a request costs. `peers`: whether there is a service for `ext_authz`.
pub fn requests(modules: &Modules, peers: bool) -> Vec<Variant> {
    let known = || Token::Same(known_token());
    let one = |id, title, filters| Variant {
        id,
        title,
        filters,
        route: Route::Api,
        token: known(),
        status: 200,
        base: "bare",
    };
    let ours =
        |id, title, more: Value| one(id, title, vec![wasm(id, id, &modules.tollgate, &tollgate(&more))]);
    let refusal = |id, title, token| Variant { token, status: 401, ..ours(id, title, json!({})) };
    let with_jwt = |variant| Variant { token: Token::Same(jwt()), base: "bare_jwt", ..variant };
    let with_es256 = |variant| Variant { token: Token::Same(es256_jwt()), base: "bare_jwt", ..variant };
    let verified = |id, title, remembers| {
        one(id, title, vec![wasm(id, id, &modules.tollgate, &tollgate_jwt(remembers))])
    };
    let direct = |variant| Variant { route: Route::Direct(401), status: 401, ..variant };
    let mut variants = vec![
        one("bare", "the router alone", vec![]),
        with_jwt(one("bare_jwt", "the router alone, a JWT of 650 bytes in the request", vec![])),
        one(
            "noop",
            "WebAssembly: a filter that does nothing (SDK)",
            vec![wasm("noop", "noop", &modules.noop, "")],
        ),
        one(
            "minimum_hit_sdk",
            "WebAssembly: a minimal hit, all of the SDK's callbacks",
            vec![wasm("minimum_hit_sdk", "minimum_hit_sdk", &modules.sdk_hit, &known_token())],
        ),
        one(
            "minimum_hit",
            "WebAssembly: a minimal hit",
            vec![wasm("minimum_hit", "minimum_hit", &modules.hit, &known_token())],
        ),
        Variant {
            token: Token::New,
            ..one(
                "minimum_call",
                "WebAssembly: a minimal call for every request",
                vec![wasm("minimum_call", "minimum_call", &modules.call, "")],
            )
        },
        ours("tollgate_hit", "**Tollgate**, a hit", json!({})),
        ours(
            "tollgate_hit_claims",
            "**Tollgate**, a hit, two claims forwarded",
            json!({"upstream": two_claims()}),
        ),
        ours(
            "tollgate_hit_rules",
            "**Tollgate**, a hit, the last of 50 rules",
            json!({"rules": fifty_rules()}),
        ),
        with_jwt(ours(
            "tollgate_hit_jwt",
            "**Tollgate**, a hit, two claims, the token a JWT",
            json!({"upstream": two_claims()}),
        )),
        Variant { token: Token::New, ..ours("tollgate_miss", "**Tollgate**, every token new", json!({})) },
        Variant {
            token: Token::New,
            ..ours("tollgate_uncached", "**Tollgate**, no cache", json!({"cache": {"max_entries": 0}}))
        },
        refusal("tollgate_no_token", "**Tollgate** rejects: no token", Token::None),
        refusal(
            "tollgate_known_bad",
            "**Tollgate** rejects: a token cached as inactive",
            Token::Same(token("bad", 1)),
        ),
        direct(one("direct", "Envoy's `direct_response` 401, no filter", vec![])),
        direct(ours("direct_hit", "Envoy's `direct_response` 401 behind a hit", json!({}))),
        one("lua_cached", "Lua: a table of tokens, two claims", vec![lua("lua_cached", true)]),
        one("lua_call", "Lua: a call for every request, two claims", vec![lua("lua_call", false)]),
        with_jwt(one("jwt_authn", "`jwt_authn` RS256, two claims", vec![jwt_authn("jwt_authn", false)])),
        with_jwt(one(
            "jwt_authn_cached",
            "`jwt_authn` RS256 with `jwt_cache_config`, two claims",
            vec![jwt_authn("jwt_authn_cached", true)],
        )),
        with_es256(one(
            "jwt_authn_es256",
            "`jwt_authn` ES256, two claims",
            vec![jwt_authn("jwt_authn_es256", false)],
        )),
        with_jwt(verified("tollgate_rs256", "**Tollgate** verifies RS256, no cache, two claims", false)),
        with_jwt(verified("tollgate_rs256_cached", "**Tollgate**, RS256 verified before, two claims", true)),
        with_es256(verified("tollgate_es256", "**Tollgate** verifies ES256, no cache, two claims", false)),
    ];
    variants.extend(native_with_noop(modules));
    variants.extend(modules.before.as_deref().into_iter().flat_map(of_before));
    if peers {
        let title = "`ext_authz` over gRPC, the service knows the token, two claims";
        variants.push(one("ext_authz", title, vec![ext_authz("ext_authz")]));
    }
    variants
}

/// What Envoy itself can do with JWTs, and what it costs to enter a VM besides.
fn native_with_noop(modules: &Modules) -> [Variant; 2] {
    let one = |id, title, token| Variant {
        id,
        title,
        filters: vec![jwt_authn(id, false), wasm("noop_behind", "noop", &modules.noop, "")],
        route: Route::Api,
        token: Token::Same(token),
        status: 200,
        base: "bare_jwt",
    };
    [
        one("jwt_authn_noop", "`jwt_authn` RS256, two claims, and a filter that does nothing", jwt()),
        one(
            "jwt_authn_es256_noop",
            "`jwt_authn` ES256, two claims, and a filter that does nothing",
            es256_jwt(),
        ),
    ]
}

/// The rows of another Tollgate that goals compare ours with.
fn of_before(before: &Path) -> Vec<Variant> {
    let one = |id, title, filters| Variant {
        id,
        title,
        filters,
        route: Route::Api,
        token: Token::Same(known_token()),
        status: 200,
        base: "bare",
    };
    let with_jwt = |variant| Variant { token: Token::Same(jwt()), base: "bare_jwt", ..variant };
    let with_es256 = |variant| Variant { token: Token::Same(es256_jwt()), base: "bare_jwt", ..variant };
    let direct = |variant| Variant { route: Route::Direct(401), status: 401, ..variant };
    let then = |id, title, more: Value| one(id, title, vec![wasm(id, id, before, &tollgate(&more))]);
    let then_verified = |id, title| one(id, title, vec![wasm(id, id, before, &tollgate_jwt(false))]);
    vec![
        then(
            "before_hit_claims",
            "Tollgate before, a hit, two claims forwarded",
            json!({"upstream": two_claims()}),
        ),
        Variant { token: Token::New, ..then("before_miss", "Tollgate before, every token new", json!({})) },
        Variant {
            token: Token::New,
            ..then("before_uncached", "Tollgate before, no cache", json!({"cache": {"max_entries": 0}}))
        },
        Variant {
            token: Token::Same(token("bad", 1)),
            status: 401,
            ..then("before_known_bad", "Tollgate before rejects: a token cached as inactive", json!({}))
        },
        direct(then("before_direct_hit", "Envoy's `direct_response` 401 behind a hit before", json!({}))),
        with_jwt(then_verified("before_rs256", "Tollgate before verifies RS256, no cache, two claims")),
        with_es256(then_verified("before_es256", "Tollgate before verifies ES256, no cache, two claims")),
    ]
}

/// Those whose memory differs.
pub fn heavy(requests: &[Variant]) -> Vec<Variant> {
    let ids =
        ["bare", "noop", "minimum_hit", "tollgate_hit_claims", "lua_cached", "jwt_authn_cached", "ext_authz"];
    requests.iter().filter(|variant| ids.contains(&variant.id)).cloned().collect()
}

/// How many copies there are in [`stack`]'s chains.
pub const COPIES: usize = 10;

/// Ten copies of a filter in one chain before a `direct_response`: what one copy adds, out of the noise. Behind each copy, and in
/// the chain that has none, what it has told the upstream is removed, so that every copy finds what the first has found.
pub fn stack(modules: &Modules) -> Vec<Variant> {
    let chain = |id, title, filter: &dyn Fn(&str) -> Value| Variant {
        id,
        title,
        filters: (0..COPIES)
            .flat_map(|copy| [filter(&format!("{id}-{copy}")), removes_identity(&format!("clean-{copy}"))])
            .collect(),
        route: Route::Direct(200),
        token: Token::Same(known_token()),
        status: 200,
        base: "bare",
    };
    let mut bare = chain("bare", "no filter", &|_| Value::Null);
    bare.filters.retain(|filter| !filter.is_null());
    let ours = tollgate(&json!({}));
    let ours_with_claims = tollgate(&json!({"upstream": two_claims()}));
    let before = modules.before.as_ref().map(|before| {
        chain("before_hit_claims", "Tollgate before, a hit, two claims forwarded", &|name| {
            wasm(name, "before_claims", before, &ours_with_claims)
        })
    });
    let mut variants = vec![
        bare,
        chain("noop", "WebAssembly: a filter that does nothing (SDK)", &|name| {
            wasm(name, "noop", &modules.noop, "")
        }),
        chain("minimum_hit_sdk", "WebAssembly: a minimal hit, all of the SDK's callbacks", &|name| {
            wasm(name, "minimum_hit_sdk", &modules.sdk_hit, &known_token())
        }),
        chain("minimum_hit", "WebAssembly: a minimal hit", &|name| {
            wasm(name, "minimum_hit", &modules.hit, &known_token())
        }),
        chain("minimum_hit_head", "WebAssembly: a minimal hit, but all header fields are read", &|name| {
            wasm(name, "minimum_hit_head", &modules.hit_head, &known_token())
        }),
        chain("lua_cached", "Lua: a table of tokens, two claims", &|name| lua(name, true)),
        chain("tollgate_hit", "**Tollgate**, a hit", &|name| {
            wasm(name, "tollgate", &modules.tollgate, &ours)
        }),
        chain("tollgate_hit_claims", "**Tollgate**, a hit, two claims forwarded", &|name| {
            wasm(name, "tollgate_claims", &modules.tollgate, &ours_with_claims)
        }),
    ];
    variants.extend(before);
    variants
}
