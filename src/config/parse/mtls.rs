//! `mtls`: where the client certificate comes from.

use crate::keys::Mtls;
use crate::keys::words::CertificateFrom;
use crate::parse::node::Node;
use crate::parse::{Context, token};
use tollgate_engine::proof::certificate::CertificateSource;

/// All of it; `None` if it is not there.
#[inline(never)]
pub(super) fn parse(mtls: &Node<'_, Mtls>, context: &mut Context<'_>) -> Option<CertificateSource> {
    if !mtls.is_set() {
        return None;
    }
    let (source, hops) = (mtls.get(Mtls::SOURCE), mtls.get(Mtls::HOPS));
    if hops > 1 && source != CertificateFrom::Xfcc {
        context.needs(&mtls.at(Mtls::HOPS), Mtls::SOURCE.needed_as(CertificateFrom::Xfcc));
    }
    for key in [mtls.part(Mtls::HEADER.any()), mtls.part(Mtls::FORMAT.any())] {
        match (key.is_set(), source == CertificateFrom::Header) {
            (true, false) => context.needs(&key, Mtls::SOURCE.needed_as(CertificateFrom::Header)),
            (false, true) => context.missing(&key),
            _ => {}
        }
    }
    match source {
        CertificateFrom::Connection => Some(CertificateSource::Connection),
        CertificateFrom::Xfcc => Some(CertificateSource::Xfcc { hops }),
        CertificateFrom::Header => Some(field(mtls, context)),
    }
}

#[inline(never)]
fn field(mtls: &Node<'_, Mtls>, context: &mut Context<'_>) -> CertificateSource {
    let header = mtls.at(Mtls::HEADER);
    let name = header.text().to_ascii_lowercase();
    if let Some(why) = why_unfit_for_certificates(&name) {
        context.reserved(&header, why);
    }
    CertificateSource::Field { name, encoding: mtls.at(Mtls::FORMAT).read() }
}

/// Why the proxy in front cannot put a certificate into this header field.
fn why_unfit_for_certificates(name: &str) -> Option<&'static str> {
    match name {
        "x-forwarded-client-cert" => Some("use source: xfcc"),
        "authorization" | "dpop" | "cookie" => Some("clients send this field themselves"),
        _ => token::why_unfit_for_tokens(name),
    }
}
