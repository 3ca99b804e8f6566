//! The user's choice of an adapter.

use wgpu::{AdapterInfo, DeviceType};

use crate::error::{Error, Result};

/// Numbers below this are indices in the list only, because many names contain them.
const MIN_IN_NAME: usize = 10;

/// The choice of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// A discrete GPU before an integrated one before a software adapter.
    #[default]
    HighPerformance,
    /// An integrated GPU before a discrete one.
    LowPower,
    /// A CPU implementation: llvmpipe before others, SwiftShader last.
    Software,
    /// Its index in `wgvae adapters`, or, if there is no such index, a part of its name, such as 3060.
    Index(usize),
    /// A part of its name, in any case.
    Name(String),
}

impl std::str::FromStr for AdapterChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim().to_lowercase();
        Ok(match text.as_str() {
            "high-performance" => Self::HighPerformance,
            "low-power" => Self::LowPower,
            "software" => Self::Software,
            "" => {
                return Err(Error::Usage(
                    "--adapter \"\": name one: high-performance, low-power, software, a number from `wgvae adapters`, \
                     or a part of a name"
                        .into(),
                ));
            }
            _ => text.parse().map_or_else(|_| Self::Name(text.clone()), Self::Index),
        })
    }
}

impl AdapterChoice {
    /// The index of the chosen adapter in `all`, if any.
    pub fn pick(&self, all: &[&AdapterInfo]) -> Option<usize> {
        let named = |part: &str| all.iter().position(|info| has(info, part));
        match self {
            Self::Index(index) if *index < all.len() => Some(*index),
            Self::Index(index) if *index < MIN_IN_NAME => None,
            Self::Index(index) => named(&index.to_string()),
            Self::Name(part) => named(part),
            Self::Software => best(all, [DeviceType::Cpu; 2]).filter(|&index| is_software(all[index])),
            Self::HighPerformance => best(all, [DeviceType::DiscreteGpu, DeviceType::IntegratedGpu]),
            Self::LowPower => best(all, [DeviceType::IntegratedGpu, DeviceType::DiscreteGpu]),
        }
    }

    /// The indices of all adapters in `all` that are as good as the chosen one: of its kind, or with the name, and of its back
    /// end, since other back ends list the same GPUs again.
    pub(super) fn equals(&self, all: &[&AdapterInfo], chosen: usize) -> Vec<usize> {
        let kind = |info: &AdapterInfo| (info.device_type, slowness(info));
        let same = |at: &usize| {
            let info = all[*at];
            let wanted = match self {
                Self::Index(index) if *index < all.len() => at == index,
                Self::Index(index) => has(info, &index.to_string()),
                Self::Name(part) => has(info, part),
                _ => kind(info) == kind(all[chosen]),
            };
            wanted && info.backend == all[chosen].backend
        };
        (0..all.len()).filter(same).collect()
    }
}

/// Whether `part`, in lower case, is in the adapter's name.
fn has(info: &AdapterInfo, part: &str) -> bool {
    info.name.to_lowercase().contains(part)
}

/// Whether it runs on the CPU.
pub(super) fn is_software(info: &AdapterInfo) -> bool {
    info.device_type == DeviceType::Cpu
}

/// The first adapter of the most wanted kind. Software comes last, the fastest implementation first.
fn best(all: &[&AdapterInfo], wanted: [DeviceType; 2]) -> Option<usize> {
    let rank = |info: &AdapterInfo| match info.device_type {
        kind if kind == wanted[0] => 0,
        kind if kind == wanted[1] => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        _ => 4,
    };
    (0..all.len()).min_by_key(|&at| (rank(all[at]), slowness(all[at]), at))
}

