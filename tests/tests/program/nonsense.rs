//! What makes no sense is refused with exit code 2 and one message, before anything is trained or printed.

use crate::sandbox::Sandbox;

/// Holds the program to refuse: nothing on standard output, one message that has all of `parts`.
pub(crate) fn refused(sandbox: &Sandbox, arguments: &[&str], parts: &[&str]) {
    let ran = sandbox.program(arguments);
    assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "", "{arguments:?}");
    let messages =
        ran.stderr.lines().filter(|line| line.starts_with("pipeline: ") || line.starts_with("error: "));
    assert_eq!(messages.count(), 1, "{arguments:?}: {}", ran.stderr);
    let first = ran.stderr.lines().next().unwrap();
    assert!(first.starts_with("pipeline: ") || first.starts_with("error: "), "{}", ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "{arguments:?}: {part:?} is not in\n{}", ran.stderr);
    }
}

#[test]
fn flags_and_commands() {
    let sandbox = Sandbox::new();
    for (arguments, part) in [
        (&["runn"][..], "run"),
        (&[], "Usage"),
        (&["run", "--targt", "mip"], "--target"),
        (&["run", "--target", "nothing"], "nothing"),
        (&["run", "--jobs", "0"], "--jobs"),
        (&["run", "--jobs", "many"], "--jobs"),
        (&["run", "--device", "abacus"], "abacus"),
        (&["run", "--device", "gpu:-1"], "gpu:-1"),
        (&["run", "--profile", "quik"], "did you mean `quick`"),
        (&["run", "--force", "nothing"], "nothing"),
        (&["run", "--target", "rank@1", "--force", "search"], "the target rank@1 does not need it"),
        (&["run", "-j", "0"], "--jobs"),
        (&["log", "0123456789"], "0123456789"),
        (&["log", "0123456789", "--limit", "2"], "--limit"),
        (&["log", "last"], "no run has been made with this cache folder yet"),
        (&["log", "not\u{1b}hex", "--format", "csv"], "not\\u{1b}hex"),
        (&["log", "--format", "csv"], "<RUN>"),
        (&["log", "last", "--format", "feather"], "feather"),
        (&["log", "last", "--format", "csv", "--json"], "--json"),
        (&["log", "last", "--format", "tensorboard"], "--out"),
        (&["log", "last", "--out", "x"], "--format"),
        (&["config"], "show"),
        (&["config", "show", "--set", "mip.lamda=1"], "did you mean `lambda`"),
        (&["config", "show", "--set", "lambda"], "mip.lambda=0.2"),
        (&["config", "show", "--config", "nowhere.toml"], "nowhere.toml"),
        (&["completions", "csh"], "csh"),
        (&["status", "0123456789"], "0123456789"),
        (&["train", "--budget", "BPE-1"], "--genotype"),
        (&["train", "--genotype", "DARTS_V2"], "--budget"),
        (&["train", "--genotype", "DARTS_V2", "--budget", "BPE-1", "--max-steps", "0"], "--max-steps"),
        (&["train", "--genotype", "DARTS_V2", "--budget", "BPE-1", "--seed", "-1"], "-1"),
        (&["train", "--genotype", "DARTS_V2", "--budget", "BPE-1", "--order", "random"], "random"),
        (
            &["train", "--genotype", "DARTS_V2", "--budget", "BPE-1", "--plan", "--max-steps", "1"],
            "--max-steps",
        ),
        (&["bench", "--seconds", "0"], "0.001 to 3600"),
        (&["bench", "--seconds", "nan"], "0.001 to 3600"),
        (&["bench", "--budget", "BPE-3"], "did you mean `BPE-1`"),
        (&["bench", "--budget", "BPE-1,image_size=6"], "image_size"),
        (&["bench", "--genotype", "DARTS_V9"], "DARTS_V9"),
        (&["bench", "--data", "nowhere"], "nowhere"),
        (&["explain", "nothing"], "nothing"),
        (&["explain", "0123456789"], "0123456789"),
        (&["log", "--limit", "x"], "--limit"),
        (&["cache"], "verify"),
    ] {
        refused(&sandbox, arguments, &[part]);
    }
}

