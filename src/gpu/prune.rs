//! Takes out of a kernel what its constants rule out, before a driver sees it.
//!
//! Kernels are written for all sizes, and the header's constants choose: `if (LANES > 8u) { .. }`. naga and wgpu hand
//! on both branches and every function, and drivers inline all of it before they drop any. Of the subgroup core that
//! is four times what a dispatch keeps, and llvmpipe took five times as long to read it.

use naga::compact::{KeepUnused, compact};
use naga::{Arena, Block, Constant, Expression, Function, Handle, Literal, Module, Statement};

/// The same kernel with each `if` whose condition is a constant replaced by the branch that it takes, and without what
/// nothing uses any more; bindings as well, which pipelines have from [`Reflection`](super::kernel::Reflection).
///
/// # Panics
/// If `module` is not valid, as [`compact`].
pub fn pruned(mut module: Module) -> Module {
    let Module { functions, entry_points, constants, global_expressions, .. } = &mut module;
    let functions = functions.iter_mut().map(|(_, function)| function);
    for function in functions.chain(entry_points.iter_mut().map(|entry| &mut entry.function)) {
        let body = std::mem::take(&mut function.body);
        function.body = taken(body, &|condition| known(function, constants, global_expressions, condition));
        // a name would keep what it names
        function.named_expressions.clear();
    }
    compact(&mut module, KeepUnused::No);
    module
}

/// What a condition is whenever the function runs, where constants decide it.
fn known(
    function: &Function,
    constants: &Arena<Constant>,
    globals: &Arena<Expression>,
    condition: Handle<Expression>,
) -> Option<bool> {
    let value = match &function.expressions[condition] {
        Expression::Constant(constant) => &globals[constants[*constant].init],
        expression => expression,
    };
    match value {
        Expression::Literal(Literal::Bool(value)) => Some(*value),
        _ => None,
    }
}

/// The statements of `block` that may run, given what is known of conditions.
fn taken(block: Block, known: &impl Fn(Handle<Expression>) -> Option<bool>) -> Block {
    let mut kept = Block::with_capacity(block.len());
    for (statement, span) in block.span_into_iter() {
        match statement {
            Statement::If { condition, accept, reject } => match known(condition) {
                Some(true) => kept.extend_block(taken(accept, known)),
                Some(false) => kept.extend_block(taken(reject, known)),
                None => {
                    let (accept, reject) = (taken(accept, known), taken(reject, known));
                    kept.push(Statement::If { condition, accept, reject }, span);
                }
            },
            Statement::Loop { body, continuing, break_if } => {
                let (body, continuing) = (taken(body, known), taken(continuing, known));
                kept.push(Statement::Loop { body, continuing, break_if }, span);
            }
            Statement::Block(block) => kept.push(Statement::Block(taken(block, known)), span),
            other => kept.push(other, span),
        }
        // nothing may follow what ends a block
        if matches!(kept.last(), Some(Statement::Return { .. } | Statement::Break | Statement::Continue)) {
            break;
        }
    }
    kept
}
