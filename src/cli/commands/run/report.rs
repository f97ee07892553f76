//! What `run` prints: text for people, or a JSON document on each line.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::delivery::{Delivery, Refusal};
use super::desired::Desired;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::plan::{Api, Plan, Provider};

/// Tells what happens.
pub(super) struct Report<'a> {
    out: &'a mut Output,
}

/// What was started.
pub(super) struct Started<'a> {
    pub(super) program: &'a Path,
    /// Envoy's process id.
    pub(super) envoy: u32,
    pub(super) directory: &'a Path,
}

impl<'a> Report<'a> {
    /// On this output.
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self { out }
    }

    /// Another output of the same kind, for a thread that may print warnings. What was said at the start, or at an
    /// earlier change, is not said again.
    pub(super) fn for_warnings(&mut self) -> Output {
        self.out.sharing()
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
        started: &Started<'_>,
        follows_file: bool,
    ) -> Result<(), Failure> {
        let Started { program, envoy, directory } = *started;
        let about = &desired.about;
        let base = base(about, delivery);
        if self.out.is_json() {
            return self.event(&json!({
                "event": "ready",
                "url": base,
                "admin": delivery.admin().map(|address| format!("http://{address}")),
                "envoy": {"program": program, "pid": envoy},
                "directory": directory,
                "requests": about.tries.iter().map(|one| json!({"status": one.status, "curl": curl(about, one, &base)})).collect::<Value>(),
            }));
        }
        let mut text = format!("\nEnvoy listens on {base}\n");
        for line in &about.apis {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(admin) = delivery.admin() {
            let _ = writeln!(
                text,
                "Its admin interface is http://{admin}, and its files are in {}",
                directory.display()
            );
        }
        for one in &about.tries {
            let _ = write!(text, "\n{}\n  {}\n", one.about, curl(about, one, &base));
        }
        let followed =
            if follows_file { "the short file" } else { "the files and the store that it is made from" };
        let _ = write!(
            text,
            "\nChanges of {followed} take effect while Envoy runs. Ctrl-C ends it. Each request is a line below.\n"
        );
        self.say(&text)
    }

    /// A change is in force.
    pub(super) fn changed(&mut self, desired: &Desired, delivery: &Delivery) -> Result<(), Failure> {
        if self.out.is_json() {
            return self.event(&json!({"event": "changed", "url": base(&desired.about, delivery)}));
        }
        self.say("The change is in force.")
    }

    /// A change is not in force.
    pub(super) fn rejected(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        let Refusal { why, is_restored } = refusal;
        if self.out.is_json() {
            return self.event(&json!({
                "event": "rejected", "error": why.what(), "help": why.advice(), "restored": is_restored,
            }));
        }
        let (what, advice) = (why.what(), why.advice());
        let first = if *is_restored {
            "The change is NOT in force. The previous configuration stays in force."
        } else {
            "The change is NOT in force, but Envoy may have a part of it. Start tollgate run again."
        };
        let advice = if advice.is_empty() { String::new() } else { format!("\n  {advice}") };
        self.say(&format!("{first}\n{what}{advice}"))
    }

    /// Envoy was asked to end.
    pub(super) fn stopping(&mut self) -> Result<(), Failure> {
        if self.out.is_json() {
            return self.event(&json!({"event": "stopping"}));
        }
        self.say("Envoy is asked to end. A second signal ends it at once.")
    }

    /// The end.
    pub(super) fn stopped(&mut self) -> Result<(), Failure> {
        if self.out.is_json() {
            return self.event(&json!({"event": "stopped"}));
        }
        self.say("Stopped.")
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

/// What is told about a configuration. It may come from another thread.
#[derive(Debug)]
pub(super) struct About {
    listen: Option<SocketAddr>,
    /// Envoy's certificate, if clients use TLS.
    certificate: Option<PathBuf>,
    /// The APIs, each in a line.
    apis: Vec<String>,
    tries: Vec<Try>,
}

/// A request to try.
#[derive(Debug)]
struct Try {
    about: String,
    status: Option<u16>,
    host: Option<String>,
    path: String,
    has_token: bool,
}

impl About {
    /// What is told about this plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let line = |api: &Api| {
            let hosts =
                if api.hosts.is_empty() { String::new() } else { format!(" of {}", api.hosts.join(", ")) };
            format!("{}{hosts} is forwarded to {}", api.prefix, api.upstream)
        };
        Self {
            listen: plan.listen,
            certificate: plan.tls.as_ref().map(|(certificate, _)| certificate.clone()),
            apis: plan.apis.iter().map(line).collect(),
            tries: tries(plan),
        }
    }
}

/// One request that passes and one that is rejected, of the first API, and one that needs no token.
fn tries(plan: &Plan) -> Vec<Try> {
    let mut all = Vec::new();
    let one = |about: String, api: &Api, path: &str| {
        let host = api
            .hosts
            .first()
            .map(|host| host.strip_prefix('*').map_or_else(|| host.clone(), |end| format!("any{end}")));
        Try { about, status: None, host, path: path.to_owned(), has_token: false }
    };
    if let Some(api) = plan.apis.iter().find(|api| plan.access(&api.prefix).is_none()) {
        let about = format!("Accepted, if TOKEN is {}:", wanted(plan, api));
        all.push(Try { has_token: true, ..one(about, api, &api.prefix) });
        let about = "Rejected (401), because it has no token:".to_owned();
        all.push(Try { status: Some(401), ..one(about, api, &api.prefix) });
    }
    if let Some((api, path)) = plan.anonymous_paths().find_map(|path| Some((plan.apis.first()?, path))) {
        all.push(one("Accepted without a token:".to_owned(), api, path));
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

fn curl(about: &About, one: &Try, base: &str) -> String {
    let Try { host, path, has_token, .. } = one;
    let mut text = "curl -i".to_owned();
    let url = match (&about.certificate, host) {
        (None, None) => format!("{base}{path}"),
        (None, Some(host)) => {
            let _ = write!(text, " -H 'Host: {host}'");
            format!("{base}{path}")
        }
        // The name belongs to the certificate, and need not lead here.
        (Some(certificate), host) => {
            let address = base.trim_start_matches("https://");
            let _ = write!(text, " --cacert {} --connect-to ::{address}", certificate.display());
            format!("https://{}{path}", host.as_deref().unwrap_or(address))
        }
    };
    let token = if *has_token { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
    format!("{text} {url}{token}")
}

/// Where clients on this machine reach Envoy.
fn base(about: &About, delivery: &Delivery) -> String {
    let scheme = if about.certificate.is_some() { "https" } else { "http" };
    let address =
        delivery.listener().or(about.listen).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let address = if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    };
    format!("{scheme}://{address}")
}
