//! Checking expressions while somebody writes them; what runs is checked again at the start of a process.

use rooms::expression;
use rooms::policy::Operation;
use rooms::request::CheckExpression;
use serde_json::json;

use super::call::Call;
use super::route::{Answer, Route, ok, route};
use crate::contract::shapes as s;

pub fn routes() -> Vec<Route> {
    vec![
        route(
            "post",
            "/expressions/check",
            "checkExpression",
            "Whether a CEL expression compiles",
            Operation::ProcessesRead,
            check,
        )
        .body::<CheckExpression>()
        .gives::<s::ExpressionCheck>()
        .only_reads(),
    ]
}

/// An expression that does not compile is an answer, not an error: the request itself was in order.
async fn check(call: Call) -> Answer {
    let ask: CheckExpression = call.parse()?;
    ok(match expression::check_or_empty(&ask.expression) {
        Ok(()) => json!({"valid": true}),
        Err(message) => json!({"valid": false, "message": message}),
    })
}
