//! Alerts: raised in the transaction of what causes them, and resolved in that of what ends their cause.
//!
//! The rules are those that the workspace had when the process began. A rule about the process (its rate of errors, how often it asked
//! people) raises an alert when its metric rises above the threshold; one about a step, at each lease that is lost; one about a question,
//! when it is overdue. There is never more than one open alert of a rule for the same process, step or question.
//!
//! An alert that no person resolves ends with its cause: the rate fell (a retry, more steps), the step ended, the question was answered. A
//! process that completes or is cancelled takes its alerts with it. One that has failed leaves them to people.

use serde_json::json;

use super::{Decider, Ruled, TimerOp};
use crate::command::Timer;
use crate::event::{AlertChange, EventBody};
use crate::id::{AlertId, InterventionId, StepId};
use crate::model::Object;
use crate::model::intervention::HumanIntervention;
use crate::model::monitoring::{Alert, AlertRule, AlertRules, Metric, Recommendation};
use crate::model::process::ProcessStatus;
use crate::model::room::{RoomRole, RoomType};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, FieldError, Refusal, Timestamp, id, limits, monitoring};

/// The percentage of a reminder that is none: the question is overdue.
pub(super) const OVERDUE: u8 = 100;

/// A metric that an event may move, as it was before. Most events move none.
pub(super) enum Watch {
    ErrorRate(f64),
    Interventions(u64),
    /// A step, and how many leases it had lost.
    Leases(StepId, u32),
    StepEnded(StepId),
    Closed(InterventionId),
}

impl Watch {
    /// What is to be looked at once the event has been taken in.
    pub(super) fn on(process: Option<&ProcessState>, body: &EventBody) -> Option<Self> {
        use EventBody as E;
        let process = process?;
        match body {
            E::StepFailed(_) | E::ProcessRetried(_) => {
                Some(Self::ErrorRate(monitoring::error_rate(process)))
            }
            E::HandoffAccepted(c) if c.child.is_some() => {
                Some(Self::ErrorRate(monitoring::error_rate(process)))
            }
            E::InterventionRequested(_) => Some(Self::Interventions(
                process.process.metrics.human_intervention_count,
            )),
            E::AssignmentExpired(c) => {
                let step = process.step(c.step_id)?;
                Some(Self::Leases(step.id, step.lost_leases))
            }
            _ if process.alerts.is_empty() => None,
            E::StepCompleted(c) | E::StepSkipped(c) | E::StepCancelled(c) => {
                Some(Self::StepEnded(c.id))
            }
            E::InterventionCompleted(c)
            | E::InterventionExpired(c)
            | E::InterventionCancelled(c) => Some(Self::Closed(c.id)),
            _ => None,
        }
    }
}

/// What an alert says.
struct Said {
    step: Option<StepId>,
    intervention: Option<InterventionId>,
    value: f64,
    message: String,
    details: Object,
}

fn about(message: String, value: f64, details: serde_json::Value) -> Said {
    let details = match details {
        serde_json::Value::Object(details) => details,
        _ => Object::new(),
    };
    Said {
        step: None,
        intervention: None,
        value,
        message,
        details,
    }
}

/// A number as a person writes it: 33.3, 40.
fn plain(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    rounded.to_string()
}

fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

