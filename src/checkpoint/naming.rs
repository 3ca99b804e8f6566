//! The tensors of a model among the tensors of a foreign file, with any prefix before their names.
//! Read this if a file is refused whose model has other names, or if the wrong one of several models is taken.
//!
//! A file names tensors by the path to them: the keys of dictionaries and the attributes of modules, with dots between. A
//! model is found where every name that it needs has one prefix.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::error::printable_text;

/// Modules that wrap others without changing what they compute: torch.compile, FSDP, activation checkpointing.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// Those, and the wrapper of DataParallel and AveragedModel. The word is common, so it is tried last.
const MORE_WRAPPERS: [&str; 4] = [WRAPPERS[0], WRAPPERS[1], WRAPPERS[2], "module"];
/// Keys under which scripts save a model.
const MODEL_KEYS: [&str; 3] = ["model", "state_dict", "model_state_dict"];
/// Parts of a path to the parameters that are trained, where averaged ones are beside them.
const ONLINE: [&str; 3] = ["current_model_state", "online_model", "online"];
/// Parts of a path to moments and gradients, which have the names of parameters.
const MOMENTS: [&str; 5] = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "grads"];
/// Words that name an average of parameters, and beginnings of such words.
const AVERAGES: [&str; 3] = ["avg", "teacher", "target"];
const AVERAGE_BEGINNINGS: [&str; 5] = ["ema", "swa", "averag", "shadow", "polyak"];
/// Largest number of names in a message.
const MAX_NAMED: usize = 3;

/// Advice for a file whose model is not found.
pub(super) const ADVICE: &str = "save it again with torch.save(model.state_dict(), path)";

/// The place of a model in a file.
#[derive(Debug)]
pub(super) struct Found {
    /// text before each name
    pub(super) prefix: String,
    /// the position of each needed name
    pub(super) at: Vec<usize>,
    /// positions of the tensors of the other models
    pub(super) others: HashSet<usize>,
    /// remarks on the choice, for the user
    pub(super) notes: Vec<String>,
}

/// Finds the names `needed` by a model among `names`, each after one prefix; `same` compares the tensors of two positions.
///
/// # Errors
/// A reason that has the names, if there is no such model or if several differ.
pub(super) fn find(
    names: &[&str],
    needed: &[&str],
    same: impl Fn(usize, usize) -> bool,
) -> Result<Found, String> {
    let mut missing = None;
    for wrappers in [&WRAPPERS[..], &MORE_WRAPPERS] {
        let index = Index::new(names, wrappers);
        let prefixes = index.prefixes(needed);
        if !prefixes.is_empty() {
            return index.choose(&prefixes, needed, same);
        }
        missing = missing.or_else(|| index.missing(needed));
    }
    match missing {
        Some((name, true)) => Err(format!("has no tensor {name}")),
        other => {
            let name = other.map_or_else(|| needed[0].to_owned(), |(name, _)| name);
            let names = listed(names.iter().copied());
            Err(format!(
                "has no tensor {name}: not a model of this kind; it has the tensors {names}; {ADVICE}"
            ))
        }
    }
}

/// A name without the modules that wrap others.
pub(super) fn unwrapped(name: &str) -> Cow<'_, str> {
    without(name, &MORE_WRAPPERS)
}

fn without<'a>(name: &'a str, wrappers: &[&str]) -> Cow<'a, str> {
    if !name.split('.').any(|part| wrappers.contains(&part)) {
        return Cow::Borrowed(name);
    }
    name.split('.').filter(|part| !wrappers.contains(part)).collect::<Vec<_>>().join(".").into()
}

/// The names by their text without wrappers.
struct Index<'a> {
    names: Vec<Cow<'a, str>>,
    by_name: HashMap<String, usize>,
    /// whether Lightning's WeightAveraging has put the average in the place of the model
    replaced: bool,
}

impl<'a> Index<'a> {
    fn new(names: &[&'a str], wrappers: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| without(name, wrappers)).collect();
        let mut by_name = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            by_name.entry(name.clone().into_owned()).or_insert(index);
        }
        let replaced = names.iter().any(|name| name.starts_with("current_model_state."));
        Self { names, by_name, replaced }
    }

    fn at(&self, prefix: &str, name: &str) -> Option<usize> {
        self.by_name.get(&format!("{prefix}{name}")).copied()
    }

