//! The memory plan that `pipeline train --plan` prints, held against what a training really takes.

use serde_json::Value;

use crate::sandbox::{self, Ran, Sandbox, names};

const TRAIN: [&str; 6] = ["train", "--genotype", "DARTS_V2", "--device", "cpu", "--json"];
const BPE_1: &str = "BPE-1,epochs=1";

fn plan(sandbox: &Sandbox, budget: &str) -> Value {
    sandbox.program(&[&TRAIN[..], &["--budget", budget, "--plan"]].concat()).succeeded().json()
}

fn bytes(plan: &Value, name: &str) -> u64 {
    plan[name].as_u64().unwrap()
}

/// The most memory that a training has had resident, in bytes. All of it is in use from the first evaluation on, long before
/// the end.
#[cfg(target_os = "linux")]
fn most_resident(sandbox: &Sandbox, budget: &str) -> u64 {
    let arguments = [&TRAIN[..], &["--budget", budget]].concat();
    let mut child = sandbox.command(&arguments).spawn().unwrap();
    let most = sandbox::most_resident(&mut child);
    Ran::of(child.wait_with_output().unwrap()).succeeded();
    most
}

#[test]
fn a_plan_trains_nothing_and_adds_up() {
    let sandbox = Sandbox::new();
    let planned = plan(&sandbox, BPE_1);
    let parts = ["activations_bytes", "evaluation_bytes", "state_bytes", "gradients_bytes", "scratch_bytes"];
    let others = ["buffers", "calls", "data_bytes", "device", "total_bytes", "unshared_bytes"];
    assert_eq!(names(&planned), [&parts[..], &others].concat().into_iter().collect());
    assert_eq!(bytes(&planned, "total_bytes"), parts.map(|part| bytes(&planned, part)).iter().sum::<u64>());
    assert!(bytes(&planned, "activations_bytes") < bytes(&planned, "unshared_bytes"));
    // 5,000 and 1,000 images of 28 x 28 pixels with a label of two bytes each.
    assert_eq!(bytes(&planned, "data_bytes"), 6000 * (28 * 28 + 2));
    let (halves, twice) = (plan(&sandbox, "BPE-1,float_bits=16"), plan(&sandbox, "BPE-1,batch_size=256"));
    let activations =
        |plan| bytes(plan, "activations_bytes") as f64 / bytes(&planned, "activations_bytes") as f64;
    assert!((0.45..0.6).contains(&activations(&halves)), "{halves}");
    assert!((1.9..2.1).contains(&activations(&twice)), "{twice}");
    assert_eq!(sandbox.trainings().len(), 0);
    let text =
        sandbox.program(&["train", "--genotype", "DARTS_V2", "--budget", "BPE-1", "--plan"]).succeeded();
    assert!(text.stdout.contains("activations") && text.stdout.contains("total"), "{}", text.stdout);
    let both = sandbox.program(&[&TRAIN[..], &["--budget", "BPE-1", "--plan", "--save", "x"]].concat());
    assert_eq!(both.code, Some(2), "{}", both.stderr);
}

/// The whole process counts: its code, its database and its threads too, which take some 30 MB beside BPE-1's 80.
/// What training takes beyond them is what it takes more than a training of almost no size, whose plan is almost nothing.
#[test]
#[cfg(target_os = "linux")]
fn a_training_takes_the_memory_that_was_planned() {
    const SMALLEST: &str = "BPE-1,epochs=1,layers=3,channels=1,image_size=8,batch_size=16";
    let sandbox = Sandbox::new();
    let (planned, smallest) = (plan(&sandbox, BPE_1), plan(&sandbox, SMALLEST));
    let (total, least) = (bytes(&planned, "total_bytes"), bytes(&smallest, "total_bytes"));
    let (resident, base) = (most_resident(&sandbox, BPE_1), most_resident(&sandbox, SMALLEST));
    // The program itself and its images, beside a training that takes next to nothing.
    let program = base - least;
    assert!(program < 50_000_000, "{base} bytes resident, {smallest}");
    // Both ways: not less than planned either.
    let own = (resident - base) as f64 / (total - least) as f64;
    assert!((0.85..1.15).contains(&own), "{resident} and {base} bytes resident, {planned} and {smallest}");
}

/// A GPU spends on each dispatch what many of these kernels take.
#[test]
fn a_step_on_a_gpu_takes_few_dispatches() {
    let sandbox = Sandbox::new();
    for genotype in include_str!("../../../benches/peers/architectures.txt").lines() {
        let device = ["train", "--genotype", genotype, "--budget", "BPE-1", "--device", "software"];
        let planned = sandbox.program(&[&device[..], &["--plan", "--json"]].concat()).succeeded().json();
        assert!((200..=400).contains(&bytes(&planned, "calls")), "{genotype}: {planned}");
    }
}
