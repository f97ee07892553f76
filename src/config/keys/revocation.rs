//! The keys of revocations: events of authorization servers, and what an operator has revoked.

use std::time::Duration;

use super::{AUDIENCE, CLIENT_ID, NAME, text};
use crate::key::{default, duration, integer, keys, list, list_or_none, object, optional, required};

keys! {
    /// `revocation`.
    Revocation {
        EVENTS: Vec<Events> = default(
            "events", list_or_none(&object()), "[]",
            "Paths at which Tollgate receives events: Security Event Tokens (RFC 8417, pushed as in RFC 8935) and OpenID Connect back-channel logout tokens. Requests for such a path are never forwarded and need no access token; an event counts if its provider has signed it. Within a second, no worker uses a cached response that was asked for before the event and is about its session, user, client or token. The plugin must set `allow_on_headers_stop_iteration`, as generated files do.",
        );
        LISTS: Vec<String> = default(
            "lists", list_or_none(&NAME), "[]",
            "Names of `client_lists` with `uri` whose `revoked` counts: tokens, clients and subjects that an operator has revoked (`tollgate revoke`). Whatever is revoked there is rejected as `invalid_token` within the list's `refresh`, cached or not. Until each of these lists is loaded, every request with a token is rejected (503). Anyone who serves such a list can reject everybody. A list that is not named here revokes nothing.",
        );
        REMEMBER: Duration = default(
            "remember", duration(1000, 604_800_000), "1h",
            "How long a revoked token stays revoked if the provider's tokens are verified locally (`validate: jwt`), so that nobody can be asked again. Tokens whose `iat` is not after the event are rejected. Set it to the longest lifetime of an access token.",
        );
    }
}

keys! {
    /// An entry of `revocation.events`.
    Events {
        PATH: String = required(
            "path", text(&text::PATH),
            "The exact path, such as `/events/keycloak`, whatever the host. Other spellings of it are rejected.",
        );
        PROVIDER: Option<String> = optional(
            "provider", NAME,
            "The provider whose events are received. It needs an `issuer` and `jwks`. Its events concern the tokens of all providers with this issuer. Absent: the only provider.",
        );
        AUDIENCES: Vec<String> = required(
            "audiences", list(&AUDIENCE),
            "An event must have at least one of these in `aud`. For a logout token, this is the client's id. For Keycloak's Security Event Tokens, it is the client's id, a slash, and the stream's id.",
        );
        AUTHORIZATION_ENV: Option<String> = optional(
            "authorization_env", text(&text::VARIABLE),
            "The environment variable of the VM that holds the exact value of `Authorization` that the transmitter sends with Security Event Tokens. Logout tokens come without it. Absent: it is not checked.",
        );
    }
}

keys! {
    /// An entry of what is revoked.
    Revoked {
        TOKEN_SHA256: Option<String> = optional(
            "token_sha256", text(&text::SHA256),
            "The hash of a token, or of the first two parts of a JWT.",
        );
        CLIENT_ID: Option<String> = optional("client_id", CLIENT_ID, "A client: all of its tokens.");
        SUB: Option<String> = optional("sub", text(&text::LINE), "A subject: all of its tokens.");
        ISSUER: Option<String> = optional("issuer", text(&text::LINE), "Only tokens of this issuer.");
        UNTIL: u32 = required("until", integer(1, 4_294_967_295), "Until when, in seconds since 1970.");
    }
    choices {
        ExactlyOne: TOKEN_SHA256, CLIENT_ID, SUB;
    }
}
