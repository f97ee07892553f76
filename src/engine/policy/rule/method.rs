//! How a method is matched.

use crate::decision::Doubt;
use crate::policy::rule::fit::Fit;
use crate::request::extract::{form_decoded, name_for_php, percent_decoded, query_params, trim_space};
use crate::request::head::{self, RequestHead, is_same_field};
use crate::request::matching::Matching;

/// The method of a request, in every way in which it may be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Method<'a> {
    /// This one.
    One(&'a [u8]),
    /// This one, or another by which some upstreams replace it.
    Overridden(&'a [u8], Vec<u8>),
    /// It cannot be told.
    Odd(Doubt),
}

impl<'a> Method<'a> {
    /// The request's method. A method in lower case is not a standard method ([RFC 9110 §9.1]), but upstreams
    /// may read it in upper case.
    ///
    /// [RFC 9110 §9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
    #[inline(never)]
    pub(super) fn read(head: RequestHead<'a>, matching: Matching) -> Self {
        let method = head.method();
        if !is_method(method) {
            return Self::Odd(Doubt::Method);
        }
        let mut other: Option<Vec<u8>> = None;
        if matching.ignores_method_override {
            return Self::One(method);
        }
        for value in in_fields(head).map(|value| Some(value.to_vec())).chain(in_query(head)) {
            let Some(value) = value else { return Self::Odd(Doubt::MethodOverride) };
            let value = trim_space(&value).to_ascii_uppercase();
            if value.is_empty() || value == method {
                continue;
            }
            if !is_method(&value) || other.as_ref().is_some_and(|other| *other != value) {
                return Self::Odd(Doubt::MethodOverride);
            }
            other = Some(value);
        }
        other.map_or(Self::One(method), |other| Self::Overridden(method, other))
    }

    /// Whether every reader reads the same method.
    pub(super) fn is_sure(&self) -> bool {
        matches!(self, Self::One(_))
    }

    /// Whether it is one of these; an empty list matches any.
    pub(super) fn fits(&self, methods: &[String]) -> Fit {
        let is_one = |method: &[u8]| methods.iter().any(|one| one.as_bytes() == method);
        match self {
            Self::One(method) => Fit::of(is_one(method)),
            Self::Overridden(method, other) => {
                Fit::of_readings([is_one(method), is_one(other)].into_iter(), Doubt::MethodOverride)
            }
            Self::Odd(doubt) => Fit::Unclear(*doubt),
        }
    }
}

fn is_method(method: &[u8]) -> bool {
    std::str::from_utf8(method).is_ok_and(head::is_method)
}

/// The values of the fields by which frameworks replace the method.
fn in_fields(head: RequestHead<'_>) -> impl Iterator<Item = &[u8]> {
    let is_override = |name: &[u8]| OVERRIDES.iter().any(|known| is_same_field(name, known));
    head.fields().filter(move |(name, _)| is_override(name)).map(|(_, value)| value)
}

/// The values of the parameter that does so with POST; `None`: one that cannot be read.
fn in_query(head: RequestHead<'_>) -> impl Iterator<Item = Option<Vec<u8>>> {
    let is_post = head.method() == b"POST";
    let params = is_post.then(|| query_params(head)).into_iter().flatten();
    params
        .filter(|(name, _)| {
            name_for_php(form_decoded(name)).map(|byte| byte.to_ascii_lowercase()).eq(*b"_method")
        })
        .map(|(_, value)| {
            let mut value = percent_decoded(value)?;
            value.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
            Some(value)
        })
}

const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

#[cfg(test)]
mod tests {
    use super::Method;
    use crate::decision::Doubt;
    use crate::policy::rule::fit::Fit;
    use crate::request::head::RequestHead;
    use crate::request::matching::Matching;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn which_methods_fit() {
        // PTH-07, ATK-107
        let (method, other) = (Fit::Unclear(Doubt::Method), Fit::Unclear(Doubt::MethodOverride));
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str, &[(&str, &str)], Fit)] = &[
            ("itself",                      "DELETE", "/",                  &[], Fit::Yes),
            ("another",                     "GET",    "/",                  &[], Fit::No),
            ("a longer one",                "DELETED", "/",                 &[], Fit::No),
            ("a token that is no word",     "M-SEARCH", "/",                &[], Fit::No),
            ("lower case",                  "delete", "/",                  &[], method),
            ("mixed case",                  "Delete", "/",                  &[], method),
            ("another in lower case",       "get",    "/",                  &[], method),
            ("a space",                     "DELETE ", "/",                 &[], method),
            ("no token",                    "DEL\u{e9}TE", "/",             &[], method),
            ("none",                        "",       "/",                  &[], method),
            ("overridden by a field",       "POST",   "/",                  &[("x-http-method-override", "DELETE")], other),
            ("in lower case",               "POST",   "/",                  &[("x-http-method-override", "delete")], other),
            ("with space",                  "POST",   "/",                  &[("x-http-method", "\tDELETE ")], other),
            ("by the third field",          "POST",   "/",                  &[("x-method-override", "DELETE")], other),
            ("with underscores",            "POST",   "/",                  &[("X_HTTP_Method_Override", "DELETE")], other),
            ("away from it",                "DELETE", "/",                  &[("x-http-method-override", "GET")], other),
            ("by two",                      "POST",   "/",                  &[("x-http-method", "PUT"), ("x-method-override", "PATCH")], other),
            ("by no method",                "POST",   "/",                  &[("x-http-method", "PUT,DELETE")], other),
            ("by a parameter",              "POST",   "/?a=b&_method=delete", &[], other),
            ("by an escaped parameter",     "POST",   "/?%5fmethod=%44ELETE", &[], other),
            ("by a dot, as PHP reads it", "POST",  "/?.method=DELETE",   &[], other),
            ("by an escaped dot",       "POST",   "/?%2emethod=DELETE", &[], other),
            ("behind spaces",           "POST",   "/?+%20_method=+DELETE+", &[], other),
            ("before a zero byte",      "POST",   "/?_method%00%zz=DELETE", &[], other),
            ("by a longer name",        "POST",   "/?_methods=DELETE&a_method=DELETE", &[], Fit::No),
            ("by an odd parameter",         "POST",   "/?_method=%zz",      &[], other),
            ("by the same",                 "DELETE", "/",                  &[("x-http-method-override", "DELETE")], Fit::Yes),
            ("by what makes no difference", "POST",   "/",                  &[("x-http-method-override", "PUT")], Fit::No),
            ("by nothing",                  "POST",   "/?_method=",         &[("x-http-method-override", "")], Fit::No),
            ("a parameter of GET",          "GET",    "/?_method=DELETE",   &[], Fit::No),
            ("a field of another name",     "POST",   "/",                  &[("x-http-method-overrides", "DELETE")], Fit::No),
        ];
        for (name, method, path, more, want) in cases {
            let pseudo = [(":method", *method), (":path", *path)];
            let lines = pseudo.iter().chain(more.iter());
            let fields: Vec<_> = lines.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
            let head = RequestHead::new(&fields);
            let fits = |matching| Method::read(head, matching).fits(&["DELETE".to_owned()]);
            assert_eq!(fits(Matching::default()), *want, "{name}");
            let ignoring = Matching { ignores_method_override: true, ..Matching::default() };
            assert!(!matches!(fits(ignoring), Fit::Unclear(Doubt::MethodOverride)), "{name}");
        }
    }
}
