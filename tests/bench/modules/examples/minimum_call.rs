//! The least that a filter can do that asks about every token: read the header field, make one call, go on when there is an
//! answer. It does not even look at it.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        self.resume_http_request();
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let map = MapType::HttpRequestHeaders;
        let field = hostcalls::get_map_value_bytes(map, "authorization").ok().flatten().unwrap_or_default();
        let token = field.strip_prefix(b"Bearer ").unwrap_or_default();
        let body = [b"token=", token, b"&token_type_hint=access_token"].concat();
        let headers = vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":path", "/introspect"),
            (":authority", "as.example.com"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
            ("authorization", "Basic Z2F0ZXdheTpodXNoLWNsaWVudC1zZWNyZXQ="),
        ];
        match self.dispatch_http_call("as", headers, Some(&body), vec![], Duration::from_secs(2)) {
            Ok(_) => Action::Pause,
            Err(_) => {
                self.send_http_response(503, vec![], None);
                Action::Pause
            }
        }
    }
}
