//! From a rejection to the response on the wire.

use crate::decision::{Rejection, Verdict};
use crate::request::head::RequestHead;
use crate::response::body::{Wording, anypoint, default_realm};
use crate::response::challenge::{Challenge, Scheme};
use crate::response::{Format, Override, Profile, Responses};

/// A whole rejection, ready for the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status, also for a gRPC request: a filter before ours may have made it from something else. A
    /// gRPC client gets 200.
    pub status: u16,
    /// Header fields, names in lower case; a name may come twice.
    pub headers: Vec<(&'static str, String)>,
    /// The body; a gRPC client gets it as `grpc-message`.
    pub body: String,
    /// The gRPC status, if the request looks like gRPC here: of a trailers-only response to a gRPC client.
    /// Other clients never see it.
    pub grpc_status: Option<u8>,
}

impl Answer {
    /// A 503 without anything else.
    pub(crate) fn unavailable() -> Self {
        let headers = vec![("cache-control", "no-store".to_owned())];
        Self { status: 503, headers, body: String::new(), grpc_status: None }
    }
}

/// What challenges say about the resource that a request was for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Advertised<'a> {
    /// Where its metadata is.
    pub metadata_uri: Option<&'a str>,
    /// The scopes to request, for clients without a valid token. Only for an MCP server.
    pub scope: Option<String>,
    /// The algorithms of DPoP proofs, if those are understood ([RFC 9449 §7.1]).
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    pub dpop: Option<String>,
    /// Whether only DPoP is accepted.
    pub only_dpop: bool,
}

impl Responses {
    /// What the client is told.
    #[inline(never)]
    pub fn answer(&self, rejection: &Rejection, resource: &Advertised<'_>, head: RequestHead<'_>) -> Answer {
        let wording = Wording::of(rejection);
        let is_missing = *rejection == Rejection::NoMetadata;
        let verdict = rejection.verdict();
        let mut changes = self.overrides.iter().filter(|(of, _)| *of == verdict && !is_missing);
        let change = changes.next().map(|(_, change)| change);
        let (status, body) = match self.profile {
            Profile::Rfc6750 => {
                let status = change.and_then(|c| c.status).unwrap_or(wording.status);
                (status, wording.body(self.format_for(head), status))
            }
            Profile::Anypoint => {
                let (status, body, media_type) = anypoint(rejection);
                (change.and_then(|c| c.status).unwrap_or(status), Some((body.to_owned(), media_type)))
            }
        };
        let mut headers = vec![("cache-control", "no-store".to_owned())];
        let challenges = self.challenges(rejection, resource, head, &wording, status);
        headers.extend(challenges.into_iter().map(|challenge| ("www-authenticate", challenge)));
        if let Rejection::NonceWanted { nonce } = rejection {
            headers.push(("dpop-nonce", nonce.clone()));
        }
        if rejection.verdict() == Verdict::Unavailable && self.profile == Profile::Rfc6750 {
            headers.push(("retry-after", self.retry_after_of(rejection).to_string()));
        }
        if is_missing {
            // As public as the metadata itself.
            headers.push(("access-control-allow-origin", "*".to_owned()));
        } else {
            self.allow_scripts(head, &mut headers);
        }
        if head.is_grpc() {
            let grpc_status = grpc_status(status);
            return Answer {
                status,
                headers,
                body: wording.description.to_owned(),
                grpc_status: Some(grpc_status),
            };
        }
        let body = overridden(change, body).map_or_else(String::new, |(body, media_type)| {
            headers.push(("content-type", media_type));
            body
        });
        Answer { status, headers, body, grpc_status: None }
    }

    /// The challenges, where there are any: with every 400, 401 and 403 that a token could have avoided
    /// ([RFC 6750 §3]); with 401 alone in the `anypoint` profile. Where proofs are understood, there is one
    /// for each scheme, and the one that was used has the error ([RFC 9449 §7.1, §7.2]).
    ///
    /// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
    /// [RFC 9449 §7.1, §7.2]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    #[inline(never)]
    fn challenges(
        &self,
        rejection: &Rejection,
        resource: &Advertised<'_>,
        head: RequestHead<'_>,
        wording: &Wording,
        status: u16,
    ) -> Vec<String> {
        let realm = self.realm.as_deref().unwrap_or(default_realm(self.profile));
        let bare = Challenge { realm, resource_metadata: resource.metadata_uri, ..Challenge::default() };
        let is_ours = !matches!(rejection.verdict(), Verdict::Unavailable | Verdict::BadAnswer);
        let refused = match rejection {
            Rejection::NoMetadata => return Vec::new(),
            Rejection::AmbiguousPath | Rejection::Ambiguous(_) | Rejection::Denied
                if self.profile == Profile::Rfc6750 =>
            {
                return Vec::new();
            }
            // A 401 must carry a challenge even if an override made it one (RFC 9110 §15.5.2).
            _ if self.profile == Profile::Anypoint || !is_ours => {
                if status != 401 {
                    return Vec::new();
                }
                bare.clone()
            }
            _ => self.challenge(rejection, wording, bare.clone()),
        };
        let scope = refused_scope(rejection, resource, status)
            .filter(|_| is_ours && self.profile == Profile::Rfc6750);
        let refused = Challenge { scope: scope.as_deref().filter(|scope| !scope.is_empty()), ..refused };
        let Some(algs) = &resource.dpop else { return vec![line(&refused)] };
        let used = |scheme: &[u8]| uses_scheme(head, scheme);
        let with_error = |used: bool| {
            if used { refused.clone() } else { Challenge { scope: refused.scope, ..bare.clone() } }
        };
        let (by_bearer, by_dpop) = (used(b"bearer"), used(b"dpop"));
        let bearer = with_error(by_bearer || !by_dpop);
        let dpop = Challenge { scheme: Scheme::Dpop, algs: Some(algs), ..with_error(by_dpop) };
        let all = if resource.only_dpop { vec![dpop] } else { vec![bearer, dpop] };
        all.iter().map(line).collect()
    }

