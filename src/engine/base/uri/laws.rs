//! Compared with the crate `url`, which reads URIs as browsers do: what is accepted here means the same there.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;
use url::Url;

use super::{http_uri, is_absolute_uri, is_origin};

proptest! {
    #[test]
    fn anything_is_read_as_others_read_it(text in ".{0,24}", rest in r"[a-zA-Z0-9.:/?#@%\[\]\\_~!$&'()*+,;= -]{0,32}") {
        reads_alike(&text)?;
        reads_alike(&format!("https://{text}"))?;
        reads_alike(&format!("https://{rest}"))?;
    }

    #[test]
    fn what_looks_like_a_uri_is_read_as_others_read_it(
        scheme in "https?|HTTPS?|Http", user in "|||u@|u:p@|@|%20@|a@b@", host in HOST, port in "|||:|:0|:[0-9]{1,6}|:[a-z+]?80",
        path in PATH, query in r"||(\?[a-z%0-9=&'\[\]/.?]{0,6})", fragment in "|||(#[a-z#/?]{0,4})"
    ) {
        reads_alike(&format!("{scheme}://{user}{host}{port}{path}{query}{fragment}"))?;
    }

    #[test]
    fn what_is_plain_is_accepted(
        host in "[a-z0-9_-]{1,8}(\\.[a-z0-9-]{1,8}){0,3}(\\.[a-z]{2,5})", port in "|:[1-9][0-9]{0,3}", path in "(/[a-z0-9~_-]{0,8}){0,4}"
    ) {
        let text = format!("https://{host}{port}{path}");
        prop_assert!(http_uri(&text).is_ok());
        prop_assert!(reads_alike(&text).is_ok());
    }

    #[test]
    fn absolute_uris_are_uris_to_others(text in "[a-zA-Z:/.+-]{1,6}[a-z0-9:/?#@%\\[\\]'.]{0,12}", scheme in "urn|mailto|x|https|ftp|file|ws|data|blob") {
        for text in [&text, &format!("{scheme}:{text}")] {
            prop_assert!(!is_absolute_uri(text) || Url::parse(text).is_ok(), "{}", text);
        }
    }
}

const HOST: &str = r"[a-z0-9_.-]{1,8}|[a-zA-Z]{1,3}(\.[a-z0-9]{0,3}){0,3}|([0-9]{1,3}\.){0,4}(0?x?[0-9a-f]{0,3})\.?|\[[0-9a-fA-F:]{0,9}\]|\[::ffff:[0-9.]{1,7}\]|([0-9]{1,3}\.){3}[0-9]{1,3}|\[([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\]|\[[1-9a-f]::[1-9a-f]{1,4}\]|[a-z%0-9!$,;=é.]{1,6}";
const PATH: &str = r"|(/[a-z0-9.%]{0,3}){0,3}|(/(\.|%2e|%2E|a|%41|\[|;){0,3}){0,4}";

/// `url` accepts what is accepted here, and names the same host, port, path and query. It escapes `'` in a query; and
/// it decodes Punycode, which is passed on here.
fn reads_alike(text: &str) -> Result<(), TestCaseError> {
    let Ok(ours) = http_uri(text) else { return Ok(()) };
    if ours.host.to_ascii_lowercase().contains("xn--") {
        return Ok(());
    }
    let Ok(theirs) = Url::parse(text) else { return Err(TestCaseError::fail(text.to_owned())) };
    let default = if ours.scheme == "https" { "443" } else { "80" };
    let port = ours.authority.strip_prefix(ours.host).and_then(|port| port.strip_prefix(':'));
    let (host, their_port) =
        (ours.host.to_ascii_lowercase(), theirs.port_or_known_default().map(|port| port.to_string()));
    prop_assert_eq!(theirs.scheme(), ours.scheme);
    prop_assert_eq!(theirs.host_str(), Some(host.as_str()));
    prop_assert_eq!(their_port.as_deref(), Some(port.unwrap_or(default)));
    prop_assert_eq!(theirs.path(), if ours.path.is_empty() { "/" } else { ours.path });
    prop_assert_eq!(theirs.query().map(str::to_owned), ours.query.map(|query| query.replace('\'', "%27")));
    prop_assert_eq!(theirs.fragment().is_some(), ours.has_fragment);
    if !ours.has_user_info {
        prop_assert!(theirs.username().is_empty() && theirs.password().is_none());
    }
    prop_assert_eq!(is_origin(text), theirs.origin().ascii_serialization() == text);
    Ok(())
}
