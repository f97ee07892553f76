//! The configurations and requests of the book: what a page says comes of a request is what `tollgate` says.
//!
//! A block `yaml generate` is a short file, and a block `yaml tollgate` a configuration. The tables after it, with the
//! columns *Request*, *Introspection response* and *Verdict*, hold for it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use tollgate_cases::page::{self, Page};
use tollgate_cases::proof::Client;
use tollgate_cases::token::Token;

use crate::support::Tollgate;

const NOW: u64 = 1_800_000_000;

/// What else is generated from a short file, and the main file of it.
const OTHERS: [(&str, &str); 3] =
    [("istio", "istio.yaml"), ("envoy-gateway", "envoy-gateway.yaml"), ("compose", "envoy.yaml")];

/// The head of a table of requests.
const HEAD: &str = "| Request | Introspection response | Verdict |";

#[test]
fn every_request_of_the_book_ends_as_its_page_says() {
    let (mut count, mut wrong) = (0, String::new());
    for page in page::of_the_book() {
        for (line, config, rows) in cases(&page) {
            let at = at(&page, &config);
            for row in rows {
                count += 1;
                let (said, run) = verdict(&at, &row);
                if said.as_ref() != Ok(&row.verdict) {
                    writeln!(
                        wrong,
                        "{}:{line}: {}: {said:?}, not {}\n{run}",
                        page.name, row.text, row.verdict
                    )
                    .unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 60, "only {count} requests");
}

#[test]
fn every_short_file_of_the_book_becomes_a_configuration_without_errors() {
    let mut count = 0;
    for page in page::of_the_book() {
        for block in page.blocks("yaml generate") {
            count += 1;
            let at = at(&page, &Config::Short(block.text.clone()));
            let run = at.line("check gateway/envoy.yaml");
            assert_eq!(run.status, 0, "{}:{}: {run:?}", page.name, block.line);
            let is_for_envoy_alone =
                ["login:", "client_certificates:"].iter().any(|key| block.text.contains(key));
            for (kind, main) in OTHERS.iter().filter(|_| !is_for_envoy_alone) {
                let run = at.line(&format!("generate {kind} gateway.yaml --out {kind}"));
                assert_eq!(run.status, 0, "{}:{}: {run:?}", page.name, block.line);
                let run = at.line(&format!("check {kind}/{main}"));
                assert_eq!(run.status, 0, "{}:{}: {run:?}", page.name, block.line);
            }
        }
    }
    assert!(count > 10, "only {count} short files");
}

#[test]
fn what_is_imported_from_anypoint_is_what_the_page_shows() {
    let page = Page::read("docs/coming-from/anypoint.md");
    let at = Tollgate::new();
    at.write("api.yaml", &page.blocks("yaml anypoint").next().unwrap().text);
    assert_eq!(at.line("import anypoint api.yaml").stdout, page.blocks("yaml tollgate").next().unwrap().text);
}

#[test]
fn what_check_says_is_what_the_page_of_messages_shows() {
    let page = Page::read("docs/messages.md");
    let at = Tollgate::new();
    at.write("tollgate.yaml", &page.blocks("yaml").next().unwrap().text);
    assert_eq!(at.line("check tollgate.yaml").stdout, page.blocks("text").next().unwrap().text);
}

#[test]
fn every_command_of_the_book_and_its_options_exist() {
    let manual = Page::read("docs/commands.md").text;
    let mut count = 0;
    for page in page::of_the_book().into_iter().filter(|page| page.name != "docs/commands.md") {
        for line in page.blocks("sh").flat_map(|block| commands(&block.text)) {
            count += 1;
            let words: Vec<_> = line.split_whitespace().collect();
            let is_name = |word: &&&str| {
                word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
            };
            let names = words.iter().skip(1).take_while(is_name).count();
            let section = (1..=names).rev().find_map(|n| {
                let (_, rest) = manual.split_once(&format!("\n## tollgate {}\n", words[1..=n].join(" ")))?;
                rest.split("\n## ").next()
            });
            let section = section.unwrap_or_else(|| panic!("{}: {line}: no such command", page.name));
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap();
                let is_known =
                    section.contains(&format!("{option} ")) || section.contains(&format!("{option}\n"));
                let is_common = ["--json", "--quiet"].contains(&option);
                assert!(is_known || is_common, "{}: {line}: no option {option}", page.name);
            }
        }
    }
    assert!(count > 50, "only {count} commands");
}

/// A configuration of a page.
enum Config {
    /// A short file of `generate`.
    Short(String),
    /// The filter's own.
    Own(String),
}

/// A row of a table of requests.
struct Row {
    text: String,
    request: Vec<String>,
    replies: Vec<String>,
    verdict: String,
}

/// The tables of a page, each with the last configuration before it, and the line of that.
fn cases(page: &Page) -> Vec<(usize, Config, Vec<Row>)> {
    let mut cases = Vec::new();
    let lines: Vec<_> = page.text.lines().collect();
    for (number, _) in lines.iter().enumerate().filter(|(_, line)| **line == HEAD) {
        let is_config = |info: &str| info == "yaml generate" || info == "yaml tollgate";
        let block = page.blocks.iter().rfind(|block| block.line <= number && is_config(&block.info));
        let block =
            block.unwrap_or_else(|| panic!("{}:{number}: no configuration before the table", page.name));
        let text = block.text.clone();
        let config = if block.info == "yaml generate" { Config::Short(text) } else { Config::Own(text) };
        let rows = lines.iter().skip(number.saturating_add(2)).take_while(|line| line.starts_with("| "));
        cases.push((number.saturating_add(1), config, rows.map(|line| row(line)).collect()));
    }
    cases
}

fn row(text: &str) -> Row {
    let cells: Vec<_> = text.trim_matches(['|', ' ']).split(" | ").collect();
    let [request, replies, verdict] = cells[..] else { panic!("not three cells: {text}") };
    let spans = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let verdict = spans(verdict).remove(0);
    Row { text: text.to_owned(), request: spans(request), replies: spans(replies), verdict }
}

/// A directory with the page's configuration in `gateway/envoy.yaml`.
fn at(page: &Page, config: &Config) -> Tollgate {
    let pem = include_str!("../keys/p256.pem");
    let mut at = Tollgate::new();
    let text = match config {
        Config::Short(text) | Config::Own(text) => text,
    };
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        if word.len() > 3 && word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            at = at.variable(word, if word.ends_with("_KEY") { pem } else { "a-secret" });
        }
    }
    at.write("store/default.json", store(text).to_string());
    for name in ["secret", "web-secret", "am-secret"] {
        at.write(name, "hush\n");
    }
    at.write("am-ca.pem", include_str!("../demo/tls/ca.pem"));
    at.write("api.pem", include_str!("../demo/tls/server.pem"));
    at.write("api-key.pem", include_str!("../demo/tls/server-key.pem"));
    at.write("key.pem", pem);
    match config {
        Config::Own(text) => at.write("gateway/envoy.yaml", text),
        Config::Short(text) => {
            at.write("gateway.yaml", text);
            let run =
                at.line("generate envoy gateway.yaml --out gateway --module /etc/envoy/tollgate_filter.wasm");
            assert_eq!(run.status, 0, "{}: {run:?}", page.name);
        }
    }
    at
}

