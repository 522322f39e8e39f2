//! What each part must not know, and habits of the code, held to the sources themselves.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 450;
const CRATES: [&str; 6] = ["benches", "cache", "kernels", "pipeline", "stages", "tests"];

struct Source {
    /// From the workspace's root, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether the file is compiled into the program.
    fn is_product(&self) -> bool {
        let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "checks" | "reference");
        self.path.contains("/src/") && !self.path.split('/').any(is_test) && !self.is_under("benches/")
    }

    /// Lines that are no comments, up to the test module.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_tests = |line: &str| line == "mod tests {" || line == "mod checks {";
        let lines = self.text.lines().take_while(move |line| !is_tests(line));
        lines
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn has_suffix(path: impl AsRef<Path>, wanted: &str) -> bool {
    path.as_ref().extension().is_some_and(|suffix| suffix == wanted)
}

fn collect(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path: PathBuf = entry.path();
        if path.is_dir() {
            collect(&path, root, sources);
        } else if has_suffix(&path, "rs") || has_suffix(&path, "toml") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            sources.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    for name in CRATES {
        collect(&root.join(name), root, &mut sources);
    }
    assert!(sources.len() > 100, "the sources are not where this test looks");
    sources
}

fn rust_sources() -> Vec<Source> {
    sources().into_iter().filter(|source| has_suffix(&source.path, "rs")).collect()
}

