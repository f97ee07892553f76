//! What is missing or suspicious in a document, but allowed.

use serde_json::Value;
use url::Url;

use super::{Discovered, ENDPOINTS};

/// Adds all remarks.
pub(super) fn add(found: &mut Discovered, issuer: &Url) {
    let mut remarks = Vec::new();
    missing(found, &mut remarks);
    other_hosts(found, issuer, &mut remarks);
    algorithms(found, &mut remarks);
    if found.metadata.contains_key("signed_metadata") {
        remarks.push("signed_metadata is not read; the unsigned members are used".to_owned());
    }
    if found.text("registration_endpoint").is_none() && found.text("register_endpoint").is_some() {
        remarks.push("registration_endpoint is called register_endpoint here".to_owned());
    }
    found.remarks.extend(remarks);
}

/// Members that the standard of the document requires.
fn missing(found: &Discovered, remarks: &mut Vec<String>) {
    let is_openid = found.url.path().contains("openid-configuration");
    let (standard, wanted): (_, &[&str]) = if is_openid {
        let wanted = &[
            "authorization_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ];
        ("OpenID Connect Discovery 1.0, section 3", wanted)
    } else {
        ("RFC 8414 §2", &["response_types_supported"])
    };
    let absent: Vec<_> = wanted.iter().filter(|name| !found.metadata.contains_key(**name)).copied().collect();
    if !absent.is_empty() {
        remarks.push(format!("{} missing, which {standard} requires", absent.join(", ")));
    }
}

/// Endpoints on other hosts: each host is one more to trust, and one more cluster.
fn other_hosts(found: &Discovered, issuer: &Url, remarks: &mut Vec<String>) {
    for name in ENDPOINTS {
        let Some(url) = found.text(name).and_then(|text| Url::parse(text).ok()) else { continue };
        if url.origin() != issuer.origin() {
            let origin = url.origin().ascii_serialization();
            remarks.push(format!(
                "{name} is on another host than the issuer, {origin}: it needs its own cluster"
            ));
        }
    }
}

/// Assertions need algorithms, and `none` must not be listed ([RFC 8414 §2]).
///
/// [RFC 8414 §2]: https://www.rfc-editor.org/rfc/rfc8414#section-2
fn algorithms(found: &Discovered, remarks: &mut Vec<String>) {
    for endpoint in ["introspection", "token"] {
        let methods = found.texts(&format!("{endpoint}_endpoint_auth_methods_supported")).unwrap_or_default();
        let signs = methods.iter().any(|method| method.ends_with("_jwt"));
        let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
        let listed = found.texts(&name);
        match listed {
            None if signs => remarks.push(format!(
                "{name} is missing, so assertions (private_key_jwt, client_secret_jwt) are not chosen"
            )),
            Some(listed) if listed.contains(&"none") => {
                remarks.push(format!("{name} lists \"none\", so assertions are not chosen"));
            }
            _ => {}
        }
    }
    if found.metadata.get("require_signed_request_object") == Some(&Value::Bool(true)) {
        remarks.push(
            "authorization requests must be signed, which Envoy's oauth2 filter does not do".to_owned(),
        );
    }
}
