//! Real products and their customs, from registration to deletion.

use serde_json::json;

use super::servers::{asked, keycloak, okta, openam, salesforce, spring};
use super::{client, says, stored};
use crate::support::{Scripted, Tollgate};

#[test]
fn products_have_customs() {
    let run = |server: &Scripted, args: &[&str]| {
        let tollgate = Tollgate::new();
        let all = ["client", "register", "gateway", "--allow-http"].iter().chain(args);
        (tollgate.run(all), asked(server, "POST").first().cloned(), tollgate)
    };
    let server = okta();
    let issuer = format!("{}/oauth2/default", server.origin);
    let (okta, sent, _) =
        run(&server, &["--issuer", &issuer, "--preset", "okta", "--initial-access-token", "api-token"]);
    says("Okta", &okta, 0, &["okta-1"]);
    let sent = sent.unwrap();
    assert_eq!(sent.header("authorization"), Some("SSWS api-token"), "DCR-02 Okta's own scheme");
    assert_eq!(
        (&sent.json()["application_type"], &sent.json()["response_types"]),
        (&json!("service"), &json!(["token"]))
    );

    let server = openam();
    let base = format!("{}/openam/oauth2", server.origin);
    let args = [
        "--preset",
        "openam",
        "--base-url",
        &base,
        "--initial-access-token",
        "initial",
        "--scope",
        "read write",
    ];
    let (openam, sent, tollgate) = run(&server, &args);
    says(
        "OpenAM, without discovery",
        &openam,
        0,
        &["am-1", "scope: requested read write, got read write openid"],
    );
    let sent = sent.unwrap().json();
    assert_eq!(
        (&sent["scope"], &sent["scopes"]),
        (&json!("read write"), &json!(["read", "write"])),
        "under both names"
    );
    let endpoints = &stored(&tollgate, "default")["providers"]["127.0.0.1"]["endpoints"];
    assert_eq!(endpoints["introspection_endpoint"], format!("{base}/introspect"), "what it does not publish");
    let (openam, ..) = run(&server, &["--preset", "openam", "--base-url", &base]);
    says(
        "OpenAM without a token",
        &openam,
        2,
        &["400 access_denied: Access Token not valid", "requires an initial access token"],
    );

    let server = keycloak();
    let issuer = format!("{}/realms/lab", server.origin);
    let (keycloak, _, tollgate) = run(&server, &["--issuer", &issuer, "--initial-access-token", "initial"]);
    says(
        "Keycloak",
        &keycloak,
        0,
        &["kc-1", "response_types: requested none, got code none", "--preset keycloak"],
    );
    let provider = stored(&tollgate, "default")["providers"]["127.0.0.1"].clone();
    assert_eq!(provider["preset"], "keycloak", "its address gives it away");
    let introspection = format!("{issuer}/protocol/openid-connect/token/introspect");
    assert_eq!(provider["endpoints"]["introspection_endpoint"], introspection, "what the document left out");
    let (keycloak, ..) = run(&server, &["--issuer", &issuer]);
    says(
        "Keycloak without a token",
        &keycloak,
        2,
        &["403 insufficient_scope: Policy 'Trusted Hosts' rejected", "requires an initial access token"],
    );
    let (keycloak, ..) = run(&server, &["--issuer", &issuer, "--initial-access-token", "stale"]);
    says("Keycloak with a stale token", &keycloak, 2, &["Failed decode token", "already used or expired"]);

    let server = spring();
    let endpoint = format!("{}/connect/register", server.origin);
    let (spring, ..) = run(&server, &["--issuer", &server.origin, "--initial-access-token", "once"]);
    says("Spring", &spring, 0, &["sp-1"]);
    let (spring, ..) =
        run(&server, &["--registration-endpoint", &endpoint, "--initial-access-token", "once"]);
    says("Spring, a second time", &spring, 2, &["401 invalid_token", "already used"]);
    let (spring, ..) = run(&server, &["--registration-endpoint", &endpoint]);
    says("Spring without a token", &spring, 2, &["401 Bearer", "requires an initial access token"]);

    let server = salesforce();
    let (salesforce, ..) = run(
        &server,
        &["--issuer", &server.origin, "--preset", "salesforce", "--initial-access-token", "initial"],
    );
    says("Salesforce, register_endpoint", &salesforce, 0, &["3MVG9lab"]);
}

