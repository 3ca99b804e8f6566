//! The layers that networks are made of.

mod conv2d;
mod linear;

pub use conv2d::Conv2d;
pub use linear::Linear;
