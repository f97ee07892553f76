//! Envoy's admin interface.

use std::net::SocketAddr;

use serde_json::Value;
use url::Url;

use crate::kit::http::{Http, Request};

/// The admin interface of a running Envoy.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    /// Where it listens.
    pub(super) address: SocketAddr,
    url: Url,
    http: Http,
}

impl Admin {
    /// The interface at this address, as Envoy writes it.
    pub(super) fn at(address: &str) -> Option<Self> {
        let address: SocketAddr = address.parse().ok()?;
        let reachable = match address {
            SocketAddr::V4(own) if own.ip().is_unspecified() => {
                SocketAddr::from(([127, 0, 0, 1], own.port()))
            }
            other => other,
        };
        Some(Self {
            address,
            url: Url::parse(&format!("http://{reachable}")).ok()?,
            http: Http::to_ourselves(),
        })
    }

    /// Whether Envoy serves.
    pub(super) fn is_ready(&self) -> bool {
        self.get("/ready").is_some_and(|text| text.trim() == "LIVE")
    }

    /// A counter or a gauge; 0 if it is not there.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.stat(name).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// A statistic as text, without quotes.
    pub(super) fn stat(&self, name: &str) -> Option<String> {
        let text = self.get(&format!("/stats?filter=^{}$", name.replace('.', "\\.")))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().trim_matches('"').to_owned())
    }

    /// The address on which the listener listens.
    pub(super) fn listener(&self) -> Option<SocketAddr> {
        let all: Value = serde_json::from_str(&self.get("/listeners?format=json")?).ok()?;
        let address = all.pointer("/listener_statuses/0/local_address/socket_address")?;
        let port = address.get("port_value")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
        Some(SocketAddr::new(address.get("address")?.as_str()?.parse().ok()?, port))
    }

    /// Asks Envoy to end.
    pub(super) fn quit(&self) {
        // Envoy may end before it responds.
        drop(self.send("POST", "/quitquitquit"));
    }

    fn get(&self, path: &str) -> Option<String> {
        self.send("GET", path)
    }

    fn send(&self, method: &str, path: &str) -> Option<String> {
        let url = self.url.join(path).ok()?;
        let body = (method == "POST").then(|| ("text/plain", tollgate_engine::base::secret::Secret::new("")));
        let reply = self.http.send(&Request { method, url: &url, headers: Vec::new(), body }).ok()?;
        String::from_utf8(reply.body).ok()
    }
}
