//! What every run needs: an Envoy with the filter, an API, an authorization server with a population, and lists.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_bench::servers::Server as Api;
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::operator::{ListServer, Operator};
use tollgate_e2e::ports::reserved_port;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::merge;

use crate::population::{Kind, Population, event};
use crate::server::Server;
use crate::tally::Tally;
use crate::traffic::{Course, Pace, Traffic};
use crate::truth::{Disturbances, Limits, Means};

/// What the configuration below promises.
pub const LIMITS: Limits = Limits {
    ttl: Duration::from_secs(10),
    stale: Duration::from_secs(5),
    write_age: Duration::from_secs(2),
    event: Duration::from_secs(1),
    list: Duration::from_secs(4),
    keys: Duration::from_secs(4),
    recovery: Duration::from_secs(5),
};

/// What is different in a run.
#[derive(Debug)]
pub struct Options {
    /// How many tokens there are.
    pub tokens: usize,
    /// Of which kinds.
    pub kinds: Vec<Kind>,
    /// The share of tokens that expires within a minute or so.
    pub short: f64,
    /// Changes to the configuration.
    pub policy: Value,
    /// How Envoy is started.
    pub stage: Stage,
    /// Members of the connection manager.
    pub manager: Value,
    /// Whether there is a list of revocations.
    pub lists: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokens: 500,
            kinds: Kind::ALL.to_vec(),
            short: 0.1,
            policy: json!({}),
            stage: Stage { workers: 2, log_level: "info", ..Stage::new() },
            manager: json!({}),
            lists: false,
        }
    }
}

/// Everything that runs.
#[derive(Debug)]
pub struct Site {
    /// The Envoy.
    pub envoy: Envoy,
    /// What it was started with.
    pub stage: Stage,
    /// The authorization server.
    pub server: Server,
    /// What clients need.
    pub course: Course,
    /// The operator who revokes tokens.
    pub operator: Operator,
    _lists: Option<ListServer>,
    _api: Api,
}

impl Site {
    /// Starts it all.
    pub fn start(options: Options) -> Self {
        let population = Arc::new(Population::new(options.tokens, &options.kinds, options.short));
        let (api, server, operator) = (Api::api(), Server::start(&population), Operator::new());
        let mut policy = policy();
        let mut stage = options.stage.cluster("upstream", api.port).cluster("as", server.port);
        let lists = options.lists.then(|| {
            operator.write("token", "hush-list\n");
            operator.serve("127.0.0.1:0", &["--bearer-token-file", "token"])
        });
        if let Some(lists) = &lists {
            merge(&mut policy, revocation_list());
            stage = stage.cluster("lists", lists.port);
            stage.env.push(("LISTS".to_owned(), "hush-list".to_owned()));
        }
        merge(&mut policy, options.policy);
        let port = reserved_port();
        let mut manager = json!({"access_log": []});
        merge(&mut manager, options.manager);
        let plugin = Plugin { port, manager, stop_iteration: true, ..Plugin::new(policy) };
        let stage = stage.listener("api", plugin);
        let envoy = stage.start();
        let course = Course {
            port: envoy.port("api"),
            population,
            tally: Arc::new(Tally::new()),
            disturbances: Arc::default(),
            limits: LIMITS,
        };
        let site = Self { envoy, stage, server, course, operator, _lists: lists, _api: api };
        site.wait_until_it_serves();
        site
    }

    /// Clients, at this pace.
    pub fn traffic(&self, pace: Pace) -> Traffic {
        Traffic::start(&self.course, pace)
    }

    /// When the servers were in trouble.
    pub fn disturbances(&self) -> &Disturbances {
        &self.course.disturbances
    }

    /// Has an event sent that ends a token, until it is acknowledged. Whether it was.
    pub fn push_event(&self, kind: Kind, sub: &str, key: &str) -> bool {
        let text = event(kind, sub, &format!("e-{sub}"), key);
        let request = Request::new("POST", &format!("/events/{}", kind.provider()))
            .header("content-type", "application/secevent+jwt")
            .body(text.as_bytes());
        for _ in 0..20 {
            match request.try_send(self.course.port).map(|response| response.status()) {
                Ok(202) => return true,
                Ok(503) | Err(_) => std::thread::sleep(Duration::from_millis(100)),
                Ok(other) => panic!("an event was rejected with {other}"),
            }
        }
        false
    }

    /// Ends one token by an event. Whether there was one.
    pub fn end_by_event(&self, random: &mut crate::random::Random) -> bool {
        let Some(token) = self.course.population.replace(random, |_| true) else { return false };
        token.may_end();
        if token.kind != Kind::Jwt {
            token.deactivate();
        }
        if self.push_event(token.kind, &token.sub, &token.key) {
            token.has_ended(Means::Event);
        }
        true
    }

