//! Systems simulated by the files that distinguish them.

use std::io;

use wgpu::{Backend, DeviceType};

use super::*;

/// A system with these files; a name that ends in `/` is a folder, `from -> to` a link.
fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().expect("folder");
    for (name, text) in files {
        let path = folder.path().join(name.trim_end_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        if name.ends_with('/') {
            fs::create_dir_all(&path).expect("folder");
        } else if name.ends_with("/driver") {
            #[cfg(unix)]
            std::os::unix::fs::symlink(text, &path).expect("link");
        } else {
            fs::write(&path, text).expect("file");
        }
    }
    let host = Host { root: folder.path().into(), variable: |_| None, open: |_| Ok(()) };
    (folder, host)
}

fn info(name: &str, device_type: DeviceType) -> AdapterInfo {
    AdapterInfo { name: name.into(), ..AdapterInfo::new(device_type, Backend::Vulkan) }
}

/// The reason if only llvmpipe is found.
fn said(files: &[(&str, &str)]) -> Option<String> {
    let (_folder, host) = system(files);
    reason(&host, &[&info("llvmpipe", DeviceType::Cpu)], false)
}

fn says(files: &[(&str, &str)], parts: &[&str]) {
    let text = said(files).unwrap_or_else(|| panic!("nothing is said of {files:?}"));
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    assert!(text.len() <= 400 && !text.contains('\n'), "{text}");
}

const WSL: (&str, &str) =
    ("proc/version", "Linux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host)");
const LINUX: (&str, &str) = ("proc/version", "Linux version 6.1.0-13-amd64 (debian-kernel@lists.debian.org)");
const DOCKER: (&str, &str) = (".dockerenv", "");

/// A display device on the PCI bus.
fn pci<'a>(vendor: &'a str, driver: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut files = vec![
        LINUX,
        ("sys/bus/pci/devices/0000:00:00.0/class", "0x060000\n"),
        ("sys/bus/pci/devices/0000:00:00.0/vendor", "0x8086\n"),
        ("sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n"),
        ("sys/bus/pci/devices/0000:01:00.0/vendor", vendor),
    ];
    files.extend(driver.map(|driver| ("sys/bus/pci/devices/0000:01:00.0/driver", driver)));
    files
}

#[test]
fn wsl_hides_the_gpu() {
    let allow = "WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1";
    says(&[WSL, ("dev/dxg", "")], &["WSL2", allow, "Windows build", "wgvae selftest"]);
    says(&[WSL], &["no /dev/dxg", "wsl --update"]);
    says(&[WSL, DOCKER], &["no /dev/dxg", "--device /dev/dxg"]);
    says(&[LINUX, ("dev/dxg", "")], &["WSL2", allow]);
}

#[test]
fn containers_get_nvidias_graphics_only_when_asked() {
    let capabilities = "NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility";
    for sign in [("dev/nvidiactl", ""), ("proc/driver/nvidia/version", "NVRM version: 535")] {
        says(&[LINUX, DOCKER, sign], &[capabilities, "icd.d/nvidia_icd.json"]);
        says(&[LINUX, sign], &[capabilities, "nvidia-vulkan-icd", "icd.d/nvidia_icd.json"]);
    }
    let podman = ("proc/1/cgroup", "0::/machine.slice/libpod-1f.scope");
    says(&[LINUX, podman, ("dev/nvidiactl", "")], &["the container", capabilities]);
    let icd = ("etc/vulkan/icd.d/nvidia_icd.json", "{}");
    says(&[LINUX, icd, ("dev/nvidiactl", "")], &["does not start", "reboot"]);
    let bus = pci("0x10de\n", Some("../../../bus/pci/drivers/nvidia"));
    says(&[&bus[..], &[DOCKER]].concat(), &["--gpus all", capabilities]);
}

#[test]
fn a_device_file_that_may_not_be_opened_names_the_group() {
    let files = [LINUX, ("dev/dri/renderD128", ""), ("dev/dri/card0", ""), ("etc/group", "render:x:104:\n")];
    let (_folder, mut host) = system(&files);
    let software = info("llvmpipe", DeviceType::Cpu);
    assert_eq!(reason(&host, &[&software], false), None, "it may be opened");
    host.open = |path| {
        assert!(path.ends_with("renderD128"), "{path:?}");
        Err(io::Error::from(ErrorKind::PermissionDenied))
    };
    let text = reason(&host, &[&software], false).expect("a reason");
    for part in ["/dev/dri/renderD128", "render", "video", "usermod -aG", "log in again"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    let (_folder, host) = system(&[&files[..], &[DOCKER]].concat());
    let host = Host { open: |_| Err(io::Error::from(ErrorKind::PermissionDenied)), ..host };
    let text = reason(&host, &[&software], false).expect("a reason");
    assert!(text.contains("--group-add"), "{text}");
}

#[cfg(unix)]
#[test]
fn the_bus_tells_which_driver_is_missing() {
    says(&pci("0x10de\n", Some("../drivers/nouveau")), &["NVIDIA", "nouveau", "install NVIDIA's driver"]);
    says(&pci("0x10de\n", None), &["NVIDIA", "no driver is loaded", "Secure Boot"]);
    says(&pci("0x1002\n", Some("../drivers/amdgpu")), &["AMD", "mesa-vulkan-drivers"]);
    says(&pci("0x1002\n", Some("../drivers/radeon")), &["AMD", "amdgpu.si_support=1"]);
    says(&pci("0x1002\n", None), &["AMD", "firmware"]);
    says(&pci("0x8086\n", Some("../drivers/i915")), &["Intel", "mesa-vulkan-drivers"]);
    says(&pci("0x10de\n", Some("../drivers/vfio-pci")), &["virtual machines", "vfio-pci"]);
    says(&[&pci("0x8086\n", Some("../drivers/i915"))[..], &[DOCKER]].concat(), &["--device /dev/dri"]);
    says(&pci("0x1af4\n", Some("../drivers/virtio-pci")), &["virtual machine", "pass a GPU through"]);
    assert_eq!(said(&pci("0x102b\n", Some("../drivers/mgag200"))), None, "a server's display chip is no GPU");
}

#[test]
fn nothing_is_said_without_a_sign_or_with_a_gpu() {
    assert_eq!(said(&[LINUX]), None);
    assert_eq!(said(&[]), None);
    let (_folder, host) = system(&[WSL, ("dev/dxg", ""), ("dev/nvidiactl", "")]);
    let gpu = info("NVIDIA GeForce RTX 3060", DeviceType::DiscreteGpu);
    assert_eq!(reason(&host, &[&info("llvmpipe", DeviceType::Cpu), &gpu], false), None);
}

#[test]
fn a_variable_that_hides_drivers_is_named_first() {
    let (_folder, host) = system(&[LINUX, ("dev/nvidiactl", "")]);
    let variable = |name: &str| (name == "VK_ICD_FILENAMES").then(|| "/usr/share/lvp.json".into());
    let host = Host { variable, ..host };
    let software = info("llvmpipe", DeviceType::Cpu);
    let text = reason(&host, &[&software], false).expect("a reason");
    assert!(text.contains("VK_ICD_FILENAMES=/usr/share/lvp.json") && text.contains("unset it"), "{text}");
    let (_folder, plain) = system(&[LINUX]);
    let plain = Host { variable, ..plain };
    assert_eq!(reason(&plain, &[&software], false), None, "there is nothing to be found");
    let text = reason(&plain, &[], true).expect("a reason");
    assert!(text.contains("VK_ICD_FILENAMES") && text.contains("mesa-vulkan-drivers"), "{text}");
}
