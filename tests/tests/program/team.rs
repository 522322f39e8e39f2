//! People who share a folder: what one has trained the others find, and at the same time they share the work.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::{Ran, Random, SLOWER, Sandbox, Summary};

/// A share, and a sandbox for each person.
struct Team {
    people: Vec<Sandbox>,
    share: PathBuf,
}

impl Team {
    fn new(people: usize) -> Self {
        let people: Vec<Sandbox> = (0..people).map(|_| Sandbox::new()).collect();
        let share = people[0].path("share");
        fs::create_dir(&share).unwrap();
        Self { people, share }
    }

    fn flag(&self) -> String {
        format!("--share={}", self.share.display())
    }

    fn run(&self, person: usize, more: &[&str]) -> Summary {
        self.people[person].run(&[more, &[&self.flag()]].concat())
    }

    fn start(&self, person: usize, more: &[&str]) -> Child {
        self.people[person].start(&[more, &[&self.flag()]].concat())
    }

    /// Of the only share, what a run says.
    fn said(run: &Summary, name: &str) -> u64 {
        run.json["shares"][0][name].as_u64().unwrap()
    }
}

fn end(child: Child) -> Summary {
    Ran::of(child.wait_with_output().unwrap()).summary()
}

#[test]
fn the_second_person_trains_nothing() {
    let team = Team::new(2);
    let first = team.run(0, &[]);
    assert!(first.run > 10);
    // Trainings, outputs of nodes, and the run itself.
    assert!(Team::said(&first, "put") > first.run && Team::said(&first, "waiting") == 0, "{}", first.json);
    let second = team.run(1, &[]);
    assert_eq!((second.run, &second.result), (0, &first.result));
    assert!(Team::said(&second, "found") > 0 && Team::said(&second, "refused") == 0, "{}", second.json);
    assert!(second.stderr.contains(&format!("share {}", team.share.display())), "{}", second.stderr);
    // Every hit says where it came from.
    let place = team.share.display().to_string();
    for node in second.json["nodes"].as_array().unwrap() {
        let hits = node["hits"].as_array().unwrap();
        assert!(node["state"] == "cached" && hits.len() == 1 && hits[0]["records"] == 1, "{node}");
        assert!(hits[0]["found_in"] == *place && hits[0]["person"].as_str().unwrap().contains('@'), "{node}");
    }
    let listed = team.people[1].program(&["log", "--json"]).succeeded().json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1, "{listed}");
    let listed = team.people[1].program(&["log", "--team", "--json", &team.flag()]).succeeded().json();
    let ids = listed["runs"].as_array().unwrap().iter().map(|run| run["run"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), [second.json["run"].clone(), first.json["run"].clone()]);
    let table = team.people[1].program(&["log"]).succeeded().stdout;
    assert!(table.contains(" by\n") && table.contains('@'), "{table}");
    // From then on it is in the second person's own folder.
    let alone = team.people[1].run(&[]);
    assert_eq!((alone.run, &alone.result), (0, &first.result));
    // One more architecture needs the trainings themselves, and trains it alone.
    let more = ["--set=architectures.count=4"];
    let (fresh, grown) = (Sandbox::new().run(&more), team.run(1, &more));
    assert_eq!(grown.result, fresh.result);
    assert!(grown.run + first.run >= fresh.run && grown.run < fresh.run, "{} of {}", grown.run, fresh.run);
    let hits = |node: &serde_json::Value| -> u64 {
        node["hits"].as_array().unwrap().iter().map(|hit| hit["records"].as_u64().unwrap()).sum()
    };
    for node in grown.json["nodes"].as_array().unwrap().iter().filter(|node| node["state"] == "ran") {
        assert_eq!(node["trainings"]["cached"], hits(node), "{node}");
    }
    let stats = team.people[1].program(&["cache", "stats", "--json"]).succeeded().json();
    let found = &stats["found_in"][&*place];
    assert!(found.as_u64().unwrap() > 0 && stats["outgoing"] == 0, "{stats}");
    let text = team.people[1].program(&["cache", "stats"]).succeeded().stdout;
    assert!(text.contains("of the trainings found in"), "{text}");
    let key = team.people[0].trainings().into_keys().next().unwrap();
    if let Some(shared) = team.people[1].trainings().keys().find(|shared| **shared == key) {
        let explained =
            team.people[1].program(&["explain", shared, "--config", "tiny.toml"]).succeeded().stdout;
        assert!(explained.contains(", by ") && explained.contains("found in"), "{explained}");
    }
    for person in &team.people {
        person.assert_verified();
    }
}

