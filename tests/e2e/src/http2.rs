//! An HTTP/2 client without TLS: for gRPC, and for what HTTP/1.1 cannot say.

use std::time::Duration;

use bytes::Bytes;
use h2::client;
use h2::ext::Protocol;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use tokio::net::TcpStream;

use crate::message::latin1_text;

/// A request over HTTP/2.
#[derive(Clone, Debug)]
pub struct Http2Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    protocol: Option<&'static str>,
}

/// Its response.
#[derive(Clone, Debug)]
pub struct Http2Response {
    /// The status.
    pub status: u16,
    /// Header lines; the only ones of a trailers-only response.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the stream ended with the headers.
    pub ends_with_headers: bool,
}

impl Http2Request {
    /// A request without a body, to `api.example.com`.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            trailers: Vec::new(),
            protocol: None,
        }
    }

    /// A gRPC call with one empty message.
    pub fn grpc(path: &str) -> Self {
        Self { body: vec![0; 5], ..Self::new("POST", path) }
            .header("content-type", "application/grpc")
            .header("te", "trailers")
    }

    /// Extended CONNECT (RFC 8441).
    pub fn connect(protocol: &'static str, path: &str) -> Self {
        Self { protocol: Some(protocol), ..Self::new("CONNECT", path) }
    }

    /// Adds a header line; one that is there already stays beside it.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header line of bytes.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    /// Adds `authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a trailer line.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Sends it and reads the response.
    pub fn send(&self, port: u16) -> Http2Response {
        self.try_send(port).unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path))
    }

    /// Sends it and reads the response, if there is one.
    pub fn try_send(&self, port: u16) -> Result<Http2Response, h2::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, self.exchange(port)).await.expect("an answer in time")
        })
    }

    async fn exchange(&self, port: u16) -> Result<Http2Response, h2::Error> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let (client, connection) = client::handshake(stream).await?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut client = client.ready().await?;
        if self.protocol.is_some() {
            // The server's settings say whether it knows the method; they come a moment later.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let ends = self.body.is_empty() && self.trailers.is_empty() && self.protocol.is_none();
        let (response, mut stream) = client.send_request(self.head(), ends)?;
        if !self.body.is_empty() {
            let _ = stream.send_data(Bytes::from(self.body.clone()), self.trailers.is_empty());
        }
        if !self.trailers.is_empty() {
            let _ = stream.send_trailers(map(&self.trailers));
        }
        let (head, mut body) = response.await?.into_parts();
        let mut response = Http2Response {
            status: head.status.as_u16(),
            headers: lines(&head.headers),
            body: Vec::new(),
            ends_with_headers: body.is_end_stream(),
        };
        while let Some(data) = body.data().await {
            let data = data?;
            let _ = body.flow_control().release_capacity(data.len());
            response.body.extend(data);
        }
        Ok(response)
    }

    fn head(&self) -> Request<()> {
        let mut request = Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).expect("a method"))
            .uri(format!("http://api.example.com{}", self.path))
            .body(())
            .expect("a request");
        *request.headers_mut() = map(&self.headers);
        if let Some(protocol) = self.protocol {
            request.extensions_mut().insert(Protocol::from_static(protocol));
        }
        request
    }
}

impl Http2Response {
    /// All lines of that name, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| latin1_text(value)).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        latin1_text(&self.body)
    }
}

fn map(lines: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a name in lower case");
        map.append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    map
}

fn lines(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

const PATIENCE: Duration = Duration::from_secs(30);
