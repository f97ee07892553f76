//! The least that a filter can do that knows a token: read the header field, look the token up, read the clock, set two fields,
//! count. It parses no configuration, knows one token, checks nothing else and serves no one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::SystemTime;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { known: Rc::default(), hits: 0 }));
}}

/// By token: when it ends, and what the upstream is told.
type Known = Rc<RefCell<HashMap<Vec<u8>, (SystemTime, [(&'static str, String); 2])>>>;

struct Root {
    known: Known,
    hits: u32,
}

impl Context for Root {}

impl RootContext for Root {
    /// The configuration is the token.
    fn on_configure(&mut self, _: usize) -> bool {
        self.hits = hostcalls::define_metric(MetricType::Counter, "minimum.hits").unwrap_or_default();
        if let Some(token) = self.get_plugin_configuration() {
            let claims = [("x-client-id", "app".to_owned()), ("x-user", "alice".to_owned())];
            let ends = self.get_current_time() + std::time::Duration::from_secs(86400);
            self.known.borrow_mut().insert(token, (ends, claims));
        }
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { known: Rc::clone(&self.known), hits: self.hits }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    known: Known,
    hits: u32,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let map = MapType::HttpRequestHeaders;
        let field = hostcalls::get_map_value_bytes(map, "authorization").ok().flatten().unwrap_or_default();
        let known = self.known.borrow();
        let now = hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH);
        match field.strip_prefix(b"Bearer ").and_then(|token| known.get(token)) {
            Some((ends, claims)) if now < *ends => {
                for (name, value) in claims {
                    let _ = hostcalls::set_map_value(map, name, Some(value));
                }
                let _ = hostcalls::increment_metric(self.hits, 1);
                Action::Continue
            }
            _ => {
                self.send_http_response(401, vec![], None);
                Action::Pause
            }
        }
    }
}
