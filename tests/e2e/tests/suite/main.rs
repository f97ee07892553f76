//! Ring 4: the built filter in a real Envoy, with a scripted authorization server or a real one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test may count and ask the clock, and must stop when its world is not as it should be"
)]

mod assertions;
mod cache;
mod cache_load;
mod certificates;
mod client_lists;
mod configurations;
mod crowds;
mod events;
mod examples;
mod expressions;
mod filters_around;
mod generated;
mod hostile_clients;
mod identity;
mod istio;
mod jwt;
mod jwt_authn;
mod kubernetes;
mod lasting;
mod least_privilege;
mod lifecycle;
mod mcp;
mod no_answer;
mod proofs;
mod readings;
mod real_authorization_server;
mod resets;
mod run;
mod status_lists;
mod traps;
mod vectors;
mod verdicts;
mod versions;
mod websocket;
