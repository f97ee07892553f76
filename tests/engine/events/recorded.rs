//! What Keycloak 26.7 and oidc-provider 9.13 have really sent (`tests/events`).

use std::path::Path;

use serde_json::{Value, json};

use super::{Workers, config, status};
use crate::ROOT;

/// A message, the status that it gets, and the members of tokens about which this worker then asks again.
#[rustfmt::skip]
const KEYCLOAK: [(&str, u16, &str); 11] = [
    ("set-logout-refresh-token",      202, r#"{"sid": "cz8IEUdg7HJ_BOdsX0LESfCg"}"#),
    ("set-admin-logout-user",         202, r#"{"sub": "af7b5550-065e-40af-a5fa-72426155d1b1", "sid": "any"}"#),
    ("set-admin-reset-password",      202, r#"{"sub": "92ddac58-259a-4cfe-b40a-bbbe71a14a64", "sid": "any"}"#),
    ("set-subject-formats-rsse",      202, r#"{"sid": "zdx5t5CURLYgWWcD9B8TgEVL"}"#),
    ("set-subject-formats-remail",    202, r#"{"sid": "zdx5t5CURLYgWWcD9B8TgEVL"}"#),
    ("set-user-changes-password-1",   202, r#"{"sid": "UWVkcoOUUQrk0vBUwQjjIz8h"}"#),
    ("set-verification",              202, "null"),
    ("set-stream-paused-rstat",       202, "null"),
    ("bcl-logout-refresh-token",      200, r#"{"sid": "cz8IEUdg7HJ_BOdsX0LESfCg"}"#),
    ("bcl-logout-pairwise-es256-web-es", 200, r#"{"sid": "2T8ERFqPkIb5LlPylxDebbrZ"}"#),
    ("bcl-admin-logout-user",         200, r#"{"sid": "ljNKZebrKmpSZ5uDdkW2pUwA"}"#),
];
#[rustfmt::skip]
const OIDC_PROVIDER: [(&str, u16, &str); 7] = [
    ("bcl-end-session-confirmed-app",   200, r#"{"sid": "qUGpecIhbYBngu9iO_bbRFKpm6AlKisKjOLtbCmX8ML"}"#),
    ("bcl-end-session-confirmed-es",    200, r#"{"sid": "sNG0eajoDTIwrij_BW3DyIRZ1eK9jBzBIXgwKh2OvXs"}"#),
    ("bcl-end-session-confirmed-nosid", 200, r#"{"sub": "alice", "sid": "any"}"#),
    ("bcl-end-session-confirmed-pair",  200, r#"{"sub": "3baa379b47fbc36edfe4f8aa050d10d0c63d69e10e2f393ef568b995f8f83f57"}"#),
    ("bcl-end-session-declined-app",    200, r#"{"sid": "BRin5Qm46qoEKWd7G6LmAfNg28WVgLd9nUm8pQMZjvn"}"#),
    ("bcl-end-session-confirmed-hs",    400, "null"),
    ("bcl-end-session-encrypted-enc",   400, "null"),
];

#[test]
fn events_of_real_servers() {
    // EVT-01, EVT-02
    for (server, cases) in [("keycloak", &KEYCLOAK[..]), ("oidc-provider", &OIDC_PROVIDER[..])] {
        let keys = read(server, "jwks");
        for (name, want, members) in cases {
            let message = read(server, name);
            let claims = &message["jwt"]["payload"];
            let mut config = config();
            let (issuer, audience) = (&claims["iss"], &claims["aud"]);
            config["providers"]["main"]["issuer"] =
                if issuer.is_null() { json!("http://127.0.0.1:19080") } else { issuer.clone() };
            config["providers"]["main"]["jwks"]["inline"]["keys"] = usable(&keys);
            config["revocation"]["events"][0]["audiences"] = json!([audience.as_str().unwrap_or("enc")]);
            let mut workers = Workers::new(config, 1);
            let received = message["received_at"].as_u64().unwrap();
            workers.millis = 0;
            workers.pass((received - 1) * 1000);
            let members: Value = serde_json::from_str(members).unwrap();
            let members = if members.is_null() { json!({"sub": "nobody"}) } else { members };
            assert_eq!(workers.ask(0, "it", &members).1, 1, "{name}");
            assert_eq!(workers.ask(0, "other", &json!({"sub": "other", "sid": "other"})).1, 1, "{name}");
            workers.pass(1000);
            let body = message["request"]["body"].as_str().unwrap();
            let headers = message["request"]["headers"].as_array().unwrap();
            let media_type = headers.iter().find(|field| {
                field[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("content-type"))
            });
            let stream = workers.push(0, media_type.unwrap()[1].as_str().unwrap(), body);
            assert_eq!(status(workers.all[0].end(stream).unwrap()), *want, "{name}");
            workers.pass(5);
            let revokes = members != json!({"sub": "nobody"});
            assert_eq!(workers.ask(0, "it", &members).1, usize::from(revokes), "{name}");
            assert_eq!(workers.ask(0, "other", &json!({})).1, 0, "{name}");
        }
    }
}

fn read(server: &str, name: &str) -> Value {
    let path = Path::new(ROOT).join(format!("tests/events/{server}/{name}.json"));
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

/// Keycloak publishes its key for encryption among the others.
fn usable(keys: &Value) -> Value {
    keys["keys"].as_array().unwrap().iter().filter(|key| key["use"] != "enc").cloned().collect()
}
