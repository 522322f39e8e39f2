//! Every shader of dense networks, in both precisions, and of all operations: valid within what every device has, and written for each driver.

use std::collections::HashSet;

use super::networks::{Training, dense};
use crate::gpu::binding_layout::SLOTS;
use crate::gpu::images::ImageSplit;
use crate::gpu::prepare::{Prepared, vector_recording};
use crate::gpu::source::ShaderSource;
use crate::gpu::tiles::Style;
use crate::ops;
use crate::optimiser::Optimiser;
use crate::step::{Group, Part, Scale, Vector, VectorWork};

const PAGE_BYTES: u64 = 128 << 20;

fn sources(training: &Training, style: Style) -> HashSet<ShaderSource> {
    let splits: Vec<_> = training.sets.iter().map(|set| ImageSplit::new(set, PAGE_BYTES)).collect();
    let setups = [training.setup()];
    let prepared = Prepared::new(&setups, PAGE_BYTES, &splits, style).unwrap();
    let states = [&prepared.members[0].state];
    let vectors = vector_work().into_iter().map(|work| vector_recording(&setups, &states, style, work));
    let recordings = [prepared.train, prepared.evaluate, prepared.prologue];
    recordings.into_iter().chain(vectors).flat_map(|recording| recording.sources).collect()
}

/// All that is done with vectors.
fn vector_work() -> Vec<VectorWork> {
    let (group, from, to) = (Group::WEIGHTS, Vector::Gradients, Vector::Momenta);
    let scales = [Scale::from(2.0), Scale::from(1.0).times_learning_rate(group).over_norm(group, from)];
    let axpy = scales.map(|scale| VectorWork::Part(Part::Axpy { group, scale, from, to }));
    let others = [Part::Update { group }, Part::Copy { group, from, to }].map(VectorWork::Part);
    let dot = VectorWork::Dot { group, vectors: [from, to] };
    axpy.into_iter().chain(others).chain([dot]).collect()
}

/// Parses and validates within default limits and features (packing into binary16 is one of every device that wgpu opens
/// here; immediates come with textures), and writes SPIR-V, MSL and HLSL.
fn check(source: &ShaderSource) -> Result<(), String> {
    let text = &source.text();
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    capabilities.set(naga::valid::Capabilities::IMMEDIATES, source.format().textured);
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(text))?;

    let entry = &module.entry_points[0];
    let invocations: u32 = entry.workgroup_size.iter().product();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|error| error.to_string())?;
    let shared = |variable: &naga::GlobalVariable| match variable.space {
        naga::AddressSpace::WorkGroup => layouter[variable.ty].size,
        _ => 0,
    };
    let workgroup_bytes: u32 = module.global_variables.iter().map(|(_, variable)| shared(variable)).sum();
    let storages = (module.global_variables.iter())
        .filter(|(_, variable)| matches!(variable.space, naga::AddressSpace::Storage { .. }))
        .count();
    if invocations > 256 || workgroup_bytes > 16 * 1024 || storages > 1 + SLOTS || storages > 8 {
        return Err(format!(
            "{invocations} invocations, {workgroup_bytes} bytes, {storages} storage buffers"
        ));
    }

    let options = naga::back::spv::Options::default();
    naga::back::spv::write_vec(&module, &info, &options, None).map_err(|error| error.to_string())?;
    // Only a driver of Vulkan runs on a processor.
    if source.format().textured {
        return Ok(());
    }
    let options =
        naga::back::msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
    let pipeline = naga::back::msl::PipelineOptions::default();
    naga::back::msl::write_string(&module, &info, &options, &pipeline).map_err(|error| error.to_string())?;
    let options = naga::back::hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    let mut hlsl = String::new();
    naga::back::hlsl::Writer::new(&mut hlsl, &options, &naga::back::hlsl::PipelineOptions::default())
        .write(&module, &info, None)
        .map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn every_shader_is_valid_everywhere() {
    let (mut all, mut textured) = (HashSet::new(), HashSet::new());
    for (channels, layers, first) in [(8, 6, 0), (6, 3, 4)] {
        for float_bits in [32, 16] {
            let mut training = Training::new(dense(channels, layers, 16, first), 96, float_bits, 4);
            if channels == 6 {
                let optimiser = Optimiser::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
                training.settings.groups[0].optimiser = optimiser;
            }
            all.extend(sources(&training, Style::HARDWARE));
            textured.extend(sources(&training, Style::SOFTWARE));
        }
    }
    for example in ops::examples() {
        for float_bits in [32, 16] {
            let training = Training::new(example.case(3, 5, 20, 4).graph, 20, float_bits, 4);
            all.extend(sources(&training, Style::HARDWARE));
            textured.extend(sources(&training, Style::SOFTWARE));
        }
    }
    let seen: HashSet<_> = all.iter().chain(&textured).map(ShaderSource::kernel).collect();
    let expected: HashSet<_> = ops::shaders().into_iter().map(|shader| shader.name).collect();
    assert_eq!(seen, expected);
    all.extend(textured);
    for source in &all {
        if let Err(problem) = check(source) {
            panic!("{}: {problem}", source.kernel());
        }
    }
}
