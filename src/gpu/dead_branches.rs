//! Dead branch elimination: removes from a kernel the branches that its constants exclude, before a driver sees it.
//!
//! Kernels are written for all sizes, and the header's constants choose: `if (LANES > 8u) { .. }`. naga and wgpu pass both
//! branches and every function to the driver. llvmpipe inlines all of them before it drops any, which makes compilation
//! several times as slow (docs/lab-notebook/defaults.md).

use std::collections::HashSet;

use naga::compact::{KeepUnused, compact};
use naga::{Arena, BinaryOperator, Block, Constant, Expression, Handle, Literal, Module, Statement};

/// Replaces each `if` with a constant condition by the branch that it takes, and removes unused functions and bindings.
/// Pipelines take their bindings from [`Reflection`](super::kernel::Reflection), which does not change.
///
/// # Panics
/// If `module` is not valid, as [`compact`].
pub fn pruned(mut module: Module) -> Module {
    let Module { functions, entry_points, constants, global_expressions, .. } = &mut module;
    let functions = functions.iter_mut().map(|(_, function)| function);
    for function in functions.chain(entry_points.iter_mut().map(|entry| &mut entry.function)) {
        let body = std::mem::take(&mut function.body);
        let known = |condition| known(condition, &function.expressions, constants, global_expressions);
        let mut computed = HashSet::new();
        function.body = taken(body, &known, &mut computed);
        // A name keeps its expression, so names of removed expressions are removed. The others stay, because a back end
        // may evaluate named expressions at another place.
        function.named_expressions.retain(|expression, _| computed.contains(expression));
    }
    compact(&mut module, KeepUnused::No);
    module
}

/// The value of a condition in a function with these `expressions`, if constants decide it: by themselves, or as one side
/// of `|` or `&`.
fn known(
    condition: Handle<Expression>,
    expressions: &Arena<Expression>,
    constants: &Arena<Constant>,
    globals: &Arena<Expression>,
) -> Option<bool> {
    match expressions[condition] {
        Expression::Literal(Literal::Bool(value)) => Some(value),
        Expression::Constant(constant) => known(constants[constant].init, globals, constants, globals),
        Expression::Binary { op, left, right } => {
            let decides = match op {
                BinaryOperator::InclusiveOr => true,
                BinaryOperator::And => false,
                _ => return None,
            };
            let side = |side| known(side, expressions, constants, globals) == Some(decides);
            (side(left) || side(right)).then_some(decides)
        }
        _ => None,
    }
}

/// The statements of `block` that may run, given the `known` conditions. Adds the expressions that they evaluate to
/// `computed`.
///
/// A loop's `continuing` block must not use values of its body; naga's lowering of `for` guarantees that.
fn taken(
    block: Block,
    known: &impl Fn(Handle<Expression>) -> Option<bool>,
    computed: &mut HashSet<Handle<Expression>>,
) -> Block {
    let mut kept = Block::with_capacity(block.len());
    for (statement, span) in block.span_into_iter() {
        match statement {
            Statement::If { condition, accept, reject } => match known(condition) {
                Some(true) => kept.extend_block(taken(accept, known, computed)),
                Some(false) => kept.extend_block(taken(reject, known, computed)),
                None => {
                    let [accept, reject] = [accept, reject].map(|block| taken(block, known, computed));
                    kept.push(Statement::If { condition, accept, reject }, span);
                }
            },
            Statement::Loop { body, continuing, break_if } => {
                let [body, continuing] = [body, continuing].map(|block| taken(block, known, computed));
                kept.push(Statement::Loop { body, continuing, break_if }, span);
            }
            Statement::Switch { selector, mut cases } => {
                for case in &mut cases {
                    case.body = taken(std::mem::take(&mut case.body), known, computed);
                }
                kept.push(Statement::Switch { selector, cases }, span);
            }
            Statement::Block(block) => kept.extend_block(taken(block, known, computed)),
            Statement::Emit(range) => {
                computed.extend(range.clone());
                kept.push(Statement::Emit(range), span);
            }
            other => kept.push(other, span),
        }
        // the rest of the block never runs
        if matches!(kept.last(), Some(Statement::Return { .. } | Statement::Break | Statement::Continue)) {
            break;
        }
    }
    kept
}
