//! Client metadata (RFC 7591 §2): what is requested, whether it is consistent, and what the server registered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value, json};
use tollgate_engine::base::json;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::client_auth::Method;
use tollgate_engine::provider::preset::Preset;

use crate::kit::client_auth::Authentication;
use crate::kit::failure::Failure;

use super::credential::read;

/// The requested metadata.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Client metadata")]
pub(crate) struct MetadataArgs {
    /// Set a human-readable name
    #[arg(long, value_name = "TEXT")]
    client_name: Option<String>,
    /// Allow this grant type; repeatable [default: `client_credentials`, or `authorization_code` with a
    /// redirect URI]
    #[arg(long, value_name = "TYPE")]
    grant_type: Vec<String>,
    /// Allow this response type [default: what the grant types need]
    #[arg(long, value_name = "TYPE")]
    response_type: Vec<String>,
    /// Allow this redirect URI; repeatable
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Allow these scopes; repeatable, or separated by spaces
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Set the client's authentication method [default: `client_secret_basic`]
    #[arg(long, value_name = "METHOD", value_parser = methods())]
    auth_method: Option<String>,
    /// Read the client's public keys from a file, as a JWK set
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// Set the address of the client's public keys
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
    /// Request signed introspection responses (RFC 9701 §6), for a gateway with `dialect: rfc9701`
    /// [default: an algorithm that the server supports and the filter can verify]
    #[arg(long, value_name = "ALG", num_args = 0..=1, default_missing_value = "")]
    signed_introspection: Option<String>,
    /// Request tokens that are bound to a key of the client (DPoP, RFC 9449 §5.2)
    #[arg(long)]
    dpop_bound: bool,
    /// Request tokens that are bound to the client's certificate (RFC 8705 §3.4)
    #[arg(long)]
    certificate_bound: bool,
    /// Send this software statement (RFC 7591 §2.3) unchanged
    #[arg(long, value_name = "FILE")]
    software_statement_file: Option<PathBuf>,
    /// Read further metadata from a file with a JSON object; options on the command line take precedence
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
}

impl MetadataArgs {
    /// The metadata of the arguments, without defaults.
    pub(crate) fn asked(&self) -> Result<Map<String, Value>, Failure> {
        let mut asked = match &self.metadata {
            Some(file) => object(file)?,
            None => Map::new(),
        };
        for name in THE_SERVERS {
            if asked.contains_key(name) {
                return Err(Failure::new(format_args!("{name} is set by the server (RFC 7591 §3.2.1)"))
                    .help("Leave it out. For a new secret: tollgate client rotate-secret NAME."));
            }
        }
        let mut text = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                asked.insert(name.to_owned(), json!(value));
            }
        };
        text("client_name", &self.client_name);
        text("token_endpoint_auth_method", &self.auth_method);
        text("jwks_uri", &self.jwks_uri);
        text("introspection_signed_response_alg", &self.signed_introspection);
        for (name, is_on) in [
            ("dpop_bound_access_tokens", self.dpop_bound),
            ("tls_client_certificate_bound_access_tokens", self.certificate_bound),
        ] {
            if is_on {
                asked.insert(name.to_owned(), json!(true));
            }
        }
        let mut texts = |name: &str, values: &[String]| {
            if !values.is_empty() {
                asked.insert(name.to_owned(), json!(values));
            }
        };
        texts("grant_types", &self.grant_type);
        texts("response_types", &self.response_type);
        texts("redirect_uris", &self.redirect_uri);
        if !self.scope.is_empty() {
            asked.insert("scope".to_owned(), json!(self.scope.join(" ")));
        }
        if let Some(file) = &self.jwks_file {
            asked.insert("jwks".to_owned(), Value::Object(object(file)?));
        }
        if let Some(file) = &self.software_statement_file {
            asked.insert("software_statement".to_owned(), json!(read(file)?.trim()));
        }
        verify_types(&asked)?;
        Ok(asked)
    }
}

/// Adds what a new client needs. The defaults of RFC 7591 §2 are for a web application, and a gateway is not a web
/// application (DCR-09).
pub(crate) fn complete(asked: &mut Map<String, Value>, name: &str, preset: Preset) -> Result<(), Failure> {
    let mut unless_asked = |member: &str, value: Value| {
        asked.entry(member).or_insert(value);
    };
    unless_asked("client_name", json!(name));
    unless_asked("token_endpoint_auth_method", json!(Method::default().name()));
    unless_asked("redirect_uris", json!([]));
    let browser = !list(asked, "redirect_uris").is_empty();
    let grant = if browser { "authorization_code" } else { "client_credentials" };
    asked.entry("grant_types").or_insert_with(|| json!([grant]));
    let grants = list(asked, "grant_types");
    let mut responses = Vec::new();
    if grants.contains("authorization_code") {
        responses.push("code");
    }
    if grants.contains("implicit") {
        responses.push("token");
    }
    asked.entry("response_types").or_insert_with(|| json!(responses));
    verify(asked)?;
    let service = !grants.contains("authorization_code") && !grants.contains("implicit");
    if preset == Preset::Okta && service {
        // Okta's values for a client without users. Okta still requires a response type.
        asked.entry("application_type").or_insert_with(|| json!("service"));
        asked.insert("response_types".to_owned(), json!(["token"]));
    }
    adapt(asked, preset);
    Ok(())
}

