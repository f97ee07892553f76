//! YAML and JSON with the line and column of every part.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use serde_saphyr::budget::BudgetBreach;

use crate::kit::find::words;
use crate::kit::printable::printable;

/// A place in a file; both count from 1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Position {
    /// The line.
    pub(crate) line: u64,
    /// The column, in characters.
    pub(crate) column: u64,
}

/// A part of a document, and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// Where it begins.
    pub(crate) at: Position,
    /// The part itself.
    pub(crate) node: Node,
}

/// What a part of a document is.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// `null`, a boolean or a number.
    Plain(Value),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Located>),
    /// An object, in the order of the file.
    Map(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Where its key begins.
    pub(crate) at: Position,
    /// The key.
    pub(crate) key: String,
    /// What is under it.
    pub(crate) value: Located,
}

/// A YAML error, and its position.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    /// Where it begins.
    pub(crate) at: Position,
    /// The message. It contains nothing from the file except names of keys.
    pub(crate) why: String,
}

/// Every document in the text, empty ones left out.
pub(crate) fn read(text: &str) -> Result<Vec<Located>, Unreadable> {
    read_within(text, MAX_VALUES)
}

/// Runs on a thread whose stack is large enough for the deepest document.
fn read_within(text: &str, values: usize) -> Result<Vec<Located>, Unreadable> {
    let broken =
        || Unreadable { at: Position::default(), why: "there are no resources to read it".to_owned() };
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK);
        let reader = reader.spawn_scoped(scope, || parse(text, values)).map_err(|_| broken())?;
        reader.join().unwrap_or_else(|_| Err(broken()))
    })
}

fn parse(text: &str, values: usize) -> Result<Vec<Located>, Unreadable> {
    let documents: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options(values))
        .map_err(|error| Unreadable {
            at: error.location().map(position).unwrap_or_default(),
            why: why(&error, values),
        })?;
    let documents: Vec<_> = documents.into_iter().map(Located::from).collect();
    match documents.iter().find_map(words::twice) {
        Some(twice) => Err(twice),
        None => Ok(documents),
    }
}

fn options(values: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        // A snippet of the file in the message might show a secret.
        with_snippet: false,
        // Duplicate keys are found afterwards, with both positions.
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_nodes: values,
            // A list or an object is two events, and a document two more.
            max_events: values.saturating_mul(2).saturating_add(2 << 10),
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH.saturating_add(1),
            max_total_scalar_bytes: MAX_TEXT,
            // The size of what aliases stand for is limited, not their number: a document may use one a hundred times.
            enforce_alias_anchor_ratio: false,
            max_recorded_anchor_events: values.div_euclid(4),
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: values.div_euclid(4) },
    }
}

/// Why a text cannot be read.
fn why(error: &serde_saphyr::Error, values: usize) -> String {
    match error {
        serde_saphyr::Error::AliasError { error, .. } => why(error, values),
        serde_saphyr::Error::Budget { breach, .. } => beyond(breach, values),
        serde_saphyr::Error::AliasReplayLimitExceeded { .. }
        | serde_saphyr::Error::AliasReplayStackDepthExceeded { .. } => ALIASES.to_owned(),
        other => match first_line(&other.to_string()) {
            // The parser's own limit, for nested brackets.
            line if line == "recursion limit exceeded" => too_deep(),
            line => words::of(&line),
        },
    }
}

fn too_deep() -> String {
    format!("the document is nested more than {MAX_DEPTH} levels deep")
}

/// Which limit a text exceeds.
fn beyond(breach: &BudgetBreach, values: usize) -> String {
    match breach {
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("the document has more than {values} values")
        }
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::ScalarBytes { .. } => {
            format!("the document has more than {} MiB of text", MAX_TEXT.div_euclid(1 << 20))
        }
        BudgetBreach::Documents { .. } => "the file holds too many documents".to_owned(),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::MergeKeys { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => ALIASES.to_owned(),
        _ => "the document is too large".to_owned(),
    }
}

