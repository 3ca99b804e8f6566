//! Diagnosis of a hidden GPU: the reason that the files of a Linux system give, and the remedy.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

use wgpu::AdapterInfo;

use super::capabilities::Vendor;
use super::choice::is_software;

/// Makers of GPUs for computers, the fastest ones first, with their articles.
const MAKERS: [(Vendor, &str); 3] =
    [(Vendor::Nvidia, "an NVIDIA"), (Vendor::Amd, "an AMD"), (Vendor::Intel, "an Intel")];
/// The display devices of virtual machines, by vendor: virtio, VMware, VirtualBox, QEMU, Cirrus, Hyper-V, Red Hat's QXL.
const VIRTUAL: [u32; 7] = [0x1af4, 0x15ad, 0x80ee, 0x1234, 0x1013, 0x1414, 0x1b36];
/// The variable that allows wgpu to use Mesa's driver over Direct3D 12, the only one of WSL2.
const ALLOW: &str = "WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER";
/// Variables that restrict the Vulkan loader to some drivers.
const ONLY: [&str; 3] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_SELECT"];

/// The system that is examined; tests replace it by another one.
pub(super) struct Host {
    /// root of its file system
    root: PathBuf,
    /// its environment
    variable: fn(&str) -> Option<OsString>,
    /// opens a device file for reading and writing
    open: fn(&Path) -> Result<()>,
}

impl Host {
    /// The system that this program runs on.
    pub(super) fn this() -> Self {
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path).map(|_| ());
        Self { root: "/".into(), variable: |name| std::env::var_os(name), open }
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn text(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default().trim().to_owned()
    }

    /// The entries of a folder, sorted; empty if it does not exist.
    fn list(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths
    }

    fn is_container(&self) -> bool {
        let groups = self.text("proc/1/cgroup");
        let known = ["docker", "containerd", "kubepods", "libpod", "lxc"];
        self.has(".dockerenv")
            || self.has("run/.containerenv")
            || known.iter().any(|name| groups.contains(name))
    }

    fn has_nvidia_icd(&self) -> bool {
        ["usr/share/vulkan/icd.d", "etc/vulkan/icd.d"].iter().any(|folder| {
            let is_nvidia = |path: &PathBuf| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nvidia"))
            };
            self.list(folder).iter().any(is_nvidia)
        })
    }

    /// Vendor and driver of each display device on the PCI bus.
    fn displays(&self) -> Vec<(u32, Option<String>)> {
        let number = |path: PathBuf| {
            u32::from_str_radix(fs::read_to_string(path).ok()?.trim().trim_start_matches("0x"), 16).ok()
        };
        let display = |device: PathBuf| {
            (number(device.join("class"))? >> 16 == 3).then_some(())?;
            let driver = fs::read_link(device.join("driver")).ok();
            let driver = driver.and_then(|to| Some(to.file_name()?.to_string_lossy().into_owned()));
            Some((number(device.join("vendor"))?, driver))
        };
        self.list("sys/bus/pci/devices").into_iter().filter_map(display).collect()
    }

    /// A device file of a GPU that this user may not open.
    fn locked(&self) -> Option<PathBuf> {
        let is_render = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD"))
        };
        let refused = |path: &PathBuf| {
            (self.open)(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        };
        self.list("dev/dri").into_iter().filter(is_render).find(refused)
    }

    /// The group that a device file belongs to.
    fn group_of(&self, path: &Path) -> String {
        #[cfg(unix)]
        if let Ok(found) = path.metadata() {
            use std::os::unix::fs::MetadataExt;
            let groups = self.text("etc/group");
            let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let own = fields.into_iter().find(|fields| {
                found.gid() != 0 && fields.get(2).is_some_and(|id| *id == found.gid().to_string())
            });
            if let Some(name) = own.and_then(|fields| fields.first().copied().map(str::to_owned)) {
                return name;
            }
        }
        #[cfg(not(unix))]
        let _ = path;
        "render".into()
    }
}

/// The reason why `found` has no GPU despite signs of one, and a remedy. `nothing` means that there is no adapter at all,
/// which may have further reasons.
pub(super) fn reason(host: &Host, found: &[&AdapterInfo], nothing: bool) -> Option<String> {
    if found.iter().any(|info| !is_software(info)) {
        return None;
    }
    let set =
        ONLY.iter().find_map(|name| Some((name, (host.variable)(name).filter(|value| !value.is_empty())?)));
    let signs = sign(host);
    if let Some((name, value)) = set.filter(|_| nothing || signs.is_some()) {
        let value = crate::error::printable_text(&value.to_string_lossy());
        return Some(format!(
            "{name}={value} is set, so the Vulkan loader looks at no other drivers; unset it to see them, or install your \
             GPU's Vulkan driver (for the CPU: package mesa-vulkan-drivers)."
        ));
    }
    signs
}

/// The first sign of a GPU, and a remedy.
fn sign(host: &Host) -> Option<String> {
    wsl(host).or_else(|| nvidia(host)).or_else(|| locked(host)).or_else(|| display(host))
}

