//! The user's cache folder, where decoded pictures, compiled kernels and tuning results are kept.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder for files that can be made again: `WGVAE_CACHE_DIR`, else `wgvae` in the user's cache folder
/// (`XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`). It may not exist yet. `None` if the system
/// names no such folder.
pub fn cache_folder() -> Option<PathBuf> {
    cache_folder_by(std::env::consts::OS, |name| std::env::var_os(name))
}

fn cache_folder_by(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = named("WGVAE_CACHE_DIR") {
        return Some(own);
    }
    let user = match os {
        "windows" => named("LOCALAPPDATA"),
        "macos" => named("HOME").map(|home| home.join("Library/Caches")),
        // the XDG specification says to ignore a relative path
        _ => named("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| named("HOME").map(|home| home.join(".cache"))),
    };
    user.map(|folder| folder.join("wgvae"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::cache_folder_by;

    #[test]
    fn every_system_has_its_cache_folder() {
        let found = |os: &str, set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
            cache_folder_by(os, value)
        };
        let home = ("HOME", "/home/a");
        assert_eq!(found("linux", &[home]), Some(PathBuf::from("/home/a/.cache/wgvae")));
        assert_eq!(found("linux", &[home, ("XDG_CACHE_HOME", "/x")]), Some(PathBuf::from("/x/wgvae")));
        assert_eq!(found("linux", &[home, ("XDG_CACHE_HOME", "x")]), found("linux", &[home]));
        assert_eq!(found("macos", &[home]), Some(PathBuf::from("/home/a/Library/Caches/wgvae")));
        assert_eq!(found("windows", &[("LOCALAPPDATA", "/l")]), Some(PathBuf::from("/l/wgvae")));
        assert_eq!(found("linux", &[home, ("WGVAE_CACHE_DIR", "own")]), Some(PathBuf::from("own")));
        assert_eq!(found("linux", &[home, ("WGVAE_CACHE_DIR", "")]), found("linux", &[home]));
        assert_eq!(found("linux", &[("HOME", "")]), None);
    }
}
