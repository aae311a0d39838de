//! Time passes: reminders, escalation, and what a question comes to that nobody answered.

use serde_json::Value;

use super::intervention_change;
use crate::command::Timer;
use crate::decide::alerts::OVERDUE;
use crate::decide::{Decider, Ruled, TimerOp};
use crate::event::EventBody;
use crate::id::InterventionId;
use crate::model::intervention::{
    HumanIntervention, InterventionResponse, InterventionStatus, InterventionType, OnExpire,
    Outcome, ResponseAction, Vote,
};
use crate::model::process::Failure;
use crate::{Code, Refusal, Timestamp, form};

/// A question is escalated at most so often; at the last level it waits for ever.
const MAX_LEVEL: u32 = 10;
/// When it is reminded of, in percent of the time until it is due.
const REMINDERS: [u8; 2] = [50, 90];

impl Decider<'_> {
    /// A person passes the question one level up.
    pub(super) fn escalate_by(
        &mut self,
        i: &HumanIntervention,
        to: Vec<String>,
        vote: Vote,
    ) -> Result<(), Refusal> {
        if i.level >= MAX_LEVEL {
            return Err(Refusal::new(
                Code::Conflict,
                format!("it was escalated {MAX_LEVEL} times, the most allowed; decide it or abort"),
            ));
        }
        self.escalate(i, to, Some(vote));
        Ok(())
    }

    /// One level up: others should answer, it is urgent, and its times begin anew.
    fn escalate(&mut self, i: &HumanIntervention, to: Vec<String>, vote: Option<Vote>) {
        let again =
            |at: Option<Timestamp>| at.map(|at| self.now().plus_ms(at.ms_since(i.level_since)));
        let mut change = intervention_change(i, InterventionStatus::Pending);
        change.assignees = Some(to);
        change.level = Some(i.level + 1);
        change.due_at = again(i.due_at);
        change.expires_at = again(i.expires_at).filter(|_| i.level + 1 < MAX_LEVEL);
        change.vote = vote;
        self.emit(EventBody::InterventionEscalated(change));
    }

    pub(in crate::decide) fn expire_intervention(&mut self, i: &HumanIntervention) -> Ruled {
        if i.on_expire == OnExpire::Escalate {
            // It is late, though another may answer yet: its timer may come after this one, which moves it.
            self.overdue(i);
            self.escalate(i, Vec::new(), None);
            return Ok(Value::Null);
        }
        let late = "nobody answered in time";
        let mut change = intervention_change(i, InterventionStatus::Expired);
        change.reason = Some(late.to_owned());
        change.step = self.patch_after(i);
        // Nobody has approved what nobody looked at.
        let rejects = i.on_expire == OnExpire::Reject
            || (i.on_expire == OnExpire::Default && i.kind == InterventionType::Approval);
        if rejects {
            change.outcome = Some(Outcome::Rejected);
            let mut response = self.given(ResponseAction::Reject);
            response.comments = Some(late.to_owned());
            change.response = Some(response);
        } else if i.on_expire == OnExpire::Default {
            let response = self.default_response(i);
            change.outcome = response.action.outcome(i.kind);
            change.response = Some(response);
        }
        self.emit(EventBody::InterventionExpired(change));
        let error = Failure::permanent("expired", late);
        match i.on_expire {
            _ if rejects => self.rejected(i, error),
            OnExpire::Fail => self.fail_by(i, error),
            _ => self.go_on(i),
        }
        Ok(Value::Null)
    }

    /// What Baton says where nobody did.
    fn given(&self, action: ResponseAction) -> InterventionResponse {
        InterventionResponse {
            action,
            comments: None,
            modifications: None,
            authoritative: false,
            value: None,
            choice: None,
            provided_by: self.ctx.principal.id.clone(),
            provided_at: self.now(),
            response_id: None,
        }
    }

    fn default_response(&self, i: &HumanIntervention) -> InterventionResponse {
        let first = i.options.as_ref().and_then(|all| all.first());
        if let Some(first) = first {
            let named = i.default.as_ref().and_then(Value::as_str);
            let mut response = self.given(ResponseAction::Choose);
            response.choice = Some(named.unwrap_or(&first.id).to_owned());
            return response;
        }
        let mut response = self.given(ResponseAction::Answer);
        response.value = i
            .default
            .clone()
            .or_else(|| i.schema.as_ref().and_then(form::default_of));
        response
    }

    pub(in crate::decide) fn remind(&mut self, i: &HumanIntervention) -> Ruled {
        let change = intervention_change(i, InterventionStatus::Pending);
        self.emit(EventBody::InterventionReminded(change));
        Ok(Value::Null)
    }

    /// The timers of a question that was asked at `since`, or came to a level then.
    pub(in crate::decide) fn time_question(
        &mut self,
        intervention: InterventionId,
        level: u32,
        since: Timestamp,
        due: Option<Timestamp>,
        expires: Option<Timestamp>,
    ) {
        self.stop_question(intervention);
        if let Some(due) = expires {
            let timer = Timer::Intervention {
                intervention,
                level,
            };
            self.timers.push(TimerOp::Set { timer, due });
        }
        if let Some(due) = due {
            self.time_overdue(intervention, level, due, None);
        }
        let whole = due.map_or(0, |due| due.ms_since(since));
        for percent in REMINDERS.into_iter().filter(|_| whole > 0) {
            self.timers.push(TimerOp::Set {
                timer: Timer::Reminder {
                    intervention,
                    level,
                    percent,
                },
                due: since.plus_ms(whole.saturating_mul(u64::from(percent)) / 100),
            });
        }
    }

    /// Its timers, which have one key each over all levels, never fire again.
    pub(in crate::decide) fn stop_question(&mut self, intervention: InterventionId) {
        let level = 0;
        self.clear(&Timer::Intervention {
            intervention,
            level,
        });
        for percent in REMINDERS.into_iter().chain([OVERDUE]) {
            self.clear(&Timer::Reminder {
                intervention,
                level,
                percent,
            });
        }
    }
}
