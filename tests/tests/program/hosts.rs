//! Two machines: namespaces of their own for network, names and processes, with nothing in common but a share.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bucket::server::SECRET;
use crate::bucket::{SHARE, keeping_conditions, set_environment};
use crate::sandbox::{Ran, SLOWER, Sandbox, Summary};

/// Set in the process that is the network between the machines.
const INSIDE: &str = "NAS_TEST_IS_NETWORK";

/// What is said of a test that cannot be done here.
const PASSED_OVER: &str = "two_machines_share_a_bucket is passed over";

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|ran| ran.status.success())
}

/// Runs this test binary again, for `test` alone, in a network of its own that other networks can be joined to. Says whether
/// this is the process that should do the work.
#[allow(clippy::print_stdout, reason = "what is passed over is said")]
fn in_a_network_of_its_own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount"]).arg(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", test, "--include-ignored", "--nocapture"]).env(INSIDE, "1").output();
    let said = ran.as_ref().map_or_else(ToString::to_string, |ran| {
        [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
    });
    assert!(
        ran.is_ok_and(|ran| ran.status.success()) && said.contains("1 passed"),
        "this test makes networks; run it as root, or allow user namespaces (unshare -rn)\n{said}"
    );
    if let Some(line) = said.lines().find(|line| line.contains(PASSED_OVER)) {
        println!("{line}");
    }
    false
}

/// A machine with this name: it does what a first line says, tells so by a file, and waits for a second before its program starts.
fn machine(name: &str, command: &Command) -> Child {
    let mut machine = Command::new("unshare");
    // `unshare` itself becomes the shell, so that its process is in the new network.
    machine.args(["--net", "--uts", "bash", "-c"]);
    machine.arg(
        "hostname \"$0\" && read line && eval \"$line\" && : >ready && read line && exec unshare --pid --fork --kill-child \"$@\"",
    );
    machine.arg(name).arg(command.get_program()).args(command.get_args());
    machine.current_dir(command.get_current_dir().unwrap());
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => machine.env(variable, value),
            None => machine.env_remove(variable),
        };
    }
    machine.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a machine is in a network of its own.
fn await_own_network(machine: &Child) {
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
    let begun = Instant::now();
    while network(&machine.id().to_string()) == network("self") {
        assert!(begun.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
}

/// Tells a machine what to do first.
fn set_up(machine: &mut Child, line: &str) {
    writeln!(machine.stdin.as_mut().unwrap(), "{line}").unwrap();
}

/// Lets a machine begin that has done it.
fn begin(machine: &mut Child) {
    writeln!(machine.stdin.take().unwrap()).unwrap();
}

/// Waits until a person's machine has done what it does first.
fn await_ready(person: &Sandbox) {
    let begun = Instant::now();
    while !person.path("ready").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(10));
    }
}

fn end(machine: Child) -> Summary {
    Ran::of(machine.wait_with_output().unwrap()).summary()
}

/// Who made what a run found.
fn people_behind(run: &Summary) -> Vec<String> {
    let nodes = run.json["nodes"].as_array().unwrap();
    let hits = nodes.iter().flat_map(|node| node["hits"].as_array().unwrap());
    hits.filter_map(|hit| hit["person"].as_str()).map(str::to_owned).collect()
}

/// What two machines come to that begin together, and a third behind them; `prepare` makes one.
fn hold_together(prepare: impl Fn(&Sandbox, &str, u8) -> Child) {
    let expected = Sandbox::new().run(&SLOWER);
    let people = [Sandbox::new(), Sandbox::new()];
    let machines = [("ada", 1), ("ben", 2)];
    let both = [0, 1].map(|number| prepare(&people[number], machines[number].0, machines[number].1));
    people.iter().for_each(await_ready);
    let both = both.map(|mut machine| {
        begin(&mut machine);
        machine
    });
    let runs = both.map(end);
    let trained: u64 = runs.iter().map(|run| run.run).sum();
    let said = runs.each_ref().map(|run| format!("{}\n{}", run.json["shares"], run.stderr));
    assert!((expected.run..=expected.run + 2).contains(&trained), "{trained} of {}: {said:#?}", expected.run);
    assert!(runs.iter().all(|run| run.run > 0 && run.result == expected.result));
    assert!(people_behind(&runs[0]).iter().any(|person| person.ends_with("@ben")), "{}", runs[0].json);
    assert!(people_behind(&runs[1]).iter().any(|person| person.ends_with("@ada")), "{}", runs[1].json);
    let person = Sandbox::new();
    let mut third = prepare(&person, "cy", 3);
    await_ready(&person);
    begin(&mut third);
    let third = end(third);
    assert_eq!((third.run, &third.result), (0, &expected.result));
}

#[test]
fn two_machines_share_a_folder() {
    if !in_a_network_of_its_own("hosts::two_machines_share_a_folder") {
        return;
    }
    let share = tempfile::tempdir().unwrap();
    let flag = format!("--share={}", share.path().display());
    hold_together(|person, name, _| {
        let arguments = [&SLOWER[..], &[&*flag]].concat();
        let mut machine = machine(name, &person.command(&Sandbox::run_arguments(&arguments)));
        set_up(&mut machine, "true");
        machine
    });
}

#[test]
fn two_machines_share_a_bucket() {
    if !in_a_network_of_its_own("hosts::two_machines_share_a_bucket") {
        return;
    }
    // With an address of its own: else it has the one of a cable, and another as soon as that machine is gone.
    let switch = "link add switch address 02:00:00:00:00:64 type bridge";
    if !(ip("link set lo up") && ip(switch) && ip("link set switch up")) {
        println!("{PASSED_OVER}: this kernel has no bridges, or `ip` (iproute2) is missing");
        return;
    }
    assert!(ip("addr add 10.77.0.100/24 dev switch"));
    let server = keeping_conditions("10.77.0.100:0");
    hold_together(|person, name, number| {
        let mut command = person.command(&Sandbox::run_arguments(&[&SLOWER[..], &[SHARE]].concat()));
        set_environment(&mut command, server.address, SECRET);
        let mut machine = machine(name, &command);
        let cable = format!("link add cable{number} type veth peer name eth netns {}", machine.id());
        await_own_network(&machine);
        assert!(ip(&cable), "{cable}");
        assert!(
            ip(&format!("link set cable{number} master switch")) && ip(&format!("link set cable{number} up"))
        );
        // A switch takes a moment until it lets a new cable speak.
        let server = format!("/dev/tcp/10.77.0.100/{}", server.address.port());
        let network = format!("ip addr add 10.77.0.{number}/24 dev eth && ip link set eth up");
        set_up(&mut machine, &format!("{network} && until (: <{server}) 2>/dev/null; do sleep 0.05; done"));
        machine
    });
}
