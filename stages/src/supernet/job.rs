//! One search by a supernet: what its result depends on, its key, and its size.

use cache::{Fields, Key, Kind};
use kernels::{Device, Graph, Group, GroupSettings, ImageSet, MemoryPlan, Optimiser, Part, Trainer};

use super::decode::{all_choices, kept};
use super::method::{Method, Stage};
use super::network::{self, Choices, Plan, Supernet};
use super::recipe::ArchitectureRecipe;
use super::result::SupernetEpoch;
use crate::data::Dataset;
use crate::genotype::Operation;
use crate::random::Random;
use crate::recipe::{Recipe, Scoring};
use crate::train::{DataId, image_sets, learnt_and_scored, settings};
use crate::{Budget, Error};

/// Adam's ε.
const EPSILON: f32 = 1e-8;

/// All that a search's result depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct SupernetJob {
    /// The method.
    pub method: Method,
    /// Size of the supernet, images and epochs.
    pub budget: Budget,
    /// Seed of initial numbers, of the halves, of the order of the images and of augmentation.
    pub seed: u64,
    /// The images.
    pub data: DataId,
    /// Which images give the validation accuracy. Those of the holdout are a network training's of the same setting
    /// too, and no part of the halves (the authors of DARTS validate on the architecture's half).
    /// [`Scoring::Published`] halves all training images and scores on the test set. Where weights and architecture
    /// share images, both halves are for both.
    pub scoring: Scoring,
    /// The weights' optimiser, label smoothing and augmentation. A supernet has no auxiliary head, no drop path, and
    /// no weights of normalisations.
    pub recipe: Recipe,
    /// How the architecture is trained.
    pub architecture: ArchitectureRecipe,
}

/// How much a search computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchSize {
    /// Images that go through a forward and a backward pass, in all epochs.
    pub images: u64,
    /// FLOPs of that.
    pub flops: u64,
}

impl SupernetJob {
    /// The key of its result. It has a field that no training's has.
    ///
    /// # Errors
    /// When a number of the recipe cannot be part of a key.
    pub fn key(&self) -> Result<Key, Error> {
        let recipe = &self.recipe;
        let fields = Fields::new()
            .with("job", "supernet")?
            .with("version", self.method.version())?
            .with("data", self.data.digest)?
            .with("seed", self.seed)?
            .with("momentum", recipe.momentum)?
            .with("weight_decay", recipe.weight_decay)?
            .with("grad_clip", recipe.grad_clip)?
            .with("label_smoothing", recipe.label_smoothing)?
            .with("augment", recipe.augment)?;
        let budget = recipe.applied_to(&self.budget);
        let fields = fields
            .with_all(&budget.fields()?)?
            .with_all(&self.scoring.fields()?)?
            .with_all(&self.method.fields()?)?
            .with_all(&self.architecture.fields()?)?;
        Ok(Key::new(Kind::Training, fields))
    }

    /// How much it computes on a set of so many training images, colour channels and classes. Where a stage keeps
    /// operations that an earlier one finds best, FLOPs are the most that these can take.
    ///
    /// # Errors
    /// When the budget does not fit the supernet.
    pub fn size(&self, images: usize, channels: usize, classes: usize) -> Result<SearchSize, Error> {
        self.size_after(&[], self.scoring.learnt(images) / 2, channels, classes)
    }

    /// The size for halves of so many images, where some epochs are done.
    pub(super) fn size_after(
        &self,
        epochs: &[SupernetEpoch],
        half: usize,
        channels: usize,
        classes: usize,
    ) -> Result<SearchSize, Error> {
        let mut size = SearchSize { images: 0, flops: 0 };
        for number in 0..self.method.stages(&self.budget).len() {
            let Supernet { graph, architecture } = self.supernet(number, epochs, channels, classes)?;
            let epochs = self.method.stages(&self.budget)[number].epochs;
            let images = self.images_of(0..epochs, architecture, half)?;
            size.images += images;
            size.flops = size.flops.saturating_add(graph.cost().training_flops.saturating_mul(images));
        }
        Ok(size)
    }

    /// Images of all passes of epochs of a stage.
    pub(super) fn images_of(
        &self,
        epochs: std::ops::Range<u32>,
        architecture: Group,
        half: usize,
    ) -> Result<u64, Error> {
        let stream = if self.method.shares_images() { 2 * half } else { half };
        let passes = |epoch: u32| {
            let step = self.method.step_of(epoch, architecture, &self.recipe)?;
            let differentiates = |part: &&Part| matches!(part, Part::Differentiate { .. });
            Ok((step.parts().iter().filter(differentiates).count() * stream) as u64)
        };
        epochs.map(passes).sum()
    }

    /// The supernet of a stage, where some epochs are done.
    pub(super) fn supernet(
        &self,
        number: usize,
        epochs: &[SupernetEpoch],
        channels: usize,
        classes: usize,
    ) -> Result<Supernet, Error> {
        let stage = self.method.stages(&self.budget)[number];
        let plan = self.plan(&stage, self.choices(number, epochs));
        network::build(&Budget { layers: stage.layers, ..self.budget }, &plan, channels, classes)
    }

