//! `tollgate generate api-spec`: the part of an API's own specification about access tokens.

mod spec;

use std::path::PathBuf;

use serde_json::{Map, Value};
use tollgate_engine::provider::preset::{Endpoints, Preset};

use crate::commands::generate::api_spec::spec::Spec;
use crate::kit::discovery::discover;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::find;
use crate::kit::http::Network;
use crate::kit::named;
use crate::kit::output::Output;

/// Print the security scheme for the API's own specification, as OpenAPI or RAML
///
/// The specification then says which token the API requires, where it may be, which scopes it needs and
/// what rejections look like. Endpoints come from the provider's preset, from its metadata with --discover,
/// or from options.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The configuration file: Tollgate's own, or an Envoy or Istio file that contains it; `-` is standard
    /// input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Select a configuration if the file contains several; the first is 1
    #[arg(long, value_name = "N")]
    number: Option<usize>,
    /// Select the provider that issues the clients' tokens, if there are several
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Choose the format of the specification
    #[arg(long, value_enum, default_value_t = Format::Openapi)]
    format: Format,
    /// Set the name of the security scheme
    #[arg(long, value_name = "NAME", default_value = "oauth2", value_parser = scheme_name)]
    name: String,
    /// Set the token endpoint
    #[arg(long, value_name = "URI")]
    token_uri: Option<String>,
    /// Set the authorization endpoint, where users log in
    #[arg(long, value_name = "URI")]
    authorization_uri: Option<String>,
    /// Discover endpoints from the issuer's metadata
    #[arg(long)]
    discover: bool,
    #[command(flatten)]
    network: Network,
}

const EXAMPLES: &str = "\
Examples:
  tollgate generate api-spec tollgate.yaml --discover
  tollgate generate api-spec envoy.yaml --format raml --token-uri https://login.example.com/token";

/// A language for API specifications.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    /// `OpenAPI` 3.1 (and 3.0)
    Openapi,
    /// RAML 1.0
    Raml,
}

/// Prints the scheme.
pub(crate) fn run(args: Args, out: &mut Output) -> Result<Exit, Failure> {
    let found = find::load_one(&args.file, args.number)?;
    let policy = named::policy(&found.value).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        Failure::new(format_args!("the configuration in {} has errors: {first}", args.file.display()))
            .help(format_args!("See all of them: tollgate check {}", args.file.display()))
    })?;
    let provider = provider(&found.value, args.provider.as_deref())?;
    let mut endpoints = preset_endpoints(provider);
    if args.discover {
        let issuer = provider.get("issuer").and_then(Value::as_str);
        let issuer = issuer.ok_or_else(|| {
            Failure::new("the provider has no issuer, so its metadata cannot be found")
                .help("Set its `issuer`, or give --token-uri and --authorization-uri.")
        })?;
        out.progress(format_args!("reading the metadata of {issuer}"));
        let discovered = discover(&args.network.http(out)?, issuer)?.endpoints();
        endpoints.token = discovered.token.or(endpoints.token);
        endpoints.authorization = discovered.authorization.or(endpoints.authorization);
    }
    let spec = Spec {
        name: &args.name,
        policy: &policy,
        rules: found.value.get("rules").and_then(Value::as_array).into_iter().flatten().collect(),
        token_uri: uri("--token-uri", args.token_uri)?.or(endpoints.token),
        authorization_uri: uri("--authorization-uri", args.authorization_uri)?.or(endpoints.authorization),
    };
    if spec.token_uri.is_none() {
        out.warning(
            "the token endpoint is not known, so the scheme does not contain it; give --token-uri, or --discover to read the issuer's metadata",
        );
    }
    spec.print(args.format, out)?;
    Ok(Exit::Good)
}

/// The selected provider's entry.
fn provider<'a>(configuration: &'a Value, wanted: Option<&str>) -> Result<&'a Value, Failure> {
    let providers = configuration.get("providers").and_then(Value::as_object);
    let names: Vec<_> = providers.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let (Some(name), true) =
        (wanted.or_else(|| names.first().copied()), wanted.is_some() || names.len() == 1)
    else {
        return Err(Failure::new(format_args!("the configuration has {} providers", names.len())).help(
            format_args!(
                "Select the one that issues the clients' tokens: --provider NAME ({}).",
                names.join(", ")
            ),
        ));
    };
    providers.and_then(|providers| providers.get(name)).ok_or_else(|| {
        Failure::new(format_args!("the configuration has no provider {name:?}"))
            .help(format_args!("It has {}.", names.join(", ")))
    })
}

/// The endpoints of the provider's preset.
fn preset_endpoints(provider: &Value) -> Endpoints {
    let text = |key: &str| provider.get(key).and_then(Value::as_str);
    match (text("preset").and_then(Preset::named), text("base_url").or_else(|| text("issuer"))) {
        (Some(preset), Some(base)) => preset.endpoints(base),
        _ => Endpoints::default(),
    }
}

fn uri(switch: &str, text: Option<String>) -> Result<Option<String>, Failure> {
    if let Some(text) = &text
        && !url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
    {
        return Err(Failure::new(format_args!("{switch} {text} is not an https URI"))
            .help(format_args!("Write it in full, as {switch} https://login.example.com/token.")));
    }
    Ok(text)
}

/// Parses a name that both languages accept.
fn scheme_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if !text.is_empty() && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a name has letters, digits, \"_\", \"-\" and \".\"".to_owned())
    }
}
