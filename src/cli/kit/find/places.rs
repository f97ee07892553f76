//! From a place in a configuration, as errors have it, to its line and column.

use tollgate_engine::config::schema::{Place, Step};

use crate::kit::find::located::{Located, Node, Position};

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
