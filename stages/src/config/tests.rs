//! Profiles, overrides, and mistakes that must be named by file, line and key.

use super::*;

fn load(file: &str, set: &[(&str, &str)]) -> Result<Config, String> {
    Config::load("quick", Some(("my.toml", file)), set).map_err(|error| error.to_string())
}

#[test]
fn every_profile_has_the_same_keys() {
    let paths =
        |name| Document::profile(name).unwrap().paths().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let quick = paths("quick");
    assert!(quick.contains(&"space.learning_rate".to_owned()));
    assert_eq!((paths("laptop"), paths("paper")), (quick.clone(), quick));
}

#[test]
fn profiles_are_valid_and_the_paper_asks_for_its_images() {
    for profile in ["quick", "laptop"] {
        let config = Config::load(profile, None, &[]).unwrap();
        assert_eq!(config.data.source, Source::Embedded);
        assert_eq!(config.search.strategy, Strategy::Random);
        assert!(config.compare.strategies.len() == crate::search::STRATEGIES.len());
    }
    let error = Config::load("paper", None, &[]).unwrap_err().to_string();
    assert_eq!(error, "profile paper, data.set: the set cifar10 needs data.path, the folder of its files");
    let paper = Config::load("paper", None, &[("data.path", "/data/cifar10")]).unwrap();
    assert_eq!(paper.data.source, Source::Cifar10("/data/cifar10".into()));
    assert_eq!(paper.full, "full".parse().unwrap());
    assert_eq!((paper.architectures.count, paper.mip.budgets_per_round), (100, 10));
    assert_eq!(paper.space.open().len(), COUNT);
    // Table 4 of the paper.
    assert_eq!((&paper.one_shot.epochs[..], paper.one_shot.share), (&[50, 200, 400, 600][..], 0.1));
    assert_eq!(paper.one_shot.budget, "BPE-2".parse().unwrap());
    assert_eq!(paper.train.scoring, Scoring::default());
    assert_eq!(paper.train.recipe, Recipe::default());
}

#[test]
fn every_budget_of_every_profile_fits_a_network() {
    let genotype = "DARTS_V2".parse().unwrap();
    for (profile, _) in PROFILES {
        let set: &[_] = if profile == "paper" { &[("data.path", "/data/cifar10")] } else { &[] };
        let config = Config::load(profile, None, set).unwrap();
        for (index, row) in HYPERPARAMETERS.iter().enumerate() {
            for &value in config.space.values(index) {
                for mut budget in [config.space.cheapest(), config.full] {
                    row.set(&mut budget, value);
                    let cost = crate::network::cost(&genotype, &budget, 3, 10);
                    assert!(cost.is_ok(), "{profile}: {budget}: {cost:?}");
                }
            }
        }
        for budget in [config.one_shot.supernet_budget, config.one_shot.budget] {
            let cost = crate::network::cost(&genotype, &budget, 3, 10);
            assert!(cost.is_ok(), "{profile}: {budget}: {cost:?}");
        }
    }
}

#[test]
fn files_and_overrides_change_single_keys() {
    let quick = Config::load("quick", None, &[]).unwrap();
    let file = "[mip]\nlambda = 0 # a whole number is a number\n[space]\nepochs = [1, 2, 3]\n";
    let config =
        load(file, &[("search.samples", "99"), ("train.scoring", "published"), ("full.learning_rate", "1")]);
    let config = config.unwrap();
    assert_eq!((config.mip.lambda, config.search.samples, config.full.learning_rate), (0.0, 99, 1.0));
    assert_eq!(config.space.values(0).len(), 3);
    let race = |value| load("", &[("mip.race", value)]).unwrap().mip.race;
    assert_eq!((quick.mip.race, race("0"), race("0.5")), (None, None, Some(0.5)));
    assert_eq!(config.train.scoring, Scoring::Published);
    assert_eq!((config.mip.trees, config.architectures), (quick.mip.trees, quick.architectures));
}

#[test]
fn what_a_search_combines_is_counted_among_its_trainings() {
    let load = |combine| load("", &[("search.combine", combine), ("search.samples", "999999")]);
    let combine = load("['skips', 'BPE-2']").unwrap().search.combine.unwrap();
    assert_eq!((combine.baselines.as_slice(), combine.budgets.len(), combine.jobs()), (&[2][..], 1, 3));
    assert_eq!(load("[]").unwrap().search.combine, None);
    let further: Vec<String> = (1..=10).map(|epochs| format!("'BPE-2,epochs={epochs}'")).collect();
    let problem = load(&format!("[{}]", further.join(", "))).unwrap_err();
    assert!(problem.contains("of the search (search.samples, search.combine) are"), "{problem}");
}

