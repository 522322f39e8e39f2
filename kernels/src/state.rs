//! What a training changes: parameters, momentum and running statistics, in flat arrays, with their names.

use std::ops::Range;
use std::path::Path;

use crate::error::Error;
use crate::program::{Init, Param, ParamId, Tables};
use crate::rng::{Purpose, random, unit};
use crate::step::Group;
use crate::tensors::{self, Tensors};

/// How the scales of normalisations start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormInit {
    /// 1.
    One,
    /// Uniform in [0, 1).
    Uniform,
}

/// Parameters of a network in one flat array, and the running statistics of its normalisations in another.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Parameters, each at the offset that [`ParameterLayout`] gives it, zeros between.
    pub(crate) parameters: Vec<f32>,
    /// Running means of all normalisations' channels.
    pub(crate) running_mean: Vec<f32>,
    /// Running (unbiased) variances.
    pub(crate) running_var: Vec<f32>,
}

/// What optimisers keep of trained parameters, laid out like them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    /// Momenta of SGD, and first moments of Adam.
    pub(crate) first: Vec<f32>,
    /// Second moments of Adam; none where no group has it.
    pub(crate) second: Vec<f32>,
    pub(crate) loss_scale: LossScale,
}

/// What the gradient of the loss is multiplied by with 16 bits, and how that went.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct LossScale {
    /// The factor, a power of two.
    pub(crate) scale: f32,
    /// Good gradients in a row.
    pub(crate) good: f32,
    /// 1 where the last gradients were no numbers and updates with them are left out, otherwise 0.
    pub(crate) skips: f32,
}

impl LossScale {
    /// As trainings begin.
    pub(crate) const INITIAL: Self = Self { scale: 4096.0, good: 0.0, skips: 0.0 };
}

/// Offsets of the parameters in the flat array.
#[derive(Clone, Debug)]
pub(crate) struct ParameterLayout {
    offsets: Vec<usize>,
    /// Elements of each group's trained parameters.
    pub(crate) groups: Vec<Range<usize>>,
    /// Elements of the part that is trained; the parameters without a gradient lie behind it.
    pub(crate) trained: usize,
    /// Elements in all.
    pub(crate) elements: usize,
}

/// Parameters begin at multiples of this many elements (one cache line).
const PARAM_ALIGNMENT: usize = 16;

impl ParameterLayout {
    pub(crate) fn new(tables: &Tables, trained: &[bool]) -> Self {
        let mut offsets = vec![0; tables.params.len()];
        let mut next = 0;
        let mut place = |is_wanted: &dyn Fn(usize) -> bool| {
            let first = next;
            for index in (0..offsets.len()).filter(|&index| is_wanted(index)) {
                offsets[index] = next;
                next += tables.params[index].elements().next_multiple_of(PARAM_ALIGNMENT);
            }
            first..next
        };
        let groups: Vec<_> = (0..tables.groups)
            .map(|group| place(&|index| trained[index] && tables.params[index].group == Group(group)))
            .collect();
        let Range { start: trained, end: elements } = place(&|index| !trained[index]);
        Self { offsets, groups, trained, elements }
    }

    pub(crate) fn offset(&self, param: ParamId) -> usize {
        self.offsets[param.0]
    }

    /// The offset of the parameter of a name, which has `count` elements.
    ///
    /// # Errors
    /// When there is none, or it has another number of elements.
    pub(crate) fn offset_of(&self, name: &str, count: usize, tables: &Tables) -> Result<usize, Error> {
        let found = tables.params.iter().position(|param| param.name == name);
        let problem = match found.map(|index| (index, tables.params[index].elements())) {
            Some((index, elements)) if elements == count => return Ok(self.offsets[index]),
            Some((_, elements)) => format!("it has {elements} numbers, and {count} are given"),
            None => "the network has no parameter of this name".to_owned(),
        };
        Err(Error::BadSize { op: "parameter", name: name.to_owned(), problem })
    }
}

