//! The order of launches: those of one shader wait for each other, so that as many as possible go in one dispatch.
//!
//! At each time a shader is chosen and all its launches that are ready go. The choice is that of ED-Batch (Chen et al., 2023):
//! the shader of whose launches that wait for no other launch of the same shader the largest share is ready. Where all of them
//! are, nothing is gained by waiting longer.

use crate::schedule::Wait;

/// The launches of one program, as far as their order depends on them.
pub(super) struct Draft {
    /// The earlier calls that each call waits for.
    pub(super) waits: Vec<Vec<Wait>>,
    /// In the order of calls and their stages.
    pub(super) launches: Vec<Step>,
}

/// A launch: a call may have several, and the launches of one stage are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) call: usize,
    pub(super) stage: usize,
    /// Number of its shader.
    pub(super) shader: usize,
}

/// Times of the launches of each program; launches of one time have one shader and are independent of each other.
pub(super) fn order(programs: &[Draft]) -> Vec<Vec<usize>> {
    let mut nodes = Nodes::new(programs);
    let mut times: Vec<Vec<usize>> = programs.iter().map(|draft| vec![0; draft.launches.len()]).collect();
    let mut time = 0;
    while let Some(shader) = nodes.choose() {
        let going = std::mem::take(&mut nodes.shaders[shader].ready);
        for &node in &going {
            let Node { program, launch, .. } = nodes.nodes[node];
            times[program][launch] = time;
        }
        for node in going {
            nodes.done(node);
        }
        time += 1;
    }
    times
}

/// All launches of all programs.
struct Nodes {
    nodes: Vec<Node>,
    shaders: Vec<Shader>,
}

struct Node {
    program: usize,
    launch: usize,
    shader: usize,
    /// Launches that must be done before, and that have it among theirs.
    waiting_for: usize,
    next: Vec<usize>,
    /// Launches of the same shader that must be done before, however far, and that have it among theirs.
    same_before: usize,
    same_after: Vec<usize>,
}

#[derive(Default)]
struct Shader {
    ready: Vec<usize>,
    /// Launches that wait for no other launch of this shader.
    front: usize,
}

impl Nodes {
    fn new(programs: &[Draft]) -> Self {
        let shaders = programs.iter().flat_map(|draft| &draft.launches).map(|step| step.shader + 1).max();
        let mut all = Self { nodes: Vec::new(), shaders: Vec::new() };
        all.shaders.resize_with(shaders.unwrap_or(0), Shader::default);
        for (program, draft) in programs.iter().enumerate() {
            let first = all.nodes.len();
            let before = draft.direct();
            let reach = Reach::new(&before);
            for (launch, step) in draft.launches.iter().enumerate() {
                let same = |other: &usize| draft.launches[*other].shader == step.shader;
                let same_before: Vec<usize> =
                    (0..launch).filter(same).filter(|&other| reach.has(launch, other)).collect();
                for &other in &before[launch] {
                    all.nodes[first + other].next.push(first + launch);
                }
                for &other in &same_before {
                    all.nodes[first + other].same_after.push(first + launch);
                }
                all.nodes.push(Node {
                    program,
                    launch,
                    shader: step.shader,
                    waiting_for: before[launch].len(),
                    next: Vec::new(),
                    same_before: same_before.len(),
                    same_after: Vec::new(),
                });
            }
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

    /// The shader whose turn it is; of several as good, that of the earliest launch.
    fn choose(&self) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (index, shader) in self.shaders.iter().enumerate().filter(|(_, shader)| !shader.ready.is_empty())
        {
            let better = best.is_none_or(|best| {
                let best = &self.shaders[best];
                let (mine, theirs) =
                    (shader.ready.len() * best.front.max(1), best.ready.len() * shader.front.max(1));
                let launch = |shader: &Shader| shader.ready.iter().map(|&node| self.nodes[node].launch).min();
                mine > theirs || mine == theirs && launch(shader) < launch(best)
            });
            if better {
                best = Some(index);
            }
        }
        best
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

impl Draft {
    /// The launches that must be done right before each one: the last of the calls waited for, or those of its own call's
    /// stage before.
    fn direct(&self) -> Vec<Vec<usize>> {
        // Launches with which each call is done; a call without launches is done with those that it waits for.
        let mut ends: Vec<Vec<usize>> = Vec::with_capacity(self.waits.len());
        let mut before = vec![Vec::new(); self.launches.len()];
        let mut launches = 0..0;
        for (call, waits) in self.waits.iter().enumerate() {
            let mut last: Vec<usize> = waits.iter().flat_map(|wait| ends[wait.earlier].clone()).collect();
            last.sort_unstable();
            last.dedup();
            let end = self.launches.iter().skip(launches.end).take_while(|step| step.call == call).count();
            launches = launches.end..launches.end + end;
            for together in self.launches[launches.clone()].chunk_by(|a, b| a.stage == b.stage) {
                let first = launches.start;
                launches.start += together.len();
                for launch in first..launches.start {
                    before[launch].clone_from(&last);
                }
                last = (first..launches.start).collect();
            }
            ends.push(last);
        }
        before
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
