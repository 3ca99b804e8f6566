//! Adapters: the list of them, the choice of one, and its capabilities.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use wgpu::{AdapterInfo, Backends, DeviceType};

use super::capabilities::{Capabilities, Fragment, Vendor};
use super::choice::{AdapterChoice, is_software};
use super::hidden::{self, Host};
use super::tensor::Element;
use super::textures;
use crate::error::{Error, Result};

/// An adapter that can be opened.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) inner: wgpu::Adapter,
    /// Name, driver, back end, kind.
    pub info: AdapterInfo,
    /// Its own limits.
    pub limits: wgpu::Limits,
    /// Its own features.
    pub features: wgpu::Features,
    /// The folder of its pipeline cache, set by [`Adapter::keeping`].
    pub pipelines: Option<PathBuf>,
    /// The number of kernels that the driver has compiled so far, of all plans: clones count together.
    pub compiled: Arc<AtomicUsize>,
    /// For a software adapter that was chosen because there is no other: the reason why a GPU is not found.
    pub hint: Option<String>,
}

/// The back ends compiled into this binary, by the names of `--backend`.
const BACKENDS: [(&str, Backends); 4] = [
    ("vulkan", Backends::VULKAN),
    ("metal", Backends::METAL),
    ("dx12", Backends::DX12),
    ("gl", Backends::GL),
];

/// The back ends that `--backend NAME` allows: one, or all without a name.
///
/// # Errors
/// [`Error::Usage`] if there is no such back end or it is not compiled in.
pub fn backends(name: Option<&str>) -> Result<Backends> {
    let compiled = wgpu::Instance::enabled_backend_features();
    let Some(name) = name else { return Ok(compiled) };
    let there: Vec<&str> = BACKENDS.iter().filter(|(_, b)| compiled.contains(*b)).map(|(n, _)| *n).collect();
    match BACKENDS.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some((_, backend)) if compiled.contains(*backend) => Ok(*backend),
        Some(_) => Err(Error::Usage(format!(
            "back end {name} is not compiled into this binary, which has: {}",
            there.join(", ")
        ))),
        None => Err(Error::Usage(format!("no back end is called {name:?}; there are: {}", there.join(", ")))),
    }
}

