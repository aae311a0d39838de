//! What each of the demo's agents does, in plain code. Every step can be begun again from its start: it reads the process's
//! context, computes the same, and says the same.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::knowledge::{self, Findings};
use super::replies::{self, Reply};
use super::tickets;
use super::triage::{self, Group};
use super::work::{Stop, Work, text};

/// How long a question to a colleague waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// One of the demo's agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads and sorts the tickets.
    Intake,
    /// Finds what is known about them.
    Research,
    /// Writes the replies, and publishes what a person approved.
    Writer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Intake, Self::Research, Self::Writer];

    /// Its id in the registry.
    #[must_use]
    pub fn agent_id(self) -> &'static str {
        match self {
            Self::Intake => "demo-intake",
            Self::Research => "demo-research",
            Self::Writer => "demo-writer",
        }
    }

    /// How it is registered.
    pub(super) fn registration(self) -> Value {
        let (name, description) = match self {
            Self::Intake => (
                "Intake",
                "Reads support tickets and sorts them by topic and urgency.",
            ),
            Self::Research => (
                "Research",
                "Finds what the help desk knows about each ticket.",
            ),
            Self::Writer => (
                "Writer",
                "Drafts the replies, asks a person, and publishes them.",
            ),
        };
        json!({"name": name, "description": description, "capabilities": self.capabilities(), "slots": 2})
    }

    /// How it takes part in the team.
    pub(super) fn membership(self) -> Value {
        let (role, specialization) = match self {
            Self::Intake => ("support", "sorting"),
            Self::Research => ("specialist", "knowledge"),
            Self::Writer => ("leader", "replies"),
        };
        json!({
            "agentId": self.agent_id(), "role": role, "specialization": specialization,
            "capabilities": self.capabilities(),
        })
    }

    fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Intake => &["sorting"],
            Self::Research => &["research"],
            Self::Writer => &["writing", "publishing"],
        }
    }

    /// Does the step that `work` holds.
    pub(super) async fn perform(self, work: &mut Work) -> Result<Value, Stop> {
        match (work.step_key(), self) {
            ("intake", _) => sort(work).await,
            ("research", _) => research(work).await,
            ("draft", Self::Research) => brief_the_writer(work).await,
            ("draft", _) => draft(work).await,
            ("publish", _) => publish(work).await,
            (other, _) => Err(Stop::permanent(
                "unknown_step",
                format!("nobody here knows the step {other:?}"),
            )),
        }
    }

    /// Its response to another agent's question.
    pub(super) fn respond(self, communication: &Value) -> String {
        match (self, text(communication, "/metadata/suspected")) {
            (Self::Intake, "") | (Self::Research | Self::Writer, _) => "Noted.".to_owned(),
            (Self::Intake, topic) => {
                format!("The subject line weighs more than the text, so {topic} stays second.")
            }
        }
    }
}

/// The steps of the demo's process.
pub(super) fn steps() -> Value {
    json!([
        {
            "key": "intake", "name": "Sort the tickets", "assignedAgentId": Role::Intake.agent_id(),
            "description": "Read the file, check every line, and group the tickets by topic and urgency.",
        },
        {
            "key": "research", "name": "Find the facts", "requiredCapabilities": ["research"],
            "description": "Look up what is known about every ticket.", "dependencies": ["intake"],
        },
        {
            "key": "draft", "name": "Draft the replies", "assignedAgentId": Role::Research.agent_id(),
            "description": "Hand the findings to the writer, who drafts a reply to every ticket and asks a person.",
            "dependencies": ["research"],
        },
        {
            "key": "publish", "name": "Publish the replies", "requiredCapabilities": ["publishing"],
            "description": "Write the approved replies to the output file.", "dependencies": ["draft"],
        },
    ])
}

async fn sort(work: &mut Work) -> Result<Value, Stop> {
    let name: String = work.context("/sharedData/tickets/name")?;
    let csv: String = work.context("/sharedData/tickets/csv")?;
    work.progress(5, format!("Reading {name}")).await?;
    let tickets = tickets::parse(&name, csv.as_bytes())
        .map_err(|error| Stop::permanent("invalid_input", error))?;
    let total = tickets.len();
    work.progress(30, format!("{total} tickets are in order"))
        .await?;
    let groups = triage::group(tickets);
    let mut list = format!("Sorted **{total} tickets** into {} topics:\n", groups.len());
    for group in &groups {
        list.push_str(&format!(
            "\n- **{}** ({}): {}",
            group.topic,
            group.priority.as_str(),
            group.tickets.len()
        ));
    }
    work.say("sorted", list).await?;
    work.progress(90, "Passing the groups on").await?;
    Ok(json!({"total": total, "groups": groups}))
}

