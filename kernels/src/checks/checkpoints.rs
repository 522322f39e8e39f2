//! A training that stops and goes on from its checkpoint ends with the bits of one that does not.

use super::case::Case;
use super::cells::{random_network, relu_conv_norm};
use crate::device::Device;
use crate::{DeviceChoice, Error, Nobody, Shape, Trainer};

fn trainer(device: &Device, case: &Case) -> Trainer {
    Trainer::new(device, &case.graph, &case.settings, std::slice::from_ref(&case.images)).unwrap()
}

fn train(trainer: &mut Trainer, case: &Case, order: &[u32], epoch: u32) -> Vec<f32> {
    trainer.train_epoch(0, order, epoch, case.learning_rate, case.drop_path, &Nobody).unwrap().losses
}

fn goes_on(choice: DeviceChoice) {
    let device = Device::open(choice).unwrap();
    let case = random_network(2);
    let order = case.order();
    // In the middle of an epoch, at a whole batch.
    let half = case.settings.batch_size.min(order.len());
    let mut unbroken = trainer(&device, &case);
    train(&mut unbroken, &case, &order, 0);
    train(&mut unbroken, &case, &order[..half], 1);
    let checkpoint = unbroken.checkpoint().unwrap();
    let mut resumed = trainer(&device, &case);
    resumed.restore(&checkpoint).unwrap();
    for (epoch, order) in [(1, &order[half..]), (2, &order[..])] {
        let expected = train(&mut unbroken, &case, order, epoch);
        assert_eq!(train(&mut resumed, &case, order, epoch), expected);
    }
    assert!(unbroken.checkpoint().unwrap() == resumed.checkpoint().unwrap());

    let other = random_network(3);
    // As many numbers, under other names.
    let renamed = |name: &'static str| {
        Case::new("renamed", Shape::new(3, 6, 6), 4, 4, move |graph, image| {
            relu_conv_norm(graph, name, image, 4, 1, 1)
        })
    };
    let [left, right] = ["left", "right"].map(renamed).map(|case| trainer(&device, &case));
    for (mut trainer, mut of) in [(trainer(&device, &other), resumed), (left, right)] {
        let error = trainer.restore(&of.checkpoint().unwrap()).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    }
}

#[test]
fn a_training_goes_on_from_its_checkpoint_on_the_cpu() {
    goes_on(DeviceChoice::Cpu { threads: 2 });
}

#[test]
fn a_training_goes_on_from_its_checkpoint_on_the_software_gpu() {
    goes_on(DeviceChoice::Software);
}
