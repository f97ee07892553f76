//! The shared vectors of `tests/vectors/*.json`: a behaviour is written down once, and proven by the
//! engine alone, by the module in an in-process host, and by the module in a real Envoy.
//!
//! The format is the types of this crate: one [`File`] per topic, a [`Case`] per sentence.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a vector that cannot be read must stop the test"
)]

pub mod driver;
pub mod model;
pub mod page;
pub mod proof;
pub mod status_list;
pub mod token;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::token::Token;

/// One topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file's name without its ending; filled in when it is read.
    #[serde(skip)]
    pub name: String,
    /// What it is about, in one sentence.
    pub about: String,
    /// A whole configuration, for the cases that bring none.
    pub config: Option<Value>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One behaviour.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence that says what holds.
    pub name: String,
    /// The requirements that it shows.
    pub ids: Vec<String>,
    /// A whole configuration instead of the file's; always there after reading.
    pub config: Option<Value>,
    /// The environment of the VM.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The rings that can run it.
    #[serde(default = "Ring::all")]
    pub only: Vec<Ring>,
    /// What the client sends.
    #[serde(default)]
    pub request: Request,
    /// The introspection calls, in order; no more and no fewer.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// What must come of it.
    pub expect: Expect,
}

/// Where a case is run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Ring {
    /// The engine alone.
    Core,
    /// The module in the in-process host.
    Host,
    /// The module in a real Envoy.
    Envoy,
}

/// A request. Characters U+0000 to U+00FF of header values and of the path stand for one byte each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The host.
    pub authority: String,
    /// The scheme.
    pub scheme: String,
    /// Further header lines.
    pub headers: Vec<(String, String)>,
    /// A JWT, sent as `Authorization: Bearer`.
    pub token: Option<Token>,
    /// The SHA-256 of the certificate that the client has shown, in hexadecimal.
    pub certificate: Option<String>,
    /// Whether the client's connection is one over TLS, whatever the scheme says.
    pub tls: bool,
    /// The body.
    pub body: Option<String>,
    /// A JWT that is the body, or stands in it for `$signed`.
    pub signed: Option<Token>,
}

/// One introspection call and its reply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What the call must look like.
    #[serde(default)]
    pub call: Call,
    /// What comes back.
    pub reply: Reply,
}

/// What an introspection call must look like; everything is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Call {
    /// The Envoy cluster.
    pub cluster: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The path.
    pub path: Option<String>,
    /// The host.
    pub authority: Option<String>,
    /// Header lines that must be there once.
    pub headers: Vec<(String, String)>,
    /// Header fields that must not be there.
    pub absent: Vec<String>,
    /// The whole body.
    pub body: Option<String>,
}

/// A reply of the authorization server.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// `"none"`: no answer.
    Nothing(Nothing),
    /// An answer.
    Response(Box<Response>),
}

/// The word `none`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nothing {
    /// No answer.
    None,
}

/// An answer of the authorization server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header lines.
    pub headers: Vec<(String, String)>,
    /// The body, in which `$now`, `$now+N` and `$now-N` stand for seconds.
    pub body: String,
    /// A body that is signed when the case is run, instead.
    pub signed: Option<Token>,
}

/// What must come of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The verdict's name.
    pub verdict: String,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Response header lines that must be there; as many of a name as are listed.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Response header fields that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// The whole body of the response.
    pub body: Option<String>,
    /// What the upstream sees.
    #[serde(default)]
    pub upstream: Upstream,
    /// Whether the request goes on although it is refused (shadow mode).
    #[serde(default)]
    pub passes: bool,
}

/// What the upstream sees.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The path with its query.
    pub path: Option<String>,
    /// Header lines that must be there; as many of a name as are listed.
    pub headers: Vec<(String, String)>,
    /// Header fields that must not be there.
    pub absent: Vec<String>,
    /// The whole body.
    pub body: Option<String>,
}

/// All vectors, sorted by file.
///
/// # Panics
///
/// If one cannot be read or does not follow the format; the message names the file.
pub fn load_all() -> Vec<File> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let entries = fs::read_dir(directory).expect("tests/vectors can be listed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    paths.iter().map(|path| File::read(path)).collect()
}

impl File {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a vector file can be read");
        let mut file: Self =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        file.name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut names = Vec::new();
        for case in &mut file.cases {
            let at = format!("{}: {}", file.name, case.name);
            assert!(!case.ids.is_empty(), "{at}: no ids");
            for id in &case.ids {
                assert!(is_checklist_id(id), "{at}: {id:?} is not an id such as BRR-01");
            }
            assert!(!case.only.is_empty(), "{at}: no ring runs it");
            let has_tls = case.request.certificate.is_some() || case.request.tls;
            let is_real = has_tls && case.runs_in(Ring::Envoy);
            assert!(!is_real, "{at}: only a real client has a certificate, or TLS, for a real Envoy");
            assert!(case.passes() || !case.expect.upstream.is_asked(), "{at}: a refusal has no upstream");
            assert!(!names.contains(&case.name), "{at}: the name is there twice");
            names.push(case.name.clone());
            case.config = case.config.take().or_else(|| file.config.clone());
            assert!(case.config.is_some(), "{at}: no configuration");
        }
        file
    }
}

impl Case {
    /// The same with its token and its body signed, at a moment given in seconds.
    #[must_use]
    pub fn signed_at(&self, now: u64) -> Self {
        let mut case = self.clone();
        if let Some(token) = case.request.token.take() {
            case.request.headers.push(("authorization".to_owned(), format!("Bearer {}", token.at(now))));
        }
        if let Some(token) = case.request.signed.take() {
            let body = case.request.body.take().unwrap_or_else(|| "$signed".to_owned());
            case.request.body = Some(body.replace("$signed", &token.at(now)));
        }
        case
    }