/// The order of software adapters by speed, measured (docs/lab-notebook).
fn slowness(info: &AdapterInfo) -> u32 {
    let name = info.name.to_lowercase();
    match info.device_type {
        DeviceType::Cpu if name.contains("swiftshader") => 2,
        DeviceType::Cpu if !name.contains("llvmpipe") => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use wgpu::Backend;

    use super::*;

    fn info(name: &str, device_type: DeviceType) -> AdapterInfo {
        AdapterInfo { name: name.into(), ..AdapterInfo::new(device_type, Backend::Vulkan) }
    }

    fn picked(all: &[AdapterInfo], asked: &str) -> Option<usize> {
        let all: Vec<&AdapterInfo> = all.iter().collect();
        asked.parse::<AdapterChoice>().expect("a choice").pick(&all)
    }

    #[test]
    fn a_slower_software_adapter_is_never_preferred() {
        let slow = info("SwiftShader Device (LLVM 10.0.0)", DeviceType::Cpu);
        let fast = info("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceType::Cpu);
        let other = info("Microsoft Basic Render Driver", DeviceType::Cpu);
        let gpu = info("AMD Radeon 780M", DeviceType::IntegratedGpu);
        for asked in ["high-performance", "low-power", "software"] {
            assert_eq!(picked(&[slow.clone(), fast.clone()], asked), Some(1), "{asked}");
            assert_eq!(picked(&[fast.clone(), slow.clone()], asked), Some(0), "{asked}");
            assert_eq!(picked(&[slow.clone(), other.clone(), fast.clone()], asked), Some(2), "{asked}");
            assert_eq!(picked(&[slow.clone(), other.clone()], asked), Some(1), "{asked}");
        }
        let all = [slow, gpu.clone(), fast];
        assert_eq!(picked(&all, "high-performance"), Some(1), "a GPU comes before any of them");
        assert_eq!(picked(&all, "software"), Some(2));
        assert_eq!(picked(&[gpu], "software"), None);
        assert_eq!(picked(&[], "software"), None);
    }

    /// Processes of one machine take the adapters that are equally good, one each.
    #[test]
    fn equal_adapters_are_of_one_kind_and_back_end() {
        let mut all = [
            info("Intel(R) UHD Graphics 770", DeviceType::IntegratedGpu),
            info("NVIDIA GeForce RTX 4090", DeviceType::DiscreteGpu),
            info("AMD Radeon RX 7900 XTX", DeviceType::DiscreteGpu),
            info("NVIDIA GeForce RTX 4090", DeviceType::DiscreteGpu),
            info("NVIDIA GeForce RTX 4090", DeviceType::DiscreteGpu),
            info("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceType::Cpu),
        ];
        all[4].backend = Backend::Dx12;
        let all: Vec<&AdapterInfo> = all.iter().collect();
        for (asked, wanted) in [
            ("high-performance", vec![1, 2, 3]),
            ("low-power", vec![0]),
            ("software", vec![5]),
            ("4090", vec![1, 3]),
            ("2", vec![2]),
            ("radeon", vec![2]),
        ] {
            let choice: AdapterChoice = asked.parse().expect("a choice");
            let chosen = choice.pick(&all).expect("an adapter");
            assert_eq!(choice.equals(&all, chosen), wanted, "{asked}");
        }
        assert_eq!("arc".parse::<AdapterChoice>().expect("a choice").pick(&all), None);
    }

    #[test]
    fn numbers_are_places_and_then_parts_of_names() {
        let all = [
            info("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceType::Cpu),
            info("Intel(R) UHD Graphics 630", DeviceType::IntegratedGpu),
            info("NVIDIA GeForce RTX 3060", DeviceType::DiscreteGpu),
        ];
        for (asked, index) in [
            ("0", Some(0)),
            ("2", Some(2)),
            ("3060", Some(2)),
            ("630", Some(1)),
            ("256", Some(0)),
            ("3", None),
            ("6", None),
            ("4090", None),
            ("rtx 3060", Some(2)),
            ("INTEL", Some(1)),
            ("High-Performance", Some(2)),
            ("LOW-POWER", Some(1)),
            (" Software ", Some(0)),
            ("radeon", None),
        ] {
            assert_eq!(picked(&all, asked), index, "{asked}");
        }
        for empty in ["", "  "] {
            assert!(empty.parse::<AdapterChoice>().is_err());
        }
    }
}
