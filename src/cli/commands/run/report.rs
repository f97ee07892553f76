//! What `run` prints: text for people, or a JSON document on each line.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use super::delivery::Delivery;
use super::desired::Desired;
use super::process::Process;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::plan::{Api, Plan, Provider};

/// Tells what happens.
pub(super) struct Report<'a> {
    out: &'a mut Output,
}

impl<'a> Report<'a> {
    /// On this output.
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self { out }
    }

    /// For warnings.
    pub(super) fn out(&mut self) -> &mut Output {
        self.out
    }

    /// Whether Envoy's access log is part of the output.
    pub(super) fn shows_requests(&self) -> bool {
        !self.out.is_json() && !self.out.is_quiet()
    }

    /// Envoy serves.
    pub(super) fn ready(
        &mut self,
        desired: &Desired,
        delivery: &Delivery,
        envoy: &Process,
        program: &Path,
        directory: &Path,
    ) -> Result<(), Failure> {
        let base = base(&desired.plan, delivery);
        if self.out.is_json() {
            return self.event(&json!({
                "event": "ready",
                "url": base,
                "admin": delivery.admin().map(|address| format!("http://{address}")),
                "envoy": {"program": program, "pid": envoy.id()},
                "directory": directory,
                "requests": requests(&desired.plan, &base).iter().map(|request| json!({"status": request.status, "curl": request.curl})).collect::<Value>(),
            }));
        }
        let mut text = format!("\nEnvoy listens on {base}\n");
        for api in &desired.plan.apis {
            let hosts =
                if api.hosts.is_empty() { String::new() } else { format!(" of {}", api.hosts.join(", ")) };
            let _ = writeln!(text, "  {}{hosts} is forwarded to {}", api.prefix, api.upstream);
        }
        if let Some(admin) = delivery.admin() {
            let _ = writeln!(
                text,
                "Its admin interface is http://{admin}, and its files are in {}",
                directory.display()
            );
        }
        for request in requests(&desired.plan, &base) {
            let _ = write!(text, "\n{}\n  {}\n", request.about, request.curl);
        }
        let _ = write!(
            text,
            "\nChanges of the short file take effect while Envoy runs. Ctrl-C ends it. Each request is a line below.\n"
        );
        self.say(&text)
    }

    /// A change is in force.
    pub(super) fn changed(&mut self, desired: &Desired, delivery: &Delivery) -> Result<(), Failure> {
        if self.out.is_json() {
            return self.event(&json!({"event": "changed", "url": base(&desired.plan, delivery)}));
        }
        self.say("The change is in force.")
    }

    /// A change is not in force.
    pub(super) fn rejected(&mut self, failure: &Failure) -> Result<(), Failure> {
        if self.out.is_json() {
            return self
                .event(&json!({"event": "rejected", "error": failure.what(), "help": failure.advice()}));
        }
        self.say(&format!("The change is NOT in force; the previous configuration is:\n{}", failure.what()))
    }

    /// Envoy has ended.
    pub(super) fn stopped(&mut self) -> Result<(), Failure> {
        if self.out.is_json() {
            return self.event(&json!({"event": "stopped"}));
        }
        self.say("Envoy has ended.")
    }

    fn event(&mut self, event: &Value) -> Result<(), Failure> {
        self.say(&event.to_string())
    }

    /// Prints at once.
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.out.line(text)?;
        self.out.finish()
    }
}

/// A request to try.
struct Try {
    about: String,
    status: Option<u16>,
    curl: String,
}

/// One request that passes and one that is rejected, of the first API, and one that needs no token.
fn requests(plan: &Plan, base: &str) -> Vec<Try> {
    let mut all = Vec::new();
    let curl = |api: &Api, path: &str| curl(plan, api, base, path);
    if let Some(api) = plan.apis.iter().find(|api| plan.access(&api.prefix).is_none()) {
        all.push(Try {
            about: format!("Accepted, if TOKEN is {}:", wanted(plan, api)),
            status: None,
            curl: format!("{} -H \"Authorization: Bearer $TOKEN\"", curl(api, &api.prefix)),
        });
        all.push(Try {
            about: "Rejected (401), because it has no token:".to_owned(),
            status: Some(401),
            curl: curl(api, &api.prefix),
        });
    }
    if let Some((api, path)) = plan.anonymous_paths().find_map(|path| Some((plan.apis.first()?, path))) {
        all.push(Try { about: "Accepted without a token:".to_owned(), status: None, curl: curl(api, path) });
    }
    all
}

/// The token that an API wants, in words.
fn wanted(plan: &Plan, api: &Api) -> String {
    let providers: Vec<_> = plan.providers.iter().map(Provider::origin).collect();
    let mut text = format!("an access token of {}", providers.join(" or "));
    let audiences: Vec<_> = plan.providers.iter().flat_map(Provider::audiences).map(String::as_str).collect();
    if !audiences.is_empty() {
        let _ = write!(text, " for {}", audiences.join(" or "));
    }
    if !api.scopes.is_empty() {
        let plural = if api.scopes.len() == 1 { "" } else { "s" };
        let _ = write!(text, " with the scope{plural} {}", api.scopes.join(" and "));
    }
    text
}

fn curl(plan: &Plan, api: &Api, base: &str, path: &str) -> String {
    let host = api
        .hosts
        .first()
        .map(|host| host.strip_prefix('*').map_or_else(|| host.clone(), |end| format!("any{end}")));
    let mut text = "curl -i".to_owned();
    match (&plan.tls, host) {
        (None, None) => {}
        (None, Some(host)) => {
            let _ = write!(text, " -H 'Host: {host}'");
        }
        // The name belongs to the certificate, and need not lead here.
        (Some((certificate, _)), host) => {
            let address = base.trim_start_matches("https://");
            let _ = write!(text, " --cacert {} --connect-to ::{address}", certificate.display());
            return format!("{text} https://{}{path}", host.as_deref().unwrap_or(address));
        }
    }
    format!("{text} {base}{path}")
}

/// Where clients on this machine reach Envoy.
fn base(plan: &Plan, delivery: &Delivery) -> String {
    let scheme = if plan.tls.is_some() { "https" } else { "http" };
    let address =
        delivery.listener().or(plan.listen).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let address = if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    };
    format!("{scheme}://{address}")
}
