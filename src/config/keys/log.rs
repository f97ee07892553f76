//! The keys of what access logs and traces learn.

use crate::key::{default, keys, list_or_none, word};
use tollgate_engine::policy::log::LogField;

keys! {
    /// `log`.
    Log {
        FIELDS: Vec<LogField> = default(
            "fields", list_or_none(&word()), "[]",
            "The values that each request sets, whether it passes or not: `wasm.tollgate.` and one of these words. Each value costs one host call. `tier` is the client's in the client list of the rule; `cache` is `hit`, `miss` or `stale`; `waited_milliseconds` is how long the request waited for authorization servers; `token_fingerprint` distinguishes tokens; the token cannot be computed from it, and it is another one after a restart and in another proxy. A rejection sets `verdict` and `reason` in any case.",
        );
    }
}
