//! The order of launches: those of one shader wait for each other, so that as many as possible go in one dispatch.
//!
//! Where dispatches wait for each other, at each time a shader is chosen and all its launches that are ready go. Two things speak
//! for a shader: that many launches wait for its own, one after another (the longest way ends last, Neubig et al., 2017), and
//! that of its launches which wait for no other of the same shader a large share is ready (where all are, nothing is gained by
//! waiting longer: Chen et al., ED-Batch, 2023). The product of the way to the end, mean and longest, with the fifth root of the
//! share needed fewest dispatches of what was tried.
//!
//! Where dispatches of one time overlap, times cost most, so there are as few as the longest way has launches. All shaders go of
//! which a launch can wait no longer, or a good share is ready.

/// A shader whose launches need not go yet goes, where dispatches overlap, when this share of those is ready that wait for no
/// other of it. Of 0.2 to 1 this was quickest for a pack of 16 on an H100 (`benches/TRIED.md`).
const SHARE: f64 = 0.3;

/// The launches of one program, as far as their order depends on them.
pub(super) struct Draft {
    /// The launches that must be done right before each one.
    pub(super) before: Vec<Vec<usize>>,
    /// Number of each one's shader.
    pub(super) shaders: Vec<usize>,
}

/// Times of the launches of each program; launches of one time are independent of each other and, unless dispatches overlap,
/// have one shader.
pub(super) fn order(programs: &[Draft], overlaps: bool) -> Vec<Vec<usize>> {
    let mut graph = LaunchGraph::new(programs);
    let mut times: Vec<Vec<usize>> = programs.iter().map(|draft| vec![0; draft.shaders.len()]).collect();
    let length = graph.nodes.iter().map(|node| node.height + 1).max().unwrap_or(0);
    let mut time = 0;
    loop {
        let shaders = if overlaps { graph.due(length - time) } else { graph.choose().into_iter().collect() };
        if shaders.is_empty() {
            break;
        }
        let ready = shaders.into_iter().map(|shader| std::mem::take(&mut graph.shaders[shader].ready));
        let going: Vec<usize> = ready.flatten().collect();
        for &node in &going {
            let LaunchNode { program, launch, .. } = graph.nodes[node];
            times[program][launch] = time;
        }
        for node in going {
            graph.done(node);
        }
        time += 1;
    }
    times
}

/// All launches of all programs, and which wait for which.
struct LaunchGraph {
    nodes: Vec<LaunchNode>,
    shaders: Vec<ShaderQueue>,
}

struct LaunchNode {
    program: usize,
    launch: usize,
    shader: usize,
    /// Launches that must be done before, and that have it among theirs.
    waiting_for: usize,
    next: Vec<usize>,
    /// Launches of the same shader that must be done before, however far, and that have it among theirs.
    same_before: usize,
    same_after: Vec<usize>,
    /// Launches on the longest way from it to the end.
    height: usize,
}

#[derive(Default)]
struct ShaderQueue {
    ready: Vec<usize>,
    /// Launches that wait for no other launch of this shader.
    front: usize,
}

impl LaunchGraph {
    fn new(programs: &[Draft]) -> Self {
        let shaders = programs.iter().flat_map(|draft| &draft.shaders).map(|shader| shader + 1).max();
        let mut all = Self { nodes: Vec::new(), shaders: Vec::new() };
        all.shaders.resize_with(shaders.unwrap_or(0), ShaderQueue::default);
        for (program, draft) in programs.iter().enumerate() {
            let first = all.nodes.len();
            let before = &draft.before;
            let reach = Reach::new(before);
            for (launch, &shader) in draft.shaders.iter().enumerate() {
                let same = |other: &usize| draft.shaders[*other] == shader;
                let same_before: Vec<usize> =
                    (0..launch).filter(same).filter(|&other| reach.has(launch, other)).collect();
                for &other in &before[launch] {
                    all.nodes[first + other].next.push(first + launch);
                }
                for &other in &same_before {
                    all.nodes[first + other].same_after.push(first + launch);
                }
                all.nodes.push(LaunchNode {
                    program,
                    launch,
                    shader,
                    waiting_for: before[launch].len(),
                    next: Vec::new(),
                    same_before: same_before.len(),
                    same_after: Vec::new(),
                    height: 0,
                });
            }
        }
        for index in (0..all.nodes.len()).rev() {
            let heights = all.nodes[index].next.iter().map(|&later| all.nodes[later].height);
            all.nodes[index].height = heights.max().map_or(0, |height| height + 1);
        }
        for (index, node) in all.nodes.iter().enumerate() {
            let shader = &mut all.shaders[node.shader];
            shader.front += usize::from(node.same_before == 0);
            if node.waiting_for == 0 {
                shader.ready.push(index);
            }
        }
        all
    }

