//! A server that speaks S3, and may meddle with what it is asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3ServiceBuilder, SharedS3Service};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const ACCESS: &str = "access";
pub(crate) const SECRET: &str = "secret";

/// A server with a bucket named `team`, until it is dropped. It accepts the condition that a name is free, and passes over it.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

/// What a server is asked.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    /// Whether it is to put only where the name is free.
    pub(crate) is_conditional: bool,
}

/// What it does then.
pub(crate) enum Answer {
    /// What it is asked.
    Usual,
    /// The same, but not at once.
    Later(Duration),
    /// A status, with the code of an S3 error.
    Error(u16, &'static str),
    /// This text.
    Text(String),
}

type Meddle = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

impl Server {
    pub(crate) fn start() -> Self {
        Self::meddling(|_| Answer::Usual)
    }

    pub(crate) fn meddling(meddle: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", meddle)
    }

    /// Over the folder of an earlier one.
    pub(crate) fn over(folder: TempDir, meddle: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(folder, "127.0.0.1:0", Arc::new(meddle))
    }

    /// At an address of this machine.
    pub(crate) fn on(address: &str, meddle: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("team")).unwrap();
        Self::serve(folder, address, Arc::new(meddle))
    }

    /// At an address of an earlier one.
    pub(crate) fn at(folder: TempDir, address: &str) -> Self {
        Self::serve(folder, address, Arc::new(|_: &Asked| Answer::Usual))
    }

    fn serve(folder: TempDir, address: &str, meddle: Meddle) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        let service = service.build().into_shared();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let (service, meddle) = (service.clone(), Arc::clone(&meddle));
                let answer = service_fn(move |request| answer(service.clone(), Arc::clone(&meddle), request));
                let connection = server.serve_connection(TokioIo::new(socket), answer).into_owned();
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { folder, address, runtime: Some(runtime) }
    }

    /// Its folder and address, to start it again.
    pub(crate) fn stop(mut self) -> (TempDir, String) {
        self.runtime.take().unwrap().shutdown_timeout(Duration::from_secs(5));
        let Self { folder, address, .. } = self;
        (folder, address.to_string())
    }
}

async fn answer(
    service: SharedS3Service,
    meddle: Meddle,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let asked = Asked {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        is_conditional: request.headers().contains_key("if-none-match"),
    };
    let with =
        |status: u16, text: String| hyper::Response::builder().status(status).body(Body::from(text)).unwrap();
    match meddle(&asked) {
        Answer::Usual => {}
        Answer::Later(time) => tokio::time::sleep(time).await,
        Answer::Error(status, code) => {
            return Ok(with(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")));
        }
        Answer::Text(text) => return Ok(with(200, text)),
    }
    Ok(service.as_ref().call(request.map(Body::from)).await.unwrap())
}
