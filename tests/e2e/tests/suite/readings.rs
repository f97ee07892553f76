//! A request that Envoy's router or the upstream may read otherwise than the rules, with a router
//! that really routes: one virtual host is open, the other is not.

use std::sync::MutexGuard;

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{Shared, World, policy};

#[test]
fn no_authority_opens_another_virtual_host() {
    // PTH-18
    let world = world();
    let of = |host: &str| Request::get("/any").host(host);
    #[rustfmt::skip]
    let cases = [
        // listener, authority, status, the API that sees the request
        ("plain",    "public.example.com",       200, "public"),
        ("plain",    "PUBLIC.Example.com",       200, "public"),
        ("plain",    "public.example.com:1234",  401, ""),
        ("plain",    "public.example.com:80",    401, ""),
        ("plain",    "public.example.com.",      401, ""),
        ("plain",    "public.example.com.:1234", 401, ""),
        ("plain",    "public.example.com,",      400, ""),
        ("plain",    "private.example.com",      401, ""),
        // The router ignores ports, and the rules do too.
        ("ignored",  "public.example.com:1234",  200, "public"),
        ("ignored",  "public.example.com.",      401, ""),
        ("ignored",  "private.example.com:1234", 401, ""),
        // The connection manager takes them off before anybody looks.
        ("stripped", "public.example.com:1234",  200, "public"),
        ("stripped", "public.example.com.",      200, "public"),
        ("stripped", "public.example.com.:1234", 200, "public"),
        ("stripped", "private.example.com:1234", 401, ""),
    ];
    for (listener, host, status, api) in cases {
        let response = of(host).send(world.port(listener));
        assert_eq!((response.status(), seen(&world)), (status, api.to_owned()), "{listener}: {host}");
    }
}

#[test]
fn a_token_for_one_resource_is_worth_nothing_at_the_other() {
    // PTH-18, RSI-02
    let world = world();
    for (host, status, api) in [
        ("public.example.com", 200, "public"),
        ("public.example.com:1234", 400, ""),
        ("public.example.com.", 400, ""),
        ("private.example.com", 401, ""),
        ("else.example.com", 401, ""),
    ] {
        let request = Request::get("/any").host(host).bearer("hush-for-public");
        let response = request.send(world.port("resources"));
        assert_eq!((response.status(), seen(&world)), (status, api.to_owned()), "{host}");
    }
}

#[test]
fn no_spelling_of_a_path_leads_around_a_rule() {
    // PTH-10, PTH-11
    let world = world();
    for (path, status) in [
        ("/any", 200),
        ("/any;x=1", 200),
        ("/admin", 403),
        ("/admin/users;x=1", 403),
        ("/admin;x=1", 400),
        ("/admin%3Bx", 400),
        ("/;x/admin", 400),
        ("/ADMIN", 403),
        ("/closed/", 403),
        ("/closed", 403),
        ("/drafts[1]", 403),
        ("/drafts%5B1%5D", 403),
    ] {
        let response =
            Request::get(path).host("private.example.com").bearer("hush-good").send(world.port("plain"));
        assert_eq!(response.status(), status, "{path}");
    }
    assert_eq!(world.upstream.take().len(), 2);
}

#[test]
fn no_odd_method_and_no_odd_field_leads_around_a_rule() {
    // PTH-13, PTH-14, PTH-15
    let world = world();
    let of = |method: &str, path: &str| {
        Http2Request::new(method, path).header("authorization", "Bearer hush-good")
    };
    #[rustfmt::skip]
    let cases = [
        ("another method",         of("GET", "/orders"),                                               200),
        ("the method",             of("DELETE", "/orders"),                                            403),
        ("in lower case",          of("delete", "/orders"),                                            400),
        ("in mixed case",          of("Delete", "/orders"),                                            400),
        ("in a field",             of("POST", "/orders").header("x-http-method-override", "DELETE"),   400),
        ("in the query",           of("POST", "/orders?_method=delete"),                               400),
        ("in PHP's query",         of("POST", "/orders?.method=delete"),                               400),
        ("with a dot",             of("GET", "/reports").header("x.tier", "gold"),                     400),
        ("another field's value",  of("GET", "/reports").header("x-tier", "silver"),                   200),
        ("the field's value",      of("GET", "/reports").header("x-tier", "gold"),                     403),
        ("twice",                  of("GET", "/reports").header("x-tier", "gold").header("x-tier", "gold"), 400),
        ("in a list",              of("GET", "/reports").header("x-tier", "gold, silver"),             400),
        ("with an underscore",     of("GET", "/reports").header("x_tier", "gold"),                     400),
        ("a joined field",         of("GET", "/reports").header("accept", "a/b").header("accept", "text/csv"), 400),
    ];
    for (name, request, status) in cases {
        assert_eq!(request.send(world.port("plain")).status, status, "{name}");
    }
    assert_eq!(world.upstream.take().len(), 2);
}

/// The API that has seen the latest request.
fn seen(world: &World) -> String {
    let seen = world.upstream.take();
    seen.last().map(|request| request.all("x-api").join(",")).unwrap_or_default()
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    let world = WORLD.world(stage);
    world.server.on("hush-good", [Behaviour::active("read")]);
    let body = r#"{"active":true,"scope":"read","aud":"https://public.example.com/"}"#;
    world.server.on("hush-for-public", [Behaviour::json(body)]);
    world
}

fn stage() -> Stage {
    let rules = json!([
        {"match": {"hosts": ["public.example.com"]}, "access": "anonymous"},
        {"match": {"prefix": "/admin"}, "requires": {"scopes": ["admin"]}},
        {"match": {"path": "/closed"}, "access": "deny"},
        {"match": {"path": "/drafts[1]"}, "access": "deny"},
        {"match": {"prefix": "/orders", "methods": ["DELETE"]}, "access": "deny"},
        {"match": {"prefix": "/reports", "headers": [{"name": "x-tier", "exact": "gold"}]}, "access": "deny"},
        {"match": {"prefix": "/reports", "headers": [{"name": "accept", "exact": "text/csv"}]}, "access": "deny"},
    ]);
    let resources = json!([{"identifier": "https://private.example.com/"}, {"identifier": "https://public.example.com/"}]);
    let plain = policy(json!({"rules": rules}));
    let ignored = policy(json!({"rules": rules, "matching": {"host_port": "ignore"}}));
    let listener = |configuration: Value, manager: Value| {
        let mut whole = json!({"route_config": {"virtual_hosts": [
            virtual_host("public", "public.example.com"),
            virtual_host("private", "*"),
        ]}});
        tollgate_e2e::world::merge(&mut whole, manager);
        Plugin { manager: whole, ..Plugin::new(configuration) }
    };
    Stage::new()
        .listener("plain", listener(plain.clone(), json!({})))
        .listener(
            "ignored",
            listener(ignored, json!({"route_config": {"ignore_port_in_host_matching": true}})),
        )
        .listener(
            "stripped",
            listener(plain, json!({"strip_any_host_port": true, "strip_trailing_host_dot": true})),
        )
        .listener("resources", listener(policy(json!({"resource": resources})), json!({})))
}

fn virtual_host(name: &str, domain: &str) -> Value {
    json!({"name": name, "domains": [domain], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
        "request_headers_to_add": [{"header": {"key": "x-api", "value": name}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]})
}
