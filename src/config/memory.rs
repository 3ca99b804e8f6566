//! Free memory of the machine and of the process's control groups; memory of the process.

use std::path::{Path, PathBuf};

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// Bytes of memory that are free for this process: the machine's available memory, or the rest of the memory limit of its
/// container, service or batch job if that is less. `None` if the system does not tell.
pub fn free_memory() -> Option<u64> {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let machine = System::new_with_specifics(kind).ok().map(|system| system.available_memory());
    let machine = machine.filter(|bytes| *bytes > 0);
    let group = left_of_groups(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    [machine, group].into_iter().flatten().min()
}

/// Bytes of memory that this process has now. `None` if the system does not tell.
pub fn used_memory() -> Option<u64> {
    let own = sysinfo::get_current_pid().ok()?;
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
    Some(system.process(own)?.memory()).filter(|bytes| *bytes > 0)
}

/// The least rest of a memory limit among the control groups that `membership`, a `/proc/PID/cgroup`, names below `mount`.
/// Every group bounds all groups below it.
fn left_of_groups(membership: &Path, mount: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(membership).ok()?;
    // version 2 has one line `0::/PATH`, version 1 one for each controller, `4:memory:/PATH`
    let mut lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let relative = Path::new(path).strip_prefix("/").ok()?;
        if controllers.is_empty() {
            return Some((mount.to_path_buf(), relative, ["memory.max", "memory.current", "inactive_file"]));
        }
        let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
        controllers.split(',').any(|name| name == "memory").then(|| (mount.join("memory"), relative, names))
    });
    let all = lines.by_ref().flat_map(|(root, path, [limit, usage, files])| {
        // in a container its own group is mounted at the root, and the path does not say so
        let folders: Vec<PathBuf> = path.ancestors().map(|part| root.join(part)).collect();
        folders.into_iter().filter_map(move |folder| {
            let text = |name| std::fs::read_to_string(folder.join(name)).ok();
            let number = |name| text(name)?.trim().parse::<u64>().ok();
            // the system drops cached files before it ends a process
            let given_up = text("memory.stat").unwrap_or_default();
            let given_up =
                given_up.lines().find_map(|line| line.strip_prefix(files)?.trim().parse().ok()).unwrap_or(0);
            let used = number(usage).unwrap_or(0).saturating_sub(given_up);
            // no number but "max": there is no limit
            Some(number(limit)?.saturating_sub(used))
        })
    });
    all.min()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{free_memory, left_of_groups};

    /// The rest for a membership and files, each a path below the mount with its content.
    fn left(membership: &str, files: &[(&str, &str)]) -> Option<u64> {
        let folder = tempfile::tempdir().expect("folder");
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("folder");
            fs::write(path, format!("{content}\n")).expect("written");
        }
        let own = folder.path().join("cgroup");
        fs::write(&own, membership).expect("written");
        left_of_groups(&own, folder.path())
    }

    #[test]
    fn the_tightest_limit_counts() {
        let service = "0::/system.slice/run.service\n";
        let files = [
            ("system.slice/run.service/memory.max", "1000"),
            ("system.slice/run.service/memory.current", "300"),
            ("system.slice/memory.max", "max"),
            ("memory.max", "5000"),
            ("memory.current", "4500"),
        ];
        assert_eq!(left(service, &files[..3]), Some(700));
        assert_eq!(left(service, &files), Some(500));
        assert_eq!(left(service, &files[2..3]), None);
        // a container sees its own group as the root
        assert_eq!(left("0::/docker/f00\n", &files[3..]), Some(500));
        let kept = ("memory.stat", "anon 100\ninactive_file 2000\nactive_file 7");
        assert_eq!(left("0::/\n", &[&files[3..], &[kept]].concat()), Some(2500));
        // already above its limit
        assert_eq!(left("0::/\n", &[("memory.max", "10"), ("memory.current", "20")]), Some(0));
    }

    #[test]
    fn version_1_has_its_own_files() {
        let files =
            [("memory/job/memory.limit_in_bytes", "800"), ("memory/job/memory.usage_in_bytes", "100")];
        assert_eq!(left("5:cpu:/job\n4:memory:/job\n", &files), Some(700));
        assert_eq!(left("4:cpu:/job\n", &files), None);
    }

    #[test]
    fn this_machine_tells() {
        assert!(free_memory().is_none_or(|bytes| bytes > 1 << 20), "{:?}", free_memory());
    }
}
