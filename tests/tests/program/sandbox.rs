//! A cache folder and a small configuration of a test's own, and the program started in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cache::{Kind, Store};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pipeline-under-test");

/// Names a copy of the program, for a user who cannot reach the one that was built.
pub(crate) const COPY: &str = "NAS_TEST_PROGRAM";

fn program() -> std::ffi::OsString {
    std::env::var_os(COPY).unwrap_or_else(|| PROGRAM.into())
}

/// Three architectures, three open hyper-parameters, two budgets a round: a fraction of a second of trainings.
pub(crate) const TINY: &str = r#"
[data]
train_images = 400
test_images = 100

[architectures]
count = 3

[full]
epochs = 1
layers = 3
channels = 4
image_size = 8

[space]
epochs = [1]
batch_size = [64, 128]
learning_rate = [0.03, 0.1]
layers = [3]
channels = [2, 4]
image_size = [8]

[mip]
budgets_per_round = 2
temperature = 1.0
trees = 50
seed = 0

[search]
samples = 3

[compare]
strategies = ["random"]
seeds = 1

[train]
seed = 0
holdout_fraction = 0.1
"#;

/// What every training of the tiny configuration costs more of, for tests that must meet a run at work.
pub(crate) const SLOWER: [&str; 3] = ["--set=data.train_images=2000", "--set=full.epochs=3", CHECKPOINTS];

/// A checkpoint after each epoch.
pub(crate) const CHECKPOINTS: &str = "--set=train.checkpoint_minutes=0";

pub(crate) struct Sandbox {
    dir: TempDir,
}

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What `run --json` printed.
pub(crate) struct Summary {
    pub(crate) run: u64,
    pub(crate) cached: u64,
    /// `result`, without what says how long something took and where it came from.
    pub(crate) result: String,
    /// The bytes of `result`.
    pub(crate) bytes: String,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran =
            Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }

    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON object that is all of standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    pub(crate) fn summary(self) -> Summary {
        let ran = self.succeeded();
        let json = ran.json();
        let (_, result) = ran.stdout.split_once(r#""result":"#).unwrap();
        let count = |name: &str| json["trainings"][name].as_u64().unwrap();
        Summary {
            run: count("run"),
            cached: count("cached"),
            result: timeless(json["result"].clone()).to_string(),
            bytes: result.trim_end().to_owned(),
            json,
            stderr: ran.stderr,
        }
    }
}

/// What a result says of clocks, and of whether a training ran or was found.
const OF_THE_MOMENT: [&str; 6] =
    ["seconds", "search_seconds", "full_search_seconds", "origin", "arrival", "cost"];

