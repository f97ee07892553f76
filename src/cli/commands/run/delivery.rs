//! Hands a configuration to the running Envoy through files that it watches, and learns whether it was accepted.
//!
//! Clusters come first, because a listener may name new ones. Old clusters stay until the listener has changed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::admin::Admin;
use super::desired::Desired;
use super::process::{Process, pause};
use crate::kit::failure::Failure;
use crate::kit::files::{self, File};

pub(super) const BOOTSTRAP: &str = "bootstrap.yaml";
pub(super) const CLUSTERS: &str = "cds.yaml";
pub(super) const LISTENERS: &str = "lds.yaml";

/// What Envoy says about a configuration.
#[derive(Debug)]
pub(super) enum Verdict {
    Accepted,
    /// With Envoy's words.
    Rejected(String),
}

/// The resources of a running Envoy.
#[derive(Debug)]
pub(super) struct Delivery {
    directory: PathBuf,
    admin: Option<Admin>,
    version: u64,
    listener: String,
    clusters: Vec<String>,
    beside: Vec<File>,
}

/// One of the two files that Envoy watches.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Clusters,
    Listeners,
}

impl Delivery {
    /// Writes all files, before Envoy starts.
    pub(super) fn begin(directory: &Path, first: &Desired) -> Result<Self, Failure> {
        let mut all = first.beside.clone();
        all.push(File::text(BOOTSTRAP, first.bootstrap.clone()));
        files::replace(&all, directory)?;
        let mut delivery = Self {
            directory: directory.to_path_buf(),
            admin: None,
            version: 0,
            listener: first.listener.clone(),
            clusters: first.clusters.clone(),
            beside: first.beside.clone(),
        };
        delivery.write(Kind::Clusters, &first.clusters.concat())?;
        delivery.write(Kind::Listeners, &first.listener)?;
        Ok(delivery)
    }

    /// From now on Envoy can be asked.
    pub(super) fn connect(&mut self, admin: Admin) {
        self.admin = Some(admin);
    }

    /// Where Envoy listens.
    pub(super) fn listener(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.listener()
    }

    /// Where Envoy's admin interface listens.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Why Envoy has rejected the first configuration, if it has.
    pub(super) async fn first_rejection(&self, envoy: &mut Process) -> Result<Option<String>, Failure> {
        let verdict = self.verdict(Kind::Listeners, (0, 0), envoy).await?;
        Ok(match verdict {
            Verdict::Accepted => None,
            Verdict::Rejected(why) => Some(why),
        })
    }

    /// Hands over a configuration. If Envoy rejects it, the previous one is in force again.
    pub(super) async fn deliver(&mut self, next: &Desired, envoy: &mut Process) -> Result<Verdict, Failure> {
        envoy.news();
        let verdict = self.try_deliver(next, envoy).await?;
        if let Verdict::Rejected(_) = &verdict {
            let (beside, clusters, listener) =
                (self.beside.clone(), self.clusters.clone(), self.listener.clone());
            files::replace(&beside, &self.directory)?;
            self.update(Kind::Listeners, &listener, envoy).await?;
            self.update(Kind::Clusters, &clusters.concat(), envoy).await?;
            envoy.news();
        } else {
            self.listener.clone_from(&next.listener);
            self.clusters.clone_from(&next.clusters);
            self.beside.clone_from(&next.beside);
        }
        Ok(verdict)
    }

    async fn try_deliver(&mut self, next: &Desired, envoy: &mut Process) -> Result<Verdict, Failure> {
        files::replace(&next.beside, &self.directory)?;
        let still_named =
            self.clusters.iter().filter(|old| next.clusters.iter().all(|new| name(new) != name(old)));
        let union: Vec<_> = next.clusters.iter().chain(still_named).cloned().collect();
        let verdict = self.update(Kind::Clusters, &union.concat(), envoy).await?;
        if let Verdict::Rejected(_) = verdict {
            return Ok(verdict);
        }
        let verdict = self.update(Kind::Listeners, &next.listener, envoy).await?;
        if let Verdict::Rejected(_) = verdict {
            return Ok(verdict);
        }
        if union.len() == next.clusters.len() {
            return Ok(verdict);
        }
        self.update(Kind::Clusters, &next.clusters.concat(), envoy).await
    }

    /// Writes a file, and waits until Envoy has accepted or rejected it.
    async fn update(&mut self, kind: Kind, resources: &str, envoy: &mut Process) -> Result<Verdict, Failure> {
        let before = self.rejections(kind);
        self.write(kind, resources)?;
        self.verdict(kind, before, envoy).await
    }

    async fn verdict(&self, kind: Kind, before: (u64, u64), envoy: &mut Process) -> Result<Verdict, Failure> {
        let Some(admin) = &self.admin else { return Ok(Verdict::Accepted) };
        let version = self.version.to_string();
        for _ in 0..PATIENCE {
            envoy.lives()?;
            if self.rejections(kind) != before {
                let news = envoy.news();
                let why = if news.is_empty() { "Envoy's log does not say why".to_owned() } else { news };
                return Ok(Verdict::Rejected(why));
            }
            let is_there =
                admin.stat(&format!("{}.version_text", kind.stats())).is_some_and(|seen| seen == version);
            if is_there && admin.number(kind.warming()) == 0 {
                return Ok(Verdict::Accepted);
            }
            pause().await;
        }
        Ok(Verdict::Rejected("it has not taken the change in time".to_owned()))
    }

    fn rejections(&self, kind: Kind) -> (u64, u64) {
        let number = |name: &str| {
            let admin = self.admin.as_ref();
            admin.map(|admin| admin.number(&format!("{}.{name}", kind.stats()))).unwrap_or_default()
        };
        (number("update_rejected"), number("update_failure"))
    }

    fn write(&mut self, kind: Kind, resources: &str) -> Result<(), Failure> {
        self.version = self.version.saturating_add(1);
        let text =
            format!("version_info: \"{}\"\nresources:\n{}", self.version, typed(resources, kind.resource()));
        files::replace(&[File::text(kind.file(), text)], &self.directory)
    }
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Self::Clusters => CLUSTERS,
            Self::Listeners => LISTENERS,
        }
    }

    fn stats(self) -> &'static str {
        match self {
            Self::Clusters => "cluster_manager.cds",
            Self::Listeners => "listener_manager.lds",
        }
    }

    /// A gauge that is 0 once the change is in force.
    fn warming(self) -> &'static str {
        match self {
            Self::Clusters => "cluster_manager.warming_clusters",
            Self::Listeners => "listener_manager.total_listeners_warming",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Self::Clusters => "envoy.config.cluster.v3.Cluster",
            Self::Listeners => "envoy.config.listener.v3.Listener",
        }
    }
}

/// The first line of a cluster has its name.
fn name(cluster: &str) -> &str {
    cluster.lines().next().unwrap_or_default()
}

/// The items with their type.
fn typed(items: &str, resource: &str) -> String {
    let mut text = String::new();
    for line in items.lines() {
        text.extend([line, "\n"]);
        if line.starts_with("- name:") {
            text.extend(["  \"@type\": type.googleapis.com/", resource, "\n"]);
        }
    }
    text
}

/// How many times Envoy may have not taken a change yet: at least 20 seconds.
const PATIENCE: u32 = 400;
