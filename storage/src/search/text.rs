//! What a user types into a search, and what each database is asked for it.
//!
//! A query is words, `"phrases"` and beginnings`*`, all of which must be there. Whatever else is typed parts words, as it does in what
//! is searched: `user_id` looks for the two words side by side. So nothing of a database's own query language is ever passed through.

use rooms::Refusal;

/// The longest query, in characters.
pub const MOST_CHARACTERS: usize = 256;
/// So many words and phrases may be asked for at once.
const MOST_TERMS: usize = 16;
/// A beginning has at least so many letters: a shorter one is nearly every word's.
const SHORTEST_BEGINNING: usize = 2;

/// Words that stand side by side; the last may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) words: Vec<String>,
    pub(super) begins: bool,
}

/// A query that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub(super) Vec<Term>);

/// The words of a text, with the byte at which each begins.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(|c: char| !c.is_alphanumeric())
        .map(move |word| {
            let place = at;
            // The separator's length is what lies between the end of the word and the next character.
            let end = at + word.len();
            at = end + text[end..].chars().next().map_or(0, char::len_utf8);
            (place, word)
        })
        .filter(|(_, word)| !word.is_empty())
}

/// As words are compared.
pub(super) fn folded(word: &str) -> String {
    word.to_lowercase()
}

impl Text {
    /// Reads a query, named `q` in what is refused.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        if query.chars().count() > MOST_CHARACTERS {
            return Err(Refusal::field(
                "q",
                format!("at most {MOST_CHARACTERS} characters are taken"),
            ));
        }
        let mut terms = Vec::new();
        // What lies between an odd quotation mark and the next is a phrase; one that is not closed goes on to the end.
        for (n, part) in query.split('"').enumerate() {
            if n % 2 == 1 {
                terms.extend(term(part, false));
                continue;
            }
            // A star after a phrase lets its last word go on.
            let part = match (part.strip_prefix('*'), terms.last_mut()) {
                (Some(rest), Some(Term { begins, .. })) if n > 0 => {
                    *begins = true;
                    rest
                }
                _ => part,
            };
            for piece in part.split_whitespace() {
                let bare = piece.trim_end_matches('*');
                terms.extend(term(bare, bare.len() < piece.len()));
            }
        }
        if terms.is_empty() {
            return Err(Refusal::field(
                "q",
                "says no word to look for; give words, \"phrases\" or beginnings*",
            ));
        }
        if terms.len() > MOST_TERMS {
            return Err(Refusal::field(
                "q",
                format!("at most {MOST_TERMS} words and phrases are taken"),
            ));
        }
        let short = |t: &Term| {
            t.begins
                && t.words
                    .last()
                    .is_none_or(|w| w.chars().count() < SHORTEST_BEGINNING)
        };
        if terms.iter().any(short) {
            return Err(Refusal::field(
                "q",
                format!("a beginning* needs at least {SHORTEST_BEGINNING} letters"),
            ));
        }
        Ok(Self(terms))
    }

    /// For FTS5: every word is quoted, and none holds a quotation mark.
    pub(super) fn for_sqlite(&self) -> String {
        let term = |t: &Term| {
            let star = if t.begins { " *" } else { "" };
            format!("\"{}\"{star}", t.words.join(" "))
        };
        self.0.iter().map(term).collect::<Vec<_>>().join(" AND ")
    }

    /// For `to_tsquery`: every word is quoted, and none holds a quotation mark.
    pub(super) fn for_postgres(&self) -> String {
        let term = |t: &Term| {
            let words: Vec<String> = t.words.iter().map(|w| format!("'{w}'")).collect();
            let star = if t.begins { ":*" } else { "" };
            format!("({}{star})", words.join(" <-> "))
        };
        self.0.iter().map(term).collect::<Vec<_>>().join(" & ")
    }
}

fn term(text: &str, begins: bool) -> Option<Term> {
    let words: Vec<String> = words(text).map(|(_, word)| folded(word)).collect();
    (!words.is_empty()).then_some(Term { words, begins })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(query: &str) -> String {
        Text::parse(query).unwrap().for_sqlite()
    }

    #[test]
    fn words_phrases_and_beginnings_are_read() {
        assert_eq!(sqlite("Red  fish"), r#""red" AND "fish""#);
        assert_eq!(sqlite(r#""red fish" blue"#), r#""red fish" AND "blue""#);
        assert_eq!(sqlite("depl*"), r#""depl" *"#);
        assert_eq!(sqlite(r#""red fi"* x"#), r#""red fi" * AND "x""#);
        assert_eq!(sqlite("user_id"), r#""user id""#);
        assert_eq!(sqlite("ÄPFEL"), r#""äpfel""#);
        let postgres = Text::parse(r#""red fish" blu*"#).unwrap().for_postgres();
        assert_eq!(postgres, "('red' <-> 'fish') & ('blu':*)");
    }

    #[test]
    fn what_would_mean_something_to_a_database_means_nothing() {
        assert_eq!(sqlite("a OR b"), r#""a" AND "or" AND "b""#);
        assert_eq!(sqlite("NEAR(a b)"), r#""near a" AND "b""#);
        assert_eq!(
            sqlite(r#"body:x ^y -z "un"#),
            r#""body x" AND "y" AND "z" AND "un""#
        );
        let postgres = Text::parse(r"a'b:A & !c | \ <-> (d")
            .unwrap()
            .for_postgres();
        assert_eq!(postgres, "('a' <-> 'b' <-> 'a') & ('c') & ('d')");
    }

    #[test]
    fn a_query_without_words_or_with_too_many_is_refused() {
        let refused = |query: &str| Text::parse(query).unwrap_err().errors.remove(0).message;
        for empty in ["", "  ", "\"\"", "*", "?!-\"", "\" \" \" \""] {
            assert!(refused(empty).contains("no word"), "{empty:?}");
        }
        assert!(refused(&"é".repeat(257)).contains("256 characters"));
        assert!(Text::parse(&"é".repeat(256)).is_ok());
        assert!(refused(&"ab ".repeat(17)).contains("16 words"));
        assert!(Text::parse(&"ab ".repeat(16)).is_ok());
        assert!(refused("a*").contains("2 letters"));
        assert!(refused("\"red f\"*").contains("2 letters"));
    }
}
