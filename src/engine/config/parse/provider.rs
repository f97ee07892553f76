//! `providers`.

use std::time::Duration;

use crate::base::secret::Secret;
use crate::config::error::Fault;
use crate::config::parse::address::address;
use crate::config::parse::node::Node;
use crate::config::parse::{Context, alike, client_auth, jwks, user_info};
use crate::provider::introspection::token_info::VALIDATE;
use crate::provider::preset::{Endpoints, Preset};
use crate::provider::{Dialect, IntrospectionEndpoint, Provider, TokenIn, UnknownToken, Validate};
use crate::token::rules::TokenRules;

/// All of them, sorted by name.
#[inline(never)]
pub(super) fn parse(providers: &Node<'_>, context: &mut Context<'_>) -> Vec<Provider> {
    let prefixes = providers.members().map(|(_, provider)| provider.key("token_prefix"));
    context.no_duplicates(prefixes, |prefix| prefix.text().to_owned());
    providers.members().map(|(name, provider)| one(name, &provider, context)).collect()
}

#[inline(never)]
fn one(name: &str, provider: &Node<'_>, context: &mut Context<'_>) -> Provider {
    let introspection = provider.key("introspection");
    let require_iss = introspection.key("require_iss");
    if require_iss.bool() && !provider.key("issuer").is_set() {
        context.faults.add(&require_iss.place, Fault::Needs { other: "issuer" });
    }
    let validate = jwks::validate(provider, context);
    Provider {
        name: name.to_owned(),
        tokens: token_rules(provider, validate, context),
        token_prefix: provider.key("token_prefix").some_text(),
        jwt: jwks::rules(provider),
        keys: jwks::source(provider, context),
        validate,
        introspection: endpoint_of(provider, context),
    }
}

/// What holds for all of its tokens.
#[inline(never)]
fn token_rules(provider: &Node<'_>, validate: Validate, context: &mut Context<'_>) -> TokenRules {
    let (introspection, age) = (provider.key("introspection"), provider.key("max_token_age"));
    TokenRules {
        issuer: provider.key("issuer").some_text(),
        require_iss: introspection.key("require_iss").bool(),
        audiences: provider.key("audiences").texts(),
        clock_skew: match provider.key("clock_skew") {
            skew if skew.is_set() => skew.duration(),
            _ if validate == Validate::Introspection => Duration::ZERO,
            _ => Duration::from_secs(60),
        },
        max_token_age: age.is_set().then(|| age.duration()),
        ignore_token_type: introspection.key("ignore_token_type").bool(),
        scope_claim: provider.key("scope_claim").texts(),
        client_id_claim: provider.key("client_id_claim").texts(),
        scope_array: match provider.key("scope_array").text() {
            "" => Preset::named(provider.key("preset").text()).unwrap_or_default().writes_scope_arrays(),
            word => word == "accept",
        },
        default_scopes: provider.key("default_scopes").texts(),
        implied_scopes: implied_scopes(&provider.key("implied_scopes"), context),
    }
}

/// What each scope stands for besides itself.
#[inline(never)]
fn implied_scopes(implied: &Node<'_>, context: &mut Context<'_>) -> Vec<(String, Vec<String>)> {
    for (_, scopes) in implied.members() {
        context.no_duplicates(scopes.items(), |scope| scope.text().to_owned());
    }
    implied.members().map(|(scope, scopes)| (scope.to_owned(), scopes.texts())).collect()
}

