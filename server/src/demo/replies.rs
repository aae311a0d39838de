//! The replies: drafted from what was found, shown to a person, changed by that person, and written to a file.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::knowledge::Findings;
use super::triage::{Group, Urgency};

/// An answer to one ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reply {
    /// The ticket's number.
    pub ticket_id: String,
    /// Who gets it.
    pub customer: String,
    /// What the ticket is about.
    pub topic: String,
    /// How urgent it is.
    pub priority: Urgency,
    /// The answer.
    pub reply: String,
}

/// Writes a reply to every ticket, in the order of the groups.
pub fn draft(groups: &[Group], findings: &Findings) -> Vec<Reply> {
    let mut replies = Vec::new();
    for group in groups {
        for sorted in &group.tickets {
            let ticket = &sorted.ticket;
            let body = match findings.fact_for(&ticket.id) {
                Some(fact) => format!("{}\n\n(See {}: {}.)", fact.text, fact.id, fact.title),
                None if sorted.priority == Urgency::Low => {
                    "It is good to hear from you!".to_owned()
                }
                None => "A colleague will look into this and write to you within one working day."
                    .to_owned(),
            };
            let opening = match sorted.priority {
                Urgency::Urgent | Urgency::High => {
                    "we know that you cannot wait, so this comes first"
                }
                Urgency::Medium | Urgency::Low => "thank you for your message",
            };
            replies.push(Reply {
                ticket_id: ticket.id.clone(),
                customer: ticket.customer.clone(),
                topic: group.topic.clone(),
                priority: sorted.priority,
                reply: format!(
                    "Hello {}, {opening}.\n\nYou wrote about \"{}\".\n\n{body}\n\nYour support desk",
                    ticket.customer, ticket.subject
                ),
            });
        }
    }
    replies
}

/// What a person is asked to approve.
pub fn subject(replies: &[Reply]) -> Value {
    json!({ "replies": replies })
}

/// The JSON Schema of a changed subject: the same tickets, other words.
pub fn schema() -> Value {
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["replies"],
        "properties": {"replies": {"type": "array", "minItems": 1, "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["ticketId", "customer", "topic", "priority", "reply"],
            "properties": {
                "ticketId": text, "customer": text, "topic": text, "reply": text,
                "priority": {"enum": ["urgent", "high", "medium", "low"]},
            },
        }}},
    })
}

/// The replies as the person wants them. What they changed counts, but a ticket must neither vanish nor appear.
///
/// # Errors
/// Names what is missing or unknown.
pub fn modified(drafts: &[Reply], subject: &Value) -> anyhow::Result<Vec<Reply>> {
    let replies = subject
        .get("replies")
        .cloned()
        .context("the changed drafts have no `replies`")?;
    let replies: Vec<Reply> =
        serde_json::from_value(replies).context("the changed drafts cannot be read")?;
    let ids = |replies: &[Reply]| {
        replies
            .iter()
            .map(|reply| reply.ticket_id.clone())
            .collect::<BTreeSet<_>>()
    };
    let (before, after) = (ids(drafts), ids(&replies));
    if let Some(missing) = before.difference(&after).next() {
        anyhow::bail!("the changed drafts have no reply to {missing}");
    }
    if let Some(unknown) = after.difference(&before).next() {
        anyhow::bail!("the changed drafts answer {unknown}, which is not among the tickets");
    }
    anyhow::ensure!(
        replies.len() == drafts.len(),
        "the changed drafts answer a ticket twice"
    );
    Ok(replies)
}

