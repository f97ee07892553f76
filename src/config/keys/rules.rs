//! The keys of rules: which requests, and what is required of their tokens.

use std::time::Duration;

use serde_json::Value;

use super::{ACR, AUDIENCE, CLIENT_ID, HOST, LINE, METHOD, NAME, PARAMETER, SCOPE, text, words};
use crate::key::{
    Either, default, duration, either, flag, keys, list, list_or_none, object, optional, required, scalar,
    word,
};
use crate::schema::When;
use tollgate_engine::policy::requirement::SenderConstraint;
use tollgate_engine::policy::rule::Access;
use tollgate_engine::request::matching::Reading;

keys! {
    /// `requires`.
    Requirement {
        PROVIDERS: Option<Vec<String>> = optional(
            "providers", list(&NAME),
            "Only tokens of these providers are accepted.",
        );
        SCOPES: Option<Either<String, Scopes>> = optional(
            "scopes", either(&list(&SCOPE)),
            "Scopes that the token must have. A list means all of them. They are compared exactly, including case.",
        );
        AUDIENCES: Option<Vec<String>> = optional(
            "audiences", list(&AUDIENCE),
            "At least one of these must be in `aud`, in addition to what the provider requires.",
        );
        CLIENTS: Option<Either<String, Clients>> = optional(
            "clients", either(&list(&CLIENT_ID)),
            "Only these clients are accepted: a list of client ids, or the name of a list.",
        );
        CLAIMS: Option<Vec<Claim>> = optional(
            "claims", list(&object()),
            "Claims that the token must have. All of them must match.",
        );
        AUTHORIZATION_DETAILS: Option<Vec<Detail>> = optional(
            "authorization_details", list(&object()),
            "What the token's `authorization_details` (RFC 9396) must grant, in addition to `scopes`. Each item here must be satisfied by a single entry of the token.",
        );
        NO_DELEGATION: bool = default(
            "no_delegation", flag(), "false",
            "Rejects a token that somebody uses on another party's behalf, which is a token with `act` (RFC 8693 §4.1). To allow particular actors, use `claims` with `act.sub`. Only the outermost actor counts.",
        );
        ACR_VALUES: Option<Vec<String>> = optional(
            "acr_values", list(&ACR),
            "The token's `acr` must be one of these (RFC 9470). List them in order of preference.",
        );
        MAX_AGE: Option<Duration> = optional(
            "max_age", duration(0, 31_536_000_000),
            "The maximum time since `auth_time` (RFC 9470), in whole seconds.",
        );
        MAX_CACHE_AGE: Option<Duration> = optional(
            "max_cache_age", duration(0, 86_400_000),
            "A cached introspection response lets a request pass only while it is younger than this. An older one is fetched again first, and cached as usual. `0s`: no cached response counts, and every request waits for a call that is made after it has come; requests that wait at the same time share one. With this key, expired responses (`cache.stale_if_error`) do not count. Absent: as long as `cache` says. A cached response that the token is inactive rejects at any age. Not for providers with `validate: jwt`, whose tokens are not introspected.",
        );
        SENDER_CONSTRAINT: SenderConstraint = default(
            "sender_constraint", word(), SenderConstraint::IfBound.name(),
            "How tokens that are bound to a key or a certificate (`cnf`) are treated. `if_bound`: a bound token needs its proof, as configured in `dpop` and `mtls`. `dpop`: in addition, every token must be bound to a key. `mtls`: in addition, every token must be bound to a certificate. `any_bound`: in addition, every token must be bound to either. `ignore`: a bound token is treated like an unbound one.",
        )
        .lowers(When::Words(&[SenderConstraint::Ignore.name()]), "Anyone who steals such a token can use it.");
    }
}

keys! {
    /// `requires.scopes`, as an object.
    Scopes {
        ALL: Option<Vec<String>> = optional("all", list(&SCOPE), "The token must have each of these.");
        ANY: Option<Vec<String>> = optional(
            "any", list(&SCOPE),
            "The token must have at least one of these.",
        );
    }
    choices {
        AtLeastOne: ALL, ANY;
    }
}

keys! {
    /// `requires.clients`, as an object.
    Clients {
        LIST: String = required("list", NAME, "The name of an entry of `client_lists`.");
    }
}

