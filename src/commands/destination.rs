//! Output files of commands: chosen, and refused if they must not be overwritten, before anything is computed.
//!
//! A command overwrites its own files only, which have a mark ([`data::Mark`]). A file that others made or changed needs
//! --force. Input files, files of a run and everything but regular files are never overwritten; links are followed. For a
//! picture one missing folder is created; other files need an existing one.

use std::fmt::Debug;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use image::RgbImage;
use wgvae::data::{self, Mark, PictureFormat};
use wgvae::error::Error;

use super::output;
use super::protected::Protected;
use super::terminal::shown;

/// Numbered default names that are tried.
const MAX_NAMES: u32 = 10_000;

pub(super) fn usage<T>(message: String) -> Result<T> {
    Err(Error::Usage(message).into())
}

/// A command that writes files.
pub(super) struct Writer {
    /// mark of files with a name from the user
    pub mark: Mark,
    /// digest of the settings that the result depends on
    settings: u32,
    /// whether files of others may be overwritten
    pub force: bool,
    /// files that are never overwritten
    pub protected: Protected,
}

impl Writer {
    /// `command` with all `settings` that its result depends on. With default names, other settings never overwrite the
    /// results of these.
    pub fn new(command: &str, force: bool, settings: &impl Debug) -> Self {
        let settings = crc32fast::hash(format!("{settings:?}").as_bytes());
        Self { mark: Mark::of(command), settings, force, protected: Protected::default() }
    }

    /// Marks files and folders as inputs, which are not overwritten.
    pub fn reads<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        paths.into_iter().for_each(|path| self.protected.add(path.as_ref()));
        self
    }

    /// The file that the user has named, in an existing folder, or one with the default name.
    ///
    /// # Errors
    /// If it must not be overwritten, or cannot be written.
    pub fn file(&self, named: Option<&Path>, default: impl FnOnce() -> PathBuf) -> Result<Destination> {
        named.map_or_else(|| self.default_file(&default()), |path| self.named(path))
    }

    /// The file of a picture. One missing folder is created.
    pub fn picture(&self, named: Option<&Path>, default: impl FnOnce() -> PathBuf) -> Result<Destination> {
        named.map_or_else(|| self.default_file(&default()), |path| self.at(path, true))
    }

    /// The file at `path`, in an existing folder.
    pub fn named(&self, path: &Path) -> Result<Destination> {
        self.at(path, false)
    }

    fn at(&self, path: &Path, makes_folder: bool) -> Result<Destination> {
        let name = shown(path);
        if path.file_name().is_none() || name.ends_with('/') {
            return usage(format!("{name:?} is not the name of a file"));
        }
        let file = meant(path)?;
        folder_for(data::folder_of(&file), path, makes_folder)?;
        self.protected.check_run(&file, path)?;
        if file.exists() {
            self.protected.check(&file, path)?;
            if !self.force {
                self.own(&file, path)?;
            }
        }
        Ok(Destination { path: path.to_path_buf(), mark: self.mark.clone() })
    }

    /// An error if the existing file is not a result of this command.
    fn own(&self, file: &Path, path: &Path) -> Result<()> {
        let (name, command) = (shown(path), &self.mark.command);
        if std::fs::metadata(file).is_ok_and(|found| found.permissions().readonly()) {
            return usage(format!("{name} exists and is write-protected: choose another name, or --force"));
        }
        if Mark::read(file).is_some_and(|mark| mark.command == *command) {
            return Ok(());
        }
        usage(format!(
            "{name} exists and is not an unchanged result of wgvae {command}: choose another name, or --force"
        ))
    }

    /// `path`, or with a number: the first name that is free or has an earlier result of the same settings.
    fn default_file(&self, path: &Path) -> Result<Destination> {
        let mark = Mark { settings: Some(self.settings), ..self.mark.clone() };
        for path in names(path) {
            let file = meant(&path)?;
            let free = !file.exists();
            let again =
                || self.protected.check(&file, &path).is_ok() && Mark::read(&file).as_ref() == Some(&mark);
            if free || again() {
                folder_for(data::folder_of(&file), &path, true)?;
                return Ok(Destination { path, mark });
            }
        }
        usage(format!("{} and its numbered names are taken: choose a name with -o", shown(path)))
    }

    /// The mark of a folder with the default name.
    pub fn mark_of_default(&self) -> Mark {
        Mark { settings: Some(self.settings), ..self.mark.clone() }
    }
}

/// `path`, and then its numbered names.
pub(super) fn names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
    let path = path.to_path_buf();
    (1..MAX_NAMES).map(move |number| {
        let ending = ending.as_ref().map_or_else(String::new, |ending| format!(".{ending}"));
        if number == 1 { path.clone() } else { path.with_file_name(format!("{stem}_{number}{ending}")) }
    })
}

/// The regular file at `path`, through links.
fn meant(path: &Path) -> Result<PathBuf> {
    Ok(data::file_meant(path).map_err(Error::io("write", path))?)
}

/// An error if files cannot be written into `folder`. With `is_made` it is created later if its parent exists.
pub(super) fn folder_for(folder: &Path, path: &Path, is_made: bool) -> Result<()> {
    let there = if is_made && !folder.exists() { data::folder_of(folder) } else { folder };
    let cannot = |reason: String| Err(Error::io("write", path)(std::io::Error::other(reason)).into());
    if there.exists() && !there.is_dir() {
        return cannot(format!("{} is no folder", shown(there)));
    }
    if !there.is_dir() {
        let made = if is_made { " (of folders only the last is made)" } else { "" };
        return cannot(format!("there is no folder {}{made}", shown(there)));
    }
    tempfile::Builder::new().prefix(".wgvae").tempfile_in(there).map_err(Error::io("write", path))?;
    Ok(())
}

/// An error unless `path` is a folder, or can be created as one.
pub(super) fn new_folder(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(Error::data(path, "is not a folder: name a new one").into());
    }
    folder_for(path, path, true)?;
    let is_run = path.is_dir().then(|| Protected::default().check_folder(path, path));
    is_run.unwrap_or(Ok(()))
}

/// A file to write.
#[derive(Debug)]
pub(super) struct Destination {
    /// as the user sees it
    pub path: PathBuf,
    /// mark to write into it
    pub mark: Mark,
}

impl Destination {
    /// Writes the whole file, or nothing.
    ///
    /// # Errors
    /// [`Error::Io`] naming it.
    pub fn write(&self, bytes: &[u8]) -> wgvae::error::Result<()> {
        let folder = data::folder_of(&self.path);
        if !folder.exists() {
            std::fs::create_dir(folder).map_err(Error::io("create", folder))?;
        }
        data::write_whole(&self.path, |file| file.write_all(bytes))
    }

    /// Writes a picture in the format of the file's extension, and reports it.
    ///
    /// # Errors
    /// As [`Destination::write`].
    pub fn save(&self, picture: &RgbImage) -> Result<()> {
        self.write(&PictureFormat::of(&self.path)?.encode(picture, &self.mark)?)?;
        output::say(&format!("wrote {}", shown(&self.path)));
        Ok(())
    }
}

/// An error unless the extension of `path` is `ending`.
pub(super) fn must_end_with(path: &Path, ending: &str, what: &str) -> Result<()> {
    if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending)) {
        return Ok(());
    }
    let example = shown(&path.with_extension(ending));
    usage(format!("{}: {what} is written as .{ending}; name it {example}, for example", shown(path)))
}
