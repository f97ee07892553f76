//! Finds rules that never apply, because an earlier rule matches all of their requests.

use serde_json::{Map, Value};
use tollgate_config::schema::Place;

/// All of them.
pub(super) fn of(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    let rules = configuration.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let matches: Vec<_> = rules.iter().map(|rule| rule.get("match").and_then(Value::as_object)).collect();
    let at = Place::default().name("rules");
    for (i, later) in matches.iter().enumerate() {
        let Some(later) = later else { continue };
        let earlier =
            matches.iter().take(i).position(|earlier| earlier.is_some_and(|one| covers(one, later)));
        let Some(first) = earlier else { continue };
        let all = matches.get(first).copied().flatten().is_some_and(is_everything);
        let what = if all { "everything" } else { "every request that this rule does" };
        advice.push((at.index(i), format!("never reached: {} matches {what}", at.index(first))));
    }
}

fn is_everything(matcher: &Map<String, Value>) -> bool {
    matcher.len() == 1 && matcher.get("prefix").is_some_and(|prefix| prefix == "/")
}

const PATHS: [&str; 4] = ["path", "prefix", "path_template", "safe_regex"];
const LISTS: [&str; 3] = ["methods", "hosts", "headers"];

/// Whether `earlier` certainly matches every request that `later` matches.
fn covers(earlier: &Map<String, Value>, later: &Map<String, Value>) -> bool {
    // Keys that change how the others are read have to be equal.
    let known = |key: &str| PATHS.contains(&key) || LISTS.contains(&key);
    let mut others = earlier.keys().chain(later.keys()).filter(|key| !known(key));
    others.all(|key| earlier.get(key) == later.get(key))
        && covers_path(path(earlier), path(later))
        && each(earlier, later, "methods", |own, other| own == other)
        && each(earlier, later, "hosts", covers_host)
        && list(earlier, "headers").iter().all(|own| list(later, "headers").contains(own))
}

/// Whether each entry of the later list is covered by one of the earlier, which may be absent.
fn each(
    earlier: &Map<String, Value>,
    later: &Map<String, Value>,
    key: &str,
    covers: fn(&str, &str) -> bool,
) -> bool {
    let (own, others) = (list(earlier, key), list(later, key));
    let is_covered = |other: &Value| {
        own.iter().any(|own| own.as_str().zip(other.as_str()).is_some_and(|(own, other)| covers(own, other)))
    };
    own.is_empty() || (!others.is_empty() && others.iter().all(is_covered))
}

fn list<'v>(matcher: &'v Map<String, Value>, key: &str) -> &'v [Value] {
    matcher.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn covers_host(own: &str, other: &str) -> bool {
    let below = own.strip_prefix('*').is_some_and(|end| {
        let rest = other.strip_prefix('*').unwrap_or(other);
        rest.len() > end.len() && rest.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase())
    });
    below || own.eq_ignore_ascii_case(other)
}

type Path<'v> = Option<(&'static str, &'v str)>;

fn path(matcher: &Map<String, Value>) -> Path<'_> {
    PATHS.into_iter().find_map(|key| Some((key, matcher.get(key)?.as_str()?)))
}

fn covers_path(own: Path<'_>, other: Path<'_>) -> bool {
    match (own, other) {
        (None, _) => true,
        (Some(own), Some(other)) if own == other => true,
        (Some(("prefix", own)), Some(("path" | "prefix", other))) => is_below(other, own),
        (Some(("prefix", own)), Some(("path_template", other))) => {
            let end = other.find('{').unwrap_or(other.len());
            is_below(other.get(..end).unwrap_or_default(), own)
        }
        (Some(("path_template", own)), Some(("path" | "path_template", other))) => {
            covers_template(own, other)
        }
        _ => false,
    }
}

