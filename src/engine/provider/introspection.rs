//! How tokens are introspected, and how the response is read ([RFC 7662]), in each dialect.
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

mod both;
pub mod call;
pub mod reply;
pub mod signed;
pub mod token_info;
pub mod user_info;

use crate::base::ids::ProviderId;
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::decision::Rejection;
use crate::decision::trace::Untraced;
use crate::jose::verifier::Verifier;
use crate::provider::introspection::reply::Introspection;
use crate::provider::introspection::signed::Names;
use crate::provider::keys::LiveKeys;
use crate::provider::outcome::CallOutcome;
use crate::provider::{Dialect, Provider, Validate, jwt};

/// What a provider has said about a token that it was asked about at the first of those times, in the dialect that it
/// speaks.
pub fn read(
    (id, provider): (ProviderId, &Provider),
    keys: &LiveKeys,
    token: &Secret,
    outcome: CallOutcome<'_>,
    verifier: &dyn Verifier,
    (asked, now): (UnixTime, UnixTime),
) -> Result<Introspection, Rejection> {
    let endpoint = &provider.introspection;
    // What a JWT says of itself has been verified before anybody was asked. It is not kept until the response: most of
    // these are asked about once in their lifetime. And the keys may have changed while the server was asked.
    let as_jwt = || jwt::verify((id, provider), keys, token.expose(), verifier, now, &Untraced);
    let said = match &endpoint.dialect {
        Dialect::Rfc7662 => Introspection::read(id, endpoint, outcome)?,
        Dialect::Rfc9701 { audience, issuer } => {
            let names = Names { issuer, audience };
            signed::read((id, provider), names, keys, outcome, token, verifier, now)?
        }
        Dialect::TokenInfo(_) => token_info::read(id, endpoint, outcome, token, asked)?,
        Dialect::UserInfo { audience } => {
            let jwt = match provider.validate {
                Validate::Introspection => None,
                Validate::Jwt | Validate::JwtThenIntrospection => Some(as_jwt()?),
            };
            let issuer = provider.tokens.issuer.as_deref().unwrap_or_default();
            let names = audience.as_deref().map(|audience| Names { issuer, audience });
            return user_info::read((id, provider), names, keys, outcome, jwt, verifier, now);
        }
    };
    match said {
        Introspection::Active(reply) if provider.validate == Validate::JwtThenIntrospection => {
            as_jwt()?.beside(reply, provider)
        }
        said => Ok(said),
    }
}
