//! The signals that end the command.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::kit::failure::{Failure, reason};

/// SIGINT (Ctrl-C), SIGTERM, SIGHUP and SIGQUIT.
pub(super) struct Signals([Signal; 4]);

impl Signals {
    /// From now on, none of them ends the process by itself.
    pub(super) fn new() -> Result<Self, Failure> {
        let kinds =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
        let [interrupt, terminate, hangup, quit] = kinds.map(|kind| {
            signal(kind)
                .map_err(|error| Failure::new(format_args!("cannot wait for signals: {}", reason(&error))))
        });
        Ok(Self([interrupt?, terminate?, hangup?, quit?]))
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        poll_fn(|context| {
            if self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
