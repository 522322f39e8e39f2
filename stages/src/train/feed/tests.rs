//! Trainings over windows are those over whole sets.

use std::path::Path;

use cache::FieldValue;
use kernels::{Device, DeviceChoice};
use tempfile::TempDir;

use super::*;
use crate::checkpoint::NoCheckpoints;
use crate::checkpoint::tests::{Listener, Shelf};
use crate::data::{Images, Limits, Source};
use crate::recipe::Recipe;
use crate::sample::architectures;
use crate::train::{DataId, TrainedWithOptions, train_with};

/// Pictures of two classes of colours, and of several sizes.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (part, count) in [("train", 25_u32), ("val", 10)] {
        for (class, warm) in [("cold", 0), ("warm", 120)] {
            let class = folder.path().join(part).join(class);
            std::fs::create_dir_all(&class).unwrap();
            for number in 0..count {
                let pixel =
                    |x: u32, y: u32| [(warm + x * number % 120) as u8, (y * 9) as u8, (number * 7) as u8];
                let image = image::RgbImage::from_fn(10 + number % 3, 12, |x, y| image::Rgb(pixel(x, y)));
                image.save(class.join(format!("{number:02}.png"))).unwrap();
            }
        }
    }
    folder
}

fn streamed(folder: &Path) -> Dataset {
    Source::Stream(folder.into()).load(Limits::default()).unwrap()
}

fn job(data: &Dataset, recipe: Recipe, scoring: Scoring) -> TrainingJob {
    let budget = "BPE-1,epochs=3,batch_size=8,layers=3,channels=4,image_size=8,cutout=0";
    TrainingJob {
        architecture: architectures(0, 1)[0].clone().into(),
        budget: budget.parse().unwrap(),
        seed: 3,
        data: DataId::of(data),
        scoring,
        recipe,
    }
}

fn trained(job: &TrainingJob, data: &Dataset, device: &Device) -> TrainedWithOptions {
    let options = TrainOptions::default();
    train_with(job, data, device, &options, &Listener::default(), &NoCheckpoints).unwrap()
}

fn cpu(threads: usize) -> Device {
    Device::open(DeviceChoice::Cpu { threads }).unwrap()
}

/// The same set in memory, as trainings see it that draw nothing.
fn resident(data: &Dataset) -> Dataset {
    let streamed = data.streamed.as_ref().unwrap();
    let part = |images: &Images, seen: Seen| {
        let mut pixels = vec![0; images.count * 192];
        for (image, planes) in pixels.chunks_exact_mut(192).enumerate() {
            streamed.load(image as u32, seen, 8, planes).unwrap();
        }
        Images { pixels: pixels.into(), labels: images.labels.clone(), count: images.count }
    };
    let (train, test) = (part(&data.train, Seen::Train), part(&data.test, Seen::Test));
    Dataset { height: 8, width: 8, streamed: None, train, test, ..data.clone() }
}

#[test]
fn what_is_streamed_is_trained_and_scored_as_if_it_were_in_memory() {
    let folder = folder();
    let data = streamed(folder.path());
    let whole = resident(&data);
    let windows = Windows::new(&job(&data, Recipe::default(), Scoring::Published).budget, &data);
    assert_eq!(
        (windows.images, windows.of(data.train.count)),
        (16, 4),
        "several windows, the last one not full"
    );
    let recipe = Recipe { augment: false, drop_path: 0.0, ..Recipe::default() };
    let software = Device::open(DeviceChoice::Software).unwrap();
    for (device, scoring) in [
        (cpu(1), Scoring::Published),
        (cpu(2), Scoring::Holdout { fraction: 0.4, seed: 0 }),
        (software, Scoring::Published),
    ] {
        let job = job(&data, recipe.clone(), scoring);
        let (one, other) = (trained(&job, &data, &device), trained(&job, &whole, &device));
        assert_eq!(one.losses, other.losses);
        assert_eq!(one.trained.result, other.trained.result);
        assert!(one.waited.is_some() && other.waited.is_none());
    }
}

