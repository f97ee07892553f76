//! Requests the metadata and the challenge of a protected resource, as a client does ([RFC 9728]).
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use serde_json::{Map, Value};
use tollgate_engine::policy::resource::Resource;
use url::Url;

use crate::commands::doctor::{Finding, Grade};
use crate::kit::http::{Http, Reply, Request};
use crate::kit::output::Output;

/// Sends the requests of a client that has no token yet.
pub(super) fn look(resource: &Resource, http: &Http, out: &mut Output) -> Vec<Finding> {
    out.progress(format_args!("looking for the metadata of {}", resource.identifier));
    let mut findings = Vec::new();
    match get(http, &resource.metadata_uri) {
        Ok(reply) => findings.push(metadata(resource, &reply)),
        Err(why) => {
            let advice = "This is expected if Envoy does not run there yet.";
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
        let advice = "Requests with this path have to reach Tollgate. They need no token.";
        return finding(Grade::Wrong, format!("{place} responded with {}", reply.status), advice);
    }
    let found = match reply.object() {
        Ok(found) => found,
        Err(what) => {
            let advice = "Another server responds there. Requests with this path have to reach Tollgate.";
            return finding(Grade::Wrong, format!("{place}: {what}"), advice);
        }
    };
    if found.get("resource").and_then(Value::as_str) != Some(&resource.identifier) {
        let advice = "Clients reject metadata of another resource than the one they call.";
        return finding(Grade::Wrong, format!("{place} describes another resource"), advice);
    }
    let own: Map<String, Value> = serde_json::from_str(&resource.metadata).unwrap_or_default();
    let names = found.keys().chain(own.keys().filter(|name| !found.contains_key(*name)));
    let other: Vec<_> = names.filter(|name| found.get(*name) != own.get(*name)).map(String::as_str).collect();
    if other.is_empty() {
        return finding(Grade::Good, format!("{place} matches this configuration"), "");
    }
    let saw = format!("{place} differs from this configuration in {}", other.join(", "));
    finding(Grade::Note, saw, "Is this configuration the one that runs there?")
}

fn challenge(resource: &Resource, reply: &Reply) -> Finding {
    let place = &resource.identifier;
    let wanted = format!("resource_metadata=\"{}\"", resource.metadata_uri);
    let mut challenges = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
    if reply.status == 401 && challenges.any(|(_, value)| value.contains(&wanted)) {
        return finding(
            Grade::Good,
            format!("{place} rejects a request without a token, and the challenge names the metadata"),
            "",
        );
    }
    if reply.status == 401 {
        let advice =
            "Another filter rejects requests before Tollgate does, or another configuration runs there.";
        return finding(
            Grade::Wrong,
            format!("{place} rejects a request without a token, but the challenge lacks {wanted}"),
            advice,
        );
    }
    let advice = "Expected 401 for a request without a token, unless a rule allows such requests.";
    finding(Grade::Note, format!("{place} responded with {}", reply.status), advice)
}

/// Does not follow redirects, because clients need not follow them.
fn get(http: &Http, uri: &str) -> Result<Reply, String> {
    let url = Url::parse(uri).map_err(|_| format!("{uri} is not a URL"))?;
    http.send(&Request { method: "GET", url: &url, headers: Vec::new(), body: None })
        .map_err(|failure| failure.what().to_owned())
}

fn finding(grade: Grade, saw: String, advice: &str) -> Finding {
    Finding { grade, saw, advice: advice.to_owned() }
}
