//! The shared vectors, by the module in a real Envoy.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_cases::{Case, Reply, Ring, check_lines, latin1, load_all};
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::message::{Message, latin1_text};
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;

struct World {
    envoy: Envoy,
    upstream: Upstream,
    servers: BTreeMap<&'static str, AuthorizationServer>,
    ports: BTreeMap<String, u16>,
}

#[test]
fn every_vector_holds_in_a_real_envoy() {
    let files = load_all();
    let cases: Vec<_> = files
        .iter()
        .flat_map(|file| file.cases.iter().map(move |case| (file.name.as_str(), case)))
        .filter(|(_, case)| case.runs_in(Ring::Envoy))
        .collect();
    let mut listeners: Vec<String> = cases.iter().map(|(_, case)| case.config_json()).collect();
    listeners.sort();
    listeners.dedup();

    let upstream = Upstream::start();
    let servers =
        BTreeMap::from([("as", AuthorizationServer::start()), ("as2", AuthorizationServer::start())]);
    let mut stage = Stage { our_stats_only: true, ..Stage::new() };
    stage = stage.cluster("upstream", upstream.port()).cluster("dead", 0);
    for (name, server) in &servers {
        stage = stage.cluster(name, server.port());
    }
    for (at, configuration) in listeners.iter().enumerate() {
        let mut configuration: Value = serde_json::from_str(configuration).expect("a configuration");
        remember_nothing(&mut configuration);
        let mut plugin = Plugin::new(configuration);
        plugin.stop_iteration = true;
        stage = stage.listener(&at.to_string(), plugin);
    }
    for (name, value) in cases.iter().flat_map(|(_, case)| &case.env) {
        if !stage.env.iter().any(|(known, _)| known == name) {
            stage.env.push((name.clone(), value.clone()));
        }
    }
    let envoy = stage.start();
    let ports = envoy.ports(listeners.len());
    let world = World { envoy, upstream, servers, ports };

    let mut faults = Vec::new();
    let mut counters = world.envoy.all_counters();
    for (file, case) in &cases {
        let listener = listeners.iter().position(|configuration| *configuration == case.config_json());
        let port = world.ports[&listener.expect("its listener").to_string()];
        let done = world.run(case, port);
        let before = std::mem::replace(&mut counters, world.envoy.all_counters());
        if let Err(fault) = done.and_then(|()| check_verdict(case, &before, &counters)) {
            faults.push(format!("{file}: {}: {fault}", case.name));
        }
    }
    world.envoy.assert_clean_log(&[]);
    assert!(faults.is_empty(), "{} of {} vectors fail:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// The cases share tokens and authorization servers, and none of them is about what came before.
fn remember_nothing(configuration: &mut Value) {
    configuration["cache"] = json!({"max_entries": 0});
    for provider in configuration["providers"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        if let Some(introspection) = provider.get_mut("introspection") {
            introspection["back_off"] = json!("0s");
        }
    }
}

impl World {
    fn run(&self, case: &Case, port: u16) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let case = &case.signed_at(now);
        for (name, server) in &self.servers {
            let mine = case
                .exchanges
                .iter()
                .filter(|exchange| exchange.call.cluster.as_deref().unwrap_or(first_cluster(case)) == *name);
            server.next(mine.map(|exchange| behaviour(&exchange.reply, now)));
            server.take();
        }
        self.upstream.take();
        let mut request =
            Request::new(&case.request.method, &case.request.path).host(&case.request.authority);
        for (name, value) in &case.request.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &case.request.body {
            request = request.body(&latin1(body));
        }
        let response = request.try_send(port).map_err(|error| error.to_string())?;
        self.check_calls(case)?;
        self.check_response(case, &response)
    }

    fn check_calls(&self, case: &Case) -> Result<(), String> {
        for (name, server) in &self.servers {
            let calls = server.take();
            let wanted: Vec<_> = case
                .exchanges
                .iter()
                .filter(|exchange| exchange.call.cluster.as_deref().unwrap_or(first_cluster(case)) == *name)
                .collect();
            if calls.len() != wanted.len() {
                return Err(format!("{name}: want {} calls, got {}", wanted.len(), calls.len()));
            }
            for (call, exchange) in calls.iter().zip(wanted) {
                check_call(call, &exchange.call)?;
            }
        }
        Ok(())
    }

    fn check_response(&self, case: &Case, response: &Message) -> Result<(), String> {
        let seen = self.upstream.take();
        if case.passes() != (seen.len() == 1) || seen.len() > 1 {
            return Err(format!(
                "the upstream saw {} requests; the response is {}",
                seen.len(),
                response.status()
            ));
        }
        let head: Vec<_> = response.headers.iter().map(|(n, v)| (n.clone(), latin1_text(v))).collect();
        if !case.passes() {
            if case.expect.status.is_some_and(|want| want != response.status()) {
                return Err(format!("status: want {:?}, got {}", case.expect.status, response.status()));
            }
            if case.request.method != "HEAD"
                && case.expect.body.as_ref().is_some_and(|want| *want != response.text())
            {
                return Err(format!("body: want {:?}, got {:?}", case.expect.body, response.text()));
            }
            if case.request.method == "HEAD" && !response.body.is_empty() {
                return Err("a response to HEAD has a body".to_owned());
            }
        }
        check_lines(&head, &case.expect.headers, &case.expect.absent)?;
        let Some(seen) = seen.first() else { return Ok(()) };
        let want = &case.expect.upstream;
        if want.path.as_ref().is_some_and(|want| *want != seen.target()) {
            return Err(format!("upstream path: want {:?}, got {:?}", want.path, seen.target()));
        }
        if want.body.as_ref().is_some_and(|want| *want != seen.text()) {
            return Err(format!("upstream body: want {:?}, got {:?}", want.body, seen.text()));
        }
        let head: Vec<_> = seen.headers.iter().map(|(n, v)| (n.clone(), latin1_text(v))).collect();
        check_lines(&head, &want.headers, &want.absent)
    }
}

type Counters = BTreeMap<String, u64>;

/// Exactly one verdict's counter has moved, by one.
fn check_verdict(case: &Case, before: &Counters, after: &Counters) -> Result<(), String> {
    let counts = |name: &str| name.starts_with("verdict.") || name.starts_with("shadow.");
    let moved: Vec<(String, u64)> = after
        .iter()
        .filter(|(name, n)| counts(name) && before.get(*name) != Some(n))
        .map(|(name, n)| (name.clone(), n - before.get(name).unwrap_or(&0)))
        .collect();
    let kind = if case.expect.passes { "shadow" } else { "verdict" };
    let want = [(format!("{kind}.{}", case.expect.verdict), 1)];
    if moved == want { Ok(()) } else { Err(format!("want {want:?}, got {moved:?}")) }
}

/// Where a case's calls go unless it says otherwise.
fn first_cluster(case: &Case) -> &str {
    let providers = case.config.as_ref().and_then(|config| config["providers"].as_object());
    let first = providers.and_then(|providers| providers.values().next());
    first.and_then(|provider| provider["introspection"]["cluster"].as_str()).unwrap_or("as")
}

fn behaviour(reply: &Reply, now: u64) -> Behaviour {
    match reply {
        Reply::Nothing(_) => Behaviour::close(),
        Reply::Response(reply) => Behaviour::Reply {
            status: reply.status,
            headers: reply.headers.clone(),
            body: reply.body_at(now).into_bytes(),
        },
    }
}

fn check_call(call: &Message, want: &tollgate_cases::Call) -> Result<(), String> {
    let wanted = [
        ("method", &want.method, call.method().to_owned()),
        ("path", &want.path, call.target().to_owned()),
        ("authority", &want.authority, call.all("host").join(", ")),
        ("body", &want.body, call.text()),
    ];
    for (name, want, got) in wanted {
        if want.as_ref().is_some_and(|want| *want != got) {
            return Err(format!("the call's {name}: want {want:?}, got {got:?}"));
        }
    }
    let head: Vec<_> = call.headers.iter().map(|(n, v)| (n.clone(), latin1_text(v))).collect();
    check_lines(&head, &want.headers, &want.absent).map_err(|fault| format!("the call's {fault}"))
}
