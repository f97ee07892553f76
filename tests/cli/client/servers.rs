//! Authorization servers as they were seen to behave, each with its deviations.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::support::{Answer, Received, Scripted};

/// What a server keeps of its clients, by id: the metadata, and the registration access token's count.
type Clients = Mutex<BTreeMap<String, (Value, u32)>>;

/// Answers every request with this.
pub(super) fn always(answer: Answer) -> Scripted {
    Scripted::start(move |_, _| answer.clone())
}

/// The answer of a server that does everything right, to `asked`.
pub(super) fn created(own: &str, asked: &Value) -> Value {
    merged(
        asked,
        &json!({
            "client_id": "c-1", "client_secret": "first-secret", "client_secret_expires_at": 0,
            "client_id_issued_at": 1_795_389_130_u64,
            "registration_client_uri": format!("{own}/reg/c-1"), "registration_access_token": "first-token",
        }),
    )
}

/// A server that does everything right, but for what `change` makes of its answer.
pub(crate) fn but(change: Value) -> Scripted {
    Scripted::start(move |own, got| Answer::json(201, merged(&created(own, &got.json()), &change)))
}

/// The second object over the first; null takes a member away.
pub(super) fn merged(one: &Value, other: &Value) -> Value {
    let mut members = one.as_object().unwrap().clone();
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    Value::Object(members)
}

/// oidc-provider 9: all of RFC 7592; the registration access token is another one after each update, the
/// old one is void at once, and members that are the server's may not be sent back.
pub(super) fn oidc_provider() -> Scripted {
    let clients = Clients::default();
    Scripted::start(move |own, got| {
        let mut clients = clients.lock().unwrap();
        let token = |count: u32| format!("rat-{count}");
        let view = |id: &str, metadata: &Value, count: u32| {
            merged(
                metadata,
                &json!({
                    "client_id": id, "client_secret": "op-secret", "client_secret_expires_at": 0,
                    "client_id_issued_at": 1_795_389_130_u64,
                    "registration_client_uri": format!("{own}/reg/{id}"), "registration_access_token": token(count),
                }),
            )
        };
        match (got.method.as_str(), got.target.as_str()) {
            ("GET", "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration") => {
                discovery(own, "registration_endpoint", "/reg")
            }
            ("POST", "/reg") => {
                if got.header("authorization") != Some("Bearer initial") {
                    return refusal(401, "invalid_token", "no access token provided");
                }
                let metadata =
                    merged(&got.json(), &json!({"subject_type": "public", "x_lab": {"kept": true}}));
                clients.insert("op-1".to_owned(), (metadata.clone(), 1));
                Answer::json(201, view("op-1", &metadata, 1))
            }
            (method, target) => {
                let id = target.strip_prefix("/reg/").unwrap_or_default().to_owned();
                let known = clients.get(&id).filter(|(_, count)| {
                    got.header("authorization") == Some(format!("Bearer {}", token(*count)).as_str())
                });
                let Some((metadata, count)) = known.cloned() else {
                    return refusal(401, "invalid_token", "invalid token provided");
                };
                match method {
                    "GET" => Answer::json(200, view(&id, &metadata, count)),
                    "DELETE" => {
                        clients.remove(&id);
                        Answer::status(204)
                    }
                    _ => {
                        let asked = got.json();
                        for name in
                            ["client_id_issued_at", "registration_client_uri", "registration_access_token"]
                        {
                            if asked.get(name).is_some() {
                                let what = format!("request MUST NOT include the {name} field");
                                return refusal(400, "invalid_request", &what);
                            }
                        }
                        clients.insert(id.clone(), (asked.clone(), count.saturating_add(1)));
                        Answer::json(200, view(&id, &asked, count.saturating_add(1)))
                    }
                }
            }
        }
    })
}