/// No line of the program's code outside `home` may hold one of `words`, and some line inside must.
fn only_in(home: impl Fn(&Source) -> bool, words: &[&str]) {
    let mut is_used = false;
    let mut strays = Vec::new();
    for source in rust_sources().iter().filter(|source| source.is_product()) {
        for (number, line) in source.code() {
            if !words.iter().any(|word| line.contains(word)) {
                continue;
            }
            if home(source) {
                is_used = true;
            } else {
                strays.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(strays.is_empty(), "{words:?} outside its place:\n{}", strays.join("\n"));
    assert!(is_used, "{words:?} is used nowhere, so this test holds nothing");
}

#[test]
fn only_the_gpu_backend_knows_wgpu() {
    only_in(|source| source.is_under("kernels/src/gpu/"), &["wgpu::"]);
}

#[test]
fn only_writers_of_onnx_event_and_parquet_files_know_their_encoding() {
    let is_writer = |source: &Source| {
        source.is_under("kernels/src/onnx/") || source.path == "pipeline/src/output/tensorboard.rs"
    };
    only_in(is_writer, &["prost::", "crc32c::"]);
    let words = ["arrow_array::", "arrow_buffer::", "arrow_schema::"];
    only_in(|source| source.path == "pipeline/src/output/parquet.rs", &words);
}

#[test]
fn only_the_cache_knows_its_database_and_one_module_its_codec() {
    only_in(|source| source.is_under("cache/src/"), &["rocksdb::"]);
    only_in(|source| source.path == "cache/src/codec.rs", &["bincode::"]);
    only_in(|source| source.path == "cache/src/tier/bucket.rs", &["object_store::", "tokio::"]);
    only_in(|source| source.path == "cache/src/trust.rs", &["ed25519_dalek::"]);
}

#[test]
fn only_one_module_downloads_and_only_folders_of_pictures_know_how_they_are_coded() {
    only_in(|source| source.is_under("pipeline/src/download/"), &["ureq::"]);
    only_in(|source| source.is_under("stages/src/data/folder/"), &["image::", "fast_image_resize::"]);
}

#[test]
fn only_the_output_module_writes_to_people() {
    let words = ["println!", "print!", "stdout()", "stderr()"];
    only_in(|source| source.is_under("pipeline/src/output/"), &words);
}

#[test]
fn arrows_between_crates_point_one_way() {
    for (name, allowed) in [
        ("cache", &[][..]),
        ("kernels", &[]),
        ("stages", &["cache", "kernels"]),
        ("pipeline", &["cache", "kernels", "stages"]),
    ] {
        let manifest = format!("{name}/Cargo.toml");
        let text = sources().into_iter().find(|source| source.path == manifest).unwrap().text;
        let (_, dependencies) = text.split_once("[dependencies]").unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        let known: BTreeSet<&str> =
            dependencies.lines().filter_map(|line| line.split(['.', ' ']).next()).collect();
        let ours: BTreeSet<&str> = CRATES.into_iter().filter(|name| known.contains(name)).collect();
        assert_eq!(ours, allowed.iter().copied().collect(), "{name}");
    }
}

/// The names after `before`, as far as identifiers go, in a text.
fn names_behind<'a>(text: &'a str, before: &'static str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Files of the training runtime that are compiled into the program.
fn runtime() -> Vec<Source> {
    let all = rust_sources().into_iter();
    all.filter(|source| source.is_under("kernels/src/") && source.is_product()).collect()
}

#[test]
fn machines_know_no_operation_by_name() {
    const MACHINES: [&str; 6] = ["program/", "graph/", "onnx/", "cpu/", "gpu/", "reference/"];
    let runtime = rust_sources().into_iter().filter(|source| source.is_under("kernels/src/"));
    let (operations, others): (Vec<_>, Vec<_>) =
        runtime.partition(|source| source.is_under("kernels/src/ops/"));
    // What is an operation or one of its calls says so.
    let names: BTreeSet<String> = (operations.iter())
        .flat_map(|source| {
            ["Operation for ", "Declare for "].map(|before| names_behind(&source.text, before))
        })
        .flatten()
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 20, "{names:?}");
    // Words of machines too: passes, resources, pages of images, sums of a step; and an operator of ONNX.
    let shared = ["Forward", "Backward", "DropPath", "Images", "Sums", "Sigmoid"];
    let names: BTreeSet<&str> =
        names.iter().map(String::as_str).filter(|name| !shared.contains(name)).collect();
    let mut strays = Vec::new();
    let is_test = |source: &Source| source.path.split('/').any(|part| part == "tests" || part == "tests.rs");
    for source in others.iter().filter(|source| !is_test(source)) {
        if !MACHINES.iter().any(|at| source.is_under(&format!("kernels/src/{at}"))) {
            continue;
        }
        for (number, line) in source.code() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if line.contains("crate::ops") || words.any(|word| names.contains(word)) {
                strays.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn parts_of_the_runtime_import_each_other_one_way() {
    let part = |path: &str| {
        let inside = path.trim_start_matches("kernels/src/");
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs").to_owned()
    };
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in runtime().iter().filter(|source| source.path != "kernels/src/lib.rs") {
        let own = part(&source.path);
        let code: Vec<&str> = source.code().map(|(_, line)| line).collect();
        let code = code.join("\n");
        let others: Vec<&str> = names_behind(&code, "crate::").filter(|name| *name != own).collect();
        let are_parts = others.iter().all(|name| name.starts_with(|c: char| c.is_lowercase()));
        assert!(are_parts, "{}: imports from the crate, not from the part that has it", source.path);
        let others = others.into_iter().map(str::to_owned);
        imports.entry(own.clone()).or_default().extend(others);
    }
    assert!(imports.len() > 15 && imports["ops"].contains("cpu"), "{imports:?}");
    remove_what_imports_none_left(&mut imports);
    assert!(imports.is_empty(), "these import each other in a circle: {imports:?}");
}

/// Files of a machine, or of what is described to it, but the ones that put it together.
#[test]
fn files_of_a_part_import_each_other_one_way() {
    for part in ["cpu", "gpu", "graph", "onnx", "program"] {
        let folder = format!("kernels/src/{part}/");
        let name = |path: &str| path.trim_start_matches(&folder).split('/').next().map(str::to_owned);
        let files: Vec<_> = runtime()
            .into_iter()
            .filter(|source| source.is_under(&folder) && !source.path.ends_with("mod.rs"))
            .collect();
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in &files {
            let own = name(&source.path).unwrap().trim_end_matches(".rs").to_owned();
            let code: Vec<&str> = source.code().map(|(_, line)| line).collect();
            let code = code.join("\n");
            let others = names_behind(&code, "super::").filter(|other| *other != own);
            imports.entry(own.clone()).or_default().extend(others.map(str::to_owned));
        }
        assert!(imports.len() > 2, "{part}: {imports:?}");
        remove_what_imports_none_left(&mut imports);
        assert!(imports.is_empty(), "{part}: these import each other in a circle: {imports:?}");
    }
}

/// Parts that import none of those that are left go, until none is left or all that are import each other.
fn remove_what_imports_none_left(imports: &mut BTreeMap<String, BTreeSet<String>>) {
    while let Some(next) =
        imports.iter().find(|(_, others)| others.iter().all(|other| !imports.contains_key(other)))
    {
        let next = next.0.clone();
        imports.remove(&next);
    }
}

#[test]
fn a_file_is_one_idea_and_says_which() {
    let mut wrong = Vec::new();
    for source in rust_sources() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, more than {LINES_MAX}: split it", source.path));
        }
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{}: does not begin with a line that says what it is for", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_undone() {
    let mut wrong = Vec::new();
    // Put together, so that this file does not find itself.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                wrong.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    // The lints forbid `unwrap` and `expect`.
    let forbidden = ["panic!(", "todo!(", "unimplemented!("];
    for source in rust_sources().iter().filter(|source| source.is_product()) {
        for (number, line) in source.code() {
            if forbidden.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_kernels_and_their_machines_only() {
    let is_backend = |source: &Source| {
        let machine = ["cpu/", "gpu/"].iter().any(|at| source.is_under(&format!("kernels/src/{at}")));
        let kernel = source.path.split('/').any(|part| part == "cpu" || part == "cpu.rs");
        machine || (source.is_under("kernels/src/ops/") && kernel)
    };
    only_in(is_backend, &["unsafe {", "unsafe fn", "unsafe impl"]);
}
