//! `scoring = "published"`: scores are the best test accuracy over the epochs, and nothing claims to be unseen.

use crate::sandbox::Sandbox;

const PUBLISHED: [&str; 4] = ["--set", "train.scoring=published", "--set", "full.epochs=2"];

#[test]
fn published_scoring_end_to_end() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&PUBLISHED);
    assert_eq!(run.json["scoring"]["mode"], "published");
    assert_eq!(run.json["scoring"]["held_out_images"], 0);
    assert_eq!(run.json["data"]["name"], "fashion-mnist-subset-5000-first-400-100");
    assert_eq!(run.json["result"]["best"]["unseen"], false);
    let arguments = [&["run", "--config", "tiny.toml", "--device", "cpu"], &PUBLISHED[..]].concat();
    let text = sandbox.program(&arguments).succeeded().stdout;
    assert!(text.contains("the same images chose budget and architecture"), "{text}");
    assert!(
        text.contains("400 images to train on, scores are the best epoch's on the 100 test images"),
        "{text}"
    );
    for claim in ["no choice has seen", "held out", "held-out", "unseen"] {
        assert!(!text.contains(claim), "{claim:?} is claimed in\n{text}");
    }
    // All trainings are of one kind, the winner's last one too; with images held out that one alone is of this kind.
    let kinds = |sandbox: &Sandbox| {
        let fields: Vec<String> = sandbox.trainings().into_values().collect();
        (fields.iter().filter(|fields| fields.contains("published")).count(), fields.len())
    };
    let (published, all) = kinds(&sandbox);
    assert!(published == all && all > 3, "{published} of {all}");
    let other = Sandbox::new();
    let held_out = other.run(&[]);
    assert_eq!(kinds(&other).0, 1);
    assert_eq!(held_out.json["scoring"]["held_out_images"], 40);
    assert_eq!(held_out.json["result"]["best"]["unseen"], true);
    let text = other.program(&["run", "--config", "tiny.toml"]).succeeded().stdout;
    assert!(text.contains("no choice has seen them") && text.contains("40 held out for scores"), "{text}");
}

#[test]
fn a_score_is_the_best_epochs_and_an_accuracy_the_last_ones() {
    let sandbox = Sandbox::new();
    let evaluated = ["run", "--config", "tiny.toml", "--device", "cpu", "--json", "--target", "train@full"];
    let run = sandbox.program(&[&evaluated[..], &PUBLISHED].concat()).summary();
    for training in run.json["result"][0]["trainings"].as_array().unwrap() {
        assert!(training["score"].as_f64() >= training["test_accuracy"].as_f64(), "{training}");
    }
}
