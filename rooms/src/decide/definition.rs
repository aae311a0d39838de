//! What can be wrong with a process to start: all of it is found now, at once, each with the path of its field; what is over a limit names
//! the limit.

use std::collections::BTreeSet;

use serde_json::Value;

use super::inputs;
use super::start::{check_name, cycle, keys};
use crate::facts::Facts;
use crate::id::{NAME_RULE, is_valid_name};
use crate::model::process::TemplateRef;
use crate::model::team::AgentTeam;
use crate::refusal::all_valid;
use crate::request as r;
use crate::{FieldError, Refusal, expression, limits};

/// Errors beyond these are not told: a request with so many is wrong as a whole.
const TOLD: usize = 100;

struct Check<'a> {
    errors: Vec<FieldError>,
    known: BTreeSet<&'a str>,
}

impl Check<'_> {
    fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.errors.len() < TOLD {
            self.errors.push(FieldError::new(path, message));
        }
    }

    fn most(&mut self, path: &str, what: &str, count: usize, most: usize) -> bool {
        if count > most {
            self.wrong(path, format!("may have at most {most} {what}, not {count}"));
        }
        count <= most
    }

    fn json(&mut self, path: &str, value: &Value, most: usize) {
        if let Some(why) = limits::too_large("this", value, most) {
            self.wrong(path, why);
        }
    }

    fn text(&mut self, path: &str, text: &str) {
        if text.len() > limits::TEXT {
            self.wrong(path, format!("may have at most {} bytes", limits::TEXT));
        }
    }
}

/// What a definition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A process, given in full.
    Process,
    /// A template: no team is known yet.
    Template,
    /// A process from a template, whose own templates were checked when it was made.
    FromTemplate,
}

impl Of {
    /// What is started, from a template or not.
    pub(super) fn start(template: Option<&TemplateRef>) -> Self {
        match template {
            Some(_) => Self::FromTemplate,
            None => Self::Process,
        }
    }
}

pub(super) fn check(
    start: &r::StartProcess,
    team: Option<&AgentTeam>,
    facts: &Facts,
    of: Of,
) -> Result<(), Refusal> {
    let keys = keys(&start.steps);
    let mut c = Check {
        errors: Vec::new(),
        known: keys.iter().map(String::as_str).collect(),
    };
    check_name("name", &start.name, &mut |p, m| c.wrong(p, m));
    c.text(
        "description",
        start.description.as_deref().unwrap_or_default(),
    );
    if start.steps.is_empty() {
        c.wrong("steps", "must have at least one step");
    }
    if !c.most("steps", "steps", start.steps.len(), limits::STEPS) {
        return all_valid(c.errors);
    }
    if let Some(context) = &start.context {
        check_context(&mut c, context);
    }
    let edges = start.steps.iter().map(|s| s.dependencies.len()).sum();
    c.most("steps", "dependencies in all", edges, limits::EDGES);
    let next = |s: &r::StepInput| {
        s.conditions
            .iter()
            .filter(|c| c.next_step_id.is_some())
            .count()
    };
    let nexts = start.steps.iter().map(next).sum();
    c.most(
        "steps",
        "conditions with nextStepId",
        nexts,
        limits::NEXT_STEPS,
    );
    if !c.errors.is_empty() {
        return all_valid(c.errors);
    }
    let mut seen = BTreeSet::new();
    for (n, (key, step)) in keys.iter().zip(&start.steps).enumerate() {
        if !is_valid_name(key) {
            c.wrong(format!("steps[{n}].key"), NAME_RULE);
        }
        if !seen.insert(key) {
            c.wrong(
                format!("steps[{n}].key"),
                format!("{key:?} is used twice; keys are unique in a process"),
            );
        }
        check_step(&mut c, &format!("steps[{n}]"), key, step);
        if let Some(team) = team {
            check_taker(&mut c, &format!("steps[{n}]"), step, team, facts);
        }
        check_process(&mut c, &format!("steps[{n}]"), step, facts, of);
    }
    if c.errors.is_empty()
        && let Some(circle) = cycle(&keys, &start.steps)
    {
        c.wrong(
            "steps",
            format!("the dependencies go in a circle: {}", circle.join(" → ")),
        );
    }
    all_valid(c.errors)
}

fn check_context(c: &mut Check<'_>, context: &r::ContextInput) {
    let shared = Value::Object(context.shared_data.clone());
    c.json("context.sharedData", &shared, limits::CONTEXT);
    if context
        .shared_data
        .get("steps")
        .is_some_and(|s| !s.is_object())
    {
        c.wrong(
            "context.sharedData.steps",
            "must be an object: the outputs of steps are put there",
        );
    }
    let variables = Value::Object(context.variables.clone());
    c.json("context.variables", &variables, limits::CONTEXT);
    let history = Value::Array(context.conversation_history.clone());
    c.json("context.conversationHistory", &history, limits::CONTEXT);
    for (name, ids) in [
        ("context.documentIds", &context.document_ids),
        ("context.sessionIds", &context.session_ids),
    ] {
        c.most(name, "ids", ids.len(), limits::STEPS);
        if ids.iter().any(|id| id.len() > limits::NAME) {
            c.wrong(name, format!("an id has at most {} bytes", limits::NAME));
        }
    }
}

