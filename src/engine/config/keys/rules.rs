//! The keys of rules: which requests, and what is demanded of their tokens.

use super::{AUDIENCE, CLIENT_ID, NAME, PARAMETER, SCOPE};
use super::{default, duration, list, list_or_none, optional, required, text, word};
use crate::config::schema::{Choice, Kind, Object, Quantity, When};

pub(super) static REQUIREMENT: Object = Object {
    keys: &[
        optional("providers", list(&NAME), "Only tokens of these providers."),
        optional(
            "scopes",
            Kind::Either { list: &Kind::List { of: &SCOPE, empty: false }, object: &SCOPES },
            "Scopes the token must have: a list means all of them. Compared exactly, case and all.",
        ),
        optional(
            "audiences",
            list(&AUDIENCE),
            "At least one of these must be in `aud`, besides what the provider demands.",
        ),
        optional(
            "clients",
            Kind::Either { list: &Kind::List { of: &CLIENT_ID, empty: false }, object: &CLIENTS },
            "Only these clients: a list of client ids, or the name of a list.",
        ),
        optional("claims", list(&Kind::Object(&CLAIM)), "Claims that must hold, all of them."),
        optional(
            "authorization_details",
            list(&Kind::Object(&DETAIL)),
            "What the token's `authorization_details` (RFC 9396) must grant, all of it, besides `scopes`. Each of these must be found in one entry there.",
        ),
        default(
            "no_delegation",
            Kind::Bool,
            "false",
            "Refuses a token that somebody uses on another's behalf: one with `act` (RFC 8693 §4.1). To name who may, use `claims` with `act.sub`; only the outermost actor counts.",
        ),
        optional(
            "acr_values",
            list(&Kind::Text(&text::ACR)),
            "At least one of these must be the token's `acr` (RFC 9470), by preference.",
        ),
        optional(
            "max_age",
            duration(0, 31_536_000_000),
            "The longest time since `auth_time` (RFC 9470), in whole seconds.",
        ),
        default(
            "sender_constraint",
            word(&["if_bound", "dpop", "mtls", "any_bound", "ignore"]),
            "if_bound",
            "What is done about a token that is bound to a key or a certificate (`cnf`): `if_bound` refuses it without its proof, as `dpop` and `mtls` have it; `dpop` refuses every token that is not bound to a key as well, `mtls` every one that is not bound to a certificate, and `any_bound` those that are bound to neither; `ignore` takes a bound token as if it were not.",
        ).lowers(When::Words(&["ignore"]), "Whoever steals such a token can use it."),
    ],
    choices: &[],
};

static SCOPES: Object = Object {
    keys: &[
        optional("all", list(&SCOPE), "Each of these."),
        optional("any", list(&SCOPE), "At least one of these."),
    ],
    choices: &[Choice { quantity: Quantity::AtLeastOne, keys: &["all", "any"] }],
};

static CLIENTS: Object =
    Object { keys: &[required("list", NAME, "The name of an entry of `client_lists`.")], choices: &[] };

static CLAIM: Object = Object {
    keys: &[
        required("name", Kind::Text(&text::CLAIM), "The claim, as `tenant` or `realm_access.roles`."),
        optional(
            "any_of",
            list(&Kind::Scalar),
            "The claim is one of these, or an array that holds one of them.",
        ),
        optional("contains", Kind::Scalar, "The claim is an array that holds this."),
        optional(
            "equals",
            Kind::Scalar,
            "The claim is this. Text, numbers and booleans are never each other; `300` is `300.0`. A number beyond 64 bits equals nothing.",
        ),
    ],
    choices: &[Choice { quantity: Quantity::ExactlyOne, keys: &["any_of", "contains", "equals"] }],
};

static DETAIL: Object = Object {
    keys: &[
        required("type", Kind::Text(&text::LINE), "The entry's `type`."),
        optional(
            "locations",
            list(&Kind::Text(&text::LINE)),
            "All of these are in its `locations`. Absent: an entry with `locations` counts if one of them is an audience of ours: the `identifier` or `audiences` of the `resource`, or `audiences` of the provider or of this requirement.",
        ),
        optional("actions", list(&Kind::Text(&text::LINE)), "All of these are in its `actions`."),
        optional("datatypes", list(&Kind::Text(&text::LINE)), "All of these are in its `datatypes`."),
        optional("privileges", list(&Kind::Text(&text::LINE)), "All of these are in its `privileges`."),
        optional("identifier", Kind::Text(&text::LINE), "Its `identifier`."),
    ],
    choices: &[],
};

/// A rule.
pub static RULE: Object = Object {
    keys: &[
        optional("name", Kind::Text(&text::LABEL), "Its name in logs. Absent: `rules[N]`, counted from 0."),
        required(
            "match",
            Kind::Object(&MATCH),
            "Which requests it is for; everything given here must match.",
        ),
        default(
            "access",
            word(&["required", "optional", "anonymous", "deny"]),
            "required",
            "`required`: a valid token. `optional`: a valid token or none. `anonymous`: tokens are not looked at; identity headers are removed all the same. `deny`: nobody passes.",
        ).lowers_as_meant(When::Words(&["optional", "anonymous"]), "Requests without a token reach the upstream. With `anonymous`, a token is not even looked at."),
        optional(
            "requires",
            Kind::Object(&REQUIREMENT),
            "Replaces the top-level `requires`, and is never merged with it.",
        ),
        default(
            "from_params",
            list_or_none(&PARAMETER),
            "[]",
            "More query parameters that may carry a token, for this rule only (WebSocket, server-sent events).",
        ).lowers(When::Set, "URIs end up in logs and histories (RFC 6750 §5.3)."),
    ],
    choices: &[],
};

