//! Output formats for people: TensorBoard event files and HTML pages.
//! Start here to write something for people to look at.
//!
//! Knows nothing of models, of the GPU or of training: numbers and pictures come in, bytes go out.
//!
//! | | |
//! |---|---|
//! | [`EventFile`], [`Summary`] | scalars, histograms and pictures that TensorBoard reads |
//! | [`Histogram`] | bins of equal width |
//! | [`html`] | escaped text, pictures inside the page, bars as SVG |

mod events;
mod histogram;
pub mod html;
mod protobuf;

pub use events::{EventFile, Summary};
pub use histogram::Histogram;