#[test]
fn comments_order_and_layout_change_nothing() {
    let plain = load("[mip]\nseed = 5\ntrees = 10\n[search]\nseed = 2\n", &[]).unwrap();
    let other = load("search.seed = 2 # comment\nmip = { trees = 10, seed = 5 }\n", &[]).unwrap();
    assert_eq!(plain, other);
}

#[test]
fn settings_say_where_they_come_from_and_are_read_again() {
    let file = "[mip]\nlambda = 0.3\n\n[data]\nset = 'folder'\npath = \"a \\\" # \\n'b\"\n";
    let set = [("search.darts.beta1", "0.25"), ("share.places", "['/mnt/nas']")];
    let settings = Config::settings("laptop", Some(("my.toml", file)), &set).unwrap();
    let origin = |section: &str, key: &str| {
        let found = settings.iter().find(|setting| setting.section == section && setting.key == key);
        found.unwrap().origin.as_str()
    };
    assert_eq!(origin("mip", "lambda"), "my.toml, line 2");
    assert_eq!(origin("data", "path"), "my.toml, line 6");
    assert_eq!(origin("search.darts", "beta1"), "--set search.darts.beta1=0.25");
    assert_eq!(origin("search.darts", "beta2"), "default");
    assert_eq!(origin("mip", "seed"), "profile laptop");
    assert_eq!((settings[0].section.as_str(), settings[0].key.as_str()), ("data", "set"));

    let line = |s: &Setting| format!("{}.{} = {} # {}", s.section, s.key, s.toml(), s.origin);
    let text = settings.iter().map(line).collect::<Vec<_>>().join("\n");
    let again = Config::load("quick", Some(("again.toml", &text)), &[]).unwrap();
    assert_eq!(again, Config::load("laptop", Some(("my.toml", file)), &set).unwrap());
    assert_ne!(again, Config::load("quick", Some(("my.toml", file)), &set).unwrap());
}

