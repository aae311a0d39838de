//! Questions that Baton asks by itself: may a process start, may a step begin, what becomes of a failed one.

use serde_json::{Value, json};

use crate::decide::ending::Ended;
use crate::decide::flow::attempt_change;
use crate::decide::{Decider, json as to_json, patch, subject_hash};
use crate::event::EventBody;
use crate::model::Priority;
use crate::model::access::{Principal, PrincipalKind};
use crate::model::attempt::AttemptStatus;
use crate::model::intervention::{
    ChoiceOption, HumanIntervention, InterventionStatus, InterventionType, OnExpire, OnReject,
    Outcome, Quorum, WaitMode,
};
use crate::model::process::Failure;
use crate::model::step::{ConditionResult, ProcessStep, StepPhase, StepStatus};
use crate::state::ProcessState;

/// The key of the question whether a process may start.
const START: &str = "start";
/// What the keys of the questions begin with that Baton asks about a failed step, and about a result.
const FAILED: &str = "escalation";
const RESULT: &str = "result";
/// What there is to choose then.
const FAILED_OPTIONS: [(&str, &str); 3] = [
    ("retry", "Run the step again"),
    ("skip", "Skip the step and go on"),
    ("fail", "Let the step fail"),
];
const RESULT_OPTIONS: [(&str, &str); 3] = [
    ("accept", "Take the result and go on"),
    ("retry", "Run the step again"),
    ("fail", "Let the step fail"),
];

