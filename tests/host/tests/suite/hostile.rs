//! Thousands of requests and answers that nobody sane would send. The VM must live, every request must
//! end, and none may pass but with a token that was called active.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Fields, Outcome, Response};

use crate::vm;

#[test]
fn hostile_requests_end_no_vm_and_let_nobody_in() {
    // PWX-03, INT-36
    let mut random = Random(0x5eed);
    let (mut passed, mut refused) = (0, 0);
    for config in configurations() {
        let shadow = config["mode"] == "shadow";
        let mut vm = vm(&config);
        for n in 0..2500 {
            let head = random.head();
            let body: Vec<Vec<u8>> = (0..random.below(3)).map(|_| random.form()).collect();
            let body: Vec<&[u8]> = body.iter().map(Vec::as_slice).collect();
            let trailers = (random.below(4) == 0).then(|| vec![(random.name(), random.value())]);
            vm.allow_on_headers_stop_iteration(random.below(4) > 0);
            let stream = vm.request_with(&head, &body, trailers);
            let leaves = random.below(16) == 0;
            if leaves {
                vm.close(stream);
            }
            let mut active = false;
            for _ in 0..5 {
                for call in vm.calls() {
                    if random.below(5) == 0 {
                        vm.fail(call.id);
                    } else {
                        let response = random.response();
                        active |= response.body.windows(13).any(|part| part == b"\"active\":true");
                        vm.answer(call.id, &response);
                    }
                }
                vm.advance(Duration::from_millis(300));
            }
            for call in vm.calls() {
                vm.fail(call.id);
            }
            vm.advance(Duration::from_secs(15));
            for call in vm.calls() {
                vm.fail(call.id);
            }
            vm.clear_log();
            if leaves {
                continue;
            }
            let outcome = vm.outcome(stream);
            let shown = || format!("request {n}: {}\nwith {config}", show(&head));
            assert_ne!(outcome, Outcome::Paused, "{}", shown());
            if let Outcome::Forwarded(_) = outcome {
                assert!(active || shadow, "{}\nwent on", shown());
                passed += 1;
            } else {
                assert!(!shadow, "{}\nwas answered", shown());
                refused += 1;
            }
            vm.close(stream);
        }
    }
    assert!(passed > 500 && refused > 500, "{passed} passed, {refused} were refused: too tame");
}

