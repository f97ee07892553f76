//! Introspects a token that should be valid. If it is not, suggests why.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tollgate_engine::base::json;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Rejection;
use tollgate_engine::decision::trace::Untraced;
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::preset::Preset;
use tollgate_engine::token::access_token::AccessToken;

use crate::commands::doctor::{Patient, call};
use crate::kit::clock;
use crate::kit::http::Http;
use crate::kit::output::Output;
use crate::kit::presets::guess;

/// Introspects the token.
pub(super) fn examine(patient: &mut Patient<'_>, token: &Secret, http: &Http, out: &mut Output) {
    out.progress(format_args!("introspecting the token at {}", patient.provider.name));
    let said = match call::introspect(patient, token, http) {
        Ok((_, said)) => said,
        Err(failure) => return patient.wrong(failure.what(), failure.advice()),
    };
    match said {
        Err(rejection) => patient.wrong(
            format!("the token cannot be introspected: {rejection}"),
            "The server accepted the introspection of a made-up token, but not of this one. Its log may say why.",
        ),
        Ok(Introspection::Inactive) => inactive(patient, token),
        Ok(Introspection::Contradicts(name)) => patient.wrong(
            format!("the token is active, but the response has another {name} than the token itself"),
            "The filter rejects such a token. An intermediary may have sent the response for another token.",
        ),
        Ok(Introspection::Active(token)) => active(patient, &token),
    }
}

/// `active: true`: would the filter accept the token?
fn active(patient: &mut Patient<'_>, token: &AccessToken) {
    let shown = |name: &str| token.present(name).map_or_else(|| "none".to_owned(), Value::to_string);
    match token.check(&patient.provider.tokens, clock::now(), &Untraced) {
        Ok(()) => {
            let scopes = token.scopes(&patient.provider.tokens).join(" ");
            patient.good(format!("the token is active, and the filter accepts it; its scopes: {}", if scopes.is_empty() { "none" } else { &scopes }));
            if scopes.is_empty() {
                patient.note(
                    format!("the response grants no scopes (scope: {})", shown("scope")),
                    "If a rule requires one, the token is rejected. scope_array: accept reads lists; default_scopes is for servers that leave a default scope out (PingFederate).",
                );
            }
            bound(patient, token);
        }
        Err(Rejection::WrongIssuer) => patient.wrong(
            format!("the token is active, but its issuer is {}, not {:?}", shown("iss"), patient.provider.tokens.issuer.as_deref().unwrap_or_default()),
            "If the server has several host names, configure the issuer that its tokens carry.",
        ),
        Err(Rejection::WrongAudience) => patient.wrong(
            format!("the token is active, but its audience is {}", shown("aud")),
            "Configure the server to put this API into aud. If it never sends aud (OpenAM, Salesforce), leave audiences out.",
        ),
        Err(other) => patient.wrong(format!("the token is active, but {other}"), ""),
    }
}

/// Notes what a bound token needs, and whether the configuration supports it.
fn bound(patient: &mut Patient<'_>, token: &AccessToken) {
    let policy = patient.policy;
    let (saw, key, proof) = match (token.is_bound, token.jkt(), token.x5t()) {
        (false, ..) => return,
        (_, None, Some(_)) => {
            ("a certificate (cnf.x5t#S256)", "mtls", "over a connection with that certificate (RFC 8705)")
        }
        (_, Some(_), _) => ("a key (cnf.jkt)", "dpop", "with a proof of its key (RFC 9449)"),
        _ if token.is_dpop() => {
            ("a key (token_type: DPoP)", "dpop", "with a proof of its key, if cnf.jkt names one (RFC 9449)")
        }
        (_, None, None) => {
            let advice = "It is rejected, unless sender_constraint: ignore allows it.";
            return patient.note("the token is bound in a way that cannot be proven here (cnf)", advice);
        }
    };
    let is_understood = if key == "mtls" { policy.mtls.is_some() } else { policy.dpop.is_some() };
    if is_understood {
        patient.note(format!("the token is bound to {saw}"), &format!("It is accepted only {proof}."));
    } else {
        patient.note(
            format!("the token is bound to {saw}"),
            &format!(
                "It is rejected, because `{key}` is not configured. With it, the token is accepted {proof}."
            ),
        );
    }
}

/// `active: false`: the causes that the token itself shows, or those that are common for the product.
fn inactive(patient: &mut Patient<'_>, token: &Secret) {
    let claims = unverified(token.expose());
    let causes = claims.as_ref().map(|claims| own_words(patient, claims)).unwrap_or_default();
    if causes.is_empty() {
        patient.wrong("the server says that the token is not active", &habit(product(patient)));
        return;
    }
    for (saw, advice) in causes {
        patient.wrong(format!("the server says that the token is not active; {saw}"), &advice);
    }
}

/// Causes that the unverified claims of a JWT show.
fn own_words(patient: &Patient<'_>, claims: &Map<String, Value>) -> Vec<(String, String)> {
    let mut causes = Vec::new();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if let Some(exp) =
        claims.get("exp").and_then(Value::as_u64).map(UnixTime::from_secs).filter(|exp| *exp <= clock::now())
    {
        causes.push((format!("it expired at {}", clock::date(exp)), "Request a new one.".to_owned()));
    }
    if let (Some(iss), Some(issuer)) = (text("iss"), &patient.provider.tokens.issuer)
        && iss != issuer
    {
        let advice = "It was issued by another server, or by this server under another host name. Use the same name for clients and the gateway (Keycloak: hostname).";
        causes.push((
            format!("its issuer is {iss:?}, but the configured one is {issuer:?}"),
            advice.to_owned(),
        ));
    }
    let own = patient.text("/introspection/client_auth/client_id");
    let in_audience = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(own)),
        Some(one) => one.as_str() == Some(own),
        None => false,
    };
    if causes.is_empty() && !own.is_empty() && !in_audience {
        let aud = claims.get("aud").map_or_else(|| "none".to_owned(), Value::to_string);
        let advice = format!(
            "Recent Keycloak introspects a token only for clients in its aud: add an audience mapper for {own:?} to the client's scopes. {}",
            habit(product(patient))
        );
        causes.push((format!("the gateway's client {own:?} is not in its audience {aud}"), advice));
    }
    causes
}

fn product(patient: &Patient<'_>) -> Preset {
    let named = Preset::named(patient.text("/preset")).filter(|preset| *preset != Preset::Generic);
    named.or_else(|| patient.provider.tokens.issuer.as_deref().and_then(guess)).unwrap_or_default()
}

/// Why a product reports a valid token as inactive.
fn habit(product: Preset) -> String {
    match product {
        Preset::OpenAm => "OpenAM introspects a token only for the client that it was issued to: use that client.",
        Preset::ForgeRock => "PingAM introspects tokens of other clients only if the gateway's client has the scope am-introspect-all-tokens.",
        Preset::Salesforce => "Salesforce introspects a client's own tokens and those of the apps that it registered; one app of the organization can be allowed to introspect all.",
        Preset::Keycloak => "In Keycloak, the gateway's client must be confidential, in the same realm, and in the token's aud (an audience mapper).",
        Preset::Okta => "In Okta, the token must come from the authorization server whose endpoint is called (/oauth2/default and /oauth2 differ).",
        Preset::PingFederate => "In PingFederate, the gateway's client needs access to the access token manager that issued the token.",
        Preset::Generic => "It may have expired or been revoked, or come from another environment, or the gateway's client may not be allowed to introspect it.",
    }
    .to_owned()
}

/// The claims of a JWT-shaped token.
fn unverified(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    match json::parse(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}
