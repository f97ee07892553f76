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
