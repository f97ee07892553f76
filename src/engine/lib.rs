//! Tollgate: an access-token policy engine for Envoy and Istio.
//!
//! The engine is sans-I/O. An [`worker::command::Event`] goes in, and [`worker::command::Command`]s come out. Nothing in here performs
//! I/O or reads a clock; hosts do that (`src/filter`, `src/cli`).
//!
//! ```text
//!  the request        the server's view     what is required     the response to the client
//!  request/      ──▶  provider/       ──▶  policy/         ──▶  response/
//!  head, path,        introspection,       rule, resource,      challenge, body
//!  extract            jwt, keys            requirement
//!  ╰──────────────────── enforcer/ runs them, decision/ names the verdict ───────────────────╯
//! ```
//!
//! Imports run downwards: a room imports only rooms on lower floors, and rooms on the same floor do not import each
//! other. `tests/engine/layers.rs` reads this table and fails on an import that runs upwards.
//!
//! The configuration as written is a package of its own, `src/config`: it stands on floor 9, beside the cache.
//!
//! Both are compiled for their size. `#[inline]` marks what every request runs: the filter then compiles such a function
//! itself, for its speed. A function that is marked must be called by one that is marked too, or by one that is
//! generic over the trace.
//!
//! | floor | room | what it holds |
//! | --- | --- | --- |
//! | 11 | [`worker`] | one worker of a proxy: events go in, commands come out; everything that waits is in here |
//! | 10 | [`enforcer`] | the order of the checks, for the worker alone; [`enforcer::outcome::Outcome`] is what comes of them, [`enforcer::ports::Ports`] what they need of the host |
//! | 9 | [`cache`] | the cached responses of providers, per worker and across workers |
//! | 8 | [`policy`] | the configuration as compiled: rules, resources, requirements and how they are judged |
//! | 7 | [`revocation`] | the events that authorization servers push (RFC 8417, RFC 8935, OpenID Connect back-channel logout), and what they revoke |
//! | 6 | [`provider`] | which authorization server is called, how, and how its response is read (RFC 7662) |
//! | 5 | [`upstream`] | the identity header fields for the upstream; those that a client sent are removed |
//! | 4 | [`token`] | what a token says (claims, scopes, details), what every token of a provider has to satisfy, the keys under which it is cached |
//! | 4 | [`response`] | challenges (RFC 6750 §3) and bodies, for HTTP and gRPC |
//! | 4 | [`proof`] | proofs of possession: DPoP (RFC 9449), certificates (RFC 8705) |
//! | 3 | [`decision`] | the verdicts, every reason for which a request is rejected, and the trace of the checks |
//! | 2 | [`request`] | the request head, its path, the places a token may be in (RFC 6750 §2), its connection |
//! | 2 | [`jose`] | signed objects: JWS, keys and sets of keys (RFC 7515, RFC 7517, RFC 7518) |
//! | 1 | [`base`] | strict JSON, secrets, time, randomness, identifiers, what workers share |

pub mod base;
pub mod cache;
pub mod decision;
pub mod enforcer;
pub mod jose;
pub mod policy;
pub mod proof;
pub mod provider;
pub mod request;
pub mod response;
pub mod revocation;
pub mod token;
pub mod upstream;
pub mod worker;