#[test]
fn people_who_begin_together_train_each_job_once() {
    let alone = Sandbox::new().run(&SLOWER);
    let team = Team::new(3);
    // The third has two processes on one folder.
    let children = [0, 1, 2, 2].map(|person| team.start(person, &SLOWER));
    let runs = children.map(end);
    let trained: u64 = runs.iter().map(|run| run.run).sum();
    assert!((alone.run..=alone.run + 2).contains(&trained), "{trained} trainings of {}", alone.run);
    assert!(runs.iter().all(|run| run.result == alone.result));
    let status = team.people[0].program(&["status", "--team", "--json", &team.flag()]).succeeded().json();
    assert_eq!(status["training"].as_array().unwrap().len(), 0, "{status}");
    for person in 0..3 {
        let again = team.run(person, &SLOWER);
        assert_eq!((again.run, &again.result), (0, &alone.result));
        team.people[person].assert_verified();
    }
}

#[test]
fn people_who_are_killed_again_and_again_come_to_an_end() {
    let alone = Sandbox::new().run(&SLOWER);
    let (team, mut random) = (Team::new(2), Random(5));
    for _ in 0..6 {
        let children = [0, 1, 1].map(|person| team.start(person, &SLOWER));
        thread::sleep(Duration::from_millis(200 + random.below(600)));
        for mut child in children {
            child.kill().unwrap();
            Ran::of(child.wait_with_output().unwrap());
        }
    }
    // What the dead held is taken over, at the latest after a lease.
    let begun = Instant::now();
    let runs = [0, 1].map(|person| team.start(person, &SLOWER)).map(end);
    assert!(begun.elapsed() < Duration::from_secs(150), "{:?}", begun.elapsed());
    assert!(runs.iter().all(|run| run.result == alone.result));
    for person in 0..2 {
        assert_eq!(team.run(person, &SLOWER).run, 0);
        // What others came to needs no training here.
        assert!(team.people[person].trainings().len() as u64 <= alone.run);
        team.people[person].assert_verified();
    }
    let pulled = Sandbox::new().program(&["cache", "pull", "--json", &team.flag()]).succeeded().json();
    assert_eq!(pulled["shares"][0]["left"], 0, "nothing in the share is damaged: {pulled}");
}

#[test]
fn one_training_that_several_ask_for_at_once_is_done_once() {
    let team = Team::new(2);
    let flag = team.flag();
    let train = |person: usize| {
        let arguments =
            ["train", "--genotype=DARTS_V2", "--budget=BPE-1,epochs=3,layers=3", "--device=cpu", "--json"];
        let arguments = [&arguments[..], &[&*flag]].concat();
        team.people[person].command(&arguments).spawn().unwrap()
    };
    // Two of them are one person's.
    let all = [0, 1, 1].map(train).map(|child| Ran::of(child.wait_with_output().unwrap()).succeeded());
    let cached: Vec<bool> = all.iter().map(|ran| ran.json()["cached"] == true).collect();
    assert_eq!(cached.iter().filter(|&&cached| !cached).count(), 1, "{cached:?}");
    assert!(all.iter().any(|ran| ran.stderr.contains("waiting for another process")), "{}", all[1].stderr);
    assert!(all.iter().all(|ran| ran.json()["accuracy"] == all[0].json()["accuracy"]));
    for ran in all.iter().filter(|ran| ran.json()["cached"] == true) {
        assert!(ran.json()["origin"]["person"].as_str().unwrap().contains('@'), "{}", ran.stdout);
    }
    let place = team.share.display().to_string();
    let third = Sandbox::new();
    let arguments = ["train", "--genotype=DARTS_V2", "--budget=BPE-1,epochs=3,layers=3", "--device=cpu"];
    let found = third.program(&[&arguments[..], &[&*flag]].concat()).succeeded().stdout;
    assert!(found.contains(&format!("from the cache (found in {place}, by ")), "{found}");
}

#[test]
fn what_waits_for_a_share_that_is_used_no_more_is_forgotten() {
    let team = Team::new(1);
    let person = &team.people[0];
    let gone = person.path("gone").display().to_string();
    person.run(&[&format!("--share={gone}")]);
    let stats = || person.program(&["cache", "stats", "--json"]).succeeded().json();
    let waiting = stats()["outgoing_to"][&gone].as_u64().unwrap();
    assert!(waiting > 0 && stats()["outgoing"] == waiting, "{}", stats());
    assert!(person.program(&["cache", "stats"]).succeeded().stdout.contains(&format!("waiting for {gone}")));
    let forgotten = person.program(&["cache", "rm", "--outgoing", &gone, "--json"]).succeeded().json();
    assert_eq!((&forgotten["forgotten"], &stats()["outgoing"]), (&waiting.into(), &0.into()));
    assert_eq!(person.run(&[]).run, 0, "what is in the cache stays");
    let again = person.program(&["cache", "rm", "--outgoing", &gone]);
    assert!(again.code == Some(2) && again.stderr.contains("nothing waits"), "{}", again.stderr);
}

#[test]
fn who_trains_what_is_told_while_it_goes_on() {
    let team = Team::new(2);
    let mut child = team.start(0, &SLOWER);
    let begun = Instant::now();
    loop {
        let text = team.people[1].program(&["status", "--team", &team.flag()]).succeeded().stdout;
        if text.contains("Genotype(") {
            assert!(text.contains("epochs=") && text.contains('@'), "{text}");
            break;
        }
        let is_running = child.try_wait().unwrap().is_none();
        assert!(is_running && begun.elapsed() < Duration::from_secs(60), "{text}");
    }
    end(child);
}

