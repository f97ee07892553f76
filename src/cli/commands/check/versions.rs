//! What older versions of Envoy lack, in one table. `docs/envoy-versions.md` has the same rows.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use tollgate_config::schema::Place;

use crate::kit::find::located::{Located, Position};
use crate::kit::find::{Found, places};
use crate::kit::named;

/// A version of Envoy: 1.40. The patch does not matter.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct EnvoyVersion(u16, u16);

/// The oldest version that `make matrix` runs.
const OLDEST: EnvoyVersion = EnvoyVersion(1, 36);

/// What a configuration needs of Envoy.
struct Need {
    /// The first version that has it.
    since: EnvoyVersion,
    what: &'static str,
    /// What happens in an older version.
    before: &'static str,
    /// Where the configuration needs it.
    places: fn(&Found) -> Vec<Position>,
}

const NEEDS: [Need; 4] = [
    Need {
        since: EnvoyVersion(1, 37),
        what: "assertions with `algorithm: RS256` or `ES256`",
        before: "Envoy cannot sign, so the configuration does not load",
        places: assertions,
    },
    Need {
        since: EnvoyVersion(1, 39),
        what: "changed values in `key_values`",
        before: "the module keeps the old value until Envoy is restarted",
        places: changed_values,
    },
    Need {
        since: EnvoyVersion(1, 40),
        what: "`token.from_form`",
        before: "parts of a body can be lost if a filter after Tollgate buffers it",
        places: forms,
    },
    Need {
        since: EnvoyVersion(1, 40),
        what: "`capability_restriction_config` in `vm_config`",
        before: "Envoy does not start with it there; put it beside `vm_config`",
        places: capabilities,
    },
];

/// What this version of Envoy lacks for a configuration: positions, and a sentence each.
pub(super) fn lacking(found: &Found, envoy: EnvoyVersion) -> Vec<(Position, String)> {
    let mut all = Vec::new();
    if envoy < OLDEST {
        let what =
            format!("Tollgate is not tested with Envoy {envoy}; the oldest tested version is {OLDEST}");
        all.push((found.located.at, what));
    }
    for need in NEEDS.iter().filter(|need| envoy < need.since) {
        let (since, what, before) = (need.since, need.what.replace('`', ""), need.before.replace('`', ""));
        let message = format!("{what}: needs Envoy {since} or later; in Envoy {envoy}, {before}");
        all.extend((need.places)(found).into_iter().map(|at| (at, message.clone())));
    }
    all
}

fn assertions(found: &Found) -> Vec<Position> {
    let providers = found.value.get("providers").and_then(Value::as_object);
    let of_envoy = |auth: &Value| {
        auth.get("method").is_some_and(|method| method == "private_key_jwt")
            && auth.get("algorithm").is_some_and(|algorithm| algorithm == "RS256" || algorithm == "ES256")
    };
    providers
        .into_iter()
        .flatten()
        .filter(|(_, provider)| provider.pointer("/introspection/client_auth").is_some_and(of_envoy))
        .map(|(name, _)| {
            let place =
                Place::names(&["providers", name.as_str(), "introspection", "client_auth", "algorithm"]);
            places::position(&found.located, &place, false)
        })
        .collect()
}

fn changed_values(found: &Found) -> Vec<Position> {
    let path = ["vm_config", "environment_variables", "key_values"];
    let pairs = found.plugin.as_ref().and_then(|plugin| plugin.path(&path)).map(Located::members);
    let is_used = |name: &str| named::variables(&found.value).iter().any(|(_, used)| *used == name);
    let used = pairs.unwrap_or_default().iter().filter(|pair| is_used(&pair.key));
    used.map(|pair| pair.value.at).collect()
}

fn forms(found: &Found) -> Vec<Position> {
    let is_set = found.value.pointer("/token/from_form") == Some(&Value::Bool(true));
    let place = Place::names(&["token", "from_form"]);
    is_set.then(|| places::position(&found.located, &place, false)).into_iter().collect()
}

fn capabilities(found: &Found) -> Vec<Position> {
    let path = ["vm_config", "capability_restriction_config"];
    found.plugin.as_ref().and_then(|plugin| plugin.path(&path)).map(|config| config.at).into_iter().collect()
}

impl fmt::Display for EnvoyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for EnvoyVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(str::parse::<u16>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), None | Some(Ok(_)), None) => Ok(Self(major, minor)),
            _ => Err("expected a version of Envoy, for example 1.40"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EnvoyVersion, NEEDS};

    #[test]
    fn the_documentation_has_the_same_rows() {
        let text = include_str!("../../../../docs/envoy-versions.md");
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| 1.")).collect();
        let wanted: Vec<_> = NEEDS
            .iter()
            .map(|need| format!("| {} | {} | {} |", need.since, need.what, need.before))
            .collect();
        assert_eq!(rows, wanted);
    }

    #[test]
    fn versions_are_read() {
        for (text, want) in [
            ("1.36", Some((1, 36))),
            ("v1.40.0", Some((1, 40))),
            ("1", None),
            ("1.x", None),
            ("1.2.3.4", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), want.map(|(major, minor)| EnvoyVersion(major, minor)), "{text}");
        }
        assert!(EnvoyVersion(1, 9) < EnvoyVersion(1, 36));
    }
}
