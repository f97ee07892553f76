//! Everything on the stage: an Envoy between a client, an upstream and two authorization servers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use crate::authorization_server::AuthorizationServer;
use crate::envoy::Envoy;
use crate::stage::{Plugin, Stage};
use crate::upstream::Upstream;

/// One Envoy and its peers.
#[derive(Debug)]
pub struct World {
    /// What it was started with.
    pub stage: Stage,
    /// The Envoy.
    pub envoy: Envoy,
    /// The API behind it.
    pub upstream: Upstream,
    /// The authorization server behind the cluster `as`.
    pub server: AuthorizationServer,
    /// The one behind `as2`.
    pub second: AuthorizationServer,
    ports: HashMap<String, u16>,
}

impl World {
    /// Starts an Envoy with these listeners.
    pub fn start(stage: Stage) -> Self {
        let (upstream, server, second) =
            (Upstream::start(), AuthorizationServer::start(), AuthorizationServer::start());
        let stage = stage
            .cluster("upstream", upstream.port())
            .cluster("as", server.port())
            .cluster("as2", second.port())
            .cluster("dead", 0);
        let envoy = stage.start();
        let ports = stage.listeners.iter().map(|(name, _)| (name.clone(), envoy.port(name))).collect();
        Self { stage, envoy, upstream, server, second, ports }
    }

    /// The port of a listener.
    pub fn port(&self, listener: &str) -> u16 {
        self.ports.get(listener).copied().unwrap_or_else(|| panic!("no listener {listener}"))
    }
}

/// One world for all tests of a file, one test at a time. It ends with the process.
#[derive(Debug, Default)]
pub struct Shared(OnceLock<Mutex<World>>);

impl Shared {
    /// None yet.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The world, started by whoever asks first.
    pub fn world(&self, stage: impl FnOnce() -> Stage) -> MutexGuard<'_, World> {
        let world = self.0.get_or_init(|| Mutex::new(World::start(stage())));
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.upstream.take();
        world.server.take();
        world.second.take();
        world
    }
}

impl Stage {
    /// Adds a listener with a [`policy`] changed like this.
    #[must_use]
    pub fn policy(self, name: &str, changes: Value) -> Self {
        self.listener(name, Plugin::new(policy(changes)))
    }
}

/// A plain configuration with one provider, `as`, no cache, no pauses, and these changes: objects are
/// merged, `null` removes, everything else is replaced.
pub fn policy(changes: Value) -> Value {
    let mut policy = json!({"providers": {"as": {"introspection": {
        "uri": "https://as.example.com/introspect",
        "cluster": "as",
        "timeout": "10s",
        "retries": 0,
        "back_off": "0s",
        "client_auth": {"client_id": "gateway", "client_secret": CLIENT_SECRET},
    }}}, "cache": {"max_entries": 0}});
    merge(&mut policy, changes);
    policy
}

/// Puts changes onto a document: objects are merged, `null` removes, everything else is replaced.
pub fn merge(old: &mut Value, changes: Value) {
    match (old, changes) {
        (Value::Object(old), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    old.remove(&name);
                    continue;
                }
                merge(old.entry(name).or_insert(Value::Null), change);
            }
        }
        (old, changes) => *old = changes,
    }
}

/// The gateway's own secret; it must never be seen but by the authorization server.
pub const CLIENT_SECRET: &str = "hush-client-secret";