    /// The prefixes that every needed name has, in the order of the file.
    fn prefixes(&self, needed: &[&str]) -> Vec<&str> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for prefix in self.names.iter().filter_map(|name| name.strip_suffix(needed[0])) {
            let moments = prefix.split('.').any(|part| MOMENTS.contains(&part));
            if !moments && seen.insert(prefix) && needed.iter().all(|n| self.at(prefix, n).is_some()) {
                found.push(prefix);
            }
        }
        found
    }

    /// The first name that the most complete model lacks, and whether it has half of its names at least; `None` if the file
    /// has no name of a model.
    fn missing(&self, needed: &[&str]) -> Option<(String, bool)> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for name in &self.names {
            for prefix in needed.iter().filter_map(|needed| name.strip_suffix(needed)) {
                if !prefix.split('.').any(|part| MOMENTS.contains(&part)) {
                    *counts.entry(prefix).or_default() += 1;
                }
            }
        }
        let (prefix, count) = counts.into_iter().max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0)))?;
        let missing = needed.iter().find(|name| self.at(prefix, name).is_none())?;
        Some((format!("{}{missing}", shown(prefix)), 2 * count >= needed.len()))
    }

    /// Chooses one of several models: the trained one rather than an average, under a usual key rather than another.
    fn choose(
        &self,
        prefixes: &[&str],
        needed: &[&str],
        same: impl Fn(usize, usize) -> bool,
    ) -> Result<Found, String> {
        let online: Vec<&str> = prefixes.iter().copied().filter(|prefix| is_online(prefix)).collect();
        let (averages, raw): (Vec<&str>, Vec<&str>) =
            prefixes.iter().copied().partition(|prefix| self.is_average(prefix));
        let raw = if online.is_empty() { raw } else { online };
        let of = if raw.is_empty() { averages } else { raw.clone() };
        let rank = |prefix: &str| prefix.split('.').filter(|part| MODEL_KEYS.contains(part)).count();
        let best = of.iter().map(|prefix| rank(prefix)).max().unwrap_or(0);
        let usual: Vec<&str> = of.iter().copied().filter(|prefix| rank(prefix) == best).collect();
        let places =
            |prefix: &str| -> Vec<usize> { needed.iter().filter_map(|n| self.at(prefix, n)).collect() };
        let equal = |a: &str, b: &str| places(a).iter().zip(places(b)).all(|(&one, two)| same(one, two));
        let (prefix, rest) = usual.split_first().ok_or("has no model")?;
        if let Some(other) = rest.iter().find(|other| !equal(prefix, other)) {
            let (one, two) = (place(prefix), place(other));
            return Err(format!(
                "holds models that differ, under {one} and {two}: save the one that you want with \
                 torch.save(model.state_dict(), path)"
            ));
        }
        // NaN differs from itself
        let differs = |other: &&str| other != prefix && !equal(prefix, other);
        let unlike: Vec<&str> = prefixes.iter().copied().filter(differs).collect();
        let mut notes = Vec::new();
        if raw.is_empty() {
            notes.push(format!("its only model, under {}, is an average (EMA or SWA)", place(prefix)));
        }
        if !unlike.is_empty() {
            let unlike: Vec<_> = unlike.iter().map(|other| place(other)).collect();
            let unlike = listed(unlike.iter().map(String::as_str));
            notes.push(format!("took the model under {}, not that under {unlike}", place(prefix)));
        }
        let at = places(prefix);
        let others = prefixes.iter().flat_map(|other| places(other)).filter(|index| !at.contains(index));
        Ok(Found { prefix: (*prefix).to_owned(), others: others.collect(), at, notes })
    }

    fn is_average(&self, prefix: &str) -> bool {
        let named = prefix.split(|c: char| !c.is_alphanumeric()).any(|word| {
            let word = word.to_lowercase();
            AVERAGES.contains(&word.as_str())
                || AVERAGE_BEGINNINGS.iter().any(|beginning| word.starts_with(beginning))
        });
        // an AveragedModel of PyTorch counts the models beside its module
        let counted = |prefix: &str| self.at(prefix, "n_averaged").is_some();
        let replaced = self.replaced && prefix.split('.').next() == Some("state_dict");
        named || replaced || counted(prefix) || prefix.strip_suffix("module.").is_some_and(counted)
    }
}

fn is_online(prefix: &str) -> bool {
    prefix.split('.').any(|part| ONLINE.contains(&part))
}

/// A prefix as a place in the file.
fn place(prefix: &str) -> String {
    let place = shown(prefix.trim_end_matches('.'));
    if place.is_empty() { "no name".to_owned() } else { place }
}

/// A name for a message: on one line, and short.
fn shown(name: &str) -> String {
    const LONGEST: usize = 100;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", printable_text(&name[..end])),
        None => printable_text(name),
    }
}

/// The first of `names`, and how many more there are.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let mut shown: Vec<String> = names.take(MAX_NAMED).map(shown).collect();
    if more > 0 {
        return format!("{} and {more} more", shown.join(", "));
    }
    let last = shown.pop().unwrap_or_else(|| "nothing".to_owned());
    if shown.is_empty() { last } else { format!("{} and {last}", shown.join(", ")) }
}

