//! Escalation and collaboration rules: asked on every event of the process, with the state as it is right after that event.
//!
//! What counts as one cause, so that no rule fires twice for it:
//! - A condition that names `event` is about that event: it fires for each event for which it holds.
//! - Any other is a statement about the state: it fires when it becomes true, and again only after it has been false. It is about the event's
//!   step where it names `step`, else about the whole process.
//!
//! Each firing is in the log (`rule.fired`) with what the condition saw and what came of it; that a statement no longer holds is there too
//! (`rule.cleared`). What a rule causes is asked of all rules but those that led to it, each fires at most once per command and step, and
//! [`limits::FIRINGS`] times in a process: so there are no loops.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Decider, json as to_json};
use crate::event::{EventBody, RuleChange, RuleFired, RuleKind};
use crate::expression::{self, Names};
use crate::id::StepId;
use crate::limits;
use crate::model::Object;
use crate::model::team::TeamConfiguration;
use crate::state::ProcessState;

/// A rule by its place: escalation rules first, then collaboration rules.
type RuleAt = usize;

/// A firing whose action is still to be done.
struct Pending {
    rule: RuleAt,
    step: Option<StepId>,
    event: &'static str,
    seen: Object,
    latched: bool,
    /// The rules that led to it.
    chain: Vec<RuleAt>,
}

/// What the rules of this command are at.
pub(super) struct Rules {
    pending: Vec<Pending>,
    /// The rules whose action is being done, and those that led to them: not asked about what it causes.
    acting: Vec<RuleAt>,
    fired: BTreeSet<(RuleAt, Option<StepId>)>,
    fuel: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            acting: Vec::new(),
            fired: BTreeSet::new(),
            fuel: limits::RULES_FUEL,
        }
    }
}

impl Rules {
    /// Rules that are asked about nothing.
    pub(super) fn silent() -> Self {
        Self {
            fuel: 0,
            ..Self::default()
        }
    }
}

/// A rule of either kind.
struct Rule<'a> {
    id: &'a str,
    kind: RuleKind,
    condition: &'a str,
}

fn rule_at(configuration: &TeamConfiguration, at: RuleAt) -> Option<Rule<'_>> {
    let escalations = &configuration.escalation_rules;
    if let Some(rule) = escalations.get(at) {
        return Some(Rule {
            id: &rule.id,
            kind: RuleKind::Escalation,
            condition: &rule.condition,
        });
    }
    let rule = configuration
        .collaboration_rules
        .get(at - escalations.len())?;
    Some(Rule {
        id: &rule.id,
        kind: RuleKind::Collaboration,
        condition: &rule.trigger_condition,
    })
}