#[test]
fn a_word_for_the_log_that_somebody_else_owns_ends_no_vm() {
    let mut vm = vm(&json!({"upstream": {"filter_state": true}}));
    for name in ["tollgate.verdict", "tollgate.reason", "tollgate.client_id"] {
        vm.take_property(name);
    }
    let nobody = vm.request(&tollgate_host::head("GET", "/orders", &[]));
    assert_eq!(crate::replied(&mut vm, nobody).status, 401);
    let client = vm.request(&crate::with_token("good"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(r#"{"active":true,"client_id":"app"}"#));
    crate::forwarded(&mut vm, client);
}

fn configurations() -> [Value; 5] {
    let everywhere = json!({
        "from_headers": [{"name": "authorization", "scheme": "Bearer"}, {"name": "x-access-token"}],
        "from_params": ["access_token"], "from_cookies": ["token"], "from_form": true,
        "max_length": 100, "max_form_bytes": 200,
    });
    let mut stripped = everywhere.clone();
    stripped["forward"] = json!(false);
    let upstream = json!({
        "claims_prefix": "x-agw-", "forward_payload_header": "x-claims",
        "claim_to_headers": [{"header_name": "x-client-id", "claim_name": "client_id"}],
    });
    let rules = json!([
        {"match": {"prefix": "/a"}, "requires": {"scopes": ["a", "b"]}},
        {"match": {"path_template": "/b/{id}", "methods": ["POST"]}, "requires": {"acr_values": ["x"], "max_age": "5m"}},
        {"match": {"safe_regex": "^/c/[0-9]+$"}, "requires": {"claims": [{"name": "a.b", "any_of": ["c"]}]}},
        {"match": {"path": "/d"}, "access": "deny"},
    ]);
    [
        json!({}),
        json!({"token": everywhere, "rules": rules, "upstream": upstream}),
        json!({
            "token": stripped, "rules": rules, "upstream": upstream,
            "providers": {"main": {"introspection": {"retries": 2, "fallback_clusters": ["as2"]}}},
            "responses": {"format": "auto", "cors_origins": ["https://a.example"]},
        }),
        json!({"token": everywhere, "responses": {"profile": "anypoint"}}),
        json!({"token": stripped, "rules": rules, "mode": "shadow", "upstream": upstream}),
    ]
}

/// A small generator: the same cases on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn of<'a>(&mut self, words: &[&'a [u8]]) -> &'a [u8] {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }

    /// Any bytes at all, mostly few, now and then many.
    fn bytes(&mut self) -> Vec<u8> {
        let bound = if self.below(50) == 0 { 70_000 } else { 40 };
        (0..self.below(bound)).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// Words of the trade, in a heap, with odd bytes among them.
    fn heap(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(7) {
            if self.below(8) == 0 {
                text.extend(self.bytes());
            } else {
                text.extend_from_slice(self.of(words));
            }
        }
        text
    }

    /// The host lets through only what is a field name.
    fn name(&mut self) -> Vec<u8> {
        let known = self.of(&[
            b"authorization",
            b"cookie",
            b"x-access-token",
            b"content-type",
            b"origin",
            b"accept",
            b"content-length",
            b"access-control-request-method",
            b"x-agw-sub",
            b"x_agw_sub",
            b"x-client-id",
            b"X-Claims",
            b"host",
            b"te",
        ]);
        if self.below(6) > 0 {
            return known.to_vec();
        }
        let tchar = b"!#$%&'*+-.^_`|~0aZ";
        (0..=self.below(20))
            .map(|_| tchar[usize::try_from(self.below(tchar.len() as u64)).unwrap()])
            .collect()
    }

    fn value(&mut self) -> Vec<u8> {
        let form: &[u8] = b"application/x-www-form-urlencoded";
        let words: [&[u8]; 22] = [
            b"Bearer",
            b"bearer ",
            b" ",
            b"  ",
            b"DPoP ",
            b"Basic ",
            b"good",
            b"a.b.c",
            b"=",
            b"==",
            b",",
            b";",
            b"\"",
            b"token=",
            b"access_token=",
            b"\t",
            b"application/grpc",
            form,
            b"https://a.example",
            b"null",
            b"\0",
            b"%00",
        ];
        self.heap(&words)
    }

    fn path(&mut self) -> Vec<u8> {
        let words: [&[u8]; 24] = [
            b"/",
            b"//",
            b"/a",
            b"/b",
            b"/c",
            b"/d",
            b"..",
            b".",
            b"/../",
            b"%2e",
            b"%2F",
            b"%",
            b"%zz",
            b"%00",
            b"\\",
            b";",
            b"?",
            b"&",
            b"access_token=",
            b"access_token",
            b"%61ccess_token=x",
            b"good",
            b"#",
            b"\xff",
        ];
        let mut path = b"/".to_vec();
        path.extend(self.heap(&words));
        path
    }

    fn form(&mut self) -> Vec<u8> {
        let words: [&[u8]; 8] = [b"access_token=", b"good", b"&", b"=", b"%", b"+", b"a=b", b"%26"];
        self.heap(&words)
    }

    fn head(&mut self) -> Fields {
        let mut head = Fields::new();
        let pseudo = |random: &mut Self, head: &mut Fields, name: &[u8], value: Vec<u8>| {
            if random.below(40) > 0 {
                head.push((name.to_vec(), value));
            }
        };
        let method = self.of(&[b"GET", b"POST", b"OPTIONS", b"HEAD", b"CONNECT", b"\xff", b""]).to_vec();
        pseudo(self, &mut head, b":method", method);
        let path = if self.below(8) == 0 { self.bytes() } else { self.path() };
        pseudo(self, &mut head, b":path", path);
        let authority =
            self.of(&[b"api.example.com", b"API.example.com:443", b"[::1]", b"", b"\xff"]).to_vec();
        pseudo(self, &mut head, b":authority", authority);
        let scheme = self.of(&[b"http", b"https", b"HTTPS", b"\xff"]).to_vec();
        pseudo(self, &mut head, b":scheme", scheme);
        if self.below(2) == 0 {
            head.push((b"authorization".to_vec(), b"Bearer good".to_vec()));
        }
        if self.below(6) == 0 {
            head.push((b"content-type".to_vec(), b"application/x-www-form-urlencoded".to_vec()));
        }
        for _ in 0..self.below(5) {
            let line = (self.name(), self.value());
            head.push(line);
        }
        head
    }

    fn response(&mut self) -> Response {
        let status = self.of(&[
            b"200", b"200", b"200", b"200", b"204", b"302", b"400", b"401", b"429", b"503", b"", b"2\xff",
        ]);
        let mut head = vec![(b":status".to_vec(), status.to_vec())];
        if self.below(8) > 0 {
            head.push((b"content-type".to_vec(), b"application/json".to_vec()));
        }
        if self.below(8) == 0 {
            let line =
                (self.of(&[b"retry-after", b"content-encoding", b"content-type"]).to_vec(), self.value());
            head.push(line);
        }
        let words: [&[u8]; 26] = [
            b"\"active\":true",
            b"\"active\":false",
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\"exp\":",
            b"\"nbf\":",
            b"\"aud\":",
            b"\"scope\":\"a b\"",
            b"\"client_id\":\"\\u0000\\ud800\"",
            b"1e999",
            b"-1",
            b"99999999999999999999",
            b"0.5",
            b"null",
            b"\"cnf\":{}",
            b"\"sub\":\"\\r\\n\"",
            b"\"iss\":7",
            b"\"auth_time\":",
            b"\"acr\":\"x\"",
            b"\"\\ud83d\"",
            b" ",
            b"\xff",
        ];
        let mut body = self.heap(&words);
        if self.below(2) == 0 {
            body = [b"{\"active\":true,\"a\":", body.as_slice(), b"}"].concat();
        }
        if self.below(4) == 0 {
            let claims = self.of(&[
                b"",
                b",\"scope\":\"a b\",\"sub\":\"\xc3\xa9\"",
                b",\"exp\":4e9",
                b",\"exp\":-1",
                b",\"aud\":[]",
                b",\"cnf\":{\"jkt\":\"x\"}",
                b",\"a\":{\"b\":\"c\"}",
                b",\"acr\":\"x\",\"auth_time\":1799999999",
            ]);
            body = [b"{\"active\":true", claims, b"}"].concat();
        }
        if self.below(60) == 0 {
            body = [b"[".repeat(100_000).as_slice(), &body].concat();
        }
        Response { head, body }
    }
}

fn show(head: &Fields) -> String {
    let text =
        |bytes: &[u8]| bytes.iter().take(200).map(|b| b.escape_ascii().to_string()).collect::<String>();
    let lines: Vec<_> =
        head.iter().map(|(name, value)| format!("  {}: {}", text(name), text(value))).collect();
    lines.join("\n")
}

#[test]
fn what_is_wrong_with_events_is_logged_once_a_minute_whoever_alternates() {
    // EVT-09: two sorts of error by turns, from anybody
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"});
    let mut vm = vm(&json!({
        "providers": {"main": {"issuer": "https://as.example.com", "jwks": {"inline": {"keys": [key]}}}},
        "revocation": {"events": [{"path": "/events", "audiences": ["receiver"]}]},
    }));
    vm.clear_log();
    let head = tollgate_host::head("POST", "/events", &[("content-type", "application/secevent+jwt")]);
    for n in 0..100 {
        let body: &[u8] = if n % 2 == 0 { b"a" } else { b"a.b.c" };
        let stream = vm.request_with(&head, &[body], None);
        assert_eq!(crate::replied(&mut vm, stream).status, 400);
        vm.close(stream);
    }
    assert_eq!(vm.log().len(), 2, "{:?}", vm.log());
}