    /// The shader whose turn it is.
    fn choose(&self) -> Option<usize> {
        let worth = |shader: &ShaderQueue| {
            let ready = shader.ready.len() as f64;
            let heights = || shader.ready.iter().map(|&node| self.nodes[node].height);
            let (mean, longest) =
                (heights().sum::<usize>() as f64 / ready, heights().max().unwrap_or(0) as f64);
            // The end has height 0, and its turn too.
            (ready / shader.front as f64).powf(0.2) * (2.0 + mean + longest)
        };
        let ready = self.shaders.iter().enumerate().filter(|(_, shader)| !shader.ready.is_empty());
        ready
            .map(|(index, shader)| (index, worth(shader)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|best| best.0)
    }

    /// The shaders whose turn it is where so many times are left and dispatches overlap: those of which a launch can wait no
    /// longer, or which gain too little by waiting.
    fn due(&self, left: usize) -> Vec<usize> {
        let is_due = |shader: &ShaderQueue| {
            let ready = &shader.ready;
            ready.iter().any(|&node| self.nodes[node].height + 1 >= left)
                || !ready.is_empty() && ready.len() as f64 >= SHARE * shader.front as f64
        };
        (0..self.shaders.len()).filter(|&shader| is_due(&self.shaders[shader])).collect()
    }

    fn done(&mut self, node: usize) {
        let shader = self.nodes[node].shader;
        self.shaders[shader].front -= 1;
        for later in std::mem::take(&mut self.nodes[node].same_after) {
            self.nodes[later].same_before -= 1;
            self.shaders[shader].front += usize::from(self.nodes[later].same_before == 0);
        }
        for later in std::mem::take(&mut self.nodes[node].next) {
            self.nodes[later].waiting_for -= 1;
            if self.nodes[later].waiting_for == 0 {
                self.shaders[self.nodes[later].shader].ready.push(later);
            }
        }
    }
}

/// Which launches must be done before which, however far: a bit for each pair.
struct Reach {
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    fn new(before: &[Vec<usize>]) -> Self {
        let words = before.len().div_ceil(64);
        let mut bits = vec![0_u64; words * before.len()];
        for (launch, direct) in before.iter().enumerate() {
            let (earlier, own) = bits.split_at_mut(launch * words);
            for &other in direct {
                own[other / 64] |= 1 << (other % 64);
                let theirs = &earlier[other * words..(other + 1) * words];
                own[..words].iter_mut().zip(theirs).for_each(|(own, theirs)| *own |= theirs);
            }
        }
        Self { words, bits }
    }

    fn has(&self, launch: usize, earlier: usize) -> bool {
        self.bits[launch * self.words + earlier / 64] >> (earlier % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Launches of one call each: shader, and the calls that it waits for.
    fn draft(calls: &[(usize, &[usize])]) -> Draft {
        Draft {
            before: calls.iter().map(|(_, before)| before.to_vec()).collect(),
            shaders: calls.iter().map(|&(shader, _)| shader).collect(),
        }
    }

    #[test]
    fn launches_of_one_shader_wait_for_each_other() {
        // Two branches of 0 1 0 1 and 1 0 1: going as soon as possible would take 7 dispatches, of one shader at a time 4.
        let calls: [(usize, &[usize]); 7] =
            [(0, &[]), (1, &[0]), (0, &[1]), (1, &[2]), (1, &[]), (0, &[4]), (1, &[5])];
        let times = &order(&[draft(&calls)], false)[0];
        assert_eq!(times.iter().max(), Some(&3), "{times:?}");
        // Where dispatches overlap nothing makes the longest way longer.
        let times = &order(&[draft(&calls)], true)[0];
        assert_eq!(times.iter().max(), Some(&3), "{times:?}");
    }

    #[test]
    fn whatever_a_launch_waits_for_runs_before_it() {
        let mut random = 1_u32;
        let mut below = |bound: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % bound
        };
        let mut program = || {
            let count = 1 + below(60);
            let mut drafted = Draft { before: Vec::new(), shaders: Vec::new() };
            for launch in 0..count {
                let mut before: Vec<usize> = (0..launch.min(3)).map(|_| below(launch)).collect();
                before.sort_unstable();
                before.dedup();
                drafted.before.push(before);
                drafted.shaders.push(below(5));
            }
            drafted
        };
        for round in 0..100 {
            let programs = [program(), program()];
            let overlaps = round % 2 == 1;
            let times = order(&programs, overlaps);
            let mut shaders = HashMap::new();
            for (program, times) in programs.iter().zip(&times) {
                for (direct, launch) in program.before.iter().zip(0..) {
                    assert!(direct.iter().all(|&other| times[other] < times[launch]));
                    let shader = program.shaders[launch];
                    let first = *shaders.entry(times[launch]).or_insert(shader);
                    assert!(overlaps || first == shader, "one shader at a time");
                }
            }
        }
    }
}
