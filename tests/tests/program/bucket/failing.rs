//! Buckets that are down, full, slow, without end, or forbid, and servers that are none: a run does without them, and says so once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::server::{Answer, Server};
use super::{alone, run, said, start};
use crate::sandbox::{Ran, Sandbox};

#[test]
fn bucket_that_is_down_gets_later_what_it_missed() {
    let (folder, address) = Server::start().stop();
    let ada = Sandbox::new();
    let first = run(&ada, address.parse().unwrap(), &[]);
    assert_eq!((first.run, &first.result), (alone().0, &alone().1));
    assert_eq!(first.stderr.matches("cannot be used now").count(), 1, "{}", first.stderr);
    assert!(said(&first, "waiting") > first.run && said(&first, "put") == 0, "{}", first.json);
    let server = Server::at(folder, &address);
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

#[test]
fn bucket_that_is_full_is_read_all_the_same() {
    let server = Server::start();
    let first = run(&Sandbox::new(), server.address, &[]);
    let mut folder = server.stop().0;
    for (status, code) in
        [(507, "XMinioStorageFull"), (403, "QuotaExceeded"), (400, "XMinioAdminBucketQuotaExceeded")]
    {
        let full = Server::over(folder, move |asked| match asked.method {
            "PUT" => Answer::Error(status, code),
            _ => Answer::Usual,
        });
        let second = run(&Sandbox::new(), full.address, &["--set=architectures.count=4"]);
        assert!(said(&second, "found") > 0 && said(&second, "waiting") > 0, "{}", second.json);
        assert!(second.run > 0 && second.run < first.run, "{} of {}", second.run, first.run);
        assert_eq!(second.stderr.matches("has no room").count(), 1, "{}", second.stderr);
        folder = full.stop().0;
    }
}

/// What a service says to a person whose clock is a day off.
#[test]
fn bucket_with_another_clock_is_done_without() {
    let server = Server::meddling(|_| Answer::Error(403, "RequestTimeTooSkewed"));
    let run = run(&Sandbox::new(), server.address, &[]);
    assert_eq!((run.run, &run.result), (alone().0, &alone().1));
    assert!(run.stderr.contains("RequestTimeTooSkewed"), "{}", run.stderr);
    assert!(run.stderr.matches("the share s3://team/nas").count() <= 2, "{}", run.stderr);
}

/// A listing of as many names as anybody asks for.
#[test]
fn bucket_whose_listings_do_not_end_holds_nobody_up() {
    let server = Server::meddling(|asked| {
        if asked.method != "GET" || !asked.query.contains("list-type=2") {
            return Answer::Usual;
        }
        let object = |number: u64| {
            format!(
                "<Contents><Key>nas/leases/training-{number:064x}.1</Key><Size>1</Size>\
                 <LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
            )
        };
        let page: Vec<String> = (0..1000).map(object).collect();
        Answer::Text(format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>{}\
             </ListBucketResult>",
            page.concat()
        ))
    });
    // Somebody else has made it a share.
    std::fs::create_dir_all(server.folder.path().join("team/nas")).unwrap();
    std::fs::write(server.folder.path().join("team/nas/format"), "nas-pipeline share 1 bucket\n").unwrap();
    let (person, begun) = (Sandbox::new(), Instant::now());
    let first = run(&person, server.address, &[]);
    assert_eq!((first.run, &first.result), (alone().0, &alone().1));
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
    assert_eq!(run(&Sandbox::new(), server.address, &[]).run, 0, "what it holds is found by its name");
}

/// A server that answers every request on a thread of its own, by writing what `answer` does.
fn answering(answer: impl Fn(&mut TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { continue };
            let answer = answer.clone();
            thread::spawn(move || {
                let _ = socket.read(&mut [0; 4096]);
                answer(&mut socket);
            });
        }
    });
    address
}

/// Answers every request with a byte a second.
fn dripping() -> SocketAddr {
    answering(|socket| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";
        let _ = socket.write_all(head.as_bytes());
        while socket.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    })
}

/// A run waits once for a server that does not answer in time, says so once, and does without.
fn hold_late(address: SocketAddr) {
    let begun = Instant::now();
    let run = run(&Sandbox::new(), address, &[]);
    assert_eq!((run.run, &run.result), (alone().0, &alone().1));
    assert_eq!(run.stderr.matches("it takes longer than").count(), 1, "{}", run.stderr);
    assert!(begun.elapsed() < Duration::from_secs(75), "{:?}", begun.elapsed());
}

#[test]
fn bucket_that_hangs_after_its_stamp_is_done_without() {
    let server = Server::meddling(|asked| {
        let is_record = asked.method == "GET" && asked.path.contains("/training/");
        if is_record { Answer::Later(Duration::from_secs(120)) } else { Answer::Usual }
    });
    hold_late(server.address);
}

#[test]
fn bucket_that_answers_a_byte_a_second_is_done_without() {
    hold_late(dripping());
}

/// Answers every request with the same bytes, and more of them without end.
fn endless(head: &'static str) -> SocketAddr {
    answering(move |socket| {
        let _ = socket.write_all(head.as_bytes());
        // The other side hangs up, at the latest when it ends.
        while socket.write_all(b"1000\r\n").is_ok()
            && socket.write_all(&[b'x'; 0x1000]).is_ok()
            && socket.write_all(b"\r\n").is_ok()
        {}
    })
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