#[test]
fn keys_are_made_trusted_and_revoked() {
    let team = Team::new(3);
    let key = |person: usize| {
        let made = team.people[person].program(&["cache", "keygen", "--json"]).succeeded().json();
        made["public_key"].as_str().unwrap().to_owned()
    };
    let own = key(0);
    assert_eq!(own, key(0), "there is one");
    let first = team.run(0, &[]);

    let strict = ["--trust=require"];
    let unknown = team.run(1, &strict);
    assert_eq!((unknown.run, &unknown.result), (first.run, &first.result), "a stranger's are trained again");
    assert!(unknown.stderr.contains("its producer is not trusted"), "{}", unknown.stderr);
    team.people[2].program(&["cache", "trust", &own, "--name", "the first"]).succeeded();
    let listed = team.people[2].program(&["cache", "trust"]).succeeded().stdout;
    assert!(listed.contains(&format!("trusted {own} the first")), "{listed}");
    assert_eq!(team.run(2, &strict).run, 0, "a friend's are not");

    let revoked = team.people[2].program(&["cache", "revoke", "--producer", &own]).succeeded().stdout;
    assert!(revoked.contains(&format!("revoked {own} the first")), "{revoked}");
    fs::remove_dir_all(team.people[2].cache()).unwrap();
    // Whatever the policy; what the second person has put beside it is not signed.
    let last = team.run(2, &[]);
    assert!(last.stderr.contains("is trusted no more"), "{}", last.stderr);
    assert_eq!((last.run, &last.result), (0, &first.result));

    let bad = team.people[2].program(&["cache", "trust", "12"]);
    assert!(bad.code == Some(2) && bad.stderr.contains("public key"), "{}", bad.stderr);
    team.people[2].write("config/nas-pipeline/trusted", "trust everyone\n");
    let ran = team.people[2].program(&Sandbox::run_arguments(&[&team.flag()]));
    assert!(ran.code == Some(1) && ran.stderr.contains("line 1"), "{}", ran.stderr);
}

#[test]
fn shares_are_named_by_flag_environment_and_configuration() {
    let team = Team::new(1);
    let person = &team.people[0];
    let missing = person.program(&["cache", "push"]);
    assert!(missing.code == Some(2) && missing.stderr.contains("--share"), "{}", missing.stderr);
    let unknown = person.program(&["cache", "push", &team.flag(), "--trust=everyone"]);
    assert_eq!(unknown.code, Some(2));
    let bad = person.program(&Sandbox::run_arguments(&["--set=share.trust=often"]));
    assert!(bad.code == Some(2) && bad.stderr.contains("share.trust"), "{}", bad.stderr);

    let set = format!("--set=share.places=['{}']", team.share.display());
    let first = person.run(&[&set]);
    assert!(Team::said(&first, "put") > 0);
    let run = |share: &str| {
        let other = Sandbox::new();
        let mut command = other.command(&Sandbox::run_arguments(&[]));
        command.env("NAS_SHARE", share);
        Ran::of(command.output().unwrap()).summary()
    };
    let place = team.share.display().to_string();
    assert_eq!(run(&place).run, 0);
    // One that is not there is done without, and another after it is used.
    let both = run(&format!("/nowhere/at/all, {place}"));
    assert_eq!(both.run, 0);
    assert!(both.stderr.contains("the share /nowhere/at/all cannot be used now"), "{}", both.stderr);
}

#[test]
fn two_runs_are_compared_a_colleagues_too() {
    let team = Team::new(2);
    let first = team.run(0, &["--set=mip.lambda=0.3"]);
    let second = team.run(1, &[]);
    let id = |run: &Summary| run.json["run"].as_str().unwrap()[..12].to_owned();
    let arguments = ["explain", "--runs", &id(&first), &id(&second)];
    let explain = |more: &[&str]| team.people[1].program(&[&arguments[..], more].concat());
    let alone = explain(&[]);
    assert!(alone.code == Some(2) && alone.stderr.contains(&id(&first)), "{}", alone.stderr);
    let text = explain(&[&team.flag()]).succeeded().stdout;
    assert!(text.contains("select-budget: mip.lambda: 0.3 -> 0.1") && text.contains(" by "), "{text}");
    let json = explain(&[&team.flag(), "--json"]).succeeded().json();
    assert_eq!((&json["runs"][0]["run"], &json["runs"][1]["run"]), (&first.json["run"], &second.json["run"]));
    assert!(json["nodes"].as_array().unwrap().iter().any(|node| node["node"] == "select-budget"), "{json}");
    // It was kept when it was found.
    let same = team.people[1].program(&["explain", "--runs", &id(&first), &id(&first)]).succeeded().stdout;
    assert!(same.contains("nothing differs"), "{same}");
    assert_eq!(team.people[1].program(&["explain"]).code, Some(2));
}
