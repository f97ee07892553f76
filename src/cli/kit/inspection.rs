//! What is wrong with a configuration, and what is risky: `check` and `run` report it.
//!
//! | room | what it finds |
//! | --- | --- |
//! | [`indent`] | lines that are indented too little or too far |
//! | [`advice`] | what loads, but is risky |
//! | [`around`], [`reach`] | what loads the module, and the connection to the authorization server |
//! | [`chain`] | the filters and routes around Tollgate |

mod advice;
mod around;
mod chain;
mod indent;
mod reach;

use serde_json::Value;
use tollgate_config::error::{ConfigError, Fault};
use tollgate_config::schema::Place;

use crate::kit::find::located::Position;
use crate::kit::find::{Found, places};
use crate::kit::named::{STAND_IN, set};
use crate::kit::numbers::Number;

use indent::Misplaced;

/// One error or warning about a configuration.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Finding {
    pub(crate) position: Position,
    pub(crate) is_fault: bool,
    /// For example `providers.okta.introspection.timeout`. Empty for the parts around the configuration.
    pub(crate) place: String,
    pub(crate) message: String,
    pub(crate) number: Option<Number>,
}

/// The findings about one configuration.
#[derive(Debug)]
pub(crate) struct Inspection<'a> {
    found: &'a Found,
    misplaced: Vec<Misplaced>,
    loads: bool,
    findings: Vec<Finding>,
}

impl<'a> Inspection<'a> {
    /// Inspects a configuration and what is around it.
    pub(crate) fn of(found: &'a Found) -> Self {
        let misplaced = indent::of(&found.located);
        let parsed = tollgate_config::policy_of(&found.value, &|name| Some(environment(name)));
        let mut all = Self { found, misplaced, loads: parsed.is_ok(), findings: Vec::new() };
        all.indentation();
        for error in
            parsed.as_ref().err().into_iter().flatten().filter(|error| !only_unset_here(error, &found.value))
        {
            let (message, number) = indent::belongs(error).map_or_else(
                || (error.fault.to_string(), Number::of(&error.fault)),
                |hint| (hint, Number::INDENTATION),
            );
            all.add(true, &error.at, is_of_key(&error.fault), message, Some(number));
        }
        for (place, message) in advice::of(&found.value) {
            let number = Number::of_sentence(&message);
            all.add(false, &place, false, message, number);
        }
        for (position, is_fault, message) in around::of(found).into_iter().chain(chain::of(found)) {
            let number = Number::of_sentence(&message);
            all.findings.push(Finding { position, is_fault, place: String::new(), message, number });
        }
        all
    }

    /// Whether the filter would load it.
    pub(crate) fn loads(&self) -> bool {
        self.loads
    }

    /// Adds a finding, unless wrong indentation explains it. `of_key`: it is about the key, not about its value.
    pub(crate) fn add(
        &mut self,
        is_fault: bool,
        place: &Place,
        of_key: bool,
        message: String,
        number: Option<Number>,
    ) {
        if self.misplaced.iter().any(|one| one.explains(place)) {
            return;
        }
        let position = places::position(&self.found.located, place, of_key);
        self.findings.push(Finding { position, is_fault, place: place.to_string(), message, number });
    }

    /// All findings.
    pub(crate) fn findings(self) -> Vec<Finding> {
        self.findings
    }

    fn indentation(&mut self) {
        for one in &self.misplaced {
            let position = places::position(&self.found.located, &one.at, true);
            let (place, message, number) = (one.at.to_string(), one.hint(), Some(Number::INDENTATION));
            self.findings.push(Finding { position, is_fault: true, place, message, number });
        }
    }
}

/// A check runs before the deployment, where the proxy's variables are rarely set. A variable that is not set here
/// is assumed to be set for the proxy.
fn environment(name: &str) -> String {
    set(name).unwrap_or_else(|| STAND_IN.to_owned())
}

/// Whether the error is caused by the replacement for a variable.
fn only_unset_here(error: &ConfigError, value: &Value) -> bool {
    let text = error.at.find(value).and_then(Value::as_str);
    matches!(error.fault, Fault::UnfitVariable { .. })
        && text.is_some_and(|name| std::env::var_os(name).is_none_or(|value| value.is_empty()))
}

/// Whether an error is in the key rather than in its value.
fn is_of_key(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::UnknownKey { .. }
            | Fault::NotSupported { word: None }
            | Fault::Unused { .. }
            | Fault::Reserved { .. }
    )
}