impl Decider<'_> {
    /// Looks at a metric that an event has moved.
    pub(super) fn watch_alerts(&mut self, watch: &Watch) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let name = &process.process.name;
        match *watch {
            Watch::ErrorRate(before) => {
                let (failed, all) = monitoring::failures(&process);
                let now = monitoring::error_rate(&process);
                self.compare(&process, Metric::ErrorRate, before, now, || {
                    about(
                        format!(
                            "{} % of the steps of “{name}” have failed: {failed} of {all}",
                            plain(now)
                        ),
                        now,
                        json!({"failedSteps": failed, "totalSteps": all}),
                    )
                });
                self.resolve_where(&process, "the step begins anew", |alert| {
                    let step = of_step(alert).and_then(|id| process.step(id));
                    step.is_some_and(|s| s.lost_leases == 0)
                });
            }
            Watch::Interventions(before) => {
                let now = process.process.metrics.human_intervention_count;
                self.compare(
                    &process,
                    Metric::Interventions,
                    before as f64,
                    now as f64,
                    || {
                        about(
                            format!("“{name}” has asked people {now} times"),
                            now as f64,
                            json!({"interventions": now}),
                        )
                    },
                );
            }
            Watch::Leases(id, before) => {
                if let Some(step) = process.step(id).filter(|s| s.lost_leases > before) {
                    let lost = step.lost_leases;
                    for rule in process.process.alert_rules_for(Metric::LostLeases) {
                        if f64::from(lost) > rule.threshold {
                            let mut said = about(
                                format!(
                                    "The agent at work on “{}” in “{name}” let its lease lapse",
                                    step.name
                                ),
                                f64::from(lost),
                                json!({"stepKey": step.key, "lostLeases": lost, "maxLostLeases": step.max_lost_leases}),
                            );
                            said.step = Some(id);
                            self.raise(&process, &rule, said);
                        }
                    }
                }
            }
            Watch::StepEnded(id) => self.resolve_where(&process, "the step has ended", |alert| {
                of_step(alert) == Some(id)
            }),
            Watch::Closed(id) => self.resolve_where(&process, "the question is closed", |alert| {
                alert.intervention_id == Some(id)
            }),
        }
    }

    /// Raises where a metric of the whole process has risen above a threshold, resolves where it is no longer above.
    fn compare(
        &mut self,
        process: &ProcessState,
        metric: Metric,
        before: f64,
        now: f64,
        said: impl Fn() -> Said,
    ) {
        for rule in process.process.alert_rules_for(metric) {
            if now > rule.threshold {
                if before <= rule.threshold {
                    self.raise(process, &rule, said());
                }
            } else {
                self.resolve_where(process, "it is no longer above the threshold", |alert| {
                    alert.is_open_for(&rule.id, None, None)
                });
            }
        }
    }

    fn raise(&mut self, process: &ProcessState, rule: &AlertRule, said: Said) {
        let known = process
            .alerts
            .values()
            .any(|a| a.is_open_for(&rule.id, said.step, said.intervention));
        if known {
            return;
        }
        let mut details = said.details;
        details.insert("metric".to_owned(), json!(rule.metric));
        details.insert("value".to_owned(), json!(monitoring::rounded(said.value)));
        details.insert("threshold".to_owned(), json!(rule.threshold));
        let alert = Alert {
            id: self.ctx.id(),
            kind: rule.kind,
            severity: rule.severity,
            message: said.message,
            details,
            rule_id: rule.id.clone(),
            process_id: Some(process.process.id),
            step_id: said.step,
            intervention_id: said.intervention,
            timestamp: self.now(),
            acknowledged_by: None,
            acknowledged_at: None,
            resolved: false,
            resolved_at: None,
            resolved_by: None,
            resolution: None,
        };
        self.emit(EventBody::AlertRaised(alert));
    }

    fn resolve_where(&mut self, process: &ProcessState, why: &str, over: impl Fn(&Alert) -> bool) {
        for alert in process.alerts.values().filter(|a| !a.resolved && over(a)) {
            let mut change = alert_change(alert);
            change.resolved = true;
            change.reason = Some(why.to_owned());
            self.emit(EventBody::AlertResolved(change));
        }
    }

    /// The process is about to end: what its figures recommend, and what becomes of its alerts.
    pub(super) fn conclude(&mut self, body: &EventBody) {
        let (EventBody::ProcessCompleted(change)
        | EventBody::ProcessFailed(change)
        | EventBody::ProcessCancelled(change)) = body
        else {
            return;
        };
        let Some(process) = self.state.process.clone() else {
            return;
        };
        for (kind, message, evidence) in monitoring::recommend(&process) {
            // A process that is retried ends again: what was said once is not said again.
            if process.recommendations.values().all(|r| r.kind != kind) {
                let made = Recommendation {
                    id: self.ctx.id(),
                    kind,
                    message,
                    evidence,
                    process_id: process.process.id,
                    timestamp: self.now(),
                };
                self.emit(EventBody::RecommendationMade(made));
            }
        }
        if change.status != ProcessStatus::Failed {
            self.resolve_where(&process, "the process has ended", |_| true);
        }
    }

    /// When an open question becomes overdue, somebody should know; and again, where another rule has a higher threshold. What was to be
    /// raised up to `after` has been.
    pub(super) fn time_overdue(
        &mut self,
        intervention: InterventionId,
        level: u32,
        due: Timestamp,
        after: Option<Timestamp>,
    ) {
        let Some(process) = &self.state.process else {
            return;
        };
        let next = process
            .process
            .alert_rules_for(Metric::OverdueInterventions)
            .iter()
            .map(|rule| due.plus_ms(rule.threshold as u64))
            .filter(|at| after.is_none_or(|after| *at > after))
            .min();
        if let Some(due) = next {
            let timer = Timer::Reminder {
                intervention,
                level,
                percent: OVERDUE,
            };
            self.timers.push(TimerOp::Set { timer, due });
        }
    }

    /// Raises an alert for a question that is overdue by now.
    pub(super) fn overdue(&mut self, i: &HumanIntervention) {
        let (Some(process), Some(due)) = (self.state.process.clone(), i.due_at) else {
            return;
        };
        let late = self.now().ms_since(due);
        for rule in process
            .process
            .alert_rules_for(Metric::OverdueInterventions)
        {
            if self.now() >= due.plus_ms(rule.threshold as u64) {
                let mut said = about(
                    format!(
                        "A question of “{}” is overdue: {}",
                        process.process.name,
                        shortened(&i.description)
                    ),
                    late as f64,
                    json!({"dueAt": due, "overdueMs": late, "type": i.kind, "assignees": i.assignees}),
                );
                said.intervention = Some(i.id);
                said.step = i.step_id;
                self.raise(&process, &rule, said);
            }
        }
    }

    fn alert(&self, id: AlertId) -> Result<std::sync::Arc<Alert>, Refusal> {
        self.require_role(RoomRole::Participant)?;
        let process = self.process()?;
        let alert = process.alerts.get(&id).cloned();
        alert.ok_or_else(|| Refusal::not_found("alert", id))
    }

    /// Somebody has seen it. Whoever says so first is named.
    pub(super) fn acknowledge_alert(&mut self, id: AlertId) -> Ruled {
        let alert = self.alert(id)?;
        if alert.resolved {
            return Err(Refusal::new(
                Code::AlreadyResolved,
                "this alert is resolved; there is nothing left to look at",
            )
            .with_context(json!({"alert": *alert})));
        }
        if alert.acknowledged_by.is_none() {
            let mut change = alert_change(&alert);
            change.acknowledged_by = Some(self.ctx.principal.id.clone());
            self.emit(EventBody::AlertAcknowledged(change));
        }
        Ok(super::json(&*self.alert(id)?))
    }

    /// A person has dealt with it, whatever the metric says. It is raised again only for a new cause.
    pub(super) fn resolve_alert(&mut self, id: AlertId) -> Ruled {
        let alert = self.alert(id)?;
        if !alert.resolved {
            let mut change = alert_change(&alert);
            change.resolved = true;
            change.resolved_by = Some(self.ctx.principal.id.clone());
            self.emit(EventBody::AlertResolved(change));
        }
        Ok(super::json(&*self.alert(id)?))
    }

    /// The workspace's rules, all anew. Processes that begin from now on have them.
    pub(super) fn set_alert_rules(&mut self, rules: &r::SetAlertRules) -> Ruled {
        let is_space = self
            .state
            .room
            .as_ref()
            .is_some_and(|room| room.kind == RoomType::Workspace);
        if !is_space {
            return Err(Refusal::illegal("rules belong to the workspace's own room"));
        }
        let mut errors = Vec::new();
        if rules.items.len() > limits::RULES {
            errors.push(FieldError::new(
                "items",
                format!("at most {} rules", limits::RULES),
            ));
        }
        let mut items: Vec<AlertRule> = Vec::new();
        for (n, rule) in rules.items.iter().take(limits::RULES).enumerate() {
            let mut wrong = |field: &str, message: String| {
                errors.push(FieldError::new(format!("items[{n}].{field}"), message));
            };
            let id = rule.id.clone().unwrap_or_else(|| format!("rule-{}", n + 1));
            if !id::is_valid_name(&id) {
                wrong("id", id::NAME_RULE.to_owned());
            } else if items.iter().any(|known| known.id == id) {
                wrong("id", format!("{id} stands twice"));
            }
            let most = match rule.metric {
                Metric::ErrorRate => 100.0,
                Metric::Interventions | Metric::LostLeases => 1_000_000.0,
                Metric::OverdueInterventions => limits::LONGEST_MS as f64,
            };
            if !(0.0..=most).contains(&rule.threshold) {
                wrong("threshold", format!("must be from 0 to {most}"));
            }
            let (kind, severity) = rule.metric.usual();
            items.push(AlertRule {
                id,
                metric: rule.metric,
                threshold: rule.threshold,
                kind: rule.kind.unwrap_or(kind),
                severity: rule.severity.unwrap_or(severity),
                enabled: rule.enabled,
            });
        }
        crate::refusal::all_valid(errors)?;
        let made = AlertRules { items };
        let reply = super::json(&made);
        self.emit(EventBody::AlertRulesUpdated(made));
        Ok(reply)
    }
}

/// The step that an alert is about, where it is about no question.
fn of_step(alert: &Alert) -> Option<StepId> {
    alert.step_id.filter(|_| alert.intervention_id.is_none())
}

fn alert_change(alert: &Alert) -> AlertChange {
    AlertChange {
        id: alert.id,
        severity: alert.severity,
        message: alert.message.clone(),
        acknowledged_by: None,
        resolved: false,
        resolved_by: None,
        reason: None,
    }
}