async fn research(work: &mut Work) -> Result<Value, Stop> {
    let groups: Vec<Group> = work.output("intake", "groups")?;
    let knowledge = knowledge::load().map_err(|error| Stop::permanent("knowledge", error))?;
    work.progress(5, format!("Looking through {} facts", knowledge.len()))
        .await?;
    let unsure = groups
        .iter()
        .flat_map(|group| &group.tickets)
        .find_map(|sorted| {
            sorted
                .runner_up
                .as_ref()
                .map(|topic| (sorted.ticket.id.clone(), topic.clone()))
        });
    if let Some((ticket, topic)) = unsure {
        let question = format!("{ticket} could also be about {topic}. What made you decide?");
        let asked = work.consult(
            "second look",
            Role::Intake.agent_id(),
            question,
            json!({"suspected": topic}),
            PATIENCE,
        );
        let note = match asked.await? {
            Some(response) => format!("{ticket}: {response}"),
            None => format!("{ticket} stays where it is"),
        };
        work.progress(15, note).await?;
    }
    let mut findings = Findings::default();
    for (done, group) in (1u32..).zip(&groups) {
        let found = knowledge::research(group, &knowledge);
        let note = format!(
            "{}: {} of {} answered",
            group.topic,
            found.answered.len(),
            group.tickets.len()
        );
        findings.extend(found);
        let share = u32::try_from(groups.len()).map_or(0, |all| 75 * done / all);
        work.progress(15 + share, note).await?;
    }
    Ok(json!({"findings": findings}))
}

/// Research holds the step first: it knows what the writer must know.
async fn brief_the_writer(work: &mut Work) -> Result<Value, Stop> {
    let groups: Vec<Group> = work.output("intake", "groups")?;
    let findings: Findings = work.output("research", "findings")?;
    work.progress(10, "Putting the findings together for the writer")
        .await?;
    let recommendation = match (findings.unanswered.as_slice(), groups.first()) {
        ([], Some(first)) => format!("Begin with {}.", first.topic),
        ([], None) => "Nothing is open.".to_owned(),
        (open, _) => format!(
            "Promise nothing to {}: nothing is known about it.",
            open.join(", ")
        ),
    };
    let context = json!({
        "goal": "A reply to every ticket that a person can approve.",
        "summary": format!(
            "{} facts answer {} tickets; {} stay open.",
            findings.facts.len(), findings.answered.len(), findings.unanswered.len()
        ),
        "taskContext": {"groups": groups, "findings": findings},
        "decisions": ["A fact is used when it shares a word with the ticket and its topic, or two words."],
        "recommendations": [recommendation],
        "artifacts": findings.facts.iter().map(|fact| json!({"id": fact.id, "title": fact.title})).collect::<Vec<_>>(),
    });
    Err(work
        .hand_over(
            Role::Writer.agent_id(),
            "The facts are found; writing is yours.",
            context,
        )
        .await)
}

async fn draft(work: &mut Work) -> Result<Value, Stop> {
    let groups: Vec<Group> = work.output("intake", "groups")?;
    let findings: Findings = work.output("research", "findings")?;
    if let Some(advice) = work.advice().map(str::to_owned) {
        work.progress(20, format!("Advice from research: {advice}"))
            .await?;
    }
    let drafts = replies::draft(&groups, &findings);
    for (done, group) in (1u32..).zip(&groups) {
        let share = u32::try_from(groups.len()).map_or(0, |all| 50 * done / all);
        work.progress(
            20 + share,
            format!("Drafted {} on {}", group.tickets.len(), group.topic),
        )
        .await?;
    }
    work.say(
        "drafted",
        format!(
            "{} drafts are ready. **A person decides now.**",
            drafts.len()
        ),
    )
    .await?;
    let answer = work
        .ask(json!({
            "type": "approval",
            "key": "drafts",
            "description": format!("May these {} replies be published?", drafts.len()),
            "subject": replies::subject(&drafts),
            "schema": replies::schema(),
            "priority": "high",
            "dueInMs": 600_000,
            "mode": "hold",
        }))
        .await?;
    let approved = decided(&drafts, &answer)?;
    work.say(
        "decided",
        format!(
            "{} said: {}.",
            text(&answer, "/providedBy"),
            text(&answer, "/action")
        ),
    )
    .await?;
    Ok(json!({"replies": approved}))
}

