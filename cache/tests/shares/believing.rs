//! Who is believed, and which of two results counts.

use super::*;

#[test]
fn another_result_for_a_key_is_kept_beside_the_first_and_never_read() {
    let team = Team::new();
    let other = Record { payload: record(2).payload, ..record(1) };
    let (ada, ben) = (team.open("ada"), team.open("ben"));
    // Neither has looked for the other's.
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 1);
    ben.put(&other).unwrap();
    assert_eq!(report(&ben).put, 1);
    assert!(matches!(&ben.drain_warnings()[..], [Warning::SharedConflict { .. }]));
    assert!(object(&team, &other).with_extension("1").exists());
    let found = team.open("cleo").get(&record(1).key).unwrap().unwrap();
    assert_eq!(found.payload, record(1).payload);
    // Of the same result there is one.
    let dora = Store::open_shared(team.cache("dora"), Sharing::default()).unwrap();
    dora.put(&other).unwrap();
    drop(dora);
    let dora = team.open("dora");
    let pushed = dora.push().unwrap();
    assert_eq!((pushed[0].copied, pushed[0].there), (0, 1));
    assert!(!object(&team, &other).with_extension("2").exists());
}

#[test]
fn only_those_who_are_trusted_are_believed() {
    let team = Team::new();
    let [ada, eve] = [(); 2].map(|()| Identity::generate().unwrap());
    let keys = [&ada, &eve].map(Identity::public);
    let known = |is_trusted| Known { name: String::new(), is_trusted };
    let sign = |person: &str, identity| Sharing { identity, ..team.sharing(person) };
    for (person, identity, n) in [("ada", Some(ada), 1), ("eve", Some(eve), 2), ("nobody", None, 3)] {
        let store = team.open_with(person, sign(person, identity));
        store.put(&record(n)).unwrap();
        assert_eq!(report(&store).put, 1);
    }
    let found = |policy, trusted: &[usize], revoked: &[usize], person: &str| {
        let mut trust = Trust::default();
        trust.policy = policy;
        for (list, is_trusted) in [(trusted, true), (revoked, false)] {
            list.iter().map(|&key| keys[key]).for_each(|key| trust.set(key, known(is_trusted)));
        }
        let store = team.open_with(person, Sharing { trust, ..team.sharing(person) });
        let found = [1, 2, 3].map(|n| store.get(&record(n).key).unwrap().is_some());
        (found, store.drain_warnings().len())
    };
    assert_eq!(found(TrustPolicy::Off, &[], &[], "a"), ([true; 3], 0));
    assert_eq!(found(TrustPolicy::Warn, &[0], &[], "b"), ([true; 3], 2));
    assert_eq!(found(TrustPolicy::Require, &[0], &[], "c"), ([true, false, false], 2));
    assert_eq!(found(TrustPolicy::Off, &[], &[1], "d"), ([true, false, true], 1));

    // What is not believed takes nobody's place: one's own result goes beside it once, and those who believe one find it.
    let own = Identity::generate().unwrap();
    let own_key = own.public();
    let careful = |person: &str, friends: &[cache::PublicKey], identity| {
        let mut trust = Trust::default();
        trust.policy = TrustPolicy::Require;
        for &key in friends {
            trust.set(key, known(true));
        }
        team.open_with(person, Sharing { trust, identity, ..team.sharing(person) })
    };
    let first = careful("careful", &[keys[0]], Some(own));
    first.put(&record(2)).unwrap();
    assert_eq!(report(&first).put, 1);
    assert!(object(&team, &record(2)).with_extension("1").exists());
    drop(first);
    fs::remove_dir_all(team.cache("careful")).unwrap();
    let friend = careful("friend", &[own_key], None);
    let found = friend.get(&record(2).key).unwrap().unwrap();
    assert_eq!(found.provenance[cache::PRODUCER], own_key.to_string());
}

#[test]
fn what_others_made_is_signed_by_nobody_else() {
    let team = Team::new();
    let [ada, eve] = [(); 2].map(|()| Identity::generate().unwrap());
    let store = team.open_with("eve", Sharing { identity: Some(eve), ..team.sharing("eve") });
    store.put(&record(1)).unwrap();
    report(&store);
    let store = team.open_with("ada", Sharing { identity: Some(ada), ..team.sharing("ada") });
    assert!(store.get(&record(1).key).unwrap().is_some());
    store.put(&record(2)).unwrap();
    let other = Identity::generate().unwrap();
    let key = other.public();
    let bundle = team.dir.path().join("nas.tar");
    assert_eq!(store.export(&bundle, Some(other)).unwrap().copied, 2);
    let mut trust = Trust::default();
    trust.policy = TrustPolicy::Require;
    trust.set(key, Known { name: String::new(), is_trusted: true });
    let ben = Store::open(team.cache("ben")).unwrap();
    ben.import(&bundle, trust, None).unwrap();
    let found = [1, 2].map(|n| ben.get(&record(n).key).unwrap().is_some());
    assert_eq!(found, [false, true]);
}

#[test]
fn a_foreign_object_replaces_nothing_by_what_it_says_of_itself() {
    let team = Team::new();
    let eve = team.open("eve");
    let mut lie = Record { payload: record(2).payload, ..record(1) };
    lie.provenance.insert("generation".to_owned(), u64::MAX.to_string());
    eve.put(&lie).unwrap();
    report(&eve);
    let writer = Store::open(team.cache("ada")).unwrap();
    let reader = team.open("ada");
    assert!(!reader.is_writer());
    assert!(reader.get(&record(1).key).unwrap().is_some());
    writer.put(&record(1)).unwrap();
    drop((reader, writer));
    let store = Store::open(team.cache("ada")).unwrap();
    let first = store.get(&record(1).key).unwrap().unwrap().payload;
    assert!(store.supersede(&Record { payload: record(3).payload, ..record(1) }).is_ok());
    assert_ne!(store.get(&record(1).key).unwrap().unwrap().payload, first, "it can still be replaced here");
}
