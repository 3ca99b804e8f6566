//! An output folder with one file per result. The mark of a file holds its name, so that the next call deletes the old
//! results that it does not overwrite, and no file that others added, renamed or changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use image::RgbImage;
use wgvae::data::{self, Mark, PictureFormat};
use wgvae::error::Error;

use super::destination::{Destination, Writer, folder_for, names, usage};
use super::output;
use super::terminal::shown;

/// A folder to fill.
pub(super) struct OutFolder {
    /// as the user sees it
    pub path: PathBuf,
    mark: Mark,
    written: BTreeSet<String>,
}

impl Writer {
    /// The folder that the user has named, or one with the default name, for files with the names `files`.
    ///
    /// # Errors
    /// If it has other files and there is no --force, or cannot be written.
    pub fn folder(&self, named: Option<&Path>, default: &Path, files: &[String]) -> Result<OutFolder> {
        if let Some(path) = named {
            let folder = OutFolder::new(path, self.mark.clone());
            self.may_fill(&folder, files)?;
            return Ok(folder);
        }
        for path in names(default) {
            let folder = OutFolder::new(&path, self.mark_of_default());
            let again = || folder.is_own() && self.may_fill(&folder, files).is_ok();
            if !path.exists() || again() {
                // creates samples/ too
                folder_for(data::folder_of(&path), &path, true)?;
                return Ok(folder);
            }
        }
        usage(format!("{} and its numbered names are taken: choose a name with -o", shown(default)))
    }

    fn may_fill(&self, folder: &OutFolder, files: &[String]) -> Result<()> {
        let (path, name, command) = (&folder.path, shown(&folder.path), &folder.mark.command);
        if !path.exists() {
            if PictureFormat::of(path).is_ok() {
                return usage(format!(
                    "{name} is for a folder, and has the extension of a picture: choose another name"
                ));
            }
            // a folder cannot be created at a broken link
            if path.is_symlink() {
                return usage(format!("{name} is a broken link"));
            }
            return folder_for(path, path, true);
        }
        if !path.is_dir() {
            return usage(format!(
                "{name} is not a folder, and there are several files to write: name a folder"
            ));
        }
        folder_for(path, path, true)?;
        self.protected.check_folder(path, path)?;
        let mut entries = fs::read_dir(path).map_err(Error::io("read", path))?;
        if !(self.force || entries.next().is_none() || folder.is_own()) {
            return usage(format!(
                "{name} is not empty, and not an earlier result of wgvae {command}: choose another folder, or --force"
            ));
        }
        for file in files.iter().map(|file| path.join(file)) {
            let Ok(found) = fs::symlink_metadata(&file) else { continue };
            let shown = shown(&file);
            let meant =
                data::file_meant(&file).or_else(|error| usage(format!("cannot write {shown}: {error}")))?;
            self.protected.check(&meant, &file)?;
            if !self.force && (found.is_symlink() || !folder.made(&file)) {
                return usage(format!(
                    "{shown} exists and is not an unchanged result of wgvae {command}: choose another folder, or \
                     --force"
                ));
            }
        }
        Ok(())
    }
}

impl OutFolder {
    fn new(path: &Path, mark: Mark) -> Self {
        Self { path: path.to_path_buf(), mark, written: BTreeSet::new() }
    }

    /// The mark of the file called `name`.
    fn mark_of(&self, name: &str) -> Mark {
        let of = format!("{:?} {name}", self.mark.settings);
        Mark { settings: Some(crc32fast::hash(of.as_bytes())), ..self.mark.clone() }
    }

    /// Whether this command wrote the file under its present name, and the file is unchanged.
    fn made(&self, file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Mark::read(file) == Some(self.mark_of(&name))
    }

    /// The regular files in the folder.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().filter_map(Result::ok);
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        files.map(|entry| entry.path())
    }

    fn is_own(&self) -> bool {
        self.files().any(|file| self.made(&file))
    }

    /// Writes a picture as a PNG called `name`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&mut self, name: &str, picture: &RgbImage) -> wgvae::error::Result<()> {
        for folder in [data::folder_of(&self.path), &self.path] {
            if !folder.exists() {
                fs::create_dir(folder).map_err(Error::io("create", folder))?;
            }
        }
        let file = Destination { path: self.path.join(name), mark: self.mark_of(name) };
        file.write(&PictureFormat::Png.encode(picture, &file.mark)?)?;
        self.written.insert(name.to_owned());
        Ok(())
    }

    /// Deletes the results of earlier calls that this call has not overwritten, and reports the folder.
    pub fn finish(self) {
        let is_written = |file: &PathBuf| {
            file.file_name().is_some_and(|name| self.written.contains(name.to_string_lossy().as_ref()))
        };
        for file in self.files().filter(|file| !is_written(file) && self.made(file)) {
            let _ = fs::remove_file(file); // an old file that stays does no harm
        }
        let pictures = data::counted(self.written.len(), "picture");
        output::say(&format!("wrote {} ({pictures})", shown(&self.path)));
    }
}
