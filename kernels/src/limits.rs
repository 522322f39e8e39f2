//! How much memory this process may take: of the machine, of the control groups that it runs in (a container's limit) and
//! of its address space (`ulimit -v`). Linux says all of it in files; a system without them names no limit.

use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Bytes that are kept free beside trainings, for what the rest of the process takes meanwhile: its database, results,
/// threads.
const SPARE: u64 = 64 << 20;

/// What bounds the memory of trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The memory of the machine.
    Machine,
    /// A control group that the process is in: how containers and service managers limit memory.
    ControlGroup,
    /// The process's address space.
    AddressSpace,
    /// The memory of a device, or what it can bind of it.
    Device,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "of this machine",
            Self::ControlGroup => "under the memory limit of this container or control group",
            Self::AddressSpace => "under `ulimit -v`",
            Self::Device => "on the device",
        })
    }
}

/// What one limit leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) limit: Limit,
    /// Bytes that trainings can have at most: all but what the rest of this process takes.
    pub(crate) most: u64,
    /// Bytes that are free now, when other processes are counted too and trainings have taken what was promised to them.
    pub(crate) free: u64,
}

/// What each limit leaves, when so many bytes are `reserved` for trainings that run; `root` is `/` but in tests.
pub(crate) fn rooms(root: &Path, reserved: u64) -> Vec<Room> {
    let status = read(root, "proc/self/status");
    let resident = kib(&status, "RssAnon:").or_else(|| kib(&status, "VmRSS:")).unwrap_or(0);
    let promised = reserved.saturating_sub(resident);
    let room = |limit, bytes: u64, own: u64, free: u64| Room {
        limit,
        most: bytes.saturating_sub(own.saturating_sub(reserved)).saturating_sub(SPARE),
        free: free.saturating_sub(promised).saturating_sub(SPARE),
    };
    let mut rooms = Vec::new();
    let machine = read(root, "proc/meminfo");
    if let Some(bytes) = kib(&machine, "MemTotal:") {
        let free = kib(&machine, "MemAvailable:").unwrap_or(bytes);
        rooms.push(room(Limit::Machine, bytes, resident, free));
    }
    for group in groups(root) {
        if let Some((bytes, used)) = group.limit_and_use() {
            rooms.push(room(Limit::ControlGroup, bytes, resident, bytes.saturating_sub(used)));
        }
    }
    if let Some(bytes) = address_space(&read(root, "proc/self/limits")) {
        let own = kib(&status, "VmSize:").unwrap_or(0);
        rooms.push(room(Limit::AddressSpace, bytes, own, bytes.saturating_sub(own)));
    }
    rooms
}

/// Bytes of address space that the process can still take; none without a limit.
pub(crate) fn address_space_left(root: &Path) -> Option<u64> {
    let limit = address_space(&read(root, "proc/self/limits"))?;
    Some(limit.saturating_sub(kib(&read(root, "proc/self/status"), "VmSize:").unwrap_or(0)))
}

/// A file's text; nothing where there is none.
fn read(root: &Path, path: impl AsRef<Path>) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

/// Bytes of a line such as `MemTotal:  24602732 kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of the address space, in the text of `/proc/self/limits`; none where it is unlimited.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The two layouts of control groups.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A control group: its folder.
struct ControlGroup {
    version: Version,
    folder: PathBuf,
}

impl ControlGroup {
    /// Bytes that it may take, and those that it has taken but for cached files, which the kernel gives back; none without
    /// a limit. The second version has two: beyond `memory.max` a process is ended, and beyond `memory.high` it is slowed down
    /// until it hardly moves.
    fn limit_and_use(&self) -> Option<(u64, u64)> {
        let number = |name: &str| read(&self.folder, name).trim().parse::<u64>().ok();
        let stat = read(&self.folder, "memory.stat");
        let value = |name: &str| {
            let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            value.parse::<u64>().ok()
        };
        let cached = |names: [&str; 2]| names.into_iter().filter_map(value).sum::<u64>();
        let tighter = |limits: [Option<u64>; 2]| limits.into_iter().flatten().min();
        let (limit, used, cached) = match self.version {
            // `max` is no number.
            Version::Two => (
                tighter([number("memory.max"), number("memory.high")]),
                number("memory.current"),
                cached(["inactive_file", "active_file"]),
            ),
            Version::One => (
                // The second also knows of groups above that cannot be seen from a container. Without a limit it is the
                // largest number of pages that there can be.
                tighter([number("memory.limit_in_bytes"), value("hierarchical_memory_limit")])
                    .filter(|&bytes| bytes < 1 << 62),
                number("memory.usage_in_bytes"),
                cached(["total_inactive_file", "total_active_file"]),
            ),
        };
        Some((limit?, used.unwrap_or(0).saturating_sub(cached)))
    }
}

