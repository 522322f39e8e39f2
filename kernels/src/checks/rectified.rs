//! What operations read through a ReLU, kept until a step has ended, against the reference.

use super::case::{Case, Dice};
use super::cells::random_network;
use crate::device::Device;
use crate::reference::Rounding;
use crate::{DeviceChoice, Nobody, Rectified, Shape, Trainer};

type Kept = Vec<(Shape, Vec<f32>)>;

/// What a step over `images` keeps on a device.
fn kept(device: &Device, case: &Case, images: &[u32]) -> Kept {
    let mut trainer =
        Trainer::new(device, &case.graph, &case.settings, std::slice::from_ref(&case.images)).unwrap();
    trainer.train_epoch(0, images, 1, 0.0, case.drop_path, &Nobody).unwrap();
    let mut kept = Kept::new();
    let show = |Rectified { shape, values }: Rectified<'_>| kept.push((shape, values.to_vec()));
    trainer.rectified(images.len(), show).unwrap();
    kept
}

#[test]
fn what_is_read_through_a_relu_is_that_of_the_reference() {
    let mut seen = 0;
    for seed in 0..6 {
        let mut case = random_network(seed);
        case.settings.float_bits = 32;
        case.graph.keep_rectified();
        // Batches that fill no block, one and several.
        let count =
            [3, 16, 19][Dice::new(seed).below(3)].min(case.settings.batch_size).min(case.images.len());
        let images = &case.order()[..count];
        let mut reference = case.reference(Rounding::Double);
        let calls = reference.train.calls.clone();
        let mut memory = reference.differentiate(&calls, case.batch(images));
        let inputs = reference.train.kept.clone();
        assert!(!inputs.is_empty(), "{}", case.name);
        for device in Device::with_every_isa() {
            let kept = kept(&device, &case, images);
            assert_eq!(kept.len(), inputs.len());
            for (input, (shape, values)) in inputs.iter().zip(&kept) {
                let expected = reference.read(&mut memory, *input);
                assert_eq!((*shape, values.len()), (expected.shape, expected.values.len()));
                let scale = expected.values.iter().fold(1.0, |largest, value| value.abs().max(largest));
                for (found, expected) in values.iter().zip(&expected.values) {
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4 * scale,
                        "{}: {found}, not {expected}",
                        case.name
                    );
                }
                seen += values.iter().filter(|value| **value > 0.0).count();
            }
        }
    }
    assert!(seen > 10_000, "{seen}");
}

#[test]
fn keeping_changes_no_training() {
    let plain = random_network(4);
    let mut keeping = plain.clone();
    keeping.graph.keep_rectified();
    let device = Device::open(DeviceChoice::Cpu { threads: 2 }).unwrap();
    let train = |case: &Case| {
        let sets = std::slice::from_ref(&case.images);
        let mut trainer = Trainer::new(&device, &case.graph, &case.settings, sets).unwrap();
        let metrics =
            trainer.train_epoch(0, &case.order(), 0, case.learning_rate, case.drop_path, &Nobody).unwrap();
        (metrics, trainer.named_parameters().unwrap(), trainer.named_gradients().unwrap())
    };
    assert_eq!(train(&plain), train(&keeping));
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let mut case = random_network(1);
    case.graph.keep_rectified();
    let images = case.settings.batch_size;
    for (choice, count, message) in [
        (DeviceChoice::Cpu { threads: 1 }, images + 1, "images are asked for"),
        (DeviceChoice::Software, images, "on the processor only"),
    ] {
        let device = Device::open(choice).unwrap();
        let sets = std::slice::from_ref(&case.images);
        let mut trainer = Trainer::new(&device, &case.graph, &case.settings, sets).unwrap();
        let error = trainer.rectified(count, |_| {}).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
