//! Images that take the place of others in a training that goes on.

use super::case::Case;
use super::cells::random_network;
use crate::device::Device;
use crate::{DeviceChoice, Error, ImageSet, Nobody, Shape, Trainer};

/// As many images of the same shape, with other pixels and labels.
fn others(images: &ImageSet) -> ImageSet {
    let pixels: Vec<u8> = images.pixels().iter().rev().map(|&value| value ^ 0x5a).collect();
    let labels: Vec<u16> = images.labels().iter().rev().copied().collect();
    ImageSet::new(images.shape(), pixels.into(), labels.into(), super::CLASSES).unwrap()
}

fn trainer(device: &Device, case: &Case, images: &ImageSet) -> Trainer {
    Trainer::new(device, &case.graph, &case.settings, std::slice::from_ref(images)).unwrap()
}

fn replaces(choice: DeviceChoice) {
    let device = Device::open(choice).unwrap();
    let case = random_network(2);
    let (order, second) = (case.order(), others(&case.images));
    let train = |trainer: &mut Trainer, epoch| {
        let losses = trainer
            .train_epoch(0, &order, epoch, case.learning_rate, case.drop_path, &Nobody)
            .unwrap()
            .losses;
        (losses, trainer.evaluate(0, &order, &Nobody).unwrap())
    };
    // Trained on the one, then on the other, by one trainer and by two that are made with their images.
    let own = others(&others(&case.images));
    let mut replacing = trainer(&device, &case, &own);
    let mut first = trainer(&device, &case, &case.images);
    assert_eq!(train(&mut replacing, 0), train(&mut first, 0));
    let former = replacing.replace_images(0, second.clone()).unwrap();
    assert!(std::sync::Arc::ptr_eq(former.pixels(), own.pixels()));
    let mut next = trainer(&device, &case, &second);
    next.restore(&first.checkpoint().unwrap()).unwrap();
    let expected = train(&mut next, 1);
    assert_eq!(train(&mut replacing, 1), expected);
    assert_ne!(train(&mut first, 1), expected);
    // And back, which no other training of the device sees.
    replacing.replace_images(0, former).unwrap();
    assert_eq!(train(&mut replacing, 2).0.len(), expected.0.len());
    assert_eq!(
        train(&mut trainer(&device, &case, &second), 0),
        train(&mut trainer(&device, &case, &second), 0)
    );

    let (shape, count) = (case.images.shape(), case.images.len());
    let set = |shape: Shape, count: usize, classes: usize| {
        let pixels = vec![0; shape.elements() * count];
        ImageSet::new(shape, pixels.into(), vec![classes as u16 - 1; count].into(), classes).unwrap()
    };
    let taller = Shape::new(shape.channels, shape.height + 1, shape.width);
    for (place, images, message) in [
        (1, second.clone(), "there is no image set 1"),
        (0, set(taller, count, 2), "cannot take the place of"),
        (0, set(shape, count + 1, 2), "cannot take the place of"),
        (0, set(shape, count, 1000), "label 999 is not one of the network's"),
    ] {
        let error = replacing.replace_images(place, images).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\nshould say: {message}");
    }
}

#[test]
fn images_are_replaced_on_the_cpu() {
    replaces(DeviceChoice::Cpu { threads: 2 });
}

#[test]
fn images_are_replaced_on_the_software_gpu() {
    replaces(DeviceChoice::Software);
}

#[test]
fn images_that_another_training_reads_are_not_replaced() {
    let device = Device::open(DeviceChoice::Software).unwrap();
    let case = random_network(2);
    let [mut one, other] = [(); 2].map(|()| trainer(&device, &case, &case.images));
    let error = one.replace_images(0, others(&case.images)).unwrap_err();
    assert!(matches!(&error, Error::Images { problem } if problem.contains("other trainings")), "{error}");
    drop(other);
    one.replace_images(0, others(&case.images)).unwrap();
}
