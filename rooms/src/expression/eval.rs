//! The evaluation: a walk over the parsed expression that spends fuel with every part.

use std::rc::Rc;

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use serde_json::Value;

use super::value::{Text, Val};
use super::{Names, functions};
use crate::limits;
use crate::model::Object;

/// Why there is no value.
pub(super) enum Fault {
    /// The expression does not fit its values. `&&` and `||` get over it when their other side decides.
    Error(String),
    /// The fuel is spent; nothing gets over that.
    Spent,
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Error(why)
    }
}

pub(super) type Step<'a> = Result<Val<'a>, Fault>;

/// One evaluation.
pub(super) struct Machine<'a> {
    names: &'a Names<'a>,
    /// Names of comprehensions, the innermost last.
    scope: Vec<(&'a str, Val<'a>)>,
    fuel: u64,
    pub(super) patterns: Vec<(String, regex::Regex)>,
}

pub(super) fn run(e: &IdedExpr, names: &Names<'_>, fuel: &mut u64) -> Result<Value, String> {
    let given = (*fuel).min(limits::FUEL);
    let mut machine = Machine {
        names,
        scope: Vec::new(),
        fuel: given,
        patterns: Vec::new(),
    };
    let value = machine
        .eval(e)
        .and_then(|value| value.to_json(&mut |n| machine.spend(n)));
    *fuel -= given - machine.fuel;
    value.map_err(|fault| match fault {
        Fault::Error(why) => why,
        Fault::Spent => format!(
            "costs too much to evaluate: more than {} steps, list elements and 16-byte pieces of text",
            limits::FUEL
        ),
    })
}

