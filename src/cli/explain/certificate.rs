//! The certificate that the client would have shown.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tollgate_filter::proof::certificate::Peer;

use crate::cli::failure::Failure;

/// A client that has shown a certificate, by its SHA-256 in hexadecimal.
#[derive(Debug)]
pub(super) struct Client(Vec<u8>);

impl Client {
    /// The first certificate in a PEM file.
    pub(super) fn with(file: &Path) -> Result<Self, Failure> {
        let pem = super::text(file)?;
        let block = pem
            .split_once("-----BEGIN CERTIFICATE-----")
            .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"));
        let base64 = block.map(|(base64, _)| base64.split_whitespace().collect::<String>());
        let der = base64.and_then(|base64| STANDARD.decode(base64).ok()).ok_or_else(|| {
            Failure::new(format_args!("{} holds no certificate", file.display()))
                .help("Name the client's certificate in PEM, as `openssl x509 -in FILE` prints it.")
        })?;
        Ok(Self(format!("{:x}", Sha256::digest(der)).into_bytes()))
    }
}

impl Peer for Client {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
}