/// Keycloak 26: a policy text without a token, response types of its own, and a new registration access
/// token with every answer.
pub(super) fn keycloak() -> Scripted {
    let (clients, count) = (Clients::default(), Mutex::new(0_u32));
    Scripted::start(move |own, got| {
        let mut clients = clients.lock().unwrap();
        let base = "/realms/lab/clients-registrations/openid-connect";
        let view = |metadata: &Value| {
            let mut count = count.lock().unwrap();
            *count = count.saturating_add(1);
            merged(
                metadata,
                &json!({
                    "client_id": "kc-1", "client_secret": "kc-secret", "client_secret_expires_at": 0,
                    "response_types": ["code", "none"], "subject_type": "public", "request_uris": [],
                    "registration_client_uri": format!("{own}{base}/kc-1"),
                    "registration_access_token": format!("kc-rat-{count}"),
                }),
            )
        };
        match (got.method.as_str(), got.target.as_str()) {
            ("GET", "/realms/lab/.well-known/openid-configuration") => {
                let issuer = format!("{own}/realms/lab");
                Answer::json(200, json!({"issuer": issuer, "registration_endpoint": format!("{own}{base}")}))
            }
            ("POST", target) if target == base => match got.header("authorization") {
                Some("Bearer initial") => {
                    clients.insert("kc-1".to_owned(), (got.json(), 0));
                    Answer::json(201, view(&got.json()))
                }
                Some(_) => refusal(401, "invalid_token", "Failed decode token"),
                None => refusal(403, "insufficient_scope", "Policy 'Trusted Hosts' rejected request"),
            },
            (method, target) if target == format!("{base}/kc-1") => {
                match (method, clients.get("kc-1").cloned()) {
                    (_, None) => refusal(401, "invalid_token", "Not authorized to view client."),
                    ("GET", Some((metadata, _))) => Answer::json(200, view(&metadata)),
                    ("DELETE", _) => {
                        clients.remove("kc-1");
                        Answer::status(204)
                    }
                    _ => {
                        clients.insert("kc-1".to_owned(), (got.json(), 0));
                        Answer::json(200, view(&got.json()))
                    }
                }
            }
            _ => Answer::status(404),
        }
    })
}

/// OpenAM 14: reads `scopes` and drops `scope`, says little of what it has registered, and does not offer
/// to change or delete. Its configuration URI has a query.
pub(super) fn openam() -> Scripted {
    let registered = Mutex::new(Value::Null);
    Scripted::start(move |own, got| {
        let mut registered = registered.lock().unwrap();
        let view = |asked: &Value| {
            let mut scopes = asked["scopes"].as_array().cloned().unwrap_or_default();
            scopes.push(json!("openid"));
            json!({
                "client_id": "am-1", "client_secret": "am-secret", "client_secret_expires_at": 0, "client_type": "Confidential",
                "client_name": asked["client_name"], "redirect_uris": asked["redirect_uris"], "scopes": scopes,
                "token_endpoint_auth_method": "client_secret_basic", "response_types": ["code"],
            })
        };
        match (got.method.as_str(), got.target.as_str()) {
            ("POST", "/openam/oauth2/connect/register") => {
                if got.header("authorization") != Some("Bearer initial") {
                    return refusal(400, "access_denied", "Access Token not valid");
                }
                *registered = got.json();
                let uri = format!("{own}/openam/oauth2/connect/register?client_id=am-1");
                let more = json!({"registration_client_uri": uri, "registration_access_token": "am-rat"});
                Answer::json(201, merged(&view(&registered), &more))
            }
            ("GET", "/openam/oauth2/connect/register?client_id=am-1") => Answer::json(200, view(&registered)),
            ("PUT" | "DELETE", "/openam/oauth2/connect/register?client_id=am-1") => {
                let body = json!({"code": 405, "reason": "Method Not Allowed", "message": "The method is not allowed"});
                Answer::json(405, body).header("allow", "POST, GET")
            }
            _ => Answer::status(404),
        }
    })
}

/// Spring Authorization Server 1.5: registers where its OpenID Connect document alone says, wants a redirect URI, an initial access token works once, reads show
/// a hash, and what is not offered leads to the login page.
pub(super) fn spring() -> Scripted {
    let used = Mutex::new(false);
    Scripted::start(move |own, got| {
        let view = |secret: &str| {
            json!({
                "client_id": "sp-1", "client_id_issued_at": 1_795_387_138_u64, "client_name": "gateway", "client_secret": secret,
                "redirect_uris": ["https://app.example/cb"], "grant_types": ["client_credentials", "authorization_code"],
                "response_types": ["code"], "token_endpoint_auth_method": "client_secret_basic",
                "registration_client_uri": format!("{own}/connect/register?client_id=sp-1"), "client_secret_expires_at": 0,
            })
        };
        match (got.method.as_str(), got.target.as_str()) {
            ("GET", "/.well-known/oauth-authorization-server") => Answer::json(200, json!({"issuer": own})),
            ("GET", "/.well-known/openid-configuration") => {
                discovery(own, "registration_endpoint", "/connect/register")
            }
            ("POST", "/connect/register") => {
                if got.header("authorization").is_none() {
                    return Answer::status(401).header("www-authenticate", "Bearer");
                }
                if std::mem::replace(&mut *used.lock().unwrap(), true) {
                    return Answer::json(401, json!({"error": "invalid_token"}));
                }
                Answer::json(201, merged(&view("sp-secret"), &json!({"registration_access_token": "sp-rat"})))
            }
            ("GET", _) => Answer::json(200, view("{bcrypt}$2a$10$LKz9X8Pdbkcdp1q")),
            _ => Answer::status(302).header("location", &format!("{own}/login;jsessionid=0D4E7E7A")),
        }
    })
}

