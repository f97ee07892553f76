//! Hands a configuration to the running Envoy through files that it watches, and learns whether it was accepted.
//!
//! Clusters come first, because a listener may name new ones. Old clusters stay until the listener has changed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::admin::Admin;
use super::desired::{AUTHORITIES, Desired};
use super::process::{Process, in_use, pause};
use crate::kit::failure::Failure;
use crate::kit::files::{self, File};

pub(super) const BOOTSTRAP: &str = "bootstrap.yaml";
pub(super) const CLUSTERS: &str = "cds.yaml";
pub(super) const LISTENERS: &str = "lds.yaml";

/// Why a change is not in force.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) why: Failure,
    /// Whether the previous configuration is in force.
    pub(super) is_restored: bool,
}

/// What Envoy says about a configuration.
#[derive(Debug)]
enum Verdict {
    Accepted,
    /// With Envoy's words.
    Rejected(String),
}

/// The resources of a running Envoy.
#[derive(Debug)]
pub(super) struct Delivery {
    directory: PathBuf,
    admin: Option<Admin>,
    /// Where Envoy listens.
    listens: Option<SocketAddr>,
    version: u64,
    /// What Envoy has accepted.
    listener: String,
    clusters: Vec<String>,
    beside: Vec<File>,
    /// What is in the two files.
    written: Written,
}

/// The content of the two files that Envoy watches.
#[derive(Debug, Default)]
struct Written {
    clusters: String,
    listeners: String,
}

/// One of the two files.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Clusters,
    Listeners,
}

/// What Envoy's statistics say about one of the files.
#[derive(Debug, Eq, PartialEq)]
struct Standing {
    /// How often it was rejected.
    rejections: u64,
    /// The version that is in force.
    version: String,
    /// Whether something of it is not in force yet.
    is_warming: bool,
}

