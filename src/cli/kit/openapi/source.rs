//! An OpenAPI document and the files that it refers to, with the place of every part.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::kit::failure::Failure;
use crate::kit::find;
use crate::kit::find::located::{self, Located, Node, Unreadable};

/// A document, and the other files that it needs.
#[derive(Debug)]
pub(crate) struct Document {
    /// The folder of its files. `None`: no other files may be read.
    folder: Option<PathBuf>,
    file: File,
}

/// One file, with the next one in a list, so that no file ever moves in memory.
#[derive(Debug)]
struct File {
    /// Its name in errors.
    name: String,
    /// Its path without links; empty for standard input.
    path: PathBuf,
    root: Located,
    next: OnceCell<Box<Self>>,
}

/// A part of a document, and its place.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    document: &'a Document,
    file: &'a File,
    at: &'a Located,
    /// For example `paths./orders.get`.
    place: String,
}

/// The longest chain of references.
const MAX_REFERENCES: usize = 16;

/// The maximum number of files of one document.
const MAX_FILES: usize = 1000;

impl Document {
    /// Reads the document itself; files that it refers to are read when they are needed.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let root = parse(file, &file.display().to_string())?;
        let path = if file == Path::new("-") { None } else { std::fs::canonicalize(file).ok() };
        let folder = path.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        Ok(Self::new(root, file.display().to_string(), path.unwrap_or_default(), folder))
    }

    fn new(root: Located, name: String, path: PathBuf, folder: Option<PathBuf>) -> Self {
        Self { folder, file: File { name, path, root, next: OnceCell::new() } }
    }

    /// A document without other files.
    #[cfg(test)]
    pub(crate) fn alone(text: &str) -> Self {
        let root = located::read(text).unwrap().swap_remove(0);
        Self::new(root, "api.yaml".to_owned(), PathBuf::new(), None)
    }

    /// The whole document.
    pub(crate) fn root(&self) -> Part<'_> {
        Part { document: self, file: &self.file, at: &self.file.root, place: String::new() }
    }

    /// Its title and its version.
    pub(crate) fn title(&self) -> String {
        let text =
            |name: &str| self.file.root.path(&["info", name]).and_then(Located::text).unwrap_or_default();
        format!("{} {}", text("title"), text("version")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The file that a reference names. The error message follows "refers to".
    fn open(&self, from: &File, reference: &str) -> Result<&File, String> {
        let named = percent_decoded(reference).filter(|name| !name.contains(|c: char| c.is_control()));
        let named = named.ok_or_else(|| format!("{reference}, which is not the name of a file"))?;
        let first = named.split('/').next().unwrap_or_default();
        if first.contains(':') || named.starts_with("//") {
            return Err(format!("{reference}, and nothing is fetched"));
        }
        let outside = || format!("another file ({reference}), which is not below the document's folder");
        let Some(folder) = &self.folder else {
            return Err(format!("another file ({reference}), and the standard input is in no folder"));
        };
        if named.starts_with('/') || named.contains(['\\', '?']) {
            return Err(outside());
        }
        let beside = from.path.parent().unwrap_or(folder);
        let cannot = || format!("another file ({reference}), which cannot be read");
        let path = std::fs::canonicalize(beside.join(&named)).map_err(|_| cannot())?;
        let below = path.strip_prefix(folder).map_err(|_| outside())?;
        let (mut file, mut number) = (&self.file, 1_usize);
        loop {
            if file.path == path {
                return Ok(file);
            }
            let Some(next) = file.next.get() else { break };
            (file, number) = (next, number.saturating_add(1));
        }
        if number >= MAX_FILES {
            return Err(format!("more than {MAX_FILES} files"));
        }
        if !path.is_file() {
            return Err(cannot());
        }
        let name = below.display().to_string();
        let root = parse(&path, &name).map_err(|failure| format!("another file: {failure}"))?;
        Ok(file.next.get_or_init(|| Box::new(File { name, path, root, next: OnceCell::new() })))
    }
}

impl<'a> Part<'a> {
    /// The value under a key.
    pub(crate) fn key(&self, name: &str) -> Option<Self> {
        let place = if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) };
        self.at.name(name).map(|at| Self { at, place, ..self.clone() })
    }

    /// The members of an object, with their keys; an error if it is not an object.
    pub(crate) fn members(&self) -> Result<impl Iterator<Item = (&'a str, Self)> + use<'a>, Failure> {
        let Node::Map(members) = &self.at.node else { return Err(self.expected("an object")) };
        let (part, dot) = (self.clone(), if self.place.is_empty() { "" } else { "." });
        Ok(members.iter().map(move |member| {
            let place = format!("{}{dot}{}", part.place, member.key);
            (member.key.as_str(), Self { at: &member.value, place, ..part.clone() })
        }))
    }

    /// An error if it is not an object.
    pub(crate) fn be_object(&self) -> Result<(), Failure> {
        self.members().map(drop)
    }

    /// The entries of a list; an error if it is not a list.
    pub(crate) fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, Failure> {
        let Node::List(items) = &self.at.node else { return Err(self.expected("a list")) };
        let part = self.clone();
        Ok(items.iter().enumerate().map(move |(i, at)| {
            let place = format!("{}[{i}]", part.place);
            Self { at, place, ..part.clone() }
        }))
    }

    /// The text; an error if it is not text.
    pub(crate) fn text(&self) -> Result<&'a str, Failure> {
        self.at.text().ok_or_else(|| self.expected("text"))
    }

    /// Text, or a number as it is written in JSON.
    pub(crate) fn text_or_number(&self) -> Result<String, Failure> {
        match &self.at.node {
            Node::Text(text) => Ok(text.clone()),
            Node::Plain(serde_json::Value::Number(number)) => Ok(number.to_string()),
            _ => Err(self.expected("text")),
        }
    }

    /// Whether it is in the same file.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        std::ptr::eq(self.file, other.file)
    }

    /// The root of its file.
    pub(crate) fn whole(&self) -> Self {
        Self { at: &self.file.root, place: String::new(), ..self.clone() }
    }

    /// The name of its file.
    pub(crate) fn file(&self) -> &'a str {
        &self.file.name
    }

    /// Follows it if it is a reference, within the file or to a file below the document's folder. No key that
    /// `matter`s may be beside a reference, because it is undefined which of the two counts.
    pub(crate) fn resolved(&self, matter: &[&str]) -> Result<Self, Failure> {
        let mut part = self.clone();
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = part.key("$ref") else { return Ok(part) };
            if let Some(beside) = matter.iter().find_map(|key| part.key(key)) {
                return Err(beside.fault("stands beside a `$ref`, and nothing says which of them counts"));
            }
            part = reference.target()?;
        }
        Err(self.fault(format_args!("refers to itself, or through more than {MAX_REFERENCES} places")))
    }

    /// The part that this reference names.
    pub(crate) fn target(&self) -> Result<Self, Failure> {
        let text = self.text()?;
        let (name, fragment) = text.split_once('#').unwrap_or((text, ""));
        let file = match name {
            "" => self.file,
            name => self.document.open(self.file, name).map_err(|why| {
                self.fault(format_args!("refers to {why}"))
                    .help("Bundle the document into one file first, as `npx @redocly/cli bundle` does.")
            })?,
        };
        let absent = || self.fault(format_args!("refers to {text}, which is not there"));
        let pointer = percent_decoded(fragment).ok_or_else(absent)?;
        let place = Self { file, at: &file.root, place: String::new(), ..self.clone() };
        if pointer.is_empty() {
            return Ok(place);
        }
        let steps = pointer.strip_prefix('/').ok_or_else(absent)?;
        steps.split('/').try_fold(place, |part, step| part.step(step)).ok_or_else(absent)
    }

    /// One step of a JSON Pointer ([RFC 6901 §4]).
    ///
    /// [RFC 6901 §4]: https://www.rfc-editor.org/rfc/rfc6901#section-4
    fn step(&self, step: &str) -> Option<Self> {
        let name = step.replace("~1", "/").replace("~0", "~");
        match &self.at.node {
            Node::List(items) => {
                let at = items.get(name.parse::<usize>().ok()?)?;
                Some(Self { at, place: format!("{}[{name}]", self.place), ..self.clone() })
            }
            _ => self.key(&name),
        }
    }

    /// The error that something else was expected here.
    pub(crate) fn expected(&self, what: &str) -> Failure {
        self.fault(format_args!("expected {what}, found {}", self.at.kind()))
    }

    /// An error at this place.
    pub(crate) fn fault(&self, what: impl fmt::Display) -> Failure {
        let (name, at) = (&self.file.name, self.at.at);
        let place = if self.place.is_empty() { "the document" } else { &self.place };
        Failure::new(format_args!("{name}:{}:{}: {place}: {what}", at.line, at.column))
    }
}

/// The one document of a file.
fn parse(file: &Path, name: &str) -> Result<Located, Failure> {
    let text = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
    if text.trim_start().starts_with("#%RAML") {
        return Err(Failure::new(format_args!("{name} is RAML, and only OpenAPI is read"))
            .help("Convert it to OpenAPI first."));
    }
    let mut documents = located::read(&text).map_err(|Unreadable { at, why }| {
        Failure::new(format_args!("{name}:{}:{}: {why}", at.line, at.column))
            .help("An OpenAPI document is YAML or JSON.")
    })?;
    match documents.len() {
        0 => Err(Failure::new(format_args!("{name} is empty"))),
        1 => Ok(documents.swap_remove(0)),
        number => Err(Failure::new(format_args!("{name} holds {number} documents"))
            .help("Give a file with one OpenAPI document.")),
    }
}

/// Decodes the escapes of a URI ([RFC 3986 §2.1]). `None` if one of them is not valid.
///
/// [RFC 3986 §2.1]: https://www.rfc-editor.org/rfc/rfc3986#section-2.1
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
