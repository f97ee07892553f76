//! Mutation testing of what decides: every small change to the engine's sources must make a test fail.
//!
//! All changes are compiled at once, and one of them is chosen when the tests run ("mutant schemata"): a build for each
//! would take a minute each.

pub mod copy;
pub mod instrument;
pub mod page;
pub mod tests;
