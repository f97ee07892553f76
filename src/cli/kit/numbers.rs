//! The stable numbers of the messages about configurations. `docs/messages.md` describes each.
//!
//! A number is never given to another message, not even when its own is gone.

use std::fmt;

use tollgate_config::error::Fault;

/// A message's number, as `TG012`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Number(u16);

impl Number {
    /// Of an error in a configuration.
    pub(crate) fn of(fault: &Fault) -> Self {
        Self(match fault {
            Fault::Empty => 1,
            Fault::Json(_) => 2,
            Fault::Struct(_) => 3,
            Fault::NotAnObject => 4,
            Fault::UnknownKey { .. } => 5,
            Fault::NotSupported { .. } => 6,
            Fault::WrongType { .. } => 7,
            Fault::Missing => 8,
            Fault::Expected { .. } => 9,
            Fault::UnknownWord { .. } => 10,
            Fault::OutOfRange { .. } => 11,
            Fault::NoEntries => 12,
            Fault::Choice { .. } => 13,
            Fault::UnknownName { .. } => 14,
            Fault::Duplicate { .. } => 15,
            Fault::Contradiction { .. } => 16,
            Fault::Unused { .. } => 17,
            Fault::Needs { .. } => 18,
            Fault::Key { .. } => 19,
            Fault::Reserved { .. } => 20,
            Fault::Unset => 21,
            Fault::UnfitVariable { .. } => 22,
            Fault::CredentialsInUri => 23,
            Fault::NoPlaces { .. } => 24,
            Fault::NotVerified { .. } => 25,
            Fault::NotSigned { .. } => 26,
            Fault::KeyNotTaken => 27,
            Fault::Pattern(_) => 28,
        })
    }

    /// Of a file that is neither YAML nor JSON.
    pub(crate) const UNREADABLE: Self = Self(40);

    /// Of an entry that is indented too little or too far.
    pub(crate) const INDENTATION: Self = Self(41);

    /// Of a requirement of a security profile.
    pub(crate) const PROFILE: Self = Self(301);

    /// Of a difference between the rules and an OpenAPI document.
    pub(crate) const OPENAPI: Self = Self(302);

    /// Of what a version of Envoy lacks.
    pub(crate) const ENVOY: Self = Self(303);

    /// Of a sentence about a risk, or about what is around the configuration: by the words that it always has.
    pub(crate) fn of_sentence(sentence: &str) -> Option<Self> {
        let row = SENTENCES.iter().find(|(_, words)| words.iter().any(|words| sentence.contains(words)));
        row.map(|(number, _)| Self(*number))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TG{:03}", self.0)
    }
}

/// Words that only the sentences with this number have.
const SENTENCES: [(u16, &[&str]); 37] = [
    (101, &["lowers security"]),
    (102, &["no audiences: "]),
    (103, &["no issuer: "]),
    (104, &["plain http: "]),
    (105, &["more than a minute: "]),
    (106, &["nothing is required: "]),
    (107, &["never reached: "]),
    (108, &["for this URI with a final slash"]),
    (109, &["no authorization server is known"]),
    (110, &["the upstream receives the clients' tokens"]),
    (111, &["if this is an MCP server"]),
    (112, &["an MCP server does not need refresh tokens"]),
    (201, &["accepts every request while the filter cannot run"]),
    (202, &["no failure_policy: "]),
    (203, &["the VM does not get the variable"]),
    (204, &["needs allow_on_headers_stop_iteration"]),
    (205, &["nor an EnvoyExtensionPolicy can set allow_on_headers_stop_iteration"]),
    (206, &["in static_resources.clusters"]),
    (207, &["has no TLS"]),
    (208, &["does not verify the authorization server's certificate"]),
    (209, &["does not check the certificate's name"]),
    (210, &["sends no server name"]),
    (211, &["mtls.source: xfcc"]),
    (212, &["mode: SERVER does not", "mode: CLIENT is for"]),
    (213, &["phase: AUTHN"]),
    (214, &["allowed_capabilities lacks"]),
    (221, &["may read a path differently"]),
    (222, &["a rule keeps escaped slashes"]),
    (223, &["matching.host_port", "whose authority has a port"]),
    (224, &["whose authority ends in a dot"]),
    (225, &["parameters of paths"]),
    (226, &["case_sensitive: false"]),
    (
        231,
        &[
            "configuration needs \"@type\"",
            "a StringValue holds",
            "a BytesValue holds",
            "a Struct holds",
            "the module cannot read a",
        ],
    ),
    (232, &["which decides for each request whether Tollgate runs"]),
    (233, &["is after the router"]),
    (234, &["is after Tollgate and"]),
    (235, &["Tollgate is disabled", "leaves it out, and accepts every request"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Number, SENTENCES};

    #[test]
    fn every_number_has_its_place_on_the_page_and_no_other_has() {
        let page = include_str!("../../../docs/messages.md");
        let shown = page.lines().filter_map(|line| line.strip_prefix("### TG")?.parse().ok());
        let shown: Vec<u16> = shown.collect();
        let source = include_str!("numbers.rs").lines().map(str::trim);
        let faults =
            source.filter(|line| line.starts_with("Fault::")).filter_map(|line| line.split("=> ").nth(1));
        let faults = faults.map(|number| number.trim_end_matches(',').parse::<u16>().expect("a number"));
        let others =
            [Number::UNREADABLE, Number::INDENTATION, Number::PROFILE, Number::OPENAPI, Number::ENVOY];
        let others = others.map(|number| number.0);
        let known: Vec<_> = faults.chain(others).chain(SENTENCES.map(|(number, _)| number)).collect();
        let all: BTreeSet<_> = known.iter().copied().collect();
        assert_eq!(all.len(), known.len(), "a number is given twice: {known:?}");
        assert_eq!(
            shown.iter().copied().collect::<BTreeSet<_>>(),
            all,
            "docs/messages.md and the numbers differ"
        );
        assert!(shown.is_sorted(), "docs/messages.md is not in order: {shown:?}");
    }
}
