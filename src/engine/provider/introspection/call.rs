//! The introspection request ([RFC 7662 §2.1]), built from the configuration and the token; and
//! from the time and a nonce where we sign who we are.
//!
//! [RFC 7662 §2.1]: https://www.rfc-editor.org/rfc/rfc7662#section-2.1

use std::time::Duration;

use form_urlencoded::Serializer;

use crate::base::ids::ProviderId;
use crate::base::random::Nonces;
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::decision::Rejection;
use crate::provider::assertion::ASSERTION_TYPE;
use crate::provider::client_auth::ClientAuth;
use crate::provider::introspection::signed::MEDIA_TYPE;
use crate::provider::introspection::user_info::SIGNED;
use crate::provider::{Dialect, IntrospectionEndpoint, Provider, TokenIn};

/// One call to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IntrospectionCall {
    /// The provider that is called.
    pub provider: ProviderId,
    /// The Envoy cluster to send it to.
    pub cluster: String,
    /// How long to wait before sending it.
    pub after: Duration,
    /// How long its response may take.
    pub timeout: Duration,
    /// The head, pseudo-fields first.
    pub headers: Vec<(String, Secret)>,
    /// The form; empty without one.
    pub body: Secret,
    /// How many bytes of the response's body are wanted: one more than may be used.
    pub read_up_to: usize,
    /// How the call before this one for the same request ended.
    pub previous: Option<Rejection>,
}

impl IntrospectionCall {
    /// The call that asks `provider` about `token`, through its first cluster.
    pub fn new(id: ProviderId, provider: &Provider, token: &Secret, now: UnixTime, nonces: &Nonces) -> Self {
        let endpoint = &provider.introspection;
        Self {
            provider: id,
            cluster: endpoint.clusters.first().cloned().unwrap_or_default(),
            after: Duration::ZERO,
            timeout: endpoint.timeout,
            headers: head(endpoint, token),
            body: match endpoint.token_in() {
                TokenIn::Form => form(endpoint, token, now, nonces),
                TokenIn::Header | TokenIn::Query => Secret::new(""),
            },
            read_up_to: endpoint.max_response_bytes.saturating_add(1),
            previous: None,
        }
    }
}

fn head(endpoint: &IntrospectionEndpoint, token: &Secret) -> Vec<(String, Secret)> {
    let accept = match &endpoint.dialect {
        Dialect::Rfc7662 | Dialect::TokenInfo(_) | Dialect::UserInfo { audience: None } => "application/json",
        Dialect::Rfc9701 { .. } => MEDIA_TYPE,
        Dialect::UserInfo { audience: Some(_) } => SIGNED,
    };
    let place = endpoint.token_in();
    let pseudo = [
        (":method", if place == TokenIn::Form { "POST" } else { "GET" }),
        (":scheme", &endpoint.scheme),
        (":authority", &endpoint.authority),
    ];
    let field = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    let mut fields: Vec<_> = pseudo.map(|(name, value)| field(name, value)).into();
    match place {
        TokenIn::Form => fields.extend([
            field(":path", &endpoint.path),
            field("content-type", "application/x-www-form-urlencoded"),
        ]),
        TokenIn::Header => fields.extend([
            field(":path", &endpoint.path),
            field("authorization", &["Bearer ", token.expose()].concat()),
        ]),
        TokenIn::Query => {
            let mark = if endpoint.path.contains('?') { "&" } else { "?" };
            let query = Serializer::new(String::new()).append_pair("access_token", token.expose()).finish();
            fields.push(field(":path", &[&endpoint.path, mark, &query].concat()));
        }
    }
    fields.extend([field("accept", accept), field("accept-encoding", "identity")]);
    if !endpoint.headers.iter().any(|(name, _)| name == "user-agent") {
        fields.push(field("user-agent", &endpoint.user_agent));
    }
    match &endpoint.client_auth {
        ClientAuth::Basic(value) | ClientAuth::Bearer(value) => {
            fields.push(("authorization".to_owned(), value.clone()));
        }
        ClientAuth::Post { .. } | ClientAuth::Assertion(_) | ClientAuth::None { .. } => {}
    }
    fields.extend(endpoint.headers.iter().cloned());
    fields
}

impl IntrospectionEndpoint {
    /// Where the token is in a call.
    pub fn token_in(&self) -> TokenIn {
        match &self.dialect {
            Dialect::Rfc7662 | Dialect::Rfc9701 { .. } => TokenIn::Form,
            Dialect::TokenInfo(place) => *place,
            Dialect::UserInfo { .. } => TokenIn::Header,
        }
    }
}

fn form(endpoint: &IntrospectionEndpoint, token: &Secret, now: UnixTime, nonces: &Nonces) -> Secret {
    let mut form = Serializer::new(String::with_capacity(token.expose().len().saturating_add(64)));
    form.append_pair("token", token.expose());
    if let Some(hint) = &endpoint.token_type_hint {
        form.append_pair("token_type_hint", hint);
    }
    match &endpoint.client_auth {
        ClientAuth::Post { client_id, client_secret } => {
            form.append_pair("client_id", client_id);
            if !client_secret.expose().is_empty() {
                form.append_pair("client_secret", client_secret.expose());
            }
        }
        // RFC 7521 §4.2 does not need the client id, but some authorization servers do.
        ClientAuth::Assertion(assertion) => {
            form.append_pair("client_id", assertion.client_id());
            form.append_pair("client_assertion_type", ASSERTION_TYPE);
            form.append_pair("client_assertion", assertion.sign(now, nonces).expose());
        }
        ClientAuth::None { client_id: Some(client_id) } => {
            form.append_pair("client_id", client_id);
        }
        ClientAuth::None { client_id: None } | ClientAuth::Basic(_) | ClientAuth::Bearer(_) => {}
    }
    form.extend_pairs(endpoint.parameters.iter().map(|(name, value)| (name, value.expose())));
    Secret::new(form.finish())
}

#[cfg(test)]
mod tests {
    use super::IntrospectionCall;
    use crate::base::ids::ProviderId;
    use crate::base::random::Nonces;
    use crate::base::secret::Secret;
    use crate::base::time::UnixTime;
    use crate::provider::{Dialect, Provider, TokenIn};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_token_in_the_query_is_one_more_parameter() {
        for (path, want) in
            [("/info", "/info?access_token=a%2Bb"), ("/info?v=2", "/info?v=2&access_token=a%2Bb")]
        {
            let mut provider = Provider::bare();
            provider.introspection.dialect = Dialect::TokenInfo(TokenIn::Query);
            path.clone_into(&mut provider.introspection.path);
            let (now, nonces) = (UnixTime::from_secs(1000), Nonces::new([1, 2]));
            let call = IntrospectionCall::new(ProviderId(0), &provider, &Secret::new("a+b"), now, &nonces);
            let field = |name: &str| {
                call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose())
            };
            assert_eq!((field(":method"), field(":path")), (Some("GET"), Some(want)));
            assert_eq!((field("authorization"), call.body.expose()), (None, ""), "and nowhere else");
        }
    }
}
