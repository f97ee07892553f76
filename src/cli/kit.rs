//! What several commands use. The kit never imports a command.

pub(crate) mod ask;
pub(crate) mod client_auth;
pub(crate) mod clock;
pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod entry;
pub(crate) mod exit;
pub(crate) mod failure;
pub(crate) mod find;
pub(crate) mod http;
pub(crate) mod injected;
pub(crate) mod named;
pub(crate) mod numbers;
pub(crate) mod openapi;
pub(crate) mod output;
pub(crate) mod presets;
pub(crate) mod printable;
pub(crate) mod signatures;
pub(crate) mod store;
pub(crate) mod worker;
pub(crate) mod yaml;
