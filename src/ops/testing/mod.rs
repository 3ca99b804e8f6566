//! Every kernel against its twin: the table of [`cases`] and the comparison.

pub mod cases;
pub mod check;