    /// Its configuration as JSON.
    pub fn config_json(&self) -> String {
        self.config.as_ref().map(Value::to_string).unwrap_or_default()
    }

    /// Whether a ring runs it.
    pub fn runs_in(&self, ring: Ring) -> bool {
        self.only.contains(&ring)
    }

    /// Whether the request must reach the upstream.
    pub fn passes(&self) -> bool {
        self.expect.passes || matches!(self.expect.verdict.as_str(), "allowed" | "anonymous")
    }
}

impl Ring {
    fn all() -> Vec<Self> {
        vec![Self::Core, Self::Host, Self::Envoy]
    }
}

impl Request {
    /// The whole head as the filter gets it, pseudo-fields first.
    pub fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pseudo = [
            (":method", &self.method),
            (":path", &self.path),
            (":authority", &self.authority),
            (":scheme", &self.scheme),
        ];
        let pseudo = pseudo.into_iter().filter(|(_, value)| !value.is_empty());
        let plain = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        pseudo.chain(plain).map(|(name, value)| (latin1(name), latin1(value))).collect()
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/orders".to_owned(),
            authority: "api.example.com".to_owned(),
            scheme: "http".to_owned(),
            headers: Vec::new(),
            token: None,
            certificate: None,
            tls: false,
            body: None,
            signed: None,
        }
    }
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: String::new(),
            signed: None,
        }
    }
}

impl Response {
    /// The body at a moment, given in seconds.
    pub fn body_at(&self, now: u64) -> String {
        self.signed.as_ref().map_or_else(|| at(&self.body, now), |token| token.at(now))
    }
}

/// A text in which `$now`, `$now+N` and `$now-N` have become seconds.
fn at(text: &str, now: u64) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$now") {
        out.push_str(before);
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let sign = after.chars().next().filter(|c| matches!(c, '+' | '-'));
        let digits: String =
            after.chars().skip(1).take_while(char::is_ascii_digit).filter(|_| sign.is_some()).collect();
        let offset: i64 = digits.parse().unwrap_or(0);
        let at = if sign == Some('-') { now.saturating_sub(offset) } else { now.saturating_add(offset) };
        out.push_str(&at.to_string());
        let used = if digits.is_empty() { 0 } else { digits.len().saturating_add(1) };
        rest = after.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

impl Upstream {
    fn is_asked(&self) -> bool {
        let lines = !self.headers.is_empty() || !self.absent.is_empty();
        lines || self.path.is_some() || self.body.is_some()
    }
}

/// Three letters, and two digits or three.
fn is_checklist_id(id: &str) -> bool {
    id.split_once('-').is_some_and(|(section, number)| {
        section.len() == 3
            && section.bytes().all(|b| b.is_ascii_uppercase())
            && matches!(number.len(), 2 | 3)
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Each character up to U+00FF as one byte; others as UTF-8.
pub fn latin1(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Whether a head has as many lines of each listed name as are listed, with those values, and none
/// of the absent ones. Lines that a proxy has joined with a comma count as the lines they were.
///
/// # Errors
///
/// What differs first.
pub fn check_lines(
    head: &[(String, String)],
    want: &[(String, String)],
    absent: &[String],
) -> Result<(), String> {
    for (name, _) in want {
        let of = |lines: &[(String, String)]| -> Vec<String> {
            lines.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()).collect()
        };
        if of(head) != of(want) && of(head).join(",") != of(want).join(",") {
            return Err(format!("{name}: want {:?}, got {:?}", of(want), of(head)));
        }
    }
    match absent.iter().find(|name| head.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))) {
        Some(name) => Err(format!("{name} is there")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, File, Response, is_checklist_id, latin1, load_all};

    #[test]
    fn moments_are_filled_in() {
        let reply =
            Response { body: r#"{"exp":$now+60,"nbf":$now-5,"iat":$now}"#.to_owned(), ..Response::default() };
        assert_eq!(reply.body_at(100), r#"{"exp":160,"nbf":95,"iat":100}"#);
    }

    #[test]
    fn one_character_is_one_byte() {
        assert_eq!(latin1("a\u{ff}"), [b'a', 0xff]);
    }

    #[test]
    fn every_file_can_be_read() {
        for file in load_all() {
            assert!(!file.about.is_empty() && !file.cases.is_empty(), "{}", file.name);
        }
    }

    #[test]
    fn nothing_misspelt_is_read_over() {
        let good = r#"{"name":"n","ids":["BRR-01"],"request":{"path":"/"},"exchanges":[{"reply":"none"},{"reply":{"status":200}}],"expect":{"verdict":"allowed"}}"#;
        serde_json::from_str::<Case>(good).unwrap();
        for (right, wrong) in [
            ("\"ids\"", "\"id\""),
            ("\"path\"", "\"paht\""),
            ("\"none\"", "\"nothing\""),
            ("\"status\"", "\"stauts\""),
            ("\"verdict\"", "\"verdikt\""),
            ("\"exchanges\"", "\"exchange\""),
        ] {
            assert!(serde_json::from_str::<Case>(&good.replace(right, wrong)).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<File>(r#"{"about":"a","cases":[],"cofnig":{}}"#).is_err());
    }

    #[test]
    fn ids_have_a_shape() {
        for (id, want) in [
            ("BRR-01", true),
            ("ATK-113", true),
            ("brr-01", false),
            ("BRR01", false),
            ("BRR-1", false),
            ("", false),
        ] {
            assert_eq!(is_checklist_id(id), want, "{id}");
        }
    }
}
