//! `pipeline data`: what a data set is.

use clap::Args;
use serde::Serialize;
use stages::data::{Dataset, Images, Limits, Source};
use stages::echo::shown;

use super::Global;
use crate::error::Error;
use crate::output::table::{Align, Table};
use crate::output::{self, format};

#[derive(Args)]
#[command(after_help = "Examples:
  pipeline data
  pipeline data cifar-10-batches-bin")]
pub(crate) struct Data {
    /// `embedded`, or the folder of a data set: CIFAR-10 or CIFAR-100 in their binary layout, or IDX files
    #[arg(default_value = "embedded", value_name = "SET|DIR")]
    data: String,
}

#[derive(Serialize)]
struct DataJson<'a> {
    name: &'a str,
    /// What the set is called in `--data`, with the folder that its files lie in.
    source: String,
    digest: String,
    channels: usize,
    height: usize,
    width: usize,
    train: usize,
    test: usize,
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
        let source = found(&self.data)?;
        let data = source.load(Limits::default()).map_err(Error::Input)?;
        let (train, test) = (per_class(&data, &data.train), per_class(&data, &data.test));
        if global.json {
            let class = |(index, name)| ClassJson { name, train: train[index], test: test[index] };
            return output::json(&DataJson {
                name: &data.name,
                source: source.to_string(),
                digest: data.digest.to_string(),
                channels: data.channels,
                height: data.height,
                width: data.width,
                train: data.train.count,
                test: data.test.count,
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
        output::result(&format!(
            "{}: {} training and {} test images, {} x {} pixels, {}\nsource {}\nmean   {}\nstd    {}\ndigest {}\n\n{table}",
            output::heading(&data.name),
            format::count(data.train.count as u64),
            format::count(data.test.count as u64),
            data.width,
            data.height,
            format::plural(data.channels as u64, "channel"),
            shown(source),
            numbers(&data.mean),
            numbers(&data.std),
            data.digest
        ))
    }
}

/// Reads a data set by the text that names it.
pub(super) fn load(text: &str) -> Result<Dataset, Error> {
    found(text)?.load(Limits::default()).map_err(Error::Input)
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
