//! The part of a message that shows why it was found.

use super::text::{Term, Text, folded, words};

/// A snippet has about so many characters.
const LENGTH: usize = 160;
/// So many of them come before what was found.
const BEFORE: usize = 40;

/// A part of a message, and which of its words were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// One line; an ellipsis stands where it was cut.
    pub text: String,
    /// The words in it that were looked for, each once, as they stand there.
    pub words: Vec<String>,
}

impl Text {
    /// The part of a body around the first thing that was looked for.
    pub fn snippet(&self, body: &str) -> Snippet {
        let found = self.first(body);
        let start = cut(body, back(body, found, BEFORE));
        let end = forward(body, start, LENGTH);
        let mut text = body[start..end]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let mut marked: Vec<String> = Vec::new();
        for (_, word) in words(&text) {
            if self.0.iter().any(|t| looks_for(t, word)) && !marked.iter().any(|m| m == word) {
                marked.push(word.to_owned());
            }
        }
        if !body[..start].trim().is_empty() {
            text.insert(0, '…');
        }
        if !body[end..].trim().is_empty() {
            text.push('…');
        }
        Snippet {
            text,
            words: marked,
        }
    }

    /// The byte at which the first term stands as a whole; 0 where none does.
    fn first(&self, body: &str) -> usize {
        let all: Vec<(usize, String)> = words(body).map(|(at, word)| (at, folded(word))).collect();
        let stands = |n: usize| self.0.iter().any(|term| stands_at(term, &all[n..]));
        (0..all.len()).find(|n| stands(*n)).map_or(0, |n| all[n].0)
    }
}

fn stands_at(term: &Term, words: &[(usize, String)]) -> bool {
    let last = term.words.len() - 1;
    words.len() > last
        && term
            .words
            .iter()
            .zip(words)
            .enumerate()
            .all(|(n, (wanted, (_, found)))| {
                found == wanted || (term.begins && n == last && found.starts_with(wanted))
            })
}

/// Whether a word is one of the term's, wherever it stands.
fn looks_for(term: &Term, word: &str) -> bool {
    let word = folded(word);
    term.words.contains(&word)
        || (term.begins && term.words.last().is_some_and(|last| word.starts_with(last)))
}

/// So many characters before a place.
fn back(body: &str, from: usize, characters: usize) -> usize {
    body[..from]
        .char_indices()
        .rev()
        .take(characters)
        .last()
        .map_or(from, |(at, _)| at)
}

/// So many characters after a place, or a little less so that no word is cut in two.
fn forward(body: &str, from: usize, characters: usize) -> usize {
    let Some((end, _)) = body[from..].char_indices().nth(characters) else {
        return body.len();
    };
    let end = from + end;
    match body[from..end].rfind(char::is_whitespace) {
        Some(space) if space > 0 => from + space,
        _ => end,
    }
}

/// The beginning of the word after a place, unless the place is the beginning of the text.
fn cut(body: &str, from: usize) -> usize {
    if from == 0 {
        return 0;
    }
    match body[from..]
        .char_indices()
        .take(BEFORE)
        .find(|(_, c)| c.is_whitespace())
    {
        Some((space, _)) => from + space,
        None => from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(query: &str, body: &str) -> Snippet {
        Text::parse(query).unwrap().snippet(body)
    }

    #[test]
    fn a_short_message_is_its_own_snippet() {
        let found = snippet("fish", "Red Fish,\n\tblue fish, FISH");
        assert_eq!(found.text, "Red Fish, blue fish, FISH");
        assert_eq!(found.words, ["Fish", "fish", "FISH"]);
    }

    #[test]
    fn a_long_one_is_cut_around_what_was_found() {
        let body = format!(
            "{} the needle here {}",
            "hay ".repeat(100),
            "straw ".repeat(100)
        );
        let found = snippet("need*", &body);
        assert!(
            found.text.starts_with("…hay") && found.text.ends_with("straw…"),
            "{}",
            found.text
        );
        assert!(found.text.contains("the needle here"));
        assert!(found.text.chars().count() <= LENGTH + 2);
        assert_eq!(found.words, ["needle"]);
    }

    #[test]
    fn a_phrase_is_shown_where_it_stands_whole() {
        let body = format!("red {} a red fish", "word ".repeat(100));
        assert!(snippet("\"red fish\"", &body).text.ends_with("a red fish"));
    }

    #[test]
    fn letters_of_several_bytes_are_never_cut() {
        let body = format!("{}日本{}", "é".repeat(300), "ü ".repeat(300));
        for query in ["日本", "ü", "nothing"] {
            assert!(!snippet(query, &body).text.is_empty());
        }
        assert_eq!(snippet("x", "").text, "");
    }
}