/// The first line of the message, without the position that it repeats.
fn first_line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let first = match first.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => first,
    };
    printable(first.split(" at line ").next().unwrap_or_default())
}

/// The most values in a file. Keys, text, numbers, lists and objects are values; the largest OpenAPI
/// documents that are published have two million.
const MAX_VALUES: usize = 4_000_000;

/// The most levels of lists and objects.
const MAX_DEPTH: usize = 128;

/// The stack for that many levels, in bytes, with a reserve.
const STACK: usize = 64 << 20;

/// The most text in a file, in bytes.
const MAX_TEXT: usize = 64 << 20;

const ALIASES: &str = "its anchors and aliases expand to more than is read: write out their content";

impl Member {
    /// Whether its key is one of Envoy's, which reads `failurePolicy` for `failure_policy`.
    pub(crate) fn is(&self, name: &str) -> bool {
        let mut rest = self.key.chars();
        let mut is_start = false;
        for c in name.chars() {
            if c == '_' && !is_start && !rest.as_str().starts_with('_') {
                is_start = true;
                continue;
            }
            let wanted = if is_start { c.to_ascii_uppercase() } else { c };
            is_start = false;
            if rest.next() != Some(wanted) {
                return false;
            }
        }
        rest.as_str().is_empty()
    }
}

