//! Which ticket is about what, and how urgent it is: plain rules over words, so that anyone can check them.

use serde::{Deserialize, Serialize};

use super::tickets::Ticket;

/// Words that speak for a topic. The first topic wins a tie, so the graver one stands first.
const TOPICS: [(&str, &[&str]); 7] = [
    (
        "security",
        &[
            "suspicious",
            "hacked",
            "abroad",
            "stolen",
            "phishing",
            "fraud",
        ],
    ),
    (
        "recovery",
        &[
            "deleted",
            "restore",
            "trash",
            "recover",
            "lost",
            "overwritten",
        ],
    ),
    (
        "access",
        &[
            "password",
            "login",
            "locked",
            "two-factor",
            "2fa",
            "code",
            "session",
            "cannot",
            "sign",
        ],
    ),
    (
        "billing",
        &[
            "charged", "invoice", "refund", "payment", "paid", "vat", "card", "upgrade",
        ],
    ),
    (
        "privacy",
        &["gdpr", "privacy", "personal", "erase", "delete"],
    ),
    (
        "sync",
        &[
            "sync", "syncing", "syncs", "slow", "upload", "uploads", "waiting", "offline",
            "network",
        ],
    ),
    ("how-to", &["how", "share", "possible", "setting", "where"]),
];
/// What fits no topic.
const OTHER: &str = "other";
/// A word in the subject counts as much as so many in the body.
const SUBJECT_WEIGHT: usize = 2;

const URGENT: [&str; 5] = ["urgent", "hacked", "suspicious", "stolen", "emergency"];
const HIGH: [&str; 7] = [
    "cannot", "locked", "lost", "twice", "deadline", "stopped", "gdpr",
];
const LOW: [&str; 3] = ["thank", "thanks", "lovely"];

/// How soon a ticket needs its answer; the first is the soonest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Now.
    Urgent,
    /// Today.
    High,
    /// In its turn.
    Medium,
    /// When there is time.
    Low,
}

impl Urgency {
    /// As files and people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// A ticket and how it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sorted {
    /// The ticket.
    pub ticket: Ticket,
    /// How urgent.
    pub priority: Urgency,
    /// Another topic that fits at least half as well: worth a second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<String>,
}

/// The tickets of one topic, the most urgent first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// What they are about.
    pub topic: String,
    /// The priority of the most urgent one.
    pub priority: Urgency,
    /// The tickets.
    pub tickets: Vec<Sorted>,
}

/// The words of a text in lower case; a hyphen inside a word belongs to it.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-')
        .map(|word| word.trim_matches('-').to_lowercase())
        .filter(|word| !word.is_empty())
}

/// Sorts the tickets into groups: the most urgent group first, equals by name.
pub fn group(tickets: Vec<Ticket>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for ticket in tickets {
        let (topic, runner_up) = topic(&ticket);
        let priority = priority(&ticket);
        let sorted = Sorted {
            ticket,
            priority,
            runner_up: runner_up.map(str::to_owned),
        };
        match groups.iter_mut().find(|group| group.topic == topic) {
            Some(group) => {
                group.priority = group.priority.min(priority);
                group.tickets.push(sorted);
            }
            None => groups.push(Group {
                topic: topic.to_owned(),
                priority,
                tickets: vec![sorted],
            }),
        }
    }
    for group in &mut groups {
        // Stable: who waits longer stays in front, for the file is in the order of arrival.
        group.tickets.sort_by_key(|sorted| sorted.priority);
    }
    groups.sort_by(|a, b| {
        a.priority
            .cmp(&b.priority)
            .then_with(|| a.topic.cmp(&b.topic))
    });
    groups
}

fn topic(ticket: &Ticket) -> (&'static str, Option<&'static str>) {
    let subject: Vec<_> = words(&ticket.subject).collect();
    let body: Vec<_> = words(&ticket.body).collect();
    let score = |keys: &[&str]| {
        let count = |words: &[String]| {
            words
                .iter()
                .filter(|word| keys.contains(&word.as_str()))
                .count()
        };
        SUBJECT_WEIGHT * count(&subject) + count(&body)
    };
    let mut scores: Vec<_> = TOPICS
        .iter()
        .map(|(topic, keys)| (score(keys), *topic))
        .collect();
    scores.sort_by_key(|&(score, _)| std::cmp::Reverse(score));
    match scores[..] {
        [(best, topic), (second, other), ..] if best > 0 => {
            (topic, (second > 0 && 2 * second >= best).then_some(other))
        }
        _ => (OTHER, None),
    }
}