impl<'a> Machine<'a> {
    /// Pays for `n` parts.
    pub(super) fn spend(&mut self, n: u64) -> Result<(), Fault> {
        match self.fuel.checked_sub(n) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => {
                self.fuel = 0;
                Err(Fault::Spent)
            }
        }
    }

    pub(super) fn eval(&mut self, e: &'a IdedExpr) -> Step<'a> {
        self.spend(1)?;
        match &e.expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                let from = self.eval(&select.operand)?;
                if select.test {
                    if !from.is_map() {
                        return Err(Fault::Error(format!(
                            "has() needs a map, not a {}",
                            from.type_name()
                        )));
                    }
                    return Ok(Val::Bool(from.field(&select.field).is_some()));
                }
                from.field(&select.field).ok_or_else(|| {
                    Fault::Error(format!(
                        "there is no {:?} in {}",
                        select.field,
                        shown(&select.operand)
                    ))
                })
            }
            Expr::List(list) => {
                let mut items = Vec::with_capacity(list.elements.len());
                for item in &list.elements {
                    items.push(self.eval(item)?);
                }
                Ok(Val::List(Rc::new(items)))
            }
            Expr::Map(map) => {
                let mut entries: Vec<(Text<'a>, Val<'a>)> = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(Fault::Error("a map has keys and values".to_owned()));
                    };
                    let key = match self.eval(&entry.key)? {
                        Val::Text(text) => text,
                        Val::Int(n) => Text::Own(n.to_string().into()),
                        Val::Bool(b) => Text::Own(b.to_string().into()),
                        other => {
                            return Err(Fault::Error(format!(
                                "a {} cannot be a key",
                                other.type_name()
                            )));
                        }
                    };
                    if entries.iter().any(|(k, _)| k.as_str() == key.as_str()) {
                        return Err(Fault::Error(format!(
                            "the key {:?} is there twice",
                            key.as_str()
                        )));
                    }
                    let value = self.eval(&entry.value)?;
                    entries.push((key, value));
                }
                Ok(Val::Map(Rc::new(entries)))
            }
            Expr::Comprehension(c) => self.comprehension(c),
            Expr::Call(call) => self.call(call),
            Expr::Struct(_) | Expr::Unspecified => Err(Fault::Error("is not supported".to_owned())),
        }
    }

    fn name(&self, name: &str) -> Step<'a> {
        if let Some((_, value)) = self.scope.iter().rev().find(|(n, _)| *n == name) {
            return Ok(value.clone());
        }
        match self.names.get(name) {
            Some(value) => Ok(value),
            None => functions::type_named(name)
                .map(Val::Type)
                .ok_or_else(|| Fault::Error(format!("there is nothing named {name:?}"))),
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> Step<'a> {
        let args = &call.args;
        match (call.func_name.as_str(), args.as_slice()) {
            (op::LOGICAL_AND, _) => self.all(args, false),
            (op::LOGICAL_OR, _) => self.all(args, true),
            (op::CONDITIONAL, [test, yes, no]) => match self.eval(test)? {
                Val::Bool(true) => self.eval(yes),
                Val::Bool(false) => self.eval(no),
                other => Err(no_overload("_?_:_", &[other])),
            },
            (op::NOT_STRICTLY_FALSE, [test]) => match self.eval(test) {
                Ok(Val::Bool(false)) => Ok(Val::Bool(false)),
                Err(Fault::Spent) => Err(Fault::Spent),
                _ => Ok(Val::Bool(true)),
            },
            (name, _) => {
                let mut values = Vec::with_capacity(args.len() + 1);
                if let Some(target) = &call.target {
                    values.push(self.eval(target)?);
                }
                for arg in args {
                    values.push(self.eval(arg)?);
                }
                functions::apply(self, name, values)
            }
        }
    }

    /// `&&` (ends at false) and `||` (ends at true). An error of one side does not matter where another side decides.
    fn all(&mut self, args: &'a [IdedExpr], decides: bool) -> Step<'a> {
        let mut error = None;
        for arg in args {
            match self.eval(arg) {
                Ok(Val::Bool(value)) if value == decides => return Ok(Val::Bool(decides)),
                Ok(Val::Bool(_)) => {}
                Ok(other) => {
                    let name = if decides { "_||_" } else { "_&&_" };
                    error.get_or_insert(no_overload(name, &[other]));
                }
                Err(Fault::Spent) => return Err(Fault::Spent),
                Err(why) => {
                    error.get_or_insert(why);
                }
            }
        }
        error.map_or(Ok(Val::Bool(!decides)), Err)
    }

    /// `all`, `exists`, `exists_one`, `map`, `filter`: the parser has written them out as a loop.
    fn comprehension(&mut self, c: &'a ComprehensionExpr) -> Step<'a> {
        let range = self.eval(&c.iter_range)?;
        let Some(len) = range.len() else {
            return Err(Fault::Error(format!(
                "a {} has no elements",
                range.type_name()
            )));
        };
        // A JSON object's keys are not to be had by number.
        let keys: Vec<&'a str> = match &range {
            Val::Object(map) => {
                self.spend(map.len() as u64)?;
                map.keys().map(String::as_str).collect()
            }
            _ => Vec::new(),
        };
        let start = self.eval(&c.accu_init)?;
        let base = self.scope.len();
        self.scope.push((&c.accu_var, start));
        let result = self.rounds(c, &range, &keys, len, base);
        let result = result.and_then(|()| self.eval(&c.result));
        self.scope.truncate(base);
        result
    }

    fn rounds(
        &mut self,
        c: &'a ComprehensionExpr,
        range: &Val<'a>,
        keys: &[&'a str],
        len: usize,
        base: usize,
    ) -> Result<(), Fault> {
        for n in 0..len {
            self.spend(1)?;
            match self.eval(&c.loop_cond)? {
                Val::Bool(true) => {}
                _ => break,
            }
            let item = match keys.get(n) {
                Some(key) => Val::Text(Text::Lent(key)),
                None => range.nth(n).unwrap_or(Val::Null),
            };
            self.scope.push((&c.iter_var, item));
            let next = self.next(c, &c.loop_step, base);
            self.scope.truncate(base + 1);
            match next {
                Ok(Some(value)) => self.scope[base].1 = value,
                Ok(None) => {}
                Err(Fault::Error(why)) if is_logic(&c.loop_step) => return Err(Fault::Error(why)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// The accumulator's next value; none when it stays or was changed where it lies: a list that grows is not copied in every round.
    fn next(
        &mut self,
        c: &'a ComprehensionExpr,
        e: &'a IdedExpr,
        base: usize,
    ) -> Result<Option<Val<'a>>, Fault> {
        let is_accu = |e: &IdedExpr| matches!(&e.expr, Expr::Ident(name) if *name == c.accu_var);
        match &e.expr {
            Expr::Ident(_) if is_accu(e) => Ok(None),
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                (op::CONDITIONAL, [test, yes, no]) => {
                    self.spend(1)?;
                    match self.eval(test)? {
                        Val::Bool(true) => self.next(c, yes, base),
                        Val::Bool(false) => self.next(c, no, base),
                        other => Err(no_overload("_?_:_", &[other])),
                    }
                }
                (op::ADD, [accu, more]) if is_accu(accu) && matches!(more.expr, Expr::List(_)) => {
                    self.spend(1)?;
                    let Val::List(more) = self.eval(more)? else {
                        return Err(Fault::Error("a list is expected".to_owned()));
                    };
                    match &mut self.scope[base].1 {
                        Val::List(list) => {
                            Rc::make_mut(list).extend(more.iter().cloned());
                            Ok(None)
                        }
                        other => Err(no_overload("_+_", std::slice::from_ref(other))),
                    }
                }
                _ => self.eval(e).map(Some),
            },
            _ => self.eval(e).map(Some),
        }
    }
}

fn is_logic(e: &IdedExpr) -> bool {
    matches!(&e.expr, Expr::Call(c) if matches!(c.func_name.as_str(), op::LOGICAL_AND | op::LOGICAL_OR))
}

fn literal_value(literal: &LiteralValue) -> Val<'_> {
    match literal {
        LiteralValue::Null | LiteralValue::Bytes(_) => Val::Null,
        LiteralValue::Boolean(v) => Val::Bool(*v.inner()),
        LiteralValue::Int(v) => Val::Int(*v.inner()),
        LiteralValue::UInt(v) => match i64::try_from(*v.inner()) {
            Ok(v) => Val::Int(v),
            #[expect(
                clippy::cast_precision_loss,
                reason = "beyond int there is only double"
            )]
            Err(_) => Val::Double(*v.inner() as f64),
        },
        LiteralValue::Double(v) => Val::Double(*v.inner()),
        LiteralValue::String(v) => Val::Text(Text::Lent(v.inner())),
    }
}

