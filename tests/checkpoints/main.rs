//! Model files: PyTorch's `.pth` files (accepted and refused ones), checkpoints of other programs, and conversion from and
//! to PyTorch.

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod interchange;
mod pth_read;
mod pth_refused;
mod pth_training;
