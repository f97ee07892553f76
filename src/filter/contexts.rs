//! The host's contexts: a root for each plugin, and a stream for each request.
//!
//! The host reports the end of a stream, whatever the reason, and nothing is sent to the stream after that. Its
//! context can still be selected for a while, but a response to a stream that has been reset would crash the
//! host. A request that passes at its head, without anything to follow, has left nothing behind by then.

use std::cell::Cell;

use tollgate_config::error::ConfigError;
use tollgate_config::host::lacking;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::table::Table;
use tollgate_engine::policy::Policy;
use tollgate_engine::worker::command::Event;

use crate::abi;
use crate::driver::Driver;
use crate::exports::Action;
use crate::host;
use crate::signatures::Native;

thread_local! {
    /// Empty while they are in use: the host never enters the VM within one of its own calls.
    static CONTEXTS: Cell<Option<Box<Contexts>>> = Cell::new(Some(Box::default()));
}

/// All contexts of the VM.
#[derive(Default)]
struct Contexts {
    roots: Table<u32, Option<Driver>>,
    /// Streams whose head has not come yet, and their roots.
    announced: Vec<(u32, u32)>,
    /// The roots of streams that a worker has still to do with.
    streams: Table<u32, u32>,
}

/// How many streams may be announced: the head follows at once, so one is the usual number.
const MAX_ANNOUNCED: usize = 1024;

/// A context has been created; that of a root has no parent.
pub(crate) fn created(context: u32, parent: u32) {
    with((), |contexts| {
        if parent == 0 {
            contexts.roots.insert(context, None);
            return;
        }
        if contexts.announced.len() >= MAX_ANNOUNCED {
            contexts.announced.remove(0);
        }
        contexts.announced.push((context, parent));
    });
}

/// A context ends: a root's, or that of a stream, which has ended already.
pub(crate) fn ended(context: u32) {
    with((), |contexts| {
        if let Some(root) = contexts.streams.remove(context) {
            contexts.streams.give_back();
            if let Some(driver) = contexts.driver(root) {
                driver.tell(Event::Gone(StreamId(context)));
            }
        } else if contexts.claim(context).is_none()
            && let Some(Some(mut driver)) = contexts.roots.remove(context)
        {
            driver.end();
        }
    });
}

/// Takes a configuration. Rejects it with every one of its errors; the host then keeps the old one.
pub(crate) fn configure(root: u32) -> bool {
    let policy = tollgate_config::policy(&host::configuration(), &abi::variable);
    match policy.and_then(for_this_host) {
        Ok(policy) => {
            let Some(seed) = host::seed() else {
                log::error!("tollgate: configuration rejected: the host has no random numbers");
                return false;
            };
            with(false, |contexts| {
                match contexts.driver(root) {
                    Some(driver) => driver.replace(policy, seed),
                    None => drop(contexts.roots.insert(root, Some(Driver::new(root, policy, seed)))),
                }
                true
            })
        }
        Err(errors) => {
            for error in &errors {
                log::error!("tollgate: configuration: {error}");
            }
            log::error!("tollgate: configuration rejected: {} error(s)", errors.len());
            false
        }
    }
}

/// A policy, unless it needs what the host lacks.
fn for_this_host(policy: Policy) -> Result<Policy, Vec<ConfigError>> {
    let errors = lacking(&policy, &Native, &Native);
    if errors.is_empty() { Ok(policy) } else { Err(errors) }
}

/// Time has passed for a root.
pub(crate) fn tick(root: u32) {
    with((), |contexts| contexts.driver(root).map_or((), Driver::tick));
}

/// A response to a root's call has arrived, or its absence.
pub(crate) fn responded(root: u32, call: u32, has_arrived: bool) {
    with((), |contexts| {
        if let Some(driver) = contexts.driver(root) {
            driver.responded(call, has_arrived);
        }
    });
}

/// A request's head has come.
pub(crate) fn request_headers(id: u32, is_whole: bool) -> Action {
    let action = with(None, |contexts| {
        let root = contexts.claim(id)?;
        let driver = contexts.driver(root)?;
        let (action, is_known) = driver.request(StreamId(id), is_whole);
        if is_known {
            contexts.streams.insert(id, root);
        }
        Some(action)
    });
    // No configuration has ever been accepted: nobody may pass.
    action.unwrap_or_else(host::refuse)
}

/// A part of a request's body has come.
pub(crate) fn request_body(id: u32, size: usize, is_end: bool) -> Action {
    of_stream(id, |driver| driver.body(StreamId(id), size, is_end))
}

/// A request's trailers have come, and with them its end.
pub(crate) fn request_trailers(id: u32) -> Action {
    of_stream(id, |driver| driver.trailers(StreamId(id)))
}

/// A response's head has come.
pub(crate) fn response_headers(id: u32) {
    of_stream(id, |driver| {
        driver.tell(Event::ResponseHead(StreamId(id)));
        Action::Continue
    });
}

impl Contexts {
    fn driver(&mut self, root: u32) -> Option<&mut Driver> {
        self.roots.get_mut(root)?.as_mut()
    }

    /// The root of a stream that has been announced.
    fn claim(&mut self, id: u32) -> Option<u32> {
        let at = self.announced.iter().rposition(|(stream, _)| *stream == id)?;
        Some(self.announced.remove(at).1)
    }
}

/// Continues a request that a worker still handles. Any other already has its response.
fn of_stream(id: u32, go_on: impl FnOnce(&mut Driver) -> Action) -> Action {
    with(Action::Pause, |contexts| {
        let root = contexts.streams.get(id).copied();
        root.and_then(|root| contexts.driver(root)).map_or(Action::Pause, go_on)
    })
}

fn with<T>(otherwise: T, use_them: impl FnOnce(&mut Contexts) -> T) -> T {
    let Some(mut contexts) = CONTEXTS.take() else { return otherwise };
    let result = use_them(&mut contexts);
    CONTEXTS.set(Some(contexts));
    result
}
