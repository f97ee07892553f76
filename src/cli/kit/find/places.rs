//! Finds the line and column of a place in a configuration.

use tollgate_config::schema::{Place, Step};

use crate::kit::find::located::{Located, Node, Position};

/// The position of a place: of its key or its value, or of the nearest existing parent.
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
        // A missing key is reported at its parent's key, not at the start of the parent's value.
        let Some(below) = below else { return key };
        (part, key) = below;
    }
    let has_parts = matches!(part.node, Node::List(_) | Node::Map(_));
    if of_key || has_parts { key } else { part.at }
}
