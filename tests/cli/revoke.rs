//! `tollgate revoke`.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::serve::Serving;
use crate::client::{client, register, says, servers::but, stored};
use crate::support::{Run, Tollgate};

fn revoke(tollgate: &Tollgate, args: &str) -> Run {
    tollgate.run(["revoke"].into_iter().chain(args.split_whitespace()))
}

/// `printf %s hush-one | sha256sum`
const HASH: &str = "21f29937b410dd9b3fa630912bec202c9c8642f12611f19faea5ab74a962e4e2";

#[test]
fn tokens_clients_and_subjects_are_revoked_for_a_time_and_accepted_again() {
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    register(&tollgate, &server, &[]);
    tollgate.write("token", "hush-one\n");
    says(
        "nothing yet",
        &revoke(&tollgate, "list"),
        0,
        &["nothing is revoked in the environment \"default\""],
    );
    says(
        "a token",
        &revoke(&tollgate, "token --token-file token --for 1h"),
        0,
        &[&format!("token {HASH}, until 2")],
    );
    says("a registered client", &revoke(&tollgate, "client gateway"), 0, &["client c-1, until 2"]);
    says(
        "one from elsewhere",
        &revoke(&tollgate, "client 0oa:1 --id --issuer https://a"),
        0,
        &["client 0oa:1 of https://a, until"],
    );
    says(
        "a mistyped one",
        &revoke(&tollgate, "client gatewya"),
        2,
        &["there is no client \"gatewya\"", "--id"],
    );
    says("a subject", &revoke(&tollgate, "subject ann"), 0, &["subject ann, until"]);
    says("again, and longer", &revoke(&tollgate, "subject ann --for 48h"), 0, &["subject ann, until"]);
    let entries = stored(&tollgate, "default")["revoked"].as_array().unwrap().len();
    assert_eq!(entries, 4, "an entry about the same is replaced");
    let store = tollgate.read(crate::client::store(&tollgate, "default"));
    assert!(!store.contains("hush-one"), "the token itself is not stored");
    says(
        "all",
        &revoke(&tollgate, "list"),
        0,
        &[HASH, "client c-1", "client 0oa:1 of https://a", "subject ann"],
    );
    says(
        "nothing of that name",
        &revoke(&tollgate, "undo bob"),
        2,
        &["\"bob\" is not revoked", "tollgate revoke list"],
    );
    says("too few digits", &revoke(&tollgate, &format!("undo {}", &HASH[..7])), 2, &["is not revoked"]);
    says(
        "some digits",
        &revoke(&tollgate, &format!("undo {}", &HASH[..8])),
        0,
        &["no longer revoked: token"],
    );
    says("a client", &revoke(&tollgate, "undo c-1"), 0, &["no longer revoked: client c-1"]);
    says("by its hash", &revoke(&tollgate, &format!("token --sha256 {}", HASH.to_uppercase())), 0, &[HASH]);
    assert_eq!(revoke(&tollgate, "list --json").json()["revoked"][2]["token_sha256"], HASH);
}

#[test]
fn undo_takes_back_one_entry() {
    let tollgate = Tollgate::new();
    for args in
        ["client ann --id", "subject ann", "subject ann --issuer https://a", "subject ann --issuer https://b"]
    {
        says("revoked", &revoke(&tollgate, args), 0, &[]);
    }
    let left = |tollgate: &Tollgate| {
        let all = revoke(tollgate, "list --json").json()["revoked"].as_array().unwrap().clone();
        all.iter().map(|one| format!("{}{}", one["client_id"], one["issuer"])).collect::<Vec<_>>()
    };
    says(
        "which of them?",
        &revoke(&tollgate, "undo ann"),
        2,
        &["\"ann\" is several entries", "client ann, until", "subject ann of https://a", "--kind", "--all"],
    );
    assert_eq!(left(&tollgate).len(), 4, "nothing was undone");
    says(
        "a kind and an issuer",
        &revoke(&tollgate, "undo ann --kind subject --issuer https://a"),
        0,
        &["no longer revoked: subject ann of https://a"],
    );
    says("another kind", &revoke(&tollgate, "undo ann --kind token"), 2, &["is not revoked"]);
    says(
        "of every issuer",
        &revoke(&tollgate, "undo ann --kind subject --every-issuer"),
        0,
        &["subject ann, until"],
    );
    assert_eq!(left(&tollgate), ["\"ann\"null", "null\"https://b\""]);
    says("all", &revoke(&tollgate, "undo ann --all"), 0, &["client ann", "subject ann of https://b"]);
    assert!(left(&tollgate).is_empty());
}