impl From<Failure> for Refusal {
    /// Before anything was delivered.
    fn from(why: Failure) -> Self {
        Self { why, is_restored: true }
    }
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
            listens: None,
            version: 0,
            listener: first.listener.clone(),
            clusters: first.clusters.clone(),
            beside: first.beside.clone(),
            written: Written::default(),
        };
        delivery.write(Kind::Clusters, &first.clusters.concat())?;
        delivery.write(Kind::Listeners, &first.listener)?;
        delivery.tidy();
        Ok(delivery)
    }

    /// From now on Envoy can be asked.
    pub(super) fn connect(&mut self, admin: Admin) {
        self.admin = Some(admin);
    }

    /// Where Envoy listens.
    pub(super) fn listener(&self) -> Option<SocketAddr> {
        self.listens
    }

    /// Where Envoy's admin interface listens.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Waits until Envoy has accepted the first configuration.
    pub(super) async fn first(&mut self, envoy: &mut Process) -> Result<(), Failure> {
        match self.verdict(Kind::Listeners, 0, envoy, deadline()).await? {
            Verdict::Accepted => {
                self.look().await;
                Ok(())
            }
            Verdict::Rejected(why) => Err(in_use(&why).unwrap_or_else(|| {
                Failure::new(format_args!("Envoy does not load the configuration: {why}"))
            })),
        }
    }

    /// Hands over a configuration. If that fails, the previous one is in force again.
    pub(super) async fn deliver(&mut self, next: &Desired, envoy: &mut Process) -> Result<(), Refusal> {
        envoy.news();
        let why = match self.try_deliver(next, envoy).await {
            Ok(Verdict::Accepted) => {
                self.listener.clone_from(&next.listener);
                self.clusters.clone_from(&next.clusters);
                self.beside.clone_from(&next.beside);
                self.tidy();
                self.look().await;
                return Ok(());
            }
            Ok(Verdict::Rejected(why)) => {
                in_use(&why).unwrap_or_else(|| Failure::new(format_args!("Envoy rejected it: {why}")))
            }
            Err(why) => why,
        };
        let is_restored = matches!(self.restore(envoy).await, Ok(Verdict::Accepted));
        envoy.news();
        Err(Refusal { why, is_restored })
    }

    async fn try_deliver(&mut self, next: &Desired, envoy: &mut Process) -> Result<Verdict, Failure> {
        let deadline = deadline();
        files::replace(&next.beside, &self.directory)?;
        let still_named =
            self.clusters.iter().filter(|old| next.clusters.iter().all(|new| name(new) != name(old)));
        let union: Vec<_> = next.clusters.iter().chain(still_named).cloned().collect();
        let steps = [
            (Kind::Clusters, union.concat()),
            (Kind::Listeners, next.listener.clone()),
            (Kind::Clusters, next.clusters.concat()),
        ];
        self.update(&steps, envoy, deadline).await
    }

    /// Goes back to what Envoy has accepted last.
    async fn restore(&mut self, envoy: &mut Process) -> Result<Verdict, Failure> {
        let deadline = deadline();
        let beside = self.beside.clone();
        files::replace(&beside, &self.directory)?;
        // All of its clusters are still there: they are removed last.
        let steps = [(Kind::Listeners, self.listener.clone()), (Kind::Clusters, self.clusters.concat())];
        self.update(&steps, envoy, deadline).await
    }

    /// Writes the files one after the other, until Envoy rejects one.
    async fn update(
        &mut self,
        steps: &[(Kind, String)],
        envoy: &mut Process,
        deadline: Instant,
    ) -> Result<Verdict, Failure> {
        for (kind, resources) in steps {
            if self.written.of(*kind) == resources {
                continue;
            }
            let before = self.standing(*kind).await.ok_or_else(|| Failure::new(SILENT))?;
            self.write(*kind, resources)?;
            let verdict = self.verdict(*kind, before.rejections, envoy, deadline).await?;
            if let Verdict::Rejected(_) = verdict {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Accepted)
    }

    /// Waits until Envoy has accepted or rejected a file.
    async fn verdict(
        &self,
        kind: Kind,
        before: u64,
        envoy: &mut Process,
        deadline: Instant,
    ) -> Result<Verdict, Failure> {
        let version = self.version.to_string();
        while Instant::now() < deadline {
            envoy.lives()?;
            if let Some(now) = self.standing(kind).await {
                if now.rejections != before {
                    let news = envoy.news();
                    let why = if news.is_empty() { "Envoy's log does not say why".to_owned() } else { news };
                    return Ok(Verdict::Rejected(why));
                }
                if now.version == version && !now.is_warming {
                    return Ok(Verdict::Accepted);
                }
            }
            pause().await;
        }
        Ok(Verdict::Rejected("it has not taken the change in time".to_owned()))
    }

    /// What Envoy's statistics say about a file. `None` if Envoy does not respond.
    async fn standing(&self, kind: Kind) -> Option<Standing> {
        let name = |name: &str| format!("{}.{name}", kind.stats());
        let (rejected, failed, version) =
            (name("update_rejected"), name("update_failure"), name("version_text"));
        let names = [rejected, failed, version, kind.warming().to_owned()];
        let stats = self.admin.as_ref()?.stats(&names).await?;
        let [rejected, failed, version, warming] =
            names.map(|name| stats.get(&name).cloned().unwrap_or_default());
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        Some(Standing {
            rejections: number(&rejected).saturating_add(number(&failed)),
            version,
            is_warming: number(&warming) != 0,
        })
    }

    /// Asks Envoy where it listens.
    async fn look(&mut self) {
        if let Some(admin) = &self.admin {
            self.listens = admin.listener().await.or(self.listens);
        }
    }

    /// Removes secrets and certificates that nothing names any more, also those of an earlier run.
    fn tidy(&self) {
        for folder in [SECRETS, AUTHORITIES] {
            let entries = std::fs::read_dir(self.directory.join(folder)).into_iter().flatten().flatten();
            let is_named =
                |path: &Path| self.beside.iter().any(|file| self.directory.join(&file.path) == path);
            for path in entries.map(|entry| entry.path()).filter(|path| !is_named(path)) {
                // What cannot be removed is tried again after the next change.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn write(&mut self, kind: Kind, resources: &str) -> Result<(), Failure> {
        self.version = self.version.saturating_add(1);
        let text =
            format!("version_info: \"{}\"\nresources:\n{}", self.version, typed(resources, kind.resource()));
        files::replace(&[File::text(kind.file(), text)], &self.directory)?;
        resources.clone_into(self.written.of_mut(kind));
        Ok(())
    }
}

impl Written {
    fn of(&self, kind: Kind) -> &String {
        match kind {
            Kind::Clusters => &self.clusters,
            Kind::Listeners => &self.listeners,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut String {
        match kind {
            Kind::Clusters => &mut self.clusters,
            Kind::Listeners => &mut self.listeners,
        }
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

/// When Envoy must have taken a change that is delivered now.
fn deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}

/// The folder of secrets.
const SECRETS: &str = "secrets";

const SILENT: &str = "Envoy's admin interface does not respond";

/// How long Envoy may take for a change.
const PATIENCE: Duration = Duration::from_secs(20);
