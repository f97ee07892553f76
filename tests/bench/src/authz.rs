//! The service that Envoy's `ext_authz` asks over gRPC: the best that such a service can be. It knows the token, always, and
//! says what the upstream is to be told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use prost::Message;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Serves until this process ends; says its port on standard output.
pub fn serve(token: &str) {
    crate::envoy::end_with_input();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        crate::say(&listener.local_addr().expect("its address").port().to_string());
        let known = HashMap::from([(format!("Bearer {token}"), ("app".to_owned(), "alice".to_owned()))]);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let service = Authorization(Arc::new(known));
        Server::builder().serve_with_incoming(service, incoming).await.expect("it serves");
    });
}

/// By credentials: the client and the user.
type Known = Arc<HashMap<String, (String, String)>>;

#[derive(Clone, Debug)]
struct Authorization(Known);

impl NamedService for Authorization {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl Service<http::Request<Body>> for Authorization {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let check = Check(Arc::clone(&self.0));
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(check, request).await) })
    }
}

struct Check(Known);

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = Ready<Result<Response<CheckResponse>, Status>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let head = request.into_inner().attributes.and_then(|all| all.request).and_then(|all| all.http);
        let credentials = head.as_ref().and_then(|head| head.headers.get("authorization"));
        let known = credentials.and_then(|credentials| self.0.get(credentials));
        ready(Ok(Response::new(match known {
            Some((client, user)) => CheckResponse::ok(&[("x-client-id", client), ("x-user", user)]),
            None => CheckResponse { status: Some(RpcStatus { code: 16 }), ok: None },
        })))
    }
}

// As much of `envoy/service/auth/v3` as that takes.

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<AttributeContext>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeContext {
    #[prost(message, optional, tag = "4")]
    request: Option<AttributeRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<RpcStatus>,
    #[prost(message, optional, tag = "3")]
    ok: Option<OkHttpResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct OkHttpResponse {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    header: Option<HeaderValue>,
    /// 2: overwrite if it exists, or add.
    #[prost(int32, tag = "3")]
    append_action: i32,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl CheckResponse {
    fn ok(fields: &[(&str, &String)]) -> Self {
        let option = |(key, value): &(&str, &String)| HeaderValueOption {
            header: Some(HeaderValue { key: (*key).to_owned(), value: (*value).clone() }),
            append_action: 2,
        };
        let headers = fields.iter().map(option).collect();
        Self { status: Some(RpcStatus { code: 0 }), ok: Some(OkHttpResponse { headers }) }
    }
}
