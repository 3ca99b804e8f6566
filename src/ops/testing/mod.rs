//! Comparison of every kernel with its twin: the table of [`cases`], and the [`check`].

mod case;
pub mod cases;
pub mod check;
mod product_cases;
