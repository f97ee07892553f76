//! What is wrong with a plan.

/// Places in the short file, and what is wrong there.
pub(crate) type Faults = Vec<(String, String)>;
