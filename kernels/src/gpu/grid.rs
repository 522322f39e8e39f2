//! Launches of kernels, as grids of workgroups.

use super::format::Format;
use super::lowering::Lowering;
use super::record::{Launch, MAX_GROUPS};
use super::shader::Shader;
use super::tiles::{LOOP_ROUNDS, quads};
use super::views::Arguments;
use crate::shape::{Shape, blocks};

/// Most invocations of a workgroup on every device.
const LARGE_WORKGROUP: u32 = 256;

/// What launches are made with until it is known whose they are.
const FULL: Format = Format { half_precision: false, textured: false };

/// A launch of one invocation an item.
pub(crate) fn launch(kernel: &'static Shader, arguments: Arguments, items: usize, tiles: usize) -> Launch {
    launch_of(kernel.workgroup, kernel, arguments, items, tiles)
}

/// The same in workgroups of so many invocations.
fn launch_of(
    workgroup: u32,
    kernel: &'static Shader,
    arguments: Arguments,
    items: usize,
    tiles: usize,
) -> Launch {
    // Only what small workgroups could not cover takes large ones.
    let small = items.div_ceil(workgroup as usize) <= MAX_GROUPS as usize;
    let workgroup = if small { workgroup } else { LARGE_WORKGROUP };
    let groups = items.div_ceil(workgroup as usize) as u32;
    launch_with(kernel, arguments, workgroup, groups, tiles as u32)
}

/// A launch of a grid of workgroups.
fn launch_with(
    kernel: &'static Shader,
    arguments: Arguments,
    workgroup: u32,
    groups: u32,
    tiles: u32,
) -> Launch {
    let Arguments { constants, choices, fields, slots } = arguments;
    Launch { kernel, constants, choices, fields, slots, workgroup, groups, tiles, format: FULL }
}

impl Lowering<'_> {
    /// A launch over the quads of lanes of images of `shape`, `each` pixels an invocation and `tiles` of channels; or, where the
    /// device's style is to walk, with a workgroup for a block of images.
    pub(crate) fn launch_over(
        &self,
        kernel: &'static Shader,
        arguments: Arguments,
        shape: Shape,
        each: usize,
        tiles: usize,
    ) -> Launch {
        self.launch_loops(kernel, arguments, shape, each, tiles, 1)
    }

    /// The same of a kernel that goes through loops of so many rounds for what it makes at once.
    pub(crate) fn launch_loops(
        &self,
        kernel: &'static Shader,
        arguments: Arguments,
        shape: Shape,
        each: usize,
        tiles: usize,
        rounds: usize,
    ) -> Launch {
        let batch = self.settings.batch_size;
        let abreast = self.style.workgroup(kernel) as usize;
        // Lanes of a pixel are four quads, which stand beside each other in a workgroup.
        let walked = (shape.pixels() / each).div_ceil(abreast.div_ceil(4));
        let walks = self.style.walks(shape) && walked.saturating_mul(rounds) <= LOOP_ROUNDS;
        let items = if walks { blocks(batch) * abreast } else { quads(shape, batch) / each };
        launch_of(abreast as u32, kernel, arguments.flag("WALK", walks), items, tiles)
    }

    /// A launch of `count` × `tiles` sums over the batch: of a workgroup each by the first of two kernels or, where the device's
    /// style is to walk, of an invocation each by the second.
    pub(crate) fn launch_sums(
        &self,
        kernels: [&'static Shader; 2],
        arguments: Arguments,
        count: usize,
        tiles: usize,
    ) -> Launch {
        if self.style.coarse {
            launch_of(self.style.workgroup(kernels[1]), kernels[1], arguments, count * tiles, 1)
        } else {
            launch_with(kernels[0], arguments, self.style.workgroup(kernels[0]), count as u32, tiles as u32)
        }
    }

    /// A launch of one workgroup a group.
    pub(crate) fn launch_groups(
        &self,
        kernel: &'static Shader,
        arguments: Arguments,
        groups: usize,
    ) -> Launch {
        launch_with(kernel, arguments, self.style.workgroup(kernel), groups as u32, 1)
    }
}
