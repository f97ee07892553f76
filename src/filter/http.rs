//! The stream context: one request's callbacks.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use crate::decision::Rejection;
use crate::filter::calls::Worker;
use crate::filter::host;
use crate::filter::stream::{Progress, Stream};
use crate::response::cache_control;

/// One request.
pub(super) struct Http {
    stream: Rc<Stream>,
    worker: Option<Rc<Worker>>,
}

impl Http {
    pub(super) fn new(context_id: u32, worker: Option<Rc<Worker>>) -> Self {
        Self { stream: Rc::new(Stream::new(context_id)), worker }
    }

    /// The form is complete, or has gone beyond its bound.
    fn form_progress(&self, worker: &Worker, size: usize, complete: bool) -> Action {
        let max = worker.max_form_bytes();
        if size > max {
            return action(worker.give_up_form(&self.stream, Rejection::FormTooLarge));
        }
        if !complete {
            return Action::Pause;
        }
        let body = host::buffer(BufferType::HttpRequestBody, max);
        action(worker.form(&self.stream, &body))
    }
}

impl Context for Http {
    fn on_http_call_response(&mut self, id: u32, num_headers: usize, _: usize, _: usize) {
        if let Some(worker) = &self.worker {
            worker.answered(id, num_headers > 0);
        }
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else {
            // No configuration has ever been accepted: nobody may pass.
            let _ = hostcalls::send_http_response(503, vec![("cache-control", "no-store")], None);
            return Action::Pause;
        };
        let progress = worker.begin(&self.stream, host::fields(MapType::HttpRequestHeaders));
        if end_of_stream && self.stream.awaits_form() {
            // An empty form: the host has no body to hand over.
            return action(worker.form(&self.stream, &[]));
        }
        action(progress)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match &self.worker {
            Some(worker) if self.stream.awaits_form() => self.form_progress(worker, size, end_of_stream),
            Some(_) if self.stream.is_passed() => Action::Continue,
            _ => Action::Pause,
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        let Some(worker) = &self.worker else { return Action::Pause };
        for (name, _) in host::fields(MapType::HttpRequestTrailers) {
            if worker.owns_field(&name)
                && let Ok(name) = std::str::from_utf8(&name)
            {
                let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, name);
            }
        }
        if self.stream.awaits_form() {
            let body = host::buffer(BufferType::HttpRequestBody, worker.max_form_bytes().saturating_add(1));
            return action(worker.form(&self.stream, &body));
        }
        if self.stream.is_passed() { Action::Continue } else { Action::Pause }
    }

    /// A token in the query makes the response private ([RFC 6750 §2.3]).
    ///
    /// [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.stream.wants_private_response() {
            let head = host::fields(MapType::HttpResponseHeaders);
            if let Some(value) = cache_control::made_private(&head) {
                let map = MapType::HttpResponseHeaders;
                let _ = hostcalls::remove_map_value(map, "cache-control");
                let _ = hostcalls::add_map_value_bytes(map, "cache-control", value.as_bytes());
            }
        }
        Action::Continue
    }
}

fn action(progress: Progress) -> Action {
    match progress {
        Progress::Passed => Action::Continue,
        Progress::Waiting | Progress::Answered => Action::Pause,
    }
}
