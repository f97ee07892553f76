//! Everything that takes bytes from a peer, each as a function that stops where something does not hold that must
//! always hold: no request is allowed without proof, every request is ended, and nothing that came in goes out.
//!
//! `make fuzz` runs them. An input is text as far as possible, so that people can read and write it (`corpus/`).

mod exchange;
mod lives;
mod script;
mod seeds;
mod signatures;
mod status_list;
mod world;

use tollgate_engine::base::{json, uri};

pub use exchange::exchange;
pub use lives::lives;
pub use seeds::write_seeds;
pub use status_list::status_list;
pub use world::{client_list, event, keys, proof, token};

/// A configuration: it is read or refused.
pub fn configuration(data: &[u8]) {
    let _ = tollgate_config::policy(data, &|name| {
        (name.len() < 4).then(|| "a-secret-of-the-environment".to_owned())
    });
}

/// JSON and URIs: other readers see the same.
pub fn documents(data: &[u8]) {
    let ours = json::parse(data);
    let theirs = serde_json::from_slice::<serde_json::Value>(data);
    match (&ours, &theirs) {
        (Ok(_), Err(error)) => panic!("only we read it: {error}"),
        (Ok(ours), Ok(theirs)) => {
            // Numbers apart: theirs are rounded in the last digit of a double in another way.
            assert_eq!(without_doubles(ours), without_doubles(theirs));
            assert_eq!(
                json::parse(json::text(ours).as_bytes()).as_ref().ok().map(without_doubles),
                Some(without_doubles(ours))
            );
        }
        _ => {}
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(ours) = uri::http_uri(text)
    {
        let theirs = match url::Url::parse(text) {
            Ok(theirs) => theirs,
            // We do not look into labels in Punycode.
            Err(_) if ours.host.to_ascii_lowercase().split('.').any(|label| label.starts_with("xn--")) => {
                return;
            }
            Err(error) => panic!("only we read it: {error}"),
        };
        assert_eq!(theirs.scheme(), ours.scheme);
        assert_eq!(theirs.host_str().map(str::to_ascii_lowercase), Some(ours.host.to_ascii_lowercase()));
        assert_eq!(theirs.path(), if ours.path.is_empty() { "/" } else { ours.path });
        // Browsers escape an apostrophe in a query.
        assert_eq!(theirs.query().map(str::to_owned), ours.query.map(|query| query.replace('\'', "%27")));
    }
}

fn without_doubles(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.is_f64() => Value::Null,
        Value::Array(items) => items.iter().map(without_doubles).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), without_doubles(value))).collect()
        }
        other => other.clone(),
    }
}
