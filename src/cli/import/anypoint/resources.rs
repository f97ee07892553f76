//! What the files hold: API instances, policies bound to them, client providers.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::find;
use crate::cli::find::located::{self, Unreadable};
use crate::cli::import::anypoint::Remarks;
use crate::cli::import::anypoint::policy::Policy;

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// `kind: ApiInstance`: names and `spec`.
    apis: Vec<(String, Value)>,
    /// `kind: PolicyBinding`: `spec`.
    bindings: Vec<Value>,
    /// Client providers, whatever they are wrapped in.
    pub(super) providers: Vec<Value>,
}

/// How deep a client provider may be wrapped.
const MAX_DEPTH: usize = 5;

impl Resources {
    /// Reads the files; an error unless one of them holds something of Anypoint's.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut resources = Self::default();
        for file in files {
            let text = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
            let documents = located::read(&text).map_err(|Unreadable { at, why }| {
                Failure::new(format_args!("{}:{}:{}: {why}", file.display(), at.line, at.column))
                    .help("Flex Gateway's files are YAML, a client provider is JSON.")
            })?;
            let before = resources.count();
            for document in &documents {
                resources.add(&document.value());
            }
            if resources.count() == before {
                return Err(Failure::new(format_args!("nothing of Anypoint's in {}", file.display())).help(
                    "It is looked for as Flex Gateway's ApiInstance and PolicyBinding, and as a client provider with `urls` (authorize, token, introspect).",
                ));
            }
        }
        Ok(resources)
    }

    fn count(&self) -> usize {
        self.apis.len().saturating_add(self.bindings.len()).saturating_add(self.providers.len())
    }

    fn add(&mut self, document: &Value) {
        let spec = || document.get("spec").cloned().unwrap_or_default();
        match document.get("kind").and_then(Value::as_str) {
            Some("ApiInstance") => {
                let name = document.pointer("/metadata/name").and_then(Value::as_str);
                self.apis.push((name.unwrap_or("the API").to_owned(), spec()));
            }
            Some("PolicyBinding") => self.bindings.push(spec()),
            _ => self.add_providers(document, None, 0),
        }
    }

    fn add_providers(&mut self, value: &Value, name: Option<&Value>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let url = |name: &str| value.pointer(&format!("/urls/{name}")).is_some_and(Value::is_string);
        let name = value.get("name").filter(|name| name.is_string()).or(name);
        if url("introspect") || url("token") || url("authorize") {
            let mut provider = value.clone();
            if let (Value::Object(provider), Some(name)) = (&mut provider, name) {
                provider.insert("name".to_owned(), name.clone());
            }
            self.providers.push(provider);
            return;
        }
        let deeper = depth.saturating_add(1);
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add_providers(item, None, deeper)),
            Value::Object(members) => {
                members.values().for_each(|member| self.add_providers(member, name, deeper));
            }
            _ => {}
        }
    }

    /// The instance that is meant; `None` if there is none.
    pub(super) fn api(&self, wanted: Option<&str>) -> Result<Option<&str>, Failure> {
        let names: Vec<_> = self.apis.iter().map(|(name, _)| name.as_str()).collect();
        match (wanted, names.as_slice()) {
            (Some(wanted), names) if names.contains(&wanted) => {
                Ok(names.iter().find(|name| **name == wanted).copied())
            }
            (Some(wanted), names) => {
                let failure = Failure::new(format_args!("the files hold no ApiInstance {wanted:?}"));
                Err(if names.is_empty() {
                    failure
                } else {
                    failure.help(format_args!("They hold {}.", names.join(", ")))
                })
            }
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some(only)),
            (None, [first, ..]) => Err(Failure::new(format_args!(
                "the files hold {} API instances: {}",
                names.len(),
                names.join(", ")
            ))
            .help(format_args!("Make one configuration of each: --api {first}."))),
        }
    }

    /// The policies about tokens that are bound to the instance, in order.
    pub(super) fn policies(&self, api: Option<&str>, remarks: &mut Remarks) -> Vec<Policy> {
        let spec = self.apis.iter().find(|(name, _)| Some(name.as_str()) == api).map(|(_, spec)| spec);
        let mut bound: Vec<&Value> = Vec::new();
        bound.extend(
            spec.and_then(|spec| spec.get("policies")).and_then(Value::as_array).into_iter().flatten(),
        );
        let is_target = |binding: &&Value| {
            let target = |name: &str| binding.pointer(&format!("/targetRef/{name}")).and_then(Value::as_str);
            // A selector is for all instances that it selects, and we do not know their labels.
            target("kind") == Some("Selector") || api.is_none() || target("name") == api
        };
        let mut bindings: Vec<_> = self.bindings.iter().filter(is_target).collect();
        bindings.sort_by_key(|binding| binding.get("order").and_then(Value::as_u64).unwrap_or(u64::MAX));
        bound.extend(bindings);
        bound.into_iter().filter_map(|binding| Policy::read(binding, remarks)).collect()
    }
}