impl Adapter {
    /// Every adapter of the given back ends, in a fixed order.
    pub fn list(backends: Backends) -> Vec<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backends;
        descriptor.flags = wgpu::InstanceFlags::empty().with_env();
        let instance = wgpu::Instance::new(descriptor);
        let adapters = pollster::block_on(instance.enumerate_adapters(backends));
        adapters
            .into_iter()
            .map(|inner| {
                let (info, limits, features) = (inner.get_info(), inner.limits(), inner.features());
                Self { inner, info, limits, features, pipelines: None, compiled: Arc::default(), hint: None }
            })
            .collect()
    }

    /// The adapter that `choice` names.
    ///
    /// # Errors
    /// [`Error::Adapter`] if there is none, with a remedy or the list of adapters.
    pub fn choose(choice: &AdapterChoice, backends: Backends) -> Result<Self> {
        let (mut all, index) = Self::find(choice, backends)?;
        Ok(all.swap_remove(index))
    }

    /// All adapters, and the index of the one that `choice` names.
    fn find(choice: &AdapterChoice, backends: Backends) -> Result<(Vec<Self>, usize)> {
        let mut all = Self::list(backends);
        if all.is_empty() {
            let reason = hidden::reason(&Host::this(), &[], true).unwrap_or_else(|| {
                "On Debian or Ubuntu `tools/run.sh` installs a software one (package mesa-vulkan-drivers); otherwise \
                 install your GPU's Vulkan driver."
                    .into()
            });
            let tried = backend_names(backends);
            return Err(Error::Adapter(format!(
                "no GPU adapter found (back ends tried: {tried}).\n{reason}"
            )));
        }
        let Some(index) = Self::pick(&all, choice) else {
            let list: Vec<String> =
                all.iter().enumerate().map(|(i, a)| format!("  {i}  {}", a.describe())).collect();
            let asked = match choice {
                AdapterChoice::Index(index) => format!("number {index}, nor one with that in its name"),
                AdapterChoice::Name(part) => format!("called {part:?}"),
                _ => "that is software".into(),
            };
            return Err(Error::Adapter(format!("no adapter {asked}; there are:\n{}", list.join("\n"))));
        };
        let hint = Self::why_no_gpu(&all, choice);
        all.iter_mut().for_each(|adapter| adapter.hint.clone_from(&hint));
        Ok((all, index))
    }

    /// The adapter with number `place`, from 0, of those that `choice` names equally, or their number if there are not so
    /// many.
    ///
    /// # Errors
    /// As [`Adapter::choose`].
    pub fn choose_nth(
        choice: &AdapterChoice,
        backends: Backends,
        place: usize,
    ) -> Result<std::result::Result<Self, usize>> {
        let (mut all, index) = Self::find(choice, backends)?;
        let infos: Vec<&AdapterInfo> = all.iter().map(|adapter| &adapter.info).collect();
        let equal = choice.equals(&infos, index);
        Ok(match equal.get(place) {
            Some(index) => Ok(all.swap_remove(*index)),
            None => Err(equal.len()),
        })
    }

    /// The index in `all` of the adapter that `choice` names, if any.
    pub fn pick(all: &[Self], choice: &AdapterChoice) -> Option<usize> {
        let all: Vec<&AdapterInfo> = all.iter().map(|adapter| &adapter.info).collect();
        choice.pick(&all)
    }

    /// The reason why none of `all` is a GPU although the machine seems to have one, and a remedy. `None` if `choice` names
    /// an adapter.
    pub fn why_no_gpu(all: &[Self], choice: &AdapterChoice) -> Option<String> {
        let infos: Vec<&AdapterInfo> = all.iter().map(|adapter| &adapter.info).collect();
        let asked = matches!(choice, AdapterChoice::HighPerformance | AdapterChoice::LowPower);
        if asked { hidden::reason(&Host::this(), &infos, false) } else { None }
    }

    /// Caches compiled pipelines in `folder`, if the driver supports it, or caches none.
    pub fn keeping(self, folder: Option<PathBuf>) -> Self {
        Self { pipelines: folder, ..self }
    }

    /// Whether kernels can be timed by the device's own clock.
    pub fn has_timestamps(&self) -> bool {
        self.features.contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Whether it runs on the CPU.
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// One line: name, kind, back end, driver.
    pub fn describe(&self) -> String {
        let i = &self.info;
        let kind = match i.device_type {
            DeviceType::DiscreteGpu => "discrete GPU",
            DeviceType::IntegratedGpu => "integrated GPU",
            DeviceType::VirtualGpu => "virtual GPU",
            DeviceType::Cpu => "software, runs on the CPU",
            DeviceType::Other => "other",
        };
        let driver = format!("{} {}", i.driver, i.driver_info);
        format!("{} ({kind}; {}; {})", i.name, format!("{:?}", i.backend).to_lowercase(), driver.trim())
    }

    /// Its limits and features, as far as a plan depends on them.
    pub fn capabilities(&self) -> Capabilities {
        let subgroups = self.features.contains(wgpu::Features::SUBGROUP);
        Capabilities {
            name: self.info.name.clone(),
            binding_bytes: self.limits.max_storage_buffer_binding_size,
            buffer_bytes: self.limits.max_buffer_size,
            software: self.is_software(),
            discrete: self.info.device_type == DeviceType::DiscreteGpu,
            vendor: Vendor::of(self.info.vendor, &self.info.name),
            subgroups: subgroups.then_some([self.info.subgroup_min_size, self.info.subgroup_max_size]),
            f16: self.features.contains(wgpu::Features::SHADER_F16),
            fragments: self.fragments(),
            textures: self.textures(),
            // other adapters move a vec4 at once
            packed_u64: self.is_software() && self.features.contains(wgpu::Features::SHADER_INT64),
        }
    }

    /// Whether kernels can read texture copies of f32 and f16 tensors. WebGPU guarantees the formats, but not every driver
    /// has them.
    fn textures(&self) -> bool {
        let readable = |format| {
            let features = self.inner.get_texture_format_features(format);
            features.allowed_usages.contains(wgpu::TextureUsages::STORAGE_BINDING)
                && features.flags.contains(wgpu::TextureFormatFeatureFlags::STORAGE_READ_ONLY)
        };
        readable(wgpu::TextureFormat::Rgba32Float)
            && readable(wgpu::TextureFormat::Rgba16Float)
            && self.limits.max_texture_dimension_2d >= textures::MAX_ROWS
            && self.limits.max_storage_textures_per_shader_stage >= 2
    }

    /// The cooperative matrices that have a WGSL type and that sum in f32, sorted.
    fn fragments(&self) -> Vec<Fragment> {
        let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP;
        if !self.features.contains(needed) {
            return Vec::new();
        }
        let half = self.features.contains(wgpu::Features::SHADER_F16);
        // wgpu reports 4 to 64 lanes for any Metal device, but Metal multiplies matrices by simdgroups of 32
        let metal = self.info.backend == wgpu::Backend::Metal;
        let own = [self.info.subgroup_min_size, self.info.subgroup_max_size];
        let lanes = if metal { [32, 32] } else { own };
        let fragment = |p: wgpu::CooperativeMatrixProperties| {
            let square = p.m_size == p.n_size && p.n_size == p.k_size && [8, 16].contains(&p.m_size);
            let element = match p.ab_type {
                wgpu::CooperativeScalarType::F32 => Element::F32,
                wgpu::CooperativeScalarType::F16 if half => Element::F16,
                _ => return None,
            };
            let sums = p.cr_type == wgpu::CooperativeScalarType::F32;
            (square && sums).then_some(Fragment { size: p.m_size, element, lanes })
        };
        let properties = self.inner.cooperative_matrix_properties();
        let fragments: BTreeSet<Fragment> = properties.into_iter().filter_map(fragment).collect();
        fragments.into_iter().collect()
    }
}

/// The names of `backends`, for messages.
pub fn backend_names(backends: Backends) -> String {
    let names: Vec<&str> = BACKENDS.iter().filter(|(_, b)| backends.contains(*b)).map(|(n, _)| *n).collect();
    names.join(", ")
}
