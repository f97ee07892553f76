//! What the short file says that Envoy should have.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tollgate_engine::base::secret::Secret;

use super::report::About;
use super::{Inputs, Place};
use crate::kit::envoy::{self, Parts, Surroundings};
use crate::kit::failure::Failure;
use crate::kit::files::{Content, File, absolute};
use crate::kit::find;
use crate::kit::inspection::Inspection;
use crate::kit::output::Output;
use crate::kit::plan::{Plan, Source};

/// A configuration that is checked, and may be handed to Envoy.
#[derive(Debug)]
pub(super) struct Desired {
    pub(super) about: About,
    /// What Envoy reads once, at its start.
    pub(super) bootstrap: String,
    /// The listener and the clusters, each as an item of a list.
    pub(super) listener: String,
    pub(super) clusters: Vec<String>,
    /// Secrets and certificates.
    pub(super) beside: Vec<File>,
    /// Variables of Envoy's environment.
    pub(super) environment: Vec<(String, Secret)>,
}

impl Desired {
    /// Reads and checks the short file. Warnings are printed.
    pub(super) fn read(source: &Source, inputs: &Inputs, out: &mut Output) -> Result<Self, Failure> {
        let Inputs { args, place } = inputs;
        let plan = source.plan(&args.store, &args.network, out)?;
        let around = surroundings(&plan, place)?;
        plan.warn_of_exposure(around.listen, out);
        let parts = envoy::parts(&plan, &around)?.map_err(|faults| source.refusal(faults))?;
        inspect(&parts.whole(&plan, &around), out)?;
        let head = format!(
            "# Written by `tollgate run` from {}, and written again when that changes.\n",
            plan.source
        );
        let bootstrap = parts.bootstrap(&plan, &around, &head, &resources(&place.directory));
        let Parts { listener, mut clusters, beside, .. } = parts;
        let (environment, mut beside): (Vec<_>, Vec<_>) = beside.into_iter().partition(is_environment);
        let environment = environment.iter().flat_map(variables).collect();
        name_by_content(&mut beside, &mut clusters);
        Ok(Self { about: About::new(&plan), bootstrap, listener, clusters, beside, environment })
    }

    /// Whether Envoy would have nothing to do.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.needs_restart(other).is_none()
            && self.listener == other.listener
            && self.clusters == other.clusters
            && self.beside.len() == other.beside.len()
            && self
                .beside
                .iter()
                .zip(&other.beside)
                .all(|(own, other)| own.path == other.path && text(own) == text(other))
    }

    /// What of a change Envoy reads only at its start.
    pub(super) fn needs_restart(&self, other: &Self) -> Option<&'static str> {
        let pairs = |desired: &Self| {
            let pair = |(name, value): &(String, Secret)| (name.clone(), value.expose().to_owned());
            desired.environment.iter().map(pair).collect::<Vec<_>>()
        };
        if self.bootstrap != other.bootstrap {
            return Some("a change of admin, max_connections or max_response_bytes");
        }
        (pairs(self) != pairs(other))
            .then_some("a change of a secret that the module reads from Envoy's environment")
    }
}

/// The content of a file.
pub(super) fn text(file: &File) -> &str {
    match &file.content {
        Content::Text(text) => text,
        Content::Secret(secret) => secret.expose(),
    }
}

fn surroundings(plan: &Plan, place: &Place) -> Result<Surroundings, Failure> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Surroundings {
        target: "envoy",
        directory: place.directory.clone(),
        module: place.module.clone(),
        roots: place.roots.clone(),
        listen: plan.listen.unwrap_or_else(|| local(8080)),
        admin: plan.admin.unwrap_or_else(|| local(0)),
        tls: match &plan.tls {
            Some((certificate, key)) => Some((absolute(certificate)?, absolute(key)?)),
            None => None,
        },
        shares_port: false,
        login_key: place.login_key.clone(),
    })
}

/// Envoy reads a certificate authority once, with the cluster that names its file. With another content the file gets
/// another name, and Envoy replaces the cluster.
fn name_by_content(beside: &mut [File], clusters: &mut [String]) {
    for file in beside.iter_mut().filter(|file| file.path.starts_with(AUTHORITIES)) {
        let old = file.path.display().to_string();
        let digest = Sha256::digest(text(file));
        let digest = digest.iter().take(6).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let new = file.path.with_extension(format!("{digest}.pem"));
        for cluster in &mut *clusters {
            *cluster = cluster.replace(&old, &new.display().to_string());
        }
        file.path = new;
    }
}

/// Prints what `check` would warn about. An error in what is around the filter is a failure.
fn inspect(whole: &str, out: &mut Output) -> Result<(), Failure> {
    let found = find::configurations_in(whole).map_err(|unreadable| {
        Failure::new(format_args!("the generated configuration is not YAML: {}", unreadable.why))
    })?;
    for one in &found {
        for finding in Inspection::of(one).findings() {
            let place = if finding.place.is_empty() { String::new() } else { format!("{}: ", finding.place) };
            let number = finding.number.map(|number| format!(" [{number}]")).unwrap_or_default();
            if finding.is_fault {
                return Err(Failure::new(format_args!("{place}{}{number}", finding.message)));
            }
            out.warning(format_args!("{place}{}{number}", finding.message));
        }
    }
    Ok(())
}

/// Envoy takes listeners and clusters from files that it watches.
fn resources(directory: &Path) -> String {
    let source = |file: &str| {
        let quoted = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
        format!(
            "{{resource_api_version: V3, path_config_source: {{path: {}, watched_directory: {{path: {}}}}}}}",
            quoted(&directory.join(file)),
            quoted(directory)
        )
    };
    format!(
        "dynamic_resources:\n  cds_config: {}\n  lds_config: {}\n",
        source(super::delivery::CLUSTERS),
        source(super::delivery::LISTENERS)
    )
}

/// The folder of certificate authorities.
pub(super) const AUTHORITIES: &str = "ca";

fn is_environment(file: &File) -> bool {
    file.path == Path::new("secrets.env")
}

/// The lines of `secrets.env`: `NAME='value'`.
fn variables(file: &File) -> Vec<(String, Secret)> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), Secret::new(value.trim_matches('\''))))
    };
    text(file).lines().filter_map(pair).collect()
}
