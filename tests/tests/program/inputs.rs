//! What people bring, as they have it: genotypes in logs and files, folders of other libraries, paths and settings as they
//! write them.

use std::process::Command;

use crate::nonsense::{idx, refused};
use crate::sandbox::{PROGRAM, Ran, Sandbox};

pub(crate) const BUDGET: &str = "BPE-1,epochs=1,layers=3,channels=2,image_size=8,batch_size=512";
const PAIRS: [(&str, usize); 8] = [
    ("sep_conv_3x3", 1),
    ("skip_connect", 0),
    ("dil_conv_3x3", 2),
    ("max_pool_3x3", 0),
    ("avg_pool_3x3", 3),
    ("skip_connect", 1),
    ("dil_conv_5x5", 4),
    ("sep_conv_5x5", 2),
];

/// One genotype, its pairs written by `pair`.
fn genotype(pair: impl Fn(&str, usize) -> String) -> String {
    let cell = PAIRS.map(|(operation, input)| pair(operation, input)).join(", ");
    format!(
        "Genotype(normal=[{cell}], normal_concat=range(2, 6), reduce=[{cell}], reduce_concat=range(2, 6))"
    )
}

pub(crate) fn plain() -> String {
    genotype(|operation, input| format!("('{operation}', {input})"))
}

/// The same genotype as JSON, nested.
fn json() -> String {
    let node = |node: &[(&str, usize)]| {
        format!("[{}]", node.iter().map(|(o, i)| format!("[\"{o}\", {i}]")).collect::<Vec<_>>().join(", "))
    };
    let cell = format!("[{}]", PAIRS.chunks(2).map(node).collect::<Vec<_>>().join(", "));
    format!(
        "{{\"normal\": {cell}, \"normal_concat\": [2, 3, 4, 5], \"reduce\": {cell}, \"reduce_concat\": [2, 3, 4, 5]}}"
    )
}

pub(crate) fn train<'a>(genotype: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--genotype", genotype, "--budget", BUDGET, "--device", "cpu", "--json"], more].concat()
}

#[test]
fn genotypes_are_read_as_people_have_them() {
    let sandbox = Sandbox::new();
    let trained = sandbox.program(&train(&plain(), &[])).succeeded().json();
    assert_eq!(trained["cached"], false);
    let numpy = genotype(|operation, input| format!("(np.str_('{operation}'), np.int64({input}))"));
    let tensors = genotype(|operation, input| format!("('{operation}', tensor({input}, device='cuda:0'))"));
    for (file, text) in [
        ("log.txt", format!("epoch 49\n2026-11-03 13:25:46,379 genotype = {}\n13:26 it's done\n", plain())),
        ("notepad.txt", format!("\u{feff}{}\r\n", plain().replace(", reduce", ",\r\n reduce"))),
        ("genotypes.py", format!("# found with seed 2, 97.43 %\nPC_DARTS_cifar = {}\n", plain())),
        ("numpy.txt", numpy.replace("range(2, 6)", "list(range(2, 6))")),
        ("torch.txt", tensors),
        ("d.json", json()),
        ("d.py", format!("results = {{'genotype': {}, 'accuracy': 97.43}}", json().replace('"', "'"))),
        ("name:with colon", plain()),
    ] {
        sandbox.write(file, text);
        let again = sandbox.program(&train(&format!("@{file}"), &[])).succeeded();
        // It is the same training, so it is the same architecture.
        assert_eq!((&again.json()["cached"], again.stderr.as_str()), (&true.into(), ""), "{file}");
    }
    sandbox.write("two.py", format!("A = {}\nB = {}\n", plain(), plain().replace("avg_pool", "max_pool")));
    refused(
        &sandbox,
        &train("@two.py", &[]),
        &["two.py", "A (line 1), B (line 2)", "@FILE:NAME or @FILE:LINE"],
    );
    refused(&sandbox, &train("@two.py:C", &[]), &["two.py", "no genotype `C`", "A (line 1), B (line 2)"]);
    refused(&sandbox, &train("@gone.py:A", &[]), &["gone.py:A"]);
    for choice in ["@two.py:A", "@two.py:1"] {
        assert_eq!(sandbox.program(&train(choice, &[])).succeeded().json()["cached"], true, "{choice}");
    }
    assert_eq!(
        sandbox.program(&train("@two.py:B", &["--max-steps", "1"])).succeeded().json()["cached"],
        false
    );
    sandbox.write("settings.json", "{\"learning_rate\": 0.025}");
    refused(&sandbox, &train("@settings.json", &[]), &["a dictionary that is no genotype", "normal_concat"]);
}

/// Writes a set of images under these names of its parts.
fn write_set(sandbox: &Sandbox, folder: &str, [train, test]: [&str; 2], [images, labels]: [&str; 2]) {
    for (part, count) in [(train, 40), (test, 20)] {
        sandbox.write(&format!("{folder}/{part}-{images}"), idx(&[count, 8, 8], count as usize * 64));
        sandbox.write(&format!("{folder}/{part}-{labels}"), idx(&[count], count as usize));
    }
}

