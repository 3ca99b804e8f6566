//! A folder of results, one file for each: a list of what was written lies among them, so that the next call takes away
//! what it does not write again, and nothing that others put there or changed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use image::RgbImage;
use wgvae::data::{self, Mark, PictureFormat};
use wgvae::error::Error;

use super::destination::{Writer, folder_for, names, usage};
use super::screen::shown;

/// What the list is called: a line with the mark, then one with digest and name for each file.
const LIST: &str = ".wgvae";

/// A folder that is going to be filled.
pub(super) struct OutFolder {
    /// as it is shown
    pub path: PathBuf,
    mark: Mark,
    earlier: BTreeSet<(String, u32)>,
    written: BTreeSet<(String, u32)>,
    list: Option<File>,
}

impl Writer {
    /// The folder that the user has named, or one of the default name, for files of the names `files`.
    ///
    /// # Errors
    /// If it holds something else and there is no --force, or cannot be written into.
    pub fn folder(&self, named: Option<&Path>, default: &Path, files: &[String]) -> Result<OutFolder> {
        if let Some(path) = named {
            let folder = OutFolder::open(path, self.mark.clone());
            self.may_fill(&folder, files)?;
            return Ok(folder);
        }
        for path in names(default) {
            let folder = OutFolder::open(&path, self.mark_of_default());
            let again = || self.is_own(&folder) && self.may_fill(&folder, files).is_ok();
            if !path.exists() || again() {
                // samples/ is made with it
                folder_for(data::folder_of(&path), &path)?;
                return Ok(folder);
            }
        }
        usage(format!("{} and all names like it are taken: choose one with -o", shown(default)))
    }

    /// Whether the folder is an earlier result, and by a default name of the same settings.
    fn is_own(&self, folder: &OutFolder) -> bool {
        let Some((mark, _)) = read_list(&folder.path) else { return false };
        mark == folder.mark || (folder.mark.settings.is_none() && mark.command == folder.mark.command)
    }

    fn may_fill(&self, folder: &OutFolder, files: &[String]) -> Result<()> {
        let (path, name) = (&folder.path, shown(&folder.path));
        if !path.exists() {
            if PictureFormat::of(path).is_ok() {
                return usage(format!(
                    "{name} is to be a folder, and is called like a picture: choose another name"
                ));
            }
            // a link that leads nowhere is no place for a folder
            if path.is_symlink() {
                return usage(format!("{name} is a link to something that is not there"));
            }
            return folder_for(path, path);
        }
        if !path.is_dir() {
            return usage(format!("{name} is no folder, and several files are to be written: name a folder"));
        }
        folder_for(path, path)?;
        self.protected.check_folder(path, path)?;
        let mut entries = fs::read_dir(path).map_err(Error::io("read", path))?;
        if !(self.force || self.is_own(folder) || entries.next().is_none()) {
            return usage(format!(
                "{name} is not empty, and no earlier result of wgvae {}: choose another folder, or --force",
                folder.mark.command
            ));
        }
        for file in files {
            let file = path.join(file);
            let Ok(found) = fs::symlink_metadata(&file) else { continue };
            let meant = data::file_meant(&file)
                .or_else(|error| usage(format!("cannot write {}: {error}", shown(&file))))?;
            self.protected.check(&meant, &file)?;
            if !self.force && (found.is_symlink() || !folder.made(&file)) {
                return usage(format!(
                    "{} is there already, and is no unchanged result of wgvae {}: choose another folder, or --force",
                    shown(&file),
                    folder.mark.command
                ));
            }
        }
        Ok(())
    }
}

/// The mark of a folder, and the files that are said to be written there.
fn read_list(folder: &Path) -> Option<(Mark, BTreeSet<(String, u32)>)> {
    let text = fs::read_to_string(folder.join(LIST)).ok()?;
    let mut lines = text.lines();
    let mark = Mark::parse(lines.next()?)?;
    let entry = |line: &str| {
        let (digest, name) = line.split_once(' ')?;
        // a list may say anything: only what lies right here is ever touched
        let plain = Path::new(name).file_name().is_some_and(|own| own == name);
        plain.then_some((name.to_owned(), u32::from_str_radix(digest, 16).ok()?))
    };
    Some((mark, lines.filter_map(entry).collect()))
}

impl OutFolder {
    fn open(path: &Path, mark: Mark) -> Self {
        let earlier = read_list(path).filter(|(other, _)| other.command == mark.command);
        let earlier = earlier.map(|(_, files)| files).unwrap_or_default();
        Self { path: path.to_path_buf(), mark, earlier, written: BTreeSet::new(), list: None }
    }

    /// Whether an earlier call wrote this file as it is.
    fn made(&self, file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::read(file).is_ok_and(|bytes| self.earlier.contains(&(name, crc32fast::hash(&bytes))))
    }

    /// Writes a picture as a PNG called `name`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&mut self, name: &str, picture: &RgbImage) -> wgvae::error::Result<()> {
        let bytes = PictureFormat::Png.encode(picture, &self.mark)?;
        let digest = crc32fast::hash(&bytes);
        // first the list: a call that is interrupted leaves nothing that the next one does not know
        let mut list = match self.list.take() {
            Some(list) => list,
            None => self.begin()?,
        };
        let failed = Error::io("write", self.path.join(LIST));
        list.write_all(format!("{digest:08x} {name}\n").as_bytes()).map_err(failed)?;
        self.list = Some(list);
        data::write_whole(&self.path.join(name), |file| file.write_all(&bytes))?;
        self.written.insert((name.to_owned(), digest));
        Ok(())
    }

    /// Begins the list with what earlier calls left, in front of the first file.
    fn begin(&self) -> wgvae::error::Result<File> {
        for folder in [data::folder_of(&self.path), &self.path] {
            if !folder.exists() {
                fs::create_dir(folder).map_err(Error::io("create", folder))?;
            }
        }
        self.write_list(&self.earlier)?;
        let path = self.path.join(LIST);
        OpenOptions::new().append(true).open(&path).map_err(Error::io("write", &path))
    }

    fn write_list(&self, files: &BTreeSet<(String, u32)>) -> wgvae::error::Result<()> {
        let lines = files.iter().map(|(name, digest)| format!("{digest:08x} {name}\n"));
        let text = format!("{}\n{}", self.mark.text(None), lines.collect::<String>());
        data::write_whole(&self.path.join(LIST), |file| file.write_all(text.as_bytes()))
    }

    /// Takes away what earlier calls left and this one has not written again, and says what was written.
    ///
    /// # Errors
    /// If the list cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let written: BTreeSet<&String> = self.written.iter().map(|(name, _)| name).collect();
        let stale = self.earlier.iter().map(|(name, _)| name).filter(|name| !written.contains(name));
        for path in stale.map(|name| self.path.join(name)).filter(|path| self.made(path)) {
            let _ = fs::remove_file(path); // it stays, then
        }
        self.list = None;
        self.write_list(&self.written)?;
        println!("wrote {} ({})", shown(&self.path), data::counted(self.written.len(), "picture"));
        Ok(())
    }
}