impl Decider<'_> {
    /// Asks the rules about an event that has just been taken in.
    pub(super) fn ask_rules(&mut self, body: &EventBody, step: Option<StepId>) {
        let Some(process) = &self.state.process else {
            return;
        };
        let configuration = &process.process.configuration;
        let count = configuration.escalation_rules.len() + configuration.collaboration_rules.len();
        if count == 0
            || matches!(body, EventBody::RuleFired(_) | EventBody::RuleCleared(_))
            || self.rules.fuel == 0
        {
            return;
        }
        let process = std::sync::Arc::clone(process);
        let data = Data::of(&process, body, step);
        let mut cleared = Vec::new();
        for at in (0..count).filter(|at| !self.rules.acting.contains(at)) {
            let Some(rule) = rule_at(&process.process.configuration, at) else {
                continue;
            };
            let about_event = expression::mentions(rule.condition, "event");
            let about_step = expression::mentions(rule.condition, "step");
            if about_step && step.is_none() {
                continue;
            }
            let subject = step.filter(|_| about_step || about_event);
            let names = data.names(&process);
            // What cannot be evaluated (there is no such output yet, say) says neither yes nor no.
            let Ok(holds) = expression::holds_within(rule.condition, &names, &mut self.rules.fuel)
            else {
                continue;
            };
            let latched = !about_event;
            let held = latched && process.rules.holds(rule.id, subject);
            if !holds {
                if held {
                    cleared.push(RuleChange {
                        rule_id: rule.id.to_owned(),
                        step_id: subject,
                    });
                }
                continue;
            }
            let often = process.rules.count(rule.id) >= limits::FIRINGS;
            if held || often || !self.rules.fired.insert((at, subject)) {
                continue;
            }
            let seen = expression::seen(rule.condition, &names);
            self.rules.pending.push(Pending {
                rule: at,
                step,
                event: static_name(body),
                seen,
                latched,
                chain: self.rules.acting.clone(),
            });
        }
        for change in cleared {
            self.emit(EventBody::RuleCleared(change));
        }
    }

    /// Does what the rules that fired ask for. An action may let others fire; the chain of them cannot come back to itself.
    pub(super) fn act_on_rules(&mut self) {
        while !self.rules.pending.is_empty() {
            let Pending {
                rule: at,
                step,
                event,
                seen,
                latched,
                chain,
            } = self.rules.pending.remove(0);
            let Some(process) = self.state.process.clone() else {
                return;
            };
            let configuration = &process.process.configuration;
            let Some(rule) = rule_at(configuration, at) else {
                continue;
            };
            self.rules.acting = chain;
            self.rules.acting.push(at);
            let escalations = configuration.escalation_rules.len();
            let act = match configuration.escalation_rules.get(at) {
                Some(rule) => self.plan_escalation(&process, rule, step, &seen),
                None => match configuration.collaboration_rules.get(at - escalations) {
                    Some(rule) => self.plan_collaboration(&process, rule, step),
                    None => continue,
                },
            };
            let about_step = expression::mentions(rule.condition, "step")
                || expression::mentions(rule.condition, "event");
            self.emit(EventBody::RuleFired(RuleFired {
                rule_id: rule.id.to_owned(),
                kind: rule.kind,
                condition: rule.condition.to_owned(),
                step_id: step.filter(|_| about_step),
                event: event.to_owned(),
                seen,
                action: act.name().to_owned(),
                outcome: act.outcome(),
                latched,
                redirected: act.redirect(),
            }));
            self.act(act, rule.id);
        }
        self.rules.acting.clear();
    }
}

fn static_name(body: &EventBody) -> &'static str {
    match body.name() {
        std::borrow::Cow::Borrowed(name) => name,
        std::borrow::Cow::Owned(_) => "custom",
    }
}

/// What rules see, beside sharedData and variables.
struct Data {
    event: Value,
    step: Value,
    process: Value,
    metrics: Value,
    error: Value,
}

impl Data {
    fn of(process: &ProcessState, body: &EventBody, step: Option<StepId>) -> Self {
        let p = &process.process;
        let step = step.and_then(|id| process.step(id));
        let error = step
            .and_then(|s| s.error.as_ref())
            .or(p.error.as_ref())
            .map_or(Value::Null, to_json);
        // The data of a process's creation is the process itself, steps and all.
        let mut event = match body {
            EventBody::ProcessCreated(_) => json!({"type": body.name(), "data": {"id": p.id}}),
            body => to_json(body),
        };
        event["step"] = step.map_or(Value::Null, |s| json!(s.key));
        Self {
            event,
            step: step.map_or(Value::Null, |s| to_json(&**s)),
            process: json!({
                "id": p.id, "name": p.name, "status": p.status, "priority": p.priority,
                "currentStep": p.current_step, "totalSteps": p.total_steps, "elapsedMs": p.elapsed_ms,
                "initiatedBy": p.initiated_by, "teamId": p.team_id,
            }),
            metrics: to_json(&p.metrics),
            error,
        }
    }

    fn names<'a>(&'a self, process: &'a ProcessState) -> Names<'a> {
        let mut names = Names::default()
            .with("event", &self.event)
            .with("step", &self.step)
            .with("process", &self.process)
            .with("metrics", &self.metrics)
            .with("error", &self.error)
            .with_object("sharedData", &process.context.shared_data)
            .with_object("variables", &process.context.variables);
        if let Some(inputs) = self.step.get("inputs") {
            names = names.with("inputs", inputs);
        }
        if let Some(outputs) = self.step.get("outputs") {
            names = names.with("outputs", outputs);
        }
        if let Some(metrics) = self.metrics.as_object() {
            names = names.open(metrics);
        }
        names.open(&process.context.shared_data)
    }
}
