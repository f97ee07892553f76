//! What every request loses on its way to the upstream.

use crate::decision::Grant;
use crate::decision::trace::Trace;
use crate::enforcer::{Enforcer, Request};
use crate::policy::Mode;
use crate::request::head::RequestHead;
use crate::request::path::split_query;
use crate::request::websocket::Marker;
use crate::request::{extract, form, websocket};

impl<T: Trace> Enforcer<T> {
    /// What is removed from every request, however it ends: forged identity fields, ambiguous spellings of its
    /// path, and the token if the upstream must not see it. In shadow mode, only the forged fields.
    #[inline(never)]
    pub(super) fn clean(&self, request: &Request, body: Option<&[u8]>) -> Grant {
        let head = request.head();
        let mut grant =
            Grant { remove: self.policy.upstream.forged(head, self.own_lengths), ..Grant::default() };
        if self.policy.mode == Mode::Shadow {
            return grant;
        }
        let mut target = None;
        let keeps_proof = self.policy.dpop.as_ref().is_none_or(|dpop| dpop.forward);
        if !(keeps_proof && self.policy.token.forward)
            && self.policy.dpop.is_some()
            && head.all("dpop").next().is_some()
        {
            grant.remove.push("dpop".to_owned());
        }
        if let Some(marker) = &self.policy.token.websocket {
            strip_protocols(marker, head, &mut grant);
        }
        if !self.policy.token.forward {
            // Where another rule's parameters differ, nothing with one of them passes.
            let stripped =
                extract::strip(head, &self.policy.token, self.policy.extra_params_at(request.ruling.rule));
            grant.remove.extend(stripped.remove);
            grant.set.extend(stripped.set);
            target = stripped.path;
            if let Some(body) = body {
                strip_form(body, head, &mut grant);
            }
        }
        if let Some(normal) = &request.normal {
            let (_, query) = split_query(target.as_deref().unwrap_or(head.path()));
            let mut path = normal.as_str().as_bytes().to_vec();
            if let Some(query) = query {
                path.push(b'?');
                path.extend_from_slice(query);
            }
            target = Some(path);
        }
        grant.path = target;
        grant
    }
}

/// Takes the token, and its marker, out of the subprotocols that a WebSocket client offers.
#[inline(never)]
fn strip_protocols(marker: &Marker, head: RequestHead<'_>, grant: &mut Grant) {
    let Some(rest) = marker.strip(head) else { return };
    grant.remove.push(websocket::FIELD.to_owned());
    if !rest.protocols.is_empty() {
        grant.set.push((websocket::FIELD.to_owned(), rest.protocols));
    }
    grant.websocket_protocol = rest.marker;
}

/// Takes the token out of a form.
#[inline(never)]
fn strip_form(body: &[u8], head: RequestHead<'_>, grant: &mut Grant) {
    let Some(body) = form::strip(body) else { return };
    if head.single("content-length").is_some() {
        grant.remove.push("content-length".to_owned());
        grant.set.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    grant.body = Some(body);
}