/// What a person's answer makes of the drafts.
fn decided(drafts: &[Reply], answer: &Value) -> Result<Vec<Reply>, Stop> {
    match text(answer, "/action") {
        "approve" => Ok(drafts.to_vec()),
        "modify" => {
            let changed = answer.get("modifications").unwrap_or(&Value::Null);
            replies::modified(drafts, changed)
                .map_err(|error| Stop::permanent("invalid_modification", format!("{error:#}")))
        }
        "reject" => {
            let comments = text(answer, "/comments");
            let why = if comments.is_empty() {
                "without a comment"
            } else {
                comments
            };
            Err(Stop::permanent(
                "rejected",
                format!("the drafts were rejected: {why}"),
            ))
        }
        other => Err(Stop::permanent(
            "unexpected_answer",
            format!("{other:?} does not answer an approval"),
        )),
    }
}

async fn publish(work: &mut Work) -> Result<Value, Stop> {
    let approved: Vec<Reply> = work.output("draft", "replies")?;
    let path: PathBuf = work.context("/variables/output")?;
    let count = approved.len();
    work.progress(30, format!("Writing {count} replies"))
        .await?;
    let target = path.clone();
    let written = tokio::task::spawn_blocking(move || replies::write(&target, &approved)).await;
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Stop::permanent("output", format!("{error:#}"))),
        Err(error) => return Err(Stop::permanent("output", error)),
    }
    work.say(
        "published",
        format!("Wrote **{count} replies** to `{}`.", path.display()),
    )
    .await?;
    Ok(json!({"count": count, "path": path}))
}

#[cfg(test)]
mod tests {
    use super::super::triage::Urgency;
    use super::*;

    fn drafts() -> Vec<Reply> {
        vec![Reply {
            ticket_id: "A".to_owned(),
            customer: "C".to_owned(),
            topic: "sync".to_owned(),
            priority: Urgency::Low,
            reply: "Hello".to_owned(),
        }]
    }

    #[test]
    fn an_approval_keeps_the_drafts_and_a_change_replaces_them() {
        let drafts = drafts();
        assert_eq!(
            decided(&drafts, &json!({"action": "approve"})).expect("approved"),
            drafts
        );
        let mut changed = drafts.clone();
        changed[0].reply = "Goodbye".to_owned();
        let answer = json!({"action": "modify", "modifications": replies::subject(&changed)});
        assert_eq!(decided(&drafts, &answer).expect("changed"), changed);
    }

    #[test]
    fn a_rejection_fails_for_good_and_says_why() {
        for (answer, expected) in [
            (
                json!({"action": "reject", "comments": "too long"}),
                "rejected: too long",
            ),
            (json!({"action": "reject"}), "without a comment"),
            (json!({"action": "modify"}), "no `replies`"),
            (json!({"action": "dance"}), "does not answer"),
        ] {
            let stop = decided(&drafts(), &answer).expect_err("no drafts");
            assert!(
                matches!(&stop, Stop::Failed { message, retryable: false, .. } if message.contains(expected)),
                "{stop:?}"
            );
        }
    }

    #[test]
    fn each_step_depends_on_the_one_before_and_can_be_done_by_somebody() {
        let steps = steps();
        let steps = steps.as_array().expect("a list");
        for pair in steps.windows(2) {
            assert_eq!(pair[1]["dependencies"], json!([pair[0]["key"]]));
        }
        for step in steps {
            let able = Role::ALL.iter().any(|role| {
                let needed = step["requiredCapabilities"].as_array();
                step["assignedAgentId"] == role.agent_id()
                    || needed.is_some_and(|needed| {
                        needed
                            .iter()
                            .all(|one| role.capabilities().iter().any(|had| one == had))
                    })
            });
            assert!(able, "{step}");
        }
    }
}
