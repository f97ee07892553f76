//! `tollgate revoke`: an operator's own word about tokens, clients and subjects. It is in the store, and
//! `tollgate client serve` passes it on to the filter.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Subcommand, ValueEnum as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tollgate_config::keys::text::LINE;
use tollgate_config::schema::duration;
use tollgate_engine::base::json;
use tollgate_engine::base::time::UnixTime;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::{Content, Revoked, StoreArgs};
use crate::kit::{clock, find};

/// Revoke tokens, clients and subjects for a time
///
/// `tollgate client serve` passes on what is revoked, with each client list and at `/revoked`. A filter whose
/// `revocation.lists` names such a list rejects these tokens within the list's `refresh`, cached or not.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Token(TokenArgs),
    Client(ClientArgs),
    Subject(SubjectArgs),
    List(ListArgs),
    Undo(UndoArgs),
}

/// Revoke one token
///
/// Only its SHA-256 is stored and passed on, never the token. Of a JWT, that is the hash of its first two parts: a thief
/// could write the signature in another way.
#[derive(Debug, clap::Args)]
struct TokenArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    term: Term,
    #[command(flatten)]
    store: StoreArgs,
}

/// One token.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Revoke this token. Other users of the machine may see the command line: prefer `--token-file`
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Read the token from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Revoke the token with this SHA-256, in hexadecimal digits; of a JWT, give the hash of its first two parts
    #[arg(long, value_name = "HASH")]
    sha256: Option<String>,
}

/// Revoke all tokens of a client, also those that it gets from now on
#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The client, by its name in the store
    client: String,
    /// Treat CLIENT as the id of a client that was registered elsewhere
    #[arg(long)]
    id: bool,
    #[command(flatten)]
    term: Term,
    #[command(flatten)]
    store: StoreArgs,
}

/// Revoke all tokens of a subject (`sub`), also those that it gets from now on
#[derive(Debug, clap::Args)]
struct SubjectArgs {
    /// The subject, as the tokens or introspection responses have it in `sub`
    subject: String,
    #[command(flatten)]
    term: Term,
    #[command(flatten)]
    store: StoreArgs,
}

/// For how long, and whose tokens.
#[derive(Debug, clap::Args)]
struct Term {
    /// Revoke for this time, for example 30m or 48h; at most a year
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = span)]
    span: Duration,
    /// Revoke only tokens of this issuer [default: of every issuer]
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
}

/// Show what is revoked now
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Accept tokens again that were revoked
#[derive(Debug, clap::Args)]
struct UndoArgs {
    /// What was revoked, as `tollgate revoke list` shows it; of a token's hash, the first eight digits are enough. If
    /// several entries match, the options below say which
    what: String,
    /// Only this kind of entry
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only the entry for tokens of this issuer
    #[arg(long, value_name = "ISSUER", conflicts_with = "every_issuer")]
    issuer: Option<String>,
    /// Only the entry for tokens of every issuer
    #[arg(long)]
    every_issuer: bool,
    /// All entries that match
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// One token
    Token,
    /// All tokens of a client
    Client,
    /// All tokens of a subject
    Subject,
}

/// Runs the subcommand.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    match &args.command {
        Command::Token(args) => {
            let hash = args.which.hash()?;
            revoke(&Revoked { token_sha256: Some(hash), ..args.term.entry() }, &args.store, out)
        }
        Command::Client(args) => {
            let id = if args.id {
                args.client.clone()
            } else {
                registered(&args.store.peek()?, &args.client, &args.store)?
            };
            revoke(&Revoked { client_id: Some(id), ..args.term.entry() }, &args.store, out)
        }
        Command::Subject(args) => {
            revoke(&Revoked { sub: Some(args.subject.clone()), ..args.term.entry() }, &args.store, out)
        }
        Command::List(args) => list(args, out),
        Command::Undo(args) => undo(args, out),
    }
}

/// Adds an entry. It replaces one about the same.
fn revoke(new: &Revoked, args: &StoreArgs, out: &mut Output) -> Result<Exit, Failure> {
    let (what, value) = new.what();
    // Filters accept a list as a whole or not at all: one entry that they do not read would keep all others out.
    for (what, text) in [(what, value), ("issuer", new.issuer.as_deref().unwrap_or("-"))] {
        if text.trim().is_empty() || !(LINE.fits)(text) {
            return Err(Failure::new(format_args!("the {what} is empty, or not text on one line")));
        }
    }
    let mut store = args.open()?;
    let now = clock::now();
    let is_other = |known: &Revoked| (known.what(), &known.issuer) != (new.what(), &new.issuer);
    store.content.revoked.retain(|known| known.is_current(now) && is_other(known));
    if store.content.revoked.len() >= MAX_REVOKED {
        return Err(Failure::new(format_args!(
            "{MAX_REVOKED} entries are revoked already, and filters accept no more"
        ))
        .help("Undo some of them, or have the authorization server revoke the tokens."));
    }
    store.content.revoked.push(new.clone());
    store.save()?;
    let none = json!({"clients": [], "revoked": store.content.revoked}).to_string().len();
    let longest = store.content.lists.values().map(|members| json!(members).to_string().len()).max();
    let length = none.saturating_add(longest.unwrap_or_default().saturating_sub("[]".len()));
    if length > MAX_BYTES {
        out.alarm(format_args!(
            "what is revoked has {length} bytes with the longest list, and filters read {MAX_BYTES} unless client_lists.NAME.max_response_bytes says more: they would keep the list that they have"
        ));
    }
    if out.is_json() {
        out.document(&json!({"revoked": new}))?;
    } else {
        out.line(format_args!("revoked: {}", line(new)))?;
    }
    Ok(Exit::Good)
}

