//! A bucket that a team shares: a server that speaks S3, and servers that fail in every way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Child;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::sandbox::{Ran, SLOWER, Sandbox, Summary};

const SHARE: &str = "--share=s3://team/nas";
const ACCESS: &str = "access";
const SECRET: &str = "secret";

/// A server with a bucket named `team`, until it is dropped. It accepts the condition that a name is free, and passes over it.
struct Server {
    folder: TempDir,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("team")).unwrap();
        Self::serve(folder, "127.0.0.1:0")
    }

    fn serve(folder: TempDir, address: &str) -> Self {
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
                let connection = server.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { folder, address, runtime: Some(runtime) }
    }

    /// Its folder and address, to start it again.
    fn stop(mut self) -> (TempDir, String) {
        self.runtime.take().unwrap().shutdown_timeout(Duration::from_secs(5));
        let Self { folder, address, .. } = self;
        (folder, address.to_string())
    }
}

/// A person's run against a server at this address.
fn start(person: &Sandbox, address: SocketAddr, secret: &str, more: &[&str]) -> Child {
    let mut command = person.command(&Sandbox::run_arguments(&[more, &[SHARE]].concat()));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", "us-east-1");
    command.env("AWS_ENDPOINT", format!("http://{address}")).env("NO_PROXY", "127.0.0.1").spawn().unwrap()
}

fn run(person: &Sandbox, address: SocketAddr, more: &[&str]) -> Summary {
    Ran::of(start(person, address, SECRET, more).wait_with_output().unwrap()).summary()
}

fn said(run: &Summary, name: &str) -> u64 {
    run.json["shares"][0][name].as_u64().unwrap()
}

/// What an undisturbed run finds.
fn alone() -> &'static (u64, String) {
    static ALONE: OnceLock<(u64, String)> = OnceLock::new();
    ALONE.get_or_init(|| {
        let run = Sandbox::new().run(&[]);
        (run.run, run.result)
    })
}

#[test]
fn bucket_the_second_person_trains_nothing() {
    let server = Server::start();
    let (ada, ben) = (Sandbox::new(), Sandbox::new());
    let first = run(&ada, server.address, &[]);
    assert!(
        said(&first, "put") > first.run && said(&first, "waiting") == 0,
        "{}{}",
        first.json,
        first.stderr
    );
    let second = run(&ben, server.address, &[]);
    assert_eq!((second.run, &second.result), (0, &first.result), "{}", second.stderr);
    assert!(server.folder.path().join("team/nas/training").is_dir());
    // Nothing is left of what found out how the bucket puts, nor of leases.
    for left in ["probes", "leases", "owners"] {
        let files = std::fs::read_dir(server.folder.path().join("team/nas").join(left)).into_iter().flatten();
        let files: Vec<_> = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        assert!(files.is_empty(), "{files:?}");
    }
}

#[test]
fn bucket_people_who_begin_together_share_the_work() {
    let expected = Sandbox::new().run(&SLOWER);
    let server = Server::start();
    let people = [Sandbox::new(), Sandbox::new()];
    let children = people.each_ref().map(|person| start(person, server.address, SECRET, &SLOWER));
    let runs = children.map(|child| Ran::of(child.wait_with_output().unwrap()).summary());
    let trained: u64 = runs.iter().map(|run| run.run).sum();
    let said: Vec<_> = runs.iter().map(|run| format!("{}\n{}", run.json["shares"], run.stderr)).collect();
    // This server passes over the condition that a name is free, so that at one moment both may claim the same.
    assert!((expected.run..=expected.run + 6).contains(&trained), "{trained} of {}: {said:#?}", expected.run);
    assert!(runs.iter().all(|run| run.result == expected.result));
}

#[test]
fn bucket_that_is_down_gets_later_what_it_missed() {
    let (folder, address) = Server::start().stop();
    let ada = Sandbox::new();
    let first = run(&ada, address.parse().unwrap(), &[]);
    assert_eq!((first.run, &first.result), (alone().0, &alone().1));
    assert_eq!(first.stderr.matches("cannot be used now").count(), 1, "{}", first.stderr);
    assert!(said(&first, "waiting") > first.run && said(&first, "put") == 0, "{}", first.json);
    let server = Server::serve(folder, &address);
    let again = run(&ada, server.address, &[]);
    assert!(
        again.run == 0 && said(&again, "waiting") == 0 && said(&again, "put") > first.run,
        "{}",
        again.json
    );
    assert_eq!(run(&Sandbox::new(), server.address, &[]).run, 0);
}

#[test]
fn bucket_that_forbids_is_done_without() {
    let server = Server::start();
    let person = Sandbox::new();
    let child = start(&person, server.address, "another secret", &[]);
    let run = Ran::of(child.wait_with_output().unwrap()).summary();
    assert_eq!((run.run, &run.result), (alone().0, &alone().1));
    let said = run.stderr.matches("the share s3://team/nas").count();
    assert!((1..=2).contains(&said), "{}", run.stderr);
}

/// Answers every request with the same bytes, and more of them without end.
fn endless(head: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { continue };
            thread::spawn(move || {
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.write_all(head.as_bytes());
                // The other side hangs up, at the latest when it ends.
                while socket.write_all(b"1000\r\n").is_ok()
                    && socket.write_all(&[b'x'; 0x1000]).is_ok()
                    && socket.write_all(b"\r\n").is_ok()
                {}
            });
        }
    });
    address
}

#[test]
fn bucket_that_answers_without_end_is_done_without() {
    for head in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: x\r\n\r\n",
        "nothing that a server would say\r\n\r\n",
    ] {
        let begun = Instant::now();
        let run = run(&Sandbox::new(), endless(head), &[]);
        assert_eq!((run.run, &run.result), (alone().0, &alone().1));
        assert!(run.stderr.contains("s3://team/nas"), "{}", run.stderr);
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }
}

#[test]
fn bucket_urls_that_are_none_are_named() {
    for (url, part) in [("ftp://team/nas", "no kind of share"), ("s3://", "s3://"), ("https://", "https://")]
    {
        let run = Sandbox::new().run(&[&format!("--share={url}")]);
        assert_eq!(run.run, alone().0);
        assert!(run.stderr.contains("is not used as a share") && run.stderr.contains(part), "{}", run.stderr);
    }
}