/// A result without what differs between a run that trains and one that goes on, or between two machines.
fn timeless(result: Value) -> Value {
    match result {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
            kept.map(|(name, value)| (name, timeless(value))).collect()
        }
        Value::Array(list) => list.into_iter().map(timeless).collect(),
        other => other,
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        sandbox.write("tiny.toml", TINY);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// The program with these arguments, on this sandbox's cache, in its folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(program()), arguments)
    }

    /// The same from a shell that first does something to itself: sets a limit, or ignores a signal.
    pub(crate) fn command_after(&self, before: &str, arguments: &[&str]) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(program());
        self.prepared(shell, arguments)
    }

    fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).arg("--cache").arg(self.cache()).current_dir(self.dir.path());
        // Without a folder there, Mesa's Vulkan layers complain about it on standard error.
        command.env("XDG_RUNTIME_DIR", self.dir.path()).env_remove("NAS_CACHE");
        command.env("XDG_CONFIG_HOME", self.dir.path().join("config"));
        command.env_remove("NAS_SHARE").env_remove("NAS_TRUST");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Arguments of a run of the tiny configuration on the processor, and more of them; for `nas-search`, if they name no target.
    pub(crate) fn run_arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let tiny = ["run", "--config", "tiny.toml", "--device", "cpu", "--json"];
        let has_target = more.iter().any(|argument| argument.starts_with("--target"));
        let target: &[&str] = if has_target { &[] } else { &["--target", "nas-search"] };
        [&tiny, target, more].concat()
    }

    pub(crate) fn run(&self, more: &[&str]) -> Summary {
        self.program(&Self::run_arguments(more)).summary()
    }

    pub(crate) fn start(&self, more: &[&str]) -> Child {
        self.command(&Self::run_arguments(more)).spawn().unwrap()
    }

    /// Trainings that the cache holds: key, and its fields as text.
    pub(crate) fn trainings(&self) -> BTreeMap<String, String> {
        let store = Store::open(self.cache()).unwrap();
        let records = store.iter(Kind::Training).unwrap().map(Result::unwrap);
        records
            .map(|record| (record.key.digest().to_string(), format!("{:?}", record.key.fields())))
            .collect()
    }

    /// The whole files in a folder of the cache.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache().join(folder)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_none()).collect()
    }

    /// Starts a run, kills it as soon as it has kept a checkpoint, and lets another go on: it says what one does that was not
    /// killed, and nothing is left of the checkpoint.
    pub(crate) fn killed_behind_a_checkpoint(&self, more: &[&str]) -> Summary {
        let arguments = [more, &[CHECKPOINTS]].concat();
        let expected = Self::new().run(&arguments);
        let mut child = self.start(&arguments);
        let begun = Instant::now();
        while self.files("checkpoints").is_empty() {
            let is_running = child.try_wait().unwrap().is_none();
            assert!(is_running && begun.elapsed() < Duration::from_secs(120), "no checkpoint");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait_with_output().unwrap();
        assert!(!self.files("checkpoints").is_empty());
        let last = self.run(&arguments);
        assert!(!last.stderr.contains("begins anew"), "{}", last.stderr);
        assert_eq!(last.result, expected.result);
        let left: Vec<_> = fs::read_dir(self.path("cache/checkpoints")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        self.assert_verified();
        last
    }

    /// Forgets what all nodes came to, so that the next run needs the trainings themselves.
    pub(crate) fn forget_outputs(&self) {
        let store = Store::open(self.cache()).unwrap();
        let outputs: Vec<_> = store.iter(Kind::NodeOutput).unwrap().map(Result::unwrap).collect();
        for output in outputs {
            assert!(store.remove(Kind::NodeOutput, output.key.digest()).unwrap());
        }
    }

    /// The command that `explain` gives for a training, under these settings, finds it in the cache; the command.
    pub(crate) fn assert_asked_again(&self, key: &str, settings: &[&str]) -> String {
        let arguments = [&["explain", &key[..16], "--json"], settings].concat();
        let explained = self.program(&arguments).succeeded().json()["explanations"][0].clone();
        assert_eq!(explained["key"].as_str(), Some(key));
        let command = explained["command"].as_str().unwrap();
        let command = format!("{command} --json --device cpu --cache '{}'", self.cache().display());
        let command = command.replacen("pipeline", PROGRAM, 1);
        let output = Command::new("sh").args(["-c", &command]).current_dir(self.path("")).output().unwrap();
        let training = Ran::of(output).succeeded().json();
        assert_eq!((&training["cached"], training["key"].as_str()), (&true.into(), Some(key)), "{command}");
        command
    }

    /// `cache verify` finds nothing wrong.
    pub(crate) fn assert_verified(&self) {
        let verified = self.program(&["cache", "verify", "--json"]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let report = verified.json();
        assert_eq!(report["clean"], true, "{report}");
        assert_eq!(report["spooled"], 0, "{report}");
        assert_eq!(report["quarantined"], 0, "{report}");
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The names of an object's fields.
pub(crate) fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// The most memory that a process has had resident until its end, in bytes: the kernel's own high-water mark, which only
/// grows, asked for as long as the process runs.
#[cfg(target_os = "linux")]
pub(crate) fn most_resident(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) * 1024);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    most
}

/// Random numbers: the same places of damage and moments of death every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
