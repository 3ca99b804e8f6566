//! Test programs: built by cargo, found by name, and started with their group's settings.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::groups::Group;

/// Folders of SwiftShader in Debian's chromium and in Chrome.
const SWIFTSHADER: [&str; 3] = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];

/// Test programs by the names of their targets.
pub(crate) struct Programs(BTreeMap<String, Vec<PathBuf>>);

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

impl Programs {
    /// Builds the programs of `groups`; cargo shows its own progress.
    pub(crate) fn build(groups: &[&Group]) -> Result<Self, String> {
        let mut command = cargo();
        command.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
        let names: BTreeSet<&str> = groups.iter().flat_map(|group| group.programs).copied().collect();
        if names.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        for name in names {
            match name {
                "wgvae" => command.args(["--lib", "--bins"]),
                test => command.args(["--test", test]),
            };
        }
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|e| format!("cargo cannot be started: {e}"))?;
        let mut programs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        for line in lines.map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            let is_test = message["profile"]["test"] == true;
            if let (true, Some(name), Some(file)) =
                (is_test, message["target"]["name"].as_str(), message["executable"].as_str())
            {
                programs.entry(name.to_owned()).or_default().push(file.into());
            }
        }
        let status = child.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(Self(programs)) } else { Err("the tests do not build, see above".into()) }
    }

    /// The commands of `group` with names, or the reason why it cannot run here. Files for it are written to `folder`.
    pub(crate) fn commands(&self, group: &Group, folder: &Path) -> Result<Vec<(String, Command)>, String> {
        if group.programs.is_empty() {
            let mut command = cargo();
            command.args(["test", "--doc", "--"]);
            return Ok(vec![("cargo test --doc".into(), command)]);
        }
        let driver = group.second_adapter.then(|| swiftshader(folder)).transpose()?;
        let mut commands = Vec::new();
        for name in group.programs {
            let files = self.0.get(*name).ok_or_else(|| format!("cargo has built no test called {name}"))?;
            for file in files {
                let mut command = Command::new(file);
                command.current_dir(env!("CARGO_MANIFEST_DIR"));
                if let Some(driver) = &driver {
                    command.env("WGVAE_ADAPTER", "SwiftShader").env("WGVAE_TEST_SECOND", "1");
                    command.env("VK_DRIVER_FILES", driver).env("VK_ICD_FILENAMES", driver);
                }
                commands.push(((*name).to_owned(), command));
            }
        }
        Ok(commands)
    }
}

/// The tests of a program that have one of `filter` in their name.
pub(crate) fn tests_of(program: &Command, filter: &[String]) -> BTreeSet<String> {
    let mut command = Command::new(program.get_program());
    command.args(program.get_args());
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    if program.get_args().next().is_some() {
        return BTreeSet::new(); // for cargo, listing takes as long as running
    }
    let Ok(output) = command.arg("--list").args(filter).output() else { return BTreeSet::new() };
    let listed = String::from_utf8_lossy(&output.stdout);
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Writes a driver file for SwiftShader, because theirs may contain a relative path to the library.
fn swiftshader(folder: &Path) -> Result<PathBuf, String> {
    if std::env::var("WGVAE_NO_SWIFTSHADER").is_ok_and(|value| value == "1") {
        return Err("SwiftShader: WGVAE_NO_SWIFTSHADER=1".into());
    }
    let library = SWIFTSHADER.iter().map(|folder| Path::new(folder).join("libvk_swiftshader.so"));
    let library = library.into_iter().find(|file| file.exists());
    let library = library.ok_or("SwiftShader: it comes with Debian's chromium package, which is not here")?;
    let driver = serde_json::json!({
        "file_format_version": "1.0.0", "ICD": { "library_path": library, "api_version": "1.0.5" }
    });
    // the Vulkan loader ignores other suffixes
    let path = folder.join("swiftshader.json");
    std::fs::write(&path, driver.to_string()).map_err(|e| format!("SwiftShader: {}: {e}", path.display()))?;
    Ok(path)
}