impl Decider<'_> {
    /// A question as Baton asks it by itself; another asker changes what differs.
    pub(in crate::decide) fn question(
        &self,
        process: &ProcessState,
        kind: InterventionType,
        key: String,
        description: String,
    ) -> HumanIntervention {
        let due = process
            .process
            .configuration
            .timeout_settings
            .human_response_timeout;
        HumanIntervention {
            id: self.ctx.id(),
            process_id: process.process.id,
            step_id: None,
            kind,
            description,
            status: InterventionStatus::Pending,
            outcome: None,
            priority: Priority::High,
            requested_by: Principal::system(process.process.workspace_id.clone()).actor(),
            requested_at: self.now(),
            key,
            mode: WaitMode::Suspend,
            assignees: Vec::new(),
            candidate_permissions: None,
            claimed_by: None,
            delegated_by: None,
            schema: None,
            options: None,
            conditions: Vec::new(),
            subject: None,
            subject_hash: subject_hash(None),
            asked_hash: String::new(),
            round: 1,
            proposed_by: None,
            quorum: Quorum::default(),
            requester_counts: true,
            votes: Vec::new(),
            late_replies: Vec::new(),
            comments: Vec::new(),
            due_at: Some(self.now().plus_ms(due)),
            expires_at: None,
            on_expire: OnExpire::default(),
            default: None,
            on_reject: OnReject::default(),
            pauses_process: false,
            level: 0,
            level_since: self.now(),
            reminded_at: None,
            response: None,
            completed_at: None,
            used: false,
            step: None,
        }
    }

    /// Asks whether the process may start.
    pub(in crate::decide) fn ask_to_start(&mut self) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let description = format!("Start the process {:?}?", process.process.name);
        let mut question = self.question(
            &process,
            InterventionType::Approval,
            START.to_owned(),
            description,
        );
        question.subject = Some(
            json!({"name": process.process.name, "steps": process.steps.iter().map(|s| json!({
            "key": s.key, "name": s.name, "description": s.description, "dependencies": s.dependencies,
        })).collect::<Vec<_>>()}),
        );
        question.subject_hash = subject_hash(question.subject.as_ref());
        self.emit(EventBody::InterventionRequested(question));
    }

    fn begin_key(step: &ProcessStep) -> String {
        format!("begin:{}", step.run)
    }

    /// Asks whether a step may begin.
    pub(in crate::decide) fn ask_to_begin(&mut self, step: &ProcessStep) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let description = format!("Approve the step {:?} before it begins", step.name);
        let mut question = self.question(
            &process,
            InterventionType::Approval,
            Self::begin_key(step),
            description,
        );
        question.step_id = Some(step.id);
        question.subject = Some(json!({"description": step.description, "inputs": step.inputs}));
        question.subject_hash = subject_hash(question.subject.as_ref());
        question.step = Some(patch(
            step,
            StepStatus::Pending,
            Some(StepPhase::AwaitingInput),
        ));
        self.emit(EventBody::InterventionRequested(question));
    }

    /// The question by which a person has approved that a step begins, in this run.
    pub(in crate::decide) fn approval_of<'p>(
        process: &'p ProcessState,
        step: &ProcessStep,
    ) -> Option<&'p HumanIntervention> {
        let key = Self::begin_key(step);
        // Anybody who asks may choose a key; only what Baton itself asked lets the step begin.
        let asked = process.interventions.values().map(AsRef::as_ref);
        asked.into_iter().find(|i| {
            i.step_id == Some(step.id)
                && i.requested_by.kind == PrincipalKind::System
                && i.key == key
                && matches!(i.outcome, Some(Outcome::Approved | Outcome::Modified))
        })
    }

    /// The last attempt failed and a condition asks for a human: the step waits, and the human chooses.
    pub(in crate::decide) fn escalate_step(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        error: &Failure,
        attempts: u32,
        conditions: Vec<ConditionResult>,
    ) {
        let description = format!(
            "The step {:?} failed after {attempts} attempt{}: {}. What now?",
            step.name,
            if attempts == 1 { "" } else { "s" },
            error.message
        );
        self.close_step(step.id);
        // The failed attempt ends like one before a retry; whether there is one, the human says.
        self.set_aside(
            step,
            attempt,
            "the attempt failed, and a human is asked",
            Some(error),
        );
        let subject = Some(to_json(error));
        self.escalate_own(
            step,
            (FAILED, &FAILED_OPTIONS),
            description,
            subject,
            conditions,
        );
    }

    /// A step has a result and a condition asks for a human all the same: the result is what is asked about, and waits until it is taken.
    pub(in crate::decide) fn escalate_result(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        outputs: &Value,
        conditions: Vec<ConditionResult>,
    ) {
        let description = format!(
            "A condition of the step {:?} asks you to look at its result. What now?",
            step.name
        );
        self.close_step(step.id);
        self.set_aside(
            step,
            attempt,
            "the result is in, and a human is asked",
            None,
        );
        let subject = Some(outputs.clone()).filter(|o| !o.is_null());
        self.escalate_own(
            step,
            (RESULT, &RESULT_OPTIONS),
            description,
            subject,
            conditions,
        );
    }

    /// Ends an attempt whose step has not ended with it: with this error, or well.
    fn set_aside(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        why: &str,
        error: Option<&Failure>,
    ) {
        let Some((attempt, digest)) = attempt else {
            return;
        };
        let status = match error {
            Some(_) => AttemptStatus::Failed,
            None => AttemptStatus::Completed,
        };
        let mut change = attempt_change(
            attempt,
            step,
            status,
            StepStatus::Pending,
            StepPhase::Blocked,
        );
        change.reason = Some(why.to_owned());
        change.error = error.cloned();
        change.result_hash = Some(digest);
        self.emit(EventBody::AssignmentReleased(change));
    }

    fn escalate_own(
        &mut self,
        step: &ProcessStep,
        (about, options): (&str, &[(&str, &str)]),
        description: String,
        subject: Option<Value>,
        conditions: Vec<ConditionResult>,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let about = format!("{about}:{}:", step.run);
        let of_step = process.interventions.values();
        let of_step = of_step.filter(|i| i.step_id == Some(step.id) && i.key.starts_with(&about));
        let key = format!("{about}{}", of_step.count() + 1);
        let mut question = self.question(&process, InterventionType::Escalation, key, description);
        question.step_id = Some(step.id);
        question.priority = Priority::Urgent;
        question.subject = subject;
        question.subject_hash = subject_hash(question.subject.as_ref());
        let option = |(id, label): &(&str, &str)| ChoiceOption {
            id: (*id).to_owned(),
            label: (*label).to_owned(),
            description: None,
        };
        question.options = Some(options.iter().map(option).collect());
        question.conditions = conditions;
        question.step = Some(patch(
            step,
            StepStatus::Pending,
            Some(StepPhase::AwaitingInput),
        ));
        self.emit(EventBody::InterventionRequested(question));
    }
}

/// Whether this asks if the process may start.
pub(super) fn is_start(i: &HumanIntervention) -> bool {
    i.requested_by.kind == PrincipalKind::System && i.key == START && i.step_id.is_none()
}

/// Whether Baton asked by itself what becomes of a step that failed, or that has a result.
pub(super) fn is_own_escalation(i: &HumanIntervention) -> bool {
    i.requested_by.kind == PrincipalKind::System
        && i.kind == InterventionType::Escalation
        && i.options.is_some()
}

/// Whether what it asked about is a result.
pub(super) fn is_about_result(i: &HumanIntervention) -> bool {
    is_own_escalation(i) && i.key.split(':').next() == Some(RESULT)
}
