//! Colour spaces by chromaticities: their matrix to the connection space of ICC profiles.

/// A 3 x 3 matrix, row by row.
pub(super) type Matrix = [[f64; 3]; 3];

/// White of the connection space, D50 (ICC.1:2022, section 7.2.16).
const D50: [f64; 3] = [0.9642, 1.0, 0.8249];
/// Cone responses of Bradford's adaptation (ICC.1:2022, annex E).
const BRADFORD: Matrix = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
/// Chromaticities of D65.
const D65: [f64; 2] = [0.3127, 0.329];

/// Chromaticities of red, green, blue and white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::data) struct Primaries(pub(in crate::data) [[f64; 2]; 4]);

impl Primaries {
    /// Primaries of sRGB and ITU-R BT.709.
    pub(super) const SRGB: Self = Self([[0.64, 0.33], [0.3, 0.6], [0.15, 0.06], D65]);

    /// The name and the primaries of a code point of ITU-T H.273, table 2. Unspecified ones are those of sRGB.
    pub(super) fn of_code(code: u16) -> Option<(&'static str, Self)> {
        let c = [0.31, 0.316];
        Some(match code {
            1 | 2 => ("BT.709", Self::SRGB),
            4 => ("BT.470 M", Self([[0.67, 0.33], [0.21, 0.71], [0.14, 0.08], c])),
            5 => ("BT.470 BG", Self([[0.64, 0.33], [0.29, 0.6], [0.15, 0.06], D65])),
            6 | 7 => ("BT.601", Self([[0.63, 0.34], [0.31, 0.595], [0.155, 0.07], D65])),
            8 => ("film", Self([[0.681, 0.319], [0.243, 0.692], [0.145, 0.049], c])),
            9 => ("Rec. 2020", Self([[0.708, 0.292], [0.17, 0.797], [0.131, 0.046], D65])),
            11 => ("DCI P3", Self([[0.68, 0.32], [0.265, 0.69], [0.15, 0.06], [0.314, 0.351]])),
            12 => ("Display P3", Self([[0.68, 0.32], [0.265, 0.69], [0.15, 0.06], D65])),
            22 => ("EBU 3213", Self([[0.63, 0.34], [0.295, 0.605], [0.155, 0.077], D65])),
            _ => return None,
        })
    }

    /// Whether each coordinate differs by less than files round.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        self.0.iter().flatten().zip(other.0.iter().flatten()).all(|(a, b)| (a - b).abs() < 0.002)
    }

    /// The matrix from linear RGB to XYZ relative to D50; `None` if the primaries span no volume.
    pub(super) fn to_connection(self) -> Option<Matrix> {
        let xyz = |[x, y]: [f64; 2]| [x / y, 1.0, (1.0 - x - y) / y];
        let [red, green, blue, white] = self.0;
        let columns = transposed([red, green, blue].map(xyz));
        let white = xyz(white);
        let amounts = apply(&inverse(&columns)?, white);
        let own = columns.map(|row| [0, 1, 2].map(|at| row[at] * amounts[at]));
        // Bradford: scale the cone responses of the white to those of D50
        let (is, wanted) = (apply(&BRADFORD, white), apply(&BRADFORD, D50));
        let scaled = [0, 1, 2].map(|at| BRADFORD[at].map(|value| value * wanted[at] / is[at]));
        let adapted = product(&product(&inverse(&BRADFORD)?, &scaled), &own);
        adapted.iter().flatten().all(|value| value.is_finite()).then_some(adapted)
    }
}

fn transposed(m: Matrix) -> Matrix {
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| m[column][row]))
}

pub(super) fn apply(m: &Matrix, v: [f64; 3]) -> [f64; 3] {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

pub(super) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = transposed(*b).map(|column| apply(a, column));
    transposed(columns)
}

/// The inverse, by cofactors; `None` if there is none.
pub(super) fn inverse(m: &Matrix) -> Option<Matrix> {
    let minor = |row: usize, column: usize| {
        let [r, s] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
    let inverse = [0, 1, 2].map(|row| [0, 1, 2].map(|column| minor(column, row) / determinant));
    (determinant.abs() > 1e-9 && inverse.iter().flatten().all(|value| value.is_finite())).then_some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published matrix of sRGB relative to D50.
    #[test]
    fn the_matrix_of_srgb_is_the_published_one() {
        let wanted = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]];
        let is = Primaries::SRGB.to_connection().expect("a matrix");
        for (is, wanted) in is.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((is - wanted).abs() < 2e-4, "{is}, not {wanted}");
        }
        assert!(Primaries([[0.3, 0.3]; 4]).to_connection().is_none());
        assert!(Primaries([[0.3, 0.0]; 4]).to_connection().is_none());
    }
}
