//! Disks that fill up under a final network's training: it goes on without checkpoints, says so once, and loses
//! nothing.

use serde_json::Value;

use crate::hostile::{SmallDisk, where_mounting_is_allowed};
use crate::sandbox::{CHECKPOINTS, Sandbox};

/// Wide enough that a checkpoint is larger than the room that a cache keeps for itself.
const RECIPE: &str = "cifar10-full,epochs=3,batch_size=64,layers=3,channels=20,image_size=8,cutout=0";
const SAID: &str = "no checkpoint of it can be kept: ";
/// One training by it, with a checkpoint after each epoch.
const TRAIN: [&str; 10] = [
    "train",
    "--architecture",
    "NASNET_A",
    "--recipe",
    RECIPE,
    "--config",
    "tiny.toml",
    "--checkpoint-minutes=0",
    "--device=cpu",
    "--json",
];

/// What a training says of itself, without what clocks say.
fn timeless(mut trained: Value) -> Value {
    for field in ["cached", "first_step_seconds", "images_per_second", "origin"] {
        trained[field] = Value::Null;
    }
    trained
}

#[test]
fn one_training_goes_on_where_there_is_no_room_for_a_checkpoint() {
    if !where_mounting_is_allowed("full_disk::one_training_goes_on_where_there_is_no_room_for_a_checkpoint") {
        return;
    }
    let expected = timeless(Sandbox::new().program(&TRAIN).succeeded().json());
    let sandbox = Sandbox::new();
    let disk = SmallDisk::mount(sandbox.cache(), "40m").unwrap();
    // The cache is there before its disk is full, and has kept a little room for itself.
    sandbox.program(&["log"]).succeeded();
    disk.fill(0);
    let ran = sandbox.program(&TRAIN).succeeded();
    assert_eq!(ran.stderr.matches(SAID).count(), 1, "{}", ran.stderr);
    assert_eq!((&ran.json()["cached"], timeless(ran.json())), (&false.into(), expected.clone()));
    // It is kept with all that belongs to it, and again where there is room.
    for _ in 0..2 {
        let again = sandbox.program(&TRAIN).succeeded().json();
        assert_eq!((&again["cached"], timeless(again.clone())), (&true.into(), expected.clone()));
        let _ = std::fs::remove_file(disk.0.join("filler"));
    }
    sandbox.assert_verified();
}

#[test]
fn the_trainings_of_a_run_go_on_where_there_is_no_room_for_checkpoints() {
    if !where_mounting_is_allowed(
        "full_disk::the_trainings_of_a_run_go_on_where_there_is_no_room_for_checkpoints",
    ) {
        return;
    }
    let recipe = format!("--set=final.recipe={RECIPE}");
    let arguments = [
        "--target=evaluate-final",
        "--set=final.genotype=NASNET_A",
        "--set=final.seeds=2",
        &recipe,
        CHECKPOINTS,
    ];
    let expected = Sandbox::new().run(&arguments);
    let sandbox = Sandbox::new();
    // What is full is the disk of the checkpoints alone.
    let disk = SmallDisk::mount(sandbox.path("cache/checkpoints"), "64k").unwrap();
    disk.fill(0);
    let run = sandbox.run(&arguments);
    assert_eq!((run.run, &run.result), (2, &expected.result));
    assert_eq!(run.stderr.matches(SAID).count(), 2, "once for each: {}", run.stderr);
    assert_eq!(sandbox.run(&arguments).run, 0);
    sandbox.assert_verified();
}

#[test]
fn a_result_that_finds_no_room_is_told_all_the_same() {
    if !where_mounting_is_allowed("full_disk::a_result_that_finds_no_room_is_told_all_the_same") {
        return;
    }
    let expected = timeless(Sandbox::new().program(&TRAIN).succeeded().json());
    let sandbox = Sandbox::new();
    // Too small a disk for the cache to keep room for itself on it.
    let disk = SmallDisk::mount(sandbox.cache(), "12m").unwrap();
    sandbox.program(&["log"]).succeeded();
    disk.fill(0);
    let ran = sandbox.program(&TRAIN);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(timeless(ran.json()), expected);
    assert_eq!(ran.stderr.matches(SAID).count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("not in the cache; make room"), "{}", ran.stderr);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("pipeline: cannot ") && last.contains("No space left"), "{}", ran.stderr);
    disk.free();
    let again = sandbox.program(&TRAIN).succeeded().json();
    assert_eq!((&again["cached"], timeless(again.clone())), (&false.into(), expected));
    assert_eq!(sandbox.program(&TRAIN).succeeded().json()["cached"], true);
    sandbox.assert_verified();
}
