//! What of a request can be read in two ways.

use std::fmt;

/// What can be read in two ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Doubt {
    /// Parameters in a path.
    Parameters,
    /// An escaped slash in a path.
    EscapedSlash,
    /// The letter case or the final slash of a path.
    Spelling,
    /// A path that is too long for regular expressions.
    LongPath,
    /// A method that is not in the standard's form.
    Method,
    /// Another method, in a header field or a parameter.
    MethodOverride,
    /// The port or the final dot of the authority.
    Host,
    /// An invalid authority, or one that differs from `Host`.
    Authority,
    /// A header field.
    Field,
}

/// In words for the log, with the key that settles it.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameters => {
                "the path has parameters (\";\"), and it matches another rule or resource without them; see matching.path_parameters"
            }
            Self::EscapedSlash => "the path has an escaped slash; see match.escaped_slashes",
            Self::Spelling => {
                "the path differs from a rule's only in letter case or in its final slash; see match.ignore_case and match.ignore_final_slash"
            }
            Self::LongPath => "the path is too long for the rules",
            Self::Method => "the method is not in upper case, or is not valid",
            Self::MethodOverride => {
                "a header field or a parameter names another method; see matching.method_override"
            }
            Self::Host => {
                "the authority could be read in two ways (a port, a final dot); see matching.host_port"
            }
            Self::Authority => "the authority is not valid, or Host differs from it",
            Self::Field => "a header field that a rule checks could be read in two ways",
        })
    }
}
