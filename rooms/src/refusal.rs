//! Why a command was refused. One code per kind; the server maps them to HTTP statuses and acks in one place.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is malformed or breaks a rule that needs no state to check.
    InvalidRequest,
    /// No valid credential.
    Unauthenticated,
    /// The credential does not allow this.
    Forbidden,
    /// No such thing in this workspace.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// Somebody decided before.
    AlreadyResolved,
    /// The answer is to an older round of the question.
    Superseded,
    /// The caller no longer holds the step.
    StaleLease,
    /// The thing is not in a state that allows this.
    IllegalTransition,
    /// The idempotency key was used with another body.
    IdempotencyConflict,
    /// Too large.
    PayloadTooLarge,
    /// Too many requests.
    RateLimited,
    /// Try again later.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// The code as the contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::AlreadyResolved => "already_resolved",
            Self::Superseded => "superseded",
            Self::StaleLease => "stale_lease",
            Self::IllegalTransition => "illegal_transition",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: `steps[2].dependencies[0]`; empty for the whole body.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// A refused command: nothing changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// What happened and what to do, for a person.
    pub detail: String,
    /// Every field error at once.
    pub errors: Vec<FieldError>,
    /// What a program needs to go on, e.g. `{holder}` or `{intervention}`.
    pub context: Option<Box<Value>>,
}

impl Refusal {
    /// A refusal with a code and a sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            context: None,
        }
    }

    /// The same with something for a program.
    #[must_use]
    pub fn with_context(mut self, context: Value) -> Self {
        self.context = Some(Box::new(context));
        self
    }

    /// One or more wrong fields.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.path.is_empty() => only.message.clone(),
            [only] => format!("{}: {}", only.path, only.message),
            many => format!("{} fields are wrong; see errors", many.len()),
        };
        Self {
            code: Code::InvalidRequest,
            detail,
            errors,
            context: None,
        }
    }

    /// One wrong field.
    pub fn field(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(path, message)])
    }

    /// No such thing, or not in this workspace: the answer is the same.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(
            Code::NotFound,
            format!("there is no {what} {id} in this workspace"),
        )
    }

    /// The thing is not in a state that allows this.
    pub fn illegal(detail: impl Into<String>) -> Self {
        Self::new(Code::IllegalTransition, detail)
    }

    /// The caller may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }
}

/// Several checks as one, so that all the fields that are wrong are told at once; where one of them is not about a field, that one is.
pub fn together(checks: impl IntoIterator<Item = Result<(), Refusal>>) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    for refusal in checks.into_iter().filter_map(Result::err) {
        if refusal.code != Code::InvalidRequest {
            return Err(refusal);
        }
        errors.extend(refusal.errors);
    }
    all_valid(errors)
}

/// `Ok` when there are no errors, else the refusal that names them all.
pub fn all_valid(errors: Vec<FieldError>) -> Result<(), Refusal> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid(errors))
    }
}
