//! The content of the specification, in either language.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tollgate_engine::decision::{BadAnswer, NoAnswer, Rejection};
use tollgate_engine::policy::Policy;
use tollgate_engine::policy::rule::Access;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::request::places::TokenPlaces;
use tollgate_engine::request::websocket::Marker;
use tollgate_engine::response::answer::Advertised;
use tollgate_engine::token::scope::{ScopePolicy, ScopeToken};

use crate::commands::generate::api_spec::Format;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::yaml;

/// The content of the specification.
pub(super) struct Spec<'a> {
    /// The name of the scheme.
    pub(super) name: &'a str,
    /// The configuration.
    pub(super) policy: &'a Policy,
    /// The rules in the configuration.
    pub(super) rules: Vec<&'a Value>,
    /// The token endpoint.
    pub(super) token_uri: Option<String>,
    /// The authorization endpoint.
    pub(super) authorization_uri: Option<String>,
}

impl Spec<'_> {
    /// Prints it in that language.
    pub(super) fn print(&self, format: Format, out: &mut Output) -> Result<(), Failure> {
        let document = match format {
            Format::Openapi => self.openapi(),
            Format::Raml => self.raml(),
        };
        if out.is_json() {
            return match format {
                Format::Openapi => out.document(&document),
                Format::Raml => out.document(&json!({"raml": yaml::document(&document)})),
            };
        }
        let whole = match format {
            Format::Openapi => "OpenAPI document",
            Format::Raml => "RAML root",
        };
        out.line(format_args!("# For the API's {whole}: put these keys beside those that are there."))?;
        for (place, secured) in self.exceptions(format) {
            out.line(format_args!("# {}: {secured}", printable(&place)))?;
        }
        out.line(yaml::document(&document).trim_end())
    }

    /// The rules with other requirements than the rest, and how an operation declares them.
    fn exceptions(&self, format: Format) -> Vec<(String, String)> {
        self.policy
            .rules
            .iter()
            .zip(&self.rules)
            .filter_map(|(rule, written)| {
                let scopes = &rule.requires.as_ref().unwrap_or(&self.policy.requires).scopes;
                let alternatives = match rule.access {
                    Access::Deny => return None,
                    Access::Anonymous => Vec::new(),
                    Access::Optional => {
                        std::iter::once(None).chain(alternatives(scopes).into_iter().map(Some)).collect()
                    }
                    Access::Required => alternatives(scopes).into_iter().map(Some).collect(),
                };
                let secured = self.secured(format, &alternatives);
                let key = if format == Format::Openapi { "security" } else { "securedBy" };
                Some((place(written), format!("{key}: {}", yaml::line(&secured))))
            })
            .collect()
    }

    /// `security` or `securedBy`. Without alternatives, nothing is required. `None` stands for an empty alternative.
    fn secured(&self, format: Format, alternatives: &[Option<Vec<&str>>]) -> Value {
        let one = |scopes: &Option<Vec<&str>>| match (format, scopes) {
            (Format::Openapi, None) => json!({}),
            // In OpenAPI 3.0, only OAuth schemes have scopes.
            (Format::Openapi, Some(_)) if self.token_uri.is_none() => json!({self.name: []}),
            (Format::Openapi, Some(scopes)) => json!({self.name: scopes}),
            (Format::Raml, None) => Value::Null,
            (Format::Raml, Some(scopes)) if scopes.is_empty() || self.token_uri.is_none() => json!(self.name),
            (Format::Raml, Some(scopes)) => json!({self.name: {"scopes": scopes}}),
        };
        match (format, alternatives) {
            (Format::Raml, []) => json!([null]),
            _ => alternatives.iter().map(one).collect(),
        }
    }

    fn security(&self, format: Format) -> Value {
        let all: Vec<_> = alternatives(&self.policy.requires.scopes).into_iter().map(Some).collect();
        self.secured(format, &all)
    }

    fn openapi(&self) -> Value {
        let scopes: Map<String, Value> =
            self.scopes().into_iter().map(|scope| (scope.to_owned(), "".into())).collect();
        let mut scheme = match &self.token_uri {
            None => json!({"type": "http", "scheme": "bearer"}),
            Some(token) => {
                let mut flows = Map::new();
                flows.insert("clientCredentials".to_owned(), json!({"tokenUrl": token, "scopes": scopes}));
                if let Some(authorization) = &self.authorization_uri {
                    flows.insert(
                        "authorizationCode".to_owned(),
                        json!({"authorizationUrl": authorization, "tokenUrl": token, "scopes": scopes}),
                    );
                }
                json!({"type": "oauth2", "flows": flows})
            }
        };
        if let Value::Object(scheme) = &mut scheme {
            scheme.insert("description".to_owned(), self.description().into());
        }
        let responses: Map<String, Value> = self
            .refusals()
            .into_iter()
            .map(|(status, refusal)| {
                let mut response = json!({"description": refusal.description()});
                if let Value::Object(response) = &mut response {
                    if refusal.challenge {
                        response.insert(
                            "headers".to_owned(),
                            json!({"WWW-Authenticate": {"description": "RFC 6750, section 3", "schema": {"type": "string"}}}),
                        );
                    }
                    response.extend(refusal.content("example").map(|content| ("content".to_owned(), content)));
                }
                (format!("{}-{status}", self.name), response)
            })
            .collect();
        json!({
            "components": {"securitySchemes": {self.name: scheme}, "responses": responses},
            "security": self.security(Format::Openapi),
        })
    }

    fn raml(&self) -> Value {
        let mut described = Map::new();
        let TokenPlaces {
            headers,
            params,
            cookies,
            websocket,
            form,
            max_form_bytes: _,
            max_length: _,
            forward: _,
            strict_multiple: _,
            require_tls: _,
        } = &self.policy.token;
        let required =
            headers.len() == 1 && params.is_empty() && cookies.is_empty() && websocket.is_none() && !form;
        let headers: Map<String, Value> = headers
            .iter()
            .map(|header| {
                let what = match &header.scheme {
                    Some(scheme) => format!("{scheme}, a space and the access token"),
                    None => "The access token".to_owned(),
                };
                (
                    field_name(&header.name),
                    json!({"type": "string", "required": required, "description": what}),
                )
            })
            .collect();
        if !headers.is_empty() {
            described.insert("headers".to_owned(), headers.into());
        }
        let params: Map<String, Value> = params
            .iter()
            .map(|name| {
                (
                    name.clone(),
                    json!({"type": "string", "required": false, "description": "The access token"}),
                )
            })
            .collect();
        if !params.is_empty() {
            described.insert("queryParameters".to_owned(), params.into());
        }
        let responses: Map<String, Value> = self
            .refusals()
            .into_iter()
            .map(|(status, refusal)| {
                let mut response = json!({"description": refusal.description()});
                if let Value::Object(response) = &mut response {
                    if refusal.challenge {
                        response
                            .insert("headers".to_owned(), json!({"WWW-Authenticate": {"type": "string"}}));
                    }
                    response.extend(refusal.content("example").map(|content| ("body".to_owned(), content)));
                }
                (status.to_string(), response)
            })
            .collect();
        described.insert("responses".to_owned(), responses.into());
        let mut scheme =
            json!({"description": self.description(), "describedBy": described, "type": "Pass Through"});
        if let (Value::Object(scheme), Some(token)) = (&mut scheme, &self.token_uri) {
            let mut settings = json!({
                "accessTokenUri": token, "scopes": self.scopes(), "authorizationGrants": ["client_credentials"],
            });
            if let (Value::Object(settings), Some(authorization)) = (&mut settings, &self.authorization_uri) {
                settings.insert("authorizationUri".to_owned(), authorization.as_str().into());
                settings.insert(
                    "authorizationGrants".to_owned(),
                    json!(["authorization_code", "client_credentials"]),
                );
            }
            scheme.insert("type".to_owned(), "OAuth 2.0".into());
            scheme.insert("settings".to_owned(), settings);
        }
        json!({"securitySchemes": {self.name: scheme}, "securedBy": self.security(Format::Raml)})
    }

    /// All scopes that any rule requires.
    fn scopes(&self) -> BTreeSet<&str> {
        let rules = self.policy.rules.iter().filter_map(|rule| rule.requires.as_ref());
        let all = rules.chain(std::iter::once(&self.policy.requires));
        all.flat_map(|requires| requires.scopes.all.iter().chain(&requires.scopes.any))
            .map(ScopeToken::as_str)
            .collect()
    }

    /// Where a token may be, in a sentence.
    fn description(&self) -> String {
        let TokenPlaces {
            headers,
            params,
            cookies,
            websocket,
            form,
            max_form_bytes: _,
            max_length: _,
            forward: _,
            strict_multiple: _,
            require_tls: _,
        } = &self.policy.token;
        let mut named: Vec<String> = headers
            .iter()
            .map(|header| match &header.scheme {
                Some(scheme) => format!("the header field {} after \"{scheme}\"", field_name(&header.name)),
                None => format!("the header field {}", field_name(&header.name)),
            })
            .collect();
        named.extend(params.iter().map(|name| format!("the query parameter {name}")));
        named.extend(cookies.iter().map(|name| format!("the cookie {name}")));
        named.extend(websocket.iter().map(|marker| match marker {
            Marker::Before(name) => format!("the WebSocket subprotocol after {name}"),
            Marker::Within(name) => format!("the WebSocket subprotocol that begins with {name}"),
        }));
        if *form {
            named.push("the form field access_token".to_owned());
        }
        format!("An OAuth 2.0 access token, in {}.", named.join(", or in "))
    }

    /// The error responses, by status.
    fn refusals(&self) -> BTreeMap<u16, Refusal> {
        let needed = || self.scopes().into_iter().next().unwrap_or("a-scope").to_owned();
        let rejections = [
            (Rejection::Malformed, "malformed credentials, or several"),
            (Rejection::NoToken, "no access token"),
            (Rejection::Inactive, "a token that is not valid"),
            (Rejection::ScopeMissing { needed: needed() }, "a scope is missing"),
            (Rejection::ClientNotListed, "the client, or the request, is not allowed"),
            (
                Rejection::NoAnswer { cause: NoAnswer::Failed, retry_after: None },
                "the authorization server is unavailable",
            ),
            (
                Rejection::BadAnswer { cause: BadAnswer::NotJson },
                "the authorization server's response is not usable",
            ),
        ];
        let mut refusals: BTreeMap<u16, Refusal> = BTreeMap::new();
        for (rejection, what) in rejections {
            let answer =
                self.policy.responses.answer(&rejection, &Advertised::default(), RequestHead::new(&[]));
            let header =
                |name: &str| answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
            let refusal = refusals.entry(answer.status).or_default();
            refusal.what.push(what);
            refusal.challenge |= header("www-authenticate").is_some();
            if refusal.example.is_none()
                && let Some(media_type) = header("content-type")
            {
                let body = serde_json::from_str(&answer.body).unwrap_or_else(|_| answer.body.clone().into());
                refusal.example = Some((media_type.clone(), body));
            }
        }
        refusals
    }
}

