//! Introspects a token that no server has issued: does the server respond, and does it accept the credentials?

use std::time::Instant;

use serde_json::Value;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::decision::{BadAnswer, Rejection};
use tollgate_engine::provider::Dialect;
use tollgate_engine::provider::introspection;
use tollgate_engine::provider::introspection::call::IntrospectionCall;
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;

use crate::commands::doctor::Patient;
use crate::kit::ask::ask;
use crate::kit::clock;
use crate::kit::discovery::Discovered;
use crate::kit::failure::Failure;
use crate::kit::http::{Http, Reply};
use crate::kit::output::Output;
use crate::kit::signatures::Computed;

/// One call as the filter makes it: the response, and how the filter would read it.
pub(super) fn introspect(
    patient: &Patient<'_>,
    token: &Secret,
    http: &Http,
) -> Result<(Reply, Result<Introspection, Rejection>), Failure> {
    let (who, asked) = ((patient.id, patient.provider), clock::now());
    let mut call = IntrospectionCall::new(patient.id, patient.provider, token, asked, patient.nonces);
    if let Some(Ok(injected)) = patient.injected {
        injected.add_to(&mut call.headers);
    }
    let reply = ask(http, &call)?;
    let mut head = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
    head.extend(
        reply.headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())),
    );
    let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: &reply.body };
    let times = (asked, clock::now());
    let said = introspection::read(who, &patient.keys, token, outcome, &Computed, times);
    Ok((reply, said))
}

/// Introspects a made-up token. Returns whether the response is as it should be.
pub(super) fn introspect_made_up(
    patient: &mut Patient<'_>,
    known: Option<&Discovered>,
    http: &Http,
    out: &mut Output,
) -> bool {
    out.progress(format_args!("introspecting a made-up token at {}", patient.provider.name));
    let started = Instant::now();
    let (reply, said) = match introspect(patient, &Secret::new("tollgate-doctor-made-this-up"), http) {
        Ok(response) => response,
        Err(failure) => {
            patient.wrong(failure.what(), failure.advice());
            return false;
        }
    };
    let took = started.elapsed().as_millis();
    clock(patient, &reply);
    let is_user_info = matches!(patient.provider.introspection.dialect, Dialect::UserInfo { .. });
    // The made-up token is not a JWT. It is verified only after the server has reported it as active.
    let said = match said {
        Err(Rejection::BadJwt { .. }) if reply.status == 200 && !is_user_info => {
            Ok(Introspection::Contradicts("signature"))
        }
        said => said,
    };
    // The filter rejects it as a JWT. Here, it counts that the server does not accept it.
    let is_unknown = matches!(said, Err(Rejection::BadJwt { .. })) && matches!(reply.status, 401 | 403);
    let is_token_info = matches!(patient.provider.introspection.dialect, Dialect::TokenInfo(_));
    match said {
        Ok(Introspection::Inactive) if reply.status == 200 && is_token_info => {
            let (saw, advice) = unusable(patient, &reply, &Rejection::Inactive);
            patient.wrong(saw, advice);
            false
        }
        Ok(Introspection::Inactive) if reply.status == 200 => {
            patient.good(format!(
                "it accepts the gateway's credentials, and reports a made-up token as inactive ({took} ms)"
            ));
            true
        }
        Ok(Introspection::Inactive) => {
            patient.good(format!("it responds, and does not accept a made-up token ({took} ms)"));
            true
        }
        _ if is_unknown => {
            patient.good(format!("it responds, and does not accept a made-up token ({took} ms)"));
            true
        }
        Ok(Introspection::Active(_) | Introspection::Contradicts(_)) => {
            patient.wrong(
                "it reports a made-up token as active",
                "This server would accept any token. Do not use it.",
            );
            false
        }
        Err(_) if reply.status != 200 => {
            let (saw, advice) = refusal(patient, known, &reply);
            patient.wrong(saw, &advice);
            false
        }
        Err(rejection) => {
            let (saw, advice) = unusable(patient, &reply, &rejection);
            patient.wrong(saw, advice);
            false
        }
    }
}

