//! What an operation requires, in an OpenAPI document and in a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};
use tollgate_engine::policy::rule::Access;
use tollgate_engine::token::scope::{ScopePolicy, ScopeToken};

/// A requirement. `Ord` sorts the weakest first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Demand {
    /// Nothing.
    Anonymous,
    /// No token, or a valid one.
    Optional,
    /// A valid token with these scopes.
    Token(Scopes),
    /// The operation is closed.
    Deny,
}

/// All of `all`, and one of `any` unless that is empty.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Scopes {
    all: BTreeSet<String>,
    any: BTreeSet<String>,
}

/// A Security Requirement Object: schemes, and the scopes of each.
pub(crate) type Requirement = BTreeMap<String, Vec<String>>;

/// The component that checks a security scheme.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Checker {
    /// Tollgate: the scheme stands for access tokens.
    Tollgate,
    /// Another component, as the operator said.
    Elsewhere,
    /// Unknown. The text says what the scheme is, for example "an API key".
    Nobody(String),
}

impl Demand {
    /// The requirement of a list of Security Requirement Objects, with remarks. It is never weaker than the
    /// document: what a rule cannot express becomes stricter.
    pub(crate) fn of(security: &[Requirement], checkers: &BTreeMap<String, Checker>) -> (Self, Vec<String>) {
        let mut remarks = Vec::new();
        if security.is_empty() {
            return (Self::Anonymous, remarks);
        }
        let (mut alternatives, mut without_token) = (Vec::new(), false);
        for requirement in security {
            match alternative(requirement, checkers, &mut remarks) {
                Some((true, scopes)) => alternatives.push(scopes),
                Some((false, _)) => without_token = true,
                None => {}
            }
        }
        let demand = match (without_token, alternatives.is_empty()) {
            (true, true) => Self::Anonymous,
            (true, false) => Self::Optional,
            (false, true) => Self::Deny,
            (false, false) => Self::Token(Scopes::one_of(alternatives, &mut remarks)),
        };
        (demand, remarks)
    }

    /// A token with all of these scopes.
    pub(crate) fn token(scopes: impl IntoIterator<Item = ScopeToken>) -> Self {
        let all = scopes.into_iter().map(|scope| scope.as_str().to_owned()).collect();
        Self::Token(Scopes { all, any: BTreeSet::new() })
    }

    /// Whether a request without a token passes.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Anonymous | Self::Optional)
    }

    /// The requirement that satisfies both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let (Self::Token(a), Self::Token(b)) = (self, other) else {
            // The weaker requirement comes first.
            return self.max(other).clone();
        };
        let any = match (a.any.is_empty(), b.any.is_empty()) {
            (_, true) => &a.any,
            (true, false) => &b.any,
            (false, false) if a.any == b.any => &a.any,
            (false, false) => return Self::Deny,
        };
        let all = a.all.union(&b.all).cloned().collect();
        Self::Token(Scopes { all, any: any.clone() }.plain())
    }

    /// The requirement of a rule.
    pub(crate) fn enforced(access: Access, scopes: &ScopePolicy) -> Self {
        match access {
            Access::Anonymous => Self::Anonymous,
            Access::Deny => Self::Deny,
            // A request without a token passes, whatever a token would need.
            Access::Optional => Self::Optional,
            Access::Required => {
                let texts = |scopes: &[ScopeToken]| scopes.iter().map(|s| s.as_str().to_owned()).collect();
                Self::Token(Scopes { all: texts(&scopes.all), any: texts(&scopes.any) }.plain())
            }
        }
    }

    /// The members of a rule that express it.
    pub(crate) fn members(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Anonymous => vec![("access", "anonymous".into())],
            Self::Optional => vec![("access", "optional".into())],
            Self::Deny => vec![("access", "deny".into())],
            Self::Token(Scopes { all, any }) => match (all.is_empty(), any.is_empty()) {
                (true, true) => Vec::new(),
                (false, true) => vec![("requires", json!({"scopes": all}))],
                (true, false) => vec![("requires", json!({"scopes": {"any": any}}))],
                (false, false) => vec![("requires", json!({"scopes": {"all": all, "any": any}}))],
            },
        }
    }
}

/// One Security Requirement Object: whether it requires a token, and the scopes. `None`: it cannot be met here.
fn alternative(
    schemes: &Requirement,
    checkers: &BTreeMap<String, Checker>,
    remarks: &mut Vec<String>,
) -> Option<(bool, BTreeSet<String>)> {
    let (mut wants_token, mut scopes, mut closed) = (false, BTreeSet::new(), false);
    for (name, wanted) in schemes {
        match checkers.get(name) {
            Some(Checker::Elsewhere) => {}
            Some(Checker::Tollgate) => {
                wants_token = true;
                for scope in wanted {
                    if let Some(token) = ScopeToken::parse(scope) {
                        scopes.insert(token.as_str().to_owned());
                    } else {
                        remarks.push(format!(
                            "{scope:?} cannot be a scope (RFC 6749, section 3.3), so it is denied"
                        ));
                        closed = true;
                    }
                }
            }
            Some(Checker::Nobody(what)) => {
                remarks.push(format!(
                    "the scheme {name:?} is {what}, which Tollgate does not check, so what needs it is denied (--elsewhere {name} if something else checks it)"
                ));
                closed = true;
            }
            None => {
                remarks.push(format!("the scheme {name:?} is not defined, so what needs it is denied"));
                closed = true;
            }
        }
    }
    (!closed).then_some((wants_token, scopes))
}

impl Scopes {
    /// The same in its normal form, for comparisons.
    fn plain(mut self) -> Self {
        if self.any.iter().any(|scope| self.all.contains(scope)) {
            self.any.clear();
        }
        if self.any.len() == 1 {
            self.all.append(&mut self.any);
        }
        self
    }