keys! {
    /// An entry of `requires.claims`.
    Claim {
        NAME: String = required(
            "name", text(&text::CLAIM),
            "The claim, for example `tenant` or `realm_access.roles`.",
        );
        ANY_OF: Option<Vec<Value>> = optional(
            "any_of", list(&scalar()),
            "The claim is one of these, or an array that contains one of them.",
        );
        CONTAINS: Option<Value> = optional(
            "contains", scalar(),
            "The claim is an array that contains this value.",
        );
        EQUALS: Option<Value> = optional(
            "equals", scalar(),
            "The claim equals this value. Text, numbers and booleans are never equal to each other; `300` equals `300.0`. A number beyond 64 bits equals nothing.",
        );
    }
    choices {
        ExactlyOne: ANY_OF, CONTAINS, EQUALS;
    }
}

keys! {
    /// An entry of `requires.authorization_details`.
    Detail {
        TYPE: String = required("type", text(&text::LINE), "The entry's `type`.");
        LOCATIONS: Option<Vec<String>> = optional(
            "locations", list(&LINE),
            "All of these must be in its `locations`. Absent: an entry with `locations` counts if one of them is one of our audiences: the `identifier` or `audiences` of the `resource`, or `audiences` of the provider or of this requirement.",
        );
        ACTIONS: Option<Vec<String>> = optional(
            "actions", list(&LINE),
            "All of these must be in its `actions`.",
        );
        DATATYPES: Option<Vec<String>> = optional(
            "datatypes", list(&LINE),
            "All of these must be in its `datatypes`.",
        );
        PRIVILEGES: Option<Vec<String>> = optional(
            "privileges", list(&LINE),
            "All of these must be in its `privileges`.",
        );
        IDENTIFIER: Option<String> = optional("identifier", text(&text::LINE), "Its `identifier`.");
    }
}

keys! {
    /// A rule.
    Rule {
        NAME: Option<String> = optional(
            "name", text(&text::LABEL),
            "The rule's name in logs. Absent: `rules[N]`, counted from 0.",
        );
        MATCH: Match = required(
            "match", object(),
            "Which requests the rule applies to. Everything given here must match.",
        );
        ACCESS: Access = default(
            "access", word(), Access::Required.name(),
            "`required`: a valid token is required. `optional`: a request may come without a token, but a token must be valid. `anonymous`: tokens are not checked, and identity headers are still removed. `deny`: every request is rejected.",
        )
        .lowers_as_meant(
            When::Words(&[Access::Optional.name(), Access::Anonymous.name()]),
            "Requests without a token reach the upstream. With `anonymous`, a token is not even checked.",
        );
        REQUIRES: Option<Requirement> = optional(
            "requires", object(),
            "Replaces the top-level `requires`. The two are never merged.",
        );
        FROM_PARAMS: Vec<String> = default(
            "from_params", list_or_none(&PARAMETER), "[]",
            "Additional query parameters that may carry a token, for this rule only (WebSocket, server-sent events).",
        )
        .lowers(When::Set, "URIs end up in logs and histories (RFC 6750 §5.3).");
    }
}

keys! {
    /// How requests are read that others may read otherwise.
    Matching {
        PATH_PARAMETERS: Reading = default(
            "path_parameters", word(), Reading::Refuse.name(),
            "Parameters of segments (`;v=1`, `%3Bv=1`), which Java servers remove and others do not. `refuse`: a request is rejected (400) if it would match another rule or resource without them, or if its path ended there. `ignore`: rules see paths without them. `literal`: they are a part of the path.",
        )
        .lowers(
            When::Words(&[Reading::Ignore.name(), Reading::Literal.name()]),
            "An upstream that interprets such a path differently serves what another rule protects.",
        );
        HOST_PORT: words::HostPort = default(
            "host_port", word(), words::HostPort::Both.name(),
            "The port of the authority. Envoy's router compares it too, unless the connection manager has `strip_any_host_port` (then Tollgate never sees it) or the route configuration has `ignore_port_in_host_matching`. `both`: both readings count. With `access: anonymous` and `optional`, the host must match both with and without its port. A rule that requires a token applies if either matches, and the requirements that would hold without it apply too. A request that could be for two resources is rejected (400). `ignore`: hosts are compared without ports. `literal`: hosts are compared with ports, so `api.example.com` does not match `api.example.com:443`.",
        )
        .lowers_as_meant(
            When::Words(&[words::HostPort::Ignore.name(), words::HostPort::Literal.name()]),
            "A router that interprets ports differently sends requests to a place that another rule protects. `tollgate check` compares them.",
        );
        METHOD_OVERRIDE: words::MethodOverride = default(
            "method_override", word(), words::MethodOverride::Refuse.name(),
            "Fields with which frameworks replace the method: `X-HTTP-Method-Override`, `X-HTTP-Method`, `X-Method-Override`, and the query parameter `_method` of a POST. `refuse`: a request is rejected (400) if it would match another rule with that method. `ignore`: the fields are not checked.",
        )
        .lowers(
            When::Words(&[words::MethodOverride::Ignore.name()]),
            "An upstream that applies these fields performs a method that a rule on methods forbids.",
        );
    }
}

