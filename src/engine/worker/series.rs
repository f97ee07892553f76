//! What is measured besides the counters, by rule, provider and list. Names come from the configuration alone, and
//! their number is limited, so that no client can make a metrics system keep more.

use crate::base::ids::{ListId, ProviderId, StatusId};
use crate::decision::Verdict;
use crate::policy::Policy;
use crate::provider::fetch::Document;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Series {
    /// Counter: requests that ended so.
    Requests(Ending),
    /// Histogram: how long calls to a provider have taken, in milliseconds.
    CallTime(Label),
    /// Gauge, summed up over all workers: introspection calls that are under way.
    InFlight,
    /// Gauge: when a client list, a set of keys, or the oldest of a provider's status lists was last fetched
    /// successfully, in seconds since 1970; 0: never.
    Fetched(Document),
}

/// How a request ended, and by which words of the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ending {
    /// How.
    pub verdict: Verdict,
    /// Whether its rejection was not carried out (`mode: shadow`).
    pub is_shadow: bool,
    /// The provider that recognized its token, or was asked last.
    pub provider: Label,
    /// The rule that it matched.
    pub rule: Label,
}

/// Which of the names in the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Label {
    /// It has no such name.
    Absent,
    /// The one of this number.
    At(u16),
    /// One beyond those that are told apart.
    Other,
}

/// How the host keeps a series.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Values are added up.
    Counter,
    /// Values are added up, and may be below zero.
    Sum,
    /// The latest value counts.
    Gauge,
    /// Every value counts.
    Histogram,
}

/// How many rules are told apart.
pub const MAX_RULES: usize = 100;
/// How many providers and client lists are.
pub const MAX_PROVIDERS: usize = 20;

impl Label {
    pub(super) fn rule(at: Option<usize>) -> Self {
        Self::of(at, MAX_RULES)
    }

    pub(super) fn provider(id: Option<ProviderId>) -> Self {
        Self::of(id.map(|id| id.0), MAX_PROVIDERS)
    }

    fn of(at: Option<usize>, max: usize) -> Self {
        match at {
            None => Self::Absent,
            Some(at) if at < max => u16::try_from(at).map_or(Self::Other, Self::At),
            Some(_) => Self::Other,
        }
    }

    fn name<'a>(self, named: impl Fn(usize) -> Option<&'a str>) -> String {
        match self {
            Self::Absent => "-".to_owned(),
            Self::At(at) => plain(named(at.into()).unwrap_or_default()),
            Self::Other => "other".to_owned(),
        }
    }
}

impl Series {
    /// Whether it is told: there is no series for every list of a long configuration.
    pub(super) fn is_told(self) -> bool {
        match self {
            Self::Fetched(
                Document::List(ListId(at))
                | Document::Keys(ProviderId(at))
                | Document::Status(StatusId { provider: ProviderId(at), .. }),
            ) => at < MAX_PROVIDERS,
            _ => true,
        }
    }

    /// How the host keeps it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Requests(_) => Kind::Counter,
            Self::CallTime(_) => Kind::Histogram,
            Self::InFlight => Kind::Sum,
            Self::Fetched(_) => Kind::Gauge,
        }
    }

    /// Its name in metrics. Labels are written as Istio writes them, `label=.=value;.;`, so that its `extraStatTags`
    /// can take them out of the name, and Envoy's `stats_tags`.
    #[inline(never)]
    pub fn name(self, policy: &Policy) -> String {
        let provider = |label: Label| label.name(|at| Some(policy.providers.get(at)?.name.as_str()));
        match self {
            Self::Requests(Ending { verdict, is_shadow, provider: by, rule }) => {
                let what = if is_shadow { "shadow_total" } else { "requests_total" };
                let rule = rule.name(|at| Some(policy.rules.get(at)?.name.as_str()));
                labelled(&[("verdict", verdict.name()), ("provider", &provider(by)), ("rule", &rule)], what)
            }
            Self::CallTime(by) => {
                labelled(&[("provider", &provider(by))], "introspection.duration_milliseconds")
            }
            Self::InFlight => labelled(&[], "introspection.in_flight"),
            Self::Fetched(Document::Keys(id)) => {
                let by = provider(Label::provider(Some(id)));
                labelled(&[("provider", &by)], "jwks.last_success_seconds")
            }
            Self::Fetched(Document::Status(StatusId { provider: by, .. })) => {
                let by = provider(Label::provider(Some(by)));
                labelled(&[("provider", &by)], "status_lists.last_success_seconds")
            }
            Self::Fetched(Document::List(ListId(at))) => {
                let name = policy.lists.get(at).map(|list| list.name.as_str()).unwrap_or_default();
                labelled(&[("list", &plain(name))], "client_lists.last_success_seconds")
            }
        }
    }
}

fn labelled(labels: &[(&str, &str)], name: &str) -> String {
    let mut text = "tollgate.".to_owned();
    for (label, value) in labels {
        for part in [label, "=.=", value, ";.;"] {
            text.push_str(part);
        }
    }
    text.push_str(name);
    text
}

/// A name without what has a meaning in names of metrics, to Envoy or to a system that it sends them to.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./[]{}*".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Label, MAX_RULES, plain};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_cannot_break_a_metric() {
        for (name, want) in [
            ("read-orders", "read-orders"),
            ("rules[0]", "rules[0]"),
            ("/orders/{id}", "/orders/{id}"),
            ("a.rule.b", "a.rule.b"),
            ("a b:c|d;\"é", "a_b_c_d___"),
        ] {
            assert_eq!(plain(name), want);
        }
    }

    #[test]
    fn so_many_names_are_told_apart() {
        let named = |at| if at < MAX_RULES { Some("r") } else { None };
        assert_eq!(Label::rule(None).name(named), "-");
        assert_eq!(Label::rule(Some(MAX_RULES - 1)).name(named), "r");
        assert_eq!(Label::rule(Some(MAX_RULES)).name(named), "other");
    }
}
