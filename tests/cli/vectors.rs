//! The shared vectors, by `tollgate explain`: what it says of a request is what the filter does.

use tollgate_cases::status_list::MEDIA_TYPE;
use tollgate_cases::{Case, Exchange, Reply, Ring, load_all};

use crate::support::Tollgate;

#[test]
fn explain_comes_to_the_same_verdict_as_the_filter() {
    let (mut count, mut faults) = (0, Vec::new());
    for file in load_all() {
        for case in file.cases.iter().filter(|case| case.runs_in(Ring::Core) && can_be_typed(case)) {
            count += 1;
            let got = explain(&case.signed_at(1_800_000_000));
            if got != case.expect.verdict {
                faults.push(format!("{}: {}: {got:?}, not {}", file.name, case.name, case.expect.verdict));
            }
        }
    }
    assert!(count > 300, "only {count} vectors");
    assert!(faults.is_empty(), "{} of {count} vectors fail:\n{}", faults.len(), faults.join("\n"));
}

/// Whether the request fits on a command line, and the replies into files.
fn can_be_typed(case: &Case) -> bool {
    let plain = |text: &str| text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) && text.trim() == text;
    let request = &case.request;
    request.certificate.is_none()
        && request.path.starts_with('/')
        && plain(&request.path)
        && !request.path.contains(' ')
        && ["http", "https"].contains(&request.scheme.as_str())
        && !request.authority.is_empty()
        && request
            .headers
            .iter()
            .all(|(name, value)| plain(name) && plain(value) && name != "host" && !name.is_empty())
        // A file that is no status list is an error of whoever names it.
        && !(case.exchanges.iter().any(is_status_list) && case.expect.verdict == "unavailable")
        && case.exchanges.iter().all(|exchange| match &exchange.reply {
            Reply::Nothing(_) => false,
            Reply::Response(reply) => !reply.body.contains('\r'),
        })
}

/// Whether a call fetches a status list.
fn is_status_list(exchange: &Exchange) -> bool {
    exchange.call.headers.iter().any(|(_, value)| value == MEDIA_TYPE)
}

fn explain(case: &Case) -> String {
    let mut tollgate = Tollgate::new();
    for (name, value) in &case.env {
        tollgate = tollgate.variable(name, value);
    }
    tollgate.write("config.json", case.config_json());
    // Whether the connection is one over TLS is all that is said of it.
    let scheme = if case.request.tls { "https" } else { "http" };
    let request =
        format!("{} {scheme}://{}{}", case.request.method, case.request.authority, case.request.path);
    let mut args: Vec<String> =
        ["explain", "-c", "config.json", "--at", "1800000000", "-r", &request].map(str::to_owned).into();
    for (name, value) in &case.request.headers {
        args.extend(["-H".to_owned(), format!("{name}: {value}")]);
    }
    if let Some(body) = &case.request.body {
        tollgate.write("form", body);
        args.extend(["--form".to_owned(), "form".to_owned()]);
    }
    tollgate.write("unused", "{}");
    for (i, exchange) in case.exchanges.iter().enumerate() {
        let Reply::Response(reply) = &exchange.reply else { continue };
        let mut text = format!("HTTP/1.1 {}\n", reply.status);
        for (name, value) in &reply.headers {
            text.extend([name, ": ", value, "\n"]);
        }
        tollgate.write(format!("reply{i}"), text + "\n" + &reply.body_at(1_800_000_000));
        if is_status_list(exchange) {
            let [authority, path] =
                [&exchange.call.authority, &exchange.call.path].map(|part| part.as_deref().unwrap());
            args.extend(["--status-list".to_owned(), format!("https://{authority}{path}=reply{i}")]);
        } else {
            args.extend(["--reply".to_owned(), format!("reply{i}")]);
        }
    }
    if case.exchanges.iter().all(is_status_list) {
        args.extend(["--reply".to_owned(), "unused".to_owned()]);
    }
    let run = tollgate.run(args);
    let verdict = run.stdout.lines().last().and_then(|line| line.strip_prefix("verdict: "));
    verdict.map_or_else(|| format!("{run:?}"), str::to_owned)
}
