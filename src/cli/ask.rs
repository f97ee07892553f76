//! The introspection call, made as the filter would make it, but straight to the endpoint.

use tollgate_filter::provider::call::IntrospectionCall;
use tollgate_filter::secret::Secret;
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::http::{Http, Reply, Request};

/// Sends the call to the endpoint that its pseudo-fields name; the cluster is Envoy's business. A
/// failure means that there was no answer at all.
pub(crate) fn ask(http: &Http, call: &IntrospectionCall) -> Result<Reply, Failure> {
    let pseudo = |name: &str| {
        let found = call.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.expose())
    };
    let url = format!("{}://{}{}", pseudo(":scheme"), pseudo(":authority"), pseudo(":path"));
    let url = Url::parse(&url).map_err(|_| Failure::new(format_args!("{url:?} is no URL")))?;
    let ours = |name: &str| name.starts_with(':') || name == "content-type";
    let headers = call.headers.iter().filter(|(name, _)| !ours(name)).cloned().collect();
    let form = ("application/x-www-form-urlencoded", Secret::new(call.body.expose()));
    http.send(&Request { method: "POST", url: &url, headers, body: Some(form) })
}

/// Random numbers for what a call needs to be unguessable.
pub(crate) fn random_seed() -> Result<[u64; 2], Failure> {
    let number = || getrandom::u64().map_err(|error| Failure::new(format_args!("no randomness: {error}")));
    Ok([number()?, number()?])
}