impl Located {
    /// What is under a key of Envoy's, in either spelling that Envoy reads: `failure_policy` or `failurePolicy`.
    pub(crate) fn key(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.is(name)).map(|member| &member.value)
    }

    /// The value under a name that the operator chooses.
    pub(crate) fn name(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == name).map(|member| &member.value)
    }

    /// What is under a path of keys.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |at, name| at.key(name))
    }

    /// The members of an object. Empty for any other kind of part.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.node {
            Node::Map(members) => members,
            _ => &[],
        }
    }

    /// The entries of a list. Empty for any other kind of part.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.node {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if this is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The kind of this part, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.node {
            Node::Plain(Value::Bool(_)) => "true or false",
            Node::Plain(Value::Number(_)) => "a number",
            Node::Plain(_) => "null",
            Node::Text(_) => "text",
            Node::List(_) => "a list",
            Node::Map(_) => "an object",
        }
    }

    /// The value, without the positions.
    pub(crate) fn value(&self) -> Value {
        match &self.node {
            Node::Plain(value) => value.clone(),
            Node::Text(text) => text.as_str().into(),
            Node::List(items) => items.iter().map(Self::value).collect(),
            Node::Map(members) => {
                let pair = |member: &Member| (member.key.clone(), member.value.value());
                Value::Object(members.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }

    /// The same document further down in a file, and to the right.
    pub(crate) fn shift(&mut self, lines: u64, columns: u64) {
        let shift = |at: &mut Position| {
            at.line = at.line.saturating_add(lines);
            at.column = at.column.saturating_add(columns);
        };
        shift(&mut self.at);
        match &mut self.node {
            Node::List(items) => items.iter_mut().for_each(|item| item.shift(lines, columns)),
            Node::Map(members) => members.iter_mut().for_each(|member| {
                shift(&mut member.at);
                member.value.shift(lines, columns);
            }),
            Node::Plain(_) | Node::Text(_) => {}
        }
    }

    /// The same document with one position for all parts.
    pub(crate) fn gather(&mut self, at: Position) {
        self.at = at;
        match &mut self.node {
            Node::List(items) => items.iter_mut().for_each(|item| item.gather(at)),
            Node::Map(members) => members.iter_mut().for_each(|member| {
                member.at = at;
                member.value.gather(at);
            }),
            Node::Plain(_) | Node::Text(_) => {}
        }
    }
}

impl From<Spanned<Node>> for Located {
    fn from(spanned: Spanned<Node>) -> Self {
        Self { at: position(spanned.referenced), node: spanned.value }
    }
}

fn position(location: serde_saphyr::Location) -> Position {
    Position { line: location.line(), column: location.column() }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Node>>()? {
            items.push(item.into());
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = object.next_entry::<Spanned<String>, Spanned<Node>>()? {
            members.push(Member { at: position(key.referenced), key: key.value, value: value.into() });
        }
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::{Located, Position, read, read_within};

    fn at(document: &Located, path: &[&str]) -> (u64, u64) {
        let Position { line, column } = document.path(path).unwrap().at;
        (line, column)
    }

    #[test]
    fn every_part_knows_where_it_is() {
        let text = "# a comment\na:\n  b: [1, {c: x}]\n  \"d e\": |\n    text\n---\n- true\n- null\n";
        let [first, second] = &read(text).unwrap()[..] else { panic!() };
        assert_eq!(first.value(), serde_json::json!({"a": {"b": [1, {"c": "x"}], "d e": "text\n"}}));
        assert_eq!(second.value(), serde_json::json!([true, null]));
        assert_eq!(at(first, &["a", "b"]), (3, 6));
        assert_eq!(
            first.path(&["a", "b"]).unwrap().items()[1].key("c").unwrap().at,
            Position { line: 3, column: 14 }
        );
        assert_eq!(first.key("a").unwrap().members()[0].at, Position { line: 3, column: 3 });
        // A block begins with its content.
        assert_eq!(at(first, &["a", "d e"]), (5, 5));
        assert_eq!(second.items()[1].at.line, 8);
    }

    #[test]
    fn json_is_read_as_well() {
        let document = &read("{\"a\": {\"b\":\n [1.5, \"x\\u00e9\"]}}").unwrap()[0];
        assert_eq!(document.value(), serde_json::json!({"a": {"b": [1.5, "x\u{e9}"]}}));
        assert_eq!(at(document, &["a", "b"]), (2, 2));
    }

    #[test]
    fn what_cannot_be_read_is_said_without_showing_it() {
        let cases =
            [("a: [1\nb: 2\n", 2), ("a: 1\na: hunter2\n", 2), ("a: &x [*x]\n", 1), ("a: 'hunter2\n", 1)];
        for (text, line) in cases {
            let error = read(text).unwrap_err();
            assert!(!error.why.contains("hunter2") && !error.why.is_empty(), "{text:?}: {}", error.why);
            assert!(error.at.line >= line, "{text:?}: {error:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_said_in_a_sentence() {
        let aliases = (0..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let one = format!("*a{n}, ");
            text + &format!("a{0}: &a{0} [{1}]\n", n + 1, one.repeat(10).trim_end_matches(", "))
        });
        let levels = |n: usize| "[".repeat(n) + &"]".repeat(n);
        let cases = [
            ("values", read_within("[1, 2, 3, 4, 5]", 5), "the document has more than 5 values"),
            ("keys count", read_within("{a: 1, b: 2, c: 3}", 6), "the document has more than 6 values"),
            ("levels of a flow", read(&levels(129)), "the document is nested more than 128 levels deep"),
            ("many levels", read(&levels(100_000)), "the document is nested more than 128 levels deep"),
            ("documents", read(&"--- 1\n".repeat(5000)), "the file holds too many documents"),
            (
                "aliases of aliases",
                read_within(&aliases, 10_000),
                "its anchors and aliases expand to more than is read",
            ),
        ];
        for (name, read, want) in cases {
            let error = read.expect_err(name);
            assert!(error.why.starts_with(want), "{name}: {}", error.why);
        }
        assert!(read_within("[1, 2, 3, 4]", 5).is_ok());
        assert!(read(&levels(128)).is_ok());
        let often = format!("a: &a [x]\nb: [{}]\n", "*a, ".repeat(500).trim_end_matches(", "));
        assert!(read(&often).is_ok(), "one alias, used often");
    }
}
