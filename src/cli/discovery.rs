//! What an authorization server says of itself ([RFC 8414], OpenID Connect Discovery 1.0).
//!
//! [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414

use serde_json::{Map, Value};
use tollgate_filter::provider::preset::Endpoints;
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::http::Http;

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Discovered {
    /// The issuer, as it was asked for and as the document has it, character by character.
    pub(crate) issuer: String,
    /// Where the document was.
    pub(crate) url: Url,
    /// The document.
    pub(crate) metadata: Map<String, Value>,
    /// What is missing or suspicious; a sentence each, without a full stop.
    pub(crate) remarks: Vec<String>,
}

/// Looks in the well-known places of the issuer, in order, and takes the first document that is there
/// and is the issuer's own (DSC-01 to DSC-07).
pub(crate) fn discover(http: &Http, issuer: &str) -> Result<Discovered, Failure> {
    let mut last = None;
    for url in well_known(issuer)? {
        let reply = http.get(&url)?;
        if reply.status != 200 {
            last = Some(format!("{url} answers {}", reply.status));
            continue;
        }
        let metadata = reply.object().map_err(|what| Failure::new(format_args!("{url}: {what}")))?;
        let named = metadata.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if named != issuer {
            return Err(Failure::new(format_args!("{url} is the document of {named:?}, not of {issuer:?}")));
        }
        return Ok(Discovered { issuer: issuer.to_owned(), url, metadata, remarks: Vec::new() });
    }
    Err(Failure::new(last.unwrap_or_default()))
}

fn well_known(issuer: &str) -> Result<Vec<Url>, Failure> {
    let url = Url::parse(issuer).map_err(|_| Failure::new(format_args!("{issuer:?} is no URL")))?;
    let path = url.path().trim_end_matches('/').to_owned();
    let at = |path: &str| url.join(path).map_err(|_| Failure::new(format_args!("{issuer:?} is no URL")));
    let mut urls = vec![
        at(&format!("/.well-known/oauth-authorization-server{path}"))?,
        at(&format!("/.well-known/openid-configuration{path}"))?,
    ];
    if !path.is_empty() {
        urls.push(at(&format!("{path}/.well-known/openid-configuration"))?);
    }
    Ok(urls)
}

impl Discovered {
    /// A member that is text; empty text counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A member that is a list of texts; an empty one counts as absent (DSC-12).
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let items: Vec<_> = self.metadata.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect();
        (!items.is_empty()).then_some(items)
    }

    /// The endpoints that it names.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let text = |name| self.text(name).map(str::to_owned);
        Endpoints {
            introspection: text("introspection_endpoint"),
            token: text("token_endpoint"),
            authorization: text("authorization_endpoint"),
            // Salesforce's document has the shorter name.
            registration: text("registration_endpoint").or_else(|| text("register_endpoint")),
            revocation: text("revocation_endpoint"),
            jwks: text("jwks_uri"),
            userinfo: text("userinfo_endpoint"),
        }
    }
}
