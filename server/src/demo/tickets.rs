//! The input: support tickets in a CSV file.
//!
//! Every error names the line and the column as a spreadsheet or an editor counts them, for the file is written by people.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What runs when no `--input` is given.
pub const SAMPLE: &str = include_str!("tickets.csv");
/// The sample's name in the room.
pub const SAMPLE_NAME: &str = "tickets.csv";

/// The columns, by the names that the header must have, in any order.
const COLUMNS: [&str; 5] = ["id", "customer", "subject", "body", "received_at"];
/// The text travels in the process's context and in a step's outputs, and a socket takes 1 MiB.
const MAX_BYTES: usize = 256 * 1024;

/// One request for help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// The help desk's number, unique in the file.
    pub id: String,
    /// Who wrote.
    pub customer: String,
    /// What about, in one line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// When, in RFC 3339.
    pub received_at: String,
}

/// What is wrong with the file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}, line {line}, {}: {problem}", describe_column(.column.as_deref()))]
pub struct CsvError {
    /// The file.
    pub name: String,
    /// Counted from 1, the header included.
    pub line: u64,
    /// The column by name, or by number where it has none; `None` when the whole line is meant.
    pub column: Option<String>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

fn describe_column(column: Option<&str>) -> String {
    column.map_or_else(
        || "whole line".to_owned(),
        |column| format!("column {column}"),
    )
}

/// Reads the tickets from the bytes of a file called `name`.
///
/// # Errors
/// At the first thing that is wrong.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Ticket>, CsvError> {
    let fail = |line, column: Option<&str>, problem: String| CsvError {
        name: name.to_owned(),
        line,
        column: column.map(str::to_owned),
        problem,
    };
    if bytes.len() > MAX_BYTES {
        let problem = format!(
            "the file has {} bytes; at most {MAX_BYTES} can be read",
            bytes.len()
        );
        return Err(fail(1, None, problem));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let start = before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let characters = String::from_utf8_lossy(&before[start..]).chars().count();
        let column = format!("{} (character)", characters + 1);
        fail(
            line,
            Some(&column),
            "the file is not UTF-8 here; save it as UTF-8".to_owned(),
        )
    })?;
    // Spreadsheets begin the file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        let problem = format!(
            "the file is empty; it must begin with {}",
            COLUMNS.join(",")
        );
        return Err(fail(1, None, problem));
    }

    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| fail(1, None, error.to_string()))?
        .clone();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let mut found = header
            .iter()
            .enumerate()
            .filter(|(_, name)| name.trim() == column)
            .map(|(at, _)| at);
        *place = found.next().ok_or_else(|| {
            let there = header.iter().collect::<Vec<_>>().join(",");
            fail(
                1,
                Some(column),
                format!("this column is missing; the header has {there:?}"),
            )
        })?;
        if found.next().is_some() {
            return Err(fail(
                1,
                Some(column),
                "this column is there twice".to_owned(),
            ));
        }
    }

    let mut tickets = Vec::new();
    let mut lines = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            fail(
                error.position().map_or(1, csv::Position::line),
                None,
                error.to_string(),
            )
        })?;
        let line = record.position().map_or(1, csv::Position::line);
        if record.len() != header.len() {
            let column = record.len().min(header.len()) + 1;
            let problem = format!(
                "the line has {} fields and the header {}",
                record.len(),
                header.len()
            );
            return Err(fail(line, Some(&column.to_string()), problem));
        }
        let field = |at: usize| record.get(places[at]).unwrap_or_default().trim().to_owned();
        for (at, column) in COLUMNS.iter().enumerate() {
            if field(at).is_empty() {
                return Err(fail(line, Some(column), "the field is empty".to_owned()));
            }
        }
        let [id, customer, subject, body, received_at] = [0, 1, 2, 3, 4].map(field);
        // The hub keeps no U+0000, and no ticket means one.
        if let Some(at) = [&id, &customer, &subject, &body]
            .iter()
            .position(|text| text.contains('\0'))
        {
            return Err(fail(
                line,
                Some(COLUMNS[at]),
                "the field holds a NUL character".to_owned(),
            ));
        }
        if chrono::DateTime::parse_from_rfc3339(&received_at).is_err() {
            let problem =
                format!("{received_at:?} is no RFC 3339 time such as 2026-03-04T08:12:00Z");
            return Err(fail(line, Some("received_at"), problem));
        }
        if let Some(first) = lines.insert(id.clone(), line) {
            return Err(fail(
                line,
                Some("id"),
                format!("{id:?} was already used in line {first}"),
            ));
        }
        tickets.push(Ticket {
            id,
            customer,
            subject,
            body,
            received_at,
        });
    }
    if tickets.is_empty() {
        return Err(fail(
            2,
            None,
            "there is no ticket below the header".to_owned(),
        ));
    }
    Ok(tickets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id,customer,subject,body,received_at\n";

    fn error(text: impl AsRef<[u8]>) -> String {
        parse("in.csv", text.as_ref())
            .expect_err("must not be accepted")
            .to_string()
    }

    #[test]
    fn the_sample_is_read_with_its_quotes_commas_and_line_breaks() {
        let tickets = parse(SAMPLE_NAME, SAMPLE.as_bytes()).expect("the sample");
        assert_eq!(tickets.len(), 12);
        assert_eq!(tickets[3].customer, "Okafor & Sons, Ltd.");
        assert!(tickets[1].body.contains("\"invalid session\""));
        assert!(tickets[2].body.contains('\n'));
    }

    #[test]
    fn columns_may_come_in_any_order_with_others_between_and_a_byte_order_mark() {
        let text = "\u{feff}received_at,id,team,body,subject,customer\r\n2026-03-04T08:12:00Z,A,x,b,s,c\r\n";
        let tickets = parse("in.csv", text.as_bytes()).expect("readable");
        assert_eq!(
            (tickets[0].id.as_str(), tickets[0].customer.as_str()),
            ("A", "c")
        );
    }

    #[test]
    fn a_missing_or_double_column_is_named() {
        let missing = error("id,customer,subject,received_at\nA,c,s,2026-03-04T08:12:00Z\n");
        assert!(
            missing.starts_with("in.csv, line 1, column body: this column is missing"),
            "{missing}"
        );
        let double = error("id,id,customer,subject,body,received_at\n");
        assert!(
            double.starts_with("in.csv, line 1, column id: this column is there twice"),
            "{double}"
        );
    }

    #[test]
    fn an_empty_file_says_what_it_should_begin_with() {
        for empty in ["", "\n\n", "\u{feff}"] {
            assert!(
                error(empty).starts_with("in.csv, line 1, whole line: the file is empty"),
                "{empty:?}"
            );
        }
        assert!(error(HEADER).starts_with("in.csv, line 2, whole line: there is no ticket"));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_located() {
        let mut bytes = format!("{HEADER}A,Jos").into_bytes();
        bytes.extend([0xE9, b',', b's']);
        let error = error(bytes);
        assert!(
            error.starts_with("in.csv, line 2, column 6 (character): the file is not UTF-8"),
            "{error}"
        );
    }

    #[test]
    fn a_bad_field_is_located() {
        let row = |row: &str| {
            error(format!(
                "{HEADER}A,c,s,\"two\nlines\",2026-03-04T08:12:00Z\n{row}\n"
            ))
        };
        for (bad, expected) in [
            (
                "B,c,,b,2026-03-04T08:12:00Z",
                "in.csv, line 4, column subject: the field is empty",
            ),
            (
                "B,c,s,b,yesterday",
                "in.csv, line 4, column received_at: \"yesterday\"",
            ),
            (
                "A,c,s,b,2026-03-04T08:12:00Z",
                "in.csv, line 4, column id: \"A\" was already used in line 2",
            ),
            (
                "B,c,s,b",
                "in.csv, line 4, column 5: the line has 4 fields and the header 5",
            ),
            (
                "B,c,s,b,2026-03-04T08:12:00Z,x",
                "in.csv, line 4, column 6: the line has 6 fields",
            ),
            (
                "B,c\0,s,b,2026-03-04T08:12:00Z",
                "in.csv, line 4, column customer: the field holds a NUL",
            ),
        ] {
            let error = row(bad);
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_no_socket_would_take_is_refused() {
        assert!(error(vec![b'a'; MAX_BYTES + 1]).contains("at most"));
    }
}
