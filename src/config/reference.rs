//! The reference of the configuration, written from [`crate::keys`]: Markdown for people, JSON
//! Schema for editors.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::keys::CONFIGURATION;
use crate::schema::{Absent, Choice, Kind, Lowers, Names, Object, Quantity, Row, default, listed, written};

/// `docs/configuration.md`.
pub fn markdown() -> String {
    let mut reference = Reference { text: INTRODUCTION.to_owned(), ..Reference::default() };
    reference.section("", &CONFIGURATION);
    reference.text.push_str(LATER);
    for later in &reference.later {
        // Writing to a String cannot fail.
        let _ = writeln!(reference.text, "- {later}");
    }
    reference.text
}

const INTRODUCTION: &str = r"<!-- Written from src/config/keys.rs by `TOLLGATE_BLESS=1 cargo test -p tollgate-engine --test engine`. -->

# Configuration reference

The configuration is JSON. In Envoy's Wasm filter, put it into `configuration`, either as a `google.protobuf.StringValue` that contains the JSON, or as a
`google.protobuf.Struct`. In Istio's `TrafficExtension` or `WasmPlugin`, put it into `pluginConfig`. The examples are in YAML, like Envoy's own files.

The configuration is parsed strictly. An unknown key, a value of the wrong type, a duplicate name and two contradictory settings are errors.
Each error names its location and says what was expected. All errors are reported at once, and they never show a value. A configuration with an error is rejected as a
whole, and Envoy keeps the last valid one.

