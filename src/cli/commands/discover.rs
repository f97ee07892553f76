//! `tollgate discover`.

mod entry;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value, json};
use tollgate_engine::provider::preset::{Endpoints, Preset};
use url::Url;

use crate::commands::discover::entry::Suggestion;
use crate::kit::client_auth::Authentication;
use crate::kit::discovery::{Discovered, discover_as};
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::http::Network;
use crate::kit::output::Output;
use crate::kit::presets::{guess, named, presets};
use crate::kit::printable::printable;
use crate::kit::store::{StoreArgs, StoredProvider, is_name};

/// Show what an authorization server supports, and print a `providers:` entry for it
///
/// Reads the server's metadata (RFC 8414, OpenID Connect Discovery). A preset or an option supplies what
/// the metadata do not contain. Exits with 1 if the filter cannot use the server.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    /// The issuer: `https://login.example.com/tenant`
    #[arg(value_name = "ISSUER", required_unless_present = "base_url")]
    issuer: Option<String>,
    /// Use this product's preset for what the server does not publish
    #[arg(long, value_name = "PRESET", value_parser = presets())]
    preset: Option<Preset>,
    /// Set the base of the preset's paths, if it is not the issuer. Without ISSUER, no metadata are read
    #[arg(long, value_name = "URL", requires = "preset")]
    base_url: Option<String>,
    /// Set the introspection endpoint, if the server does not publish it
    #[arg(long, value_name = "URL")]
    introspection_endpoint: Option<String>,
    /// Set the filter's authentication method, instead of the first one that the server supports
    #[arg(long, value_name = "METHOD", value_parser = methods())]
    auth_method: Option<Authentication>,
    /// Authenticate with the private key in this environment variable, if the server supports it
    /// (`private_key_jwt`)
    #[arg(long, value_name = "NAME", conflicts_with = "auth_method")]
    private_key_env: Option<String>,
    /// Set the client id in the entry
    #[arg(long, value_name = "ID", default_value = "gateway")]
    client_id: String,
    /// Accept this issuer in the document, for example a placeholder such as `https://login/{tenant}`
    #[arg(long, value_name = "ISSUER", requires = "issuer")]
    issuer_override: Option<String>,
    /// Exit with 1 if there is any remark, for example that two documents contradict each other
    #[arg(long)]
    strict: bool,
    /// Store the server under this name, for `tollgate client` and `tollgate generate`
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    network: Network,
}

/// The methods that an entry can have.
fn methods() -> impl TypedValueParser<Value = Authentication> {
    PossibleValuesParser::new(Authentication::all().map(Authentication::name))
        .try_map(|name| Authentication::named(&name).ok_or("not a known method"))
}

/// What is known about a server.
struct Known {
    issuer: Option<String>,
    preset: Preset,
    base_url: Option<String>,
    document: Option<Discovered>,
    endpoints: Endpoints,
    remarks: Vec<String>,
}

/// Discovers a server, and prints an entry for it.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    if let Some(name) = args.save.as_deref().filter(|name| !is_name(name)) {
        return Err(Failure::new(format_args!("{name:?} is not a valid name for a provider"))
            .help("A name consists of letters, digits, \"-\", \"_\" and \".\"."));
    }
    let mut known = find_out(args, out)?;
    let entry = Suggestion::new(&mut known, args)?;
    if let Some(name) = &args.save {
        save(name, &known, args)?;
    }
    let is_usable = entry.is_some();
    if out.is_json() {
        out.document(&document(&known, entry.as_ref()))?;
    } else {
        print(&known, entry.as_ref(), out)?;
    }
    let is_contradictory = known.document.as_ref().is_some_and(|document| document.is_contradictory);
    let is_doubtful = args.strict && (is_contradictory || !known.remarks.is_empty());
    Ok(if is_usable && !is_doubtful { Exit::Good } else { Exit::Faults })
}

