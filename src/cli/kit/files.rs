//! Writes files. Existing files are replaced only with `--force`, and only the owner can read secrets.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tollgate_engine::base::secret::Secret;

use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::store::write_private;

/// A file to be written.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its path below the directory.
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
}

/// The content of a file.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Every user may read it.
    Text(String),
    /// Only its owner may read it.
    Secret(Secret),
}

impl File {
    /// A file that every user may read.
    pub(crate) fn text(path: &str, text: String) -> Self {
        Self { path: path.into(), content: Content::Text(text) }
    }

    fn is_secret(&self) -> bool {
        matches!(self.content, Content::Secret(_))
    }
}

/// Writes the files, or prints a single one. `next` says what to do with them.
pub(crate) fn write(
    files: &[File],
    directory: Option<&Path>,
    force: bool,
    next: &str,
    out: &mut Output,
) -> Result<(), Failure> {
    let Some(directory) = directory else { return print(files, out) };
    if !force {
        let there: Vec<_> =
            files.iter().map(|file| directory.join(&file.path)).filter(|path| path.exists()).collect();
        if let [first, rest @ ..] = there.as_slice() {
            let others = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            return Err(Failure::new(format_args!("{} exists already{others}", first.display()))
                .help("Nothing was written. To replace existing files: --force."));
        }
    }
    replace(files, directory)?;
    let path = |file: &File| directory.join(&file.path).display().to_string();
    let written: Vec<_> = files.iter().map(|file| (path(file), file.is_secret())).collect();
    if out.is_json() {
        let list: Vec<_> =
            written.iter().map(|(path, secret)| json!({"file": path, "secret": secret})).collect();
        return out.document(&json!({"files": list}));
    }
    for (path, secret) in &written {
        out.line(format_args!(
            "wrote {path}{}",
            if *secret { " (secret; only you can read it)" } else { "" }
        ))?;
    }
    if !next.is_empty() {
        out.line("")?;
        out.line(next)?;
    }
    Ok(())
}

/// Writes the files, over existing ones. Each is written completely or not at all.
pub(crate) fn replace(files: &[File], directory: &Path) -> Result<(), Failure> {
    for file in files {
        let path = directory.join(&file.path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(|error| Failure::file("make the directory", parent, &error))?;
        match &file.content {
            Content::Secret(secret) => write_private(&path, secret.expose().as_bytes()),
            Content::Text(text) => write_whole(&path, text.as_bytes()),
        }
        .map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}

fn print(files: &[File], out: &mut Output) -> Result<(), Failure> {
    for file in files {
        match &file.content {
            Content::Text(text) if out.is_json() => {
                return out.document(&json!({"files": [{"file": file.path, "content": text}]}));
            }
            Content::Text(text) if file.path.extension().is_some_and(|kind| kind == "yaml") => {
                out.line(text.trim_end())?;
                break;
            }
            _ => {}
        }
    }
    let rest = files.iter().skip(1).map(|file| file.path.display().to_string()).collect::<Vec<_>>();
    if !rest.is_empty() {
        out.warning(format_args!("this file also needs {}; --out DIR writes all of them", rest.join(", ")));
    }
    Ok(())
}

/// Writes a file that every user may read, completely or not at all.
fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut new = builder.tempfile_in(directory)?;
    new.write_all(content)?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The path from the root of the file system.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))
}