/// The error responses with one status.
#[derive(Default)]
struct Refusal {
    what: Vec<&'static str>,
    challenge: bool,
    /// Media type and body.
    example: Option<(String, Value)>,
}

impl Refusal {
    fn description(&self) -> String {
        let mut text = self.what.join("; ");
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text + "."
    }

    fn content(&self, key: &str) -> Option<Value> {
        let (media_type, body) = self.example.as_ref()?;
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        Some(json!({media_type: {key: body}}))
    }
}

/// Scopes as a list of alternatives, all of each.
fn alternatives(scopes: &ScopePolicy) -> Vec<Vec<&str>> {
    let all: Vec<&str> = scopes.all.iter().map(ScopeToken::as_str).collect();
    if scopes.any.is_empty() {
        return vec![all];
    }
    scopes
        .any
        .iter()
        .map(|one| all.iter().copied().filter(|known| *known != one.as_str()).chain([one.as_str()]).collect())
        .collect()
}

/// The requests that a rule matches, in words.
fn place(rule: &Value) -> String {
    let text = |key: &str| rule.pointer(&format!("/match/{key}")).and_then(Value::as_str);
    let path = text("path").or_else(|| text("path_template")).map(str::to_owned);
    let path = path.or_else(|| text("prefix").map(|prefix| format!("{}/**", prefix.trim_end_matches('/'))));
    let path = path.or_else(|| text("safe_regex").map(|regex| format!("paths like {regex}")));
    let methods = rule.pointer("/match/methods").and_then(Value::as_array);
    let methods: Vec<_> = methods.into_iter().flatten().filter_map(Value::as_str).collect();
    let path = path.unwrap_or_else(|| "all paths".to_owned());
    if methods.is_empty() { path } else { format!("{} {path}", methods.join(", ")) }
}

/// A header field's name as people write it.
fn field_name(name: &str) -> String {
    let mut at_start = true;
    name.chars()
        .map(|c| {
            let shown = if at_start { c.to_ascii_uppercase() } else { c };
            at_start = c == '-';
            shown
        })
        .collect()
}
