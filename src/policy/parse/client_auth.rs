//! `client_auth`: exactly one way to authenticate, and what belongs to it (OAU-14).

use crate::policy::error::Fault;
use crate::policy::keys::text::is_bearer_token;
use crate::policy::parse::Context;
use crate::policy::parse::node::Node;
use crate::policy::schema::listed;
use crate::provider::client_auth::{BasicEncoding, ClientAuth};
use crate::secret::Secret;

/// The credentials; without them if anything is wrong.
#[inline(never)]
pub(super) fn parse(auth: &Node<'_>, context: &mut Context<'_>) -> ClientAuth {
    let id = auth.key("client_id");
    let raw = auth.key("basic_encoding").text() == "raw";
    let method = auth.key("method").text();
    if raw && method != "client_secret_basic" {
        unused(auth, method, &["basic_encoding"], context);
    }
    match method {
        "client_secret_basic" => {
            unused(auth, method, &["bearer_token", "bearer_token_env"], context);
            required(&id, context);
            let secret = secret(auth, ["client_secret", "client_secret_env"], context).unwrap_or_default();
            if raw && id.text().contains(':') {
                let what = "a client id without a colon, for it is sent raw (RFC 7617 §2)".to_owned();
                context.faults.add(&id.place, Fault::Expected { what });
            }
            let encoding = if raw { BasicEncoding::Raw } else { BasicEncoding::Form };
            ClientAuth::basic(id.text(), &Secret::new(secret), encoding)
        }
        "client_secret_post" => {
            unused(auth, method, &["bearer_token", "bearer_token_env"], context);
            required(&id, context);
            let secret = secret(auth, ["client_secret", "client_secret_env"], context).unwrap_or_default();
            ClientAuth::Post { client_id: id.text().to_owned(), client_secret: Secret::new(secret) }
        }
        "bearer" => {
            unused(auth, method, &["client_id", "client_secret", "client_secret_env"], context);
            let token = secret(auth, ["bearer_token", "bearer_token_env"], context);
            if let Some(token) = &token
                && !is_bearer_token(token)
            {
                let what = "a Bearer token (RFC 6750 §2.1)";
                let (place, fault) = if auth.key("bearer_token").is_set() {
                    (auth.key("bearer_token").place, Fault::Expected { what: what.to_owned() })
                } else {
                    (auth.key("bearer_token_env").place, Fault::UnfitVariable { what })
                };
                context.faults.add(&place, fault);
            }
            ClientAuth::bearer(&Secret::new(token.unwrap_or_default()))
        }
        "none" => {
            let secrets = ["client_secret", "client_secret_env", "bearer_token", "bearer_token_env"];
            unused(auth, method, &secrets, context);
            ClientAuth::None { client_id: id.some_text() }
        }
        // A method of no known name has been reported.
        _ => ClientAuth::None { client_id: None },
    }
}

#[inline(never)]
fn required(node: &Node<'_>, context: &mut Context<'_>) {
    if !node.is_set() {
        context.faults.add(&node.place, Fault::Missing);
    }
}

#[inline(never)]
fn unused(auth: &Node<'_>, method: &'_ str, keys: &[&'static str], context: &mut Context<'_>) {
    for key in keys.iter().map(|key| auth.key(key)).filter(Node::is_set) {
        context.faults.add(&key.place, Fault::Unused { method: method.to_owned() });
    }
}

/// The secret, written here or in an environment variable; exactly one of the two.
#[inline(never)]
fn secret(auth: &Node<'_>, keys: [&'static str; 2], context: &mut Context<'_>) -> Option<String> {
    let [written, variable] = keys.map(|key| auth.key(key));
    match (written.is_set(), variable.is_set()) {
        (true, false) => written.some_text(),
        (false, true) => {
            let value = (context.env)(variable.text()).filter(|value| !value.is_empty());
            if value.is_none() {
                context.faults.add(&variable.place, Fault::Unset);
            }
            value
        }
        (found, _) => {
            let found = if found { 2 } else { 0 };
            let fault = Fault::Choice { quantity: "exactly one", keys: listed(&keys, "and"), found };
            context.faults.add(&auth.place, fault);
            None
        }
    }
}
