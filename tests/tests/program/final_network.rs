//! Final networks: `evaluate-final`, architectures of any space, by name and as texts, recipes, and mistakes in them.

use serde_json::Value;

use crate::sandbox::{Sandbox, names};

const RECIPE: &str = "cifar10-full,epochs=2,batch_size=64,layers=3,channels=4,image_size=8,cutout=0";
const CELLS: &str = "Genotype(normal=[('a', 0), ('a', 0), ('b', 2), ('c', 1)], normal_concat=[3], \
                     reduce=[('c', 0), ('b', 1), ('a', 1), ('c', 2)], reduce_concat=[3])";
const SPACE: &str = "nodes = 2\ninputs = 2\nrepeats = true\nconcat = \"loose_ends\"\n\n[operations]\n\
                     a = \"avg_pool_3x3\"\nb = \"conv_3x1_1x3\"\nc = \"skip_connect\"\n";

fn evaluated<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--target=evaluate-final", "--set=final.seeds=3", "--set"], more].concat()
}

#[test]
fn a_network_is_trained_with_several_seeds_and_remembered() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", SPACE);
    let recipe = format!("final.recipe={RECIPE}");
    let genotype = format!("final.genotype={CELLS}");
    let asked = evaluated(&[&recipe, "--set", &genotype, "--set", "final.space=mine.toml"]);
    let images = ["--set=data.train_images=2000", "--set=data.test_images=500"];
    let asked = [&asked[..], &images].concat();
    let first = sandbox.run(&asked);
    assert_eq!((first.run, first.cached), (3, 0));
    let result = &first.json["result"];
    let accuracies: Vec<f64> = (result["trainings"].as_array().unwrap().iter())
        .map(|training| training["test_accuracy"].as_f64().unwrap())
        .collect();
    let mean = accuracies.iter().sum::<f64>() / 3.0;
    let variance = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum::<f64>() / 2.0;
    let close = |name: &str, expected: f64| {
        let found = result[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{name}: {found}, not {expected}");
    };
    close("test_accuracy", mean);
    close("test_error", 100.0 - mean);
    close("deviation", variance.sqrt());
    // Of ten classes; and all of the training images were trained on.
    assert!(mean > 20.0, "{accuracies:?}");
    assert!(sandbox.trainings().values().all(|fields| fields.contains("published")));
    assert_eq!(result["found"], false);
    // Nothing was held out, and nothing scored.
    let scoring = &first.json["scoring"];
    assert_eq!((&scoring["mode"], &scoring["held_out_images"]), (&"none".into(), &0.into()));
    assert_eq!((&scoring["final_trainings"], &scoring["split_seed"]), (&true.into(), &Value::Null));
    let text = [&["run", "--config", "tiny.toml"], &asked[..]].concat();
    let text = sandbox.program(&text).succeeded().stdout;
    let footer = text.lines().last().unwrap();
    assert!(footer.contains(": 2,000 images to train on, none held out, 500 test images; "), "{text}");
    let again = sandbox.run(&[&asked[..], &["--set", "final.seeds=2"]].concat());
    assert_eq!((again.run, again.cached), (0, 2));

    // `train` meets it in its key, with the same cells in the forms of the space of all.
    let text = result["architecture"].as_str().unwrap();
    let seed = result["trainings"][0]["seed"].to_string();
    let arguments = [
        "train",
        "--architecture",
        text,
        "--space",
        "any",
        "--recipe",
        RECIPE,
        "--scoring",
        "published",
        "--seed",
        &seed,
        "--config",
        "tiny.toml",
        "--device",
        "cpu",
        "--json",
    ];
    let trained = sandbox.program(&[&arguments[..], &images].concat()).succeeded().json();
    assert_eq!((&trained["cached"], &trained["key"]), (&true.into(), &result["trainings"][0]["key"]));
    assert_eq!(trained["parameters"], result["parameters"]);

    // And `explain` says how it is asked for.
    let key = trained["key"].as_str().unwrap();
    let settings = ["--config", "tiny.toml", images[0], images[1]];
    let command = sandbox.assert_asked_again(key, &settings);
    assert!(command.contains("--space any --architecture") && command.contains("conv_3x1_1x3"), "{command}");
    sandbox.assert_verified();
}

