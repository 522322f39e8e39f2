//! Files of weights: PyTorch's are read and what was done to them is said, and a disk that is full costs no older file.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::inputs::{plain, train};
use crate::nonsense::refused;
use crate::sandbox::{Ran, Sandbox};

/// Rewrites a file of tensors: another name or none for each, and its bytes and type.
pub(crate) fn rewrite(
    from: &Path,
    to: &Path,
    name: impl Fn(&str) -> String,
    values: impl Fn(&str, &[u8]) -> (Dtype, Vec<u8>),
) {
    let bytes = std::fs::read(from).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> =
        file.iter().map(|(old, view)| (name(old), view.shape().to_vec(), values(old, view.data()))).collect();
    let views = tensors
        .iter()
        .map(|(name, shape, (dtype, bytes))| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(to, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// What was said beside progress.
fn notes(ran: &Ran) -> String {
    ran.stderr.lines().filter(|line| !line.starts_with("training: ")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn as_they_are(_: &str, bytes: &[u8]) -> (Dtype, Vec<u8>) {
    (Dtype::F32, bytes.to_vec())
}

#[test]
fn weights_of_pytorch_are_read_and_what_was_done_is_said() {
    let sandbox = Sandbox::new();
    let text = plain();
    let steps = ["--max-steps", "1", "--order", "sequential", "--no-augment", "--no-drop-path"];
    let start = |file: &str| sandbox.program(&train(&text, &[&steps[..], &["--init-from", file]].concat()));
    sandbox.program(&train(&text, &[&steps[..], &["--save", "saved"]].concat())).succeeded();
    let expected = start("saved").succeeded();
    assert_eq!(notes(&expected), "");
    let saved = sandbox.path("saved");

    rewrite(&saved, &sandbox.path("parallel"), |name| format!("module.{name}"), as_they_are);
    let parallel = start("parallel").succeeded();
    assert_eq!(parallel.json()["loss"], expected.json()["loss"]);
    assert_eq!(notes(&parallel), "parallel: `module.`, which DataParallel puts into names, was taken off");

    // The upper half of a binary32 is a bfloat16.
    let halved =
        |_: &str, bytes: &[u8]| (Dtype::BF16, bytes.chunks_exact(4).flat_map(|b| [b[2], b[3]]).collect());
    rewrite(&saved, &sandbox.path("halved"), str::to_owned, halved);
    let halved = start("halved").succeeded();
    assert!(halved.stderr.contains("tensors are of 16 bits, and were widened to 32"), "{}", halved.stderr);
    let loss = |ran: &Ran| ran.json()["loss"][0].as_f64().unwrap();
    assert!((loss(&halved) - loss(&expected)).abs() < 0.05, "{} {}", loss(&halved), loss(&expected));

    let with_nan = |name: &str, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if name == "linear.bias" {
            bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        (Dtype::F32, bytes)
    };
    rewrite(&saved, &sandbox.path("nan"), str::to_owned, with_nan);
    let arguments = train(&text, &[&steps[..], &["--init-from", "nan"]].concat());
    refused(&sandbox, &arguments, &["nan: tensor `linear.bias` holds NaN (element 1)"]);
}

#[test]
fn a_none_has_a_place_in_the_names_of_tensors() {
    let sandbox = Sandbox::new();
    let dense = "[[('none', 0), ('sep_conv_3x3', 1)], [('none', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 2)], \
                 [('skip_connect', 3)], [('sep_conv_5x5', 4)]]";
    let text = format!(
        "Genotype(normal={dense}, normal_concat=range(2, 6), reduce={dense}, reduce_concat=range(2, 6))"
    );
    let steps = ["--max-steps", "1", "--order", "sequential", "--no-augment", "--no-drop-path"];
    let start = |file: &str| sandbox.program(&train(&text, &[&steps[..], &["--init-from", file]].concat()));
    let save = ["--save", "saved", "--dump-gradients", "gradients"];
    sandbox.program(&train(&text, &[&steps[..], &save].concat())).succeeded();
    let bytes = std::fs::read(sandbox.path("saved")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    // As PyTorch numbers a `ModuleList` in which `none` is a module without parameters.
    for (name, is_there) in [
        ("cells.0.dag.0.1.0.net.0.net.1.weight", true),
        ("cells.0.dag.0.0.0.net.0.net.1.weight", false),
        ("cells.1.dag.1.1.0.bn.bias", true),
        ("cells.1.dag.1.2.0.net.1.weight", true),
        ("cells.1.dag.1.0.0.bn.bias", false),
    ] {
        assert_eq!(file.tensor(name).is_ok(), is_there, "{name}");
    }
    let expected = start("saved").succeeded();
    // The last version counted the others only.
    let old = |name: &str| {
        let parts = name.split('.').collect::<Vec<_>>();
        match parts.as_slice() {
            ["cells", layer, "dag", node @ ("0" | "1"), place, rest @ ..] => {
                let place = place.parse::<usize>().unwrap() - 1;
                format!("cells.{layer}.dag.{node}.{place}.{}", rest.join("."))
            }
            _ => name.to_owned(),
        }
    };
    rewrite(&sandbox.path("saved"), &sandbox.path("old"), old, as_they_are);
    let read = start("old").succeeded();
    assert_eq!(read.json()["loss"], expected.json()["loss"]);
    assert_eq!(notes(&read), "old: edges are numbered without `none`, as an earlier version wrote them");
}

#[cfg(unix)]
mod disk {
    use std::process::Command;

    use super::*;
    use crate::sandbox::PROGRAM;

    /// The program in a shell that says how large its files may become, in blocks of 1,024 bytes.
    fn limited(sandbox: &Sandbox, before: &str, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new("bash");
        let script = format!("{before} ulimit -f 8; exec \"$0\" \"$@\"");
        command.args(["-c", &script, PROGRAM]).args(arguments).arg("--cache").arg(sandbox.cache());
        command.current_dir(sandbox.path("")).env("XDG_RUNTIME_DIR", sandbox.path(""));
        command.output().unwrap()
    }

    fn files(sandbox: &Sandbox, folder: &str) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(sandbox.path(folder)).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_full_disk_and_a_kill_leave_the_older_file() {
        let sandbox = Sandbox::new();
        let text = plain();
        let older = ("weights".to_owned(), b"of another day".to_vec());
        sandbox.write("kept/weights", &older.1);
        let save = train(&text, &["--max-steps", "1", "--save", "kept/weights"]);
        // A write that fails, as on a full disk.
        let ran = Ran::of(limited(&sandbox, "trap '' XFSZ;", &save));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("pipeline: cannot write kept/weights: "), "{}", ran.stderr);
        assert_eq!(ran.json()["steps"], 1, "the training itself was done");
        assert_eq!(files(&sandbox, "kept"), std::slice::from_ref(&older));
        // A process that is killed while it writes.
        let killed = limited(&sandbox, "", &save);
        assert_eq!(killed.status.code(), None, "{killed:?}");
        assert!(files(&sandbox, "kept").contains(&older));
        // Room again.
        sandbox.program(&save).succeeded();
        assert!(SafeTensors::deserialize(&std::fs::read(sandbox.path("kept/weights")).unwrap()).is_ok());
    }

    #[test]
    fn a_training_is_kept_though_its_weights_cannot_be() {
        let sandbox = Sandbox::new();
        let text = plain();
        let ran = sandbox.program(&train(&text, &["--save", "/dev/full"]));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("cannot write /dev/full: "), "{}", ran.stderr);
        assert_eq!(ran.json()["cached"], false);
        assert_eq!(sandbox.program(&train(&text, &[])).succeeded().json()["cached"], true);
        // What is no file stays what it is.
        sandbox.program(&train(&text, &["--max-steps", "1", "--save", "/dev/null"])).succeeded();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}
