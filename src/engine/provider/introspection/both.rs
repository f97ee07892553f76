//! A JWT's own claims combined with its introspection response: the stricter of both counts.
//!
//! The response decides about scopes, and whatever else a rule requires. But it cannot change what the
//! signature proves: the token's issuer, user and client, its binding, its audience, its actor, and its end.

use std::cmp::Ordering;

use crate::base::json::{self, Value, same};
use crate::decision::Rejection;
use crate::provider::Provider;
use crate::provider::introspection::reply::Introspection;
use crate::token::access_token::{AccessToken, timestamp};

/// Members that must not differ: they identify the token and its user.
const SAME: [&str; 5] = ["iss", "sub", "jti", "client_id", "cnf"];
/// Members that are kept if the response does not contain them: bindings, audiences and actors, and those by which a
/// token is found when something is revoked.
const KEPT: [&str; 7] = ["cnf", "aud", "act", "sub", "sid", "jti", "email"];
/// Times of which the stricter counts: the earlier end, or the later beginning.
const STRICTER: [(&str, Ordering); 4] = [
    ("exp", Ordering::Less),
    ("nbf", Ordering::Greater),
    ("iat", Ordering::Less),
    ("auth_time", Ordering::Less),
];

impl AccessToken {
    /// What is known about a token that has been verified (`self`) and that the authorization server calls
    /// active (`reply`).
    #[inline(never)]
    pub(crate) fn beside(self, reply: Self, provider: &Provider) -> Result<Introspection, Rejection> {
        if let Some(name) = self.contradicted(&reply, provider) {
            return Ok(Introspection::Contradicts(name));
        }
        let mut kept = KEPT.to_vec();
        if reply.client_id(&provider.tokens).is_none() {
            kept.extend(provider.tokens.client_id_claim.iter().map(String::as_str));
        }
        // The signature says where its status is, and nobody else.
        let is_status = |name: &str, _: &Value| name == "status" && provider.status_lists.is_some();
        let mut claims = json::without(reply.claims, &is_status);
        if self.is_dpop() {
            claims.insert("token_type".to_owned(), "DPoP".into());
        }
        if let (Some(own), Some(told)) = (self.present("aud"), claims.get("aud").filter(|aud| !aud.is_null()))
        {
            let (own, told) = (texts(own), texts(told));
            if !told.iter().all(|one| own.contains(one)) {
                let both: Vec<Value> = told.into_iter().filter(|one| own.contains(one)).cloned().collect();
                claims.insert("aud".to_owned(), both.into());
            }
        }
        if let (Some(_), Some(status)) = (&provider.status_lists, self.claims.get("status")) {
            claims.insert("status".to_owned(), status.clone());
        }
        for name in kept {
            if let (Some(own), None | Some(Value::Null)) = (self.present(name), claims.get(name)) {
                claims.insert(name.to_owned(), own.clone());
            }
        }
        for (name, stricter) in STRICTER {
            // What is no time in the response says nothing; one that matters there has been refused before.
            let told = timestamp(&claims, name).ok().flatten();
            let is_stricter = |own: i64| told.is_none_or(|told| own.cmp(&told) == stricter);
            let own = timestamp(&self.claims, name).ok().flatten().is_some_and(is_stricter);
            if let (true, Some(own)) = (own, self.present(name)) {
                claims.insert(name.to_owned(), own.clone());
            }
        }
        Self::new(self.provider, claims).map(Introspection::Active)
    }

    /// The member in which the two differ, if any.
    fn contradicted(&self, reply: &Self, provider: &Provider) -> Option<&'static str> {
        let differ = |name: &str| match (self.present(name), reply.present(name)) {
            (Some(own), Some(told)) => !same(own, told),
            _ => false,
        };
        if provider.tokens.client_id_claim.iter().any(|name| differ(name)) {
            return Some("client_id");
        }
        let is_bearer = self.is_dpop() && reply.present("token_type").is_some() && !reply.is_dpop();
        SAME.into_iter().find(|name| differ(name)).or(is_bearer.then_some("token_type"))
    }
}

