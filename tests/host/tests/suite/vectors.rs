//! Ring 3: the shared vectors, by the built module in the in-process host.

use tollgate_cases::{Call, Case, Reply, Ring, latin1, load_all};
use tollgate_host::{Fields, Outcome, Response, StreamId, Vm, values};

#[test]
fn every_vector_holds_for_the_module() {
    let mut faults = Vec::new();
    let mut count = 0;
    for file in load_all() {
        for case in file.cases.iter().filter(|case| case.runs_in(Ring::Host)) {
            count += 1;
            if let Err(fault) = Run::new(&signed(case)).and_then(|mut run| run.check()) {
                faults.push(format!("{}: {}: {fault}", file.name, case.name));
            }
        }
    }
    assert!(count > 0, "no vectors");
    assert!(faults.is_empty(), "{} of {count} vectors fail:\n{}", faults.len(), faults.join("\n"));
}

/// The module has no code of its own for what Envoy verifies: a host that cannot take no such configuration.
#[test]
fn no_jwt_is_judged_where_the_host_verifies_nothing() {
    let mut count = 0;
    for file in load_all().iter().filter(|file| file.name.starts_with("jwt")) {
        for case in file.cases.iter().filter(|case| case.runs_in(Ring::Host)) {
            let case = &signed(case);
            count += 1;
            let mut vm = Vm::with_env(&case.env);
            vm.forget("verify_signature");
            assert!(!vm.configure(case.config_json().as_bytes()), "{}: {}", file.name, case.name);
            assert!(vm.log().iter().any(|line| line.text.contains("\"verify_signature\"")), "{:?}", vm.log());
        }
    }
    assert!(count > 100, "{count} vectors");
}

#[test]
fn no_vector_s_token_or_secret_is_told() {
    // BCP-03
    // OAU-22, INT-28: neither log lines nor properties, shared data or names of metrics hold them.
    let mut looked_at = 0;
    for file in load_all() {
        for case in file.cases.iter().filter(|case| case.runs_in(Ring::Host)) {
            let case = &signed(case);
            let Ok(run) = Run::new(case) else { continue };
            let secrets = secrets(case);
            let replies = replies(case);
            let shown = run.vm.everything_shown();
            let shared = run.vm.shared_data();
            // What lies in shared data is for the workers: replies may be there, tokens may not.
            let looks = shown.iter().map(|told| (told, [secrets.clone(), replies.clone()].concat()));
            for (told, secrets) in looks.chain(shared.iter().map(|told| (told, secrets.clone()))) {
                for secret in &secrets {
                    looked_at += 1;
                    let told_it = told.windows(secret.len()).any(|part| part == secret.as_bytes());
                    let told = String::from_utf8_lossy(told);
                    assert!(!told_it, "{}: {}: {secret:?} is in {told:?}", file.name, case.name);
                }
            }
        }
    }
    assert!(looked_at > 0, "nothing to look for");
}

/// A case as the clock of a new VM has it.
fn signed(case: &Case) -> Case {
    case.signed_at(tollgate_host::START)
}

/// A case that has been played to its end.
struct Run<'a> {
    case: &'a Case,
    vm: Vm,
    stream: StreamId,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case) -> Result<Self, String> {
        Self::with(Vm::with_env(&case.env), case)
    }

    fn with(mut vm: Vm, case: &'a Case) -> Result<Self, String> {
        if !vm.configure(case.config_json().as_bytes()) {
            return Err(format!("the configuration is refused: {:?}", vm.log()));
        }
        if let Some(digest) = &case.request.certificate {
            vm.set_attribute(&["connection", "sha256_peer_certificate_digest"], digest.as_bytes());
        }
        if case.request.tls {
            vm.set_attribute(&["connection", "tls_version"], b"TLSv1.3");
        }
        let head = case.request.fields();
        let stream = match &case.request.body {
            Some(body) => vm.request_with(&head, &[&latin1(body)], None),
            None => vm.request(&head),
        };
        let mut run = Self { case, vm, stream };
        run.play()?;
        Ok(run)
    }

    fn play(&mut self) -> Result<(), String> {
        for (n, exchange) in self.case.exchanges.iter().enumerate() {
            let call = self.next_call().ok_or_else(|| format!("call {} was not made", n + 1))?;
            check_call(&call, &exchange.call).map_err(|fault| format!("call {}: {fault}", n + 1))?;
            match &exchange.reply {
                Reply::Nothing(_) => self.vm.fail(call.id),
                Reply::Response(reply) => {
                    let mut head = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
                    head.extend(reply.headers.iter().map(|(name, value)| (latin1(name), latin1(value))));
                    let body = reply.body_at(self.vm.now()).into_bytes();
                    self.vm.answer(call.id, &Response { head, body });
                }
            }
        }
        match self.next_call() {
            Some(call) => Err(format!("an unexpected call to {}", call.cluster)),
            None => Ok(()),
        }
    }

    /// The call under way; a retry comes when its time has come.
    fn next_call(&mut self) -> Option<tollgate_host::Call> {
        if self.vm.calls().is_empty()
            && self.vm.is_ticking()
            && self.vm.outcome(self.stream) == Outcome::Paused
        {
            self.vm.advance(std::time::Duration::from_millis(900));
        }
        self.vm.calls().into_iter().next()
    }

    fn check(&mut self) -> Result<(), String> {
        let expect = &self.case.expect;
        let outcome = self.vm.outcome(self.stream);
        let counter = match (expect.passes, expect.verdict.as_str()) {
            (true, verdict) => format!("tollgate.shadow.{verdict}"),
            (false, verdict) => format!("tollgate.verdict.{verdict}"),
        };
        if self.vm.metric(&counter) != Some(1) {
            let told: Vec<_> = self.vm.metrics().iter().filter(|(_, value)| **value > 0).collect();
            return Err(format!("{counter} is not 1; {told:?}; {outcome:?}; {:?}", self.vm.log()));
        }
        match outcome {
            Outcome::Paused => Err("it is still held back".to_owned()),
            Outcome::Replied(_) if self.case.passes() => Err("it is answered, and should go on".to_owned()),
            Outcome::Forwarded(_) if !self.case.passes() => {
                Err("it goes on, and should be answered".to_owned())
            }
            Outcome::Replied(reply) => {
                if expect.status.is_some_and(|want| u32::from(want) != reply.status) {
                    return Err(format!("status: want {:?}, got {}", expect.status, reply.status));
                }
                let want = expect.body.as_deref().map(latin1);
                if self.case.request.method != "HEAD" && want.is_some_and(|want| want != reply.body) {
                    let got = String::from_utf8_lossy(&reply.body);
                    return Err(format!("body: want {:?}, got {got:?}", expect.body));
                }
                if self.vm.property(self.stream, "tollgate.verdict").as_deref() != Some(&expect.verdict) {
                    return Err("the access log would not know the verdict".to_owned());
                }
                check_lines(&reply.head, &expect.headers, &expect.absent)
            }
            Outcome::Forwarded(forwarded) => {
                let want = &expect.upstream;
                let path = values(&forwarded.head, ":path").concat();
                if want.path.as_ref().is_some_and(|want| *want != path) {
                    return Err(format!("upstream path: want {:?}, got {path:?}", want.path));
                }
                if want.body.as_deref().map(latin1).is_some_and(|want| want != forwarded.body) {
                    let got = String::from_utf8_lossy(&forwarded.body);
                    return Err(format!("upstream body: want {:?}, got {got:?}", want.body));
                }
                check_lines(&forwarded.head, &want.headers, &want.absent)
                    .map_err(|fault| format!("upstream: {fault}"))?;
                let status = vec![(b":status".to_vec(), b"200".to_vec())];
                let response = self.vm.respond(self.stream, &status);
                check_lines(&response, &expect.headers, &expect.absent)
            }
        }
    }
}