/// Reads the server's metadata, and adds what they do not contain.
fn find_out(args: &Args, out: &mut Output) -> Result<Known, Failure> {
    let http = args.network.http(out)?;
    let mut remarks = Vec::new();
    let preset = args.preset.or_else(|| args.issuer.as_deref().and_then(guess)).unwrap_or_default();
    let document = match &args.issuer {
        None => None,
        Some(issuer) => {
            let host = authority(issuer).map_or_else(|| "the server".to_owned(), |(host, _)| host);
            out.progress(format_args!("reading the metadata of {host}"));
            let called = args.issuer_override.as_deref().unwrap_or(issuer);
            match discover_as(&http, issuer, called).map_err(Failure::from) {
                Ok(document) => Some(document),
                // With the product or the endpoint as an argument, no document is needed.
                Err(failure) if args.preset.is_some() || args.introspection_endpoint.is_some() => {
                    remarks.push(failure.what().to_owned());
                    None
                }
                Err(failure) => return Err(failure),
            }
        }
    };
    if let Some(called) = &args.issuer_override {
        remarks.push(format!(
            "the document has the issuer {called:?}; the entry requires the issuer that you named"
        ));
    }
    let base = args.base_url.clone().or_else(|| args.issuer.clone()).unwrap_or_default();
    let said = document.as_ref().map(Discovered::endpoints).unwrap_or_default();
    let endpoints = filled(said, preset.endpoints(&base), args, &mut remarks);
    if let Some(document) = &document {
        remarks.extend(document.remarks.iter().cloned());
    }
    Ok(Known {
        issuer: args.issuer.clone(),
        preset,
        base_url: args.base_url.clone(),
        document,
        endpoints,
        remarks,
    })
}

/// Arguments take precedence over the server's metadata, and these over the preset.
fn filled(said: Endpoints, preset: Endpoints, args: &Args, remarks: &mut Vec<String>) -> Endpoints {
    if said.introspection.is_none()
        && said.token.is_some()
        && args.introspection_endpoint.is_none()
        && let Some(by_preset) = &preset.introspection
    {
        remarks.push(format!("the server names no introspection_endpoint; the preset has it at {by_preset}"));
    }
    Endpoints {
        introspection: args.introspection_endpoint.clone().or(said.introspection).or(preset.introspection),
        token: said.token.or(preset.token),
        authorization: said.authorization.or(preset.authorization),
        registration: said.registration.or(preset.registration),
        revocation: said.revocation.or(preset.revocation),
        jwks: said.jwks.or(preset.jwks),
        userinfo: said.userinfo.or(preset.userinfo),
        token_info: preset.token_info,
    }
}

fn save(name: &str, known: &Known, args: &Args) -> Result<(), Failure> {
    let mut store = args.store.open()?;
    let provider = StoredProvider {
        issuer: known.issuer.clone(),
        preset: known.preset.name().to_owned(),
        base_url: known.base_url.clone(),
        endpoints: named(&known.endpoints),
    };
    store.content.providers.insert(name.to_owned(), provider);
    store.save()
}

/// The relevant features of the server: their names, and what the document lists.
fn supported(document: &Discovered) -> Vec<(&'static str, String)> {
    let lists = [
        ("introspection by", "introspection_endpoint_auth_methods_supported"),
        ("tokens by", "token_endpoint_auth_methods_supported"),
        ("grants", "grant_types_supported"),
        ("scopes", "scopes_supported"),
        ("acr", "acr_values_supported"),
        ("PKCE", "code_challenge_methods_supported"),
        ("DPoP", "dpop_signing_alg_values_supported"),
        ("signed replies", "introspection_signing_alg_values_supported"),
    ];
    let listed = lists.iter().filter_map(|(what, name)| Some((*what, document.texts(name)?.join(" "))));
    let mut all: Vec<_> = listed.collect();
    if document.metadata.get("tls_client_certificate_bound_access_tokens") == Some(&Value::Bool(true)) {
        all.push(("mutual TLS", "certificate-bound access tokens".to_owned()));
    }
    all
}

