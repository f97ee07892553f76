//! How a request is read where others may read it otherwise: two readings of one name are a way around
//! a rule.

use crate::base::named::named;

/// `matching`: what is taken for granted of those who read the request too, of Envoy's router and of
/// the upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Matching {
    /// Parameters of a path's segments ([RFC 3986 §3.3]): `;v=1`.
    ///
    /// [RFC 3986 §3.3]: https://www.rfc-editor.org/rfc/rfc3986#section-3.3
    pub path_parameters: Reading,
    /// The port of the authority.
    pub host_port: Reading,
    /// Whether fields that name another method are ignored.
    pub ignores_method_override: bool,
}

/// What becomes of a part that some read and others do not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reading {
    /// The request is rejected where the part makes a difference.
    #[default]
    Refuse,
    /// Everybody leaves it out.
    Ignore,
    /// Everybody takes it as it is.
    Literal,
}

named! { Reading:
    Refuse = "refuse",
    Ignore = "ignore",
    Literal = "literal",
}
