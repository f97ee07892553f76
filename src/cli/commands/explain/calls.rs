//! Makes the worker's calls: sends them to the servers, or replays responses from files.

use std::time::Instant;

use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::decision::trace::Trace;
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::provider::fetch::{Document, FetchCall};
use tollgate_engine::provider::introspection::call::IntrospectionCall;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::{Fields, RequestHead};
use tollgate_engine::worker::command::{CallId, OutgoingCall};

use crate::commands::explain::documents::Documents;
use crate::commands::explain::report::{Asked, Steps};
use crate::commands::explain::saved::Saved;
use crate::kit::ask::ask;
use crate::kit::failure::Failure;
use crate::kit::http::Http;
use crate::kit::injected::ByProvider;
use crate::kit::output::Output;
use crate::kit::worker::Driver;

/// Where responses come from.
pub(super) enum Source {
    /// The authorization servers.
    Live(Http, ByProvider),
    /// Files, the next one last.
    Saved(Vec<Saved>),
}

impl Source {
    pub(super) fn http(&self) -> Option<&Http> {
        match self {
            Self::Live(http, _) => Some(http),
            Self::Saved(_) => None,
        }
    }
}

/// Makes the calls.
pub(super) struct Calls<'a> {
    pub(super) source: Source,
    pub(super) documents: Documents<'a>,
    /// Key fetches that are not needed yet.
    held: Vec<(ProviderId, CallId, FetchCall)>,
    steps: &'a Steps,
}

impl<'a> Calls<'a> {
    pub(super) fn new(source: Source, documents: Documents<'a>, steps: &'a Steps) -> Self {
        Self { source, documents, held: Vec::new(), steps }
    }

    /// Lets the worker decide a request. Client lists are fetched before, as in the filter, but keys only if they are needed.
    pub(super) fn decide<T: Trace>(
        &mut self,
        driver: &mut Driver<T>,
        (head, form): (Fields, &[u8]),
        out: &mut Output,
    ) -> Result<Outcome, Failure> {
        while let Some((id, call)) = driver.call() {
            match call {
                OutgoingCall::Fetch(Document::Keys(provider), call) => self.held.push((provider, id, call)),
                call => self.make(driver, id, call, out)?,
            }
        }
        driver.request(head, form);
        loop {
            if let Some(outcome) = driver.take_outcome() {
                return Ok(outcome);
            }
            let keys = driver.awaits_keys();
            if let Some((id, call)) = driver.call().or_else(|| self.held_for(keys?)) {
                self.make(driver, id, call, out)?;
            } else if !driver.wait() {
                return Err(Failure::new("the engine has not decided the request, and waits for no call"));
            }
        }
    }

    fn held_for(&mut self, provider: ProviderId) -> Option<(CallId, OutgoingCall)> {
        let at = self.held.iter().position(|(other, ..)| *other == provider)?;
        let (_, id, call) = self.held.remove(at);
        Some((id, OutgoingCall::Fetch(Document::Keys(provider), call)))
    }

    fn make<T: Trace>(
        &mut self,
        driver: &mut Driver<T>,
        id: CallId,
        call: OutgoingCall,
        out: &mut Output,
    ) -> Result<(), Failure> {
        match call {
            OutgoingCall::Fetch(document, call) => {
                self.documents.fetch(driver, (id, document, &call), self.source.http(), out)
            }
            OutgoingCall::Introspection(call) => {
                let provider = driver.worker().policy().providers.get(call.provider.0);
                // The filter has the keys by then. A signed response cannot be verified without them.
                if provider.is_some_and(|one| one.introspection.dialect.is_signed())
                    && let Some((id, keys)) = self.held_for(call.provider)
                {
                    self.make(driver, id, keys, out)?;
                }
                self.introspect(driver, id, *call, out)
            }
        }
    }

    fn introspect<T: Trace>(
        &mut self,
        driver: &mut Driver<T>,
        id: CallId,
        mut call: IntrospectionCall,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let Some(provider) = driver.worker().policy().providers.get(call.provider.0) else {
            return Err(Failure::new("the engine calls a provider that is not configured"));
        };
        let mut asked = Asked::new(provider);
        let name = &provider.name;
        let reply = match &mut self.source {
            Source::Live(http, injected) => {
                match injected.get(name) {
                    Some(Ok(injected)) => injected.add_to(&mut call.headers),
                    Some(Err(unusable)) => return Err(Failure::new(&unusable.saw).help(unusable.advice)),
                    None => {}
                }
                out.progress(format_args!("introspecting the token at {name}"));
                let started = Instant::now();
                let reply = ask(http, &call);
                asked.took = Some(started.elapsed());
                match reply {
                    Err(failure) if failure.is_own() => return Err(failure),
                    Err(failure) => {
                        asked.failure = Some(failure.what().to_owned());
                        None
                    }
                    Ok(reply) => Some(Saved::from(reply)),
                }
            }
            Source::Saved(saved) => Some(saved.pop().ok_or_else(|| {
                Failure::new(format_args!(
                    "the provider {name:?} is called as well, and there is no saved response for it"
                ))
                .help("Add the file of that response: --reply.")
            })?),
        };
        if let Some(reply) = &reply {
            asked.replied(reply);
        }
        self.steps.asked(&asked);
        driver.respond(id, outcome(reply.as_ref()));
        Ok(())
    }
}

/// The outcome of a call, as the engine takes it.
pub(super) fn outcome(reply: Option<&Saved>) -> CallOutcome<'_> {
    match reply {
        Some(Saved { head, body }) => CallOutcome::Response { head: RequestHead::new(head), body },
        None => CallOutcome::Failed,
    }
}