    /// What a client is told whose token does not satisfy the policy.
    fn challenge<'a>(
        &'a self,
        rejection: &'a Rejection,
        wording: &Wording,
        bare: Challenge<'a>,
    ) -> Challenge<'a> {
        let mut challenge = bare;
        if rejection.verdict() == Verdict::Forbidden {
            // RFC 6750 §3.1 has no code of its own for it.
            challenge.error = Some("insufficient_scope");
        } else {
            challenge.error = wording.error;
            challenge.error_description = wording.error.map(|_| wording.description);
        }
        challenge.error_uri = challenge.error.and(self.error_uri.as_deref());
        if let Rejection::WeakAuthentication { acr_values, max_age, .. } = rejection {
            challenge.acr_values = Some(acr_values.as_str()).filter(|values| !values.is_empty());
            challenge.max_age = *max_age;
        }
        challenge
    }

    fn retry_after_of(&self, rejection: &Rejection) -> u64 {
        match rejection {
            Rejection::NoAnswer { retry_after: Some(seconds), .. } => u64::from(*seconds),
            _ => self.retry_after.as_secs(),
        }
    }

    fn format_for(&self, head: RequestHead<'_>) -> Format {
        if self.format != Format::Auto {
            return self.format;
        }
        let wanted = b"application/problem+json";
        let asks = head.all("accept").any(|value| {
            value.split(|b| *b == b',').any(|range| {
                let range = range.trim_ascii();
                range.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
                    && matches!(range.get(wanted.len()), None | Some(b';' | b' '))
            })
        });
        if asks { Format::Problem } else { Format::Json }
    }

    /// Lets scripts of configured origins read the rejection (the Fetch standard's CORS protocol).
    fn allow_scripts(&self, head: RequestHead<'_>, headers: &mut Vec<(&'static str, String)>) {
        if self.cors_origins.is_empty() {
            return;
        }
        headers.push(("vary", "Origin".to_owned()));
        let origin = head.single("origin").unwrap_or_default();
        if let Some(allowed) = self.cors_origins.iter().find(|allowed| allowed.as_bytes() == origin) {
            headers.push(("access-control-allow-origin", allowed.clone()));
            headers.push(("access-control-expose-headers", "WWW-Authenticate, DPoP-Nonce".to_owned()));
        }
    }
}

/// The scopes that a challenge names.
fn refused_scope(rejection: &Rejection, resource: &Advertised<'_>, status: u16) -> Option<String> {
    let scope = match rejection {
        Rejection::ScopeMissing { needed } => Some(needed),
        Rejection::WeakAuthentication { scope, .. } => Some(scope),
        _ if status == 401 => resource.scope.as_ref(),
        _ => None,
    };
    scope.map(|scope| if resource.scope.is_some() { online(scope) } else { scope.clone() })
}

/// Whether credentials of that scheme (in lower case) were sent.
fn uses_scheme(head: RequestHead<'_>, scheme: &[u8]) -> bool {
    head.all("authorization").flat_map(|line| line.split(|byte| *byte == b',')).any(|element| {
        let element = element.trim_ascii();
        let word = element.split(|byte| *byte <= b' ').next().unwrap_or_default();
        word.eq_ignore_ascii_case(scheme)
    })
}

/// The challenge as it is sent.
#[inline(never)]
fn line(challenge: &Challenge<'_>) -> String {
    challenge.to_string()
}

/// Without the scope that a resource never needs: it concerns only client and authorization server, and an MCP
/// server does not name it.
#[inline(never)]
fn online(scope: &str) -> String {
    let scopes = scope.split(' ').filter(|scope| *scope != "offline_access");
    scopes.collect::<Vec<_>>().join(" ")
}

/// The gRPC status for an HTTP status. Envoy's own mapping would make 13 of a 400.
fn grpc_status(status: u16) -> u8 {
    match status {
        400 | 401 | 413 => 16,
        403 => 7,
        404 => 12,
        _ => 14,
    }
}

/// The body as `responses.overrides` has it. A status that admits no body leaves none.
fn overridden(change: Option<&Override>, body: Option<(String, &'static str)>) -> Option<(String, String)> {
    match change {
        Some(Override { body: Some(text), content_type, .. }) => {
            let media_type = content_type.clone().unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
            Some((text.clone(), media_type))
        }
        _ => body.map(|(text, media_type)| (text, media_type.to_owned())),
    }
}
