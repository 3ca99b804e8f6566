//! Model files: PyTorch's `.pth` files, what they may hold and what is refused, and the way to PyTorch and back.

#[path = "../common/mod.rs"]
mod common;
mod interchange;
mod pth_read;
mod pth_refused;
mod pth_training;
