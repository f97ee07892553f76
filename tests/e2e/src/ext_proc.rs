//! A server for Envoy's `ext_proc` filter that lets everything pass as it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::{Buf, Bytes, BytesMut};
use h2::server::{self, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

/// The server. It runs until the process ends.
#[derive(Debug)]
pub struct ExternalProcessor {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl ExternalProcessor {
    /// Starts one.
    pub fn start() -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (tell, told) = mpsc::channel();
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell.send(listener.local_addr().expect("an address").port()).expect("somebody waits");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(connection(stream, Arc::clone(&count)));
                }
            });
        });
        Self { port: told.recv().expect("the server runs"), asked }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many messages it has answered since it was asked last.
    pub fn take(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

async fn connection(stream: TcpStream, asked: Arc<AtomicUsize>) {
    let Ok(mut connection) = server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(call(request, respond, Arc::clone(&asked)));
    }
}

/// One stream: a `ProcessingResponse` for each `ProcessingRequest`.
async fn call(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, asked: Arc<AtomicUsize>) {
    let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
    let Ok(mut sent) = respond.send_response(head, false) else { return };
    let mut body = request.into_body();
    let mut arrived = BytesMut::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        arrived.extend(data);
        while let Some(answer) = next_message(&mut arrived).and_then(|message| unchanged(&message)) {
            asked.fetch_add(1, Ordering::SeqCst);
            if !send(&mut sent, &answer) {
                return;
            }
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("a value"));
    let _ = sent.send_trailers(trailers);
}

/// The next whole gRPC message.
fn next_message(arrived: &mut BytesMut) -> Option<Bytes> {
    let length = arrived.get(1..5)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    if arrived.len() < length + 5 {
        return None;
    }
    arrived.advance(5);
    Some(arrived.split_to(length).freeze())
}

/// An empty answer of the kind that was asked for: `request_headers` is field 2 of the question and 1 of the
/// answer, and so are all others up to `response_trailers`, 7 and 6.
fn unchanged(message: &[u8]) -> Option<[u8; 2]> {
    let mut rest = message;
    while let Some((key, behind)) = rest.split_first() {
        let field = key >> 3;
        if (2..=7).contains(&field) {
            return Some([(field - 1) << 3 | 2, 0]);
        }
        // Nothing else that comes first is long, and all of it has a length or is one number.
        let length = if key & 7 == 2 { usize::from(*behind.first()?) } else { 0 };
        rest = behind.get(1 + length..)?;
    }
    None
}

fn send(stream: &mut SendStream<Bytes>, message: &[u8]) -> bool {
    let length = u8::try_from(message.len()).expect("a short message");
    let framed = [&[0, 0, 0, 0, length], message].concat();
    stream.send_data(Bytes::from(framed), false).is_ok()
}
