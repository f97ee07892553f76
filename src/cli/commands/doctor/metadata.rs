//! Compares the server's metadata with the configuration.

use tollgate_engine::provider::{Dialect, Validate};

use crate::commands::doctor::Patient;
use crate::kit::discovery::{Discovered, Undiscovered, discover};
use crate::kit::http::Http;
use crate::kit::output::Output;

/// Compares the two. Returns the metadata, if there are any.
pub(super) fn look(patient: &mut Patient<'_>, http: &Http, out: &mut Output) -> Option<Discovered> {
    let Some(issuer) = patient.provider.tokens.issuer.clone() else {
        patient.note(
            "no issuer is configured, so the server's metadata was not read",
            "With an issuer, responses for another server's tokens are rejected.",
        );
        return None;
    };
    out.progress(format_args!("reading the metadata of {}", patient.provider.name));
    let found = match discover(http, &issuer) {
        Ok(found) => found,
        Err(Undiscovered::OtherIssuer(failure)) => {
            let advice = failure.advice().trim_end_matches('.');
            patient.wrong(failure.what(), &format!("{advice}. Tokens of this server carry the issuer in its metadata; all of them will be rejected."));
            return None;
        }
        Err(Undiscovered::Unusable(failure)) => {
            patient.note(
                failure.what(),
                "The filter does not need the metadata; only the introspection endpoint matters.",
            );
            return None;
        }
    };
    patient.good(format!("{} has the configured issuer", found.url));
    let configured = patient.endpoint();
    let dialect = &patient.provider.introspection.dialect;
    let is_introspection = matches!(dialect, Dialect::Rfc7662 | Dialect::Rfc9701 { .. });
    match found.endpoints().introspection {
        _ if patient.provider.validate == Validate::Jwt => {}
        Some(named) if !is_introspection => patient.note(
            format!("the metadata names an introspection endpoint: {named}"),
            "It returns more than the configured endpoint: scopes, clients and expiry (RFC 7662).",
        ),
        None if !is_introspection => {}
        None => patient
            .note("the metadata names no introspection endpoint", "Some products have one anyway (OpenAM)."),
        Some(named)
            if same(&named, &configured)
                || found.introspection_by_certificate().is_some_and(|alias| same(alias, &configured)) => {}
        Some(named) => patient.note(
            format!("the metadata names another introspection endpoint: {named}"),
            "Is the configured one correct?",
        ),
    }
    contexts(patient, &found);
    resources(patient, &found);
    Some(found)
}

/// Notes authentication contexts that rules require and the server does not list ([RFC 9470 §7]).
///
/// [RFC 9470 §7]: https://www.rfc-editor.org/rfc/rfc9470#section-7
fn contexts(patient: &mut Patient<'_>, found: &Discovered) {
    let Some(offered) = found.texts("acr_values_supported") else { return };
    let demanded = patient.contexts.iter().filter(|context| !offered.contains(&context.as_str()));
    let unknown: Vec<_> = demanded.map(|context| format!("{context:?}")).collect();
    if !unknown.is_empty() {
        patient.note(
            format!("the metadata does not list {} in acr_values_supported", unknown.join(", ")),
            "A rule requires it in acr_values. Users who log in there may get tokens without it.",
        );
    }
}

/// Notes protected resources that the server does not list, if it lists any ([RFC 9728 §4]).
///
/// [RFC 9728 §4]: https://www.rfc-editor.org/rfc/rfc9728#section-4
fn resources(patient: &mut Patient<'_>, found: &Discovered) {
    let Some(listed) = found.texts("protected_resources") else { return };
    let unknown: Vec<_> =
        patient.resources.iter().filter(|resource| !listed.contains(&resource.as_str())).cloned().collect();
    if !unknown.is_empty() {
        patient.note(
            format!("the metadata does not list {} in protected_resources", unknown.join(", ")),
            "Clients that read this list may not request tokens for this resource.",
        );
    }
}

/// Ignores the case of hosts, but of nothing else.
fn same(a: &str, b: &str) -> bool {
    let parse = |text| url::Url::parse(text).ok();
    parse(a).is_some() && parse(a) == parse(b)
}
