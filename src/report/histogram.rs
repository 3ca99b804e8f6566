//! Histograms of values, for TensorBoard.
//! Read this for the bins.

/// Maximum number of bins of a histogram.
const BINS: usize = 30;

/// Counts of values in bins of equal width, and their moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// the smallest value
    pub min: f64,
    /// the largest value
    pub max: f64,
    /// sum of all values
    pub sum: f64,
    /// sum of their squares
    pub sum_squares: f64,
    /// upper edge of each bin; the last is `max`
    pub limits: Vec<f64>,
    /// number of values per bin, its upper edge included
    pub counts: Vec<f64>,
}

impl Histogram {
    /// The histogram of the finite `values`; `None` if there are none. If all are equal there is one bin.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        let bins = if min < max { BINS } else { 1 };
        let width = (max - min) / bins as f64;
        let mut counts = vec![0.0; bins];
        for value in &values {
            let bin = ((value - min) / width).ceil() - 1.0; // NaN as usize is 0, if all are equal
            counts[(bin.max(0.0) as usize).min(bins - 1)] += 1.0;
        }
        let mut limits: Vec<f64> = (1..=bins).map(|bin| min + width * bin as f64).collect();
        limits[bins - 1] = max;
        let (sum, sum_squares) = (values.iter().sum(), values.iter().map(|value| value * value).sum());
        Some(Self { min, max, sum, sum_squares, limits, counts })
    }

    /// The number of values.
    pub fn count(&self) -> f64 {
        self.counts.iter().sum()
    }
}