    /// Ends one token by the operator's own word. Whether there was one.
    pub fn end_by_list(&self, random: &mut crate::random::Random) -> bool {
        let Some(token) = self.course.population.replace(random, |_| true) else { return false };
        token.may_end();
        self.operator.run(&["revoke", "subject", &token.sub, "--for", "10m"]);
        token.has_ended(Means::List);
        true
    }

    /// Ends one token at the server only. Whether there was one.
    pub fn end_at_server(&self, random: &mut crate::random::Random) -> bool {
        let wanted = |token: &crate::population::Token| token.kind != Kind::Jwt;
        let Some(token) = self.course.population.replace(random, wanted) else { return false };
        token.deactivate();
        true
    }

    /// Waits until no request, no call and no connection to the server is in progress. What is left after a while.
    pub fn left_over(&self) -> Vec<(String, u64)> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let left: Vec<_> = GAUGES
                .iter()
                .map(|name| ((*name).to_owned(), self.envoy.stat(name)))
                .filter(|(_, count)| *count > 0)
                .collect();
            if left.is_empty() || Instant::now() > until {
                return left;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Keys and lists are there, in every worker.
    fn wait_until_it_serves(&self) {
        let population = &self.course.population;
        let firsts: Vec<_> = population.all().into_iter().take(6).collect();
        let mut in_a_row = 0;
        self.envoy.wait_until("every kind of token passes", || {
            for token in &firsts {
                let response = Request::get("/orders/1").bearer(&token.text).try_send(self.course.port);
                in_a_row =
                    if response.is_ok_and(|response| response.status() == 200) { in_a_row + 1 } else { 0 };
            }
            in_a_row >= 24
        });
    }
}

/// What must be zero when nobody sends anything.
pub const GAUGES: [&str; 4] = [
    "http.api.downstream_rq_active",
    "cluster.as.upstream_rq_active",
    "cluster.upstream.upstream_rq_active",
    IN_FLIGHT,
];

/// The filter's own gauge.
pub const IN_FLIGHT: &str = "wasmcustom.tollgate.introspection.in_flight";

fn policy() -> Value {
    let introspection = json!({
        "uri": "https://as.example.com/introspect", "cluster": "as", "timeout": "1s", "retries": 1, "back_off": "500ms",
        "client_auth": {"client_id": "gateway", "client_secret": "hush-client-secret"},
    });
    let jwks = json!({
        "uri": "https://as.example.com/jwks", "cluster": "as", "cache_duration": "2s", "timeout": "1s",
        "stale_if_error": "5m",
    });
    let provider = |kind: Kind| {
        let mut provider = json!({
            "issuer": kind.issuer(), "audiences": ["https://api.example.com"], "jwks": jwks, "algorithms": ["ES256"],
        });
        if kind != Kind::Jwt {
            provider["introspection"] = introspection.clone();
        }
        if kind != Kind::Opaque {
            provider["clock_skew"] = json!("1s");
            provider["validate"] = json!(if kind == Kind::Jwt { "jwt" } else { "jwt_then_introspection" });
        }
        (kind.provider().to_owned(), provider)
    };
    let providers: serde_json::Map<String, Value> = Kind::ALL.into_iter().map(provider).collect();
    let receiver = |kind: Kind| json!({"path": format!("/events/{}", kind.provider()), "provider": kind.provider(), "audiences": ["receiver"]});
    json!({
        "providers": providers,
        "provider_order": ["opaque"],
        "rules": [
            {"name": "public", "match": {"path": "/public"}, "access": "anonymous"},
            {"name": "write", "match": {"prefix": "/orders", "methods": ["DELETE"]}, "requires": {
                "scopes": ["write"], "providers": ["opaque", "both"], "max_cache_age": "2s"}},
            {"name": "read", "match": {"prefix": "/orders"}, "requires": {"scopes": ["read"]}},
        ],
        "requires": {"scopes": ["nobody"]},
        "cache": {"ttl": "10s", "stale_if_error": "5s", "negative_ttl": "3s", "refresh_ahead": "2s"},
        "revocation": {"events": Kind::ALL.map(receiver)},
    })
}

fn revocation_list() -> Value {
    json!({
        "client_lists": {"revoked": {
            "uri": "http://lists.example.com/revoked", "cluster": "lists", "refresh": "2s", "timeout": "1s",
            "bearer_token_env": "LISTS",
        }},
        "revocation": {"lists": ["revoked"]},
    })
}