/// How requests are read that others may read otherwise.
pub(super) static MATCHING: Object = Object {
    keys: &[
        default(
            "path_parameters",
            word(&["refuse", "ignore", "literal"]),
            "refuse",
            "Parameters of segments (`;v=1`, `%3Bv=1`), which Java servers take off and others do not. `refuse`: a request is refused (400) if another rule or resource would be meant without them, or if its path ended there. `ignore`: rules see paths without them. `literal`: they are a part of the path.",
        ).lowers(When::Words(&["ignore", "literal"]), "An upstream that reads such a path otherwise serves what another rule is for."),
        default(
            "host_port",
            word(&["both", "ignore", "literal"]),
            "both",
            "The port of the authority. Envoy's router compares it too, unless the connection manager has `strip_any_host_port` (then Tollgate never sees it) or the route configuration has `ignore_port_in_host_matching`. `both`: both readings count. `access: anonymous` and `optional` need a host that fits with its port and without it; a rule that demands a token holds if either fits, and what would hold otherwise is demanded too; a request that could be for two resources is refused (400). `ignore`: hosts are compared without ports. `literal`: with them, so `api.example.com` does not match `api.example.com:443`.",
        ).lowers_as_meant(When::Words(&["ignore", "literal"]), "A router that reads ports otherwise sends requests where another rule is meant. `tollgate check` compares them."),
        default(
            "method_override",
            word(&["refuse", "ignore"]),
            "refuse",
            "Fields by which frameworks replace the method: `X-HTTP-Method-Override`, `X-HTTP-Method`, `X-Method-Override`, and the query parameter `_method` of a POST. `refuse`: a request is refused (400) if another rule would be meant by that method. `ignore`: they are not looked at.",
        ).lowers(When::Words(&["ignore"]), "An upstream that follows these fields does what a rule on methods forbids."),
    ],
    choices: &[],
};

static MATCH: Object = Object {
    keys: &[
        optional(
            "path",
            Kind::Text(&text::PATH),
            "The whole path, without the query. All paths are compared in one spelling: dot segments resolved, slashes merged, and every character unescaped that may also come as it is (`%3A` is `:`). Letter case and a final slash: see `ignore_case` and `ignore_final_slash`; parameters (`;v=1`): see `matching.path_parameters`.",
        ),
        optional(
            "prefix",
            Kind::Text(&text::PATH),
            "Whole segments from the start: `/foo` matches `/foo` and `/foo/bar`, not `/foobar`.",
        ),
        optional(
            "path_template",
            Kind::Text(&text::TEMPLATE),
            "Segments with variables: `/orders/{id}`, `/files/{name=**}`.",
        ),
        optional(
            "safe_regex",
            Kind::Text(&text::REGEX),
            "A regular expression for the whole path; it runs in linear time. A path of more than 2048 bytes is refused (400) where it would have to be matched; with more than four expressions in the rules, one of more than 8192 bytes divided by their number, but 256 bytes are always matched.",
        ),
        optional(
            "ignore_case",
            Kind::Bool,
            "Whether ASCII letters of the path match in either case. Absent: both count, for servers differ in what they make of it. A path that fits but for its letter case is not let in by `access: anonymous` or `optional`; a rule that demands a token holds for it, and what holds without that rule is demanded too.",
        ).lowers(When::Off, "An upstream to which both are one serves `/ADMIN` past a rule for `/admin`."),
        optional(
            "ignore_final_slash",
            Kind::Bool,
            "Whether a slash at the end of the path does not count. Absent: for `path` and `path_template`, as with `ignore_case`; for `prefix` and `safe_regex`, it counts. Two rules that differ in nothing else both need `false`.",
        ).lowers(When::Off, "An upstream to which both are one serves `/admin/` past a rule for `/admin`."),
        default(
            "escaped_slashes",
            word(&["refuse", "keep"]),
            "refuse",
            "Escaped slashes in the path (`%2F`). `keep` makes them a part of their segment, as in `/projects/group%2Fproject`, for upstreams that read them so; the request is refused all the same if, unescaped, a rule would match that does not match it as it is.",
        ).lowers(When::Words(&["keep"]), "An upstream that unescapes slashes serves what another rule is for."),
        optional(
            "methods",
            list(&Kind::Text(&text::METHOD)),
            "Methods. A request whose method is not in upper case is refused (400) where it would have to be compared; a rule with `access: anonymous` or `optional` is passed over instead.",
        ),
        optional(
            "hosts",
            list(&Kind::Text(&text::HOST)),
            "Hosts: `api.example.com`, `*.example.com`, `api.example.com:8443`. Without a port a host means that authority; see `matching.host_port`. An authority that cannot be read is refused (400) where it would have to be compared. One that fits but for a final dot is treated as `matching.host_port: both` does it.",
        ),
        optional("headers", list(&Kind::Object(&HEADER_MATCH)), "Header fields."),
    ],
    choices: &[
        Choice {
            quantity: Quantity::AtLeastOne,
            keys: &["path", "prefix", "path_template", "safe_regex", "methods", "hosts", "headers"],
        },
        Choice { quantity: Quantity::AtMostOne, keys: &["path", "prefix", "path_template", "safe_regex"] },
    ],
};

static HEADER_MATCH: Object = Object {
    keys: &[
        required("name", Kind::Text(&text::FIELD_NAME), "The field's name."),
        optional(
            "exact",
            Kind::Text(&text::FIELD_VALUE),
            "Its whole value; the field must be there once. A request is refused (400) where the value stands in one of several lines, in a list, in other letter case, or in a field whose name differs by an underscore.",
        ),
        optional("present", Kind::Bool, "Whether it is there, with whatever value."),
    ],
    choices: &[Choice { quantity: Quantity::ExactlyOne, keys: &["exact", "present"] }],
};
