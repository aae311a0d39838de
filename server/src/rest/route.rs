//! How a row of the table is written, and what it says of a route.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use futures::future::BoxFuture;
use rooms::policy::Operation;
use serde_json::Value;
use utoipa::ToSchema;

use super::call::Call;
use crate::commands;
use crate::commands::table::Reply as CommandReply;
use crate::contract::{Shape, shape};
use crate::hub::Hub;
use crate::problem::Refused;

/// The most items of a list's page.
const MOST_ITEMS: u64 = 200;
/// The most events of a log's part.
const MOST_EVENTS: u64 = 500;

/// What a handler gives.
pub type Answer = Result<Response, Refused>;

/// What a route answers with.
#[derive(Clone, Copy)]
pub enum Reply {
    /// No body.
    Nothing,
    /// Plain text.
    Text,
    /// One resource.
    One(Shape),
    /// A page of resources: `{items, nextCursor?}`, with `limit` and `cursor` in the query.
    List(Shape),
}

/// A parameter of the query.
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Its values, where they are few.
    pub values: &'static [&'static str],
    /// What its value looks like.
    pub form: Form,
}

/// What the value of a parameter looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text, or one of the values.
    Text,
    /// A whole number, 0 or more.
    Whole,
    /// A UUID.
    Id,
    /// RFC 3339, or a day.
    Time,
}

/// Who serves a route.
pub enum Serve {
    /// With a credential, under [`BASE`].
    Call(Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>),
    /// Without one, anywhere.
    Open(Box<MethodRouter<Arc<Hub>>>),
}

/// A route.
pub struct Route {
    /// `get`, `post`, `put`, `patch` or `delete`.
    pub method: &'static str,
    /// Under [`BASE`], where it needs a credential.
    pub path: &'static str,
    /// The operation's id in OpenAPI.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What the audit calls it: the command that it runs, else a name of its own.
    pub action: &'static str,
    /// Its rule in the policy; none: whoever has a credential.
    pub operation: Option<Operation>,
    /// The status of a success.
    pub status: u16,
    /// Whether a success says where the new resource is.
    pub located: bool,
    /// What the body is.
    pub body: Option<Shape>,
    /// What the answer is.
    pub reply: Reply,
    /// What the query takes.
    pub query: Vec<Param>,
    /// It changes nothing, whatever its method.
    pub reads: bool,
    /// Who serves it.
    pub serve: Serve,
}

impl Route {
    /// The method, for the router.
    pub fn filter(&self) -> MethodFilter {
        match self.method {
            "post" => MethodFilter::POST,
            "put" => MethodFilter::PUT,
            "patch" => MethodFilter::PATCH,
            "delete" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        }
    }

    /// The most items of a page.
    pub fn most(&self) -> u64 {
        match self.reply {
            Reply::List(_) => MOST_ITEMS,
            _ => MOST_EVENTS,
        }
    }

    /// The names in its path, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether it needs no credential.
    pub fn is_open(&self) -> bool {
        matches!(self.serve, Serve::Open(_))
    }

    /// Describes the body.
    pub fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(shape::<T>());
        self
    }

    /// Describes the answer.
    pub fn gives<T: ToSchema>(mut self) -> Self {
        self.reply = Reply::One(shape::<T>());
        self
    }

    /// Describes the items of a page.
    pub fn lists<T: ToSchema>(mut self) -> Self {
        self.reply = Reply::List(shape::<T>());
        self
    }

    /// Says the status of a success.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// It makes something, and says where.
    pub fn located(mut self) -> Self {
        self.located = true;
        self.status(201)
    }

    /// Names it for the audit.
    pub fn action(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }

    /// Says that it changes nothing, though it takes a body.
    pub fn only_reads(mut self) -> Self {
        self.reads = true;
        self
    }

    /// Whether it changes something: then it takes an Idempotency-Key, and its refusal is in the audit.
    pub fn changes(&self) -> bool {
        !self.reads
    }

    /// Describes a parameter of the query.
    pub fn query(
        self,
        name: &'static str,
        what: &'static str,
        values: &'static [&'static str],
    ) -> Self {
        self.param(name, what, values, Form::Text)
    }

    /// Describes one that is a whole number.
    pub fn whole(self, name: &'static str, what: &'static str) -> Self {
        self.param(name, what, &[], Form::Whole)
    }

    /// Describes one that is a UUID.
    pub fn id(self, name: &'static str, what: &'static str) -> Self {
        self.param(name, what, &[], Form::Id)
    }

    /// Describes one that is a time.
    pub fn time(self, name: &'static str, what: &'static str) -> Self {
        self.param(name, what, &[], Form::Time)
    }

    fn param(
        mut self,
        name: &'static str,
        what: &'static str,
        values: &'static [&'static str],
        form: Form,
    ) -> Self {
        self.query.push(Param {
            name,
            what,
            values,
            form,
        });
        self
    }
}

