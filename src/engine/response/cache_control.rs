//! `Cache-Control` of responses to requests that carried their token in the query ([RFC 6750 §2.3]).
//!
//! [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3

/// The value that keeps shared caches from storing this response; `None` if it is well as it is:
/// not a 2xx, already `private`, or `no-store`.
pub fn made_private(head: &[(Vec<u8>, Vec<u8>)]) -> Option<String> {
    let all = |name: &'static [u8]| head.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_slice());
    if all(b":status").next()?.first() != Some(&b'2') {
        return None;
    }
    let values: Vec<&str> =
        all(b"cache-control").filter_map(|value| std::str::from_utf8(value).ok()).collect();
    if values.iter().any(|value| value.contains('"')) {
        // Lists of field names inside quotes: too rare to take apart, so the strict word alone.
        return Some("private, no-cache".to_owned());
    }
    let directives: Vec<&str> = values.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
    let has = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    let has_public = has("public");
    if has("no-store") || (has("private") && !has_public) {
        return None;
    }
    let kept = directives.iter().filter(|directive| {
        !directive.is_empty()
            && !directive.eq_ignore_ascii_case("public")
            && !directive.eq_ignore_ascii_case("private")
    });
    Some(std::iter::once(&"private").chain(kept).copied().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::made_private;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_becomes_of_cache_control() {
        // BRR-16
        #[rustfmt::skip]
        let cases = [
            ("none",             "200", None,                          Some("private")),
            ("public",           "200", Some("public, max-age=60"),    Some("private, max-age=60")),
            ("no-store is kept", "200", Some("no-store"),              None),
            ("private is kept",  "204", Some("max-age=1, Private"),    None),
            ("both",             "200", Some("public, private"),       Some("private")),
            ("a field list",     "200", Some("no-cache=\"a, public\""), Some("private, no-cache")),
            ("not a success",    "404", None,                          None),
        ];
        for (name, status, value, want) in cases {
            let mut head = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
            head.extend(value.map(|v: &str| (b"cache-control".to_vec(), v.as_bytes().to_vec())));
            assert_eq!(made_private(&head).as_deref(), want, "{name}");
        }
    }
}
