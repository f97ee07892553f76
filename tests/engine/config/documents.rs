//! The tables, and what is written from them.

use proptest::prelude::*;
use serde_json::Value;
use tollgate_config::keys::{CONFIGURATION, Keyed as _, Provider, REFUSALS};
use tollgate_config::reference;
use tollgate_config::schema::{Absent, Kind};
use tollgate_engine::decision::Verdict;
use tollgate_engine::provider::preset::Preset;

use super::everything::everything;
use super::protobuf::structure;
use super::{env, parse, with};

#[test]
fn the_tables_are_sound() {
    fn visit(kind: &Kind, path: &str, seen: &mut Vec<String>) {
        if let Some(object) = kind.object() {
            assert!(path.len() < 200, "{path}: the tables go round in circles");
            for key in object.keys {
                let path = format!("{path}.{}", key.name);
                assert!(key.doc.ends_with(['.', '*']), "{path}: a sentence ends with a full stop");
                assert_eq!(
                    object.key(key.name).map(|(_, found)| found.doc),
                    Some(key.doc),
                    "{path} is there twice"
                );
                if let Absent::Default(text) = key.absent {
                    seen.push(format!("{path} = {text}"));
                }
                visit(&key.kind, &path, seen);
            }
            for name in object.choices.iter().flat_map(|choice| choice.keys) {
                assert!(object.key(name).is_some(), "{path}: {name}");
            }
        }
        if let Some(entries) = kind.entries() {
            visit(entries, path, seen);
        }
    }
    let mut defaults = Vec::new();
    visit(&CONFIGURATION, "", &mut defaults);
    assert!(defaults.len() > 30);
    let refused: Vec<_> =
        Verdict::ALL.into_iter().filter(|verdict| verdict.is_refusal()).map(Verdict::name).collect();
    assert_eq!(refused, REFUSALS);
}

#[test]
fn every_preset_has_its_documentation() {
    let (_, preset) = Provider::OBJECT.key("preset").unwrap();
    let root = std::path::Path::new(crate::ROOT).join("docs");
    let list = std::fs::read_to_string(root.join("providers.md")).unwrap();
    for name in Preset::ALL.into_iter().filter(|one| *one != Preset::Generic).map(Preset::name) {
        let page = format!("providers/{name}.md");
        assert!(preset.doc.contains(&format!("`{name}`: ")), "the key `preset` does not describe {name}");
        assert!(list.contains(&format!("({page}) | `{name}` |")), "docs/providers.md has no row for {name}");
        assert!(root.join(&page).exists(), "docs/{page} is missing");
    }
}

#[test]
fn the_reference_is_fresh() {
    assert_fresh("docs/configuration.md", &reference::markdown());
}

#[test]
fn the_json_schema_is_fresh() {
    let schema = serde_json::to_string_pretty(&reference::json_schema()).unwrap();
    assert_fresh("docs/config.schema.json", &format!("{schema}\n"));
}

/// Compares a generated file with what is there.
fn assert_fresh(file: &str, want: &str) {
    let path = std::path::Path::new(crate::ROOT).join(file);
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(&path, want).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == want,
        "{file} is stale; refresh it with TOLLGATE_BLESS=1 cargo test -p tollgate-engine --test engine"
    );
}

/// Documents that come close to configurations: known keys, odd values.
fn documents() -> impl Strategy<Value = Value> {
    fn names(kind: &Kind, into: &mut Vec<&'static str>) {
        if let Some(object) = kind.object() {
            for key in object.keys {
                into.push(key.name);
                names(&key.kind, into);
            }
        }
        if let Some(entries) = kind.entries() {
            names(entries, into);
        }
    }
    let mut known = vec!["okta", "x"];
    names(&CONFIGURATION, &mut known);
    let words = prop::sample::select(vec![
        "",
        "okta",
        "2s",
        "https://a.example/",
        "none",
        "bearer",
        "anypoint",
        "/a/{b}",
        "*",
        "x-",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 64, 8, move |inner| {
        let key = prop_oneof![4 => prop::sample::select(known.clone()).prop_map(str::to_owned), 1 => ".*"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(tollgate_config::policy(&bytes, &env).is_err());
    }

    #[test]
    fn a_damaged_struct_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = structure(everything().as_object().unwrap());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = tollgate_config::policy(&bytes, &env);
    }

    #[test]
    fn arbitrary_documents_never_panic(document in documents()) {
        prop_assert!(parse(&document).is_err());
    }

    #[test]
    fn arbitrary_parts_never_panic(part in documents(), place in prop::sample::select(vec![
        "providers.okta", "@", "@.client_auth", "@.uri", "@.headers", "token", "requires", "rules", "rules.0", "rules.0.match",
        "client_lists", "upstream", "responses", "provider_order", "requires.claims", "requires.scopes",
    ])) {
        let document = with(&[(place, part)]);
        let from_json = parse(&document).map(|policy| format!("{policy:?}"));
        let from_struct = tollgate_config::policy(&structure(document.as_object().unwrap()), &env).map(|policy| format!("{policy:?}"));
        prop_assert_eq!(from_json.is_ok(), from_struct.is_ok());
    }
}