fn priority(ticket: &Ticket) -> Urgency {
    let words: Vec<_> = words(&ticket.subject).chain(words(&ticket.body)).collect();
    let any = |keys: &[&str]| words.iter().any(|word| keys.contains(&word.as_str()));
    if any(&URGENT) {
        Urgency::Urgent
    } else if any(&HIGH) {
        Urgency::High
    } else if any(&LOW) {
        Urgency::Low
    } else {
        Urgency::Medium
    }
}

#[cfg(test)]
mod tests {
    use super::super::tickets::{self, SAMPLE};
    use super::*;

    fn ticket(subject: &str, body: &str) -> Ticket {
        let text = |text: &str| text.to_owned();
        Ticket {
            id: text("A"),
            customer: text("C"),
            subject: text(subject),
            body: text(body),
            received_at: text("2026-03-04T08:12:00Z"),
        }
    }

    #[test]
    fn words_are_lower_case_and_keep_inner_hyphens() {
        let found: Vec<_> = words("Two-factor CODE -- \"never\" arrives!").collect();
        assert_eq!(found, ["two-factor", "code", "never", "arrives"]);
    }

    #[test]
    fn each_sample_ticket_finds_its_topic() {
        let groups = group(tickets::parse("sample", SAMPLE.as_bytes()).expect("the sample"));
        let topic_of = |id: &str| {
            let mut hits = groups
                .iter()
                .filter(|group| group.tickets.iter().any(|s| s.ticket.id == id));
            let topic = hits.next().expect(id).topic.as_str();
            assert!(hits.next().is_none(), "{id} is in two groups");
            topic
        };
        for (id, topic) in [
            ("T-1001", "billing"),
            ("T-1002", "access"),
            ("T-1003", "sync"),
            ("T-1004", "billing"),
            ("T-1005", "recovery"),
            ("T-1006", "how-to"),
            ("T-1007", "billing"),
            ("T-1008", "privacy"),
            ("T-1009", "access"),
            ("T-1010", "sync"),
            ("T-1011", "security"),
            ("T-1012", "other"),
        ] {
            assert_eq!(topic_of(id), topic, "{id}");
        }
        assert_eq!(
            groups
                .iter()
                .map(|group| group.tickets.len())
                .sum::<usize>(),
            12
        );
    }

    #[test]
    fn urgent_groups_and_tickets_come_first_and_equals_keep_their_order() {
        let mut first = ticket("Invoice", "where is it");
        first.id = "first".to_owned();
        let mut urgent = ticket("Invoice", "urgent");
        urgent.id = "urgent".to_owned();
        let mut last = ticket("Invoice", "again");
        last.id = "last".to_owned();
        let groups = group(vec![ticket("Sync is slow", "why"), first, urgent, last]);
        assert_eq!(groups[0].topic, "billing");
        assert_eq!(groups[0].priority, Urgency::Urgent);
        let order: Vec<_> = groups[0]
            .tickets
            .iter()
            .map(|sorted| sorted.ticket.id.as_str())
            .collect();
        assert_eq!(order, ["urgent", "first", "last"]);
    }

    #[test]
    fn a_close_second_topic_is_remembered() {
        let (topic, runner_up) = topic(&ticket("Invoice", "sync"));
        assert_eq!((topic, runner_up), ("billing", Some("sync")));
        assert_eq!(super::topic(&ticket("Hello", "there")), ("other", None));
    }

    #[test]
    fn thanks_are_not_in_a_hurry() {
        assert_eq!(priority(&ticket("Lovely", "thank you")), Urgency::Low);
        assert_eq!(priority(&ticket("Question", "a matter")), Urgency::Medium);
        assert_eq!(priority(&ticket("Locked", "thank you")), Urgency::High);
    }
}