#[test]
fn genotypes() {
    let sandbox = Sandbox::new();
    let node = "[('skip_connect', 0), ('skip_connect', 1)]";
    let cell = format!("[{node}, {node}, {node}, {node}]");
    let whole = |normal: &str| format!("Genotype(normal={normal}, reduce={cell})");
    for (genotype, part) in [
        (String::new(), "genotype"),
        ("DARTS_V3".to_owned(), "DARTS_V2"),
        ("Genotype(".to_owned(), "genotype"),
        (whole(&cell.replacen("skip_connect", "skip_conect", 1)), "skip_connect"),
        (whole(&cell.replacen("1)", "2)", 1)), "input"),
        (whole(&cell.replacen("1)", "-1)", 1)), "genotype"),
        (whole(&cell.replacen("1)", "99999999999999999999)", 1)), "genotype"),
        (whole(&format!("[{node}, {node}, {node}]")), "node"),
        (whole(&cell)[..40].to_owned(), "genotype"),
        ("\u{0}\u{feff}🦀".to_owned(), "genotype"),
        ("[".repeat(100_000), "genotype"),
    ] {
        // No program can be given a zero byte as an argument; a file can hold it.
        let file = format!("@{}", sandbox.write("genotype.txt", &genotype).display());
        refused(&sandbox, &["train", "--budget", "BPE-1", "--genotype", &file], &[part, "genotype.txt"]);
        if genotype.len() < 1000 && !genotype.contains('\u{0}') {
            let flag = format!("--genotype={genotype}");
            refused(&sandbox, &["train", "--budget", "BPE-1", &flag], &[part]);
        }
    }
    refused(&sandbox, &["train", "--budget", "BPE-1", "--genotype", "@missing.txt"], &["missing.txt"]);
    let path = sandbox.write("bytes.txt", [0xff, 0xfe, 0x00]);
    let bytes = format!("@{}", path.display());
    refused(&sandbox, &["train", "--budget", "BPE-1", "--genotype", &bytes], &["bytes.txt"]);
}

#[test]
fn budgets() {
    let sandbox = Sandbox::new();
    for (budget, parts) in [
        ("", &["budget"][..]),
        ("BPE-3", &["BPE-3", "BPE-1"]),
        ("BPE-1,epochs=0", &["epochs", "0"]),
        ("BPE-1,epochs=-3", &["epochs", "-3"]),
        ("BPE-1,epochs=three", &["epochs", "three"]),
        ("BPE-1,epochs=1.5", &["epochs", "1.5"]),
        ("BPE-1,epochs=99999999999999999999", &["epochs"]),
        ("BPE-1,epoch=3", &["epoch", "epochs"]),
        ("BPE-1,epochs", &["epochs"]),
        ("BPE-1,epochs=1,epochs=2", &["epochs", "twice"]),
        ("BPE-1,batch_size=0", &["batch_size"]),
        ("BPE-1,learning_rate=0", &["learning_rate"]),
        ("BPE-1,learning_rate=nan", &["learning_rate", "nan"]),
        ("BPE-1,learning_rate=inf", &["learning_rate", "inf"]),
        ("BPE-1,learning_rate=-0.1", &["learning_rate", "-0.1"]),
        ("BPE-1,float_bits=8", &["float_bits", "16", "32"]),
        ("BPE-1,channels=0", &["channels"]),
        ("BPE-1,layers=0", &["layers"]),
        ("epochs=3", &["batch_size"]),
        // Values that are allowed, and sizes that fit no network.
        ("BPE-1,image_size=6", &["image_size"]),
        ("BPE-1,image_size=1", &["image_size"]),
    ] {
        let flag = format!("--budget={budget}");
        refused(&sandbox, &["train", "--genotype", "DARTS_V2", &flag], parts);
    }
}

#[test]
fn configurations() {
    let sandbox = Sandbox::new();
    for (text, parts) in [
        ("[mip]\nlamda = 0.1", &["line 2", "lamda", "lambda"][..]),
        ("[mipp]\nlambda = 0.1", &["line 1", "mipp"]),
        ("[mip]\nlambda = 2.0", &["line 2", "mip.lambda"]),
        ("[mip]\nlambda = 'x'", &["line 2", "mip.lambda"]),
        ("[mip]\nobjective = 'kendal'", &["line 2", "mip.objective", "did you mean `kendall`"]),
        ("[mip]\ncost = 'second'", &["line 2", "mip.cost", "did you mean `seconds`"]),
        ("[mip]\nconfirm = 1", &["line 2", "mip.confirm", "one architecture has no order"]),
        ("[mip]\nrace = 0.2", &["line 2", "mip.race", "from 0.5 up to but not 1, or 0 for no racing"]),
        ("[architectures]\nrepeat_full = 3", &["line 2", "architectures.repeat_full", "from 1 to 2"]),
        ("[mip", &["line 1"]),
        ("[full]\nepochs = -1", &["line 2", "full.epochs"]),
        ("[space]\nepochs = []", &["line 2", "space.epochs"]),
        ("[data]\nset = 'cifar10'", &["data.path"]),
        ("\u{0}", &["line 1"]),
    ] {
        sandbox.write("wrong.toml", text);
        refused(&sandbox, &["run", "--config", "wrong.toml"], &[parts, &["wrong.toml"]].concat());
        refused(&sandbox, &["plan", "--config", "wrong.toml"], parts);
    }
    // Values that are allowed, but not with these images or in any network: found before anything is trained.
    for (text, part) in [
        ("[space]\nimage_size = [8, 6]", "image_size"),
        ("[full]\nimage_size = 6", "image_size"),
        ("[data]\nset = 'idx'\npath = 'nowhere'", "nowhere"),
    ] {
        sandbox.write("wrong.toml", text);
        refused(&sandbox, &["run", "--config", "wrong.toml"], &[part]);
    }
    sandbox.write("wrong.toml", [0xff, 0xfe]);
    refused(&sandbox, &["run", "--config", "wrong.toml"], &["wrong.toml"]);
    refused(&sandbox, &["run", "--config", "missing.toml"], &["missing.toml"]);
    for (set, part) in
        [("mip.lambda", "section.key=value"), ("lambda=1", "section.key"), ("mip.lambda=-1", "mip.lambda")]
    {
        refused(&sandbox, &["run", "--set", set], &[part]);
    }
}

