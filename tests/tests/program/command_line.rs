//! What is made from the definitions of the command line: completions and manual pages.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn completions_know_every_command_and_flag() {
    let sandbox = Sandbox::new();
    for (shell, begin) in [("bash", "_pipeline"), ("zsh", "#compdef pipeline"), ("fish", "#")] {
        let script = sandbox.program(&["completions", shell]).succeeded().stdout;
        assert!(script.starts_with(begin), "{shell}: {script}");
        for part in ["strategies", "completions", "dry-run", "pack-memory"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let sandbox = Sandbox::new();
    let page = sandbox.program(&["man"]).succeeded().stdout;
    assert!(page.contains(".TH pipeline 1"), "{page}");
    let out = sandbox.path("share/man/man1");
    sandbox.program(&["man", "--out", out.to_str().unwrap()]).succeeded();
    for (page, part) in [("pipeline", "completions"), ("pipeline-run", "pack"), ("pipeline-cache-gc", "runs")]
    {
        let text = fs::read_to_string(out.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(&format!(".TH {page} 1")) && text.contains(part), "{text}");
    }
    // A folder that cannot be made.
    let file = sandbox.write("file", "");
    let refused = sandbox.program(&["man", "--out", file.join("man").to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("cannot write") && refused.stderr.contains("file/man"),
        "{}",
        refused.stderr
    );
}