/// A route with a handler of its own.
pub fn route<F>(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    operation: impl Into<Option<Operation>>,
    handler: impl Fn(Call) -> F + Send + Sync + 'static,
) -> Route
where
    F: Future<Output = Answer> + Send + 'static,
{
    Route {
        method,
        path,
        id,
        summary,
        action: id,
        operation: operation.into(),
        status: 200,
        located: false,
        body: None,
        reply: Reply::Nothing,
        query: Vec::new(),
        reads: method == "get",
        serve: Serve::Call(Arc::new(move |call| Box::pin(handler(call)))),
    }
}

/// What a route that runs a command does beside that.
#[derive(Clone, Copy, Default)]
pub struct Run {
    /// The field of the payload that the path's id goes into.
    pub id: Option<&'static str>,
    /// The part of the ack that is the resource.
    pub part: Option<&'static str>,
    /// Where the new resource is, under [`BASE`]: with the names of the route's own path, and the resource's `{id}`.
    pub at: Option<&'static str>,
}

/// A route that runs a command: what the command takes is the body, what it gives is the answer.
pub fn runs(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    command: &'static str,
    run: Run,
) -> Route {
    let row = commands::all().iter().find(|row| row.name == command);
    let Some(row) = row else {
        unreachable!("{command} is in the table of commands");
    };
    let status = match run {
        Run { at: Some(_), .. } => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let handler = move |call: Call| async move {
        let mut payload = call.body()?;
        if let Some(field) = run.id {
            payload[field] = call.id().into();
        }
        let mut reply = call.run(command, payload).await?;
        if let Some(part) = run.part {
            reply = reply[part].take();
        }
        Ok(match run {
            Run { at: Some(at), .. } => created(&call.place(at, &reply), reply),
            _ => (status, Json(reply)).into_response(),
        })
    };
    let mut route = route(method, path, id, row.summary, row.operation, handler);
    route.action = command;
    route.status = status.as_u16();
    route.located = run.at.is_some();
    route.body = row.request;
    route.reply = match row.reply {
        CommandReply::Is(shape) => Reply::One(shape()),
        CommandReply::Has(fields) => {
            let part = fields.iter().find(|f| Some(f.0) == run.part);
            match part {
                Some((_, commands::table::Kind::One(shape))) => Reply::One(shape()),
                _ => Reply::Nothing,
            }
        }
    };
    route
}

/// A route that anybody may call.
pub fn open(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    reply: Reply,
    handler: MethodRouter<Arc<Hub>>,
) -> Route {
    Route {
        method: "get",
        path,
        id,
        summary,
        action: id,
        operation: None,
        status: 200,
        located: false,
        body: None,
        reply,
        query: Vec::new(),
        reads: true,
        serve: Serve::Open(Box::new(handler)),
    }
}

/// A new resource, and where it is.
fn created(location: &str, resource: Value) -> Response {
    let mut response = (StatusCode::CREATED, Json(resource)).into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A resource.
pub fn ok(value: Value) -> Answer {
    Ok(Json(value).into_response())
}