/// Adds members that a product reads under a name of its own.
pub(crate) fn adapt(metadata: &mut Map<String, Value>, preset: Preset) {
    if preset == Preset::OpenAm
        && let Some(scope) = metadata.get("scope").and_then(Value::as_str)
    {
        let scopes: Vec<_> = scope.split_ascii_whitespace().map(str::to_owned).collect();
        metadata.insert("scopes".to_owned(), json!(scopes));
    }
}

/// Checks that the metadata are consistent.
pub(crate) fn verify(asked: &Map<String, Value>) -> Result<(), Failure> {
    let has = |name: &str| asked.get(name).is_some_and(|value| !value.is_null());
    if has("jwks") && has("jwks_uri") {
        return Err(Failure::new("jwks and jwks_uri cannot be used together (RFC 7591 §2)")
            .help("Give the keys, or their address."));
    }
    let method = asked.get("token_endpoint_auth_method").and_then(Value::as_str).unwrap_or_default();
    let grants = list(asked, "grant_types");
    let method = Authentication::named(method);
    if method == Some(Authentication::Own(Method::PrivateKeyJwt)) && !has("jwks") && !has("jwks_uri") {
        return Err(Failure::new("private_key_jwt needs the client's public keys")
            .help("Give them: --jwks-file FILE or --jwks-uri URL."));
    }
    proofs(asked, method)?;
    if method == Some(Authentication::Own(Method::None)) && grants.contains("client_credentials") {
        return Err(Failure::new(
            "a client that does not authenticate cannot get tokens with client_credentials (RFC 6749 §4.4)",
        )
        .help("Give another --auth-method, or another --grant-type."));
    }
    let responses = list(asked, "response_types");
    for (grant, words) in [("authorization_code", &["code"][..]), ("implicit", &["token", "id_token"])] {
        let asks = responses.iter().find(|response| response.split(' ').any(|word| words.contains(&word)));
        match (asks, grants.contains(grant)) {
            (Some(response), false) => {
                return Err(Failure::new(format_args!(
                    "the response type {response:?} needs the grant type {grant} (RFC 7591 §2.1)"
                ))
                .help(format_args!("Add --grant-type {grant}, or leave the response type out.")));
            }
            (None, true) => {
                return Err(Failure::new(format_args!(
                    "the grant type {grant} needs a response type with {} (RFC 7591 §2.1)",
                    words.join(" or ")
                )));
            }
            _ => {}
        }
        if grants.contains(grant) && list(asked, "redirect_uris").is_empty() {
            return Err(Failure::new(format_args!(
                "the grant type {grant} needs a redirect URI (RFC 7591 §2)"
            ))
            .help("Give the address to which users return: --redirect-uri URI."));
        }
    }
    Ok(())
}

/// Chooses an algorithm for signed responses, if it is left open: one that the server supports and the filter can
/// verify (RFC 9701 §6, §7).
pub(crate) fn choose_reply_algorithm(
    asked: &mut Map<String, Value>,
    offered: Option<&[String]>,
) -> Result<(), Failure> {
    const MEMBER: &str = "introspection_signed_response_alg";
    if asked.get(MEMBER).is_none_or(|alg| *alg != "") {
        return Ok(());
    }
    let names = Algorithm::OF_PUBLIC_KEYS.map(Algorithm::name);
    let fits = |alg: &&&str| offered.is_none_or(|offered| offered.iter().any(|one| one == **alg));
    let Some(alg) = names.iter().find(fits) else {
        return Err(Failure::new(
            "the server signs introspection responses with no algorithm that the filter can verify",
        )
        .help(format_args!(
            "It offers {}; expected one of {}.",
            offered.unwrap_or_default().join(", "),
            names.join(", ")
        )));
    };
    asked.insert(MEMBER.to_owned(), json!(alg));
    Ok(())
}

