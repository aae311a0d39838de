//! What is refused before anything is evaluated, with its place in the text.

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use super::functions;
use crate::limits;

/// Length and nesting, before the parser sees the text: its recursion follows the brackets.
pub(super) fn shape(text: &str) -> Result<(), String> {
    if text.len() > limits::EXPRESSION {
        return Err(format!("is longer than {} bytes", limits::EXPRESSION));
    }
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let (mut depth, mut deepest, mut prefixes, mut links) = (0usize, 0usize, 0usize, 0usize);
    for b in text.bytes() {
        match b {
            b'(' | b'[' | b'{' => {
                depth += 1;
                links += 1;
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' => prefixes += 1,
            b'.' | b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' => links += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > limits::EXPRESSION_NESTING || prefixes > 2 * limits::EXPRESSION_NESTING {
        return Err(format!(
            "is nested deeper than {} levels",
            limits::EXPRESSION_NESTING
        ));
    }
    if links > limits::EXPRESSION_NODES / 4 {
        return Err(format!(
            "has more than {} operators and brackets",
            limits::EXPRESSION_NODES / 4
        ));
    }
    Ok(())
}

/// A parser's error as a sentence with its place.
pub(super) fn parse_error(errors: &cel::ParseErrors) -> String {
    let mut all: Vec<String> = Vec::new();
    for e in errors.errors.iter().take(3) {
        let (line, column) = e.pos;
        all.push(format!(
            "does not compile at line {}, column {}: {}",
            line.max(1),
            column.max(1),
            e.msg
        ));
    }
    if all.is_empty() {
        all.push("does not compile".to_owned());
    }
    all.join("; ")
}

/// Only what the evaluation knows, and not more of it than is allowed.
pub(super) fn supported(program: &Program, source: &str) -> Result<(), String> {
    let mut nodes = 0;
    walk(program, source, program.expression(), &mut nodes)
}

fn walk(program: &Program, source: &str, e: &IdedExpr, nodes: &mut usize) -> Result<(), String> {
    *nodes += 1;
    if *nodes > limits::EXPRESSION_NODES {
        return Err(format!("has more than {} parts", limits::EXPRESSION_NODES));
    }
    let place = || place(program, source, e.id);
    match &e.expr {
        Expr::Unspecified => Err(format!("does not compile{}", place())),
        Expr::Ident(_) => Ok(()),
        Expr::Literal(LiteralValue::Bytes(_)) => Err(format!(
            "does not compile{}: bytes are not supported; use a string",
            place()
        )),
        Expr::Literal(_) => Ok(()),
        Expr::Select(select) => walk(program, source, &select.operand, nodes),
        Expr::List(list) => {
            if !list.optional_indices.is_empty() {
                return Err(format!(
                    "does not compile{}: optional elements are not supported",
                    place()
                ));
            }
            list.elements
                .iter()
                .try_for_each(|e| walk(program, source, e, nodes))
        }
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) if !entry.optional => {
                walk(program, source, &entry.key, nodes)?;
                walk(program, source, &entry.value, nodes)
            }
            _ => Err(format!(
                "does not compile{}: optional entries are not supported",
                place()
            )),
        }),
        Expr::Struct(_) => Err(format!(
            "does not compile{}: messages are not supported; use a map",
            place()
        )),
        Expr::Comprehension(c) => [
            &c.iter_range,
            &c.accu_init,
            &c.loop_cond,
            &c.loop_step,
            &c.result,
        ]
        .into_iter()
        .try_for_each(|e| walk(program, source, e, nodes)),
        Expr::Call(call) => {
            let given = call.args.len() + usize::from(call.target.is_some());
            functions::known(&call.func_name, call.target.is_some(), given).map_err(|why| {
                let at = place_of_name(program, source, e.id, &call.func_name);
                format!("does not compile{at}: {why}")
            })?;
            if let Some(target) = &call.target {
                walk(program, source, target, nodes)?;
            }
            call.args
                .iter()
                .try_for_each(|e| walk(program, source, e, nodes))
        }
    }
}

/// ` at line 1, column 7`, where the place is known.
fn place(program: &Program, source: &str, id: u64) -> String {
    match program.source_info().offset_for(id) {
        Some((start, _)) => place_at(source, start as usize),
        None => String::new(),
    }
}

/// The same of a function's name: what is known is the bracket behind it, or the dot before it.
fn place_of_name(program: &Program, source: &str, id: u64, name: &str) -> String {
    let Some((known, _)) = program.source_info().offset_for(id) else {
        return String::new();
    };
    let (known, length) = (known as usize, name.chars().count());
    let stands_at = |start: usize| source.chars().skip(start).take(length).eq(name.chars());
    let start = [known.saturating_sub(length), known + 1, known]
        .into_iter()
        .find(|start| stands_at(*start));
    place_at(source, start.unwrap_or(known))
}

fn place_at(source: &str, start: usize) -> String {
    let before: String = source.chars().take(start).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    format!(" at line {line}, column {column}")
}
