//! The status lists of a provider: can they be fetched, and are they signed with a key that is known?

use tollgate_config::schema::written;
use tollgate_engine::provider::fetch::News;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::provider::status_list::{LiveStatusList, Source, StatusLists};
use tollgate_engine::request::head::RequestHead;

use crate::commands::doctor::{Patient, keys};
use crate::kit::ask::fetch;
use crate::kit::clock;
use crate::kit::http::Http;
use crate::kit::output::Output;
use crate::kit::signatures::Computed;

/// Fetches and checks every list that the configuration names.
pub(super) fn look(patient: &mut Patient<'_>, lists: &StatusLists, http: &Http, out: &mut Output) {
    for uri in &lists.uris {
        out.progress(format_args!("fetching the status list {uri}"));
        look_at(patient, lists, uri, http);
    }
    if lists.uris.is_empty() {
        patient.note(
            "no status list is named (status_list.uris), so none was fetched",
            "`tollgate explain` with a token fetches the list that the token names.",
        );
    }
}

fn look_at(patient: &mut Patient<'_>, lists: &StatusLists, uri: &str, http: &Http) {
    let mut list = LiveStatusList::new(uri);
    let Some(call) = lists.call(&list) else { return };
    let reply = match fetch(http, &call) {
        Ok(reply) => reply,
        Err(failure) => {
            return patient.wrong(format!("the status list {uri}: {}", failure.what()), failure.advice());
        }
    };
    let head = keys::head(&reply);
    let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: &reply.body };
    let source = Source { lists, provider: patient.provider, keys: &patient.keys, verifier: &Computed };
    let now = clock::now();
    match list.take(source, outcome, now) {
        Ok(News::Changed(number)) => {
            let next = written(list.period(lists, now));
            patient.good(format!("the status list {uri}: {number} status(es), fetched again after {next}"));
        }
        Ok(News::Unchanged) => {}
        Err(fault) => patient.wrong(
            format!("the status list {uri}: {fault}"),
            "Until the list is loaded, requests with tokens that it is about are unavailable (503).",
        ),
    }
}