/// Writes the file whole or not at all: a reader never sees half of it, and writing it again changes nothing.
///
/// # Errors
/// Names the file.
pub fn write(path: &Path, replies: &[Reply]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["ticket_id", "customer", "topic", "priority", "reply"])?;
    for reply in replies {
        let Reply {
            ticket_id,
            customer,
            topic,
            priority,
            reply,
        } = reply;
        writer.write_record([ticket_id, customer, topic, priority.as_str(), reply])?;
    }
    let bytes = writer
        .into_inner()
        .context("the replies do not fit in memory")?;

    let describe = || format!("{} cannot be written", path.display());
    let name = path.file_name().with_context(describe)?;
    let mut partial = name.to_owned();
    partial.push(format!(".{}.part", uuid::Uuid::now_v7()));
    let partial = path.with_file_name(partial);
    let written = std::fs::File::create(&partial)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&partial);
    }
    written.with_context(describe)
}

#[cfg(test)]
mod tests {
    use super::super::{knowledge, tickets, triage};
    use super::*;

    fn sample() -> Vec<Reply> {
        let knowledge = knowledge::load().expect("the knowledge");
        let tickets = tickets::parse("sample", tickets::SAMPLE.as_bytes()).expect("the sample");
        let groups = triage::group(tickets);
        let mut findings = Findings::default();
        for group in &groups {
            findings.extend(knowledge::research(group, &knowledge));
        }
        draft(&groups, &findings)
    }

    #[test]
    fn every_ticket_gets_one_reply_the_most_urgent_first() {
        let replies = sample();
        let ids: BTreeSet<_> = replies.iter().map(|reply| &reply.ticket_id).collect();
        assert_eq!((replies.len(), ids.len()), (12, 12));
        assert_eq!(replies[0].priority, Urgency::Urgent);
        let refund = replies
            .iter()
            .find(|reply| reply.ticket_id == "T-1001")
            .expect("T-1001");
        assert!(
            refund
                .reply
                .starts_with("Hello Amara Nwosu, we know that you cannot wait"),
            "{}",
            refund.reply
        );
        assert!(
            refund.reply.contains("refunded to the same card") && refund.reply.contains("KB-01")
        );
    }

    #[test]
    fn a_persons_words_replace_the_drafts() {
        let drafts = sample();
        let mut changed = drafts.clone();
        changed[0].reply = "Call us.".to_owned();
        assert_eq!(
            modified(&drafts, &subject(&changed)).expect("accepted"),
            changed
        );
    }

    #[test]
    fn a_change_that_loses_adds_or_doubles_a_ticket_is_refused() {
        let drafts = sample();
        let refused = |change: fn(&mut Vec<Reply>)| {
            let mut changed = drafts.clone();
            change(&mut changed);
            modified(&drafts, &subject(&changed))
                .expect_err("refused")
                .to_string()
        };
        assert!(refused(|replies| drop(replies.pop())).contains("have no reply to"));
        assert!(
            refused(|replies| replies.push(Reply {
                ticket_id: "X".into(),
                ..replies[0].clone()
            }))
            .contains("X")
        );
        assert!(refused(|replies| replies.push(replies[0].clone())).contains("twice"));
        assert!(modified(&drafts, &json!({})).is_err());
    }

    #[test]
    fn the_file_survives_quotes_commas_and_line_breaks_and_being_written_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("out.csv");
        let mut replies = sample();
        replies[0].reply = "Say \"hi\",\nthen wait; =1+1".to_owned();
        write(&path, &replies).expect("written");
        write(&path, &replies).expect("written again");
        let mut reader = csv::Reader::from_path(&path).expect("readable");
        assert_eq!(
            reader.headers().expect("header"),
            vec!["ticket_id", "customer", "topic", "priority", "reply"]
        );
        let records: Vec<_> = reader.records().collect::<Result<_, _>>().expect("records");
        assert_eq!(records.len(), 12);
        assert_eq!(records[0].get(4), Some("Say \"hi\",\nthen wait; =1+1"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let error =
            write(&folder.path().join("no/such/out.csv"), &sample()).expect_err("no such folder");
        assert!(
            error.to_string().contains("out.csv cannot be written"),
            "{error}"
        );
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).expect("folder");
        write(&taken, &sample()).expect_err("a folder is in the way");
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
    }
}
