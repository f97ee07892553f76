//! Authorization server metadata ([RFC 8414], OpenID Connect Discovery 1.0).
//!
//! A document is used only if it is the issuer's own, character by character, and if every endpoint in it
//! that Tollgate would use is https. What is unusual but allowed becomes a remark.
//!
//! [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414

mod remarks;

use serde_json::{Map, Value};
use tollgate_engine::provider::preset::Endpoints;
use url::Url;

use crate::kit::failure::Failure;
use crate::kit::http::Http;

/// The metadata.
#[derive(Clone, Debug)]
pub(crate) struct Discovered {
    /// Where the document was.
    pub(crate) url: Url,
    /// The document, and the additional members of a second one.
    pub(crate) metadata: Map<String, Value>,
    /// What is missing or suspicious; a sentence each, without a full stop.
    pub(crate) remarks: Vec<String>,
    /// Whether two documents contradict each other, which is one of the remarks.
    pub(crate) is_contradictory: bool,
}

/// Why nothing was discovered.
#[derive(Debug)]
pub(crate) enum Undiscovered {
    /// The metadata belong to another issuer.
    OtherIssuer(Failure),
    /// There are no metadata, or they cannot be used.
    Unusable(Failure),
}

impl From<Failure> for Undiscovered {
    fn from(failure: Failure) -> Self {
        Self::Unusable(failure)
    }
}

impl From<Undiscovered> for Failure {
    fn from(why: Undiscovered) -> Self {
        match why {
            Undiscovered::OtherIssuer(failure) | Undiscovered::Unusable(failure) => failure,
        }
    }
}

/// Requests the well-known documents of the issuer, in order. Takes the first one that exists and names this issuer;
/// a second one must agree with it.
pub(crate) fn discover(http: &Http, issuer: &str) -> Result<Discovered, Undiscovered> {
    discover_as(http, issuer, issuer)
}

/// The same for a document with another `issuer`, such as one with a placeholder.
pub(crate) fn discover_as(http: &Http, issuer: &str, called: &str) -> Result<Discovered, Undiscovered> {
    let url = issuer_url(http, issuer)?;
    let mut found: Option<Discovered> = None;
    let mut seen = Vec::new();
    for place in well_known(&url)? {
        match document(http, &place, called) {
            Ok(metadata) => match &mut found {
                None => found = Some(Discovered::new(place, metadata)),
                Some(first) => {
                    first.compare(&place, metadata);
                    break;
                }
            },
            Err(Missing::Elsewhere(why)) => seen.push(why),
            // A second document that is unusable is ignored.
            Err(Missing::Unusable(_)) if found.is_some() => {}
            Err(Missing::Unusable(why)) => return Err(why),
        }
    }
    let mut found = found.ok_or_else(|| {
        Failure::new(format_args!("{issuer} publishes no metadata: {}", seen.join("; ")))
            .help("Check that this is the issuer, and not a page of the server. If there is no such document, give the product and its base: --preset NAME --base-url URL.")
    })?;
    found.check_endpoints(http)?;
    remarks::add(&mut found, &url);
    Ok(found)
}

/// Why an address has no usable document.
enum Missing {
    /// There is no document; the next address may have one.
    Elsewhere(String),
    /// The document must not be used.
    Unusable(Undiscovered),
}

