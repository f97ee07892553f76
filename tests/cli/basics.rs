//! What holds for every command.

use crate::support::tollgate;

#[test]
fn every_command_explains_itself() {
    for command in [
        "discover",
        "client",
        "generate",
        "check",
        "explain",
        "doctor",
        "import",
        "schema",
        "completions",
        "man",
    ] {
        let help = tollgate([command, "--help"]);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""), "{command}");
        assert!(help.stdout.contains("Usage: tollgate"), "{command}: {}", help.stdout);
    }
}

#[test]
fn no_command_takes_a_users_password() {
    // BCP-10: RFC 9700 §2.4
    let page = tollgate(["man", "--markdown"]).stdout;
    assert!(page.contains("--grant-type") && !page.to_lowercase().contains("password"), "{page}");
}

#[test]
fn a_misspelt_command_is_answered_with_the_right_one() {
    let run = tollgate(["chekc"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("'check'"), "{}", run.stderr);
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definitions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = tollgate(["completions", shell]);
        assert_eq!(script.status, 0);
        assert!(script.stdout.contains("tollgate") && script.stdout.contains("discover"), "{shell}");
    }
    let page = tollgate(["man", "check"]);
    assert!(page.stdout.contains(".TH") && page.stdout.contains("\\-\\-json"), "{}", page.stdout);
    let unknown = tollgate(["man", "nothing"]);
    assert_eq!(
        (unknown.status, unknown.stderr.as_str()),
        (2, "tollgate: tollgate has no command \"nothing\"\n")
    );
}

#[test]
fn the_schema_is_the_one_in_the_documentation() {
    let root = std::path::Path::new(crate::ROOT);
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    // Not `assert_eq!`, which would show both.
    assert!(tollgate(["schema"]).stdout == read("docs/config.schema.json"), "the schema is another");
    assert!(
        tollgate(["schema", "--markdown"]).stdout == read("docs/configuration.md"),
        "the reference is another"
    );
}

#[test]
fn the_schema_of_the_short_file_is_the_one_in_the_documentation() {
    let file = std::path::Path::new(crate::ROOT).join("docs/gateway.schema.json");
    let said = tollgate(["generate", "schema"]).stdout;
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(&file, &said).unwrap();
    }
    let is_current = std::fs::read_to_string(&file).unwrap() == said;
    assert!(
        is_current,
        "docs/gateway.schema.json: write it with TOLLGATE_BLESS=1 cargo test -p tollgate --test cli"
    );
}

#[test]
fn the_page_of_commands_is_what_the_command_says() {
    let page = std::path::Path::new(crate::ROOT).join("docs/commands.md");
    let said = tollgate(["man", "--markdown"]).stdout;
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(&page, &said).unwrap();
    }
    assert!(said.contains("## tollgate check\n") && said.contains("## tollgate explain\n"));
    let is_current = std::fs::read_to_string(&page).unwrap() == said;
    assert!(is_current, "docs/commands.md: write it with TOLLGATE_BLESS=1 cargo test -p tollgate --test cli");
}
