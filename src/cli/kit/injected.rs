//! Credentials that Envoy adds to the module's calls: its `credential_injector`, and the secret that it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tollgate_engine::base::secret::Secret;

use crate::kit::credentials::are_left_to_envoy;
use crate::kit::failure::reason;
use crate::kit::find::located::{self, Located};
use crate::kit::find::{self, Found};

/// A header field that Envoy adds.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    /// The source of its value, for messages.
    pub(crate) source: String,
    /// Its name, in lower case.
    field: String,
    value: Secret,
}

/// Why Envoy has no usable credentials to add.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    /// What is wrong.
    pub(crate) saw: String,
    /// What to do about it.
    pub(crate) advice: &'static str,
    /// Whether the file does not exist. It may be on another machine.
    pub(crate) is_absent: bool,
}

/// The credentials that Envoy adds, by provider.
pub(crate) type ByProvider = BTreeMap<String, Result<Injected, Unusable>>;

/// The credentials that Envoy adds to calls to providers without credentials of their own, according to the
/// configuration in `file`.
pub(crate) fn of(found: &Found, file: &Path) -> ByProvider {
    let providers = found.value.get("providers").and_then(Value::as_object).into_iter().flatten();
    let injected = |provider: &Value| {
        let introspection = provider.get("introspection")?;
        introspection.get("client_auth").filter(|auth| are_left_to_envoy(auth))?;
        let cluster = introspection.get("cluster").and_then(Value::as_str)?;
        credential(found, cluster).map(|credential| credential.read(found, file))
    };
    providers.filter_map(|(name, provider)| Some((name.clone(), injected(provider)?))).collect()
}

impl Injected {
    /// Adds the field to a call's head.
    pub(crate) fn add_to(&self, head: &mut Vec<(String, Secret)>) {
        head.retain(|(name, _)| *name != self.field);
        head.push((self.field.clone(), self.value.clone()));
    }
}

/// The configuration of a `credential_injector`.
struct Credential<'a> {
    generic: &'a Located,
    name: &'a str,
    /// The file of secrets; absent: the secret is in the same configuration.
    path: Option<&'a str>,
}

fn credential<'a>(found: &'a Found, cluster: &str) -> Option<Credential<'a>> {
    let clusters = found.clusters.as_ref()?;
    let is_it = |one: &&Located| one.key("name").and_then(Located::text) == Some(cluster);
    let options = clusters.iter().find(is_it)?.key("typed_extension_protocol_options")?.members();
    let mut filters =
        options.iter().filter_map(|option| option.value.key("http_filters")).flat_map(Located::items);
    let generic = filters.find_map(|filter| {
        let injector = filter.key("typed_config").filter(|config| is_of(config, "CredentialInjector"))?;
        injector.path(&["credential", "typed_config"]).filter(|config| is_of(config, "Generic"))
    })?;
    let credential = generic.key("credential")?;
    let paths: [&[&str]; 2] = [&["sds_config", "path_config_source", "path"], &["sds_config", "path"]];
    let path = paths.iter().find_map(|path| credential.path(path)).and_then(Located::text);
    if path.is_none() && credential.key("sds_config").is_some() {
        // Envoy gets it from a server, so the command cannot read it.
        return None;
    }
    Some(Credential {
        generic,
        name: credential.key("name").and_then(Located::text).unwrap_or_default(),
        path,
    })
}

fn is_of(config: &Located, kind: &str) -> bool {
    let name = config.key("@type").and_then(Located::text);
    name.is_some_and(|name| name.rsplit('.').next() == Some(kind))
}