impl State {
    /// Initial values: convolutions and linear layers uniform in ±1/√fan-in, normalisations scale `norm_init`
    /// and shift 0. A parameter's values depend on the seed and its place in the network alone.
    pub(crate) fn initial(tables: &Tables, layout: &ParameterLayout, seed: u64, norm_init: NormInit) -> Self {
        let mut parameters = vec![0.0; layout.elements];
        for (index, param) in tables.params.iter().enumerate() {
            let values = &mut parameters[layout.offset(ParamId(index))..][..param.elements()];
            let word =
                |element: usize| unit(random(seed, Purpose::Initialise, 0, index as u32, element as u32)[0]);
            for (element, value) in values.iter_mut().enumerate() {
                *value = match (param.init, norm_init) {
                    (Init::Uniform { bound }, _) => (2.0 * word(element) - 1.0) * bound,
                    (Init::NormScale, NormInit::One) | (Init::One, _) => 1.0,
                    (Init::NormScale, NormInit::Uniform) => word(element),
                    (Init::Zero, _) => 0.0,
                };
            }
        }
        let channels = tables.norm_channels;
        Self { parameters, running_mean: vec![0.0; channels], running_var: vec![1.0; channels] }
    }

    /// All tensors by name, in the names of the reference network.
    pub(crate) fn tensors(&self, tables: &Tables, layout: &ParameterLayout) -> Tensors {
        let mut tensors = parameter_tensors(&self.parameters, tables, layout);
        for norm in &tables.norms {
            let channels = norm.raw.shape.channels;
            for (suffix, values) in [("running_mean", &self.running_mean), ("running_var", &self.running_var)]
            {
                let values = values[norm.offset..][..channels].to_vec();
                tensors.insert(format!("{}.{suffix}", norm.name), (vec![channels], values));
            }
        }
        tensors
    }

    /// Replaces all tensors by those of a file; see [`tensors::load`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn load(
        &mut self,
        path: &Path,
        former: &dyn Fn(&str) -> String,
        may_be_missing: &dyn Fn(&str) -> bool,
        tables: &Tables,
        layout: &ParameterLayout,
    ) -> Result<Vec<String>, Error> {
        let (tensors, notes) = tensors::load(path, &self.tensors(tables, layout), former, may_be_missing)?;
        self.replace(&tensors, tables, layout);
        Ok(notes)
    }

    /// Replaces tensors by others of the same names and shapes.
    pub(crate) fn replace(&mut self, tensors: &Tensors, tables: &Tables, layout: &ParameterLayout) {
        for (name, (_, values)) in tensors {
            self.set(name, values, tables, layout);
        }
    }

    fn set(&mut self, name: &str, values: &[f32], tables: &Tables, layout: &ParameterLayout) {
        let target = if let Some(index) = tables.params.iter().position(|param| param.name == name) {
            &mut self.parameters[layout.offset(ParamId(index))..]
        } else {
            let Some((norm, suffix)) = name.rsplit_once('.') else { return };
            let Some(norm) = tables.norms.iter().find(|n| n.name == norm) else { return };
            match suffix {
                "running_mean" => &mut self.running_mean[norm.offset..],
                _ => &mut self.running_var[norm.offset..],
            }
        };
        target[..values.len()].copy_from_slice(values);
    }
}

/// The tensors of a flat array laid out like the parameters (weights, or their gradients) by name.
pub(crate) fn parameter_tensors(flat: &[f32], tables: &Tables, layout: &ParameterLayout) -> Tensors {
    let tensor = |(index, param): (usize, &Param)| {
        let values = flat[layout.offset(ParamId(index))..][..param.elements()].to_vec();
        (param.name.clone(), (param.shape.clone(), values))
    };
    tables.params.iter().enumerate().filter(|(_, param)| !param.is_fixed).map(tensor).collect()
}
