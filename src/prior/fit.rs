//! Model selection: candidates are fitted to most of the rows, compared on the rest, and the choice is fitted to all.
//! Read this for the search over the number of components and the shrinkage.

use serde::{Deserialize, Serialize};

use super::em::{self, Run, Shrinkage};
use super::{Mixture, kmeans_init, mean};

/// Minimum number of rows per component.
const MIN_ROWS: usize = 10;
/// Shrinkage strengths that are tried: the weight of the pooled covariance, in units of D + 2 rows, and the share of
/// its diagonal. The short runs use the first.
const STRENGTHS: [(f64, f64); 5] = [(1.0, 1.0), (10.0, 1.0), (0.1, 1.0), (1.0, 0.1), (10.0, 0.1)];
/// Iterations after which only the best restart continues. Source: the "short runs" of Biernacki, Celeux and Govaert,
/// "Choosing starting values for the EM algorithm", Comp. Stat. and Data Analysis 41 (2003).
const SHORT: u32 = 8;
/// Minimum pooled variance of a dimension: as a share of its variance over all rows, and, for a constant dimension, of
/// the mean of these variances.
const FLOOR: (f64, f64) = (1e-6, 1e-12);

/// Settings of the search for a prior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// numbers of components to try
    pub components: Vec<usize>,
    /// restarts per number of components
    pub restarts: u32,
    /// seed of everything random
    pub seed: u64,
    /// share of rows that candidates are compared on
    pub held_out: f64,
    /// maximum number of EM iterations per run
    pub most_iterations: u32,
    /// convergence threshold: change of the mean log density per iteration, in nats per latent
    pub tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        let components = vec![1, 2, 4, 8, 16, 32];
        Self { components, restarts: 3, seed: 0, held_out: 0.2, most_iterations: 200, tolerance: 1e-4 }
    }
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        if self.components.is_empty() || self.components.contains(&0) {
            return Err("the numbers of components to try must be one or more numbers above 0".to_owned());
        }
        if !(self.held_out > 0.0 && self.held_out < 1.0) {
            return Err(format!("the held-out share must be between 0 and 1, but is {}", self.held_out));
        }
        if self.restarts == 0 || self.most_iterations == 0 {
            return Err("restarts and iterations must be above 0".to_owned());
        }
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return Err(format!("the tolerance must be a number above 0, not {}", self.tolerance));
        }
        Ok(())
    }
}

/// Result for one number of components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// requested number of components
    pub components: usize,
    /// remaining components: EM drops a component that is worth less than one row
    pub kept: usize,
    /// mean log density of the held-out rows, nats per latent; `None` if refused
    pub held_out: Option<f64>,
    /// best strength of shrinkage. For a single Gaussian: the share of the scaled identity (Ledoit-Wolf). For a
    /// mixture: the weight of the pooled covariance in each component, in rows
    pub shrinkage: Option<f64>,
    /// share of the diagonal in the pooled covariance: 1 removes its correlations; `None` for a single Gaussian
    pub diagonal: Option<f64>,
    /// EM iterations of the best run, without the short runs before it
    pub iterations: u32,
    /// whether the best run converged
    pub converged: bool,
    /// the reason why it was not fitted
    pub refused: Option<String>,
}

/// The prior, and the candidates it was chosen from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// the prior, fitted to all rows
    pub prior: Mixture,
    /// candidates in the order tried, fewest components first
    pub candidates: Vec<Candidate>,
    /// index of the candidate that became the prior
    pub chosen: usize,
    /// mean log density of the held-out rows under N(0, I), nats per latent
    pub standard_normal: f64,
}

/// A fitted candidate, and the log densities of the held-out rows under it.
struct Tried {
    mixture: Mixture,
    strength: (f64, f64),
    densities: Vec<f64>,
}

