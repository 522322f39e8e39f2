//! Who computes what, of a team.

use super::*;

#[test]
fn a_key_is_one_persons_to_compute_and_the_next_finds_the_result() {
    let team = Team::new();
    let (ada, ben) = (team.open("ada"), team.open("ben"));
    let key = record(1).key;
    let Claim::Granted(claim) = ada.claim(&key, || "a training\u{1b}[2J".to_owned()) else { panic!("free") };
    assert!(matches!(ben.claim(&key, String::new), Claim::Taken));
    assert!(matches!(ben.claim(&record(2).key, String::new), Claim::Granted(_)), "another is free");
    // Which was given up again.
    report(&ben);
    let held = ben.team();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((&*held[0].person, &*held[0].about), ("ada", "a training[2J"));
    ada.put(&record(1)).unwrap();
    drop(claim);
    let begun = Instant::now();
    let claim = loop {
        match ben.claim(&key, String::new) {
            Claim::Granted(claim) => break claim,
            Claim::Taken => assert!(begun.elapsed() < WAIT),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    // It is given up when the share has the result, and not before.
    assert!(ben.get_latest(&key).unwrap().is_some());
    drop(claim);
    report(&ben);
    assert!(ben.team().is_empty());
    assert_eq!(leases(&team.share()), 0);
}

fn leases(share: &Path) -> usize {
    fs::read_dir(share.join("leases")).map_or(0, Iterator::count)
}

#[test]
fn the_lease_of_one_who_is_gone_is_taken_over() {
    let team = Team::new();
    let (ada, ben) = (team.open("ada"), team.open("ben"));
    let Claim::Granted(claim) = ada.claim(&record(1).key, String::new) else { panic!("free") };
    assert!(matches!(ben.claim(&record(1).key, String::new), Claim::Taken));
    // As where somebody else has taken it for dead: its life sign is gone.
    fs::remove_dir_all(team.share().join("owners")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let Claim::Granted(taken_over) = ben.claim(&record(1).key, String::new) else { panic!("free again") };
    // It only slept, and gives up what is its own: that of the other stays.
    drop(claim);
    report(&ada);
    assert_eq!(leases(&team.share()), 1);
    drop(taken_over);
    report(&ben);
    assert_eq!(leases(&team.share()), 0);
}

#[test]
fn what_is_no_lease_is_waited_for_by_nobody() {
    let team = Team::new();
    let ada = team.open("ada");
    ada.put(&record(9)).unwrap();
    report(&ada);
    let name = |n: u64| team.share().join("leases").join(format!("training-{}.1", record(n).key.digest()));
    fs::create_dir_all(name(1)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", name(2)).unwrap();
    fs::write(name(3), "no owner").unwrap();
    for n in 1..4 {
        assert!(matches!(ada.claim(&record(n).key, String::new), Claim::Granted(_)), "{n}");
    }
}
