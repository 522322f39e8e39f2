//! Trainings whose loss stops being a number, in 16 bits and at learning rates that are too high, told from one end of the
//! program to the other; and runs in 16 bits that do not.

use crate::nonsense::refused;
use crate::sandbox::{Sandbox, Summary};

/// Arguments of a run of the tiny configuration with some settings changed.
fn arguments<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = Sandbox::run_arguments(&[]);
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    arguments
}

fn count(run: &Summary, field: &str) -> usize {
    run.json["result"][field].as_u64().unwrap() as usize
}

#[test]
fn full_trainings_that_diverge_are_counted_named_and_share_the_last_place() {
    let sandbox = Sandbox::new();
    let settings = ["full.float_bits=16", "full.learning_rate=1", "architectures.count=8"];
    let arguments = arguments(&settings);
    let run = sandbox.program(&arguments).summary();
    let diverged = count(&run, "diverged_fully");
    assert!((1..8).contains(&diverged), "some and not all: {}", run.json);
    assert_eq!(count(&run, "architectures"), 8);
    let named = run.json["result"]["diverged_trainings"].as_array().unwrap();
    assert!(named.len() >= diverged);
    for one in named {
        assert_eq!(
            (one["budget"]["learning_rate"].as_f64(), one["budget"]["float_bits"].as_u64()),
            (Some(1.0), Some(16))
        );
        assert!(
            one["genotype"].as_str().unwrap().parse::<stages::Genotype>().is_ok() && one["step"].is_u64(),
            "{one}"
        );
    }
    assert_eq!(run.json["trainings"]["diverged"].as_u64().unwrap() as usize, named.len());
    assert!(run.stderr.contains("train@full: 8 trainings in "), "{}", run.stderr);
    assert!(run.stderr.contains(&format!(", {diverged} diverged")), "{}", run.stderr);
    // The winner's last training has an accuracy, or it diverged.
    let best = &run.json["result"]["best"];
    assert_ne!(best["accuracy"].is_null(), best["diverged_at"].is_null(), "{best}");

    let text: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--json").collect();
    let text = sandbox.program(&text).succeeded().stdout;
    for part in [
        format!("{diverged} of 8 architectures diverged under full training and share the last place"),
        format!("Diverged: {} trainings", named.len()),
        named[0]["genotype"].as_str().unwrap().to_owned(),
        format!("from the cache, {} diverged, in ", named.len()),
    ] {
        assert!(text.contains(&part), "{part:?} is not in\n{text}");
    }
    let log = sandbox.program(&["log", "--json"]).json();
    assert_eq!(log["runs"][0]["trainings"]["diverged"].as_u64().unwrap() as usize, named.len());
}

