//! The credential of a registration endpoint (RFC 7591 §3.1): a bearer token, or another scheme.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::builder::{StringValueParser, TypedValueParser};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::preset::Preset;

use crate::kit::failure::Failure;

/// The credential for the registration endpoint. Not needed if registration is open.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
#[command(next_help_heading = "Credential")]
pub(crate) struct CredentialArgs {
    /// Send this initial access token, as `Bearer TOKEN` (to Okta, as `SSWS TOKEN`)
    ///
    /// Other users of this machine can see command lines. To hide the token from them, use a file or the
    /// variable `TOLLGATE_INITIAL_ACCESS_TOKEN`.
    #[arg(long, value_name = "TOKEN", value_parser = secret())]
    initial_access_token: Option<Secret>,
    /// Read the token from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    initial_access_token_file: Option<PathBuf>,
    /// Send this complete `Authorization` value, for example `SSWS …`; or set the variable
    /// `TOLLGATE_AUTHORIZATION`
    #[arg(long, value_name = "VALUE", value_parser = secret())]
    authorization: Option<Secret>,
    /// Read the value from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    authorization_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// The value of `Authorization`, from the arguments or the environment.
    pub(crate) fn authorization(&self, preset: Preset) -> Result<Option<Secret>, Failure> {
        Ok(match self.typed(preset)? {
            Some(typed) => Some(typed),
            None => Self::from_environment(preset)?,
        })
    }

    /// The value from the arguments.
    pub(crate) fn typed(&self, preset: Preset) -> Result<Option<Secret>, Failure> {
        if let Some(value) = &self.authorization {
            return field(value.expose(), "--authorization").map(Some);
        }
        if let Some(file) = &self.authorization_file {
            return field(&read(file)?, &file.display().to_string()).map(Some);
        }
        if let Some(token) = &self.initial_access_token {
            return scheme(preset, token.expose(), "--initial-access-token").map(Some);
        }
        if let Some(file) = &self.initial_access_token_file {
            return scheme(preset, &read(file)?, &file.display().to_string()).map(Some);
        }
        Ok(None)
    }

    /// The value from the environment.
    pub(crate) fn from_environment(preset: Preset) -> Result<Option<Secret>, Failure> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        if let Some(value) = set(AUTHORIZATION) {
            return field(&value, AUTHORIZATION).map(Some);
        }
        set(INITIAL_ACCESS_TOKEN).map(|token| scheme(preset, &token, INITIAL_ACCESS_TOKEN)).transpose()
    }
}

/// The initial access token with its scheme.
fn scheme(preset: Preset, token: &str, from: &str) -> Result<Secret, Failure> {
    let token = token.trim();
    if ["bearer ", "ssws ", "basic "].iter().any(|scheme| starts_with(token, scheme)) {
        return Err(Failure::new(format_args!("the initial access token of {from} begins with a scheme"))
            .help("Leave the scheme out, or give the whole value with --authorization."));
    }
    let scheme = match preset {
        Preset::Okta => "SSWS",
        Preset::Generic
        | Preset::OpenAm
        | Preset::ForgeRock
        | Preset::Salesforce
        | Preset::PingFederate
        | Preset::Keycloak => "Bearer",
    };
    let token = field(token, from)?;
    if token.expose().contains(' ') {
        return Err(Failure::new(format_args!("the initial access token of {from} has a space in it")));
    }
    Ok(Secret::new(format!("{scheme} {}", token.expose())))
}

/// Checks that text can be the value of a header field.
fn field(value: &str, from: &str) -> Result<Secret, Failure> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Failure::new(format_args!("the credential of {from} is empty")));
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Failure::new(format_args!(
            "the credential of {from} has a line break or another character that cannot be sent"
        )));
    }
    Ok(Secret::new(value))
}

/// Reads a small file, or standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    if file.as_os_str() != "-" {
        return fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error));
    }
    let mut text = String::new();
    let read = io::stdin().take(1 << 20).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format_args!("cannot read standard input: {error}")))?;
    Ok(text)
}

/// An argument that messages must not show.
fn secret() -> impl TypedValueParser<Value = Secret> {
    StringValueParser::new().map(Secret::new)
}

fn starts_with(text: &str, lower: &str) -> bool {
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

const AUTHORIZATION: &str = "TOLLGATE_AUTHORIZATION";
const INITIAL_ACCESS_TOKEN: &str = "TOLLGATE_INITIAL_ACCESS_TOKEN";