/// The control groups that bound this process's memory: its own, and those above, as far as they can be seen from here.
fn groups(root: &Path) -> Vec<ControlGroup> {
    let (own, mounts) = (read(root, "proc/self/cgroup"), read(root, "proc/self/mountinfo"));
    let mut groups = Vec::new();
    for (version, path) in own.lines().filter_map(membership) {
        let Some((mounted, mount)) = mounts.lines().find_map(|line| mount(line, version)) else { continue };
        // From inside a container the path can lie outside of what is mounted; then what is mounted is its own group.
        let inner = Path::new(path).strip_prefix(mounted).unwrap_or(Path::new(""));
        let is_below = inner.components().all(|part| matches!(part, Component::Normal(_)));
        let inner = if is_below { inner } else { Path::new("") };
        let top = root.join(mount.trim_start_matches('/'));
        let folder = top.join(inner);
        let above = folder.ancestors().take_while(|folder| folder.starts_with(&top));
        groups.extend(above.map(|folder| ControlGroup { version, folder: folder.to_path_buf() }));
    }
    groups
}

/// The version and path of a line of `/proc/self/cgroup` that is about memory: `0::/a/b` or `4:memory:/a/b`.
fn membership(line: &str) -> Option<(Version, &str)> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    if number == "0" && controllers.is_empty() {
        return Some((Version::Two, path));
    }
    controllers.split(',').any(|name| name == "memory").then_some((Version::One, path))
}