impl Credential<'_> {
    fn read(&self, found: &Found, file: &Path) -> Result<Injected, Unusable> {
        let (secret, source) = match self.path {
            None => {
                let source = "static_resources.secrets".to_owned();
                let named = |one: &&Located| one.key("name").and_then(Located::text) == Some(self.name);
                let secret = found.secrets.iter().find(named).cloned();
                (secret.ok_or_else(|| self.nameless(&source))?, source)
            }
            Some(path) => self.of_file(path, file)?,
        };
        let text = |key: &str| self.generic.key(key).and_then(Located::text);
        let field = text("header").unwrap_or("authorization").to_ascii_lowercase();
        let value = text("header_value_prefix").unwrap_or_default().to_owned() + &value(&secret, &source)?;
        let unfit = |what: &str| Unusable {
            saw: format!("the secret {:?} in {source} {what}", self.name),
            advice: "Expected the whole value of the header field: `Basic` and the base64 of id:secret. `tollgate client secret-file` writes such a file.",
            is_absent: false,
        };
        if value.is_empty() {
            return Err(unfit("is empty"));
        }
        if value.bytes().any(|b| b.is_ascii_control()) {
            return Err(unfit("holds a line break or another control character"));
        }
        if field == "authorization" {
            let (scheme, rest) =
                value.split_once(' ').ok_or_else(|| unfit("does not begin with a scheme"))?;
            let is_basic = scheme.eq_ignore_ascii_case("basic");
            let decoded = STANDARD.decode(rest.trim()).ok();
            if is_basic && !decoded.is_some_and(|decoded| decoded.contains(&b':')) {
                return Err(unfit("is not `Basic` and the base64 of id:secret"));
            }
        }
        Ok(Injected { source, field, value: Secret::new(value) })
    }

    /// The secret in a file of its own, as Envoy's subscription reads it.
    fn of_file(&self, path: &str, beside: &Path) -> Result<(Located, String), Unusable> {
        let file = locate(path, beside);
        let source = file.display().to_string();
        let wrong = |what: String, advice| Unusable { saw: what, advice, is_absent: false };
        let text = find::text(&file).map_err(|error| Unusable {
            saw: format!("cannot read {source}, which holds the credentials that Envoy adds: {}", reason(&error)),
            advice: "Until Envoy has it, calls are not sent, and every token that is not cached is rejected with 503. If the file is on another machine, use a stored client's credentials here: --client NAME.",
            is_absent: true,
        })?;
        let documents = located::read(&text).map_err(|unreadable| {
            let at = unreadable.at;
            let what = format!("{source}:{}:{}: {}", at.line, at.column, unreadable.why);
            wrong(what, "Envoy rejects the file, and keeps the last secret that it has.")
        })?;
        let resources = documents.first().and_then(|document| document.key("resources"));
        match resources.map(Located::items).unwrap_or_default() {
            [one] if one.key("name").and_then(Located::text) == Some(self.name) => Ok((one.clone(), source)),
            [_] => Err(self.nameless(&source)),
            others => Err(wrong(
                format!("{source} contains {} secrets; Envoy accepts exactly one", others.len()),
                "Expected one entry in `resources`. `tollgate client secret-file` writes such a file.",
            )),
        }
    }

    fn nameless(&self, source: &str) -> Unusable {
        Unusable {
            saw: format!("{source} contains no secret with the name {:?}, which the cluster uses", self.name),
            advice: "The name in the secret and the name in credential_injector must be the same.",
            is_absent: false,
        }
    }
}

/// The value of a generic secret.
fn value(secret: &Located, source: &str) -> Result<String, Unusable> {
    let wrong = |what: &str| Unusable {
        saw: format!("{source}: {what}"),
        advice: "Expected generic_secret.secret.inline_string. `tollgate client secret-file` writes such a file.",
        is_absent: false,
    };
    let data = secret
        .path(&["generic_secret", "secret"])
        .ok_or_else(|| wrong("the secret has no generic_secret.secret"))?;
    let text = |key: &str| data.key(key).and_then(Located::text);
    if let Some(text) = text("inline_string") {
        return Ok(text.to_owned());
    }
    if let Some(bytes) = text("inline_bytes") {
        let decoded = STANDARD.decode(bytes).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return decoded.ok_or_else(|| wrong("inline_bytes is not base64 of text"));
    }
    if let Some(file) = text("filename") {
        return fs::read_to_string(file)
            .map_err(|error| wrong(&format!("cannot read {file}: {}", reason(&error))));
    }
    if let Some(name) = text("environment_variable") {
        return std::env::var(name)
            .map_err(|_| wrong(&format!("the environment variable {name} is not set here")));
    }
    Err(wrong("the secret has neither inline_string, inline_bytes, filename nor environment_variable"))
}

/// The file that Envoy reads: the path itself, or the end of the path below the configuration's directory, because
/// its start may be that of a container.
fn locate(path: &str, configuration: &Path) -> PathBuf {
    let written = PathBuf::from(path);
    let directory = configuration.parent().unwrap_or(Path::new(""));
    let parts: Vec<_> =
        written.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
    let below = (0..parts.len()).map(|from| directory.join(parts.iter().skip(from).collect::<PathBuf>()));
    std::iter::once(written.clone()).chain(below).find(|file| file.is_file()).unwrap_or(written)
}