/// Okta, as documented: `SSWS`, no token or URI per client, nulls, a secret that is shown once, and a call
/// of its own for a new one.
pub(super) fn okta() -> Scripted {
    let (clients, secrets) = (Clients::default(), Mutex::new(1_u32));
    Scripted::start(move |own, got| {
        let mut clients = clients.lock().unwrap();
        if got.target == "/oauth2/default/.well-known/oauth-authorization-server" {
            let issuer = format!("{own}/oauth2/default");
            return Answer::json(
                200,
                json!({"issuer": issuer, "token_endpoint": format!("{issuer}/v1/token")}),
            );
        }
        if got.header("authorization") != Some("SSWS api-token") {
            let body =
                json!({"errorCode": "E0000011", "errorSummary": "Invalid token provided", "errorId": "x"});
            return Answer::json(401, body);
        }
        let nulls = |metadata: &Value| {
            let mut members: Map<_, _> = metadata.as_object().unwrap().clone();
            members.insert("logo_uri".to_owned(), Value::Null);
            members.insert("client_id".to_owned(), json!("okta-1"));
            Value::Object(members)
        };
        let secret = |metadata: &Value, secret: &str| {
            merged(&nulls(metadata), &json!({"client_secret": secret, "client_secret_expires_at": 0}))
        };
        match (got.method.as_str(), got.target.as_str(), clients.get("okta-1").cloned()) {
            ("POST", "/oauth2/v1/clients", None) => {
                clients.insert("okta-1".to_owned(), (got.json(), 0));
                Answer::json(201, secret(&got.json(), "okta-secret-1"))
            }
            ("POST", "/oauth2/v1/clients", Some(_)) => {
                let what =
                    "client_name: An object with this field already exists in the current organization";
                refusal(400, "invalid_client_metadata", what)
            }
            (_, target, Some((metadata, _))) if target.starts_with("/oauth2/v1/clients/okta-1") => {
                match got.method.as_str() {
                    "GET" => Answer::json(200, nulls(&metadata)),
                    "PUT" => {
                        clients.insert("okta-1".to_owned(), (got.json(), 0));
                        Answer::json(200, nulls(&got.json()))
                    }
                    "POST" if target.ends_with("/lifecycle/newSecret") => {
                        let mut count = secrets.lock().unwrap();
                        *count = count.saturating_add(1);
                        Answer::json(200, secret(&metadata, &format!("okta-secret-{count}")))
                    }
                    _ => {
                        clients.remove("okta-1");
                        Answer::status(204)
                    }
                }
            }
            _ => refusal(401, "invalid_client", "Invalid value for 'client_id' parameter."),
        }
    })
}

/// Salesforce, as documented: its metadata has another name for the registration endpoint.
pub(super) fn salesforce() -> Scripted {
    Scripted::start(|own, got| match (got.method.as_str(), got.target.as_str()) {
        ("GET", "/.well-known/openid-configuration") => {
            discovery(own, "register_endpoint", "/services/oauth2/register")
        }
        ("POST", "/services/oauth2/register") if got.header("authorization") == Some("Bearer initial") => {
            let asked = got.json();
            let answer =
                json!({"client_id": "3MVG9lab", "client_secret": "sf-secret", "client_secret_expires_at": 0});
            Answer::json(201, merged(&asked, &answer))
        }
        _ => Answer::status(404),
    })
}

/// A refusal of RFC 7591 §3.2.2.
pub(super) fn refusal(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, json!({"error": error, "error_description": description}))
}

/// The requests with this method.
pub(super) fn asked(server: &Scripted, method: &str) -> Vec<Received> {
    server.received().into_iter().filter(|got| got.method == method).collect()
}

fn discovery(own: &str, name: &str, registration: &str) -> Answer {
    let mut document = json!({
        "issuer": own, "authorization_endpoint": format!("{own}/auth"), "token_endpoint": format!("{own}/token"),
        "introspection_endpoint": format!("{own}/introspect"), "jwks_uri": format!("{own}/jwks"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    document[name] = json!(format!("{own}{registration}"));
    Answer::json(200, document)
}
