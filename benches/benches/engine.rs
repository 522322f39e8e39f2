//! A run that finds everything in the cache, as a person meets it: the whole process, from its start to its end, with a cache
//! folder on disk that holds every training of the paper's plan.
//!
//! The trainings' results are made up, all else is the program's own: what to train is asked of it round by round, and what
//! it asks for is put into its cache.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use benches::{copy, criterion};
use cache::{Record, Store};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Value;
use stages::config::Config;
use stages::recipe::Scoring;
use stages::stage::JobTemplate;
use stages::train::{DataId, EpochResult, TrainingResult};
use stages::{Budget, Genotype, sample};
use tempfile::TempDir;

/// Images of a file of CIFAR-10, and bytes of an image with its label.
const FILE_IMAGES: usize = 10_000;
const IMAGE_BYTES: usize = 1 + 3 * 32 * 32;

/// A cache folder that knows every training of a plan.
struct Warm {
    folder: TempDir,
    settings: Vec<String>,
    config: Config,
    template: JobTemplate,
}

/// Files of CIFAR-10's layout and size.
fn write_images(folder: &Path) {
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
    {
        let mut state = name.bytes().map(u64::from).sum::<u64>();
        let mut byte = |at: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if at.is_multiple_of(IMAGE_BYTES) { ((state >> 33) % 10) as u8 } else { (state >> 56) as u8 }
        };
        let bytes: Vec<u8> = (0..FILE_IMAGES * IMAGE_BYTES).map(&mut byte).collect();
        fs::write(folder.join(format!("{name}.bin")), bytes).unwrap();
    }
}

/// A result that a training could have; what it says does not matter to the speed, but that it differs and how long it is.
fn made_up(genotype: &Genotype, budget: &Budget) -> TrainingResult {
    let text = genotype.canonical().to_string();
    let hash = text.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let width = f64::from(budget.channels * budget.image_size);
    let own = (hash % 1000) as f64 / 1000.0;
    let score = 50.0 + own + (budget.learning_rate * 1e4 + f64::from(budget.layers)) % (3.0 * own + 1.0);
    let epoch = EpochResult { loss: 1.0, score_accuracy: score };
    TrainingResult {
        score,
        epochs: vec![epoch; budget.epochs as usize],
        test_accuracy: score,
        diverged_at: None,
        parameters: 1000,
        mult_adds: 1000,
        training_flops: (width * width) as u64 * u64::from(budget.layers * budget.epochs),
    }
}

impl Warm {
    /// Fills the cache of the paper's plan on `images`, with these settings changed.
    fn new(images: &Path, changed: &[&str]) -> Self {
        let path = format!("data.path={}", images.display());
        let settings: Vec<String> = changed.iter().map(ToString::to_string).chain([path]).collect();
        let pairs: Vec<(&str, &str)> = settings.iter().map(|text| text.split_once('=').unwrap()).collect();
        let config = Config::load("paper", None, &pairs).unwrap();
        let data = config.data.source.load_as(&config.data.reading).unwrap();
        let template = JobTemplate {
            data: DataId::of(&data),
            scoring: config.train.scoring,
            recipe: config.train.recipe.clone(),
            seed: config.train.seed,
        };
        let warm = Self { folder: tempfile::tempdir().unwrap(), settings, config, template };
        let architectures: Vec<Genotype> =
            sample::architectures(warm.config.architectures.seed, warm.config.architectures.count);
        warm.put(&architectures, &[warm.config.full]);
        for round in 1..warm.config.space.open().len() {
            let drawn = warm.run(&format!("sample-budgets@{round}"));
            let budgets: Vec<Budget> = serde_json::from_value(drawn["result"]["budgets"].clone()).unwrap();
            warm.put(&architectures, &budgets);
        }
        let found: Budget = serde_json::from_value(warm.run("select-budget")["result"].clone()).unwrap();
        let searched = sample::architectures(warm.config.search.seed, warm.config.search.samples);
        warm.put(&searched, &[found]);
        let best: Genotype = serde_json::from_value(warm.run("search")["result"]["best"].clone()).unwrap();
        // The winner's last training holds no images out.
        let Self { folder, settings, config, template } = warm;
        let template = JobTemplate { scoring: Scoring::Published, ..template };
        let warm = Self { folder, settings, config, template };
        warm.put(&[best], &[warm.config.full]);
        warm
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn put(&self, architectures: &[Genotype], budgets: &[Budget]) {
        let record = |genotype: &Genotype, budget: &Budget| {
            let key = self.template.job(genotype.canonical(), budget).key().unwrap();
            Record::of(key, &made_up(genotype, budget)).unwrap()
        };
        let records: Vec<Record> = budgets
            .iter()
            .flat_map(|budget| architectures.iter().map(move |genotype| record(genotype, budget)))
            .collect();
        Store::open(self.cache()).unwrap().put_many(&records).unwrap();
    }

    /// Runs the program; it must train nothing.
    fn run(&self, target: &str) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline-measured"));
        command.args(["run", "--profile", "paper", "--device", "cpu", "--json", "--target", target]);
        command.arg("--cache").arg(self.cache());
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["trainings"]["run"], 0, "{found}");
        found
    }

    /// Adds a row.
    fn measure(&self, criterion: &mut Criterion, name: &str) {
        // The first run leaves the outputs of the last nodes behind.
        self.run("nas-search");
        let trainings = Store::open(self.cache()).unwrap().iter(cache::Kind::Training).unwrap().count();
        let mut group = criterion.benchmark_group(format!("engine: {name}"));
        group.bench_function(format!("pipeline run, all of {trainings} trainings cached"), |bencher| {
            bencher.iter(|| self.run("nas-search"));
        });
        group.finish();
    }
}

fn engine(criterion: &mut Criterion) {
    let images = tempfile::tempdir().unwrap();
    write_images(images.path());
    Warm::new(images.path(), &["mip.budgets_per_round=12"]).measure(criterion, "the paper's plan");
    Warm::new(images.path(), &["architectures.count=1430"]).measure(criterion, "1,430 architectures");
}

criterion_group! { name = group; config = criterion(); targets = copy, engine }
criterion_main!(group);
