//! Words that only the configuration knows. What an enum of another room calls its variants is written there.

use tollgate_engine::base::named::named;

/// What `resource.profile` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResourceProfile {
    /// A resource of any kind.
    Rfc9728,
    /// A server of the Model Context Protocol.
    Mcp,
}

named! { ResourceProfile:
    Rfc9728 = "rfc9728",
    Mcp = "mcp",
}

/// What `resource.audience_check` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudienceCheck {
    /// A token must be for the resource.
    Enforce,
    /// Providers and rules decide.
    Ignore,
}

named! { AudienceCheck:
    Enforce = "enforce",
    Ignore = "ignore",
}

/// What `dpop.nonce` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nonce {
    /// A proof needs no nonce.
    Off,
    /// A proof needs a nonce that Tollgate issued.
    Required,
}

named! { Nonce:
    Off = "off",
    Required = "required",
}

/// What `mtls.source` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateFrom {
    /// The TLS connection.
    Connection,
    /// The field `x-forwarded-client-cert`.
    Xfcc,
    /// A field of the operator's choice.
    Header,
}

named! { CertificateFrom:
    Connection = "connection",
    Xfcc = "xfcc",
    Header = "header",
}

/// What `upstream.claims_prefix_underscores` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Underscores {
    /// They become hyphens.
    Replace,
    /// They stay.
    Keep,
}

named! { Underscores:
    Replace = "replace",
    Keep = "keep",
}

/// What a provider's `scope_array` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScopeArray {
    /// It grants no scopes.
    Ignore,
    /// Each string is a scope.
    Accept,
}

named! { ScopeArray:
    Ignore = "ignore",
    Accept = "accept",
}

/// What `introspection.dialect` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// JSON.
    Rfc7662,
    /// A signed JWT.
    Rfc9701,
    /// JSON from before RFC 7662.
    TokenInfo,
}

named! { Dialect:
    Rfc7662 = "rfc7662",
    Rfc9701 = "rfc9701",
    TokenInfo = "tokeninfo",
}

/// What `client_auth.assertion_typ` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AssertionTyp {
    /// Any JWT.
    Jwt,
    /// A JWT that authenticates a client.
    ClientAuthentication,
}

named! { AssertionTyp:
    Jwt = "JWT",
    ClientAuthentication = "client-authentication+jwt",
}

/// What `matching.host_port` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostPort {
    /// Both readings count.
    Both,
    /// Hosts are compared without ports.
    Ignore,
    /// Hosts are compared with ports.
    Literal,
}

named! { HostPort:
    Both = "both",
    Ignore = "ignore",
    Literal = "literal",
}

/// What `matching.method_override` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MethodOverride {
    /// The method that a field names counts too.
    Refuse,
    /// The fields are not checked.
    Ignore,
}

named! { MethodOverride:
    Refuse = "refuse",
    Ignore = "ignore",
}

/// What `match.escaped_slashes` may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EscapedSlashes {
    /// A path with one is rejected where it makes a difference.
    Refuse,
    /// They are a part of their segment.
    Keep,
}

named! { EscapedSlashes:
    Refuse = "refuse",
    Keep = "keep",
}