pub(super) fn no_overload(name: &str, values: &[Val<'_>]) -> Fault {
    let types: Vec<_> = values.iter().map(Val::type_name).collect();
    let name = name.trim_matches('_');
    Fault::Error(format!("{name} does not take {}", types.join(" and ")))
}

/// A path as it was written, for an error.
fn shown(e: &IdedExpr) -> String {
    path(e).unwrap_or_else(|| "the value".to_owned())
}

fn path(e: &IdedExpr) -> Option<String> {
    match &e.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}

/// Values that are longer than this in the record of what was seen are cut.
const SEEN: usize = 512;

/// Collects the values of all paths that an expression names.
pub(super) fn seen(e: &IdedExpr, names: &Names<'_>, out: &mut Object) {
    if out.len() >= 20 {
        return;
    }
    if let Some(name) = path(e) {
        if let Some(value) = look_up(e, names) {
            let value = match value.to_json::<String>(&mut |_| Ok(())) {
                Ok(value) if limits::size_of(&value, SEEN) <= SEEN => value,
                _ => Value::from("…"),
            };
            out.insert(name, value);
        }
        return;
    }
    match &e.expr {
        Expr::Select(select) => seen(&select.operand, names, out),
        Expr::List(list) => list.elements.iter().for_each(|e| seen(e, names, out)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    seen(&entry.value, names, out);
                }
            }
        }
        Expr::Call(call) => {
            for e in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                seen(e, names, out);
            }
        }
        Expr::Comprehension(c) => {
            seen(&c.iter_range, names, out);
            seen(&c.loop_step, names, out);
        }
        _ => {}
    }
}

/// A path's value; a collection that is too large to show is not copied to find out.
fn look_up<'a>(e: &IdedExpr, names: &'a Names<'a>) -> Option<Val<'a>> {
    let value = match &e.expr {
        Expr::Ident(name) => names.get(name)?,
        Expr::Select(select) => look_up(&select.operand, names)?.field(&select.field)?,
        _ => return None,
    };
    Some(value)
}