    /// All scopes of one of several sets. Stricter if `all` and `any` cannot express this.
    fn one_of(mut sets: Vec<BTreeSet<String>>, remarks: &mut Vec<String>) -> Self {
        // A set that contains another one adds nothing.
        let all_sets = sets.clone();
        sets.retain(|set| !all_sets.iter().any(|other| other != set && other.is_subset(set)));
        sets.dedup();
        let mut rest = sets.iter();
        let first = rest.next().cloned().unwrap_or_default();
        let common = rest.fold(first.clone(), |common, set| common.intersection(set).cloned().collect());
        let residues: Vec<BTreeSet<String>> =
            sets.iter().map(|set| set.difference(&common).cloned().collect()).collect();
        if residues.iter().any(BTreeSet::is_empty) {
            return Self { all: common, any: BTreeSet::new() };
        }
        let single: BTreeSet<String> =
            residues.iter().filter(|set| set.len() == 1).flatten().cloned().collect();
        let exact = residues.iter().all(|set| set.len() == 1);
        let scopes = match single.len() {
            0 => Self { all: first, any: BTreeSet::new() },
            1 => Self { all: common.into_iter().chain(single).collect(), any: BTreeSet::new() },
            _ => Self { all: common, any: single },
        };
        if !exact {
            let named: Vec<_> =
                sets.iter().map(|set| set.iter().cloned().collect::<Vec<_>>().join(" ")).collect();
            remarks.push(format!(
                "a rule cannot require one of {}; it requires {scopes}, which is stricter",
                named.iter().map(|set| format!("{set:?}")).collect::<Vec<_>>().join(" or ")
            ));
        }
        scopes
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("nothing"),
            Self::Optional => f.write_str("a valid token or no token"),
            Self::Deny => f.write_str("that every request is denied"),
            Self::Token(scopes) => write!(f, "{scopes}"),
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |scopes: &BTreeSet<String>, word: &str| {
            scopes.iter().map(|scope| format!("{scope:?}")).collect::<Vec<_>>().join(word)
        };
        let (all, any) = (listed(&self.all, " and "), listed(&self.any, " or "));
        match (all.is_empty(), any.is_empty()) {
            (true, true) => f.write_str("any valid token"),
            (false, true) => write!(f, "a token with {all}"),
            (true, false) => write!(f, "a token with {any}"),
            (false, false) => write!(f, "a token with {all}, and with {any}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{Checker, Demand, Requirement, Scopes};

    fn passes(demand: &Demand, granted: Option<&BTreeSet<String>>) -> bool {
        let met = |Scopes { all, any }: &Scopes, granted: &BTreeSet<String>| {
            all.is_subset(granted) && (any.is_empty() || !any.is_disjoint(granted))
        };
        match (demand, granted) {
            (Demand::Anonymous | Demand::Optional, _) => true,
            (Demand::Token(scopes), Some(granted)) => met(scopes, granted),
            (Demand::Token(_), None) | (Demand::Deny, _) => false,
        }
    }

    /// Schemes and scopes of an alternative; `key` is an API key.
    fn alternative() -> impl Strategy<Value = BTreeMap<&'static str, BTreeSet<String>>> {
        let scopes = prop::collection::btree_set("[a-d]", 0..4);
        prop::collection::btree_map(prop::sample::select(vec!["one", "two", "key"]), scopes, 0..3)
    }

    fn requirement(schemes: &BTreeMap<&'static str, BTreeSet<String>>) -> Requirement {
        schemes.iter().map(|(name, scopes)| ((*name).to_owned(), scopes.iter().cloned().collect())).collect()
    }

    proptest! {
        #[test]
        fn nothing_passes_that_the_document_refuses(
            document in prop::collection::vec(alternative(), 0..5),
            granted in prop::option::of(prop::collection::btree_set("[a-d]", 0..5)),
            key_is_elsewhere: bool,
        ) {
            let key = if key_is_elsewhere { Checker::Elsewhere } else { Checker::Nobody("an API key".to_owned()) };
            let checkers = BTreeMap::from([
                ("one".to_owned(), Checker::Tollgate),
                ("two".to_owned(), Checker::Tollgate),
                ("key".to_owned(), key),
            ]);
            let security: Vec<Requirement> = document.iter().map(requirement).collect();
            let (demand, remarks) = Demand::of(&security, &checkers);
            let met = |schemes: &BTreeMap<&str, BTreeSet<String>>| schemes.iter().all(|(name, scopes)| match *name {
                "key" => key_is_elsewhere,
                _ => granted.as_ref().is_some_and(|granted| scopes.is_subset(granted)),
            });
            let wanted = document.is_empty() || document.iter().any(met);
            let got = passes(&demand, granted.as_ref());
            prop_assert!(wanted || !got, "{demand} lets pass");
            prop_assert!(!remarks.is_empty() || wanted == got, "{demand} is stricter, and nothing says so");
        }

        #[test]
        fn what_meets_two_demands_meets_each(
            one in prop::collection::vec(alternative(), 0..4),
            other in prop::collection::vec(alternative(), 0..4),
            granted in prop::option::of(prop::collection::btree_set("[a-d]", 0..5)),
        ) {
            let checkers = BTreeMap::from(["one", "two", "key"].map(|name| (name.to_owned(), Checker::Tollgate)));
            let demand = |schemes: &[BTreeMap<&'static str, BTreeSet<String>>]| {
                Demand::of(&schemes.iter().map(requirement).collect::<Vec<_>>(), &checkers).0
            };
            let (one, other) = (demand(&one), demand(&other));
            if passes(&one.and(&other), granted.as_ref()) {
                prop_assert!(passes(&one, granted.as_ref()) && passes(&other, granted.as_ref()));
            }
        }
    }
}
