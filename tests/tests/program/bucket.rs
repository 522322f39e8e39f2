//! A bucket that a team shares: a server that speaks S3, and servers that fail in every way.

mod failing;
pub(crate) mod server;

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use server::{ACCESS, Answer, SECRET, Server};

use crate::sandbox::{Ran, SLOWER, Sandbox, Summary};

pub(crate) const SHARE: &str = "--share=s3://team/nas";

/// A person's run against a server at this address.
fn start(person: &Sandbox, address: SocketAddr, secret: &str, more: &[&str]) -> Child {
    let mut command = person.command(&Sandbox::run_arguments(&[more, &[SHARE]].concat()));
    set_environment(&mut command, address, secret);
    command.spawn().unwrap()
}

/// Has a program speak to a server at this address, and to no other.
pub(crate) fn set_environment(command: &mut Command, address: SocketAddr, secret: &str) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", "us-east-1");
    command.env("AWS_ENDPOINT", format!("http://{address}")).env("NO_PROXY", address.ip().to_string());
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

/// A server that keeps the condition that a name is free: of two puts that race, the second is refused, and that at once, while
/// the first one's object is still being written.
pub(crate) fn keeping_conditions(address: &str) -> Server {
    let taken = Mutex::new(std::collections::HashSet::new());
    Server::on(address, move |asked| {
        let mut taken = taken.lock().unwrap();
        match asked.method {
            "DELETE" => drop(taken.remove(asked.path)),
            "PUT" if !taken.insert(asked.path.to_owned()) && asked.is_conditional => {
                return Answer::Error(412, "PreconditionFailed");
            }
            "PUT" if asked.is_conditional => return Answer::Later(Duration::from_millis(60)),
            _ => {}
        }
        Answer::Usual
    })
}

#[test]
fn bucket_that_keeps_conditions_has_each_job_trained_once() {
    let expected = Sandbox::new().run(&SLOWER);
    let server = keeping_conditions("127.0.0.1:0");
    let people = [Sandbox::new(), Sandbox::new()];
    let children = people.each_ref().map(|person| start(person, server.address, SECRET, &SLOWER));
    let runs = children.map(|child| Ran::of(child.wait_with_output().unwrap()).summary());
    let trained: u64 = runs.iter().map(|run| run.run).sum();
    assert!((expected.run..=expected.run + 2).contains(&trained), "{trained} of {}", expected.run);
    assert!(runs.iter().all(|run| run.result == expected.result));
}

#[test]
fn bucket_that_takes_a_while_for_everything_is_used() {
    let server = Server::meddling(|_| Answer::Later(Duration::from_millis(100)));
    let first = run(&Sandbox::new(), server.address, &[]);
    assert_eq!((first.run, &first.result), (alone().0, &alone().1));
    let second = run(&Sandbox::new(), server.address, &[]);
    assert_eq!((second.run, &second.result), (0, &first.result), "{}", second.stderr);
}
