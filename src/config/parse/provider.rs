//! `providers`.

use std::time::Duration;

use crate::error::Needed;
use crate::key::Map;
use crate::keys::words;
use crate::keys::{self, Introspection};
use crate::parse::address::address;
use crate::parse::node::Node;
use crate::parse::{Context, Seen, alike, client_auth, jwks, status_list, user_info};
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::client_auth::Method;
use tollgate_engine::provider::introspection::token_info::VALIDATE;
use tollgate_engine::provider::preset::{Endpoints, Preset};
use tollgate_engine::provider::{Dialect, IntrospectionEndpoint, Provider, TokenIn, UnknownToken, Validate};
use tollgate_engine::token::rules::TokenRules;

/// All of them, sorted by name.
#[inline(never)]
pub(super) fn parse(providers: &Node<'_, Map<keys::Provider>>, context: &mut Context<'_>) -> Vec<Provider> {
    let mut prefixes = Seen::default();
    for (_, provider) in providers.members() {
        context.once_text(&mut prefixes, &provider.at(keys::Provider::TOKEN_PREFIX));
    }
    providers.members().map(|(name, provider)| one(name, &provider, context)).collect()
}

#[inline(never)]
fn one(name: &str, provider: &Node<'_, keys::Provider>, context: &mut Context<'_>) -> Provider {
    let require_iss = provider.at(keys::Provider::INTROSPECTION).at(Introspection::REQUIRE_ISS);
    if require_iss.read() && !provider.at(keys::Provider::ISSUER).is_set() {
        context.needs(&require_iss, keys::Provider::ISSUER.needed());
    }
    let id = context.providers.iter().position(|known| *known == name).map(ProviderId);
    let pushes_events = id.is_some_and(|id| context.transmitters.contains(&id));
    let validate = jwks::validate(provider, pushes_events, context);
    Provider {
        name: name.to_owned(),
        tokens: token_rules(provider, validate, context),
        token_prefix: provider.get(keys::Provider::TOKEN_PREFIX),
        jwt: jwks::rules(provider),
        keys: jwks::source(provider, context),
        status_lists: status_list::parse(provider, validate, context),
        validate,
        introspection: endpoint_of(provider, context),
    }
}

/// What holds for all of its tokens.
#[inline(never)]
fn token_rules(
    provider: &Node<'_, keys::Provider>,
    validate: Validate,
    context: &mut Context<'_>,
) -> TokenRules {
    let introspection = provider.at(keys::Provider::INTROSPECTION);
    TokenRules {
        issuer: provider.get(keys::Provider::ISSUER),
        require_iss: introspection.get(Introspection::REQUIRE_ISS),
        audiences: provider.get(keys::Provider::AUDIENCES).unwrap_or_default(),
        clock_skew: match provider.get(keys::Provider::CLOCK_SKEW) {
            Some(skew) => skew,
            None if validate == Validate::Introspection => Duration::ZERO,
            None => Duration::from_secs(60),
        },
        max_token_age: provider.get(keys::Provider::MAX_TOKEN_AGE),
        ignore_token_type: introspection.get(Introspection::IGNORE_TOKEN_TYPE),
        scope_claim: provider.get(keys::Provider::SCOPE_CLAIM),
        client_id_claim: provider.get(keys::Provider::CLIENT_ID_CLAIM),
        scope_array: match provider.get(keys::Provider::SCOPE_ARRAY) {
            Some(word) => word == words::ScopeArray::Accept,
            None => provider.get(keys::Provider::PRESET).writes_scope_arrays(),
        },
        default_scopes: provider.get(keys::Provider::DEFAULT_SCOPES),
        implied_scopes: implied_scopes(&provider.at(keys::Provider::IMPLIED_SCOPES), context),
    }
}

/// What each scope stands for besides itself.
#[inline(never)]
fn implied_scopes(
    implied: &Node<'_, Map<Vec<String>>>,
    context: &mut Context<'_>,
) -> Vec<(String, Vec<String>)> {
    for (_, scopes) in implied.members() {
        context.no_duplicates(&scopes);
    }
    implied.members().map(|(scope, scopes)| (scope.to_owned(), scopes.read())).collect()
}

