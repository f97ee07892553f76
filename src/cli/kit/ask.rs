//! Makes the filter's calls as the filter would, but directly to the endpoint.

use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::fetch::FetchCall;
use tollgate_engine::provider::introspection::call::IntrospectionCall;
use url::Url;

use crate::kit::failure::Failure;
use crate::kit::http::{Http, Reply, Request};

/// Sends an introspection call to the endpoint in its pseudo-fields, and ignores the cluster. A failure means that
/// there was no response.
pub(crate) fn ask(http: &Http, call: &IntrospectionCall) -> Result<Reply, Failure> {
    if call.body.expose().is_empty() {
        return send(http, "GET", &call.headers, None);
    }
    let form = ("application/x-www-form-urlencoded", Secret::new(call.body.expose()));
    send(http, "POST", &call.headers, Some(form))
}

/// Fetches a client list in the same way.
pub(crate) fn fetch(http: &Http, call: &FetchCall) -> Result<Reply, Failure> {
    send(http, "GET", &call.headers, None)
}

fn send(
    http: &Http,
    method: &'static str,
    head: &[(String, Secret)],
    body: Option<(&'static str, Secret)>,
) -> Result<Reply, Failure> {
    let pseudo =
        |name: &str| head.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.expose());
    let url = format!("{}://{}{}", pseudo(":scheme"), pseudo(":authority"), pseudo(":path"));
    let url = Url::parse(&url).map_err(|_| Failure::new(format_args!("{url:?} is not a URL")))?;
    let ours = |name: &str| name.starts_with(':') || name == "content-type";
    let headers = head.iter().filter(|(name, _)| !ours(name)).cloned().collect();
    http.send(&Request { method, url: &url, headers, body })
}

/// A seed for the random numbers of calls.
pub(crate) fn random_seed() -> Result<[u64; 2], Failure> {
    let number = || {
        getrandom::u64().map_err(|error| {
            Failure::new(format_args!("the operating system gives no random numbers: {error}"))
        })
    };
    Ok([number()?, number()?])
}