/// What may be wrong with a response of status 200 that the filter cannot use.
fn unusable(patient: &Patient<'_>, reply: &Reply, rejection: &Rejection) -> (String, &'static str) {
    if let Rejection::BadAnswer { cause: BadAnswer::Coded(name) } = rejection {
        return (
            format!("status 200, but its content coding is {name}, although identity was requested"),
            "The filter cannot read compressed responses. Turn off compression for this address, at the server or at the proxy in front of it.",
        );
    }
    let is_plain = reply.object().is_ok_and(|reply| reply.get("active").is_some_and(Value::is_boolean));
    match &patient.provider.introspection.dialect {
        Dialect::Rfc7662 => match reply.object() {
            Err(what) => (
                format!("status 200, but not an introspection response: {what}"),
                "This is probably the address of a page, not of the introspection endpoint.",
            ),
            Ok(reply) if !reply.get("active").is_some_and(Value::is_boolean) => (
                "status 200, but the response has no boolean \"active\"".to_owned(),
                "Is it an introspection endpoint (RFC 7662)? For an older token information endpoint, set dialect: tokeninfo.",
            ),
            Ok(_) => (format!("status 200, but {rejection}"), ""),
        },
        Dialect::Rfc9701 { .. } if is_plain => (
            "its response is not signed".to_owned(),
            "The gateway's client has to be registered for signed responses: introspection_signed_response_alg (RFC 9701 §6). Otherwise, leave dialect: rfc9701 out.",
        ),
        Dialect::Rfc9701 { .. } => (
            format!("its signed response cannot be used: {rejection}"),
            "Do issuer, reply_audience, algorithms and jwks match the server's signed responses?",
        ),
        Dialect::TokenInfo(_) if is_plain => (
            "its response is that of an introspection endpoint".to_owned(),
            "Leave dialect: tokeninfo out, and give it the gateway's credentials.",
        ),
        Dialect::TokenInfo(_) => {
            (format!("status 200, but {rejection}"), "Is it a token information endpoint?")
        }
        Dialect::UserInfo { .. } => (
            format!("status 200 for a made-up token, and {rejection}"),
            "Is it the UserInfo endpoint? It has to reject unknown tokens.",
        ),
    }
}

/// If the clocks differ, expired tokens are accepted or valid ones are rejected.
fn clock(patient: &mut Patient<'_>, reply: &Reply) {
    let theirs = reply.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let theirs = theirs.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    let Some(theirs) = theirs else { return };
    let apart = clock::now().as_secs().abs_diff(theirs.as_secs());
    if apart > 30 {
        patient.wrong(
            format!("its clock and this machine's clock differ by {apart} s"),
            "Tokens expire that much too early or too late. Synchronize both clocks (NTP); providers.*.clock_skew allows for small differences.",
        );
    }
}