fn check_call(call: &tollgate_host::Call, want: &Call) -> Result<(), String> {
    let field = |name: &str| values(&call.head, name);
    if want.cluster.as_ref().is_some_and(|want| *want != call.cluster) {
        return Err(format!("cluster: want {:?}, got {}", want.cluster, call.cluster));
    }
    for (name, want) in [(":method", &want.method), (":path", &want.path), (":authority", &want.authority)] {
        if want.as_ref().is_some_and(|want| field(name) != [want.as_str()]) {
            return Err(format!("{name}: want {want:?}, got {:?}", field(name)));
        }
    }
    if want.body.as_deref().map(latin1).is_some_and(|want| want != call.body) {
        return Err(format!("body: want {:?}, got {:?}", want.body, String::from_utf8_lossy(&call.body)));
    }
    for (name, value) in &want.headers {
        if field(name) != [value.as_str()] {
            return Err(format!("{name}: want {value:?} once, got {:?}", field(name)));
        }
    }
    match want.absent.iter().find(|name| !field(name).is_empty()) {
        Some(name) => Err(format!("{name} is there")),
        None => Ok(()),
    }
}

/// As many lines of each listed name as are listed, with those values; none of the absent ones.
fn check_lines(head: &Fields, want: &[(String, String)], absent: &[String]) -> Result<(), String> {
    for (name, _) in want {
        let of_name = want.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let wanted: Vec<_> = of_name.map(|(_, value)| value.clone()).collect();
        if values(head, name) != wanted {
            return Err(format!("{name}: want {wanted:?}, got {:?}", values(head, name)));
        }
    }
    match absent.iter().find(|name| !values(head, name).is_empty()) {
        Some(name) => Err(format!("{name} is there: {:?}", values(head, name))),
        None => Ok(()),
    }
}

/// What must not be told: the client's credentials, ours, and what the authorization server said in
/// its own words. Short ones are left out, for they are words of their own.
fn secrets(case: &Case) -> Vec<String> {
    let mut secrets = Vec::new();
    for (name, value) in &case.request.headers {
        if name.eq_ignore_ascii_case("authorization") {
            secrets.extend(value.split(' ').skip(1).map(str::to_owned));
        }
    }
    let in_query = case.request.path.split(['?', '&']).filter_map(|part| part.strip_prefix("access_token="));
    secrets.extend(in_query.map(str::to_owned));
    let config: serde_json::Value = serde_json::from_str(&case.config_json()).unwrap();
    collect(&config, &mut secrets);
    secrets
        .extend(case.env.iter().filter(|(name, _)| name.contains("SECRET")).map(|(_, value)| value.clone()));
    secrets.retain(|secret| secret.len() > 6 && !secret.contains("token"));
    secrets
}

fn replies(case: &Case) -> Vec<String> {
    let body = |exchange: &tollgate_cases::Exchange| match &exchange.reply {
        Reply::Response(reply) if reply.body.len() > 20 => Some(reply.body.clone()),
        _ => None,
    };
    case.exchanges.iter().filter_map(body).collect()
}

fn collect(value: &serde_json::Value, secrets: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if name == "client_secret" || name == "bearer_token" => {
                        secrets.push(text.to_owned());
                    }
                    _ => collect(value, secrets),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, secrets)),
        _ => {}
    }
}
