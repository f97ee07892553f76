//! Our credentials at the authorization server ([RFC 6749 §2.3]).
//!
//! [RFC 6749 §2.3]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::named::named;
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::jose::algorithm::Algorithm;
use crate::provider::assertion::Assertion;

/// How we authenticate; exactly one way per request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientAuth {
    /// `client_secret_basic`: the whole value of the `Authorization` field.
    Basic(Secret),
    /// `client_secret_post`: form fields.
    Post {
        /// `client_id`.
        client_id: String,
        /// `client_secret`; left out if empty.
        client_secret: Secret,
    },
    /// `bearer`: the whole value of the `Authorization` field.
    Bearer(Secret),
    /// `client_secret_jwt` and `private_key_jwt`: form fields, signed anew for each call.
    Assertion(Box<Assertion>),
    /// `none`: another component authenticates (mutual TLS, `credential_injector`).
    None {
        /// Sent as `client_id` if given ([RFC 8705 §2]).
        ///
        /// [RFC 8705 §2]: https://www.rfc-editor.org/rfc/rfc8705#section-2
        client_id: Option<String>,
    },
}

/// The methods of client authentication ([OpenID Connect Core §9], [RFC 8705 §2]), by their registered names where they
/// have one.
///
/// [OpenID Connect Core §9]: https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication
/// [RFC 8705 §2]: https://www.rfc-editor.org/rfc/rfc8705#section-2
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Method {
    /// Id and secret in the `Authorization` field.
    #[default]
    Basic,
    /// Id and secret as form fields.
    Post,
    /// A statement, signed with the client secret.
    SecretJwt,
    /// A statement, signed with a private key.
    PrivateKeyJwt,
    /// A token of our own; not registered.
    Bearer,
    /// No credentials of ours.
    None,
}

named! { Method:
    Basic = "client_secret_basic",
    Post = "client_secret_post",
    SecretJwt = "client_secret_jwt",
    PrivateKeyJwt = "private_key_jwt",
    Bearer = "bearer",
    None = "none",
}

impl Method {
    /// Whether the module sends no credentials of its own: Envoy's cluster adds them.
    pub fn is_by_cluster(self) -> bool {
        match self {
            Self::None => true,
            Self::Basic | Self::Post | Self::SecretJwt | Self::PrivateKeyJwt | Self::Bearer => false,
        }
    }

    /// The form fields that carry the credentials. Nothing else may set them.
    pub fn form_fields(self) -> &'static [&'static str] {
        match self {
            Self::Basic | Self::Bearer => &[],
            Self::Post => &["client_id", "client_secret"],
            Self::SecretJwt | Self::PrivateKeyJwt => {
                &["client_id", "client_assertion_type", "client_assertion"]
            }
            Self::None => &["client_id"],
        }
    }

    /// The header field that carries the credentials, in lower case. Nothing else may set it.
    pub fn header_field(self) -> Option<&'static str> {
        match self {
            Self::Basic | Self::Bearer => Some("authorization"),
            Self::Post | Self::SecretJwt | Self::PrivateKeyJwt | Self::None => None,
        }
    }

    /// Whether it is a token itself. The errors of [RFC 6750 §3.1] are then about it.
    ///
    /// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
    pub fn is_token(self) -> bool {
        match self {
            Self::Bearer => true,
            Self::Basic | Self::Post | Self::SecretJwt | Self::PrivateKeyJwt | Self::None => false,
        }
    }
}

/// How id and secret are put into the Basic credentials.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BasicEncoding {
    /// Form-urlencoded first, as [RFC 6749 §2.3.1] has it.
    ///
    /// [RFC 6749 §2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    #[default]
    Form,
    /// As they are, for servers that skip the decoding.
    Raw,
}

named! { BasicEncoding:
    Form = "form",
    Raw = "raw",
}

impl ClientAuth {
    /// `client_secret_basic`.
    pub fn basic(client_id: &str, client_secret: &Secret, encoding: BasicEncoding) -> Self {
        let part = |text: &str| match encoding {
            BasicEncoding::Form => form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>(),
            BasicEncoding::Raw => text.to_owned(),
        };
        let pair = format!("{}:{}", part(client_id), part(client_secret.expose()));
        Self::Basic(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
    }

    /// The method.
    pub fn method(&self) -> Method {
        match self {
            Self::Basic(_) => Method::Basic,
            Self::Post { .. } => Method::Post,
            Self::Bearer(_) => Method::Bearer,
            Self::Assertion(assertion) if Algorithm::OF_SECRETS.contains(&assertion.algorithm()) => {
                Method::SecretJwt
            }
            Self::Assertion(_) => Method::PrivateKeyJwt,
            Self::None { .. } => Method::None,
        }
    }

    /// Whether there are credentials for another question now.
    pub fn admits(&self, now: UnixTime) -> bool {
        match self {
            Self::Assertion(assertion) => assertion.admits(now),
            Self::Basic(_) | Self::Post { .. } | Self::Bearer(_) | Self::None { .. } => true,
        }
    }

    /// `bearer`.
    pub fn bearer(token: &Secret) -> Self {
        Self::Bearer(Secret::new(format!("Bearer {}", token.expose())))
    }
}

#[cfg(test)]
mod tests {
    use super::{BasicEncoding, ClientAuth, Method};
    use crate::base::secret::Secret;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn basic_credentials_are_form_encoded_first() {
        use BasicEncoding::{Form, Raw};
        #[rustfmt::skip]
        let cases = [
            ("RFC 7662 §2.1",     "s6BhdRkqt3", "gX1fBat3bV", Form, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"),
            ("OAU-17 form",       "https://rs.example.com/app", "a+b/c==", Form,
             "Basic aHR0cHMlM0ElMkYlMkZycy5leGFtcGxlLmNvbSUyRmFwcDphJTJCYiUyRmMlM0QlM0Q="),
            ("OAU-17 raw",        "https://rs.example.com/app", "a+b/c==", Raw,
             "Basic aHR0cHM6Ly9ycy5leGFtcGxlLmNvbS9hcHA6YStiL2M9PQ=="),
            ("OAU-15",            "my client:1", "p@ss word+%&=:é", Form,
             "Basic bXkrY2xpZW50JTNBMTpwJTQwc3Mrd29yZCUyQiUyNSUyNiUzRCUzQSVDMyVBOQ=="),
            ("OAU-16",            " %&+£€", "x", Form, "Basic KyUyNSUyNiUyQiVDMiVBMyVFMiU4MiVBQzp4"),
            ("OAU-20 no secret",  "x", "", Form, "Basic eDo="),
        ];
        for (name, id, secret, encoding, want) in cases {
            let ClientAuth::Basic(got) = ClientAuth::basic(id, &Secret::new(secret), encoding) else {
                panic!()
            };
            assert_eq!(got.expose(), want, "{name}");
        }
    }

    #[test]
    fn a_cluster_authenticates_where_nobody_else_does() {
        let by_cluster: Vec<_> = Method::ALL.into_iter().filter(|method| method.is_by_cluster()).collect();
        assert_eq!(by_cluster, [Method::None]);
    }
}
