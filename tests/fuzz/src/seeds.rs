//! The inputs that fuzzing begins with. They come from the shared vectors, so that they know every configuration, and are not
//! kept.

use std::fs;
use std::path::Path;

use serde_json::json;
use tollgate_cases::{Reply, latin1, load_all};

use crate::exchange::{NOW, configurations};
use crate::script::{Message, Script};
use crate::status_list::good_lists;
use crate::world::{good_events, good_keys, good_proof, good_tokens};

/// Writes them into the directory that `TOLLGATE_SEEDS` names, one folder for each target, and ends the program; without that
/// variable it does nothing.
pub fn write_seeds() {
    if let Some(directory) = std::env::var_os("TOLLGATE_SEEDS") {
        write_into(Path::new(&directory)).expect("the seeds are written");
        std::process::exit(0);
    }
}

fn write_into(directory: &Path) -> std::io::Result<()> {
    let write = |target: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        fs::create_dir_all(directory.join(target))?;
        fs::write(directory.join(target).join(name), bytes)
    };
    for (number, script) in exchanges().iter().enumerate() {
        write("exchange", &format!("vector-{number}"), &script.write())?;
    }
    for (number, configuration) in configurations().iter().enumerate() {
        write("configuration", &format!("vector-{number}"), configuration.text.as_bytes())?;
        write("documents", &format!("configuration-{number}"), configuration.text.as_bytes())?;
    }
    for (number, token) in good_tokens().iter().enumerate() {
        write("token", &format!("good-{number}"), token.as_bytes())?;
    }
    let [set, logout] = good_events();
    write("event", "set", format!("s{set}").as_bytes())?;
    write("event", "logout", format!("flogout_token={logout}").as_bytes())?;
    write(
        "lives",
        "some",
        &(0..240_u8).flat_map(|n| [n.wrapping_mul(7), n.wrapping_mul(13), n % 3]).collect::<Vec<_>>(),
    )?;
    for (number, input) in good_lists().iter().enumerate() {
        write("status_list", &format!("good-{number}"), input)?;
    }
    write("proof", "good", good_proof().as_bytes())?;
    write("keys", "good", good_keys().to_string().as_bytes())?;
    let list =
        json!({"clients": [{"id": "the-shop", "name": "The shop", "tier": "gold"}, {"id": "another"}]});
    write("client_list", "good", list.to_string().as_bytes())?;
    for (number, uri) in ["https://as.example.com:8443/a/b?c=d", "http://[2001:db8::1]/", "https://192.0.2.1"]
        .iter()
        .enumerate()
    {
        write("documents", &format!("uri-{number}"), uri.as_bytes())?;
    }
    Ok(())
}

/// Every case of the vectors.
fn exchanges() -> Vec<Script> {
    let mut scripts = Vec::new();
    for case in load_all().iter().flat_map(|file| &file.cases) {
        let case = case.signed_at(NOW);
        let text = case.config_json();
        let Some(configuration) = configurations().iter().position(|other| other.text == text) else {
            continue;
        };
        let mut script = Script { configuration, ..Script::default() };
        script.request.head = case.request.fields();
        script.request.body = case.request.body.as_deref().map(latin1);
        for exchange in &case.exchanges {
            let mut message = Message::default();
            if let Reply::Response(reply) = &exchange.reply {
                message.head.push((b":status".to_vec(), reply.status.to_string().into_bytes()));
                let field = |(name, value): &(String, String)| {
                    (name.clone().into_bytes(), value.clone().into_bytes())
                };
                message.head.extend(reply.headers.iter().map(field));
                message.body = Some(reply.body_at(NOW).into_bytes());
            }
            script.replies.push(message);
        }
        scripts.push(script);
    }
    scripts
}
