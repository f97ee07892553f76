//! What clients are told of a protected resource, where they look ([RFC 9728]).
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use serde_json::{Map, Value};
use tollgate_engine::policy::resource::Resource;
use url::Url;

use crate::commands::doctor::{Finding, Grade};
use crate::kit::http::{Http, Reply, Request};
use crate::kit::output::Output;

/// Looks at it from outside, as a client without a token does.
pub(super) fn look(resource: &Resource, http: &Http, out: &mut Output) -> Vec<Finding> {
    out.progress(format_args!("looking for the metadata of {}", resource.identifier));
    let mut findings = Vec::new();
    match get(http, &resource.metadata_uri) {
        Ok(reply) => findings.push(metadata(resource, &reply)),
        Err(why) => {
            let advice = "If Envoy does not run there yet, that is as expected.";
            findings.push(finding(Grade::Note, why, advice));
            return findings;
        }
    }
    if let Ok(reply) = get(http, &resource.identifier) {
        findings.push(challenge(resource, &reply));
    }
    findings
}

fn metadata(resource: &Resource, reply: &Reply) -> Finding {
    let place = &resource.metadata_uri;
    if reply.status != 200 {
        let advice = "Requests for it have to reach Tollgate with this path; no token is needed.";
        return finding(Grade::Wrong, format!("{place} responded with {}", reply.status), advice);
    }
    let found = match reply.object() {
        Ok(found) => found,
        Err(what) => {
            let advice = "Something else answers there; the path has to reach Tollgate.";
            return finding(Grade::Wrong, format!("{place}: {what}"), advice);
        }
    };
    if found.get("resource").and_then(Value::as_str) != Some(&resource.identifier) {
        let advice = "Clients refuse a document that does not name the resource they asked about.";
        return finding(Grade::Wrong, format!("{place} describes another resource"), advice);
    }
    let own: Map<String, Value> = serde_json::from_str(&resource.metadata).unwrap_or_default();
    let names = found.keys().chain(own.keys().filter(|name| !found.contains_key(*name)));
    let other: Vec<_> = names.filter(|name| found.get(*name) != own.get(*name)).map(String::as_str).collect();
    if other.is_empty() {
        return finding(Grade::Good, format!("{place} says what this configuration says"), "");
    }
    let saw = format!("{place} differs from this configuration in {}", other.join(", "));
    finding(Grade::Note, saw, "Is this configuration the one that runs there?")
}

fn challenge(resource: &Resource, reply: &Reply) -> Finding {
    let place = &resource.identifier;
    let wanted = format!("resource_metadata=\"{}\"", resource.metadata_uri);
    let mut challenges = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
    if reply.status == 401 && challenges.any(|(_, value)| value.contains(&wanted)) {
        return finding(Grade::Good, format!("{place} refuses us, and says where the metadata is"), "");
    }
    if reply.status == 401 {
        let advice = "Another filter refuses before Tollgate does, or another configuration runs there.";
        return finding(Grade::Wrong, format!("{place} refuses us without {wanted}"), advice);
    }
    let advice = "Without a token, 401 was expected, unless a rule lets such requests pass.";
    finding(Grade::Note, format!("{place} responded with {}", reply.status), advice)
}

/// Asks once, without following redirects: clients need not.
fn get(http: &Http, uri: &str) -> Result<Reply, String> {
    let url = Url::parse(uri).map_err(|_| format!("{uri} is no URL"))?;
    http.send(&Request { method: "GET", url: &url, headers: Vec::new(), body: None })
        .map_err(|failure| failure.what().to_owned())
}

fn finding(grade: Grade, saw: String, advice: &str) -> Finding {
    Finding { grade, saw, advice: advice.to_owned() }
}