#[inline(never)]
fn endpoint_of(provider: &Node<'_>, context: &mut Context<'_>) -> IntrospectionEndpoint {
    if provider.key("userinfo").is_set() {
        return user_info::parse(provider, context);
    }
    let introspection = provider.key("introspection");
    let dialect = dialect(provider, context);
    let find: fn(Endpoints) -> Option<String> = match dialect {
        Dialect::TokenInfo(_) => |endpoints| endpoints.token_info,
        _ => |endpoints| endpoints.introspection,
    };
    let endpoint = address(provider, &introspection, find, context);
    let fallback = introspection.key("fallback_clusters");
    let clusters = || std::iter::once(introspection.key("cluster")).chain(fallback.items());
    context.no_duplicates(clusters(), |cluster| cluster.text().to_owned());
    let hint = introspection.key("token_type_hint").text();
    IntrospectionEndpoint {
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        clusters: clusters().map(|cluster| cluster.text().to_owned()).collect(),
        timeout: introspection.key("timeout").duration(),
        retries: u32::try_from(introspection.key("retries").integer()).unwrap_or_default(),
        client_auth: client_auth::parse(&introspection.key("client_auth"), &provider.key("issuer"), context),
        token_type_hint: (!hint.is_empty() && !matches!(dialect, Dialect::TokenInfo(_)))
            .then(|| hint.to_owned()),
        parameters: parameters(&introspection.key("parameters"), provider, &dialect, context),
        dialect,
        headers: headers(&introspection.key("headers"), context),
        max_response_bytes: introspection.key("max_response_bytes").integer(),
        lenient_content_type: introspection.key("lenient_content_type").bool(),
        back_off: introspection.key("back_off").duration(),
        user_agent: context.user_agent.to_owned(),
        unknown_token: unknown_token(&introspection, context),
    }
}

/// What replies look like, and whether everything is there for it.
#[inline(never)]
fn dialect(provider: &Node<'_>, context: &mut Context<'_>) -> Dialect {
    let introspection = provider.key("introspection");
    let (dialect, own) = (introspection.key("dialect"), introspection.key("reply_audience"));
    let issuer = introspection.key("expected_issuer");
    if dialect.text() != "rfc9701" {
        for key in [&own, &issuer] {
            if key.is_set() {
                context.faults.add(&key.place, Fault::Needs { other: "dialect: rfc9701" });
            }
        }
    }
    let place = introspection.key("token_in");
    if place.is_set() && dialect.text() != "tokeninfo" {
        context.faults.add(&place.place, Fault::Needs { other: "dialect: tokeninfo" });
    }
    match dialect.text() {
        "rfc9701" => {}
        "tokeninfo" => return token_info(provider, context),
        _ => return Dialect::Rfc7662,
    }
    let id = introspection.key("client_auth").key("client_id");
    let known = |key: &Node<'_>| key.is_set();
    for (has, other) in [
        (known(&issuer) || known(&provider.key("issuer")), "issuer"),
        (known(&provider.key("jwks")), "jwks"),
        (known(&own) || known(&id), "reply_audience (or a client id)"),
    ] {
        if !has {
            context.faults.add(&dialect.place, Fault::Needs { other });
        }
    }
    let first =
        |a: &Node<'_>, b: &Node<'_>| if a.is_set() { a.text().to_owned() } else { b.text().to_owned() };
    Dialect::Rfc9701 { audience: first(&own, &id), issuer: first(&issuer, &provider.key("issuer")) }
}

/// Which errors say that a token is unknown.
#[inline(never)]
fn unknown_token(introspection: &Node<'_>, context: &mut Context<'_>) -> Option<UnknownToken> {
    let (unknown, dialect) = (introspection.key("unknown_token"), introspection.key("dialect"));
    if !unknown.is_set() {
        return None;
    }
    if dialect.text() == "tokeninfo" {
        context.contradiction(
            &unknown,
            &dialect,
            "with this dialect, errors about tokens have this meaning anyway",
        );
    }
    let method = introspection.key("client_auth").key("method");
    for status in unknown.key("status").items() {
        let number = status.integer();
        if !matches!(number, 400 | 401 | 403 | 404) {
            context.faults.add(&status.place, Fault::Expected { what: "400, 401, 403 or 404".to_owned() });
        } else if matches!(number, 401 | 403) && method.text() == "bearer" {
            let why = "so this status means that our own bearer token is rejected (RFC 6750 §3.1)";
            context.contradiction(&status, &method, why);
        }
    }
    for error in unknown.key("error").items() {
        if OURS.contains(&error.text()) {
            let why = "this error is about our own credentials or our call";
            context.faults.add(&error.place, Fault::Reserved { why });
        }
    }
    context.no_duplicates(unknown.key("error").items(), |error| error.text().to_owned());
    context.no_duplicates(unknown.key("status").items(), |status| status.integer().to_string());
    let status = unknown.key("status").items().filter_map(|status| u16::try_from(status.integer()).ok());
    Some(UnknownToken { status: status.collect(), error: unknown.key("error").texts() })
}