#[test]
fn what_a_search_finds_is_trained_to_the_end() {
    let sandbox = Sandbox::new();
    let large = RECIPE
        .replace("image_size=8", "image_size=32,label_smoothing=0.1,skeleton=imagenet,rate=exponential");
    let recipe = format!("final.recipe={large}");
    let budget = "search.budget=BPE-1,epochs=1,layers=3,channels=2,image_size=8";
    let asked = evaluated(&[&recipe, "--set", budget]);
    let run = sandbox.run(&asked);
    let result = &run.json["result"];
    assert_eq!(result["found"], true);
    assert_eq!(result["trainings"].as_array().unwrap().len(), 3);
    let architecture = run.json["result"]["architecture"].as_str().unwrap();
    let selected = sandbox.run(&["--target=select-architecture", "--set", budget]);
    assert_eq!(selected.json["result"].as_str().unwrap(), architecture);
    let fields: Vec<String> = sandbox.trainings().into_values().collect();
    assert_eq!(fields.iter().filter(|fields| fields.contains("imagenet")).count(), 3);
    let text = [&["run", "--config", "tiny.toml"], &asked[..]].concat();
    let text = sandbox.program(&text).succeeded().stdout;
    assert!(text.contains("which the search found") && text.contains(" ± "), "{text}");
    // The search chose by images that were held out, and the final trainings had them all.
    let both = ": 360 images to train on, 40 held out for scores (split seed 0), all 400 for final trainings, 100 test images";
    assert!(text.lines().last().unwrap().contains(both), "{text}");
    assert_eq!(
        (&run.json["scoring"]["mode"], &run.json["scoring"]["final_trainings"]),
        (&"holdout".into(), &true.into())
    );

    // A training with a skeleton and a rate rule is asked for by its recipe.
    let key = result["trainings"][0]["key"].as_str().unwrap();
    let command = sandbox.assert_asked_again(key, &["--config", "tiny.toml"]);
    assert!(command.contains("skeleton=imagenet,rate=exponential,rate_factor=0.97"), "{command}");
}

#[test]
fn named_networks_and_recipes_in_files_train() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mine.toml",
        "base = \"cifar10-full\"\n[budget]\nepochs = 1\nimage_size = 8\nbatch_size = 64\n",
    );
    let train = |architecture: &str, recipe: &str| {
        let arguments = [
            "train",
            "--architecture",
            architecture,
            "--recipe",
            recipe,
            "--config",
            "tiny.toml",
            "--device",
            "cpu",
        ];
        let sized = ["--set", "data.train_images=100", "--set", "data.test_images=20", "--json"];
        sandbox.program(&[&arguments[..], &sized].concat()).succeeded().json()
    };
    let network = train("mobilenet-v2", "mine.toml");
    assert_eq!(network["parameters"], 2_236_106, "{network}");
    // It has no cells, so their number is nothing that it depends on.
    let same = train("MobileNetV2", "mine.toml,layers=5");
    assert_eq!((&same["cached"], &same["key"]), (&true.into(), &network["key"]));
}

#[test]
fn the_catalogue_is_listed() {
    let sandbox = Sandbox::new();
    let text = sandbox.program(&["architectures"]).succeeded().stdout;
    for shown in ["DARTS_V2", "3.35 M", "528 M", "MnasNet-92", "imagenet-mobile", "Zheng et al., Table 2"] {
        assert!(text.contains(shown), "{shown} is not in\n{text}");
    }
    let json = sandbox.program(&["architectures", "--json"]).succeeded().json();
    let list = json["architectures"].as_array().unwrap();
    assert!(list.len() > 20);
    for listed in list {
        assert_eq!(
            names(listed),
            ["architecture", "name", "recipes", "remark", "source", "title"].into_iter().collect()
        );
        assert_eq!(listed["name"].is_null(), listed["architecture"].is_null(), "{listed}");
        assert!(!listed["name"].is_null() || listed["remark"].as_str().unwrap().len() > 20, "{listed}");
    }
}