- A *duration* is `250ms`, `2s`, `5m` or `1h30m`.
- A *size* is a number of bytes.
- Keys in **bold** are required.
- Keys that can lower security say so. All of them are off by default. The [threat model](threat-model.md#every-switch-that-lowers-security)
  describes the cost of each.

The smallest useful configuration:

```yaml tollgate
providers:
  okta:
    issuer: https://dev.example.com/oauth2/default
    introspection:
      uri: https://dev.example.com/oauth2/default/v1/introspect
      cluster: okta
      client_auth: {client_id: gateway, client_secret_env: OKTA_CLIENT_SECRET}
requires:
  scopes: [orders:read]
```

";

const LATER: &str = "\
## Reserved keys and values

These are reserved for later versions. This version rejects them with an error that says so.

";

#[derive(Default)]
struct Reference {
    text: String,
    /// The objects that have a section, and the paths of those.
    sections: Vec<(*const Object, String)>,
    later: Vec<String>,
}

impl Reference {
    /// The section of the object at `path`, and those of the objects below it.
    fn section(&mut self, path: &str, kind: &Kind) {
        let Some(object) = kind.object() else { return };
        self.sections.push((object, path.to_owned()));
        let title = if path.is_empty() { "The configuration".to_owned() } else { format!("`{path}`") };
        let _ = writeln!(self.text, "## {title}\n");
        let _ = writeln!(self.text, "| key | value | default | description |\n| --- | --- | --- | --- |");
        let inside = |key: &Row| join(path, key.name);
        for key in object.keys {
            if matches!(key.kind, Kind::Later) {
                self.later.push(format!("`{}`: {}", inside(key), lower_first(key.doc)));
                continue;
            }
            if let Kind::Word { later, .. } = key.kind
                && !later.is_empty()
            {
                self.later.push(format!("`{}`: {}", inside(key), words(later, "and")));
            }
            self.row(key, &inside(key));
        }
        for Choice { quantity, keys } in object.choices {
            let _ =
                writeln!(self.text, "\n{} of {}.", upper_first(&quantity.to_string()), words(keys, "and"));
        }
        self.text.push('\n');
        for key in object.keys {
            let (path, inner) = innermost(&inside(key), &key.kind);
            if inner.object().is_some_and(|object| self.known(object).is_none()) {
                self.section(&path, inner);
            }
        }
    }

    fn row(&mut self, key: &Row, path: &str) {
        let name = match key.absent {
            Absent::Fault => format!("**`{}`**", key.name),
            Absent::Default(_) | Absent::Nothing => format!("`{}`", key.name),
        };
        let without = match (key.absent, key.kind) {
            (Absent::Fault, _) => "required".to_owned(),
            (Absent::Default("{}" | "[]") | Absent::Nothing, _) => "–".to_owned(),
            (Absent::Default(text), Kind::List { .. }) => {
                format!("`{}`", text.replace(',', ", ").replace(':', ": ").replace('"', ""))
            }
            (Absent::Default(text), _) => format!("`{text}`"),
        };
        let kind = self.value(&key.kind, path);
        let _ = writeln!(self.text, "| {name} | {kind} | {without} | {} |", description(key));
    }

    fn value(&self, kind: &Kind, path: &str) -> String {
        match kind {
            Kind::Secret => "text, secret".to_owned(),
            Kind::Integer { min, max } => format!("{min} to {max}"),
            Kind::Duration { min, max } => format!(
                "duration, {} to {}",
                written(Duration::from_millis(*min)),
                written(Duration::from_millis(*max))
            ),
            Kind::Word { known, .. } => words(known, "or"),
            Kind::List { of, .. } => format!("list: {}", self.value(of, &format!("{path}[]"))),
            Kind::Map { names, of, .. } => {
                let name = name_of(names);
                format!("object: by {name}, {}", self.value(of, &join(path, name)))
            }
            Kind::Object(object) => {
                let path = self.known(object).unwrap_or(path);
                format!("[object](#{})", anchor(path))
            }
            Kind::Either { list, object } => {
                format!("{}; or {}", self.value(list, path), self.value(&Kind::Object(object), path))
            }
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Text(_) | Kind::Scalar | Kind::Json | Kind::Later => kind.to_string(),
        }
    }

    fn known(&self, object: &Object) -> Option<&str> {
        let same = |(known, _): &&(*const Object, String)| std::ptr::eq(*known, object);
        self.sections.iter().find(same).map(|(_, path)| path.as_str())
    }
}

/// What a key is for, and what it costs.
fn description(key: &Row) -> String {
    match key.lowers {
        Some(Lowers { when, cost, .. }) => format!("{} **Lowers security{when}.** {cost}", key.doc),
        None => key.doc.to_owned(),
    }
}

/// Down through lists and maps to what is in them.
fn innermost(path: &str, kind: &'static Kind) -> (String, &'static Kind) {
    match kind {
        Kind::List { of, .. } => innermost(&format!("{path}[]"), of),
        Kind::Map { names, of, .. } => innermost(&join(path, name_of(names)), of),
        _ => (path.to_owned(), kind),
    }
}

fn name_of(names: &Names) -> &'static str {
    match names {
        Names::Text(name, _) | Names::Words(name, _) => name,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn words(words: &[&str], joint: &str) -> String {
    listed(words, joint).replace('"', "`")
}

/// The anchor that GitHub gives to a heading.
fn anchor(path: &str) -> String {
    path.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').map(|c| c.to_ascii_lowercase()).collect()
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// `docs/config.schema.json`. What it accepts may still have errors that only [`crate::policy`] finds.
pub fn json_schema() -> Value {
    json_schema_of(&CONFIGURATION, "Tollgate's configuration")
}

/// A document of this kind, in JSON Schema 2020-12.
pub fn json_schema_of(kind: &Kind, title: &str) -> Value {
    let mut schema = schema(kind);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("title".to_owned(), title.into());
    }
    schema
}

fn schema(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Text(text) => json!({"type": "string", "description": upper_first(text.what)}),
        Kind::Secret => json!({"type": "string"}),
        Kind::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Duration { .. } => {
            json!({"type": "string", "minLength": 2, "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"})
        }
        Kind::Word { known, .. } => json!({"enum": known}),
        Kind::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Kind::List { of, empty } => {
            json!({"type": "array", "items": schema(of), "minItems": u8::from(!empty)})
        }
        Kind::Map { names, of, empty } => {
            let names = match names {
                Names::Text(_, text) => json!({"description": upper_first(text.what)}),
                Names::Words(_, words) => json!({"enum": words}),
            };
            let minimum = u8::from(!empty);
            json!({"type": "object", "propertyNames": names, "additionalProperties": schema(of), "minProperties": minimum})
        }
        Kind::Object(object) => object_schema(object),
        Kind::Either { list, object } => json!({"anyOf": [schema(list), object_schema(object)]}),
        Kind::Json => json!({"type": "object"}),
        Kind::Later => json!(false),
    }
}

fn object_schema(object: &Object) -> Value {
    let supported = || object.keys.iter().filter(|key| !matches!(key.kind, Kind::Later));
    let properties: Map<_, _> = supported().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let is_required = |key: &&Row| matches!(key.absent, Absent::Fault);
    let required: Vec<_> = supported().filter(is_required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required});
    let choices: Vec<_> = object.choices.iter().map(choice_schema).collect();
    if let (Value::Object(members), false) = (&mut schema, choices.is_empty()) {
        members.insert("allOf".to_owned(), choices.into());
    }
    schema
}

fn key_schema(key: &Row) -> Value {
    let mut schema = schema(&key.kind);
    if let Value::Object(members) = &mut schema {
        members.insert("description".to_owned(), description(key).into());
        if let Absent::Default(text) = key.absent {
            members.insert("default".to_owned(), default(&key.kind, text));
        }
    }
    schema
}

fn choice_schema(choice: &Choice) -> Value {
    let each: Vec<_> = choice.keys.iter().map(|key| json!({"required": [key]})).collect();
    match choice.quantity {
        Quantity::ExactlyOne => json!({"oneOf": each}),
        Quantity::AtLeastOne => json!({"anyOf": each}),
        Quantity::AtMostOne => {
            let rest = |i: usize| choice.keys.iter().skip(i.saturating_add(1));
            let pairs = choice.keys.iter().enumerate().flat_map(|(i, a)| rest(i).map(move |b| [a, b]));
            json!({"not": {"anyOf": pairs.map(|pair| json!({"required": pair})).collect::<Vec<_>>()}})
        }
    }
}
