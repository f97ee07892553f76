//! The keys of client lists, in the configuration and as they are fetched.

use std::time::Duration;

use super::{CLIENT_ID, CLUSTER, Revoked, TIMEOUT, text};
use crate::key::{default, duration, integer, keys, list_or_none, object, optional, required, secret};
use crate::schema::When;

keys! {
    /// A client list.
    ClientList {
        CLIENTS: Option<Vec<Client>> = optional(
            "clients", list_or_none(&object()),
            "The clients. An empty list rejects every client.",
        );
        URI: Option<String> = optional(
            "uri", text(&text::ENDPOINT),
            "The address from which the list is fetched instead, in the background: `{\"clients\": [{\"id\": …, \"name\": …, \"tier\": …}]}` as `application/json`. The last valid list is kept. Until the first list is loaded, requests that require it are rejected (503). `ETag` and 304 are supported.",
        );
        CLUSTER: Option<String> = optional(
            "cluster", CLUSTER,
            "The Envoy cluster for `uri`. Required with `uri`.",
        );
        REFRESH: Duration = default(
            "refresh", duration(1000, 86_400_000), "30s",
            "How often each worker fetches the list.",
        )
        .lowers(
            When::Above("5m"),
            "A client that was removed from the list may be accepted for up to this long.",
        );
        TIMEOUT: Duration = TIMEOUT;
        BEARER_TOKEN: Option<String> = optional(
            "bearer_token", secret(),
            "The Bearer token for fetching the list. Prefer `bearer_token_env`.",
        )
        .lowers(
            When::Set,
            "The secret is in plain text, in this file and in Envoy's `/config_dump`. Let an environment variable hold it, or let Envoy add it (`credential_injector`).",
        );
        BEARER_TOKEN_ENV: Option<String> = optional(
            "bearer_token_env", text(&text::VARIABLE),
            "The environment variable of the VM that holds this token.",
        );
        MAX_RESPONSE_BYTES: usize = default(
            "max_response_bytes", integer(1, 16_777_216), "1048576",
            "The maximum size of a list.",
        );
    }
    choices {
        ExactlyOne: CLIENTS, URI;
        AtMostOne: BEARER_TOKEN, BEARER_TOKEN_ENV;
    }
}

keys! {
    /// A list as it is fetched.
    FetchedList {
        CLIENTS: Vec<Client> = required("clients", list_or_none(&object()), "The clients.");
        REVOKED: Option<Vec<Revoked>> = optional(
            "revoked", list_or_none(&object()),
            "What an operator has revoked.",
        );
    }
}

keys! {
    /// An entry of a client list.
    Client {
        ID: String = required("id", CLIENT_ID, "The client's id.");
        NAME: Option<String> = optional("name", text(&text::LINE), "A name for people.");
        TIER: Option<String> = optional(
            "tier", text(&text::LINE),
            "The tier that the client has been granted.",
        );
    }
}
