//! The help desk's knowledge: a dozen facts in a file, found by the words that they share with a ticket.

use std::collections::BTreeSet;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::tickets::Ticket;
use super::triage::{self, Group};

const FILE: &str = include_str!("knowledge.json");
/// A shared word counts so much, and the same topic as much as one word.
const TOPIC_WEIGHT: usize = 1;
/// One shared word may be chance.
const ENOUGH: usize = 2;

/// Something that is known and can be told to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Its number.
    pub id: String,
    /// What it is mostly about.
    pub topic: String,
    /// What it says, in a few words.
    pub title: String,
    /// What it says.
    pub text: String,
    /// Words of customers who need it.
    pub words: Vec<String>,
}

/// What was found for one ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// The ticket's number.
    pub ticket_id: String,
    /// The fact's number.
    pub fact_id: String,
    /// The words that led to it.
    pub because: Vec<String>,
}

/// What was found for a group of tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The facts, each once.
    pub facts: Vec<Fact>,
    /// Which ticket each answers.
    pub answered: Vec<Answered>,
    /// The tickets about which nothing is known.
    pub unanswered: Vec<String>,
}

impl Findings {
    /// The fact for a ticket.
    pub fn fact_for(&self, ticket_id: &str) -> Option<&Fact> {
        let answered = self
            .answered
            .iter()
            .find(|answered| answered.ticket_id == ticket_id)?;
        self.facts.iter().find(|fact| fact.id == answered.fact_id)
    }

    /// Adds what was found elsewhere.
    pub fn extend(&mut self, other: Self) {
        for fact in other.facts {
            if !self.facts.iter().any(|known| known.id == fact.id) {
                self.facts.push(fact);
            }
        }
        self.answered.extend(other.answered);
        self.unanswered.extend(other.unanswered);
    }
}

/// Reads the knowledge that ships with the demo.
///
/// # Errors
/// When the file was edited into something else.
pub fn load() -> anyhow::Result<Vec<Fact>> {
    serde_json::from_str(FILE).context("knowledge.json is not a list of facts")
}

/// Looks up every ticket of a group.
pub fn research(group: &Group, knowledge: &[Fact]) -> Findings {
    let mut findings = Findings::default();
    for sorted in &group.tickets {
        let ticket = &sorted.ticket;
        match best(ticket, &group.topic, knowledge) {
            Some((fact, because)) => findings.extend(Findings {
                facts: vec![fact.clone()],
                answered: vec![Answered {
                    ticket_id: ticket.id.clone(),
                    fact_id: fact.id.clone(),
                    because,
                }],
                unanswered: Vec::new(),
            }),
            None => findings.unanswered.push(ticket.id.clone()),
        }
    }
    findings
}

fn best<'a>(
    ticket: &Ticket,
    topic: &str,
    knowledge: &'a [Fact],
) -> Option<(&'a Fact, Vec<String>)> {
    let words: BTreeSet<_> = triage::words(&ticket.subject)
        .chain(triage::words(&ticket.body))
        .collect();
    let mut found: Option<(usize, &Fact, Vec<String>)> = None;
    for fact in knowledge {
        let shared: Vec<_> = fact
            .words
            .iter()
            .filter(|word| words.contains(*word))
            .cloned()
            .collect();
        let score = shared.len() + if fact.topic == topic { TOPIC_WEIGHT } else { 0 };
        let better = found.as_ref().is_none_or(|(best, ..)| score > *best);
        if !shared.is_empty() && score >= ENOUGH && better {
            found = Some((score, fact, shared));
        }
    }
    found.map(|(_, fact, shared)| (fact, shared))
}

#[cfg(test)]
mod tests {
    use super::super::tickets::{self, SAMPLE};
    use super::*;

    fn sample() -> Findings {
        let knowledge = load().expect("the knowledge");
        let tickets = tickets::parse("sample", SAMPLE.as_bytes()).expect("the sample");
        let mut all = Findings::default();
        for group in triage::group(tickets) {
            all.extend(research(&group, &knowledge));
        }
        all
    }

    #[test]
    fn each_sample_ticket_gets_the_fact_that_answers_it() {
        let findings = sample();
        for (ticket, fact) in [
            ("T-1001", "KB-01"),
            ("T-1002", "KB-04"),
            ("T-1003", "KB-07"),
            ("T-1004", "KB-02"),
            ("T-1005", "KB-09"),
            ("T-1006", "KB-10"),
            ("T-1007", "KB-03"),
            ("T-1008", "KB-11"),
            ("T-1009", "KB-05"),
            ("T-1010", "KB-08"),
            ("T-1011", "KB-06"),
        ] {
            assert_eq!(
                findings.fact_for(ticket).map(|fact| fact.id.as_str()),
                Some(fact),
                "{ticket}"
            );
        }
        assert_eq!(findings.unanswered, ["T-1012"]);
    }

    #[test]
    fn a_fact_says_by_which_words_it_was_found_and_is_listed_once() {
        let findings = sample();
        let answered = findings
            .answered
            .iter()
            .find(|answered| answered.ticket_id == "T-1001");
        assert_eq!(
            answered.expect("answered").because,
            ["charged", "twice", "refund", "payment", "card"]
        );
        let ids: BTreeSet<_> = findings.facts.iter().map(|fact| &fact.id).collect();
        assert_eq!(ids.len(), findings.facts.len());
    }
}
