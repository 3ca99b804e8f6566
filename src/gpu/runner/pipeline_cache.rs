//! Pipeline cache on disk: compiled kernels, one file per adapter and driver, if the driver supports it.
//!
//! A file is the CRC-32 of its data, then the data as wgpu gave it, which begins with a header of wgpu's that names
//! back end, adapter and driver. A damaged file, or one of another driver, is ignored and rewritten. Files of other driver
//! versions and files that have grown too large are deleted. The cache only makes starts faster, so no error in it stops a
//! run.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::gpu::adapter::Adapter;
use crate::gpu::unsafe_calls;

/// The maximum size of a file in bytes. Drivers never drop a kernel from their cache, so a larger one is deleted.
const MAX_BYTES: u64 = 64 << 20;

/// The kernels of one device.
pub(super) struct PipelineFile {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    /// the adapter's part of the file's name
    key: String,
    /// digest of the file's data when it was read
    digest: Option<u32>,
}

impl PipelineFile {
    /// The file of `adapter`, if it has a cache folder and supports pipeline caches. `device` has the feature.
    pub(super) fn open(device: &wgpu::Device, adapter: &Adapter) -> Option<Self> {
        let (path, key) = (path(adapter)?, wgpu::util::pipeline_cache_key(&adapter.info)?);
        let Some(data) = read(&path) else {
            return Some(Self { cache: unsafe_calls::pipeline_cache(device, None), path, key, digest: None });
        };
        // wgpu ignores the data of an older driver, and refuses that of another adapter
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let cache = unsafe_calls::pipeline_cache(device, Some(&data));
        let refused = pollster::block_on(scope.pop()).is_some();
        let cache = if refused { unsafe_calls::pipeline_cache(device, None) } else { cache };
        Some(Self { cache, path, key, digest: Some(crc32fast::hash(&data)) })
    }

    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes the cache if it has changed, atomically.
    pub(super) fn save(&self) -> std::io::Result<()> {
        let Some(data) = self.cache.get_data() else { return Ok(()) };
        let digest = crc32fast::hash(&data);
        let (Some(folder), false) = (self.path.parent(), self.digest == Some(digest)) else { return Ok(()) };
        if data.len() as u64 > MAX_BYTES {
            return std::fs::remove_file(&self.path);
        }
        std::fs::create_dir_all(folder)?;
        self.delete_others(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&digest.to_le_bytes())?;
        file.write_all(&data)?;
        file.persist(&self.path)?;
        Ok(())
    }

    /// Deletes the files of other drivers of the same adapter: each update would leave one.
    fn delete_others(&self, folder: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let of_adapter = name.to_str().is_some_and(|name| name.starts_with(&format!("{}_", self.key)));
            if of_adapter && entry.path() != self.path {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The device feature, if the pipelines of `adapter` are cached.
pub(super) fn feature(adapter: &Adapter) -> wgpu::Features {
    path(adapter).map_or(wgpu::Features::empty(), |_| wgpu::Features::PIPELINE_CACHE)
}

/// The path of the file; `None` if there is no cache folder, or the adapter has no pipeline cache.
fn path(adapter: &Adapter) -> Option<PathBuf> {
    let folder = adapter.pipelines.as_ref()?;
    let key = wgpu::util::pipeline_cache_key(&adapter.info)?;
    let info = &adapter.info;
    let driver = crc32fast::hash(format!("{} {} {}", info.name, info.driver, info.driver_info).as_bytes());
    let there = adapter.features.contains(wgpu::Features::PIPELINE_CACHE);
    there.then(|| folder.join(format!("{key}_{driver:08x}")))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    if std::fs::metadata(path).ok()?.len() > MAX_BYTES {
        return None;
    }
    let whole = std::fs::read(path).ok()?;
    let (digest, data) = whole.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*digest) == crc32fast::hash(data)).then(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_damaged_file_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipelines");
        assert_eq!(read(&path), None, "there is none");
        let data = b"compiled".to_vec();
        let whole = [&crc32fast::hash(&data).to_le_bytes()[..], &data].concat();
        std::fs::write(&path, &whole).expect("written");
        assert_eq!(read(&path), Some(data));
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, &flipped).expect("written");
            assert_eq!(read(&path), None, "byte {at} flipped");
            std::fs::write(&path, &whole[..at]).expect("written");
            assert_eq!(read(&path), None, "cut at {at}");
        }
    }
}
