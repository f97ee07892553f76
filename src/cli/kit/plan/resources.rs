//! The protected resources that APIs are ([RFC 9728]), and whether they fit the APIs' requests.
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use serde_json::Value;
use tollgate_config::schema::Place;
use tollgate_engine::policy::resource::Identifier;

use super::Api;
use super::faults::{Faults, of_api};

/// The resources, each with its place in the short file.
pub(super) fn of(apis: &[(Api, Value)], faults: &mut Faults) -> Vec<(Place, Value)> {
    let described = apis.iter().filter_map(|(api, written)| Some((api, written.get("resource")?)));
    let all: Vec<_> = described
        .map(|(api, resource)| {
            let place = place(api);
            if let Some(what) = misfit(api, resource) {
                faults.push((place.name("identifier"), what));
            }
            (place, resource.clone())
        })
        .collect();
    if !all.is_empty() {
        for (api, _) in apis.iter().filter(|(_, written)| written.get("resource").is_none()) {
            let what = "expected a resource, because other APIs have one; without its own, tokens for this API would have to name one of the others";
            faults.push((of_api(&api.name), what.to_owned()));
        }
    }
    all
}

/// Where an API's resource is in the short file.
pub(super) fn place(api: &Api) -> Place {
    of_api(&api.name).name("resource")
}

/// Why the API's requests would not match the resource, if they do not.
fn misfit(api: &Api, resource: &Value) -> Option<String> {
    let identifier = Identifier::parse(resource.get("identifier")?.as_str()?)?;
    let path = identifier.path.trim_end_matches('/');
    let below = api.prefix.strip_prefix(path);
    if !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Some(format!(
            "expected a path that the API's prefix {} starts with, so that its requests are for this resource",
            api.prefix
        ));
    }
    let serves = api.serves(&identifier.host.to_ascii_lowercase());
    (!serves).then(|| "expected one of the API's hosts".to_owned())
}
