//! What convolutions take on one thread of the processor, by kind, channels and width of the map: GFLOP/s forward and
//! backward, and the time of a pixel at 7, 14 and 28 pixels beside that at 8, 16 and 32.
//!
//!     cargo run --release -p kernels --example convolutions -- dense     # rows whose name contains "dense"

#![allow(clippy::print_stdout, reason = "it is run by hand, for its table")]

use std::time::Instant;

use kernels::control::multiply_adds;
use kernels::{
    BLOCK, ConvSpec, DepthwiseSpec, Device, DeviceChoice, Error, Graph, GroupSettings, ImageSet, Nobody,
    NormInit, Preprocess, SeparableSpec, Shape, Trainer, TrainerSettings, ValueId,
};

const CLASSES: usize = 2;
/// Images of a step.
const BATCH: usize = 2 * BLOCK;
/// Each width that is no power of two before the one that it is compared to.
const WIDTHS: [usize; 6] = [7, 8, 14, 16, 28, 32];
/// A network is trained for so long at least; the fastest step counts.
const SECONDS: f64 = 0.3;
const STEPS: usize = 4;

/// A convolution of a map.
type Build = Box<dyn Fn(&mut Graph, ValueId) -> Result<ValueId, Error>>;

fn dense(channels: usize, kernel: [usize; 2], stride: usize) -> Build {
    let padding = kernel.map(|side| side / 2);
    let spec = ConvSpec { padding, relu: true, stride, ..ConvSpec::new(channels, kernel) };
    Box::new(move |graph, map| graph.conv("convolution", map, spec))
}

fn separable(channels: usize, kernel: usize, stride: usize, dilation: usize) -> Build {
    let padding = dilation * (kernel / 2);
    let spec = SeparableSpec { channels, kernel, stride, dilation, padding };
    Box::new(move |graph, map| graph.separable("depthwise", "pointwise", map, spec))
}

fn depthwise(kernel: usize) -> Build {
    let spec = DepthwiseSpec { kernel, stride: 1, dilation: 1, padding: kernel / 2, relu: true };
    Box::new(move |graph, map| graph.depthwise("depthwise", map, spec))
}

fn rows() -> Vec<(String, usize, Build)> {
    let mut rows: Vec<(String, usize, Build)> = Vec::new();
    for channels in [16, 64, 256] {
        rows.push((format!("dense 3×3, {channels} channels"), channels, dense(channels, [3, 3], 1)));
    }
    rows.push(("dense 3×3 stride 2, 64 channels".into(), 64, dense(64, [3, 3], 2)));
    rows.push(("dense 1×7, 64 channels".into(), 64, dense(64, [1, 7], 1)));
    rows.push(("dense 7×1, 64 channels".into(), 64, dense(64, [7, 1], 1)));
    for channels in [16, 64, 256] {
        rows.push((format!("pointwise, {channels} channels"), channels, dense(channels, [1, 1], 1)));
    }
    for channels in [16, 64] {
        for (kernel, dilation) in [(3, 1), (5, 1), (3, 2), (5, 2)] {
            let name = format!("separable {kernel}×{kernel}, dilation {dilation}, {channels} channels");
            rows.push((name, channels, separable(channels, kernel, 1, dilation)));
        }
    }
    rows.push(("separable 3×3 stride 2, 64 channels".into(), 64, separable(64, 3, 2, 1)));
    rows.push(("depthwise 3×3, 64 channels".into(), 64, depthwise(3)));
    rows.push(("depthwise 7×7, 64 channels".into(), 64, depthwise(7)));
    rows
}

fn main() -> Result<(), Error> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let device = Device::open(DeviceChoice::Cpu { threads: 1 })?;
    let control = (0..5).map(|_| control()).fold(0.0, f64::max);
    println!("control: multiply-adds {control:.0} GFLOP/s");
    for (name, channels, build) in rows() {
        if !wanted.iter().all(|part| name.contains(part.as_str())) {
            continue;
        }
        let mut cells = Vec::new();
        for pair in WIDTHS.chunks(2) {
            let [odd, even] =
                [measure(&device, channels, pair[0], &build)?, measure(&device, channels, pair[1], &build)?];
            cells.push((pair[0], odd, even));
        }
        for (pass, label) in ["forward", "backward"].into_iter().enumerate() {
            print!("{name:40} {label:8}");
            for (width, odd, even) in &cells {
                print!(
                    " | {width}: {:5.1} {:5.1} {:4.2}",
                    odd[pass].0,
                    even[pass].0,
                    odd[pass].1 / even[pass].1
                );
            }
            println!();
        }
    }
    Ok(())
}

/// GFLOP/s of the control row.
fn control() -> f64 {
    let begun = Instant::now();
    multiply_adds(1) as f64 / begun.elapsed().as_secs_f64() / 1e9
}

/// GFLOP/s and seconds a pixel of the map, forward and backward.
fn measure(device: &Device, channels: usize, width: usize, build: &Build) -> Result<[(f64, f64); 2], Error> {
    let shape = Shape::new(channels, width, width);
    let (mut graph, image) = Graph::new(shape, CLASSES);
    // Parameters before the convolution, so that the gradient of its input is wanted.
    let map = graph.batch_norm("read", image)?;
    let before = graph.cost().mult_adds;
    let map = build(&mut graph, map)?;
    let mult_adds = graph.cost().mult_adds - before;
    let map = graph.batch_norm("norm", map)?;
    let pooled = graph.global_average(map);
    let logits = graph.linear("classes", pooled, CLASSES, false)?;
    graph.head(logits, 1.0)?;
    let settings = TrainerSettings {
        batch_size: BATCH,
        groups: vec![GroupSettings::sgd(0.9, 0.0, 5.0)],
        extra_vectors: 0,
        label_smoothing: 0.0,
        float_bits: 32,
        preprocess: Preprocess {
            image_size: width,
            mean: vec![0.5; channels],
            std: vec![0.25; channels],
            augment: false,
            cutout: 0,
        },
        seed: 0,
        norm_init: NormInit::One,
    };
    let pixels: Vec<u8> = (0..BATCH * shape.elements()).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
    let labels: Vec<u16> = (0..BATCH).map(|image| (image % CLASSES) as u16).collect();
    let set = ImageSet::new(shape, pixels.into(), labels.into(), CLASSES)?;
    let mut trainer = Trainer::new(device, &graph, &settings, &[set])?;
    let order: Vec<u32> = (0..BATCH as u32).collect();
    let mut least = [f64::INFINITY; 2];
    let begun = Instant::now();
    let mut steps = 0;
    while steps < STEPS || begun.elapsed().as_secs_f64() < SECONDS {
        let (_, times) = trainer.profiled(|trainer| trainer.train_epoch(0, &order, 0, 0.0, 0.0, &Nobody))?;
        let mut seconds = [0.0; 2];
        for time in times.unwrap_or_default() {
            if time.kind.contains("convolution") {
                seconds[usize::from(time.kind.contains("backward"))] += time.seconds;
            }
        }
        for (least, seconds) in least.iter_mut().zip(seconds) {
            *least = least.min(seconds);
        }
        steps += 1;
    }
    let flops = (2 * mult_adds) as f64 * BATCH as f64;
    let pixels = (BATCH * width * width) as f64;
    let row = |seconds: f64, flops: f64| (flops / seconds / 1e9, seconds / pixels);
    Ok([row(least[0], flops), row(least[1], 2.0 * flops)])
}