#[test]
fn okta_takes_the_registration_credential() {
    let (server, tollgate) = (okta(), Tollgate::new().variable("TOLLGATE_INITIAL_ACCESS_TOKEN", "api-token"));
    let issuer = format!("{}/oauth2/default", server.origin);
    let args = ["client", "register", "gateway", "--allow-http", "--issuer", &issuer, "--preset", "okta"];
    says("register", &tollgate.run(args), 0, &["okta-1"]);
    let run = client(&tollgate, "show gateway --refresh --allow-http --reveal-secret");
    says("read below the registration endpoint; the secret stays", &run, 0, &["okta-secret-1"]);
    assert_eq!(asked(&server, "GET").last().unwrap().target, "/oauth2/v1/clients/okta-1");
    says("update", &client(&tollgate, "update gateway --client-name Orders --allow-http"), 0, &[]);
    let put = asked(&server, "PUT")[0].json();
    assert!(
        put.get("client_secret").is_none() && put.get("logo_uri").is_none(),
        "no secret, no nulls: {put}"
    );
    assert_eq!(
        (&put["application_type"], &put["client_name"]),
        (&json!("service"), &json!("Orders")),
        "all settings"
    );
    says("rotate-secret", &client(&tollgate, "rotate-secret gateway --allow-http"), 0, &["has a new secret"]);
    assert_eq!(stored(&tollgate, "default")["clients"]["gateway"]["client_secret"], "okta-secret-2");
    assert_eq!(
        asked(&server, "POST").last().unwrap().target,
        "/oauth2/v1/clients/okta-1/lifecycle/newSecret"
    );
    let args = ["client", "register", "twin", "--allow-http", "--provider", "127.0.0.1"];
    says("a name twice", &tollgate.run(args), 2, &["client_name: An object with this field already exists"]);
    let run = client(&tollgate, "delete gateway --allow-http --authorization-file nowhere");
    says("a credential that is typed wins", &run, 2, &["cannot read nowhere"]);
    let run = client(&tollgate, "delete gateway --allow-http --initial-access-token wrong");
    says("a wrong one", &run, 2, &["refuses the credential (401 Invalid token provided)"]);
    says("delete", &client(&tollgate, "delete gateway --allow-http"), 0, &["deleted gateway"]);
}

#[test]
fn what_a_server_does_not_offer_is_said_so() {
    let (server, tollgate) = (openam(), Tollgate::new());
    let base = format!("{}/openam/oauth2", server.origin);
    let args = [
        "client",
        "register",
        "gateway",
        "--allow-http",
        "--preset",
        "openam",
        "--base-url",
        &base,
        "--initial-access-token",
        "initial",
    ];
    says("OpenAM", &tollgate.run(args), 0, &[]);
    says("reads", &client(&tollgate, "show gateway --refresh --allow-http"), 0, &["am-1"]);
    let run = client(&tollgate, "update gateway --scope read --allow-http");
    says("no updates", &run, 2, &["does not offer to change clients in this way (405", "own console"]);
    assert_eq!(asked(&server, "PUT")[0].json()["scopes"], json!(["read"]), "OpenAM's own name");
    says(
        "no deletion",
        &client(&tollgate, "delete gateway --allow-http"),
        2,
        &["does not offer to delete clients", "client forget gateway"],
    );
    says(
        "no rotation",
        &client(&tollgate, "rotate-secret gateway --allow-http"),
        2,
        &["does not offer to give new secrets"],
    );

    let (server, tollgate) = (spring(), Tollgate::new());
    let endpoint = format!("{}/connect/register", server.origin);
    let args = [
        "client",
        "register",
        "gateway",
        "--allow-http",
        "--registration-endpoint",
        &endpoint,
        "--initial-access-token",
        "once",
    ];
    says("Spring", &tollgate.run(args), 0, &[]);
    let run = client(&tollgate, "show gateway --refresh --allow-http --reveal-secret");
    says("the hash is no secret", &run, 0, &["sp-secret", "a hash in place of the client secret"]);
    says(
        "302",
        &client(&tollgate, "delete gateway --allow-http"),
        2,
        &[
            "does not offer to delete clients in this way (302, a redirect to",
            "/login, which is not followed)",
        ],
    );
}

#[test]
fn keycloaks_token_changes_with_every_read() {
    let (server, tollgate) = (keycloak(), Tollgate::new());
    let issuer = format!("{}/realms/lab", server.origin);
    let args = [
        "client",
        "register",
        "gateway",
        "--allow-http",
        "--issuer",
        &issuer,
        "--initial-access-token",
        "initial",
    ];
    says("register", &tollgate.run(args), 0, &[]);
    says("update", &client(&tollgate, "update gateway --client-name Orders --allow-http"), 0, &[]);
    assert_eq!(asked(&server, "GET").last().unwrap().header("authorization"), Some("Bearer kc-rat-1"));
    assert_eq!(
        asked(&server, "PUT")[0].header("authorization"),
        Some("Bearer kc-rat-2"),
        "DCR-14 the token that the read gave"
    );
    says("delete", &client(&tollgate, "delete gateway --allow-http"), 0, &[]);
    assert_eq!(asked(&server, "DELETE")[0].header("authorization"), Some("Bearer kc-rat-3"));
}