/// The values of `aud`, which may be one alone.
fn texts(aud: &Value) -> Vec<&Value> {
    aud.as_array().map_or_else(|| vec![aud], |all| all.iter().collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::base::ids::ProviderId;
    use crate::base::json::{self, Value};
    use crate::provider::Provider;
    use crate::provider::introspection::reply::Introspection;
    use crate::provider::status_list::StatusLists;
    use crate::token::access_token::AccessToken;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn token(claims: &str) -> AccessToken {
        let Ok(Value::Object(claims)) = json::parse(claims.as_bytes()) else { panic!("{claims}") };
        AccessToken::new(ProviderId(0), claims).unwrap()
    }

    fn provider(with_status: bool) -> Provider {
        let lists = StatusLists {
            uris: Vec::new(),
            prefix: None,
            cluster: "as".to_owned(),
            timeout: Duration::from_secs(1),
            required: false,
            refresh: Duration::from_secs(60),
            stale_if_error: Duration::ZERO,
            max_lists: 1,
            max_response_bytes: 1000,
            max_list_bytes: 1000,
            keys: None,
            user_agent: String::new(),
        };
        let mut provider = Provider { status_lists: with_status.then_some(lists), ..Provider::bare() };
        provider.tokens.client_id_claim = vec!["azp".to_owned(), "client_id".to_owned()];
        provider
    }

    #[test]
    fn the_stricter_of_a_jwt_and_its_response_counts() {
        #[rustfmt::skip]
        let cases = [
            // name, whether the status is checked, the JWT, the response, what counts
            ("the response's scope, and the earlier end",  false, r#"{"exp":90,"sub":"a"}"#,         r#"{"exp":80,"scope":"x"}"#,                  r#"{"exp":80,"scope":"x","sub":"a"}"#),
            ("also where the status is checked",           true,  r#"{"exp":90,"sub":"a"}"#,         r#"{"exp":80,"scope":"x"}"#,                  r#"{"exp":80,"scope":"x","sub":"a"}"#),
            ("a status that the JWT names",                true,  r#"{"status":{"a":1}}"#,           r#"{"scope":"x","status":{"b":2}}"#,          r#"{"scope":"x","status":{"a":1}}"#),
            ("a status that only the response names",      true,  r#"{"sub":"a"}"#,                  r#"{"scope":"x","status":{"b":2}}"#,          r#"{"scope":"x","sub":"a"}"#),
            ("where it is not checked, it is any claim",   false, r#"{"sub":"a"}"#,                  r#"{"status":"gold"}"#,                       r#"{"status":"gold","sub":"a"}"#),
            ("the client that the response names",         false, r#"{"azp":"own"}"#,                r#"{"client_id":"told"}"#,                    r#"{"client_id":"told"}"#),
            ("the JWT's client, if it names none",         false, r#"{"azp":"own"}"#,                r#"{"scope":"x"}"#,                           r#"{"scope":"x","azp":"own"}"#),
            ("a bearer token that is called one",          false, r#"{"sub":"a"}"#,                  r#"{"token_type":"Bearer"}"#,                 r#"{"token_type":"Bearer","sub":"a"}"#),
            ("the audiences that both name",               false, r#"{"aud":["a","b"]}"#,            r#"{"aud":["b","c"]}"#,                       r#"{"aud":["b"]}"#),
        ];
        for (name, with_status, own, told, want) in cases {
            let said = token(own).beside(token(told), &provider(with_status)).unwrap();
            assert_eq!(said, Introspection::Active(token(want)), "{name}");
        }
        let said =
            token(r#"{"token_type":"DPoP"}"#).beside(token(r#"{"token_type":"Bearer"}"#), &provider(false));
        assert_eq!(said, Ok(Introspection::Contradicts("token_type")));
    }
}
