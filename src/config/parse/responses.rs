//! `responses`: what a rejected client gets.

use std::time::Duration;

use crate::key::Map;
use crate::keys;
use crate::parse::Context;
use crate::parse::node::Node;
use tollgate_engine::decision::Verdict;
use tollgate_engine::response::{Format, Override, Profile, Responses};

/// All of it.
#[inline(never)]
pub(super) fn parse(responses: &Node<'_, keys::Responses>, context: &mut Context<'_>) -> Responses {
    let (profile, format) = (responses.at(keys::Responses::PROFILE), responses.at(keys::Responses::FORMAT));
    if profile.read() == Profile::Anypoint && matches!(format.read(), Format::Problem | Format::Auto) {
        let why = "its clients expect other bodies";
        context.contradiction(&format, &profile, why);
    }
    whole_seconds(&responses.at(keys::Responses::RETRY_AFTER), context);
    context.no_duplicates(&responses.at(keys::Responses::CORS_ORIGINS));
    Responses {
        profile: profile.read(),
        realm: responses.get(keys::Responses::REALM),
        format: format.read(),
        retry_after: responses.get(keys::Responses::RETRY_AFTER),
        error_uri: responses.get(keys::Responses::ERROR_URI),
        cors_origins: responses.get(keys::Responses::CORS_ORIGINS),
        overrides: overrides(&responses.at(keys::Responses::OVERRIDES), context),
    }
}

/// Adds an error for a duration that is sent in seconds but is not a whole number of them.
#[inline(never)]
pub(super) fn whole_seconds(duration: &Node<'_, Duration>, context: &mut Context<'_>) {
    if duration.read().subsec_millis() != 0 {
        context.expected(duration, "whole seconds");
    }
}

#[inline(never)]
fn overrides(
    overrides: &Node<'_, Map<keys::Override>>,
    context: &mut Context<'_>,
) -> Vec<(Verdict, Override)> {
    let mut by_verdict = Vec::new();
    for (name, one) in overrides.members() {
        let media_type = one.at(keys::Override::CONTENT_TYPE);
        if media_type.is_set() && !one.at(keys::Override::BODY).is_set() {
            context.needs(&media_type, keys::Override::BODY.needed());
        }
        let value = Override {
            status: one.get(keys::Override::STATUS),
            body: one.get(keys::Override::BODY),
            content_type: media_type.some(),
        };
        by_verdict.extend(Verdict::from_name(name).map(|verdict| (verdict, value)));
    }
    by_verdict
}
