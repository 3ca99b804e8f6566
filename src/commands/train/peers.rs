//! The other processes of a training that a launcher of MPI programs has started.
//! Read this for what they tell each other before the first step.
//!
//! Rank 0 reads the run's folder and decides; the others follow it ([`super::follow`]). Each has its own adapter, and its
//! own copy of the pictures. They refuse to train together if they are not of one mind: errors that all know of end all of
//! them in order, and rank 0 prints them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wgvae::config::Table;
use wgvae::distributed::{Group, Launched, launched};
use wgvae::error::Error;
use wgvae::gpu::Adapter;
use wgvae::train::{RankOptions, RunFolder, Splits};
use wgvae::tune;

use super::machine::{identity, nth_adapter};
use super::settings::{PER_PROCESS, RunOptions};
use crate::commands::signals::Requested;

/// An error that all processes have agreed on, so that they can end in order.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Agreed {
    pub(super) text: String,
    pub(super) code: u8,
}

/// Message of rank 0 about its run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    name: String,
    path: PathBuf,
    samples: PathBuf,
    /// the run's settings, as its file has them
    pub(super) settings: String,
}

impl Orders {
    pub(super) fn new(run: &RunFolder, settings: String) -> Self {
        let RunFolder { name, path, samples } = run.clone();
        Self { name, path, samples, settings }
    }

    /// The run; on other machines its folder may not exist.
    pub(super) fn run(&self) -> RunFolder {
        let Self { name, path, samples, .. } = self;
        RunFolder { name: name.clone(), path: path.clone(), samples: samples.clone() }
    }
}

/// Message of rank 0 before the first step.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Begin {
    /// the state that it resumes from, as in state.json
    pub(super) state: Option<String>,
    /// kernel configurations of each rank that the run has kept
    pub(super) tuning: Vec<Option<String>>,
}

/// Properties that have to be equal for all ranks.
#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    host: String,
    version: String,
    commit: String,
    shaders: String,
    given: String,
}

/// The processes of a training.
pub(super) struct Peers {
    group: Arc<Group>,
    /// the machine of each rank
    hosts: Vec<String>,
}

/// Connects to the other processes, if a launcher has started several.
///
/// # Errors
/// If this binary cannot, or not with this launcher.
pub(super) fn connect(requested: &Requested) -> Result<Option<Peers>> {
    let Some(launched) = launched().filter(|launched| launched.ranks > 1) else { return Ok(None) };
    let group = connected(launched, requested)?;
    if group.size() != launched.ranks {
        let size = group.size();
        group.finish();
        return Err(only_first(launched.rank, strangers(launched, size)));
    }
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "this machine".into());
    let hosts = group.gather_texts(&host)?;
    Ok(Some(Peers { group: Arc::new(group), hosts }))
}

#[cfg(feature = "mpi")]
fn connected(launched: Launched, requested: &Requested) -> Result<Group> {
    use wgvae::distributed::{Mpi, can_connect};

    if !can_connect(&Mpi::library()) {
        return Err(only_first(launched.rank, strangers(launched, 1)));
    }
    let stop = requested.stop.clone();
    Group::new(move || Mpi::connect(stop)).map_err(|error| match error {
        // all have the same environment
        Error::Usage(text) => only_first(launched.rank, text),
        other => other.into(),
    })
}

#[cfg(not(feature = "mpi"))]
fn connected(launched: Launched, _: &Requested) -> Result<Group> {
    let Launched { ranks, by, rank } = launched;
    let text = format!(
        "{by} has started {ranks} processes, and each would train a model of its own: this binary is built without MPI. Build \
         it with `cargo build --release --features mpi` (docs/scale.md), or start it without a launcher"
    );
    Err(only_first(rank, text))
}

/// The refusal of processes that do not find each other: this one sees `size`.
fn strangers(Launched { ranks, by, .. }: Launched, size: usize) -> String {
    format!(
        "{by} has started {ranks} processes, but the MPI library of this binary sees {size}: start it with the launcher of the \
         library that it was built with, under Slurm with srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH); see docs/scale.md"
    )
}