/// A remark on the tensors beside a model. Tensors of its own layers change what it computes.
///
/// # Errors
/// The name and shape of a tensor of a layer that this kind of model does not have.
pub(super) fn beside<'a>(
    found: &Found,
    needed: &[&str],
    tensors: impl Iterator<Item = (usize, &'a str, &'a [usize])>,
) -> Result<Option<String>, String> {
    let taken: HashSet<_> = found.at.iter().chain(&found.others).copied().collect();
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let layers: HashSet<String> = needed.iter().map(|name| first(name)).collect();
    let mut left = Vec::new();
    for (index, full, shape) in tensors {
        if taken.contains(&index) {
            continue;
        }
        let name = unwrapped(full);
        let name = name.strip_prefix(&*unwrapped(&found.prefix)).unwrap_or(&name);
        if layers.contains(&first(name)) {
            let name = shown(name);
            return Err(format!("has a tensor {name} {shape:?} that this kind of model does not have"));
        }
        left.push(full);
    }
    Ok((!left.is_empty()).then(|| format!("left out the tensors {}", listed(left.into_iter()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 3] = ["encoder.0.weight", "encoder.0.bias", "fc.weight"];

    /// The prefix and the notes for models under each of `prefixes`, and the tensors `more`. No two tensors are the same.
    fn find_under(prefixes: &[&str], more: &[&str]) -> Result<(String, Vec<String>), String> {
        let names = prefixes.iter().flat_map(|prefix| NEEDED.map(|name| format!("{prefix}{name}")));
        let names: Vec<String> = names.chain(more.iter().map(|&name| name.to_owned())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = find(&names, &NEEDED, |_, _| false)?;
        let shapes = names.iter().enumerate().map(|(index, name)| (index, *name, &[2][..]));
        let left = beside(&found, &NEEDED, shapes)?;
        Ok((found.prefix, found.notes.into_iter().chain(left).collect()))
    }

    #[test]
    fn any_prefix_is_taken_off() {
        for prefix in ["", "model.", "a.b.c.", "generator_", "vae/", "ema_free."] {
            assert_eq!(find_under(&[prefix], &[]).map(|found| found.0), Ok(prefix.to_owned()));
        }
        for (wrapped, prefix) in
            [("_orig_mod.", ""), ("net._orig_mod.", "net."), ("module._orig_mod.net.", "module.net.")]
        {
            assert_eq!(find_under(&[wrapped], &[]), Ok((prefix.to_owned(), Vec::new())), "{wrapped}");
        }
        let parts = |encoder: &str| {
            let names =
                [format!("m.{encoder}.0.weight"), format!("m.{encoder}.0.bias"), "m.fc.weight".to_owned()];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            find(&names, &NEEDED, |_, _| false).map(|found| (found.prefix, found.at))
        };
        for encoder in [
            "encoder._orig_mod",
            "encoder.module",
            "_orig_mod.encoder.module",
            "encoder._fsdp_wrapped_module",
        ] {
            assert_eq!(parts(encoder), Ok(("m.".to_owned(), vec![0, 1, 2])), "{encoder}");
        }
    }

    #[test]
    fn the_trained_model_rather_than_an_average() {
        let chosen = |prefixes: &[&str], more: &[&str]| find_under(prefixes, more).map(|found| found.0);
        for average in
            ["ema.", "model_ema.", "ema_model.", "net.ema.module.", "swa_model.", "averaged.", "teacher."]
        {
            assert_eq!(chosen(&[average, "net."], &[]), Ok("net.".to_owned()), "{average}");
            let (prefix, notes) = find_under(&[average], &[]).expect(average);
            assert_eq!((prefix.as_str(), notes.len()), (average, 1), "{notes:?}");
            assert!(notes[0].contains("is an average"), "{notes:?}");
        }
        assert_eq!(
            chosen(&["ema_model.", "online_model."], &["initted", "step"]),
            Ok("online_model.".to_owned())
        );
        assert_eq!(chosen(&["x.module.", "y."], &["x.n_averaged"]), Ok("y.".to_owned()));
        // the key of a script rather than one that tells nothing, and never Adam's moments
        assert_eq!(chosen(&["best.", "model."], &[]), Ok("model.".to_owned()));
        assert_eq!(chosen(&["optimizer.exp_avg.", "x."], &[]), Ok("x.".to_owned()));
        let reason = chosen(&["first.", "second."], &[]).expect_err("two models");
        assert!(
            reason.contains("first") && reason.contains("second") && reason.contains("torch.save("),
            "{reason}"
        );
    }

    #[test]
    fn other_tensors_are_named() {
        let (_, notes) = find_under(&["net."], &["fid.a", "loss.b", "c", "d", "e"]).expect("a model");
        assert_eq!(notes, ["left out the tensors fid.a, loss.b, c and 2 more"]);
        let reason = find_under(&["net."], &["net.encoder.1.running_mean"]).expect_err("another layer");
        assert_eq!(reason, "has a tensor encoder.1.running_mean [2] that this kind of model does not have");
        let reason = find_under(&[], &["x.weight", &"y".repeat(500)]).expect_err("another model");
        assert!(reason.starts_with(
            "has no tensor encoder.0.weight: not a model of this kind; it has the tensors x.weight and y"
        ));
        assert!(reason.contains("torch.save(") && reason.len() < 400, "{reason}");
        let reason = find_under(&[], &["m.encoder.0.weight", "m.fc.weight"]).expect_err("a part");
        assert_eq!(reason, "has no tensor m.encoder.0.bias");
    }
}
