//! The host's contexts: a root for each configuration, and a stream for each request.
//!
//! The host tells when a stream ends, whatever the reason, and nothing is sent to it from then on: its context
//! can still be turned to for a while, but a response to a stream that has been reset would be the end of the
//! whole host. A request that passes at its head, with nothing to come, has left nothing behind by then.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::abi::Action;
use crate::calls::Worker;
use crate::host;
use crate::stream::{Progress, ResponseChange, Stream};
use tollgate_engine::decision::{NoAnswer, Rejection};
use tollgate_engine::policy::Policy;
use tollgate_engine::request::head::Head;
use tollgate_engine::request::websocket;
use tollgate_engine::response::cache_control;
use tollgate_engine::token::key::Hashed;

thread_local! {
    static CONTEXTS: Contexts = Contexts::default();
}

/// All contexts of the VM.
#[derive(Default)]
struct Contexts {
    roots: RefCell<HashMap<u32, Option<Rc<Worker>>, Hashed>>,
    /// Streams whose head has not come yet, and their roots.
    announced: RefCell<Vec<(u32, u32)>>,
    /// Streams that are not done with.
    streams: RefCell<HashMap<u32, Request, Hashed>>,
}

/// A request that is not done with.
#[derive(Clone)]
struct Request {
    stream: Rc<Stream>,
    worker: Rc<Worker>,
}

/// How many streams may be announced: the head follows at once, so one is the usual number.
const MAX_ANNOUNCED: usize = 1024;

/// A context has been created; that of a root has no parent.
pub(crate) fn created(context: u32, parent: u32) {
    CONTEXTS.with(|contexts| {
        if parent == 0 {
            contexts.roots.borrow_mut().insert(context, None);
            return;
        }
        let mut announced = contexts.announced.borrow_mut();
        if announced.len() >= MAX_ANNOUNCED {
            announced.remove(0);
        }
        announced.push((context, parent));
    });
}

/// A context ends: a root's, or that of a stream, which has ended already.
pub(crate) fn ended(context: u32) {
    CONTEXTS.with(|contexts| {
        let request = contexts.streams.borrow_mut().remove(&context);
        if let Some(Request { stream, worker }) = request {
            worker.leave(&stream);
            return;
        }
        if contexts.claim(context).is_none() {
            let _ = contexts.roots.borrow_mut().remove(&context);
        }
    });
}

/// Takes a configuration. Refuses it with every one of its faults; the host then keeps the old one.
pub(crate) fn configure(root: u32) -> bool {
    let configuration = host::buffer(BufferType::PluginConfiguration, usize::MAX);
    match Policy::parse(&configuration, &|name| std::env::var(name).ok()) {
        Ok(policy) => {
            if policy.takes_tokens_in_the_query() {
                log::warn!(
                    "tollgate: tokens in the query are taken, and URIs end up in logs (RFC 9700 §4.3.2)"
                );
            }
            let worker = Rc::new(Worker::new(root, policy));
            CONTEXTS.with(|contexts| {
                let before = contexts.roots.borrow_mut().insert(root, Some(Rc::clone(&worker)));
                if let Some(before) = before.flatten() {
                    worker.inherit_fetches(&before);
                    worker.inherit_forms(&before);
                    worker.inherit(&before);
                }
                worker.begin_to_fetch();
            });
            true
        }
        Err(faults) => {
            for fault in &faults {
                log::error!("tollgate: configuration: {fault}");
            }
            log::error!("tollgate: configuration rejected: {} error(s)", faults.len());
            false
        }
    }
}

/// Time has passed for a root.
pub(crate) fn tick(root: u32) {
    if let Some(worker) = CONTEXTS.with(|contexts| contexts.worker(root)) {
        worker.tick();
    }
}

/// An answer to a root's call has arrived, or its absence.
pub(crate) fn answered(root: u32, call: u32, arrived: bool) {
    if let Some(worker) = CONTEXTS.with(|contexts| contexts.worker(root))
        && !worker.fetch_answered(call, arrived)
    {
        worker.answered(call, arrived);
    }
}

/// A request's head has come.
pub(crate) fn request_headers(id: u32, end_of_stream: bool) -> Action {
    CONTEXTS.with(|contexts| {
        let Some(worker) = contexts.claim(id).and_then(|root| contexts.worker(root)) else {
            // No configuration has ever been accepted: nobody may pass.
            let _ = hostcalls::send_http_response(503, vec![("cache-control", "no-store")], None);
            return Action::Pause;
        };
        let stream = Rc::new(Stream::new(id));
        let mut progress = worker.begin(&stream, host::fields(MapType::HttpRequestHeaders));
        if end_of_stream {
            stream.ends();
            if stream.awaits_form() {
                // An empty form: the host has no body to hand over.
                progress = worker.form(&stream, &[]);
            }
        }
        if !stream.is_done_with() {
            contexts.streams.borrow_mut().insert(id, Request { stream, worker });
        }
        action(progress)
    })
}