/// Errors that are about us ([RFC 6749 §5.2], [RFC 6750 §3.1]).
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
const OURS: [&str; 9] = [
    "invalid_client",
    "unauthorized_client",
    "access_denied",
    "insufficient_scope",
    "unsupported_grant_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "slow_down",
];

/// How a server of before RFC 7662 is told the token; where there is a place for credentials, and where not.
#[inline(never)]
fn token_info(provider: &Node<'_>, context: &mut Context<'_>) -> Dialect {
    let introspection = provider.key("introspection");
    let (place, auth) = (introspection.key("token_in"), introspection.key("client_auth"));
    let is_ping = provider.key("preset").text() == "ping_federate";
    let token_in = match place.text() {
        "form" => TokenIn::Form,
        "query" => TokenIn::Query,
        "" if is_ping => TokenIn::Form,
        _ => TokenIn::Header,
    };
    if token_in != TokenIn::Form {
        let why = "such a call cannot send credentials; use token_in: form, or method: none";
        let method = auth.key("method");
        let by = if method.text() == "none" { auth.key("client_id") } else { method };
        if by.is_set() {
            context.contradiction(&by, &introspection.key("dialect"), why);
        }
        let parameters = introspection.key("parameters");
        if parameters.members().next().is_some() {
            context.contradiction(&parameters, &introspection.key("dialect"), why);
        }
    }
    Dialect::TokenInfo(token_in)
}

#[inline(never)]
fn parameters(
    parameters: &Node<'_>,
    provider: &Node<'_>,
    dialect: &Dialect,
    context: &mut Context<'_>,
) -> Vec<(String, Secret)> {
    for (name, parameter) in parameters.members() {
        let why = match name {
            "token" => "Tollgate puts the client's token there",
            "token_type_hint" => "use introspection.token_type_hint",
            "client_id" | "client_secret" | "client_assertion" | "client_assertion_type" => {
                "use introspection.client_auth"
            }
            _ => continue,
        };
        context.faults.add(&parameter.place, Fault::Reserved { why });
    }
    let given = parameters.members().map(|(name, value)| (name.to_owned(), Secret::new(value.text())));
    let mut all: Vec<_> = given.collect();
    let is_ping = provider.key("preset").text() == "ping_federate";
    if is_ping
        && matches!(dialect, Dialect::TokenInfo(_))
        && !all.iter().any(|(name, _)| name == "grant_type")
    {
        all.push(("grant_type".to_owned(), Secret::new(VALIDATE)));
    }
    all
}

#[inline(never)]
fn headers(headers: &Node<'_>, context: &mut Context<'_>) -> Vec<(String, Secret)> {
    for (name, header) in headers.members() {
        let why = match alike(name).as_str() {
            "authorization" => "use introspection.client_auth",
            "host" => "it comes from introspection.uri",
            "accept" | "accept-encoding" | "content-type" | "content-length" | "content-encoding"
            | "transfer-encoding" => "Tollgate sets it to fit the call",
            name if super::upstream::HOP_BY_HOP.contains(&name) => "it belongs to the connection",
            _ => continue,
        };
        context.faults.add(&header.place, Fault::Reserved { why });
    }
    let names = headers.members().map(|(name, header)| (name.to_ascii_lowercase(), header));
    context.distinct(&mut names.into_iter());
    headers.members().map(|(name, value)| (name.to_ascii_lowercase(), Secret::new(value.text()))).collect()
}