#[test]
fn a_budget_under_which_some_diverge_says_so_in_its_row() {
    let sandbox = Sandbox::new();
    // Every value stands in a budget of the first round, the learning rate that is too high too.
    let settings = [
        "space.learning_rate=[0.03, 4]",
        "space.float_bits=[16]",
        "mip.observe_all=true",
        "architectures.count=8",
    ];
    let mut arguments = arguments(&settings);
    let place = arguments.iter().position(|argument| *argument == "nas-search").unwrap();
    arguments[place] = "rank@1";
    let run = sandbox.program(&arguments).summary();
    let rows = run.json["result"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let of =
        |rate: f64| rows.iter().find(|row| row["budget"]["learning_rate"].as_f64() == Some(rate)).unwrap();
    let diverged = of(4.0)["diverged"].as_u64().unwrap();
    assert!(diverged > 0, "{}", run.json);
    assert_eq!(of(0.03)["diverged"], 0);
    let text: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--json").collect();
    let text = sandbox.program(&text).succeeded().stdout;
    let row = text.lines().find(|line| line.contains("learning_rate=4,")).unwrap();
    assert!(row.contains(&format!("{diverged} of 8")), "{text}");
}

#[test]
fn one_training_says_where_it_diverged_and_what_it_had_reached() {
    let sandbox = Sandbox::new();
    let train = |rate: &str, more: &[&str]| {
        let budget = format!(
            "BPE-1,epochs=2,layers=3,channels=2,image_size=8,batch_size=512,float_bits=16,learning_rate={rate}"
        );
        let arguments = ["train", "--genotype", "DARTS_V2", "--device", "cpu", "--budget", &budget];
        sandbox.program(&[&arguments[..], more].concat()).succeeded()
    };
    let calm = train("0.03", &["--json"]).json();
    assert!(calm["diverged_at"].is_null() && calm["accuracy"].is_f64(), "{calm}");
    for _ in 0..2 {
        let wild = train("90", &["--json"]).json();
        let step = wild["diverged_at"].as_u64().unwrap();
        assert_eq!(
            (&wild["accuracy"], wild["score"].as_f64()),
            (&serde_json::Value::Null, Some(0.0)),
            "{wild}"
        );
        assert!(step < 20, "{wild}");
        let text = train("90", &[]).stdout;
        assert!(text.contains(&format!("stopped being a number at step {step}")), "{text}");
    }
}

#[test]
fn the_last_checkpoint_of_a_training_that_diverges_is_named_and_stays() {
    let sandbox = Sandbox::new();
    // With this weight decay every step makes all weights two hundredths larger: the loss is a number for some epochs.
    let recipe = "cifar10-full,epochs=20,layers=3,channels=2,image_size=8,batch_size=512,cutout=0,float_bits=16,\
                  momentum=0,learning_rate=0.1,weight_decay=20.2,rate=exponential,rate_factor=1";
    let train = |more: &[&str]| {
        let arguments = ["train", "--genotype", "DARTS_V2", "--recipe", recipe, "--device", "cpu"];
        sandbox.program(&[&arguments[..], &["--checkpoint-minutes=0"], more].concat()).succeeded()
    };
    let first = train(&["--json"]).json();
    let [step, epoch] = ["diverged_at", "diverged_in_epoch"].map(|field| first[field].as_u64().unwrap());
    // 4,500 images are learnt from; behind the last step of an epoch the images that give scores are looked at.
    assert!(epoch > 1 && (9 * (epoch - 1)..=9 * epoch).contains(&step), "{first}");
    let file = first["last_checkpoint"].as_str().unwrap();
    // Nothing goes on from it, and no run takes it for what is left of a training that is done.
    sandbox.run(&[]);
    assert_eq!(sandbox.files("checkpoints"), Vec::<std::path::PathBuf>::new());
    assert!(std::fs::metadata(file).unwrap().len() > 1000);
    let again = train(&["--json"]).json();
    assert_eq!((&again["cached"], &again["last_checkpoint"]), (&true.into(), &first["last_checkpoint"]));
    let text = train(&[]).stdout;
    let said = format!("stopped being a number at step {step}, in epoch {epoch} of 20");
    assert!(text.contains(&said) && text.contains(file), "{text}");
    assert_read(&sandbox, recipe, &first);
    // It is there until somebody removes it.
    std::fs::remove_file(file).unwrap();
    assert!(train(&["--json"]).json()["last_checkpoint"].is_null());
    assert!(!train(&[]).stdout.contains("checkpoint"));
    sandbox.assert_verified();
}

/// Holds that a kept checkpoint is evaluated to what its training said of that epoch, exported, and refused where it does not
/// belong.
fn assert_read(sandbox: &Sandbox, recipe: &str, trained: &serde_json::Value) {
    let network = ["--genotype", "DARTS_V2", "--recipe", recipe];
    let file = trained["last_checkpoint"].as_str().unwrap();
    let command =
        |name: &'static str, more: &[&str]| sandbox.program(&[&[name], &network[..], more].concat());
    let evaluated = |more: &[&str]| command("evaluate", &[&["--device", "cpu", "--json"], more].concat());
    let checkpoint = evaluated(&["--checkpoint", file]).succeeded();
    let json = checkpoint.json();
    // The best epoch of these is the last but one of those that were numbers, or the one where the checkpoint stands.
    let store = cache::Store::open(sandbox.cache()).unwrap();
    let key = trained["key"].as_str().unwrap().parse().unwrap();
    let record = store.get_digest(cache::Kind::Training, &key).unwrap().unwrap();
    drop(store);
    let result: stages::train::TrainingResult = record.value().unwrap();
    let last = result.epochs.last().unwrap();
    assert_eq!(json["held_out"]["accuracy"].as_f64(), Some(last.score_accuracy), "{json}");
    let said = format!("{file}: as training stood after {} epochs", result.epochs.len());
    assert!(checkpoint.stderr.contains(&said), "{}", checkpoint.stderr);

    command("export", &["--checkpoint", file, "--out", "out"]).succeeded();
    let weights = evaluated(&["--weights", "out/weights.safetensors"]).succeeded().json();
    assert_eq!((&weights["test"], &weights["held_out"]), (&json["test"], &json["held_out"]));

    // Pools have no parameters, so that only the cache knows that this is another architecture.
    let Some(cache::FieldValue::Text(genotype)) = record.key.fields().get("genotype") else { panic!() };
    let other = genotype.replace("max_pool_3x3", "avg_pool_3x3");
    assert_ne!(*genotype, other);
    for command in [&["evaluate", "--device", "cpu"][..], &["export", "--out", "no"]] {
        let of_another = ["--genotype", &other, "--recipe", recipe, "--checkpoint", file];
        let parts =
            [file, "is a checkpoint of another architecture, ", genotype, trained["key"].as_str().unwrap()];
        refused(sandbox, &[command, &of_another].concat(), &parts);
    }
    let of_another = evaluated(&["--checkpoint", file, "--set", "train.seed=7"]).succeeded();
    assert!(
        of_another.stderr.contains("of another training than the flags ask for"),
        "{}",
        of_another.stderr
    );
    assert!(!checkpoint.stderr.contains("of another training"), "{}", checkpoint.stderr);

    let bytes = std::fs::read(file).unwrap();
    sandbox.write("cut", &bytes[..bytes.len() - 1]);
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    sandbox.write("damaged", damaged);
    sandbox.write("copy", &bytes);
    command("export", &["--checkpoint", "copy", "--out", "other", "--format", "safetensors"]).succeeded();
    let none = "is no checkpoint of a network's training, or damaged";
    let key = trained["key"].as_str().unwrap();
    for (file, recipe, parts) in [
        ("cut", recipe, [none, "cut", "`pipeline train` named"]),
        ("damaged", recipe, [none, "damaged", "--weights"]),
        ("out/weights.safetensors", recipe, [none, "out/weights.safetensors", "--weights"]),
        ("nothing", recipe, ["nothing: cannot be read", "`pipeline train` named", "--weights"]),
        (
            file,
            &recipe.replace("channels=2", "channels=4"),
            [file, "is a checkpoint of another training: its par", key],
        ),
        (file, &recipe.replace("layers=3", "layers=6"), [file, "is a checkpoint of another training: ", key]),
    ] {
        let network = ["--genotype", "DARTS_V2", "--recipe", recipe, "--checkpoint", file];
        refused(sandbox, &[&["evaluate", "--device", "cpu"], &network[..]].concat(), &parts);
        refused(sandbox, &[&["export", "--out", "no"], &network[..]].concat(), &parts);
    }
    let both =
        ["evaluate", "--genotype", "DARTS_V2", "--recipe", recipe, "--checkpoint", file, "--weights", "w"];
    refused(sandbox, &both, &["--weights", "cannot be used with"]);
    refused(sandbox, &both[..5], &["--weights", "--checkpoint"]);
}

#[test]
fn a_whole_run_in_16_bits_trains_in_16_bits_and_repeats() {
    let sandbox = Sandbox::new();
    let arguments = arguments(&["full.float_bits=16", "space.float_bits=[16]"]);
    let run = sandbox.program(&arguments).summary();
    assert_eq!(run.json["trainings"]["diverged"], 0, "{}", run.json);
    let fields: Vec<String> = sandbox.trainings().into_values().collect();
    assert!(
        fields.len() as u64 == run.run
            && fields.iter().all(|fields| fields.contains("(\"float_bits\", Uint(16))"))
    );
    let other = Sandbox::new();
    assert_eq!(other.program(&arguments).summary().result, run.result);
    // In 32 bits none of them is the same training.
    assert_eq!(sandbox.run(&[]).run, Sandbox::new().run(&[]).run);
}
