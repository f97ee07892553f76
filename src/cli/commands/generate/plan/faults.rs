//! What is wrong with a plan.

use tollgate_engine::config::schema::Place;

/// Places in the short file, and what is wrong there.
pub(crate) type Faults = Vec<(Place, String)>;

/// The place of an API.
pub(crate) fn of_api(name: &str) -> Place {
    Place::names(&["apis", name])
}
