//! `tollgate client`: clients at authorization servers ([RFC 7591], [RFC 7592]), and the lists of those
//! that may call an API.
//!
//! | room | what it does |
//! | --- | --- |
//! | [`register`], [`update`], [`rotate`], [`remove`] | the commands that change a client |
//! | [`show`] | the commands that only read |
//! | [`lists`], [`serve`] | client lists ("contracts"), and how the filter gets them |
//! | [`provider`], [`credential`], [`metadata`] | the arguments: which server, which credential, which client |
//! | [`answer`], [`manage`] | the server's responses, and client management |
//!
//! [RFC 7591]: https://www.rfc-editor.org/rfc/rfc7591
//! [RFC 7592]: https://www.rfc-editor.org/rfc/rfc7592

mod answer;
mod credential;
mod lists;
mod manage;
mod metadata;
pub(crate) mod provider;
mod register;
mod remove;
mod rotate;
mod serve;
mod show;
mod update;

use clap::Subcommand;
use tollgate_config::schema::nearest;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::store::{Content, StoreArgs, StoredClient, StoredProvider};

/// Register clients, and manage lists of clients that may call an API
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Box<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Register(Box<register::Args>),
    Show(show::Args),
    List(show::ListArgs),
    Update(Box<update::Args>),
    RotateSecret(rotate::Args),
    Delete(remove::DeleteArgs),
    Forget(remove::ForgetArgs),
    SecretFile(show::SecretFileArgs),
    Allow(lists::AllowArgs),
    Deny(lists::DenyArgs),
    Lists(lists::ListsArgs),
    DropList(lists::DropArgs),
    Export(lists::ExportArgs),
    Serve(serve::Args),
}

/// Runs the subcommand.
pub(crate) fn run(args: Args, out: &mut Output) -> Result<Exit, Failure> {
    match *args.command {
        Command::Register(args) => register::run(&args, out),
        Command::Show(args) => show::run(&args, out),
        Command::List(args) => show::list(&args, out),
        Command::Update(args) => update::run(&args, out),
        Command::RotateSecret(args) => rotate::run(&args, out),
        Command::Delete(args) => remove::delete(&args, out),
        Command::Forget(args) => remove::forget(&args, out),
        Command::SecretFile(args) => show::secret_file(&args, out),
        Command::Allow(args) => lists::allow(&args, out),
        Command::Deny(args) => lists::deny(&args, out),
        Command::Lists(args) => lists::show(&args, out),
        Command::DropList(args) => lists::drop_list(&args, out),
        Command::Export(args) => lists::export(&args, out),
        Command::Serve(args) => serve::run(&args, out),
    }
}

/// The client with this name, or an error that lists the known names.
fn client<'a>(content: &'a Content, name: &str, store: &StoreArgs) -> Result<&'a StoredClient, Failure> {
    content.clients.get(name).ok_or_else(|| {
        let what = format!("there is no client {name:?} in the environment {:?}", store.environment());
        Failure::new(what).help(known("client", name, content.clients.keys(), store))
    })
}

/// The provider of a client.
fn provider_of<'a>(content: &'a Content, client: &StoredClient) -> Result<&'a StoredProvider, Failure> {
    content.providers.get(&client.provider).ok_or_else(|| {
        Failure::new(format_args!(
            "the store does not contain the provider {:?} of this client",
            client.provider
        ))
    })
}

/// Lists the known names, for an unknown one.
fn known<'a>(
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a String> + Clone,
    store: &StoreArgs,
) -> String {
    let mut help = match nearest(name, names.clone().map(String::as_str)) {
        Some(near) => format!("Did you mean {near:?}?"),
        None if names.clone().next().is_none() => format!("It has no {what} yet."),
        None => {
            let all: Vec<_> = names.map(String::as_str).collect();
            format!("It has: {}.", all.join(", "))
        }
    };
    let others = store.other_environments();
    if !others.is_empty() {
        help.extend([" Other environments (--environment): ", &others.join(", "), "."]);
    }
    help
}
