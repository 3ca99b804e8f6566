//! Every kernel in the languages of Vulkan, Metal and Direct3D, as devices get it; and the kernels of the presets as files for
//! compilers that are not Rust.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use naga::back::{hlsl, msl, spv};
use naga::{Module, ShaderStage};
use wgvae::config::ModelConfig;
use wgvae::gpu::dead_branches::pruned;
use wgvae::gpu::kernel::Reflection;
use wgvae::gpu::{Capabilities, Dispatch, Element, Plan};
use wgvae::model::ModelOptions;

use crate::shaders::{PRUNED, hold_of, kernels, require, validate};

/// A folder for translations, if `WGVAE_TRANSLATIONS` names one: tools/check_translations.sh gives them to compilers of others.
fn translations() -> Option<PathBuf> {
    std::env::var_os("WGVAE_TRANSLATIONS").map(PathBuf::from)
}

/// The kernels of the presets' trainings, for adapters with and without subgroups and 16-bit floats.
fn presets() -> Vec<Plan> {
    let [plain, lanes] = [None, Some([8, 32])].map(|subgroups| Capabilities {
        subgroups,
        f16: true,
        ..Capabilities::webgpu_default()
    });
    let models = [
        ModelConfig::REFERENCE,
        ModelConfig::spatial(256, 64, 16, 32),
        ModelConfig::spatial(128, 32, 16, 8),
        ModelConfig::spatial(64, 16, 8, 8),
    ];
    let options = models.into_iter().flat_map(|model| {
        [Element::F32, Element::F16]
            .map(|precision| ModelOptions { precision, ..ModelOptions::training(model, 16) })
    });
    options
        .flat_map(|options| [&plain, &lanes].map(|target| options.plan(target).expect("a plan").1))
        .collect()
}

/// A kernel as devices get it, in each language that an adapter which offers what it asks for may want, with the ending of
/// its file: cooperative matrices are not there on Direct3D, and on Metal only those of 8 x 8.
fn translated(dispatch: &Dispatch, module: &Module) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let info = validate(dispatch, module)?;
    let Reflection { subgroups, f16, int64, cooperative, .. } = *dispatch.reflection;
    let entry = || (ShaderStage::Compute, "main".to_owned());
    let lang_version = if subgroups { (1, 3) } else { (1, 0) };
    let options = spv::Options { lang_version, ..Default::default() };
    let chosen = spv::PipelineOptions { shader_stage: entry().0, entry_point: entry().1 };
    let words = spv::write_vec(module, &info, &options, Some(&chosen)).map_err(|e| format!("SPIR-V: {e}"))?;
    require(words.len() > 100, || "SPIR-V: nothing came out".into())?;
    let mut all = vec![("spv", bytemuck::cast_slice(&words).to_vec())];

    if cooperative && dispatch.source.contains("coop_mat16x16") {
        return Ok(all);
    }
    let lang_version = if int64 || cooperative { (2, 3) } else { (2, 1) };
    let options = msl::Options { lang_version, ..Default::default() };
    let chosen = msl::PipelineOptions { entry_point: Some(entry()), ..Default::default() };
    let (text, _) = msl::write_string(module, &info, &options, &chosen).map_err(|e| format!("MSL: {e}"))?;
    require(text.contains("kernel void main_"), || "MSL: no entry point came out".into())?;
    all.push(("metal", text.into_bytes()));

    if cooperative {
        return Ok(all);
    }
    let (shader_model, ending) = match (f16, subgroups || int64) {
        (true, _) => (hlsl::ShaderModel::V6_2, "6_2.hlsl"),
        (false, true) => (hlsl::ShaderModel::V6_0, "6_0.hlsl"),
        (false, false) => (hlsl::ShaderModel::V5_1, "5_1.hlsl"),
    };
    let options = hlsl::Options { shader_model, ..Default::default() };
    let chosen = hlsl::PipelineOptions { entry_point: Some(entry()) };
    let mut text = String::new();
    let written = hlsl::Writer::new(&mut text, &options, &chosen).write(module, &info, None);
    written.map_err(|e| format!("HLSL: {e}"))?;
    require(text.contains("[numthreads("), || "HLSL: no entry point came out".into())?;
    all.push((ending, text.into_bytes()));
    Ok(all)
}

#[test]
fn every_kernel_translates_to_spirv_msl_and_hlsl() {
    hold_of(&PRUNED, |dispatch, module| translated(dispatch, module).map(|_| ()));
    let Some(folder) = translations() else { return };
    let plans = presets();
    hold_of(&kernels(&plans), |dispatch, module| {
        let mut hasher = DefaultHasher::new();
        dispatch.source.hash(&mut hasher);
        let name = format!("{}-{:016x}", dispatch.kernel, hasher.finish());
        let all = translated(dispatch, &pruned(module.clone()))?;
        let mut files =
            all.into_iter().map(|(ending, bytes)| (folder.join(format!("{name}.{ending}")), bytes));
        files.try_for_each(|(path, bytes)| std::fs::write(path, bytes).map_err(|e| e.to_string()))
    });
}