#[test]
fn threads_and_checkpoints_change_nothing_and_epochs_and_seeds_do() {
    let folder = folder();
    let data = streamed(folder.path());
    let job = job(&data, Recipe::default(), Scoring::Holdout { fraction: 0.2, seed: 0 });
    let expected = trained(&job, &data, &cpu(1));
    assert_eq!(expected.trained.result.epochs.len(), 3);
    let again = trained(&job, &data, &cpu(2));
    assert_eq!((&again.losses, &again.trained.result), (&expected.losses, &expected.trained.result));

    let stopped = Listener::default();
    let shelf = Shelf::new(Vec::new(), 1, &stopped);
    let options = TrainOptions::default();
    let error = train_with(&job, &data, &cpu(1), &options, &stopped, &shelf).unwrap_err();
    assert!(matches!(error, Error::Network(kernels::Error::Cancelled)), "{error}");
    let listener = Listener::default();
    let shelf = Shelf::new(shelf.kept.into_inner().unwrap(), usize::MAX, &listener);
    let resumed = train_with(&job, &data, &cpu(2), &options, &listener, &shelf).unwrap();
    assert_eq!((&resumed.losses, &resumed.trained.result), (&expected.losses, &expected.trained.result));

    // Within an epoch: of its 80 images windows have 16.
    for stops_after in [1, 4, 6] {
        let within = |kept, stops_after, listener: &Listener| {
            let shelf = Shelf::new(kept, stops_after, listener).within_epochs();
            (train_with(&job, &data, &cpu(2), &options, listener, &shelf), shelf.kept.into_inner().unwrap())
        };
        let (error, kept) = within(Vec::new(), stops_after, &Listener::default());
        assert!(error.is_err() && kept.len() == stops_after);
        let resumed = within(kept, usize::MAX, &Listener::default()).0.unwrap();
        assert_eq!((&resumed.losses, &resumed.trained.result), (&expected.losses, &expected.trained.result));
    }

    let other = trained(&TrainingJob { seed: 4, ..job.clone() }, &data, &cpu(1));
    assert_ne!(other.losses, expected.losses);
    let plain = TrainingJob { recipe: Recipe { augment: false, ..Recipe::default() }, ..job.clone() };
    assert_ne!(trained(&plain, &data, &cpu(1)).losses, expected.losses);

    let cut = TrainOptions { max_steps: Some(7), ..TrainOptions::default() };
    let cut = train_with(&job, &data, &cpu(1), &cut, &Listener::default(), &NoCheckpoints).unwrap();
    assert_eq!(cut.losses, expected.losses[..7]);
}

#[test]
fn a_key_names_the_augmentation_of_what_is_streamed_and_of_nothing_else() {
    let folder = folder();
    let data = streamed(folder.path());
    let field = |data: &Dataset, name: &str| {
        let key = job(data, Recipe::default(), Scoring::Published).key().unwrap();
        key.fields().iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone())
    };
    let name = field(&data, "augmentation");
    assert_eq!(name, Some(FieldValue::from("random-resized-crop, flip, jitter")));
    assert_eq!(field(&data, "augmentation_version"), Some(FieldValue::from(1_u64)));
    assert_eq!(field(&resident(&data), "augmentation"), None);
}

#[test]
fn an_image_that_changes_ends_a_training_and_is_named() {
    let folder = folder();
    let data = streamed(folder.path());
    std::fs::write(folder.path().join("train/warm/07.png"), "other").unwrap();
    let job = job(&data, Recipe::default(), Scoring::Published);
    let options = TrainOptions::default();
    let error = train_with(&job, &data, &cpu(1), &options, &Listener::default(), &NoCheckpoints).unwrap_err();
    assert!(error.to_string().contains("warm/07.png: has changed since the training began"), "{error}");
}
