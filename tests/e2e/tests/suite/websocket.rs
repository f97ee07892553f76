//! Tokens that browsers offer as protocols.

use serde_json::json;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::World;

#[test]
fn a_browser_gets_its_websocket_over_http_1_and_2() {
    // BRR-35
    let world = World::start(
        Stage::new().policy("protocol", json!({"token": {"from_websocket_protocol": "bearer"}})),
    );
    let port = world.port("protocol");
    for (name, offered, left) in [
        ("the token alone", "bearer, hush-good", None),
        ("and another protocol", "bearer, hush-good, chat", Some("chat")),
    ] {
        world.server.on("hush-good", [Behaviour::active("read"), Behaviour::active("read")]);
        let over_1 = upgrade().header("Sec-WebSocket-Protocol", offered).send(port);
        assert_eq!(over_1.status(), 101, "{name}");
        assert_eq!(over_1.all("sec-websocket-protocol"), ["bearer"], "{name}");
        let over_2 = Http2Request::connect("websocket", "/any").header("sec-websocket-protocol", offered);
        let over_2 = over_2.send(port);
        assert_eq!(over_2.status, 200, "{name}: extended CONNECT");
        assert_eq!(over_2.all("sec-websocket-protocol"), ["bearer"], "{name}: extended CONNECT");
        let seen = world.upstream.take();
        assert_eq!(seen.len(), 2, "{name}");
        for request in seen {
            assert_eq!(request.all("sec-websocket-protocol"), Vec::from_iter(left), "{name}");
            assert!(!request.whole().contains("hush"), "{name}: {}", request.whole());
        }
    }
    for (name, offered, status) in [("a bad token", "bearer, hush-bad", 401), ("no token", "bearer", 400)] {
        world.server.on("hush-bad", [Behaviour::json(r#"{"active":false}"#)]);
        let refused = upgrade().header("Sec-WebSocket-Protocol", offered).send(port);
        assert_eq!(refused.status(), status, "{name}");
        assert!(refused.all("sec-websocket-protocol").is_empty(), "{name}");
    }
    assert!(world.upstream.take().is_empty());
    world.envoy.assert_clean_log(&["hush"]);
}

fn upgrade() -> Request {
    Request::get("/any")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}