keys! {
    /// `match`.
    Match {
        PATH: Option<String> = optional(
            "path", text(&text::PATH),
            "The whole path, without the query. Paths are normalised before they are compared: dot segments are resolved, slashes are merged, and every character that needs no escape is unescaped (`%3A` is `:`). For letter case and a final slash, see `ignore_case` and `ignore_final_slash`. For parameters (`;v=1`), see `matching.path_parameters`.",
        );
        PREFIX: Option<String> = optional(
            "prefix", text(&text::PATH),
            "The first segments of the path: `/foo` matches `/foo` and `/foo/bar`, but not `/foobar`.",
        );
        PATH_TEMPLATE: Option<String> = optional(
            "path_template", text(&text::TEMPLATE),
            "Segments with variables: `/orders/{id}`, `/files/{name=**}`.",
        );
        SAFE_REGEX: Option<String> = optional(
            "safe_regex", text(&text::REGEX),
            "A regular expression for the whole path. It runs in linear time. A path of more than 2048 bytes is rejected (400) if it would have to be matched. With more than four expressions in the rules, the limit is 8192 bytes divided by their number, but at least 256 bytes.",
        );
        IGNORE_CASE: Option<bool> = optional(
            "ignore_case", flag(),
            "Whether ASCII letters of the path match in either case. Absent: both readings count, because servers differ. If a path matches only when case is ignored, `access: anonymous` or `optional` does not admit it. A rule that requires a token applies to it, and the requirements that would hold without that rule apply too.",
        )
        .lowers(When::Off, "An upstream that ignores case serves `/ADMIN` without the rule for `/admin`.");
        IGNORE_FINAL_SLASH: Option<bool> = optional(
            "ignore_final_slash", flag(),
            "Whether a final slash of the path is ignored. Absent: for `path` and `path_template`, both readings count, as with `ignore_case`. For `prefix` and `safe_regex`, the slash is significant. If two rules differ only in the slash, both need `false`.",
        )
        .lowers(
            When::Off,
            "An upstream that ignores the slash serves `/admin/` without the rule for `/admin`.",
        );
        ESCAPED_SLASHES: words::EscapedSlashes = default(
            "escaped_slashes", word(), words::EscapedSlashes::Refuse.name(),
            "Escaped slashes in the path (`%2F`). `keep` makes them a part of their segment, as in `/projects/group%2Fproject`, for upstreams that treat them so. The request is still rejected if, once unescaped, a rule would match that does not match it as it is.",
        )
        .lowers(
            When::Words(&[words::EscapedSlashes::Keep.name()]),
            "An upstream that unescapes slashes serves what another rule protects.",
        );
        METHODS: Option<Vec<String>> = optional(
            "methods", list(&METHOD),
            "The methods. If a method is not in upper case and would have to be compared, the request is rejected (400); a rule with `access: anonymous` or `optional` is skipped instead.",
        );
        HOSTS: Option<Vec<String>> = optional(
            "hosts", list(&HOST),
            "The hosts: `api.example.com`, `*.example.com`, `api.example.com:8443`. For a host without a port, see `matching.host_port`. If an authority cannot be parsed and would have to be compared, the request is rejected (400). If only a final dot differs, both readings count, as with `matching.host_port: both`.",
        );
        HEADERS: Option<Vec<HeaderMatch>> = optional("headers", list(&object()), "The header fields.");
    }
    choices {
        AtLeastOne: PATH, PREFIX, PATH_TEMPLATE, SAFE_REGEX, METHODS, HOSTS, HEADERS;
        AtMostOne: PATH, PREFIX, PATH_TEMPLATE, SAFE_REGEX;
    }
}

keys! {
    /// An entry of `match.headers`.
    HeaderMatch {
        NAME: String = required("name", text(&text::FIELD_NAME), "The field's name.");
        EXACT: Option<String> = optional(
            "exact", text(&text::FIELD_VALUE),
            "The whole value of the field, which must appear once. A request is rejected (400) if the value appears in one of several lines, in a list, in different letter case, or in a field whose name differs by an underscore.",
        );
        PRESENT: Option<bool> = optional("present", flag(), "Whether the field is present, with any value.");
    }
    choices {
        ExactlyOne: EXACT, PRESENT;
    }
}
