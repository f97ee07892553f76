//! `responses`: what a refused client is told.

use std::collections::BTreeMap;

use crate::config::error::Fault;
use crate::config::parse::Context;
use crate::config::parse::node::Node;
use crate::decision::Verdict;
use crate::response::{Format, Override, Profile, Responses};

/// All of it.
#[inline(never)]
pub(super) fn parse(responses: &Node<'_>, context: &mut Context<'_>) -> Responses {
    let profile = match responses.key("profile").text() {
        "anypoint" => Profile::Anypoint,
        _ => Profile::Rfc6750,
    };
    let format = match responses.key("format").text() {
        "problem" => Format::Problem,
        "auto" => Format::Auto,
        "none" => Format::None,
        _ => Format::Json,
    };
    if profile == Profile::Anypoint && matches!(format, Format::Problem | Format::Auto) {
        let why = "its clients expect other bodies";
        context.contradiction(&responses.key("format"), &responses.key("profile"), why);
    }
    whole_seconds(&responses.key("retry_after"), context);
    context.no_duplicates(responses.key("cors_origins").items(), |origin| origin.text().to_owned());
    Responses {
        profile,
        realm: responses.key("realm").some_text(),
        format,
        retry_after: responses.key("retry_after").duration(),
        error_uri: responses.key("error_uri").some_text(),
        cors_origins: responses.key("cors_origins").texts(),
        overrides: overrides(&responses.key("overrides"), context),
    }
}

/// Faults at a duration that is sent as a number of seconds.
#[inline(never)]
pub(super) fn whole_seconds(duration: &Node<'_>, context: &mut Context<'_>) {
    if duration.duration().subsec_millis() != 0 {
        context.faults.add(&duration.place, Fault::Expected { what: "whole seconds".to_owned() });
    }
}

#[inline(never)]
fn overrides(overrides: &Node<'_>, context: &mut Context<'_>) -> BTreeMap<Verdict, Override> {
    let mut by_verdict = BTreeMap::new();
    for (name, one) in overrides.members() {
        let media_type = one.key("content_type");
        if media_type.is_set() && !one.key("body").is_set() {
            context.faults.add(&media_type.place, Fault::Needs { other: "body" });
        }
        let status = one.key("status");
        let value = Override {
            status: status.is_set().then(|| u16::try_from(status.integer()).unwrap_or_default()),
            body: one.key("body").some_text(),
            content_type: media_type.some_text(),
        };
        by_verdict.extend(Verdict::from_name(name).map(|verdict| (verdict, value)));
    }
    by_verdict
}
