//! The content of the files: API instances, policies bound to them, client providers.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::commands::import::anypoint::Remarks;
use crate::commands::import::anypoint::policy::{self, Policy};
use crate::kit::failure::Failure;
use crate::kit::find;
use crate::kit::find::located::{self, Unreadable};

/// The content of all files.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// `kind: ApiInstance`.
    apis: Vec<Api>,
    /// `kind: PolicyBinding`: `spec`.
    bindings: Vec<Value>,
    /// Client providers, at any depth.
    pub(super) providers: Vec<Value>,
}

/// An API instance.
#[derive(Debug)]
struct Api {
    name: String,
    spec: Value,
    /// The labels that selectors of bindings match.
    labels: Value,
}

/// The maximum depth of a client provider.
const MAX_DEPTH: usize = 5;

impl Resources {
    /// Reads the files. An error if none of them contains anything from Anypoint.
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
                return Err(Failure::new(format_args!("no Anypoint data in {}", file.display())).help(
                    "Expected Flex Gateway's ApiInstance and PolicyBinding, a list of policies (`policyRef`, or API Manager's `policyTemplateId`), or a client provider with `urls` (authorize, token, introspect).",
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
                let name = name.unwrap_or("the API").to_owned();
                let labels = document.pointer("/metadata/labels").cloned().unwrap_or_default();
                self.apis.push(Api { name, spec: spec(), labels });
            }
            Some("PolicyBinding") => self.bindings.push(spec()),
            _ if !self.add_policies(document) => self.add_providers(document, None, 0),
            _ => {}
        }
    }

    /// Adds the policies of a list, plain or under `policies`, in the form of bindings or of API Manager. Returns
    /// whether it is such a list.
    fn add_policies(&mut self, document: &Value) -> bool {
        let list = document.as_array().or_else(|| document.get("policies").and_then(Value::as_array));
        let before = self.bindings.len();
        for policy in list.into_iter().flatten() {
            if policy.get("policyRef").is_some() {
                self.bindings.push(policy.clone());
            } else if ["policyTemplateId", "configurationData"].iter().any(|key| policy.get(key).is_some()) {
                self.bindings.push(of_api_manager(policy));
            }
        }
        self.bindings.len() > before
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

    /// The selected instance. `None` if the files contain no instance.
    pub(super) fn api(&self, wanted: Option<&str>) -> Result<Option<&str>, Failure> {
        let names: Vec<_> = self.apis.iter().map(|api| api.name.as_str()).collect();
        match (wanted, names.as_slice()) {
            (Some(wanted), names) if names.contains(&wanted) => {
                Ok(names.iter().find(|name| **name == wanted).copied())
            }
            (Some(wanted), names) => {
                let failure = Failure::new(format_args!("the files contain no ApiInstance {wanted:?}"));
                Err(if names.is_empty() {
                    failure
                } else {
                    failure.help(format_args!("They contain {}.", names.join(", ")))
                })
            }
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some(only)),
            (None, [first, ..]) => Err(Failure::new(format_args!(
                "the files contain {} API instances: {}",
                names.len(),
                names.join(", ")
            ))
            .help(format_args!("Make one configuration of each: --api {first}."))),
        }
    }

    /// The policies about tokens that are bound to the instance, in order.
    pub(super) fn policies(&self, api: Option<&str>, remarks: &mut Remarks) -> Vec<Policy> {
        let api = self.apis.iter().find(|known| Some(known.name.as_str()) == api);
        let inline = api.and_then(|api| api.spec.get("policies")).and_then(Value::as_array);
        let mut bound: Vec<&Value> = inline.into_iter().flatten().collect();
        let mut bindings: Vec<_> =
            self.bindings.iter().filter(|binding| is_for(binding, api, remarks)).collect();
        bindings.sort_by_key(|binding| binding.get("order").and_then(Value::as_u64).unwrap_or(u64::MAX));
        bound.extend(bindings);
        bound.into_iter().filter_map(|binding| Policy::read(binding, remarks)).collect()
    }
}

/// Whether a binding is for an instance.
fn is_for(binding: &Value, api: Option<&Api>, remarks: &mut Remarks) -> bool {
    let (Some(api), Some(target)) = (api, binding.get("targetRef")) else { return true };
    if target.get("kind").and_then(Value::as_str) != Some("Selector") {
        return target.get("name").and_then(Value::as_str) == Some(api.name.as_str());
    }
    let labels = target.get("selector").and_then(Value::as_object);
    let wanted = labels.into_iter().flatten().filter(|(name, _)| *name != "kind");
    let missing: Vec<_> = wanted
        .filter(|(name, value)| api.labels.get(name.as_str()) != Some(*value))
        .map(|(name, value)| {
            format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    if !missing.is_empty() {
        remarks.add(format!(
            "the policy {:?} is for instances with the label {}, which {} does not have; it is left out",
            policy::name(binding),
            missing.join(", "),
            api.name
        ));
    }
    missing.is_empty()
}

/// A policy as API Manager returns it, in the form of a binding.
fn of_api_manager(policy: &Value) -> Value {
    let text = |pointer: &str| policy.pointer(pointer).and_then(Value::as_str);
    let id =
        policy.get("policyTemplateId").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let name = text("/template/assetId").or_else(|| text("/assetId")).map(str::to_owned).or(id);
    let config = policy.get("configurationData").or_else(|| policy.get("configuration"));
    json!({
        "policyRef": {"name": name},
        "config": config,
        "order": policy.get("order"),
        "rules": policy.get("pointcutData"),
        "disabled": policy.get("disabled"),
    })
}