#[test]
fn mistakes_are_bad_input_with_their_place() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", SPACE);
    sandbox.write("broken.toml", SPACE.replace("skip_connect", "skip_conect"));
    sandbox.write("cells.txt", format!("A = {CELLS}\nB = {}\n", CELLS.replace("[3]", "[2, 3]")));
    sandbox.write("recipe.toml", "base = \"cifar10-full\"\n[budget]\nepoch = 3\n");
    sandbox.write("bound.toml", "base = \"imagenet-mobile\"\n[budget]\nchannels = 8\nmult_adds_max = 9\n");
    sandbox.write("baseless.toml", "[budget]\nepochs = 3\n");
    let refused = |arguments: &[&str], message: &str| {
        let ran = sandbox.program(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(message), "{arguments:?}: {}\nshould say: {message}", ran.stderr);
    };
    let train = |architecture: &str, space: &str, recipe: &str, message: &str| {
        let arguments = ["train", "--architecture", architecture, "--space", space, "--recipe", recipe];
        refused(&arguments, message);
    };
    train(CELLS, "nasnet", RECIPE, "character 19: found 'a', expected an operation; known: avg_pool_3x3");
    train(CELLS, "nasnte", RECIPE, "unknown `nasnte`; did you mean `nasnet`?");
    train(
        CELLS,
        "broken.toml",
        RECIPE,
        "broken.toml, line 9: unknown operation `skip_conect`; did you mean `skip_connect`?",
    );
    train("@cells.txt", "mine.toml", RECIPE, "found 2 genotypes (A (line 1), B (line 2))");
    train("@cells.txt:B", "mine.toml", RECIPE, "expected [3], the nodes that nothing reads");
    train("@cells.txt:C", "mine.toml", RECIPE, "no genotype `C`");
    train("@nothing.txt", "mine.toml", RECIPE, "@nothing.txt: cannot be read");
    train(
        CELLS,
        "mine.toml",
        "recipe.toml",
        "recipe.toml, line 3: unknown key `epoch` in [budget]; did you mean `epochs`?",
    );
    train(CELLS, "mine.toml", "baseless.toml", "add the line: base = \"cifar10-full\"");
    train(CELLS, "mine.toml", "bound.toml", "give one of both");
    train(CELLS, "mine.toml", "cifar10-ful", "did you mean `cifar10-full`?");
    train(CELLS, "mine.toml", "cifar10-full,epoch=3", "unknown key `epoch`; did you mean `epochs`?");
    train(CELLS, "mine.toml", "cifar10-full,epochs", "is not of the form key=value");
    train(CELLS, "mine.toml", "cifar10-full,epochs=2,epochs=3", "epochs is given twice");
    train(CELLS, "mine.toml", "cifar10-full,rate=linear", "unknown `linear`; known: cosine, exponential");
    train(CELLS, "mine.toml", "cifar10-full,rate_factor=1.5", "must be a number above 0 and up to 1");
    train(CELLS, "mine.toml", "imagenet-mobile,image_size=20", "choose an image_size");
    refused(&["train", "--architecture", "ResNet-19", "--recipe", RECIPE], "did you mean `ResNet-18`?");
    refused(&["train", "--architecture", "ResNet-18", "--recipe", "imagenet-mobile"], "has no form for it");
    refused(
        &["train", "--architecture", "ENAS", "--recipe", RECIPE, "--budget", "BPE-1"],
        "cannot be used with",
    );
    refused(&["train", "--architecture", "ENAS"], "--budget");
    let run =
        |set: &str, message: &str| refused(&["run", "--target", "evaluate-final", "--set", set], message);
    run("final.genotype=NASNET_B", "--set final.genotype=NASNET_B, final.genotype: genotype, character 1");
    run("final.space=nasnet", "is the space of final.genotype, which is not given");
    run(
        "final.recipe=cifar10-full,layers=2",
        "final.recipe: recipe `cifar10-full,layers=2`, budget.layers: layers",
    );
    run("final.seeds=0", "must be a whole number from 1");
}

#[test]
fn a_training_is_asked_for_again_under_settings_that_augment_otherwise() {
    let sandbox = Sandbox::new();
    let key = |more: &[&str]| {
        let budget = "BPE-1,epochs=1,layers=3,channels=2,image_size=8,cutout=4";
        let arguments = ["train", "--genotype", "DARTS_V2", "--budget", budget, "--config", "tiny.toml"];
        let found = sandbox.program(&[&arguments[..], &["--device", "cpu", "--json"], more].concat());
        found.succeeded().json()["key"].as_str().unwrap().to_owned()
    };
    for (key, augments) in [(key(&[]), true), (key(&["--no-augment"]), false)] {
        for setting in [true, false] {
            let set = format!("train.augment={setting}");
            let command = sandbox.assert_asked_again(&key, &["--config", "tiny.toml", "--set", &set]);
            assert!(command.contains(&format!("--set train.augment={augments}")), "{command}");
            let count = command.matches("train.augment=").count();
            assert_eq!(count, 1 + usize::from(setting != augments), "{command}");
            // It is part of the budget, and no setting of its own.
            assert!(!command.contains("train.cutout"), "{command}");
        }
    }
}
