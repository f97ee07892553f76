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
    is_unfinished: bool,
    scheme: &'static str,
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
            is_unfinished: false,
            scheme: "http",
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

    /// With another scheme, whatever the connection is.
    #[must_use]
    pub fn scheme(self, scheme: &'static str) -> Self {
        Self { scheme, ..self }
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

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The token of its `authorization`, if it has one.
    pub fn token(&self) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(name, _)| name == "authorization")?;
        latin1_text(value).strip_prefix("Bearer ").map(str::to_owned)
    }

    /// The body is only begun: the request does not end by itself.
    #[must_use]
    pub fn unfinished(mut self, body: &[u8]) -> Self {
        (self.body, self.is_unfinished) = (body.to_vec(), true);
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
            let data = match data {
                Ok(data) => data,
                // What follows a CONNECT is no body, and ends as the upstream likes.
                Err(_) if self.protocol.is_some() && head.status.is_success() => break,
                Err(error) => return Err(error),
            };
            let _ = body.flow_control().release_capacity(data.len());
            response.body.extend(data);
        }
        Ok(response)
    }

    fn head(&self) -> Request<()> {
        let mut request = Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).expect("a method"))
            .uri(format!("{}://api.example.com{}", self.scheme, self.path))
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

/// Sends requests on one connection, as many at once as the server takes, and gives each up after its time, by
/// `RST_STREAM`. How many have got their response before.
///
/// # Panics
///
/// If the connection breaks, or if not all have ended in bounded time.
pub fn send_and_reset(port: u16, requests: &[(Http2Request, Duration)]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let all = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("a connection");
        let (client, connection) = client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let each = requests.iter().map(|(request, patience)| {
            let (client, request, patience) = (client.clone(), request.clone(), *patience);
            tokio::spawn(async move { request.give_up_after(client, patience).await })
        });
        let mut answered = 0;
        for one in each.collect::<Vec<_>>() {
            answered += usize::from(one.await.expect("a request"));
        }
        answered
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await.expect("an end in time") })
}

impl Http2Request {
    /// Sends it and gives it up after a while. Whether there was a response before.
    async fn give_up_after(&self, client: client::SendRequest<Bytes>, patience: Duration) -> bool {
        let mut client = client.ready().await.expect("the connection holds");
        let ends = self.body.is_empty() && !self.is_unfinished;
        let (response, mut stream) = client.send_request(self.head(), ends).expect("the connection holds");
        if !ends {
            let _ = stream.send_data(Bytes::from(self.body.clone()), !self.is_unfinished);
        }
        let in_time = tokio::time::timeout(patience, response).await;
        stream.send_reset(h2::Reason::CANCEL);
        match in_time {
            Ok(response) => response.is_ok(),
            Err(_) => false,
        }
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
