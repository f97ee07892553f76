//! Lines that are indented too little or too far: one hint instead of the errors that they cause.

use tollgate_config::error::{ConfigError, Fault};
use tollgate_config::keys::CONFIGURATION;
use tollgate_config::schema::{Kind, Object, Place, Step, listed};

use crate::kit::find::located::{Located, Node};

/// Names that are keys of what should stand below them.
#[derive(Debug)]
pub(super) struct Misplaced {
    /// The key that has nothing below it.
    pub(super) at: Place,
    /// The names beside it.
    names: Vec<String>,
    known: &'static str,
}

/// In every map of objects: an entry without anything below it, beside keys of such an entry.
pub(super) fn of(configuration: &Located) -> Vec<Misplaced> {
    let mut all = Vec::new();
    for key in CONFIGURATION.object().into_iter().flat_map(|object| object.keys) {
        let Kind::Map { of: Kind::Object(object), .. } = key.kind else { continue };
        let Some(map) = configuration.key(key.name) else { continue };
        let names: Vec<_> = map
            .members()
            .iter()
            .filter(|member| object.key(&member.key).is_some())
            .map(|member| member.key.clone())
            .collect();
        let is_empty = |part: &Located| part.value().is_null() && matches!(part.node, Node::Plain(_));
        let empty = map.members().iter().find(|member| is_empty(&member.value));
        if let (Some(empty), false) = (empty, names.is_empty()) {
            let at = Place::default().name(key.name).name(&empty.key);
            all.push(Misplaced { at, names, known: key.name });
        }
    }
    all
}

impl Misplaced {
    /// The hint.
    pub(super) fn hint(&self) -> String {
        let Self { names, known, .. } = self;
        let (are, them) = if names.len() == 1 { ("is a key", "it") } else { ("are keys", "them") };
        format!(
            "nothing stands below it, and {} {are} of such an entry, not an entry of {known}: indent {them} further",
            listed(names, "and")
        )
    }

    /// Whether a place is wrong for this reason alone.
    pub(super) fn explains(&self, place: &Place) -> bool {
        let mut own = self.at.steps();
        let mut steps = place.steps();
        own.next() == steps.next()
            && match steps.next() {
                Some(Step::Key(name)) => {
                    own.next() == Some(Step::Key(name)) || self.names.iter().any(|known| known == name)
                }
                Some(Step::Index(_)) | None => false,
            }
    }
}

/// To follow the message of an unknown key: where it is known.
pub(super) fn belongs(error: &ConfigError) -> Option<String> {
    let Fault::UnknownKey { nearest: None, .. } = &error.fault else { return None };
    let steps: Vec<_> = error.at.steps().collect();
    let (Some(Step::Key(name)), is_top) = (steps.last(), steps.len() == 1) else { return None };
    let top = CONFIGURATION.object()?;
    if !is_top && top.key(name).is_some() {
        return Some(format!("{name:?} belongs to the top of the configuration: indent it less"));
    }
    let below = |key: &str| top.key(key).and_then(|(_, key)| key.kind.entries()).and_then(Kind::object);
    let known = |object: &Object| is_top && object.key(name).is_some();
    below("providers").filter(|object| known(object))?;
    Some(format!("{name:?} belongs to an entry of providers: indent it further"))
}
