//! Questions that Baton asks by itself: may a process start, may a step begin, what becomes of a failed one.

use serde_json::json;

use crate::decide::flow::attempt_change;
use crate::decide::{Decider, json as to_json, patch, subject_hash};
use crate::event::EventBody;
use crate::model::Priority;
use crate::model::access::{Principal, PrincipalKind};
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::intervention::{
    ChoiceOption, HumanIntervention, InterventionStatus, InterventionType, OnExpire, OnReject,
    Outcome, Quorum, WaitMode,
};
use crate::model::process::Failure;
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::state::ProcessState;

/// The key of the question whether a process may start.
const START: &str = "start";
/// The options of the escalation that Baton opens by itself.
const ESCALATION_OPTIONS: [(&str, &str); 3] = [
    ("retry", "Run the step again"),
    ("skip", "Skip the step and go on"),
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

    pub(in crate::decide) fn is_approved(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
    ) -> bool {
        let key = Self::begin_key(step);
        process.interventions.values().any(|i| {
            i.step_id == Some(step.id)
                && i.key == key
                && matches!(i.outcome, Some(Outcome::Approved | Outcome::Modified))
        })
    }

    /// The last attempt failed and a condition asks for a human: the step waits, and the human chooses.
    pub(in crate::decide) fn escalate_step(
        &mut self,
        step: &ProcessStep,
        attempt: Option<(&Attempt, String)>,
        error: &Failure,
        attempts: u32,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        self.close_step(step.id);
        // The failed attempt ends like one before a retry; whether there is one, the human says.
        if let Some((attempt, _)) = attempt {
            let mut change = attempt_change(
                attempt,
                step,
                AttemptStatus::Failed,
                StepStatus::Pending,
                StepPhase::Blocked,
            );
            change.reason = Some("the attempt failed, and a human is asked".to_owned());
            change.error = Some(error.clone());
            self.emit(EventBody::AssignmentReleased(change));
        }
        let description = format!(
            "The step {:?} failed after {attempts} attempt{}: {}. What now?",
            step.name,
            if attempts == 1 { "" } else { "s" },
            error.message
        );
        let key = format!("escalation:{}:{attempts}:{}", step.run, step.epoch);
        let mut question = self.question(&process, InterventionType::Escalation, key, description);
        question.step_id = Some(step.id);
        question.priority = Priority::Urgent;
        question.subject = Some(to_json(error));
        question.subject_hash = subject_hash(question.subject.as_ref());
        question.options = Some(
            ESCALATION_OPTIONS
                .iter()
                .map(|(id, label)| ChoiceOption {
                    id: (*id).to_owned(),
                    label: (*label).to_owned(),
                    description: None,
                })
                .collect(),
        );
        question.step = Some(patch(
            step,
            StepStatus::Pending,
            Some(StepPhase::AwaitingInput),
        ));
        self.emit(EventBody::InterventionRequested(question));
    }

    /// A step ended well and a condition asks for a human all the same: the process asks, and goes on.
    pub(in crate::decide) fn escalate_process(&mut self, step: &ProcessStep) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let description = format!(
            "A condition of the step {:?} asks for your attention",
            step.name
        );
        let key = format!("attention:{}:{}", step.key, step.run);
        let question = self.question(&process, InterventionType::Escalation, key, description);
        self.emit(EventBody::InterventionRequested(question));
    }
}

/// Whether this asks if the process may start.
pub(super) fn is_start(i: &HumanIntervention) -> bool {
    i.requested_by.kind == PrincipalKind::System && i.key == START && i.step_id.is_none()
}

/// Whether Baton asked by itself what becomes of a failed step.
pub(super) fn is_own_escalation(i: &HumanIntervention) -> bool {
    i.requested_by.kind == PrincipalKind::System
        && i.kind == InterventionType::Escalation
        && i.options.is_some()
}
