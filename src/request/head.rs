//! The request head as the host hands it over: bytes, nothing decoded.

/// A request head: every field line in order, pseudo-fields (`:method`, `:path`, `:authority`,
/// `:scheme`) among them, names in lower case ([RFC 9113 §8.2]). Values are raw bytes.
///
/// [RFC 9113 §8.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    fields: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> RequestHead<'a> {
    /// Wraps the list of the host.
    pub fn new(fields: &'a [(Vec<u8>, Vec<u8>)]) -> Self {
        Self { fields }
    }

    /// All lines.
    pub fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// All values of the field `name`, which must be in lower case.
    pub fn all(self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of the field `name` if there is exactly one line of it.
    pub fn single(self, name: &'a str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// `:method`, empty if there is none.
    pub fn method(self) -> &'a [u8] {
        self.single(":method").unwrap_or_default()
    }

    /// `:path` with its query, empty if there is none (CONNECT).
    pub fn path(self) -> &'a [u8] {
        self.single(":path").unwrap_or_default()
    }

    /// `:authority`, empty if there is none.
    pub fn authority(self) -> &'a [u8] {
        self.single(":authority").unwrap_or_default()
    }

    /// Whether this is a gRPC request: `application/grpc`, alone or followed by `+`, `;` or the end
    /// (not `application/grpc-web`, not `application/grpcx`).
    pub fn is_grpc(self) -> bool {
        self.single("content-type")
            .and_then(|value| value.get(..16).map(|start| (start, value.get(16))))
            .is_some_and(|(start, next)| {
                start.eq_ignore_ascii_case(b"application/grpc")
                    && matches!(next, None | Some(b'+' | b';' | b' '))
            })
    }

    /// Whether this is a CORS preflight: `OPTIONS` with `Origin` and a method that is asked for
    /// (the Fetch standard's CORS-preflight request).
    pub fn is_cors_preflight(self) -> bool {
        let has = |name| self.single(name).is_some_and(|value| !value.is_empty());
        self.method() == b"OPTIONS" && has("origin") && has("access-control-request-method")
    }
}

#[cfg(test)]
mod tests {
    use super::RequestHead;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fields(lines: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        lines.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
    }

    #[test]
    fn grpc_is_told_by_the_whole_media_type() {
        // GRP-01, GRP-05, GRP-06
        #[rustfmt::skip]
        let cases = [
            ("application/grpc", true), ("application/grpc+proto", true), ("Application/GRPC;x=y", true),
            ("application/grpc-web", false), ("application/grpcx", false), ("application/json", false), ("", false),
        ];
        for (value, want) in cases {
            assert_eq!(RequestHead::new(&fields(&[("content-type", value)])).is_grpc(), want, "{value}");
        }
    }

    #[test]
    fn a_preflight_needs_all_three_signs() {
        // COR-01, COR-03, ATK-103
        let origin = ("origin", "https://a.example");
        let asked = ("access-control-request-method", "GET");
        #[rustfmt::skip]
        let cases = [
            ("all three",      vec![(":method", "OPTIONS"), origin, asked], true),
            ("no origin",      vec![(":method", "OPTIONS"), asked], false),
            ("no method",      vec![(":method", "OPTIONS"), origin], false),
            ("empty method",   vec![(":method", "OPTIONS"), origin, ("access-control-request-method", "")], false),
            ("not OPTIONS",    vec![(":method", "POST"), origin, asked], false),
        ];
        for (name, lines, want) in cases {
            assert_eq!(RequestHead::new(&fields(&lines)).is_cors_preflight(), want, "{name}");
        }
    }
}
