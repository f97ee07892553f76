//! `mtls`: who tells of the client's certificate.

use crate::config::error::Fault;
use crate::config::parse::node::Node;
use crate::config::parse::{Context, token};
use crate::proof::certificate::{CertificateSource, Encoding};

/// All of it; `None` if it is not there.
#[inline(never)]
pub(super) fn parse(mtls: &Node<'_>, context: &mut Context<'_>) -> Option<CertificateSource> {
    if !mtls.is_set() {
        return None;
    }
    let [source, hops, header, format] = ["source", "hops", "header", "format"].map(|name| mtls.key(name));
    let (is_xfcc, is_header) = (source.text() == "xfcc", source.text() == "header");
    let needs = |other| Fault::Needs { other };
    if hops.integer() > 1 && !is_xfcc {
        context.faults.add(&hops.place, needs("source: xfcc"));
    }
    for key in [&header, &format] {
        match (key.is_set(), is_header) {
            (true, false) => context.faults.add(&key.place, needs("source: header")),
            (false, true) => context.faults.add(&key.place, Fault::Missing),
            _ => {}
        }
    }
    if !is_header {
        let hops = hops.integer();
        return Some(if is_xfcc { CertificateSource::Xfcc { hops } } else { CertificateSource::Connection });
    }
    let name = header.text().to_ascii_lowercase();
    if let Some(why) = reserved(&name) {
        context.faults.add(&header.place, Fault::Reserved { why });
    }
    let encoding = match format.text() {
        "pem_chain" => Encoding::PemChain,
        "rfc9440" => Encoding::Rfc9440,
        "base64" => Encoding::Base64,
        _ => Encoding::Pem,
    };
    Some(CertificateSource::Field { name, encoding })
}

fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "x-forwarded-client-cert" => Some("use source: xfcc"),
        "authorization" | "dpop" | "cookie" => Some("clients send this field themselves"),
        _ => token::reserved(name),
    }
}