    fn plan(&self, stage: &Stage, choices: [Choices; 2]) -> Plan {
        Plan {
            choices,
            draw: self.method.draw(),
            channel_parts: stage.channel_parts,
            weighs_edges: self.method.weighs_edges(),
            drops_skips: stage.skip_dropout > 0.0,
            is_one_group: false,
        }
    }

    /// The first supernet, with all parameters in one group, for who trains it by other steps than the search's.
    ///
    /// # Errors
    /// When the budget does not fit it.
    pub fn network(&self, channels: usize, classes: usize) -> Result<Graph, Error> {
        let stage = self.method.stages(&self.budget)[0];
        let plan = Plan { is_one_group: true, ..self.plan(&stage, self.choices(0, &[])) };
        let budget = Budget { layers: stage.layers, ..self.budget };
        Ok(network::build(&budget, &plan, channels, classes)?.graph)
    }

    /// The last epoch of the stage before, if there is one and it is done.
    pub(super) fn before_stage<'a>(
        &self,
        number: usize,
        epochs: &'a [SupernetEpoch],
    ) -> Option<&'a SupernetEpoch> {
        let first = self.method.stages(&self.budget)[number].first;
        epochs.get((first as usize).checked_sub(1)?)
    }

    /// The operations of a stage: the best of the stage before; where that is not done, those that take most.
    pub(super) fn choices(&self, number: usize, epochs: &[SupernetEpoch]) -> [Choices; 2] {
        let Stage { operations, .. } = self.method.stages(&self.budget)[number];
        match self.before_stage(number, epochs) {
            Some(last) => [&last.normal, &last.reduce].map(|numbers| kept(numbers, operations)),
            None => std::array::from_fn(|_| {
                let costliest = |mut row: Vec<Operation>| {
                    row.sort_by_key(|operation| COST_ORDER.iter().position(|other| other == operation));
                    row.truncate(operations);
                    row.sort_unstable();
                    row
                };
                all_choices().into_iter().map(costliest).collect()
            }),
        }
    }
}

/// Operations by what they compute, most first.
const COST_ORDER: [Operation; Operation::ALL.len()] = [
    Operation::SepConv5x5,
    Operation::SepConv3x3,
    Operation::DilConv5x5,
    Operation::DilConv3x3,
    Operation::MaxPool3x3,
    Operation::AvgPool3x3,
    Operation::SkipConnect,
    Operation::None,
];

/// The memory that a search would take on a device, as it is planned for it: that of the stage that takes most.
///
/// # Errors
/// When the budget does not fit the supernet, or the search the device.
pub fn memory_plan(job: &SupernetJob, data: &Dataset, device: &Device) -> Result<MemoryPlan, Error> {
    let plan = |number: usize| {
        let SearchInputs { supernet, settings, sets } = SearchInputs::new(job, number, &[], data)?;
        Ok::<_, Error>(Trainer::plan_memory(device, &supernet.graph, &settings, &sets)?)
    };
    let mut most = plan(0)?;
    for number in 1..job.method.stages(&job.budget).len() {
        let next = plan(number)?;
        if next.total() > most.total() {
            most = next;
        }
    }
    Ok(most)
}

/// What the trainer of a stage is made from.
pub(super) struct SearchInputs {
    pub(super) supernet: Supernet,
    pub(super) settings: kernels::TrainerSettings,
    pub(super) sets: [ImageSet; 2],
}

impl SearchInputs {
    pub(super) fn new(
        job: &SupernetJob,
        number: usize,
        epochs: &[SupernetEpoch],
        data: &Dataset,
    ) -> Result<Self, Error> {
        let supernet = job.supernet(number, epochs, data.channels, data.classes.len())?;
        let mut settings = settings(&job.budget, &job.recipe, data, job.seed);
        let ArchitectureRecipe { beta1, beta2, weight_decay, .. } = job.architecture;
        settings.groups.push(GroupSettings {
            optimiser: Optimiser::Adam { beta1: beta1 as f32, beta2: beta2 as f32, epsilon: EPSILON },
            weight_decay: weight_decay as f32,
            grad_clip: f32::INFINITY,
        });
        settings.extra_vectors = job.method.extra_vectors();
        Ok(Self { supernet, settings, sets: image_sets(data)? })
    }
}

/// Which images a search uses for what.
pub(super) struct Shares {
    /// Training images of the weights, and as many of the architecture.
    pub(super) halves: [Vec<u32>; 2],
    /// Set and images that give the score.
    pub(super) scored: (usize, Vec<u32>),
}

impl Shares {
    /// Of a set. Where the number of images to halve is odd, one is not used.
    pub(super) fn new(job: &SupernetJob, data: &Dataset) -> Result<Self, Error> {
        let (mut train, scored) = learnt_and_scored(job.scoring, data);
        Random::new(job.seed, "supernet halves", 0).shuffle(&mut train);
        let half = train.len() / 2;
        if half == 0 {
            let problem = format!(
                "{} training images, of which {} are left to train on: give it two or more",
                data.train.count,
                train.len()
            );
            return Err(Error::Numbers { what: "supernet search", problem });
        }
        let halves = [train[..half].to_vec(), train[half..2 * half].to_vec()];
        Ok(Self { halves, scored })
    }
}
