//! From a place in a configuration, as faults name it, to its line and column.

use std::collections::BTreeMap;

use tollgate_engine::config::schema::{Place, Step};

use crate::kit::find::located::{Located, Node, Position};

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Places {
    whole: Position,
    /// By place: where the key is, and what to point at: text or a number itself, but the key of what
    /// has parts.
    all: BTreeMap<String, (Position, Position)>,
}

/// Looks through the whole configuration.
pub(crate) fn of(configuration: &Located) -> Places {
    let mut places = Places { whole: configuration.at, all: BTreeMap::new() };
    places.add(configuration, &Place::default());
    places
}

impl Places {
    fn add(&mut self, part: &Located, at: &Place) {
        let mut below = |at: Place, key: Position, part: &Located| {
            let has_parts = matches!(part.node, Node::List(_) | Node::Map(_));
            self.all.insert(at.to_string(), (key, if has_parts { key } else { part.at }));
            self.add(part, &at);
        };
        match &part.node {
            Node::List(items) => {
                items.iter().enumerate().for_each(|(i, item)| below(at.index(i), item.at, item));
            }
            Node::Map(members) => {
                for member in members {
                    below(at.name(&member.key), member.at, &member.value);
                }
            }
            Node::Plain(_) | Node::Text(_) => {}
        }
    }

    /// Where a place is: its key or its value, or what is nearest above it if it is not there.
    pub(crate) fn position(&self, place: &str, of_key: bool) -> Position {
        let mut above = place;
        loop {
            if let Some((key, value)) = self.all.get(above) {
                // Something that is missing is missing below a key, not at the start of what is there.
                return if of_key || above.len() < place.len() { *key } else { *value };
            }
            match above.rfind(['.', '[']) {
                Some(end) => above = above.get(..end).unwrap_or_default(),
                None => return self.whole,
            }
        }
    }
}

/// Where a place is: its key or its value, or what is nearest above it if it is not there.
pub(crate) fn position(configuration: &Located, place: &Place, of_key: bool) -> Position {
    let (mut part, mut key) = (configuration, configuration.at);
    for step in place.steps() {
        let below = match step {
            Step::Key(name) => part
                .members()
                .iter()
                .find(|member| member.key == name)
                .map(|member| (&member.value, member.at)),
            Step::Index(index) => part.items().get(index).map(|item| (item, item.at)),
        };
        // Something that is missing is missing below a key, not at the start of what is there.
        let Some(below) = below else { return key };
        (part, key) = below;
    }
    let has_parts = matches!(part.node, Node::List(_) | Node::Map(_));
    if of_key || has_parts { key } else { part.at }
}
