//! The layers that networks are made of.

mod conv2d;
mod linear;
pub mod rms_norm;

pub use conv2d::Conv2d;
pub use linear::Linear;
pub use rms_norm::RmsNorm;