/// What a status means, and what to do.
fn refusal(patient: &Patient<'_>, known: Option<&Discovered>, reply: &Reply) -> (String, String) {
    let body = reply.object().ok();
    let text = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
    let error = text("error");
    let status = reply.status;
    let said = match (error, text("error_description")) {
        (Some(error), Some(description)) => format!(" {error} ({description})"),
        (Some(error), None) => format!(" {error}"),
        _ => String::new(),
    };
    let saw = |what: &str| format!("status {status}{said}: {what}");
    let endpoint = &patient.provider.introspection;
    let is_by_cluster = endpoint.client_auth.method().is_by_cluster();
    let is_bearer = endpoint.client_auth.method().is_token() && matches!(status, 401 | 403);
    let says_active = matches!(endpoint.dialect, Dialect::Rfc7662 | Dialect::Rfc9701 { .. });
    match (status, error) {
        (401, _) | (400, Some("invalid_client" | "unauthorized_client")) if let Some(Ok(injected)) = patient.injected => (
            saw(&format!("it rejects the credentials in {}, which Envoy adds", injected.source)),
            "Do the id and the secret in it belong to a client there, and is the secret still valid? `tollgate client secret-file` writes the file again.".to_owned(),
        ),
        (400 | 401 | 403, _) if is_by_cluster && patient.injected.is_none() => (
            saw("it requires credentials, and the configuration leaves them to Envoy"),
            "If Envoy adds them (credential_injector, a certificate), name a client for this command: --client NAME, or --client-id ID --client-secret-file FILE.".to_owned(),
        ),
        (400 | 401 | 403 | 404, Some(error)) if says_active && !is_bearer && OF_TOKENS.contains(&error) => (
            saw("an error, where RFC 7662 §2.2 requires active: false"),
            format!("Until the server is changed, every unknown token results in bad_answer (502). If this error is always about the token, and never about the gateway's credentials, set introspection.unknown_token: {{status: [{status}], error: [{error}]}}."),
        ),
        (401, _) | (400, Some("invalid_client" | "unauthorized_client")) => (saw("it rejects the gateway's credentials"), credentials(patient, known)),
        (403, _) => (
            saw("it accepts the gateway's credentials, but does not allow the gateway to introspect tokens"),
            "Give the client the right to introspect: in Keycloak a confidential client, in PingAM the scope am-introspect-all-tokens.".to_owned(),
        ),
        (400, _) => (saw("it does not understand the request"), "Does this product support introspection.parameters and token_type_hint?".to_owned()),
        (404 | 405, _) => {
            let named = known.and_then(|known| known.endpoints().introspection).filter(|named| *named != patient.endpoint());
            let advice = named.map_or_else(|| "Is this the address of the introspection endpoint? `tollgate discover` shows it.".to_owned(), |named| format!("Its metadata names {named}."));
            (saw("there is no introspection endpoint"), advice)
        }
        (300..=399, _) => {
            let to = reply.header("location").unwrap_or("no address");
            (saw(&format!("it redirects to {to}")), "An introspection endpoint does not redirect. Is the address exact: https, host, slash at the end?".to_owned())
        }
        (429, _) => (saw("it limits the rate of calls"), "Raise the limit for the gateway, and cache responses for longer (cache.ttl).".to_owned()),
        (500.., _) => (saw("an error of the server"), "The server's own log says why. Until it works, every token that is not cached is rejected (503).".to_owned()),
        _ => (saw("an introspection endpoint should respond with 200"), "Is this the address of the introspection endpoint?".to_owned()),
    }
}

/// Errors that concern the introspected token.
const OF_TOKENS: [&str; 5] =
    ["invalid_token", "token_not_found", "not_found", "invalid_grant", "expired_token"];

/// What may be wrong with the gateway's credentials.
fn credentials(patient: &Patient<'_>, known: Option<&Discovered>) -> String {
    let auth = "/introspection/client_auth";
    let method = Some(patient.text(&format!("{auth}/method")))
        .filter(|method| !method.is_empty())
        .unwrap_or("client_secret_basic");
    let id = patient.text(&format!("{auth}/client_id"));
    let mut advice = format!("Is {id:?} a client there, and is its secret correct and still valid?");
    let offered = known.and_then(|known| {
        known
            .texts("introspection_endpoint_auth_methods_supported")
            .or_else(|| known.texts("token_endpoint_auth_methods_supported"))
    });
    if let Some(offered) = offered.filter(|offered| !offered.contains(&method)) {
        advice = format!(
            "It does not accept {method}. It accepts {}: set client_auth.method. {advice}",
            offered.join(", ")
        );
    } else if method == "client_secret_basic" {
        advice += " Some servers accept only a client's registered method (client_secret_post), or do not decode what RFC 6749 §2.3.1 encodes (basic_encoding: raw).";
    }
    advice
}