/// A usage error that is the same on all ranks, said once.
fn only_first(rank: usize, text: String) -> anyhow::Error {
    Agreed { text: if rank == 0 { text } else { String::new() }, code: 2 }.into()
}

impl Peers {
    /// Whether this process leads.
    pub(super) fn leads(&self) -> bool {
        self.group.rank() == 0
    }

    pub(super) fn rank(&self) -> usize {
        self.group.rank()
    }

    pub(super) fn size(&self) -> usize {
        self.group.size()
    }

    /// Name of a rank in messages.
    fn name(&self, rank: usize) -> String {
        format!("rank {rank} ({})", self.hosts[rank])
    }

    /// Name of this process in messages.
    pub(super) fn own_name(&self) -> String {
        self.name(self.rank())
    }

    /// One line about all processes: how many, where.
    pub(super) fn describe(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for host in &self.hosts {
            match counts.iter_mut().find(|(known, _)| known == host) {
                Some((_, count)) => *count += 1,
                None => counts.push((host, 1)),
            }
        }
        let list: Vec<String> = counts.iter().map(|(host, count)| format!("{count} on {host}")).collect();
        format!("{}: {}", self.size(), list.join(", "))
    }

    /// Whether a rank is on this machine.
    fn is_here(&self, rank: usize) -> bool {
        self.hosts[rank] == self.hosts[self.rank()]
    }

    /// Ranks on this machine.
    pub(super) fn on_host(&self) -> usize {
        (0..self.size()).filter(|rank| self.is_here(*rank)).count()
    }

    /// The value, if all ranks have one; else the error of the first rank that has none.
    pub(super) fn together<T>(&self, own: Result<T>) -> Result<T> {
        let failure = match &own {
            Ok(_) => String::new(),
            Err(error) => {
                let known = error.downcast_ref::<Error>();
                let code = known.map_or(1, Error::exit_code);
                let text = known.map_or_else(|| format!("{error:#}"), ToString::to_string);
                format!("{code}{text}")
            }
        };
        let all = self.group.gather_texts(&failure)?;
        let Some(rank) = all.iter().position(|text| !text.is_empty()) else { return own };
        let (code, text) = all[rank].split_at(1);
        let same = all.iter().all(|other| *other == all[rank]);
        // rank 0 prints its own errors, and those of all, as a single process does
        let text = if rank == 0 || same { text.to_owned() } else { format!("{}: {text}", self.name(rank)) };
        Err(Agreed { text: if self.leads() { text } else { String::new() }, code: code.parse().unwrap_or(1) }
            .into())
    }

    /// Refuses ranks of another version, or with other settings, by name.
    pub(super) fn meet(&self, given: &Table) -> Result<()> {
        let own = Identity {
            host: self.hosts[self.rank()].clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("WGVAE_COMMIT").into(),
            shaders: tune::file::shaders(),
            given: toml::to_string(&given.only(|key| !PER_PROCESS.contains(&key)))?,
        };
        let all = self.group.gather_texts(&serde_json::to_string(&own)?)?;
        let all: Vec<Identity> =
            all.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
        let differs =
            all.iter().enumerate().skip(1).find_map(|(rank, other)| Some((rank, unlike(&all[0], other)?)));
        match differs {
            None => Ok(()),
            Some((rank, (is, first))) => {
                self.refuse(&format!("{} {is}, and {} {first}", self.name(rank), self.name(0)))
            }
        }
    }

    /// An error that all ranks find.
    fn refuse<T>(&self, text: &str) -> Result<T> {
        Err(only_first(self.rank(), text.to_owned()))
    }

    /// Refuses ranks with other pictures, by name.
    pub(super) fn same_pictures(&self, data: &Splits) -> Result<()> {
        let held = data.validation.as_ref();
        let digests = (data.train.digest(), held.map(|held| held.digest()));
        let all = self.group.gather_texts(&format!("{digests:?}"))?;
        let counts = self.group.gather([data.train.len(), held.map_or(0, |held| held.len())])?;
        let Some(rank) = all.iter().position(|other| *other != all[0]) else { return Ok(()) };
        let said = |rank: usize| {
            let [train, held] = counts[rank];
            format!("{train} for training and {held} for validation")
        };
        self.refuse(&format!(
            "{} has other pictures ({}) than {} ({}): give all the same folder, file by file",
            self.name(rank),
            said(rank),
            self.name(0),
            said(0)
        ))
    }

