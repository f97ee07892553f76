//! The client's connection: whether it uses TLS, and the client's certificate.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::request::connection::Peer;

use crate::kit::failure::Failure;

/// What is known of the connection.
#[derive(Debug)]
pub(super) struct Client {
    /// The SHA-256 of its certificate, in hexadecimal.
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) is_tls: bool,
}

impl Client {
    /// The SHA-256 of the first certificate in a PEM file, in hexadecimal.
    pub(super) fn digest(file: &Path) -> Result<Vec<u8>, Failure> {
        let pem = super::text_of(file)?;
        let block = pem
            .split_once("-----BEGIN CERTIFICATE-----")
            .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"));
        let base64 = block.map(|(base64, _)| base64.split_whitespace().collect::<String>());
        let der = base64.and_then(|base64| STANDARD.decode(base64).ok()).ok_or_else(|| {
            Failure::new(format_args!("{} contains no certificate", file.display()))
                .help("Name the client's certificate in PEM, as `openssl x509 -in FILE` prints it.")
        })?;
        Ok(format!("{:x}", Sha256::digest(der)).into_bytes())
    }
}

impl Peer for Client {
    fn certificate_digest(&self, _stream: StreamId) -> Option<Vec<u8>> {
        self.certificate.clone()
    }

    fn is_tls(&self, _stream: StreamId) -> bool {
        self.is_tls
    }
}
