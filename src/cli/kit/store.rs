//! The store: providers, clients, client lists and what is revoked, by environment.
//!
//! One JSON file per environment, `DIR/ENVIRONMENT.json`, that only its owner can read (0600, in a
//! directory of 0700). Under a lock, a new file is written and then replaces the old one, so that the file is
//! always complete (DCR-12, DCR-14).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::provider::preset::Preset;

use crate::kit::failure::Failure;

/// The store and the environment, flattened into the arguments of every command that uses them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreArgs {
    /// Use the store in this directory [default: ~/.local/share/tollgate]
    #[arg(long, value_name = "DIR", env = "TOLLGATE_STORE", hide_env_values = true)]
    store: Option<PathBuf>,
    /// Use this environment, for example staging or production; each has its own providers, clients and
    /// lists
    #[arg(
        long,
        value_name = "NAME",
        env = "TOLLGATE_ENVIRONMENT",
        hide_env_values = true,
        default_value = "default"
    )]
    environment: String,
}

/// The store of one environment, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    file: PathBuf,
    _lock: File,
    pub(crate) content: Content,
}

/// The content of one environment.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// The providers, by name.
    #[serde(default)]
    pub(crate) providers: BTreeMap<String, StoredProvider>,
    /// The clients, by name.
    #[serde(default)]
    pub(crate) clients: BTreeMap<String, StoredClient>,
    /// The client lists ("contracts"), by name.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, Vec<Member>>,
    /// What an operator has revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) revoked: Vec<Revoked>,
}

/// A provider.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredProvider {
    /// Its issuer, character by character. Absent if only a base URL is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The name of its preset; `generic` for no product in particular.
    pub(crate) preset: String,
    /// The base of its preset's paths, if it is not the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// Its endpoints, by the names of RFC 8414 (`introspection_endpoint`, …, `jwks_uri`).
    pub(crate) endpoints: BTreeMap<String, String>,
}

impl StoredProvider {
    /// Its product.
    pub(crate) fn preset(&self) -> Preset {
        Preset::named(&self.preset).unwrap_or_default()
    }
}

/// A registered client. It does not derive `Debug`, which would show secrets.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredClient {
    /// The name of its provider.
    pub(crate) provider: String,
    /// Its id there.
    pub(crate) client_id: String,
    /// Its secret, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    /// When the secret ends, in seconds since the epoch; 0: never.
    #[serde(default)]
    pub(crate) client_secret_expires_at: u64,
    /// How it authenticates, for example `client_secret_basic`.
    pub(crate) token_endpoint_auth_method: String,
    /// Where it is managed (RFC 7592).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_client_uri: Option<String>,
    /// Whether the operator has confirmed that URI although it is on another host (DCR-22).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) registration_client_uri_confirmed: bool,
    /// The credential for that URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_access_token: Option<String>,
    /// All other members of the provider's response.
    #[serde(default)]
    pub(crate) metadata: Map<String, Value>,
}

impl std::fmt::Debug for StoredClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredClient").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// An entry of a client list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// The client's id.
    pub(crate) id: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The tier it has been granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tier: Option<String>,
}

/// An entry of what is revoked, as filters read it. It has a hash, a client or a subject.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    /// The SHA-256 of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_sha256: Option<String>,
    /// A client, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// A subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
    /// Only tokens of this issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// Until when, in seconds since the epoch.
    pub(crate) until: u64,
}

impl Revoked {
    /// What it is about, and which one.
    pub(crate) fn what(&self) -> (&'static str, &str) {
        match (&self.token_sha256, &self.client_id, &self.sub) {
            (Some(hash), _, _) => ("token", hash),
            (None, Some(client), _) => ("client", client),
            (None, None, sub) => ("subject", sub.as_deref().unwrap_or_default()),
        }
    }

    /// Whether its time is not over.
    pub(crate) fn is_current(&self, now: UnixTime) -> bool {
        now < UnixTime::from_secs(self.until)
    }
}

impl Content {
    /// What is revoked now.
    pub(crate) fn revoked_at(&self, now: UnixTime) -> Vec<&Revoked> {
        self.revoked.iter().filter(|entry| entry.is_current(now)).collect()
    }
}

impl StoreArgs {
    /// Opens the store for changes. A store that does not exist is empty.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        let file = self.file()?;
        let directory = file.parent().unwrap_or(Path::new("."));
        private_directory(directory)
            .map_err(|error| Failure::file("make the directory", directory, &error))?;
        let lock = directory.join(format!(".{}.lock", self.environment));
        let lock = locked(&lock).map_err(|error| Failure::file("lock", &lock, &error))?;
        let content = content_of(&file)?;
        Ok(Store { file, _lock: lock, content })
    }

    /// Reads the content without a lock, because files are replaced as a whole. Creates nothing.
    pub(crate) fn peek(&self) -> Result<Content, Failure> {
        content_of(&self.file()?)
    }

    /// The environment's name.
    pub(crate) fn environment(&self) -> &str {
        &self.environment
    }

    /// The names of the other environments in the store.
    pub(crate) fn other_environments(&self) -> Vec<String> {
        let entries = self.directory().ok().and_then(|directory| fs::read_dir(directory).ok());
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".json").filter(|name| !name.starts_with('.')).map(str::to_owned)
        });
        let mut names: Vec<_> = names.filter(|name| *name != self.environment).collect();
        names.sort();
        names
    }

    /// The file with the environment's content.
    pub(crate) fn file(&self) -> Result<PathBuf, Failure> {
        if !is_name(&self.environment) {
            return Err(Failure::new(
                "an environment's name consists of letters, digits, \"-\", \"_\" and \".\"",
            ));
        }
        Ok(self.directory()?.join(format!("{}.json", self.environment)))
    }

    fn directory(&self) -> Result<PathBuf, Failure> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        data.map(|data| data.join("tollgate")).ok_or_else(|| {
            Failure::new("there is no home directory for the store").help("Give a directory: --store DIR.")
        })
    }
}

impl Store {
    /// Writes the file.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(&self.content).map_err(Failure::new)?;
        write_private(&self.file, &text).map_err(|error| Failure::file("write", &self.file, &error))
    }
}

/// Whether a name can be part of a path, of a file or of a URL.
pub(crate) fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(fine)
}

/// Writes a file that only its owner can read, completely or not at all.
pub(crate) fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is made with 0600.
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn content_of(file: &Path) -> Result<Content, Failure> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(Failure::file("read", file, &error)),
    };
    make_private(file).map_err(|error| Failure::file("make private", file, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // serde's own text may quote a secret.
        Failure::new(format_args!(
            "{} is not a store of this version (line {}, column {})",
            file.display(),
            error.line(),
            error.column()
        ))
        .help("Restore a copy of it, or move it away and register the clients again.")
    })
}

/// A copied store, for example, may have another mode (DCR-12).
#[cfg(unix)]
fn make_private(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::metadata(file)?.permissions().mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_file: &Path) -> io::Result<()> {
    Ok(())
}

fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn locked(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    // Anyone who can open the file can keep it locked.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(file)?;
    lock.lock()?;
    Ok(lock)
}