#[inline(never)]
fn endpoint_of(provider: &Node<'_, keys::Provider>, context: &mut Context<'_>) -> IntrospectionEndpoint {
    if provider.at(keys::Provider::USERINFO).is_set() {
        return user_info::parse(provider, context);
    }
    let introspection = provider.at(keys::Provider::INTROSPECTION);
    let dialect = dialect(provider, context);
    let find: fn(Endpoints) -> Option<String> = match dialect {
        Dialect::TokenInfo(_) => |endpoints| endpoints.token_info,
        _ => |endpoints| endpoints.introspection,
    };
    let endpoint = address(provider, &introspection, &introspection.at(Introspection::URI), find, context);
    let (cluster, others) =
        (introspection.at(Introspection::CLUSTER), introspection.at(Introspection::FALLBACK_CLUSTERS));
    let hint = introspection.get(Introspection::TOKEN_TYPE_HINT);
    IntrospectionEndpoint {
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        clusters: clusters(&cluster, &others, context),
        timeout: introspection.get(Introspection::TIMEOUT),
        retries: introspection.get(Introspection::RETRIES),
        client_auth: client_auth::parse(
            &introspection.at(Introspection::CLIENT_AUTH),
            &provider.at(keys::Provider::ISSUER),
            context,
        ),
        token_type_hint: (!hint.is_empty() && !matches!(dialect, Dialect::TokenInfo(_))).then_some(hint),
        parameters: parameters(&introspection.at(Introspection::PARAMETERS), provider, &dialect, context),
        dialect,
        headers: headers(&introspection.at(Introspection::HEADERS), context),
        max_response_bytes: introspection.get(Introspection::MAX_RESPONSE_BYTES),
        lenient_content_type: introspection.get(Introspection::LENIENT_CONTENT_TYPE),
        back_off: introspection.get(Introspection::BACK_OFF),
        user_agent: context.user_agent.to_owned(),
        unknown_token: unknown_token(&introspection, context),
    }
}

/// The clusters of an endpoint: each of them once.
#[inline(never)]
pub(super) fn clusters(
    first: &Node<'_, String>,
    others: &Node<'_, Vec<String>>,
    context: &mut Context<'_>,
) -> Vec<String> {
    let mut seen = Seen::default();
    context.once_text(&mut seen, first);
    let mut clusters = vec![first.text().to_owned()];
    for other in others.items() {
        context.once_text(&mut seen, &other);
        clusters.push(other.text().to_owned());
    }
    clusters
}

/// What replies look like, and whether everything is there for it.
#[inline(never)]
fn dialect(provider: &Node<'_, keys::Provider>, context: &mut Context<'_>) -> Dialect {
    let introspection = provider.at(keys::Provider::INTROSPECTION);
    let dialect = introspection.get(Introspection::DIALECT);
    let own = [Introspection::REPLY_AUDIENCE, Introspection::EXPECTED_ISSUER];
    for key in own.map(|key| introspection.at(key)) {
        if key.is_set() && dialect != words::Dialect::Rfc9701 {
            context.needs(&key, Introspection::DIALECT.needed_as(words::Dialect::Rfc9701));
        }
    }
    let token_in = introspection.at(Introspection::TOKEN_IN);
    if token_in.is_set() && dialect != words::Dialect::TokenInfo {
        context.needs(&token_in, Introspection::DIALECT.needed_as(words::Dialect::TokenInfo));
    }
    match dialect {
        words::Dialect::Rfc7662 => Dialect::Rfc7662,
        words::Dialect::Rfc9701 => signed(provider, &introspection, context),
        words::Dialect::TokenInfo => token_info(provider, context),
    }
}

/// The issuer and the audience that a signed response must have.
#[inline(never)]
fn signed(
    provider: &Node<'_, keys::Provider>,
    introspection: &Node<'_, Introspection>,
    context: &mut Context<'_>,
) -> Dialect {
    let id = introspection.at(Introspection::CLIENT_AUTH).get(keys::ClientAuth::CLIENT_ID);
    let audience = introspection.get(Introspection::REPLY_AUDIENCE).or(id);
    let issuer =
        introspection.get(Introspection::EXPECTED_ISSUER).or_else(|| provider.get(keys::Provider::ISSUER));
    for (has, other) in [
        (issuer.is_some(), keys::Provider::ISSUER.needed()),
        (provider.at(keys::Provider::JWKS).is_set(), keys::Provider::JWKS.needed()),
        (audience.is_some(), Needed::Either("reply_audience (or a client id)")),
    ] {
        if !has {
            context.needs(&introspection.at(Introspection::DIALECT), other);
        }
    }
    Dialect::Rfc9701 { audience: audience.unwrap_or_default(), issuer: issuer.unwrap_or_default() }
}