fn check_step(c: &mut Check<'_>, at: &str, key: &str, step: &r::StepInput) {
    check_name(&format!("{at}.name"), &step.name, &mut |p, m| c.wrong(p, m));
    c.text(&format!("{at}.description"), &step.description);
    if !(1..=limits::ATTEMPTS).contains(&step.max_attempts.unwrap_or(3)) {
        c.wrong(
            format!("{at}.maxAttempts"),
            format!("must be from 1 to {}", limits::ATTEMPTS),
        );
    }
    if !(1..=limits::ATTEMPTS).contains(&step.max_lost_leases.unwrap_or(5)) {
        c.wrong(
            format!("{at}.maxLostLeases"),
            format!("must be from 1 to {}", limits::ATTEMPTS),
        );
    }
    if step.backoff_ms.is_some_and(|ms| ms > limits::BACKOFF_MS) {
        c.wrong(
            format!("{at}.backoffMs"),
            format!("must be at most {}", limits::BACKOFF_MS),
        );
    }
    if step
        .timeout_ms
        .is_some_and(|ms| !(1..=limits::LONGEST_MS).contains(&ms))
    {
        c.wrong(
            format!("{at}.timeoutMs"),
            format!("must be from 1 to {} (a year)", limits::LONGEST_MS),
        );
    }
    let path = format!("{at}.dependencies");
    if c.most(
        &path,
        "dependencies",
        step.dependencies.len(),
        limits::DEPENDENCIES,
    ) {
        for (d, dependency) in step.dependencies.iter().enumerate() {
            if dependency == key {
                c.wrong(format!("{path}[{d}]"), "a step cannot depend on itself");
            } else if !c.known.contains(dependency.as_str()) {
                c.wrong(
                    format!("{path}[{d}]"),
                    format!("there is no step with the key {dependency:?}"),
                );
            }
        }
    }
    let capabilities = step.required_capabilities.as_deref().unwrap_or_default();
    let path = format!("{at}.requiredCapabilities");
    if c.most(
        &path,
        "capabilities",
        capabilities.len(),
        limits::CAPABILITIES,
    ) {
        for (n, capability) in capabilities.iter().enumerate() {
            check_name(&format!("{path}[{n}]"), capability, &mut |p, m| {
                c.wrong(p, m)
            });
        }
    }
    let path = format!("{at}.conditions");
    if c.most(
        &path,
        "conditions",
        step.conditions.len(),
        limits::CONDITIONS,
    ) {
        for (n, condition) in step.conditions.iter().enumerate() {
            if let Err(why) = expression::check_or_empty(&condition.condition) {
                c.wrong(format!("{path}[{n}].condition"), why);
            }
            if let Some(next) = condition.next_step_id.as_deref()
                && !c.known.contains(next)
            {
                c.wrong(
                    format!("{path}[{n}].nextStepId"),
                    format!("there is no step with the key {next:?}"),
                );
            }
        }
    }
    let inputs = Value::Object(step.inputs.clone());
    let path = format!("{at}.inputs");
    match limits::too_large("this", &inputs, limits::INPUTS) {
        Some(why) => c.wrong(path, why),
        None => inputs::check(&inputs, &path, &mut |p, m| c.wrong(p, m)),
    }
    let metadata = Value::Object(step.metadata.clone());
    c.json(&format!("{at}.metadata"), &metadata, limits::METADATA);
}

fn check_taker(c: &mut Check<'_>, at: &str, step: &r::StepInput, team: &AgentTeam, facts: &Facts) {
    let Some(agent) = &step.assigned_agent_id else {
        return;
    };
    if facts.agents.get(agent).is_none_or(|a| a.archived) {
        c.wrong(
            format!("{at}.assignedAgentId"),
            format!("there is no agent {agent} in this workspace"),
        );
    } else if team.member(agent).is_none() {
        c.wrong(
            format!("{at}.assignedAgentId"),
            format!("{agent} is no active member of the team {:?}", team.name),
        );
    }
}

/// A step's work is an agent's or a process's.
fn check_process(c: &mut Check<'_>, at: &str, step: &r::StepInput, facts: &Facts, of: Of) {
    let Some(sub) = &step.process else {
        return;
    };
    for (name, given) in [
        ("assignedAgentId", step.assigned_agent_id.is_some()),
        ("requiredCapabilities", step.required_capabilities.is_some()),
        ("role", step.role.is_some()),
    ] {
        if given {
            c.wrong(
                format!("{at}.{name}"),
                "the step's work is a process: no agent takes it",
            );
        }
    }
    if of != Of::FromTemplate
        && facts
            .template(sub.template_id, sub.template_version)
            .is_none()
    {
        c.wrong(
            format!("{at}.process.templateId"),
            format!("there is no such template or version: {}", sub.template_id),
        );
    }
}