/// The issuer: https, or http to this machine where that is allowed, without query and fragment
/// ([RFC 8414 §2]).
///
/// [RFC 8414 §2]: https://www.rfc-editor.org/rfc/rfc8414#section-2
fn issuer_url(http: &Http, issuer: &str) -> Result<Url, Failure> {
    let url = Url::parse(issuer).map_err(|_| {
        Failure::new(format_args!("{issuer:?} is not a URL"))
            .help("An issuer looks like https://login.example.com/tenant.")
    })?;
    if issuer.contains(['?', '#']) {
        return Err(Failure::new(format_args!("an issuer has no query and no fragment, unlike {issuer:?}")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::new("an issuer has no user information"));
    }
    http.permits(&url)?;
    Ok(url)
}

/// RFC 8414's place, OpenID Connect's as RFC 8414 would have it, and OpenID Connect's own.
fn well_known(issuer: &Url) -> Result<Vec<Url>, Failure> {
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    let at = |path: &String| {
        issuer.join(path).map_err(|_| Failure::new(format_args!("{issuer} has no place for {path}")))
    };
    paths.iter().map(at).collect()
}

fn document(http: &Http, place: &Url, called: &str) -> Result<Map<String, Value>, Missing> {
    let reply = http.get(place).map_err(|failure| Missing::Unusable(failure.into()))?;
    if reply.status != 200 {
        return Err(Missing::Elsewhere(format!("{place} responded with {}", reply.status)));
    }
    let metadata = reply.object().map_err(|what| Missing::Elsewhere(format!("{place}: {what}")))?;
    match metadata.get("issuer") {
        Some(Value::String(issuer)) if issuer == called => Ok(metadata),
        Some(Value::String(issuer)) => Err(Missing::Unusable(Undiscovered::OtherIssuer(
            Failure::new(format_args!(
                "{place} is the document of another issuer: it has {issuer:?}, expected {called:?}"
            ))
            .help(hint(issuer, called)),
        ))),
        _ => Err(Missing::Unusable(Undiscovered::Unusable(Failure::new(format_args!(
            "{place} does not name its issuer: issuer is missing, or is not a string"
        ))))),
    }
}

/// Why two issuers may differ.
fn hint(issuer: &str, called: &str) -> String {
    if issuer.contains('{') {
        return format!(
            "It contains a placeholder. If you trust all of its tokens, accept it: --issuer-override '{issuer}'."
        );
    }
    if issuer.trim_end_matches('/') == called.trim_end_matches('/') || issuer.eq_ignore_ascii_case(called) {
        return format!(
            "They are compared character by character (RFC 8414 §3.3). Write it as the server does: {issuer}"
        );
    }
    "If the server has several host names, use the issuer that its tokens carry.".to_owned()
}

impl Discovered {
    fn new(url: Url, metadata: Map<String, Value>) -> Self {
        Self { url, metadata, remarks: Vec::new(), is_contradictory: false }
    }

    /// A member that is text; empty text counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A member that is a list of texts; an empty one counts as absent ([RFC 8414 §3.2]).
    ///
    /// [RFC 8414 §3.2]: https://www.rfc-editor.org/rfc/rfc8414#section-3.2
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
            token_info: None,
        }
    }

    /// The introspection endpoint for clients that authenticate by certificate ([RFC 8705 §5]).
    ///
    /// [RFC 8705 §5]: https://www.rfc-editor.org/rfc/rfc8705#section-5
    pub(crate) fn introspection_by_certificate(&self) -> Option<&str> {
        self.metadata.get("mtls_endpoint_aliases")?.get("introspection_endpoint")?.as_str()
    }

    /// Adds the members of a second document, and remarks where the two differ.
    fn compare(&mut self, place: &Url, second: Map<String, Value>) {
        let differing: Vec<_> = ENDPOINTS
            .iter()
            .filter(|name| matches!((self.metadata.get(**name), second.get(**name)), (Some(a), Some(b)) if a != b))
            .copied()
            .collect();
        if !differing.is_empty() {
            self.is_contradictory = true;
            self.remarks.push(format!(
                "{} and {place} contradict each other: {}",
                self.url,
                differing.join(", ")
            ));
        }
        for (name, value) in second {
            self.metadata.entry(name).or_insert(value);
        }
    }

    /// Every endpoint is text, and https, or http to this machine where that is allowed.
    fn check_endpoints(&self, http: &Http) -> Result<(), Failure> {
        let aliases = self.metadata.get("mtls_endpoint_aliases").and_then(Value::as_object);
        let aliases = aliases.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
        let own = ENDPOINTS.iter().filter_map(|name| Some((*name, self.metadata.get(*name)?)));
        for (name, value) in own.chain(aliases).filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().ok_or_else(|| {
                Failure::new(format_args!("{}: {name} is not a string", self.url))
                    .help("The document does not follow RFC 8414 §2.")
            })?;
            let url = Url::parse(text)
                .map_err(|_| Failure::new(format_args!("{}: {name} is not a URL", self.url)))?;
            http.permits(&url)
                .map_err(|failure| Failure::new(format_args!("{}: {name}: {failure}", self.url)))?;
        }
        Ok(())
    }
}

/// The endpoints that the command or the filter would use.
const ENDPOINTS: [&str; 8] = [
    "introspection_endpoint",
    "token_endpoint",
    "authorization_endpoint",
    "registration_endpoint",
    "register_endpoint",
    "revocation_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
];
