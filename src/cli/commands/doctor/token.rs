//! A token that should be good: is it, and if not, why might the server say so?

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

/// Asks about it.
pub(super) fn ask_about(patient: &mut Patient<'_>, token: &Secret, http: &Http, out: &mut Output) {
    out.progress(format_args!("asking {} about the token", patient.provider.name));
    let said = match call::introspect(patient, token, http) {
        Ok((_, said)) => said,
        Err(failure) => return patient.wrong(failure.what(), failure.advice()),
    };
    match said {
        Err(rejection) => patient.wrong(
            format!("about the token: {rejection}"),
            "A made-up token was answered; this one is not. The server's log may tell why.",
        ),
        Ok(Introspection::Inactive) => inactive(patient, token),
        Ok(Introspection::Contradicts(name)) => patient.wrong(
            format!("the token is active, but its reply has another {name} than the token itself"),
            "The filter refuses such a token. Something in between may answer for another token.",
        ),
        Ok(Introspection::Active(token)) => active(patient, &token),
    }
}

/// `active: true`: would the filter let it in?
fn active(patient: &mut Patient<'_>, token: &AccessToken) {
    let shown = |name: &str| token.present(name).map_or_else(|| "none".to_owned(), Value::to_string);
    match token.check(&patient.provider.tokens, clock::now(), &Untraced) {
        Ok(()) => {
            let scopes = token.scopes(&patient.provider.tokens).join(" ");
            patient.good(format!("the token is active, and good for the filter; its scopes: {}", if scopes.is_empty() { "none" } else { &scopes }));
            if scopes.is_empty() {
                patient.note(
                    format!("the reply grants no scopes (scope: {})", shown("scope")),
                    "Where a rule demands one, the token is refused. scope_array: accept reads lists; default_scopes is for servers that leave a default out (PingFederate).",
                );
            }
            bound(patient, token);
        }
        Err(Rejection::WrongIssuer) => patient.wrong(
            format!("the token is active, but its issuer is {}, not {:?}", shown("iss"), patient.provider.tokens.issuer.as_deref().unwrap_or_default()),
            "A server may be known under several host names: configure the issuer that its tokens carry.",
        ),
        Err(Rejection::WrongAudience) => patient.wrong(
            format!("the token is active, but its audience is {}", shown("aud")),
            "Let the server put this API into aud, or leave audiences out where it has none (OpenAM, Salesforce).",
        ),
        Err(other) => patient.wrong(format!("the token is active, but {other}"), ""),
    }
}

/// What a bound token needs, and whether the configuration understands it.
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
            let advice = "It is refused, unless sender_constraint: ignore says that nobody minds.";
            return patient.note("the token is bound in a way that cannot be proven here (cnf)", advice);
        }
    };
    let is_understood = if key == "mtls" { policy.mtls.is_some() } else { policy.dpop.is_some() };
    if is_understood {
        patient.note(format!("the token is bound to {saw}"), &format!("It passes {proof}, and not without."));
    } else {
        patient.note(
            format!("the token is bound to {saw}"),
            &format!("It is refused: `{key}` is not configured. With it, the token passes {proof}."),
        );
    }
}

/// `active: false`: what the token itself tells, then what the product is known for.
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

/// What a JWT says of itself, believed by nobody.
fn own_words(patient: &Patient<'_>, claims: &Map<String, Value>) -> Vec<(String, String)> {
    let mut causes = Vec::new();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if let Some(exp) =
        claims.get("exp").and_then(Value::as_u64).map(UnixTime::from_secs).filter(|exp| *exp <= clock::now())
    {
        causes.push((format!("it ended at {}", clock::date(exp)), "Get a new one.".to_owned()));
    }
    if let (Some(iss), Some(issuer)) = (text("iss"), &patient.provider.tokens.issuer)
        && iss != issuer
    {
        let advice = "It was issued by another server, or by this one under another host name: the server compares the two. Let clients and gateway use one name (Keycloak: hostname).";
        causes.push((
            format!("its issuer is {iss:?}, and the one that was asked {issuer:?}"),
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
            "Recent Keycloak answers a client about tokens alone that have it in aud: add an audience mapper for {own:?} to the client's scopes. {}",
            habit(product(patient))
        );
        causes.push((format!("the asking client {own:?} is not in its audience {aud}"), advice));
    }
    causes
}

fn product(patient: &Patient<'_>) -> Preset {
    let named = Preset::named(patient.text("/preset")).filter(|preset| *preset != Preset::Generic);
    named.or_else(|| patient.provider.tokens.issuer.as_deref().and_then(guess)).unwrap_or_default()
}

/// Why a product calls a good token inactive.
fn habit(product: Preset) -> String {
    match product {
        Preset::OpenAm => "OpenAM answers a client about its own tokens alone: ask with the client that got it.",
        Preset::ForgeRock => "PingAM answers about others' tokens if the asking client has the scope am-introspect-all-tokens.",
        Preset::Salesforce => "Salesforce answers about a client's own tokens and those of the apps that it registered; one app of the organization may be allowed to ask about all.",
        Preset::Keycloak => "In Keycloak the asking client must be confidential, of the same realm, and in the token's aud (an audience mapper).",
        Preset::Okta => "In Okta the token must come from the very authorization server whose endpoint is asked (/oauth2/default is not /oauth2).",
        Preset::PingFederate => "In PingFederate the asking client needs the access token manager that issued it among its own.",
        Preset::Generic => "It may have ended or been revoked, be of another environment, or the asking client may not be told about others' tokens.",
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
