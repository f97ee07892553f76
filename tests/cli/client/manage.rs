//! The client configuration endpoint (RFC 7592): MUL-10 is all of this.

use serde_json::{Value, json};

use super::servers::{asked, created, merged, oidc_provider, refusal};
use super::{client, register, says, stored};
use crate::support::{Answer, Scripted, Tollgate};

/// A client `gateway` of a server that answers RFC 7592 requests as told.
fn managed(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> (Tollgate, Scripted) {
    let server = Scripted::start(move |own, got| match got.method.as_str() {
        "POST" => Answer::json(201, created(own, &got.json())),
        method => answer(own, method),
    });
    let tollgate = Tollgate::new();
    says("registered", &register(&tollgate, &server, &["--scope", "read"]), 0, &[]);
    (tollgate, server)
}

/// The good answer to a read, changed.
fn view(own: &str, change: &Value) -> Answer {
    let metadata = json!({"client_name": "gateway", "scope": "read", "x_extension": {"deep": [1]}});
    Answer::json(200, merged(&created(own, &metadata), change))
}

#[test]
fn a_client_is_read_changed_and_deleted() {
    let (server, tollgate) = (oidc_provider(), Tollgate::new());
    let issuer = server.origin.clone();
    let args = [
        "client",
        "register",
        "gateway",
        "--allow-http",
        "--initial-access-token",
        "initial",
        "--issuer",
        &issuer,
    ];
    says("MUL-10 registered", &tollgate.run(args), 0, &[]);
    says(
        "DCR-14 show",
        &client(&tollgate, "show gateway --refresh --allow-http"),
        0,
        &["op-1", "client_credentials"],
    );
    assert_eq!(asked(&server, "GET").last().unwrap().header("authorization"), Some("Bearer rat-1"), "DCR-13");
    let run = client(&tollgate, "update gateway --client-name Orders --allow-http");
    says("DCR-16 update", &run, 0, &["changed gateway"]);
    let put = asked(&server, "PUT")[0].json();
    for name in [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ] {
        assert!(put.get(name).is_none(), "DCR-15: {name} in {put}");
    }
    assert_eq!(
        (&put["client_id"], &put["client_secret"]),
        (&json!("op-1"), &json!("op-secret")),
        "DCR-15, DCR-17"
    );
    assert_eq!(
        (&put["client_name"], &put["grant_types"]),
        (&json!("Orders"), &json!(["client_credentials"])),
        "DCR-16"
    );
    assert_eq!(
        (&put["subject_type"], &put["x_lab"]),
        (&json!("public"), &json!({"kept": true})),
        "DCR-16 extensions are kept"
    );
    assert_eq!(
        stored(&tollgate, "default")["clients"]["gateway"]["registration_access_token"],
        "rat-2",
        "the rotated token"
    );
    says("DCR-14 with the new token", &client(&tollgate, "update gateway --scope read --allow-http"), 0, &[]);
    says(
        "MUL-10, DCR-19 delete",
        &client(&tollgate, "delete gateway --allow-http"),
        0,
        &["deleted gateway at 127.0.0.1"],
    );
    assert_eq!(asked(&server, "DELETE")[0].header("authorization"), Some("Bearer rat-3"));
    says(
        "gone here too",
        &client(&tollgate, "show gateway"),
        2,
        &["there is no client \"gateway\"", "It has no client yet."],
    );
}

#[test]
fn new_secrets_and_tokens_replace_the_old_at_once() {
    let (tollgate, server) = managed(|own, _| {
        let fresh = json!({"client_secret": "second-secret", "registration_access_token": "second-token"});
        view(own, &merged(&fresh, &json!({"client_secret_expires_at": 1_893_456_000})))
    });
    says(
        "DCR-14 show",
        &client(&tollgate, "show gateway --refresh --allow-http"),
        0,
        &["the client secret has changed", "until 2030-01-01T00:00:00Z"],
    );
    let held = stored(&tollgate, "default")["clients"]["gateway"].clone();
    assert_eq!(
        (&held["client_secret"], &held["registration_access_token"]),
        (&json!("second-secret"), &json!("second-token")),
        "DCR-14"
    );
    assert!(!held.to_string().contains("first-"), "DCR-14 the old ones are gone: {held}");
    client(&tollgate, "show gateway --refresh --allow-http");
    assert_eq!(asked(&server, "GET")[1].header("authorization"), Some("Bearer second-token"), "DCR-14");
}

#[test]
fn what_is_no_secret_does_not_replace_one() {
    for (name, secret) in [
        ("Spring's hash", json!("{bcrypt}$2a$10$LKz9X8")),
        ("a bare hash", json!("$2a$10$LKz9X8")),
        ("stars", json!("********")),
        ("nothing", json!("")),
        ("nothing at all", Value::Null),
    ] {
        let (tollgate, _server) = managed(move |own, _| view(own, &json!({"client_secret": secret})));
        says(name, &client(&tollgate, "show gateway --refresh --allow-http"), 0, &[]);
        assert_eq!(
            stored(&tollgate, "default")["clients"]["gateway"]["client_secret"],
            "first-secret",
            "DCR-14 {name}"
        );
    }
}

#[test]
fn answers_that_cannot_be_used_change_nothing() {
    #[rustfmt::skip]
    let cases: [(&str, &str, fn(&str) -> Answer, &[&str]); 11] = [
        ("DCR-18, ATK-120 another id on a read", "show gateway --refresh", |own| view(own, &json!({"client_id": "c-2"})), &["it is about the client \"c-2\", not \"c-1\""]),
        ("DCR-18, ATK-120 another id on an update", "update gateway --scope x", |own| view(own, &json!({"client_id": "c-2"})), &["\"c-2\""]),
        ("ATK-120 no id", "show gateway --refresh", |own| view(own, &json!({"client_id": null})), &["it has no client_id"]),
        ("ATK-120 a secret of yesterday", "show gateway --refresh", |own| view(own, &json!({"client_secret": "s", "client_secret_expires_at": 1})), &["has expired already"]),
        ("ATK-120 HTML", "show gateway --refresh", |_| Answer::text(200, "text/html", "<p>log in</p>"), &["found text/html", "did not change"]),
        ("DCR-20 401", "show gateway --refresh", |_| refusal(401, "invalid_token", "gone"), &["does not know the client \"gateway\" any more", "tollgate client forget gateway"]),
        ("DCR-20 401 on delete", "delete gateway", |_| Answer::status(401), &["Nothing was changed here", "tollgate client forget gateway"]),
        ("DCR-19 403", "delete gateway", |_| refusal(403, "access_denied", "no"), &["does not allow this client to be managed in this way (403 access_denied: no)"]),
        ("DCR-19 405", "delete gateway", |_| Answer::status(405), &["does not offer to delete clients in this way (405)", "own console", "tollgate client forget gateway"]),
        ("DCR-23 a redirect", "update gateway --scope x", |_| Answer::status(307).header("location", "https://elsewhere.example/"), &["307, a redirect to https://elsewhere.example/, which is not followed"]),
        ("unwell", "delete gateway", |_| Answer::status(502), &["has an internal error (502)", "Try again later"]),
    ];
    for (name, args, answer, sentences) in cases {
        let (tollgate, server) = managed(move |own, _| answer(own));
        let before = stored(&tollgate, "default");
        let sent = server.received().len();
        says(name, &client(&tollgate, &format!("{args} --allow-http")), 2, sentences);
        assert_eq!(stored(&tollgate, "default"), before, "{name}: kept as it was");
        assert_eq!(server.received().len(), sent + 1, "{name}: DCR-20 no second try");
    }
}

#[test]
fn both_the_uri_and_the_token_are_needed() {
    for (name, change) in [
        ("DCR-21 no URI", json!({"registration_client_uri": null})),
        ("DCR-21 no token", json!({"registration_access_token": null})),
    ] {
        let server = super::servers::but(change);
        let tollgate = Tollgate::new();
        says(name, &register(&tollgate, &server, &[]), 0, &[]);
        for args in
            ["show gateway --refresh", "update gateway --scope x", "delete gateway", "rotate-secret gateway"]
        {
            let run = client(&tollgate, &format!("{args} --allow-http"));
            says(
                name,
                &run,
                2,
                &["cannot be managed with what is stored (RFC 7592 §3)", "--authorization-file"],
            );
        }
        assert_eq!(server.received().len(), 1, "{name}: nothing is sent");
    }
}

#[test]
fn a_member_can_be_taken_away() {
    let (tollgate, server) = managed(|own, _| view(own, &json!({})));
    let run = client(&tollgate, "update gateway --unset x_extension --allow-http");
    says("--unset", &run, 0, &["x_extension: removal was requested, and it is still there"]);
    assert!(asked(&server, "PUT")[0].json().get("x_extension").is_none());
    says("--strict", &client(&tollgate, "update gateway --unset x_extension --strict --allow-http"), 1, &[]);
    says("nothing", &client(&tollgate, "update gateway"), 2, &["there is nothing to change"]);
    says(
        "DCR-17",
        &client(&tollgate, "update gateway --unset client_secret"),
        2,
        &["client_secret is set by the server"],
    );
    says(
        "a mistyped name",
        &client(&tollgate, "update gatewya --scope x"),
        2,
        &["Did you mean \"gateway\"?"],
    );
}

#[test]
fn deleting_here_and_there_are_two_acts() {
    let tollgate = Tollgate::new();
    let server = oidc_provider();
    let issuer = server.origin.clone();
    let args = [
        "client",
        "register",
        "gateway",
        "--allow-http",
        "--initial-access-token",
        "initial",
        "--issuer",
        &issuer,
    ];
    tollgate.run(args);
    client(&tollgate, "allow partners gateway");
    says(
        "here alone",
        &client(&tollgate, "forget gateway"),
        0,
        &["removed gateway from the store; 127.0.0.1 still has it", "took it off: partners"],
    );
    assert!(asked(&server, "DELETE").is_empty(), "the provider is not asked");
    tollgate.run(args);
    says(
        "there alone",
        &client(&tollgate, "delete gateway --keep --allow-http"),
        0,
        &["it is still known here"],
    );
    says("it is", &client(&tollgate, "show gateway"), 0, &["op-1"]);
    says(
        "DCR-20 a second time",
        &client(&tollgate, "delete gateway --allow-http"),
        2,
        &["does not know the client"],
    );
    says("it is known still", &client(&tollgate, "forget gateway"), 0, &[]);
}

#[test]
fn a_secret_is_rotated_where_the_server_gives_a_new_one() {
    let (tollgate, server) = managed(|own, method| {
        view(own, &if method == "PUT" { json!({"client_secret": "second-secret"}) } else { json!({}) })
    });
    says(
        "by an update",
        &client(&tollgate, "rotate-secret gateway --allow-http"),
        0,
        &["has a new secret", "secret-file gateway"],
    );
    assert!(asked(&server, "PUT")[0].json().get("client_secret").is_none());
    assert_eq!(stored(&tollgate, "default")["clients"]["gateway"]["client_secret"], "second-secret");
    let (tollgate, _server) = managed(|own, _| view(own, &json!({})));
    let run = client(&tollgate, "rotate-secret gateway --allow-http");
    says(
        "not offered",
        &run,
        1,
        &[
            "gave gateway no new secret, because it does not support this",
            "register a second client",
            "tollgate client delete gateway",
        ],
    );
    let run = client(&tollgate, "rotate-secret gateway --allow-http --json");
    assert_eq!((run.status, run.json()["new_secret"].clone()), (1, json!(false)));
    let (tollgate, _server) = managed(|own, method| {
        view(
            own,
            &if method == "PUT" {
                json!({"client_secret": "second"})
            } else {
                json!({"client_secret_expires_at": 1})
            },
        )
    });
    says(
        "though the old one has expired",
        &client(&tollgate, "rotate-secret gateway --allow-http"),
        0,
        &["has a new secret"],
    );
}

#[test]
fn every_command_has_an_answer_for_scripts() {
    let (tollgate, _server) = managed(|own, method| match method {
        "DELETE" => Answer::status(204),
        _ => view(own, &json!({})),
    });
    #[rustfmt::skip]
    let cases = [
        ("allow", "allow partners gateway --tier gold", json!({"list": "partners", "client": {"id": "c-1", "name": "gateway", "tier": "gold"}})),
        ("lists", "lists partners", json!({"partners": {"clients": [{"id": "c-1", "name": "gateway", "tier": "gold"}]}})),
        ("update", "update gateway --client-name gateway --allow-http", json!({"name": "gateway", "new_secret": false, "warnings": []})),
        ("rotate-secret", "rotate-secret gateway --allow-http", json!({"name": "gateway", "new_secret": false, "client_secret_expires_at": 0})),
        ("secret-file", "secret-file gateway --out secret", json!({"file": "secret"})),
        ("delete --keep", "delete gateway --keep --allow-http", json!({"deleted_at_provider": true, "forgotten_here": false, "lists": []})),
        ("delete", "delete gateway --allow-http", json!({"deleted_at_provider": true, "forgotten_here": true, "lists": ["partners"]})),
        ("drop-list", "drop-list partners", json!({"dropped": "partners"})),
        ("list", "list", json!([])),
        ("a failure", "show gateway", json!({"error": "there is no client \"gateway\" in the environment \"default\"", "help": "It has no client yet."})),
    ];
    for (name, args, want) in cases {
        let run = client(&tollgate, &format!("{args} --json"));
        assert_eq!((run.json(), run.stderr.as_str()), (want, ""), "{name}");
    }
}

#[test]
fn a_secret_that_has_expired_is_shown_so() {
    let tollgate = Tollgate::new();
    let known = json!({
        "provider": "login.example.com", "client_id": "c-1", "client_secret": "hush", "client_secret_expires_at": 1_000_000_000,
        "token_endpoint_auth_method": "client_secret_basic", "metadata": {"initiate_secret": "hush", "logo_uri": null},
    });
    tollgate.write("store/default.json", json!({"clients": {"gateway": known}}).to_string());
    says("DCR-05 in the list", &client(&tollgate, "list"), 0, &["EXPIRED 2001-09-09T01:46:40Z"]);
    let run = client(&tollgate, "show gateway");
    says("DCR-05 shown", &run, 0, &["EXPIRED 2001-09-09T01:46:40Z", "by the registration credential"]);
    assert!(
        !run.stdout.contains("hush") && !run.stdout.contains("logo_uri"),
        "DCR-12 secrets by other names: {run:?}"
    );
    says(
        "no provider to ask",
        &client(&tollgate, "show gateway --refresh"),
        2,
        &["the store does not contain the provider \"login.example.com\""],
    );
}