#[test]
fn what_cannot_be_revoked_is_said() {
    let tollgate = Tollgate::new();
    tollgate.write("empty", "\n");
    tollgate.write("field", "Bearer abc\n");
    tollgate.write("marked", "\u{feff}abc\n");
    for (name, args, sentences) in [
        ("no token", "token", &["--token-file"][..]),
        ("an empty one", "token --token-file empty", &["the token is empty"]),
        ("a field", "token --token-file field", &["more than a token", "without `Bearer`"]),
        ("a byte order mark", "token --token-file marked", &["more than a token"]),
        ("no file", "token --token-file nowhere", &["cannot read nowhere"]),
        ("no hash", "token --sha256 abc", &["64 hexadecimal digits"]),
        ("two", "token --sha256 abc --token x", &["cannot be used with"]),
        ("no time", "subject ann --for 5", &["expected 1s to 8760h"]),
        ("an empty issuer", "subject ann --issuer=", &["the issuer is empty"]),
        ("too long a time", "subject ann --for 9000h", &["expected 1s to 8760h"]),
    ] {
        says(name, &revoke(&tollgate, args), 2, sentences);
    }
    // A list with one such entry would not be accepted by any filter: nothing would be revoked any more.
    for subject in ["a\tb", "a\u{7f}", "a\u{85}b", "a\nb"] {
        says(
            "a subject that filters do not read",
            &tollgate.run(["revoke", "subject", subject]),
            2,
            &["not text on one line"],
        );
    }
    says("an empty subject", &tollgate.run(["revoke", "subject", ""]), 2, &["the subject is empty"]);
}

#[test]
fn a_jwt_is_known_by_what_is_signed_of_it() {
    // `{"alg":"ES256"}.{"jti":"1"}`
    let (signed, tollgate) = ("eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0", Tollgate::new());
    let hash = |text: &str| format!("token {:x}", Sha256::digest(text));
    for (name, token, want) in [
        ("a JWT", format!("{signed}.AAAA"), signed.to_owned()),
        ("the same with another signature", format!("{signed}.AAAB"), signed.to_owned()),
        ("without one", format!("{signed}."), signed.to_owned()),
        ("an encrypted one", format!("{signed}.a.b.c"), format!("{signed}.a.b.c")),
        ("what only looks like one", "v4.public.secret".to_owned(), "v4.public.secret".to_owned()),
        (
            "claims that are none",
            "eyJhbGciOiJFUzI1NiJ9.MQ.AAAA".to_owned(),
            "eyJhbGciOiJFUzI1NiJ9.MQ.AAAA".to_owned(),
        ),
    ] {
        tollgate.write("token", &token);
        says(name, &revoke(&tollgate, "token --token-file token"), 0, &[&hash(&want)]);
    }
}

#[test]
fn more_than_filters_read_is_an_alarm() {
    let tollgate = Tollgate::new();
    let issuer = format!("https://{}", "x".repeat(100_000));
    let alarms = (0..11).map(|n| {
        let run = tollgate.run(["revoke", "subject", &n.to_string(), "--issuer", &issuer]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        run.stderr.contains("max_response_bytes")
    });
    assert_eq!(alarms.filter(|alarm| *alarm).count(), 1, "the last one");
}

#[test]
fn what_is_revoked_is_served_with_each_list() {
    let tollgate = Tollgate::new();
    client(&tollgate, "allow partners c-1 --id");
    let serving = Serving::start(&tollgate, &["partners"]);
    let get = |path: &str| serving.ask("GET", path, &[]);
    assert_eq!(get("/lists/partners").json(), json!({"clients": [{"id": "c-1"}]}), "as ever");
    assert_eq!(get("/revoked").json(), json!({"clients": []}));
    let before = get("/revoked").field("etag").to_owned();
    revoke(&tollgate, "subject ann --for 1h");
    revoke(&tollgate, "subject bob --for 1s");
    std::thread::sleep(std::time::Duration::from_secs(2));
    for path in ["/lists/partners", "/revoked"] {
        let all = get(path).json();
        let entries = all["revoked"].as_array().unwrap();
        assert_eq!((entries.len(), &entries[0]["sub"]), (1, &json!("ann")), "{path}: bob's time is over");
        assert!(entries[0]["until"].is_u64(), "{path}");
    }
    assert_eq!(serving.ask("GET", "/revoked", &[("if-none-match", &before)]).status, 200);
    revoke(&tollgate, "undo ann");
    assert_eq!(serving.ask("GET", "/revoked", &[("if-none-match", &before)]).status, 304, "as before");
}
