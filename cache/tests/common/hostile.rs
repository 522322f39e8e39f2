//! Users without permissions, and disks that fill up.

// Every test binary uses some of these.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether permissions mean anything to this process: not to root.
fn obeys_permissions(dir: &Path) -> bool {
    let probe = dir.join("probe");
    fs::write(&probe, "").unwrap();
    set_mode(&probe, 0o000);
    let obeys = fs::read(&probe).is_err();
    fs::remove_file(probe).unwrap();
    obeys
}

/// Runs this test binary again, for `test` alone, as a user to whom permissions mean something. Says whether this is
/// the process that should do the work. `programs`, which that user may not be able to reach, are copied for it; the
/// environment names the copies.
pub(crate) fn as_common_user(programs: &[(&str, &Path)], test: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    if obeys_permissions(dir.path()) {
        return true;
    }
    set_mode(dir.path(), 0o755);
    let program = dir.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut command = Command::new(&program);
    for (variable, program) in programs {
        let copy = dir.path().join(program.file_name().unwrap());
        fs::copy(program, &copy).unwrap();
        set_mode(&copy, 0o755);
        command.env(variable, copy);
    }
    std::os::unix::process::CommandExt::uid(&mut command, 65534);
    let ran = command.args(["--exact", test, "--nocapture"]).env("TMPDIR", "/tmp").output().unwrap();
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Every folder and file below `path`, and it, may only be read.
pub(crate) fn forbid_writing(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            forbid_writing(&entry.unwrap().path());
        }
        set_mode(path, 0o555);
    } else {
        set_mode(path, 0o444);
    }
}

pub(crate) fn allow_writing(path: &Path) {
    if path.is_dir() {
        set_mode(path, 0o755);
        for entry in fs::read_dir(path).unwrap() {
            allow_writing(&entry.unwrap().path());
        }
    } else {
        set_mode(path, 0o644);
    }
}

/// A file system of a few megabytes, gone when it is dropped.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    /// None where this process may not mount.
    pub(crate) fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        mount.is_ok_and(|ran| ran.status.success()).then_some(Self(path))
    }

    pub(crate) fn remount(&self, option: &str) {
        let options = format!("remount,{option}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }

    /// Fills what is free, but for so many bytes.
    pub(crate) fn fill(&self, but: u64) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            let written = std::io::Write::write_all(&mut file, &vec![0; size]);
            size = if written.is_err() { size / 2 } else { size };
        }
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(but)).unwrap();
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Runs this test binary again, for `test` alone, where it may mount. Says whether this is the process that should.
pub(crate) fn where_mounting_is_allowed(test: &str) -> bool {
    const INSIDE: &str = "CACHE_TEST_MAY_MOUNT";
    let dir = tempfile::tempdir().unwrap();
    if SmallDisk::mount(dir.path().join("probe"), "64k").is_some() {
        return true;
    }
    assert!(std::env::var_os(INSIDE).is_none(), "mounting is not allowed in a user namespace either");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount"]).arg(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "this test mounts a small file system; run it as root, or allow user namespaces (unshare -rm)\n{said}"
    );
    false
}