/// What of the groups is mounted, and where, by a line of `/proc/self/mountinfo`:
/// `35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`.
fn mount(line: &str, version: Version) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (mounted, place) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1).unwrap_or(""));
    let is_it = match version {
        Version::Two => kind == "cgroup2",
        Version::One => kind == "cgroup" && options.split(',').any(|option| option == "memory"),
    };
    is_it.then_some((mounted, place))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A system's files below a folder of their own.
    fn system(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let machine = "MemTotal:       8388608 kB\nMemFree: 1 kB\nMemAvailable:   6291456 kB\n";
        let status = "Name:\tx\nVmSize:\t  307200 kB\nVmRSS:\t 131072 kB\nRssAnon:\t 102400 kB\n";
        let base = [("proc/meminfo", machine.to_owned()), ("proc/self/status", status.to_owned())];
        for (name, text) in base.iter().chain(files) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn room(limit: Limit, most_mib: u64, free_mib: u64) -> Room {
        Room { limit, most: most_mib * MIB, free: free_mib * MIB }
    }

    #[test]
    fn the_machine_bounds_where_nothing_else_does() {
        let limits = "Max address space         unlimited            unlimited            bytes\n".to_owned();
        let root = system(&[("proc/self/limits", limits)]);
        // 100 MiB are the process's own without trainings, and 64 are spare.
        assert_eq!(rooms(root.path(), 0), [room(Limit::Machine, 8192 - 100 - 64, 6144 - 64)]);
        // With trainings of 60 MiB only 40 are.
        assert_eq!(rooms(root.path(), 60 * MIB), [room(Limit::Machine, 8192 - 40 - 64, 6144 - 64)]);
        // Of 300 MiB that were promised 100 are in use by now.
        assert_eq!(rooms(root.path(), 300 * MIB), [room(Limit::Machine, 8192 - 64, 6144 - 64 - 200)]);
        assert_eq!(rooms(tempfile::tempdir().unwrap().path(), 0), []);
    }

    #[test]
    fn the_address_space_counts_all_that_is_mapped() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax address space         1073741824           unlimited            bytes\n";
        let root = system(&[("proc/self/limits", limits.to_owned())]);
        let rooms = rooms(root.path(), 0);
        assert_eq!(rooms[1], room(Limit::AddressSpace, 1024 - 300 - 64, 1024 - 300 - 64));
        assert_eq!(address_space_left(root.path()), Some((1024 - 300) * MIB));
        assert_eq!(address_space_left(system(&[]).path()), None);
    }

    #[test]
    fn every_control_group_above_counts() {
        let mib = |mib: u64| format!("{}\n", mib * MIB);
        let mount = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let group = |name: &str| format!("sys/fs/cgroup/slice/{name}");
        let root = system(&[
            ("proc/self/cgroup", "0::/slice/unit\n".to_owned()),
            ("proc/self/mountinfo", mount.to_owned()),
            (&group("unit/memory.max"), "max\n".to_owned()),
            (&group("unit/memory.current"), mib(200)),
            (&group("memory.max"), mib(512)),
            (&group("memory.current"), mib(300)),
            (
                &group("memory.stat"),
                format!("anon 5\nactive_file {}\ninactive_file {}\n", 30 * MIB, 20 * MIB),
            ),
        ]);
        assert_eq!(rooms(root.path(), 0)[1..], [room(Limit::ControlGroup, 512 - 100 - 64, 262 - 64)]);
        // A group of its own limit below one that has a limit too: both count, and neither hides the other.
        let both = |own: u64| {
            fs::write(root.path().join(group("unit/memory.max")), mib(own)).unwrap();
            rooms(root.path(), 0)[1..].to_vec()
        };
        let above = room(Limit::ControlGroup, 512 - 100 - 64, 262 - 64);
        for own in [400, 1024] {
            assert_eq!(both(own), [room(Limit::ControlGroup, own - 100 - 64, own - 200 - 64), above]);
        }
    }

    #[test]
    fn where_a_group_is_slowed_down_is_a_limit_too() {
        let mib = |mib: u64| format!("{}\n", mib * MIB);
        for (max, high, limit) in [
            ("max\n".to_owned(), mib(300), Some(300)),
            (mib(400), mib(300), Some(300)),
            (mib(400), mib(500), Some(400)),
            (mib(400), "max\n".to_owned(), Some(400)),
            ("max\n".to_owned(), "max\n".to_owned(), None),
        ] {
            let root = system(&[
                ("proc/self/cgroup", "0::/\n".to_owned()),
                ("proc/self/mountinfo", "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n".to_owned()),
                ("sys/fs/cgroup/memory.max", max),
                ("sys/fs/cgroup/memory.high", high),
                ("sys/fs/cgroup/memory.current", mib(250)),
                ("sys/fs/cgroup/memory.stat", format!("file {0}\nactive_file {0}\n", 100 * MIB)),
            ]);
            let expected = limit.map(|limit| room(Limit::ControlGroup, limit - 100 - 64, limit - 150 - 64));
            assert_eq!(rooms(root.path(), 0)[1..], expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_version_of_control_groups_too() {
        let mib = |mib: u64| format!("{}\n", mib * MIB);
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      35 31 0:32 /docker/1f /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let memory = |name: &str| format!("sys/fs/cgroup/memory/{name}");
        for own in ["4:cpu,memory:/docker/1f\n0::/\n", "4:memory:/elsewhere\n0::/\n", "4:memory:/../x\n"] {
            let root = system(&[
                ("proc/self/cgroup", own.to_owned()),
                ("proc/self/mountinfo", mounts.to_owned()),
                (&memory("memory.limit_in_bytes"), mib(256)),
                (&memory("memory.usage_in_bytes"), mib(120)),
                (&memory("memory.stat"), format!("cache 7\ntotal_inactive_file {}\n", 20 * MIB)),
            ]);
            let expected = [room(Limit::ControlGroup, 256 - 100 - 64, 156 - 64)];
            assert_eq!(rooms(root.path(), 0)[1..], expected, "{own}");
        }
        let root = system(&[
            ("proc/self/cgroup", "4:memory:/\n".to_owned()),
            ("proc/self/mountinfo", mounts.replace("/docker/1f", "/")),
            (&memory("memory.limit_in_bytes"), "9223372036854771712\n".to_owned()),
        ]);
        assert_eq!(rooms(root.path(), 0).len(), 1);
        // A limit of a group above, which a container does not see.
        let stat = format!("cache 7\nhierarchical_memory_limit {}\n", 256 * MIB);
        fs::write(root.path().join(memory("memory.stat")), stat).unwrap();
        fs::write(root.path().join(memory("memory.usage_in_bytes")), mib(120)).unwrap();
        assert_eq!(rooms(root.path(), 0)[1..], [room(Limit::ControlGroup, 256 - 100 - 64, 136 - 64)]);
    }
}