/// Which errors say that a token is unknown.
#[inline(never)]
fn unknown_token(introspection: &Node<'_, Introspection>, context: &mut Context<'_>) -> Option<UnknownToken> {
    let (unknown, dialect) =
        (introspection.at(Introspection::UNKNOWN_TOKEN), introspection.at(Introspection::DIALECT));
    if !unknown.is_set() {
        return None;
    }
    if dialect.read() == words::Dialect::TokenInfo {
        context.contradiction(
            &unknown,
            &dialect,
            "with this dialect, errors about tokens have this meaning anyway",
        );
    }
    let method = introspection.at(Introspection::CLIENT_AUTH).at(keys::ClientAuth::METHOD);
    let (statuses, errors) = (unknown.at(keys::UnknownToken::STATUS), unknown.at(keys::UnknownToken::ERROR));
    for status in statuses.items() {
        let number = status.read();
        if !matches!(number, 400 | 401 | 403 | 404) {
            context.expected(&status, "400, 401, 403 or 404");
        } else if matches!(number, 401 | 403) && method.read().is_token() {
            let why = "so this status means that our own bearer token is rejected (RFC 6750 §3.1)";
            context.contradiction(&status, &method, why);
        }
    }
    for error in errors.items() {
        if OURS.contains(&error.text()) {
            let why = "this error is about the gateway's credentials or its call";
            context.reserved(&error, why);
        }
    }
    context.no_duplicates(&errors);
    let mut seen = Seen::default();
    for status in statuses.items() {
        context.once(&mut seen, status.read().to_string(), &status);
    }
    Some(UnknownToken {
        status: statuses.items().map(|status| status.read()).collect(),
        error: errors.read(),
    })
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
fn token_info(provider: &Node<'_, keys::Provider>, context: &mut Context<'_>) -> Dialect {
    let introspection = provider.at(keys::Provider::INTROSPECTION);
    let auth = introspection.at(Introspection::CLIENT_AUTH);
    let token_in = match introspection.get(Introspection::TOKEN_IN) {
        Some(token_in) => token_in,
        None if is_ping(provider) => TokenIn::Form,
        None => TokenIn::Header,
    };
    if token_in != TokenIn::Form {
        let why = "such a call cannot send credentials; use token_in: form, or method: none";
        let dialect = introspection.at(Introspection::DIALECT);
        let by = match auth.get(keys::ClientAuth::METHOD) {
            Method::None => auth.part(keys::ClientAuth::CLIENT_ID.any()),
            _ => auth.part(keys::ClientAuth::METHOD.any()),
        };
        if by.is_set() {
            context.contradiction(&by, &dialect, why);
        }
        let parameters = introspection.at(Introspection::PARAMETERS);
        if parameters.members().next().is_some() {
            context.contradiction(&parameters, &dialect, why);
        }
    }
    Dialect::TokenInfo(token_in)
}

fn is_ping(provider: &Node<'_, keys::Provider>) -> bool {
    provider.get(keys::Provider::PRESET) == Preset::PingFederate
}

#[inline(never)]
fn parameters(
    parameters: &Node<'_, Map<String>>,
    provider: &Node<'_, keys::Provider>,
    dialect: &Dialect,
    context: &mut Context<'_>,
) -> Vec<(String, Secret)> {
    for (name, parameter) in parameters.members() {
        let why = match name {
            "token" => "Tollgate puts the client's token there",
            "token_type_hint" => "use introspection.token_type_hint",
            name if Method::ALL.iter().any(|method| method.form_fields().contains(&name)) => {
                "use introspection.client_auth"
            }
            _ => continue,
        };
        context.reserved(&parameter, why);
    }
    let given = parameters.members().map(|(name, value)| (name.to_owned(), Secret::new(value.text())));
    let mut all: Vec<_> = given.collect();
    if is_ping(provider)
        && matches!(dialect, Dialect::TokenInfo(_))
        && !all.iter().any(|(name, _)| name == "grant_type")
    {
        all.push(("grant_type".to_owned(), Secret::new(VALIDATE)));
    }
    all
}

#[inline(never)]
fn headers(headers: &Node<'_, Map<String>>, context: &mut Context<'_>) -> Vec<(String, Secret)> {
    for (name, header) in headers.members() {
        let why = match alike(name).as_str() {
            name if Method::ALL.iter().any(|method| method.header_field() == Some(name)) => {
                "use introspection.client_auth"
            }
            "host" => "it comes from introspection.uri",
            "accept" | "accept-encoding" | "content-type" | "content-length" | "content-encoding"
            | "transfer-encoding" => "Tollgate sets it to fit the call",
            name if super::upstream::HOP_BY_HOP.contains(&name) => "it belongs to the connection",
            _ => continue,
        };
        context.reserved(&header, why);
    }
    let mut names = Seen::default();
    for (name, header) in headers.members() {
        context.once(&mut names, name.to_ascii_lowercase(), &header);
    }
    headers.members().map(|(name, value)| (name.to_ascii_lowercase(), Secret::new(value.text()))).collect()
}