/// An IDX file whose bytes count to ten again and again.
pub(crate) fn idx(dimensions: &[u32], bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    file.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    file.extend((0..bytes).map(|index| (index % 10) as u8));
    file
}

#[test]
fn data_files() {
    let sandbox = Sandbox::new();
    let write_all = || {
        for (part, count) in [("train", 40), ("t10k", 20)] {
            sandbox.write(&format!("set/{part}-images-idx3-ubyte"), idx(&[count, 8, 8], count as usize * 64));
            sandbox.write(&format!("set/{part}-labels-idx1-ubyte"), idx(&[count], count as usize));
        }
    };
    write_all();
    let good = sandbox.program(&["data", "idx:set", "--json"]).succeeded().json();
    assert_eq!((good["train"].as_u64(), good["test"].as_u64()), (Some(40), Some(20)));
    let images = idx(&[40, 8, 8], 40 * 64);
    let mut magic = images.clone();
    magic[2] = 9;
    let mut long = images.clone();
    long.push(0);
    let broken_gzip = vec![0x1f, 0x8b, 8, 0, 0, 0];
    for (what, content) in [
        ("short", images[..100].to_vec()),
        ("long", long),
        ("wrong magic", magic),
        ("header only", images[..10].to_vec()),
        ("empty", Vec::new()),
        ("no images", idx(&[0, 8, 8], 0)),
        ("huge", idx(&[u32::MAX, u32::MAX, u32::MAX], 0)),
        ("broken gzip", broken_gzip),
    ] {
        write_all();
        sandbox.write("set/train-images-idx3-ubyte", content);
        let train = ["train", "--genotype", "DARTS_V2", "--budget", "BPE-1", "--data", "set"];
        for arguments in [&["data", "set"][..], &train] {
            refused(&sandbox, arguments, &["train-images-idx3-ubyte"]);
        }
        let run = ["run", "--set", "data.set=idx", "--set", "data.path=set"];
        let ran = sandbox.program(&run);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{what}: {}", ran.stderr);
    }
    write_all();
    sandbox.write("set/train-labels-idx1-ubyte", idx(&[39], 39));
    refused(&sandbox, &["data", "set"], &["39 labels for 40 images"]);
    write_all();
    std::fs::remove_file(sandbox.path("set/t10k-labels-idx1-ubyte")).unwrap();
    refused(&sandbox, &["data", "set"], &["t10k-labels-idx1-ubyte"]);
    refused(&sandbox, &["data", "nowhere"], &["nowhere"]);
    sandbox.write("cifar/data_batch_1.bin", [0; 3073]);
    refused(&sandbox, &["data", "cifar"], &["data_batch_1.bin", "3073 bytes"]);
}

#[test]
fn tensor_files() {
    let sandbox = Sandbox::new();
    let train = [
        "train",
        "--genotype",
        "DARTS_V2",
        "--budget",
        "BPE-1,layers=3",
        "--max-steps",
        "1",
        "--device",
        "cpu",
    ];
    sandbox.write("noise", [7; 100]);
    for file in ["missing", "noise"] {
        refused(&sandbox, &[&train[..], &["--init-from", file]].concat(), &[file]);
    }
    sandbox.program(&[&train[..], &["--save", "saved"]].concat()).succeeded();
    let mut other = train;
    other[4] = "BPE-1,layers=4";
    refused(&sandbox, &[&other[..], &["--init-from", "saved"]].concat(), &["saved", "layers"]);
}