#[test]
fn folders_are_read_as_other_libraries_leave_them() {
    let sandbox = Sandbox::new();
    let usual = ["images-idx3-ubyte", "labels-idx1-ubyte"];
    write_set(&sandbox, "usual", ["train", "t10k"], usual);
    write_set(&sandbox, "root/FashionMNIST/raw", ["train", "t10k"], usual);
    write_set(&sandbox, "dots", ["train", "t10k"], ["images.idx3-ubyte", "labels.idx1-ubyte"]);
    write_set(&sandbox, "emnist", ["emnist-letters-train", "emnist-letters-test"], usual);
    let digest =
        |folder: &str| sandbox.program(&["data", folder, "--json"]).succeeded().json()["digest"].clone();
    let expected = digest("usual");
    for folder in ["root", "root/FashionMNIST", "dots", "emnist", "emnist/emnist-letters", "idx:root"] {
        assert_eq!(digest(folder), expected, "{folder}");
    }
    let shown = sandbox.program(&["data", "root"]).succeeded().stdout;
    assert!(shown.contains("source idx:root/FashionMNIST/raw\n"), "{shown}");
    let plan =
        sandbox.program(&["plan", "--config", "tiny.toml", "--set=data.set=idx", "--set=data.path=root"]);
    plan.succeeded();
    write_set(&sandbox, "root/MNIST/raw", ["train", "t10k"], usual);
    let both = ["holds 2 sets", "idx:root/FashionMNIST/raw", "idx:root/MNIST/raw"];
    refused(&sandbox, &["data", "root"], &both);
    refused(&sandbox, &["run", "--set=data.set=idx", "--set=data.path=root"], &both);
    sandbox.write("python/cifar-10-batches-py/data_batch_1", "");
    refused(&sandbox, &["data", "python"], &["there are cifar-10-batches-py/", "the binary version"]);
    sandbox.write("photos/cat.png", "");
    refused(&sandbox, &["data", "photos"], &["there are cat.png", "train-images-idx3-ubyte"]);
}

/// The program in a sandbox whose folder is the user's home.
fn at_home(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(sandbox.path("")).env("XDG_RUNTIME_DIR", sandbox.path(""));
    command.env("HOME", sandbox.path("home")).env_remove("NAS_CACHE").env_remove("XDG_CACHE_HOME");
    Ran::of(command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn a_tilde_is_the_home_folder_wherever_a_path_is_given() {
    let sandbox = Sandbox::new();
    write_set(&sandbox, "home/set", ["train", "t10k"], ["images-idx3-ubyte", "labels-idx1-ubyte"]);
    sandbox.write("home/g.txt", plain());
    sandbox.write("home/c.toml", "[data]\nset = 'idx'\npath = '~/set'\n");
    sandbox.write("home/t.csv", "a,b\n1,2\n2,3\n3,1\n");
    for (arguments, variables) in [
        (&["cache", "stats", "--cache=~/by-flag"][..], &[][..]),
        (&["cache", "stats"], &[("NAS_CACHE", "~/by-variable")]),
        (&["data", "~/set"], &[]),
        (&["data", "idx:~/set"], &[]),
        (&["plan", "--config=~/c.toml"], &[]),
        (&["plan", "--set=data.set=idx", "--set=data.path=~/set"], &[]),
        (&["rank", "~/t.csv", "--truth-column=b"], &[]),
        (
            &[
                "train",
                "--genotype=@~/g.txt",
                "--budget",
                BUDGET,
                "--max-steps=1",
                "--data=~/set",
                "--save=~/w",
            ],
            &[],
        ),
        (
            &[
                "train",
                "--genotype=@~/g.txt",
                "--budget",
                BUDGET,
                "--max-steps=1",
                "--data=~/set",
                "--init-from=~/w",
            ],
            &[],
        ),
    ] {
        at_home(&sandbox, arguments, variables).succeeded();
    }
    for name in ["by-flag", "by-variable", "w"] {
        assert!(sandbox.path("home").join(name).exists(), "{name}");
    }
    assert!(!sandbox.path("~").exists() && !sandbox.path("home/~").exists());
    for (arguments, variables) in [
        (&["cache", "stats", "--cache=~you/x"][..], &[][..]),
        (&["cache", "stats"], &[("NAS_CACHE", "~you/x")]),
        (&["data", "~you/x"], &[]),
        (&["plan", "--set=data.set=idx", "--set=data.path=~you/x"], &[]),
    ] {
        let ran = at_home(&sandbox, arguments, variables);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("`~you` is the home folder of another user"), "{}", ran.stderr);
    }
}

#[test]
fn a_home_that_cannot_be_written_to_says_where_else() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let file = sandbox.path("file").display().to_string();
    for variables in [&[("HOME", file.as_str())][..], &[("NAS_CACHE", &format!("{file}/x"))]] {
        let ran = at_home(&sandbox, &["cache", "stats"], variables);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("--cache DIR") && ran.stderr.contains("NAS_CACHE"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&file), "{}", ran.stderr);
    }
}

