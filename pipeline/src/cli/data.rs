//! `pipeline data`: what a data set is; getting published ones, and checking copies.

mod check;
mod fetch;

use clap::{Args, Subcommand};
use serde::Serialize;
use stages::config::Config;
use stages::data::{Dataset, Images, Limits, Reading, Source};
use stages::echo::shown;

use super::Global;
use crate::error::Error;
use crate::output::reading::ReadingProgress;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

/// Where in the cache folder it is remembered what pictures hold.
const INDEX: &str = "images";

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  pipeline data
  pipeline data cifar-10-batches-bin
  pipeline data stream:imagenet
  pipeline data check imagenet
  pipeline data fetch cifar10"
)]
pub(crate) struct Data {
    /// `embedded`, or the folder of a data set: CIFAR-10 or CIFAR-100 in their binary layout, IDX files, or pictures in
    /// train/CLASS and val/CLASS, without which a part of train is test images (`stream:DIR` where they do not fit the memory)
    #[arg(default_value = "embedded", value_name = "SET|DIR")]
    data: String,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    Check(check::Check),
    Fetch(fetch::Fetch),
}

#[derive(Serialize)]
struct DataJson<'a> {
    name: &'a str,
    /// What the set is called in `--data`, with the folder that its files lie in.
    source: String,
    digest: String,
    channels: usize,
    /// Pixels; none where images are streamed.
    height: Option<usize>,
    width: Option<usize>,
    train: usize,
    test: usize,
    /// Share of the pictures of each class that were drawn as test images; none where the set names them.
    test_share: Option<f64>,
    mean: &'a [f32],
    std: &'a [f32],
    classes: Vec<ClassJson<'a>>,
}

#[derive(Serialize)]
struct ClassJson<'a> {
    name: &'a str,
    train: usize,
    test: usize,
}

impl Data {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        match &self.action {
            Some(Action::Check(check)) => return check.run(global),
            Some(Action::Fetch(fetch)) => return fetch.run(global),
            None => {}
        }
        let source = found(&self.data)?;
        let data = read(&source, &Reading::default(), global)?;
        let (train, test) = (per_class(&data, &data.train), per_class(&data, &data.test));
        if global.json {
            let class = |(index, name)| ClassJson { name, train: train[index], test: test[index] };
            return output::json(&DataJson {
                name: &data.name,
                source: source.to_string(),
                digest: data.digest.to_string(),
                channels: data.channels,
                height: data.streamed.is_none().then_some(data.height),
                width: data.streamed.is_none().then_some(data.width),
                train: data.train.count,
                test: data.test.count,
                test_share: data.drawn_test.map(|drawn| drawn.share),
                mean: &data.mean,
                std: &data.std,
                classes: data.classes.iter().map(String::as_str).enumerate().map(class).collect(),
            });
        }
        let numbers =
            |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", ");
        let mut table =
            Table::new(&[("class", Align::Left), ("train", Align::Right), ("test", Align::Right)], 0);
        for (index, name) in data.classes.iter().enumerate() {
            table.row(vec![
                name.clone(),
                format::count(train[index] as u64),
                format::count(test[index] as u64),
            ]);
        }
        let pixels = match data.streamed {
            Some(_) => "streamed at the size of a budget".to_owned(),
            None => format!("{} x {} pixels", data.width, data.height),
        };
        let drawn = data.drawn_test.map_or_else(String::new, |drawn| format!("\ntest   {drawn}"));
        output::result(&format!(
            "{}: {} training and {} test images, {pixels}, {}\nsource {}{drawn}\nmean   {}\nstd    {}\ndigest {}\n\n{table}",
            output::heading(&data.name),
            format::count(data.train.count as u64),
            format::count(data.test.count as u64),
            format::plural(data.channels as u64, "channel"),
            shown(source),
            numbers(&data.mean),
            numbers(&data.std),
            data.digest
        ))
    }
}

/// Reads a data set by the text that names it.
pub(super) fn load(text: &str, reading: &Reading, global: &Global) -> Result<Dataset, Error> {
    read(&found(text)?, reading, global)
}

/// Reads the data set that a command names, or else the one of its settings, or else the embedded one.
pub(super) fn load_of(
    named: Option<&str>,
    config: Option<&Config>,
    global: &Global,
) -> Result<Dataset, Error> {
    match (named, config) {
        (None, Some(config)) => read(&config.data.source, &config.data.reading, global),
        (named, config) => {
            let reading = config.map(|config| config.data.reading.clone());
            // All of it: how many images to take goes with the settings' own set.
            let reading = Reading { limits: Limits::default(), ..reading.unwrap_or_default() };
            load(named.unwrap_or("embedded"), &reading, global)
        }
    }
}

/// Reads a data set, and says what a person should know of it.
pub(super) fn read(source: &Source, reading: &Reading, global: &Global) -> Result<Dataset, Error> {
    // Digests of files are remembered with everything else that is.
    let index = global.folder().ok().map(|folder| folder.join(INDEX));
    let progress = ReadingProgress::default();
    let data = source.load_observed(&Reading { index, ..reading.clone() }, &progress);
    progress.ended();
    let data = data.map_err(Error::Input)?;
    data.notes.iter().for_each(|note| output::message(&format!("{}: {note}", data.name)));
    Ok(data)
}

/// The source that a text names, with the place where its files lie.
fn found(text: &str) -> Result<Source, Error> {
    text.parse().and_then(|source: Source| source.found()).map_err(Error::Input)
}

fn per_class(data: &Dataset, images: &Images) -> Vec<usize> {
    let mut counts = vec![0; data.classes.len()];
    for &label in images.labels.iter() {
        counts[usize::from(label)] += 1;
    }
    counts
}
