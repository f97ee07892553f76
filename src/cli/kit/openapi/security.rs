//! `security`, and the schemes that it names.

use std::collections::BTreeMap;

use crate::kit::failure::Failure;
use crate::kit::openapi::demand::{Checker, Requirement};
use crate::kit::openapi::document::Options;
use crate::kit::openapi::source::{Document, Part};

/// The component that checks each security scheme, by the name of the scheme.
#[derive(Debug)]
pub(super) struct Schemes<'a> {
    by_name: BTreeMap<String, Checker>,
    defined: Option<Part<'a>>,
}

/// The fields that must not be beside a reference to a scheme.
const OF_A_SCHEME: [&str; 4] = ["type", "scheme", "in", "name"];

impl<'a> Schemes<'a> {
    /// The schemes of a document. Without schemes, a document does not say which requests need a token, unless `options` do.
    pub(super) fn of(document: &'a Document, options: &Options) -> Result<Self, Failure> {
        let defined = defined(&document.root())?;
        let mut by_name = BTreeMap::new();
        for (name, scheme) in each(defined.as_ref())? {
            by_name.insert(name.to_owned(), chosen(name, &scheme, options)?);
        }
        if by_name.is_empty() && options.require.is_none() {
            return Err(Failure::new("the OpenAPI document defines no security schemes, so it does not say which operations need a token").help(
                "Set what they require: --require SCOPE. Or define a scheme in components.securitySchemes (`tollgate generate api-spec` prints it), and name it in `security`.",
            ));
        }
        for name in options.schemes.iter().chain(&options.elsewhere) {
            if !by_name.contains_key(name) {
                let known: Vec<_> = by_name.keys().map(String::as_str).collect();
                return Err(Failure::new(format_args!("the document has no security scheme {name:?}"))
                    .help(format_args!("It has {}.", known.join(", "))));
            }
        }
        Ok(Self { by_name, defined })
    }

    /// The component for a scheme, by name.
    pub(super) fn checkers(&self) -> &BTreeMap<String, Checker> {
        &self.by_name
    }

    /// An error if another file uses one of the names for a different scheme.
    pub(super) fn agree_with(&self, file: &Part<'a>, options: &Options) -> Result<(), Failure> {
        if self.defined.as_ref().is_some_and(|defined| defined.is_beside(file)) {
            return Ok(());
        }
        for (name, scheme) in each(defined(file)?.as_ref())? {
            if self
                .by_name
                .get(name)
                .is_some_and(|known| chosen(name, &scheme, options).ok().as_ref() != Some(known))
            {
                return Err(scheme.fault("is not the scheme that has the same name in the document itself"));
            }
        }
        Ok(())
    }

    /// The schemes that do not stand for tokens, by their types.
    pub(super) fn foreign(self) -> Vec<String> {
        let nobody = |checker: &Checker| matches!(checker, Checker::Nobody(_));
        self.by_name.into_iter().filter(|(_, checker)| nobody(checker)).map(|(name, _)| name).collect()
    }
}

/// `security`: the alternatives, each with its schemes and their scopes. Any other shape is an error, because it
/// might be read as a weaker requirement than was meant.
pub(super) fn requirements(security: &Part<'_>) -> Result<Vec<Requirement>, Failure> {
    let mut alternatives = Vec::new();
    for alternative in security.items()? {
        let mut schemes = Requirement::new();
        for (name, scopes) in alternative.members()? {
            let scopes = scopes.items()?.map(|scope| scope.text().map(str::to_owned));
            schemes.insert(name.to_owned(), scopes.collect::<Result<_, _>>()?);
        }
        alternatives.push(schemes);
    }
    Ok(alternatives)
}

/// The definitions of a file's schemes, if there are any.
fn defined<'a>(root: &Part<'a>) -> Result<Option<Part<'a>>, Failure> {
    let found = match root.key("components") {
        Some(components) => components.resolved(&["securitySchemes"])?.key("securitySchemes"),
        None => root.key("securityDefinitions"),
    };
    found.map(|found| found.resolved(&[])).transpose()
}

fn each<'a>(defined: Option<&Part<'a>>) -> Result<Vec<(&'a str, Part<'a>)>, Failure> {
    let Some(defined) = defined else { return Ok(Vec::new()) };
    let mut schemes = Vec::new();
    for (name, scheme) in defined.members()?.filter(|(name, _)| !name.starts_with("x-")) {
        let scheme = scheme.resolved(&OF_A_SCHEME)?;
        // It must be an object, even if it is empty.
        scheme.be_object()?;
        schemes.push((name, scheme));
    }
    Ok(schemes)
}

/// The component that checks a scheme, according to the operator.
fn chosen(name: &str, scheme: &Part<'_>, options: &Options) -> Result<Checker, Failure> {
    let is_in = |names: &[String]| names.iter().any(|known| known == name);
    Ok(if is_in(&options.elsewhere) {
        Checker::Elsewhere
    } else if is_in(&options.schemes) {
        Checker::Tollgate
    } else if options.schemes.is_empty() {
        by_type(name, scheme)?
    } else {
        Checker::Nobody("not the scheme that was asked for".to_owned())
    })
}

/// The component that checks a scheme, by default.
fn by_type(name: &str, scheme: &Part<'_>) -> Result<Checker, Failure> {
    let text = |name: &str| {
        scheme.key(name).map_or(Ok(String::new()), |part| part.text().map(str::to_ascii_lowercase))
    };
    let what = match (text("type")?.as_str(), text("scheme")?.as_str()) {
        ("oauth2" | "openidconnect", _) | ("http", "bearer" | "dpop") => return Ok(Checker::Tollgate),
        // Swagger 2.0 has no `bearer`, and writes it like this.
        ("apikey", _) if text("in")? == "header" && text("name")? == "authorization" => {
            let what = format!("an API key in Authorization (--scheme {name} if that is the access token)");
            return Ok(Checker::Nobody(what));
        }
        ("apikey", _) => "an API key",
        ("http", "basic") | ("basic", _) => "a user name and password",
        ("mutualtls", _) => "a client certificate",
        ("http", other) if !other.is_empty() => {
            return Ok(Checker::Nobody(format!("the HTTP scheme {other:?}")));
        }
        _ => "of an unknown type",
    };
    Ok(Checker::Nobody(what.to_owned()))
}