/// Whether a path is another one or continues it, in whole segments.
fn is_below(path: &str, start: &str) -> bool {
    let start = start.trim_end_matches('/');
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn covers_template(own: &str, other: &str) -> bool {
    let is_variable = |part: &str| part.starts_with('{') && part.ends_with('}');
    let is_rest = |part: &str| part.ends_with("=**}");
    let mut others = other.split('/');
    for part in own.split('/') {
        if is_rest(part) {
            return true;
        }
        let Some(other) = others.next() else { return false };
        let fits = if is_variable(part) { !other.is_empty() && !is_rest(other) } else { part == other };
        if !fits {
            return false;
        }
    }
    others.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::of;
    use serde_json::{Value, json};

    #[test]
    fn rules_that_never_decide() {
        #[rustfmt::skip]
        let cases = [
            ("everything",                 json!({"prefix": "/"}),                         json!({"path": "/a"}),                          true),
            ("the same path",              json!({"path": "/a"}),                          json!({"path": "/a"}),                          true),
            ("another path",               json!({"path": "/a"}),                          json!({"path": "/b"}),                          false),
            ("below a prefix",             json!({"prefix": "/a"}),                        json!({"path": "/a/b"}),                        true),
            ("not below it",               json!({"prefix": "/a"}),                        json!({"path": "/ab"}),                         false),
            ("a longer prefix",            json!({"prefix": "/a/"}),                       json!({"prefix": "/a/b"}),                      true),
            ("a shorter one",              json!({"prefix": "/a/b"}),                      json!({"prefix": "/a"}),                        false),
            ("a template below",           json!({"prefix": "/a"}),                        json!({"path_template": "/a/{id}"}),            true),
            ("a template of anything",     json!({"prefix": "/a"}),                        json!({"path_template": "/{x}"}),               false),
            ("a path of a template",       json!({"path_template": "/a/{id}"}),            json!({"path": "/a/7"}),                        true),
            ("not of it",                  json!({"path_template": "/a/{id}"}),            json!({"path": "/a/7/b"}),                      false),
            ("two templates",              json!({"path_template": "/{x}/{y}"}),           json!({"path_template": "/a/{id}"}),            true),
            ("a rest is more",             json!({"path_template": "/a/{id}"}),            json!({"path_template": "/a/{id=**}"}),         false),
            ("a rest",                     json!({"path_template": "/a/{id=**}"}),         json!({"path_template": "/a/{x}/b"}),           true),
            ("fewer methods",              json!({"prefix": "/a", "methods": ["GET", "PUT"]}), json!({"path": "/a", "methods": ["PUT"]}),  true),
            ("more methods",               json!({"prefix": "/a", "methods": ["GET"]}),    json!({"path": "/a", "methods": ["GET", "PUT"]}), false),
            ("every method",               json!({"prefix": "/a", "methods": ["GET"]}),    json!({"path": "/a"}),                          false),
            ("methods alone",              json!({"methods": ["GET"]}),                    json!({"path": "/a", "methods": ["GET"]}),      true),
            ("a host of a pattern",        json!({"hosts": ["*.example.com"]}),            json!({"hosts": ["API.example.com"], "path": "/a"}), true),
            ("a pattern of a pattern",     json!({"hosts": ["*.example.com"]}),            json!({"hosts": ["*.a.example.com"]}),          true),
            ("the same pattern",           json!({"hosts": ["*.example.com"]}),            json!({"hosts": ["*.example.com"]}),            true),
            ("the name itself",            json!({"hosts": ["*.example.com"]}),            json!({"hosts": ["example.com"]}),              false),
            ("another host",               json!({"hosts": ["a"], "prefix": "/"}),         json!({"hosts": ["b"], "prefix": "/"}),         false),
            ("every host",                 json!({"hosts": ["a"]}),                        json!({"path": "/a"}),                          false),
            ("more header fields",         json!({"headers": [{"name": "a", "exact": "1"}]}), json!({"headers": [{"name": "b", "exact": "2"}, {"name": "a", "exact": "1"}]}), true),
            ("fewer",                      json!({"headers": [{"name": "a", "exact": "1"}]}), json!({"path": "/a"}),                       false),
            ("another reading of paths",   json!({"prefix": "/a"}),                        json!({"path": "/a", "ignore_case": true}),     false),
            ("the same reading",           json!({"prefix": "/a", "ignore_case": true}),   json!({"path": "/a", "ignore_case": true}),     true),
            ("the same expression",        json!({"safe_regex": "/a.*"}),                  json!({"safe_regex": "/a.*", "methods": ["GET"]}), true),
            ("another expression",         json!({"safe_regex": "/a.*"}),                  json!({"path": "/ab"}),                         false),
        ];
        for (name, first, second, want) in cases {
            let rule = |matcher: Value| json!({"match": matcher});
            let mut advice = Vec::new();
            of(&json!({"rules": [rule(first), rule(second)]}), &mut advice);
            assert_eq!(!advice.is_empty(), want, "{name}: {advice:?}");
        }
    }
}
