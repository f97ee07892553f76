//! The errors in a plan.

use tollgate_config::schema::Place;

/// Errors, with their places in the short file.
pub(crate) type Faults = Vec<(Place, String)>;

/// The place of an API.
pub(crate) fn of_api(name: &str) -> Place {
    Place::names(&["apis", name])
}