fn print(known: &Known, entry: Option<&Suggestion>, out: &mut Output) -> Result<(), Failure> {
    let mut line = |what: &str, text: &str| out.line(format_args!("{what:<17} {}", printable(text)));
    line("issuer", known.issuer.as_deref().unwrap_or("(none given)"))?;
    if let Some(document) = &known.document {
        line("document", document.url.as_str())?;
    }
    if known.preset != Preset::Generic {
        line("product", known.preset.name())?;
    }
    for (name, url) in named(&known.endpoints) {
        line(name.trim_end_matches("_endpoint").trim_end_matches("_uri"), &url)?;
    }
    for (what, list) in known.document.iter().flat_map(supported) {
        line(what, &list)?;
    }
    for remark in &known.remarks {
        line("note", remark)?;
    }
    match entry {
        Some(entry) => out.line(format_args!("\n{}", entry.yaml().trim_end()))?,
        None => out.line(format_args!("\n{}", without_introspection(known)))?,
    }
    let more = known.document.as_ref().map(suggestions).unwrap_or_default();
    if !more.is_empty() {
        out.line("\nThe server also supports:")?;
    }
    for suggestion in more {
        out.line(format_args!("- {suggestion}"))?;
    }
    Ok(())
}

/// Remarks about other features of the server that the filter can use.
fn suggestions(document: &Discovered) -> Vec<&'static str> {
    let has = |name: &str| document.texts(name).is_some_and(|list| !list.is_empty());
    let is_on = |name: &str| document.metadata.get(name) == Some(&Value::Bool(true));
    let all = [
        (
            has("dpop_signing_alg_values_supported"),
            "tokens that are bound to a key (DPoP, RFC 9449): `dpop: {}` checks the proofs, `requires: {sender_constraint: dpop}` requires them",
        ),
        (
            is_on("tls_client_certificate_bound_access_tokens"),
            "tokens that are bound to a certificate (RFC 8705): `mtls: {}` compares it with the connection's, `requires: {sender_constraint: mtls}` requires it",
        ),
        (
            has("introspection_signing_alg_values_supported"),
            "signed responses (RFC 9701): register the gateway with `--signed-introspection`, and set `introspection: {dialect: rfc9701}` and `jwks`",
        ),
    ];
    all.into_iter().filter(|(is_offered, _)| *is_offered).map(|(_, text)| text).collect()
}

fn document(known: &Known, entry: Option<&Suggestion>) -> Value {
    let supported = known.document.iter().flat_map(supported);
    let supported: Map<String, Value> =
        supported.map(|(what, list)| (what.to_owned(), list.split(' ').collect())).collect();
    json!({
        "issuer": known.issuer,
        "document": known.document.as_ref().map(|document| document.url.as_str()),
        "preset": known.preset.name(),
        "endpoints": named(&known.endpoints),
        "supported": supported,
        "remarks": known.remarks,
        "suggestions": known.document.as_ref().map(suggestions).unwrap_or_default(),
        "entry": entry.map(Suggestion::value),
        "metadata": known.document.as_ref().map(|document| &document.metadata),
    })
}

/// What to do if the introspection endpoint is missing.
fn without_introspection(known: &Known) -> String {
    let mut text = "The server names no introspection endpoint, so the filter cannot introspect tokens.\n- If it has one, give its address: --introspection-endpoint URL, or the product: --preset NAME.".to_owned();
    if let Some(keys) = &known.endpoints.jwks {
        text += "\n- If its tokens are JWTs, they can be verified: set validate: jwt, your audiences, and jwks: {uri: ";
        text += &printable(keys);
        text += ", cluster: …}. A revoked token is accepted until it expires.";
    }
    if let Some(userinfo) = &known.endpoints.userinfo {
        text += "\n- As a last resort, tokens can be tried at the UserInfo endpoint: set userinfo: {uri: ";
        text += &printable(userinfo);
        text += ", cluster: …}. Its response has no scopes and no audience.";
    }
    text
}

/// The host and the port of a URL.
fn authority(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}