fn wsl(host: &Host) -> Option<String> {
    let version = host.text("proc/version") + &host.text("proc/sys/kernel/osrelease");
    let is_wsl = version.to_lowercase().contains("microsoft");
    if !is_wsl && !host.has("dev/dxg") {
        return None;
    }
    if !host.has("dev/dxg") {
        let start = if host.is_container() {
            "start the container with --gpus all or --device /dev/dxg"
        } else {
            "run `wsl --update` and install the newest GPU driver on Windows (WSL 1 has no GPU at all)"
        };
        return Some(format!(
            "this is WSL without a GPU (no /dev/dxg): {start}; or use the Windows build of wgvae."
        ));
    }
    if (host.variable)(ALLOW).is_some_and(|value| value != "0") {
        return Some(
            "this is WSL2, and its GPU shows only through Mesa's driver dzn, which is not installed: install a Mesa that \
             has it, or use the Windows build of wgvae."
                .into(),
        );
    }
    Some(format!(
        "this is WSL2, which hides the GPU: set {ALLOW}=1 to take it by Mesa's driver dzn, and let `wgvae selftest` check \
         it; or use the Windows build of wgvae."
    ))
}

fn nvidia(host: &Host) -> Option<String> {
    if !host.has("dev/nvidiactl") && !host.has("proc/driver/nvidia") {
        return None;
    }
    let icd = "/usr/share/vulkan/icd.d/nvidia_icd.json";
    if host.is_container() {
        return Some(format!(
            "an NVIDIA GPU is here, but the container lacks its Vulkan driver: start it with -e \
             NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility; the texture also needs libvulkan1 and, where the runtime \
             does not bring it, {icd}."
        ));
    }
    let missing = if host.has_nvidia_icd() {
        "its Vulkan driver does not start: reboot if the driver was updated, and see `vulkaninfo`; in a container set \
         NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility"
            .to_owned()
    } else {
        format!(
            "its Vulkan driver is not installed (no {icd}): install the graphics part of the NVIDIA driver (Debian: \
             nvidia-vulkan-icd, Ubuntu: libnvidia-gl-VERSION); in a container set \
             NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility"
        )
    };
    Some(format!("an NVIDIA GPU is here, but {missing}."))
}

fn locked(host: &Host) -> Option<String> {
    let file = host.locked()?;
    let group = host.group_of(&file);
    let shown = Path::new("/").join(file.strip_prefix(&host.root).unwrap_or(&file));
    let remedy = if host.is_container() {
        format!("start the container with --group-add {group} (or by its number on the host)")
    } else {
        format!("add yourself to the group: `sudo usermod -aG {group} $USER`, then log in again")
    };
    Some(format!(
        "a GPU is here, but you may not open {} (group {group}, or video): {remedy}.",
        shown.display()
    ))
}

/// A GPU on the PCI bus.
fn display(host: &Host) -> Option<String> {
    let displays = host.displays();
    let of = |(maker, article)| {
        let found = displays.iter().find(|(id, _)| Vendor::of(*id, "") == maker)?;
        Some((maker, article, found.1.as_deref()))
    };
    let Some((vendor, maker, driver)) = MAKERS.into_iter().find_map(of) else {
        let is_virtual = displays.iter().any(|(vendor, _)| VIRTUAL.contains(vendor));
        return is_virtual.then(|| {
            "this is a virtual machine, whose display adapter computes nothing: pass a GPU through to it, or run wgvae on \
             the host."
                .into()
        });
    };
    let in_container = host.is_container() && !host.has("dev/dri") && vendor != Vendor::Nvidia;
    let remedy = match (vendor, driver) {
        (_, Some("vfio-pci")) => "it is set aside for virtual machines (driver vfio-pci)".to_owned(),
        (Vendor::Nvidia, _) if host.is_container() => {
            "the container was started without it: --gpus all -e NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility".into()
        }
        _ if in_container => "the container was started without it: --device /dev/dri".into(),
        (Vendor::Nvidia, Some("nouveau")) => {
            "it runs by nouveau: install NVIDIA's driver, or Mesa 24.1 or newer, whose driver NVK knows cards from Turing on"
                .into()
        }
        (Vendor::Nvidia, _) => "no driver is loaded: install NVIDIA's and reboot (under Secure Boot its module must be signed)".into(),
        (Vendor::Amd, Some("radeon")) => {
            "it runs by the kernel's old driver radeon, which has no Vulkan: boot with radeon.si_support=0 \
             radeon.cik_support=0 amdgpu.si_support=1 amdgpu.cik_support=1, if the card is of 2012 or newer"
                .into()
        }
        (Vendor::Amd, None) => "no driver is loaded: install its firmware (Debian: firmware-amd-graphics) and reboot".into(),
        (Vendor::Intel, None) => "no driver is loaded: a newer kernel may know it".into(),
        _ => "its Vulkan driver is missing: install mesa-vulkan-drivers (Fedora and Debian), vulkan-radeon or vulkan-intel (Arch)"
            .into(),
    };
    Some(format!("{maker} GPU is on the PCI bus, but {remedy}."))
}

#[cfg(test)]
#[path = "hidden_tests.rs"]
mod tests;