/// Checks what certificates (RFC 8705 §2) and signed responses (RFC 9701 §6) need.
fn proofs(asked: &Map<String, Value>, method: Option<Authentication>) -> Result<(), Failure> {
    let has = |name: &str| asked.get(name).is_some_and(|value| !value.is_null());
    let subjects = SUBJECTS.iter().filter(|name| has(name)).count();
    if method == Some(Authentication::Certificate) && subjects != 1 {
        let what =
            format!("tls_client_auth needs one name of the certificate's subject, and {subjects} are given");
        return Err(Failure::new(what).help(format_args!(
            "Give one of these with --metadata FILE: {} (RFC 8705 §2.1.2).",
            SUBJECTS.join(", ")
        )));
    }
    let keys = asked.get("jwks").and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
    let certified =
        keys.is_some_and(|keys| keys.iter().all(|key| key.get("x5c").is_some_and(Value::is_array)));
    if method == Some(Authentication::SelfSignedCertificate) && !has("jwks_uri") && !certified {
        return Err(Failure::new("self_signed_tls_client_auth needs the client's certificate").help(
            "Give a key set whose keys have x5c: --jwks-file FILE or --jwks-uri URL (RFC 8705 §2.2.2).",
        ));
    }
    if has("introspection_encrypted_response_enc") && !has("introspection_encrypted_response_alg") {
        return Err(Failure::new(
            "introspection_encrypted_response_enc needs introspection_encrypted_response_alg (RFC 9701 §6)",
        )
        .help(
            "The filter cannot read encrypted responses. Leave both out, and use --signed-introspection.",
        ));
    }
    Ok(())
}

/// A sentence for each difference between the requested and the registered metadata (DCR-06, DCR-11).
pub(crate) fn differences(asked: &Map<String, Value>, answered: &Map<String, Value>) -> Vec<String> {
    let mut told = Vec::new();
    for (name, wanted) in asked.iter().filter(|(name, _)| *name != "scopes") {
        let got = answered.get(name).filter(|value| !value.is_null());
        let scopes = answered.get("scopes").filter(|_| name == "scope");
        let Some(got) = got.or(scopes) else {
            if !is_empty(wanted) {
                told.push(format!(
                    "{name}: requested {}, and the response does not contain it",
                    shown(wanted)
                ));
            }
            continue;
        };
        let same = match (words(name, wanted), words(name, got)) {
            (Some(wanted), Some(got)) => wanted == got,
            _ => wanted == got,
        };
        if same {
            continue;
        }
        if name == "software_statement" || name == "jwks" {
            told.push(format!("{name}: the response has a different one"));
        } else {
            told.push(format!("{name}: requested {}, got {}", shown(wanted), shown(got)));
        }
    }
    told
}

/// The strings of a member that is a list.
fn list(metadata: &Map<String, Value>, name: &str) -> BTreeSet<String> {
    let items = metadata.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The words of a list or a scope. Their order does not matter.
fn words(name: &str, value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(scope) if name == "scope" => {
            Some(scope.split_ascii_whitespace().map(str::to_owned).collect())
        }
        _ => None,
    }
}

/// A value for people.
pub(crate) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    crate::kit::printable::printable(&text)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn object(file: &Path) -> Result<Map<String, Value>, Failure> {
    match json::parse(read(file)?.as_bytes()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Failure::new(format_args!("{} is not a JSON object", file.display()))),
        Err(error) => Err(Failure::new(format_args!("{} is not JSON: {error}", file.display()))),
    }
}

/// Checks the types of the members that this command reads, and that keys are public.
fn verify_types(asked: &Map<String, Value>) -> Result<(), Failure> {
    for name in ["grant_types", "response_types", "redirect_uris", "contacts"] {
        let texts = |value: &Value| {
            value.as_array().is_some_and(|items| items.iter().all(Value::is_string)) || value.is_null()
        };
        if asked.get(name).is_some_and(|value| !texts(value)) {
            return Err(Failure::new(format_args!("{name} is not a list of strings (RFC 7591 §2)")));
        }
    }
    for name in [
        "client_name",
        "token_endpoint_auth_method",
        "scope",
        "jwks_uri",
        "software_statement",
        "introspection_signed_response_alg",
    ] {
        if asked.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(Failure::new(format_args!("{name} is not a string (RFC 7591 §2)")));
        }
    }
    let Some(jwks) = asked.get("jwks").filter(|jwks| !jwks.is_null()) else { return Ok(()) };
    let keys = jwks.get("keys").and_then(Value::as_array).filter(|keys| !keys.is_empty());
    let keys = keys.ok_or_else(|| {
        Failure::new("the key set has no keys").help("Expected a JWK set: {\"keys\": [{…}]}.")
    })?;
    if keys.iter().any(|key| ["d", "p", "q", "k", "oth"].iter().any(|part| key.get(part).is_some())) {
        return Err(Failure::new("the key set contains a private key")
            .help("The server needs only the public part: leave out d, p, q, dp, dq, qi and k."));
    }
    Ok(())
}

/// Members that only the server sets (DCR-15, DCR-17).
pub(crate) const THE_SERVERS: [&str; 6] = [
    "client_id",
    "client_secret",
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_client_uri",
    "registration_access_token",
];

/// The ways to name a certificate's subject (RFC 8705 §2.1.2).
const SUBJECTS: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

/// Parses the name of a method that a client can be registered for.
fn methods() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(
        Authentication::all().filter(|method| method.is_registered()).map(Authentication::name),
    )
}