fn list(args: &ListArgs, out: &mut Output) -> Result<Exit, Failure> {
    let content = args.store.peek()?;
    let current = content.revoked_at(clock::now());
    if out.is_json() {
        out.document(&json!({"revoked": current}))?;
    } else if current.is_empty() {
        out.line(format_args!("nothing is revoked in the environment {:?}", args.store.environment()))?;
    } else {
        for entry in current {
            out.line(line(entry))?;
        }
    }
    Ok(Exit::Good)
}

fn undo(args: &UndoArgs, out: &mut Output) -> Result<Exit, Failure> {
    let mut store = args.store.open()?;
    let now = clock::now();
    let (undone, left): (Vec<_>, Vec<_>) = store
        .content
        .revoked
        .drain(..)
        .filter(|entry| entry.is_current(now))
        .partition(|entry| args.means(entry));
    if undone.is_empty() {
        return Err(Failure::new(format_args!(
            "{:?} is not revoked in the environment {:?}",
            args.what,
            args.store.environment()
        ))
        .help("To see what is: tollgate revoke list."));
    }
    if undone.len() > 1 && !args.all {
        let lines = undone.iter().map(|entry| format!("  {}", line(entry))).collect::<Vec<_>>().join("\n");
        return Err(Failure::new(format_args!("{:?} is several entries:\n{lines}", args.what))
            .help("Say which with --kind, --issuer or --every-issuer; or --all."));
    }
    store.content.revoked = left;
    store.save()?;
    if out.is_json() {
        out.document(&json!({"undone": undone}))?;
    } else {
        for entry in &undone {
            out.line(format_args!("no longer revoked: {}", line(entry)))?;
        }
    }
    Ok(Exit::Good)
}

impl UndoArgs {
    /// Whether this entry is meant.
    fn means(&self, entry: &Revoked) -> bool {
        let start = self.what.to_ascii_lowercase();
        let is_hash = |hash: &String| start.len() >= LEAST_DIGITS && hash.starts_with(&start);
        let (kind, value) = entry.what();
        let is_kind = self.kind.is_none_or(|own| {
            let own = own.to_possible_value();
            own.is_some_and(|own| own.get_name() == kind)
        });
        let is_issuer = if self.every_issuer {
            entry.issuer.is_none()
        } else {
            self.issuer.is_none() || self.issuer == entry.issuer
        };
        is_kind && is_issuer && (value == self.what || entry.token_sha256.as_ref().is_some_and(is_hash))
    }
}

impl Which {
    fn hash(&self) -> Result<String, Failure> {
        if let Some(hash) = &self.sha256 {
            let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            return is_hash.then(|| hash.to_ascii_lowercase()).ok_or_else(|| {
                Failure::new("expected a SHA-256: 64 hexadecimal digits")
                    .help("It is what `printf %s TOKEN | sha256sum` prints; of a JWT, without its signature and the period before that.")
            });
        }
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(file)) => find::text(file).map_err(|error| Failure::file("read", file, &error))?,
            (None, None) => String::new(),
        };
        match token.trim() {
            "" => Err(Failure::new("the token is empty")),
            token if !token.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(Failure::new("this is more than a token: it has spaces, or characters that no token has")
                    .help("Give the token alone, without `Bearer` or a field's name."))
            }
            token => Ok(format!("{:x}", Sha256::digest(without_signature(token)))),
        }
    }
}

/// A JWT without its signature; any other token as it is. There are many spellings of a signature that servers accept, and
/// with another one, the hash of the whole token would be another.
fn without_signature(token: &str) -> &str {
    let is_object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        json::parse(&bytes).is_ok_and(|value| value.is_object())
    };
    match token.split('.').collect::<Vec<_>>().as_slice() {
        [header, claims, _] if is_object(header) && is_object(claims) => {
            token.rsplit_once('.').map_or(token, |(signed, _)| signed)
        }
        _ => token,
    }
}

impl Term {
    /// An entry about nothing yet.
    fn entry(&self) -> Revoked {
        let until = clock::now().plus(self.span).as_secs();
        Revoked { issuer: self.issuer.clone(), until, ..Revoked::default() }
    }
}

/// The id of a client in the store.
fn registered(content: &Content, name: &str, store: &StoreArgs) -> Result<String, Failure> {
    content.clients.get(name).map(|client| client.client_id.clone()).ok_or_else(|| {
        let what = format!("there is no client {name:?} in the environment {:?}", store.environment());
        Failure::new(what).help("For a client that was registered elsewhere, give its id and --id.")
    })
}

fn line(entry: &Revoked) -> String {
    let (what, value) = entry.what();
    let issuer = entry.issuer.as_ref().map(|issuer| format!(" of {}", printable(issuer)));
    let until = clock::date(UnixTime::from_secs(entry.until));
    format!("{what} {}{}, until {until}", printable(value), issuer.unwrap_or_default())
}

fn span(text: &str) -> Result<Duration, String> {
    let year = Duration::from_secs(365 * 24 * 3600);
    duration(text)
        .filter(|span| (Duration::from_secs(1)..=year).contains(span))
        .ok_or_else(|| "expected 1s to 8760h, for example 30m or 48h".to_owned())
}

/// How many bytes of a list a filter reads, unless it is configured otherwise.
const MAX_BYTES: usize = 1 << 20;
/// How many entries a filter accepts.
const MAX_REVOKED: usize = 10_000;
/// How many digits of a hash are enough.
const LEAST_DIGITS: usize = 8;