/// Fits a prior to `rows`, `[N, D]` latents drawn from q(z|x).
///
/// Use one row per picture: with two draws for one picture, one in each part, too many components would be favoured.
/// Candidates are compared by the mean log density of the held-out rows. The smallest candidate wins that is behind the
/// best by no more than one standard error of that difference (the one-standard-error rule of Breiman, Friedman, Olshen
/// and Stone, "Classification and Regression Trees", 1984, on paired differences): an additional component must be
/// worth more than noise. The choice is then fitted to all rows, starting from its fit to the smaller part.
///
/// The result depends on the arguments alone; `progress` is called after each candidate.
///
/// # Errors
/// If a setting is invalid, if there are fewer than three rows, if they are all equal or not finite, or if no candidate
/// could be fitted.
pub fn fit(
    rows: &[f32],
    dims: usize,
    settings: &Settings,
    progress: &mut dyn FnMut(&Candidate),
) -> Result<Fit, String> {
    settings.check()?;
    check_rows(rows, dims)?;
    let variances = em::variances(rows, dims);
    let floor = floors(rows, dims);
    let (train, held) = split(rows, dims, settings);
    let search = Search { train: &train, held: &held, dims, settings, floor: &floor, variances: &variances };
    let mut sizes = settings.components.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let (mut candidates, mut tried) = (Vec::new(), Vec::new());
    for components in sizes {
        let (candidate, fitted) = match search.candidate(components) {
            Ok((candidate, fitted)) => (candidate, Some(fitted)),
            Err(reason) => (refusal(components, reason), None),
        };
        progress(&candidate);
        candidates.push(candidate);
        tried.push(fitted);
    }
    let densities: Vec<_> = tried.iter().map(|t| t.as_ref().map(|t: &Tried| &t.densities[..])).collect();
    let chosen = choose(&densities).ok_or_else(|| no_candidate(&candidates))?;
    let Some(winner) = tried.swap_remove(chosen) else { return Err(no_candidate(&candidates)) };
    let prior = match candidates[chosen].components {
        1 => em::gaussian(rows, dims)?,
        _ => search.run(winner.mixture, rows, winner.strength, settings.most_iterations)?.mixture,
    };
    let normal = |row: &[f32]| {
        -0.5 * row.iter().map(|&z| f64::from(z).powi(2) + std::f64::consts::TAU.ln()).sum::<f64>()
    };
    let standard_normal = mean(&held.chunks_exact(dims).map(normal).collect::<Vec<_>>());
    Ok(Fit { prior, candidates, chosen, standard_normal })
}

pub(super) fn check_rows(rows: &[f32], dims: usize) -> Result<(), String> {
    if dims == 0 || !rows.len().is_multiple_of(dims) {
        return Err(format!(
            "{} numbers are not a whole number of latents with {dims} dimensions",
            rows.len()
        ));
    }
    if rows.len() < 3 * dims {
        return Err(format!("a prior needs at least 3 latents, not {}", rows.len() / dims));
    }
    if let Some(at) = rows.iter().position(|z| !z.is_finite()) {
        return Err(format!("latent {} is not finite in dimension {}", at / dims, at % dims));
    }
    if rows.chunks_exact(dims).all(|row| row == &rows[..dims]) {
        return Err(format!("all {} latents are equal", rows.len() / dims));
    }
    Ok(())
}

/// The least pooled variance of each dimension.
pub(super) fn floors(rows: &[f32], dims: usize) -> Vec<f64> {
    let variances = em::variances(rows, dims);
    let least = FLOOR.1 * mean(&variances);
    variances.iter().map(|v| (FLOOR.0 * v).max(least)).collect()
}

/// The rows for fitting (at least two), and those for comparison (at least one).
fn split(rows: &[f32], dims: usize, settings: &Settings) -> (Vec<f32>, Vec<f32>) {
    let count = rows.len() / dims;
    let held = ((settings.held_out * count as f64).round() as usize).clamp(1, count - 2);
    let order = kmeans_init::Stream::new(settings.seed, kmeans_init::SPLIT, 0).order(count);
    let gather = |which: &[usize]| which.iter().flat_map(|n| &rows[n * dims..][..dims]).copied().collect();
    (gather(&order[held..]), gather(&order[..held]))
}

/// The two parts of the rows, and data shared by all candidates.
struct Search<'a> {
    train: &'a [f32],
    held: &'a [f32],
    dims: usize,
    settings: &'a Settings,
    floor: &'a [f64],
    variances: &'a [f64],
}

