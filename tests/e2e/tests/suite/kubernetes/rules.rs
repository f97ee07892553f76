//! The rules of a resource definition (`x-kubernetes-validations`), which are CEL.

use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, Env, Value as Cel};
use serde_json::Value;

/// Every rule of the schema that a value breaks, with its place. Each rule that concerns the value is evaluated; one that
/// cannot be is broken, too.
pub(super) fn broken_rules(schema: &Value, value: &Value) -> Vec<String> {
    judged(schema, value).broken
}

/// How many rules concern the value.
pub(super) fn count(schema: &Value, value: &Value) -> usize {
    judged(schema, value).count
}

fn judged(schema: &Value, value: &Value) -> Rules {
    let mut rules = Rules { env: Arc::new(Env::stdlib()), broken: Vec::new(), count: 0 };
    let mut value = value.clone();
    complete(schema, &mut value);
    rules.judge(schema, &value, "");
    rules
}

/// Adds the default values, as Kubernetes does before it evaluates the rules.
fn complete(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                if let (None, Some(default)) = (members.get(name), below.get("default")) {
                    members.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in members {
                complete(member_schema(schema, name), member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| complete(&schema["items"], item)),
        _ => {}
    }
}

fn member_schema<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["properties"].get(name).unwrap_or(&schema["additionalProperties"])
}

struct Rules {
    env: Arc<Env>,
    broken: Vec<String>,
    count: usize,
}

impl Rules {
    fn judge(&mut self, schema: &Value, value: &Value, at: &str) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let source = rule["rule"].as_str().expect("a rule");
            // These compare with what is in the cluster already.
            if source.contains("oldSelf") {
                continue;
            }
            self.count += 1;
            match self.evaluate(source, value) {
                Ok(Cel::Bool(true)) => {}
                Ok(_) => self.broken.push(format!("{at}: {} ({source})", rule["message"])),
                Err(error) => self.broken.push(format!("{at}: {error} ({source})")),
            }
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.judge(member_schema(schema, name), member, &format!("{at}.{name}"));
                }
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.judge(&schema["items"], item, &format!("{at}[{i}]"));
                }
            }
            _ => {}
        }
    }

    fn evaluate(&self, source: &str, value: &Value) -> Result<Cel, String> {
        let program = self.env.compile(source).map_err(|error| error.to_string())?;
        let mut context = Context::with_env(Arc::clone(&self.env));
        // Functions that Kubernetes adds to the language.
        let is_url = |text: Arc<String>| text.starts_with('/') || scheme(&text).is_some();
        let url = |text: Arc<String>| text;
        let own_scheme = |This(url): This<Arc<String>>| scheme(&url).unwrap_or_default().to_owned();
        context.add_function("isURL", is_url).map_err(|error| error.to_string())?;
        context.add_function("url", url).map_err(|error| error.to_string())?;
        context.add_function("getScheme", own_scheme).map_err(|error| error.to_string())?;
        context.add_variable_from_value("self", cel(value));
        program.execute(&context).map_err(|error| error.to_string())
    }
}

/// The scheme of a URL; `None` if it has none (RFC 3986 §3.1).
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(fits)).then_some(scheme)
}

/// Whole numbers are `int`, as in Kubernetes.
fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Cel::Float(number.as_f64().expect("a number")), Cel::Int)
        }
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(cel).collect())),
        Value::Object(members) => {
            let members: std::collections::HashMap<String, Cel> =
                members.iter().map(|(name, value)| (name.clone(), cel(value))).collect();
            members.into()
        }
    }
}