/// A part of a request's body has come.
pub(crate) fn request_body(id: u32, size: usize, end_of_stream: bool) -> Action {
    with(id, |Request { stream, worker }| {
        if end_of_stream {
            stream.ends();
        }
        if stream.awaits_form() && is_replaced(worker) {
            action(worker.give_up_form(stream, replaced()))
        } else if stream.awaits_form() {
            form_progress(worker, stream, size, end_of_stream)
        } else if stream.is_passed() {
            Action::Continue
        } else {
            Action::Pause
        }
    })
}

/// A request's trailers have come, and with them its end.
pub(crate) fn request_trailers(id: u32) -> Action {
    with(id, |Request { stream, worker }| {
        stream.ends();
        for (name, _) in host::fields(MapType::HttpRequestTrailers).iter() {
            if worker.owns_field(name)
                && let Ok(name) = std::str::from_utf8(name)
            {
                let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, name);
            }
        }
        if stream.awaits_form() && is_replaced(worker) {
            return action(worker.give_up_form(stream, replaced()));
        }
        if stream.awaits_form() {
            let max = worker.max_form_bytes().saturating_add(1);
            let body = host::buffer(BufferType::HttpRequestBody, max);
            return action(worker.form(stream, &body));
        }
        if stream.is_passed() { Action::Continue } else { Action::Pause }
    })
}

/// A response's head has come: a token in the query makes it private ([RFC 6750 §2.3]), and a nonce for
/// the client's next proof is not to be stored with it ([RFC 9449 §8.2]). A request that still waits has been
/// answered by the host itself or another filter (a timeout, say), and must not be answered twice.
///
/// [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3
/// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
pub(crate) fn response_headers(id: u32) {
    with(id, |Request { stream, worker }| {
        if stream.is_held() {
            worker.leave(stream);
            return Action::Continue;
        }
        let map = MapType::HttpResponseHeaders;
        let set = |name: &str, value: &str| {
            let _ = hostcalls::remove_map_value(map, name);
            let _ = hostcalls::add_map_value_bytes(map, name, value.as_bytes());
        };
        let ResponseChange { is_private, dpop_nonce, websocket_protocol } =
            stream.response_change().unwrap_or_default();
        if let Some(nonce) = dpop_nonce {
            set("dpop-nonce", &nonce);
            set("cache-control", "no-store");
        } else if is_private && let Some(value) = cache_control::made_private(&host::lines(map)) {
            set("cache-control", &value);
        }
        if let Some(protocol) = websocket_protocol {
            let head = Head::Lines(host::lines(map));
            let switches = head.view().single(":status") == Some(b"101");
            if switches && head.view().all(websocket::FIELD).next().is_none() {
                set(websocket::FIELD, &protocol);
            }
        }
        stream.is_responded_to();
        Action::Continue
    });
}

impl Contexts {
    fn worker(&self, root: u32) -> Option<Rc<Worker>> {
        self.roots.borrow().get(&root).cloned().flatten()
    }

    /// The root of a stream that has been announced.
    fn claim(&self, id: u32) -> Option<u32> {
        let mut announced = self.announced.borrow_mut();
        let at = announced.iter().rposition(|(stream, _)| *stream == id)?;
        Some(announced.remove(at).1)
    }
}

/// Goes on with a request that is not done with. One that is has been answered.
fn with(id: u32, go_on: impl FnOnce(&Request) -> Action) -> Action {
    CONTEXTS.with(|contexts| {
        let Some(request) = contexts.streams.borrow().get(&id).cloned() else { return Action::Pause };
        let action = go_on(&request);
        if request.stream.is_done_with() {
            contexts.streams.borrow_mut().remove(&id);
        }
        action
    })
}

/// The form is complete, or has gone beyond its bound.
fn form_progress(worker: &Worker, stream: &Rc<Stream>, size: usize, complete: bool) -> Action {
    let max = worker.max_form_bytes();
    if size > max {
        return action(worker.give_up_form(stream, Rejection::FormTooLarge));
    }
    if !complete {
        return Action::Pause;
    }
    let body = host::buffer(BufferType::HttpRequestBody, max);
    action(worker.form(stream, &body))
}

/// Whether the root has got another configuration since: what has begun under the old one is not judged by it
/// any more, nor by the new one.
fn is_replaced(worker: &Rc<Worker>) -> bool {
    let current = CONTEXTS.with(|contexts| contexts.worker(worker.root));
    current.is_none_or(|current| !Rc::ptr_eq(&current, worker))
}

fn replaced() -> Rejection {
    Rejection::NoAnswer { cause: NoAnswer::Failed, retry_after: None }
}

fn action(progress: Progress) -> Action {
    match progress {
        Progress::Passed => Action::Continue,
        Progress::Waiting | Progress::Answered => Action::Pause,
    }
}