/// A store with the gateway's client at the first authorization server of a file.
fn store(text: &str) -> Value {
    let issuer = text.split("issuer: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let endpoints = json!({"introspection_endpoint": format!("{issuer}/introspect")});
    json!({
        "providers": {"main": {"issuer": issuer, "preset": "generic", "endpoints": endpoints}},
        "clients": {"gateway": {
            "provider": "main", "client_id": "gw-1", "client_secret": "hush",
            "token_endpoint_auth_method": "client_secret_basic",
        }},
    })
}

/// What `tollgate explain` says of a request.
fn verdict(at: &Tollgate, row: &Row) -> (Result<String, String>, String) {
    let line = row.request.first().expect("a request");
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let url = if path.starts_with('/') { format!("http://api.example.com{path}") } else { path.to_owned() };
    let client = Client::new("client");
    let claims = row.request.iter().find_map(|span| serde_json::from_str::<Map<String, Value>>(span).ok());
    let jwt = jwt(claims.unwrap_or_default());
    let token = row.request.iter().find_map(|span| span.strip_prefix("Authorization: DPoP "));
    let token = token.map_or("", |token| if token == "JWT" { &jwt } else { token });
    let proof = client.proof(method, url.split('?').next().unwrap(), token, NOW, &json!({}));
    let certificate = at.read("api.pem");
    let filled = |text: &str| {
        text.replace("PROOF", &proof)
            .replace("JWT", &jwt)
            .replace("JKT", &client.thumbprint())
            .replace("X5T", &x5t(&certificate))
    };
    let mut args: Vec<String> = ["explain", "-c", "gateway/envoy.yaml", "--at"].map(str::to_owned).into();
    args.extend([NOW.to_string(), "-r".to_owned(), format!("{method} {url}")]);
    for span in row.request.iter().skip(1).filter(|span| !span.starts_with('{')) {
        match span.as_str() {
            "client certificate" => args.extend(["--certificate".to_owned(), "api.pem".to_owned()]),
            field => args.extend(["-H".to_owned(), filled(field)]),
        }
    }
    at.write("jwks.json", KEYS);
    for provider in providers_with_keys(at) {
        args.extend(["--jwks".to_owned(), format!("{provider}=jwks.json")]);
    }
    for (i, reply) in row.replies.iter().enumerate() {
        let is_status = reply.chars().all(|c| c.is_ascii_digit());
        let text = if is_status { format!("HTTP/1.1 {reply}\n\n") } else { filled(reply) };
        at.write(format!("reply{i}"), text);
        args.extend(["--reply".to_owned(), format!("reply{i}")]);
    }
    if row.replies.is_empty() {
        at.write("unused", "{}");
        args.extend(["--reply".to_owned(), "unused".to_owned()]);
    }
    let run = at.run(args);
    let last = run.stdout.lines().last().and_then(|line| line.strip_prefix("verdict: "));
    (last.map(str::to_owned).ok_or_else(|| run.stderr.clone()), run.stdout.clone())
}

/// A JWT of the authorization server that all pages use, with these claims.
fn jwt(mut claims: Map<String, Value>) -> String {
    claims.entry("iss").or_insert_with(|| "https://login.example.com".into());
    Token { claims, ..Token::default() }.at(NOW)
}

/// The providers that verify signatures.
fn providers_with_keys(at: &Tollgate) -> Vec<String> {
    fn find(value: &Value, names: &mut Vec<String>) {
        let providers = value.get("providers").and_then(Value::as_object);
        let with_keys =
            providers.into_iter().flatten().filter(|(_, provider)| provider.get("jwks").is_some());
        names.extend(with_keys.map(|(name, _)| name.clone()));
        match value {
            Value::Object(members) => members.values().for_each(|value| find(value, names)),
            Value::Array(items) => items.iter().for_each(|value| find(value, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    find(&serde_saphyr::from_str(&at.read("gateway/envoy.yaml")).unwrap(), &mut names);
    names
}

/// The digest of a certificate, as `cnf` has it.
fn x5t(pem: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    let base64: String = rest.split("-----END").next().unwrap().split_whitespace().collect();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(STANDARD.decode(base64).unwrap());
    URL_SAFE_NO_PAD.encode(digest)
}

/// The commands of a shell block; a line that ends with a backslash goes on.
fn commands(block: &str) -> Vec<String> {
    let lines = block.replace("\\\n", " ");
    let commands = lines.lines().map(|line| line.split(" #").next().unwrap().trim());
    commands.filter(|line| line.starts_with("tollgate ")).map(str::to_owned).collect()
}

const KEYS: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "p256", "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}]}"#;