#[test]
fn settings_are_read_as_they_are_written() {
    let sandbox = Sandbox::new();
    for name in ["20261126", "2026-11-26", "true", "1e3", "[1]"] {
        write_set(&sandbox, name, ["train", "t10k"], ["images-idx3-ubyte", "labels-idx1-ubyte"]);
        let path = format!("--set=data.path={name}");
        sandbox.program(&["plan", "--config=tiny.toml", "--set=data.set=idx", &path]).succeeded();
        let quoted = format!("--set=data.path='{name}'");
        sandbox.program(&["plan", "--config=tiny.toml", "--set=data.set=idx", &quoted]).succeeded();
    }
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (config, parts) in [
        (utf16("\u{feff}[mip]\nlambda = 0.2\n"), &["this is UTF-16 text", "save it as UTF-8"][..]),
        (utf16("[mip]\nlambda = 0.2\n"), &["this is UTF-16 text", "save it as UTF-8"]),
        (b"[mip]\n# gr\xf6\xdfer\nlambda = 0.2\n".to_vec(), &["line 2", "Latin-1", "save it as UTF-8"]),
        (b"[data]\nset = idx\n".to_vec(), &["line 2", "a text needs quotes: set = \"idx\""]),
        (b"[data]\npath = ~/set # mine\n".to_vec(), &["line 2", "a text needs quotes: path = \"~/set\""]),
        (
            b"[data]\npath = 20261126\n".to_vec(),
            &["line 2", "must be a text, found a whole number; write it in quotes"],
        ),
        (
            b"[full]\nlayers = 2\n".to_vec(),
            &["line 2, full.layers", "at least one normal cell", "is 2", "from 3 to 256"],
        ),
        (
            b"[space]\nlayers = [6, 1]\n".to_vec(),
            &["line 2, space.layers", "at least one normal cell", "is 1"],
        ),
    ] {
        sandbox.write("wrong.toml", config);
        refused(&sandbox, &["plan", "--config", "wrong.toml"], &[&["wrong.toml"], parts].concat());
    }
    sandbox.write("notepad.toml", "\u{feff}[mip]\r\nlambda = 0.2\r\n");
    sandbox.program(&["plan", "--config", "notepad.toml"]).succeeded();
    refused(
        &sandbox,
        &["train", "--genotype=DARTS_V2", "--budget=BPE-1,layers=2"],
        &["layers", "normal cell"],
    );
    sandbox.write("g.txt", utf16(&plain()));
    refused(&sandbox, &train("@g.txt", &[]), &["g.txt: this is UTF-16 text", "save it as UTF-8"]);
}

#[test]
fn what_is_repeated_of_a_text_is_short_and_tells_a_terminal_nothing() {
    let sandbox = Sandbox::new();
    let escape = "\u{1b}[2J\r\u{7}\u{202e}";
    let long = format!("x{escape}{}", "y".repeat(60_000));
    for text in [escape, long.as_str()] {
        for flags in [
            &["run", "--profile"][..],
            &["run", "--target"],
            &["run", "--force"],
            &["run", "--set"],
            &["run", "--config"],
            &["run", "--device"],
            &["run", "--jobs"],
            &["plan", "--cache=tiny.toml", "--set"],
            &["data"],
            &["explain"],
            &["log", "--limit"],
            &["rank"],
            &["importance"],
            &["train", "--budget=BPE-1", "--genotype"],
            &["train", "--genotype=DARTS_V2", "--budget"],
            &["train", "--genotype=DARTS_V2", "--budget=BPE-1", "--data"],
            &[],
        ] {
            let ran = sandbox.program(&[flags, &[text]].concat());
            assert_ne!(ran.code, Some(0), "{flags:?}");
            hold_tame(&ran, flags);
        }
        for set in
            ["", "mip", "mip.", "mip.lambda=", "mip.seed=", "data.set=", "space.epochs=", "search.strategy="]
        {
            let set = format!("--set={set}{text}");
            let ran = sandbox.program(&["plan", &set]);
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
            hold_tame(&ran, &["--set"]);
        }
        for flag in ["--save", "--dump-gradients", "--init-from"] {
            let path = format!("{flag}=no/{text}");
            let ran = sandbox.program(&["train", "--genotype=DARTS_V2", "--budget=BPE-1", &path]);
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
            hold_tame(&ran, &[flag]);
        }
    }
    sandbox.write("g.txt", format!("Genotype(normal={escape})"));
    hold_tame(&sandbox.program(&train("@g.txt", &[])), &["@g.txt"]);
    // Results repeat texts as well.
    let spaced = plain().replace(", ", ",\r");
    let arguments = ["train", "--genotype", &spaced, "--budget", BUDGET, "--max-steps=1", "--device=cpu"];
    hold_tame(&sandbox.program(&arguments).succeeded(), &arguments);
}

fn hold_tame(ran: &Ran, flags: &[&str]) {
    for text in [&ran.stdout, &ran.stderr] {
        let tame = |letter: char| letter == '\n' || !letter.is_control() && letter != '\u{202e}';
        assert!(text.chars().all(tame), "{flags:?}: {text:?}");
        assert!(text.chars().count() < 3000, "{flags:?}: {}", text.chars().count());
    }
}