impl Search<'_> {
    fn candidate(&self, components: usize) -> Result<(Candidate, Tried), String> {
        let count = self.train.len() / self.dims;
        if components == 1 {
            let (_, _, shrinkage) = em::ledoit_wolf(self.train, self.dims);
            let mixture = em::gaussian(self.train, self.dims)?;
            let run = Run { mixture, likelihood: 0.0, iterations: 1, converged: true };
            let (candidate, tried) = self.judged(components, run, STRENGTHS[0]);
            return Ok((Candidate { shrinkage: Some(shrinkage), diagonal: None, ..candidate }, tried));
        }
        if count < MIN_ROWS.saturating_mul(components) {
            return Err(format!(
                "{count} latents to fit to are too few, {MIN_ROWS} for each component are needed"
            ));
        }
        let most = self.settings.most_iterations;
        let first = self.run(self.best_start(components)?, self.train, STRENGTHS[0], most)?;
        let from = first.mixture.clone();
        let mut best = self.judged(components, first, STRENGTHS[0]);
        for &strength in &STRENGTHS[1..] {
            let run = self.run(from.clone(), self.train, strength, most)?;
            let other = self.judged(components, run, strength);
            if other.0.held_out > best.0.held_out {
                best = other;
            }
        }
        Ok(best)
    }

    /// The best of the restarts after a short run each, by the likelihood of the training rows.
    fn best_start(&self, components: usize) -> Result<Mixture, String> {
        let inverse = |(v, floor): (&f64, &f64)| if v > floor { v.recip() } else { 0.0 };
        let precision: Vec<f64> = self.variances.iter().zip(self.floor).map(inverse).collect();
        let scaled = kmeans_init::Rows { rows: self.train, dims: self.dims, precision: &precision };
        let mut best: Option<Run> = None;
        for restart in 0..self.settings.restarts {
            let number = (components as u64) << 32 | u64::from(restart);
            let mut stream = kmeans_init::Stream::new(self.settings.seed, kmeans_init::START, number);
            let (cluster, among) = scaled.clusters(components, &mut stream);
            let mut responsibilities = vec![0.0; cluster.len() * among];
            cluster.iter().enumerate().for_each(|(n, k)| responsibilities[n * among + k] = 1.0);
            let start = em::maximise(self.train, self.dims, &responsibilities, self.shrinkage(STRENGTHS[0]))?;
            let most = self.settings.most_iterations.min(SHORT);
            let run = self.run(start, self.train, STRENGTHS[0], most)?;
            if best.as_ref().is_none_or(|best| run.likelihood > best.likelihood) {
                best = Some(run);
            }
        }
        best.map(|run| run.mixture).ok_or_else(|| "no restarts".to_owned())
    }

    fn shrinkage(&self, (worth, diagonal): (f64, f64)) -> Shrinkage<'_> {
        Shrinkage { rows: worth * (self.dims + 2) as f64, diagonal, floor: self.floor }
    }

    fn run(&self, start: Mixture, rows: &[f32], strength: (f64, f64), most: u32) -> Result<Run, String> {
        em::run(start, rows, self.shrinkage(strength), most, self.settings.tolerance)
    }

    fn judged(&self, components: usize, run: Run, strength: (f64, f64)) -> (Candidate, Tried) {
        let densities = run.mixture.log_densities(self.held);
        let candidate = Candidate {
            components,
            kept: run.mixture.components.len(),
            held_out: Some(mean(&densities)),
            shrinkage: Some(self.shrinkage(strength).rows),
            diagonal: Some(strength.1),
            iterations: run.iterations,
            converged: run.converged,
            refused: None,
        };
        (candidate, Tried { mixture: run.mixture, strength, densities })
    }
}

fn refusal(components: usize, reason: String) -> Candidate {
    let (shrinkage, diagonal, held_out, refused) = (None, None, None, Some(reason));
    Candidate { components, kept: 0, held_out, shrinkage, diagonal, iterations: 0, converged: false, refused }
}

fn no_candidate(candidates: &[Candidate]) -> String {
    let reasons =
        candidates.iter().filter_map(|c| c.refused.as_ref().map(|why| format!("{}: {why}", c.components)));
    format!("no number of components can be fitted: {}", reasons.collect::<Vec<_>>().join("; "))
}

/// The first candidate that is behind the best by no more than one standard error of the difference; `tried` holds log
/// densities of the same rows.
pub(super) fn choose(tried: &[Option<&[f64]>]) -> Option<usize> {
    let fitted = || tried.iter().enumerate().filter_map(|(at, t)| t.map(|densities| (at, densities)));
    let (_, best) = fitted().max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)))?;
    let near = |own: &[f64]| {
        let behind: Vec<f64> = best.iter().zip(own).map(|(best, own)| best - own).collect();
        let average = mean(&behind);
        let squares: f64 = behind.iter().map(|b| (b - average).powi(2)).sum();
        let count = behind.len() as f64;
        average <= (squares / (count - 1.0).max(1.0) / count).sqrt()
    };
    fitted().find(|(_, own)| near(own)).map(|(at, _)| at)
}
