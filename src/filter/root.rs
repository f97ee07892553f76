//! The root context: the configuration, and what has to happen when no request is at hand.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType};

use crate::filter::calls::Worker;
use crate::filter::host;
use crate::filter::http::Http;
use crate::policy::Policy;

/// One per configuration and worker.
pub(super) struct Root {
    id: u32,
    worker: Option<Rc<Worker>>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, worker: None }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, id: u32, num_headers: usize, _: usize, _: usize) {
        if let Some(worker) = &self.worker {
            worker.answered(id, num_headers > 0);
        }
    }
}

impl RootContext for Root {
    /// Refuses a configuration with every one of its faults; the host then keeps the old one.
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = host::buffer(BufferType::PluginConfiguration, usize::MAX);
        match Policy::parse(&configuration, &|name| std::env::var(name).ok()) {
            Ok(policy) => {
                self.worker = Some(Rc::new(Worker::new(self.id, policy)));
                true
            }
            Err(faults) => {
                for fault in &faults {
                    log::error!("tollgate: configuration: {fault}");
                }
                log::error!("tollgate: configuration refused: {} fault(s)", faults.len());
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &self.worker {
            worker.tick();
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(context_id, self.worker.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