#[test]
fn mistakes_are_placed_and_explained() {
    for (file, message) in [
        ("[mip]\n\nlamda = 0.1", "my.toml, line 3: unknown key `lamda` in [mip]; did you mean `lambda`?"),
        ("[mipp]\nlambda = 0.1", "my.toml, line 1: unknown section [mipp]; did you mean `mip`?"),
        ("mip = 3", "my.toml, line 1: `mip` is a section; write [mip]"),
        (
            "[mip]\nlambda = 1.0",
            "my.toml, line 2, mip.lambda: is 1.0, must be a number from 0 up to but not 1",
        ),
        ("[mip]\nlambda = nan", "must be a number from 0"),
        ("[mip]\nlambda = \"much\"", "my.toml, line 2: mip.lambda must be a number, found a text"),
        (
            "[mip]\nrace = 0.3",
            "my.toml, line 2, mip.race: is 0.3, must be a number from 0.5 up to but not 1, or 0 for no racing",
        ),
        ("[mip]\nrace = 1", "mip.race: is 1.0, must be a number from 0.5"),
        (
            "[mip]\nrace = 0.9\nobjective = \"regret\"",
            "mip.race: is 0.9, and budgets race for mip.objective spearman or",
        ),
        ("[mip]\ntrees = 0", "my.toml, line 2, mip.trees: is 0, must be a whole number from 1"),
        ("[mip]\ntrees = -5", "is -5, must be a whole number from 1"),
        ("[mip]\nseed = -5", "is -5, must be a whole number, not below 0"),
        (
            "[full]\nepochs = -1",
            "my.toml, line 2, full.epochs: epochs (passes over the training images) is -1, must be a whole",
        ),
        ("[full]\nfloat_bits = 8", "my.toml, line 2, full.float_bits: float_bits"),
        ("[space]\nepochs = 3", "my.toml, line 2: space.epochs must be a list, found a whole number"),
        ("[space]\nepochs = []", "my.toml, line 2, space.epochs: no values"),
        ("[space]\nepochs = [1, 1]", "my.toml, line 2, space.epochs: the value 1 is given twice"),
        ("[space]\n#\nepochs = [1, 'x']", "my.toml, line 3, space.epochs: epochs"),
        ("[space]\nlearning_rate = [0.0]", "my.toml, line 2, space.learning_rate: learning_rate"),
        (
            "[data]\nset = 'imagenet'",
            "my.toml, line 2, data.set: unknown set `imagenet`; known: embedded, cifar10, cifar100, idx, folder, stream",
        ),
        ("[data]\npath = '/x'", "the set embedded is inside the program; remove data.path"),
        (
            "[search]\nstrategy = 'randm'",
            "my.toml, line 2, search.strategy: unknown `randm`; did you mean `random`?",
        ),
        ("[train]\nbn_init = 'twos'", "my.toml, line 2, train.bn_init: unknown `twos`"),
        (
            "[train]\nholdout_fraction = 0",
            "train.holdout_fraction: is 0.0, must be a number above 0 and below 1",
        ),
        ("[train]\ncheckpoint_minutes = -1", "train.checkpoint_minutes: is -1.0, must be a number from 0 to"),
        ("[train]\naugment = 1", "train.augment must be true or false, found a whole number"),
        ("[architectures]\ncount = 1", "must be a whole number from 2"),
        ("[mip\nlambda = 1", "my.toml, line 1: not valid TOML"),
        ("[mip]\nlambda = 0.1\nlambda = 0.2", "my.toml, line 3: not valid TOML: duplicate key"),
    ] {
        let error = load(file, &[]).unwrap_err();
        assert!(error.contains(message), "{file}\n{error}\nshould say: {message}");
    }
    for (path, value, message) in [
        ("lambda", "1", "--set lambda=1: `lambda` is not of the form section.key; sections: "),
        ("mip.lamda", "0.1", "--set mip.lamda=0.1: unknown key `lamda` in [mip]; did you mean `lambda`?"),
        ("mip.lambda", "2", "--set mip.lambda=2, mip.lambda: is 2.0, must be"),
        (
            "search.p-darts.operations",
            "[5, 5, 3]",
            "search.p-darts.operations: must begin with all 8 operations",
        ),
        ("search.drnas.operations", "[8, 9]", "search.drnas.operations: is [8, 9], must be a list of 2"),
        ("search.p-darts.operations", "[8, 3, 5]", "search.p-darts.operations: rises, must not get larger"),
        ("search.p-darts.layers", "[5, 17, 11]", "search.p-darts.layers: falls, must not get smaller"),
        ("search.p-darts.layers", "[2, 5, 11]", "must be a list of 3 whole numbers from 3 to 256"),
        ("search.snas.last_temperature", "1e-50", "search.snas.last_temperature: is 0.0000"),
        ("search.darts.beta1", "0.99999999", "search.darts.beta1: is 0.99999999, must be a number from 0"),
        ("search.darts.initial_deviation", "1e39", "search.darts.initial_deviation: is 1"),
        ("train.seed", "1000", "train.final_seed: is 1000, as train.seed is"),
        ("mip.lambda", "0.1\nx = 2", "mip.lambda must be a number, found a text"),
        ("space.epochs", "[1, 0]", "space.epochs: epochs (passes over the training images) is 0"),
    ] {
        let error = load("", &[(path, value)]).unwrap_err();
        assert!(error.contains(message), "{error}\nshould say: {message}");
    }
    let error = Config::load("quik", None, &[]).unwrap_err().to_string();
    assert_eq!(error, "--profile: unknown profile `quik`; did you mean `quick`? Known: quick, laptop, paper");
}

#[test]
fn a_search_of_more_stages_than_epochs_is_refused_by_name() {
    let p_darts = ("search.strategy", "p-darts");
    let error = load("", &[p_darts, ("search.budget", "BPE-1,epochs=2")]).unwrap_err();
    assert!(
        error
            .contains("search.budget: gives the search 2 epochs, and p-darts has 3 stages (search.strategy)"),
        "{error}"
    );
    assert!(load("", &[p_darts, ("search.budget", "BPE-1,epochs=3")]).is_ok());
    let error = load("", &[p_darts, ("space.epochs", "[1, 2]")]).unwrap_err();
    assert!(error.contains("space.epochs: gives the search 2 epochs"), "{error}");
    // What a budget that is found has fewer of, shrinks.
    assert!(load("", &[p_darts, ("space.epochs", "[1, 3]")]).is_ok());
    assert!(load("", &[("search.budget", "BPE-1,epochs=1")]).is_ok());
}
