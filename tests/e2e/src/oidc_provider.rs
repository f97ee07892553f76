//! The real oidc-provider, as one of our scripts sets it up.

use crate::node::Node;

/// The one whose access tokens are JWTs if they are for a resource.
pub const OF_JWTS: &str = "tests/providers/oidc-provider/jwt.mjs";
/// That of the demo.
pub const OF_THE_DEMO: &str = "envoy/demo/authorization-server/server.mjs";

/// A running oidc-provider; it ends with this value.
#[derive(Debug)]
pub struct OidcProvider {
    /// Where it listens, without TLS.
    pub port: u16,
    _server: Node,
}

impl OidcProvider {
    /// Starts one by its script, with these variables besides. Panics if it does not start.
    pub fn start(script: &str, port: u16, variables: &[(&str, &str)]) -> Self {
        let (at, issuer) = (port.to_string(), Self::issuer(port));
        let variables = [&[("PORT", at.as_str()), ("ISSUER", &issuer)], variables].concat();
        Self { port, _server: Node::start(script, &variables) }
    }

    /// The issuer of one at that port.
    pub fn issuer(port: u16) -> String {
        format!("http://localhost:{port}")
    }
}
