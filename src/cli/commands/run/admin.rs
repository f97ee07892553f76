//! Envoy's admin interface.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use tollgate_engine::base::secret::Secret;
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
    pub(super) async fn is_ready(&self) -> bool {
        self.get("/ready").await.is_some_and(|text| text.trim() == "LIVE")
    }

    /// Statistics as text, without quotes, by name. `None` if Envoy does not respond.
    pub(super) async fn stats(&self, names: &[String]) -> Option<HashMap<String, String>> {
        let text = self.get(&format!("/stats?filter=^({})$", names.join("|").replace('.', "\\."))).await?;
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().trim_matches('"').to_owned()))
        };
        Some(text.lines().filter_map(pair).collect())
    }

    /// The address on which the listener listens.
    pub(super) async fn listener(&self) -> Option<SocketAddr> {
        let all: Value = serde_json::from_str(&self.get("/listeners?format=json").await?).ok()?;
        let address = all.pointer("/listener_statuses/0/local_address/socket_address")?;
        let port = address.get("port_value")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
        Some(SocketAddr::new(address.get("address")?.as_str()?.parse().ok()?, port))
    }

    /// Asks Envoy to end.
    pub(super) async fn quit(&self) {
        // Envoy may end before it responds.
        drop(self.send("POST", "/quitquitquit").await);
    }

    async fn get(&self, path: &str) -> Option<String> {
        self.send("GET", path).await
    }

    /// In a thread, because Envoy may hang, and a signal is heard meanwhile.
    async fn send(&self, method: &'static str, path: &str) -> Option<String> {
        let (url, http) = (self.url.join(path).ok()?, self.http.clone());
        let body = (method == "POST").then(|| ("text/plain", Secret::new("")));
        let sent = tokio::task::spawn_blocking(move || {
            http.send(&Request { method, url: &url, headers: Vec::new(), body }).ok()
        });
        String::from_utf8(sent.await.ok()??.body).ok()
    }
}
