//! The response to a request for protected resource metadata ([RFC 9728 §3]).
//!
//! [RFC 9728 §3]: https://www.rfc-editor.org/rfc/rfc9728#section-3

use crate::policy::resource::Resource;
use crate::response::answer::Answer;

impl Resource {
    /// The metadata for GET and HEAD, and the CORS response for OPTIONS. Public, the same for every client, and
    /// readable from every origin (the Fetch standard's CORS protocol).
    pub fn answer(&self, method: &[u8]) -> Answer {
        let mut headers = vec![("access-control-allow-origin", "*".to_owned())];
        let (status, body) = match method {
            b"GET" | b"HEAD" => {
                headers.push(("cache-control", format!("public, max-age={MAX_AGE}")));
                headers.push(("content-type", "application/json".to_owned()));
                (200, self.metadata.clone())
            }
            b"OPTIONS" => {
                headers.push(("allow", METHODS.to_owned()));
                headers.push(("access-control-allow-methods", METHODS.to_owned()));
                headers.push(("access-control-allow-headers", "*".to_owned()));
                headers.push(("access-control-max-age", MAX_AGE.to_string()));
                (204, String::new())
            }
            _ => {
                headers.push(("allow", METHODS.to_owned()));
                headers.push(("cache-control", "no-store".to_owned()));
                (405, String::new())
            }
        };
        Answer { status, headers, body, grpc_status: None }
    }
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// For how many seconds the metadata may be kept: a change of the policy is known everywhere after that.
const MAX_AGE: u32 = 300;
