//! The reader of PyTorch's `.pth` files: what it reads, what it refuses, and that nothing else happens.

mod common;
mod hostile;
mod mutations;
mod read;
mod refused;
mod training;