    /// Reads pictures: first one process of each machine, then the others, which find them in the cache.
    pub(super) fn pictures(&self, read: impl FnOnce() -> Result<Splits>) -> Result<Splits> {
        let first = !(0..self.rank()).any(|rank| self.is_here(rank));
        let data = if first {
            let data = self.together(read())?;
            self.together(Ok(()))?;
            data
        } else {
            self.together(Ok(()))?;
            self.together(read())?
        };
        self.same_pictures(&data)?;
        Ok(data)
    }

    /// An adapter for this process: those of the asked kind are handed out in the order of the machine's ranks that ask for
    /// it.
    pub(super) fn adapter(&self, options: &RunOptions) -> Result<Adapter> {
        let asked = format!("{:?} {:?}", options.adapter.adapter, options.adapter.backend);
        let all = self.group.gather_texts(&asked)?;
        let before = |rank: &usize| self.is_here(*rank) && all[*rank] == asked;
        let place = (0..self.rank()).filter(before).count();
        let adapter = self.together(nth_adapter(options, place))?;
        // different wishes may name one adapter
        let own = format!("{} {}", self.hosts[self.rank()], identity(&adapter));
        let all = self.group.gather_texts(&own)?;
        let most = options.ranks_per_adapter as usize;
        let crowded = all.iter().find(|one| all.iter().filter(|other| other == one).count() > most);
        match crowded {
            None => Ok(adapter),
            Some(crowded) => {
                let ranks: Vec<String> = (0..self.size())
                    .filter(|rank| all[*rank] == *crowded)
                    .map(|rank| rank.to_string())
                    .collect();
                self.refuse(&format!(
                    "ranks {} have the same adapter on {}; give each one of its own (--adapter), or let them share it with \
                     --ranks-per-adapter {}",
                    ranks.join(", "),
                    crowded.split(' ').next().unwrap_or_default(),
                    ranks.len()
                ))
            }
        }
    }

    /// Tells the other ranks.
    pub(super) fn tell(&self, message: &impl Serialize) -> Result<()> {
        self.group.broadcast(serde_json::to_vec(message)?)?;
        Ok(())
    }

    /// Message of rank 0.
    pub(super) fn hear<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.group.broadcast(Vec::new())?)?)
    }

    /// The texts of all ranks.
    pub(super) fn collect(&self, text: &str) -> Result<Vec<String>, Error> {
        self.group.gather_texts(text)
    }

    /// The connection, with the run's settings for it.
    pub(super) fn rank_options(&self, options: &RunOptions) -> RankOptions {
        RankOptions { group: self.group.clone(), wire: options.sync_precision, sharing: options.share }
    }

    /// Ends the connection in order, as all processes do.
    pub(super) fn finish(&self) {
        self.group.finish();
    }

    /// Ends all processes with this exit code.
    pub(super) fn abort(&self, code: u8) {
        self.group.abort(code);
    }
}

/// First property in which `other` differs from `first`, in words for both.
fn unlike(first: &Identity, other: &Identity) -> Option<(String, String)> {
    let build = |of: &Identity| format!("is wgvae {} {}", of.version, of.commit).trim_end().to_owned();
    if build(first) != build(other) {
        return Some((build(other), build(first)));
    }
    if first.shaders != other.shaders {
        let with = |of: &Identity| format!("has shaders {}", of.shaders);
        return Some((with(other), with(first)));
    }
    let [one, two] = [first, other].map(|of| toml::from_str::<Table>(&of.given).unwrap_or_default());
    let keys: Vec<String> = one
        .differences(&two)
        .iter()
        .chain(two.differences(&one).iter())
        .map(|(key, _)| key.to_owned())
        .collect();
    let key = keys.first()?;
    let said = |of: &Table| {
        if of.has(key) { format!("has --{key} {}", of.text(key)) } else { format!("has no --{key}") }
    };
    Some((said(&two), said(&one)))
}
