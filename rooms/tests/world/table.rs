//! State machines as tables: what each command comes to in each state; and that docs/MODEL.md draws the same machine.

/// What came of asking for something in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was taken, and the state is what it was.
    Stays,
    /// It was taken, and this is the state now.
    To(String),
    /// It was refused with this code.
    Refused(String),
}

/// A line of a table.
#[derive(Clone, Debug)]
pub struct Row {
    pub from: String,
    pub ask: String,
    pub came: Came,
}

/// The table as a reader sees it, a paragraph for each state.
pub fn render(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut state = "";
    for row in rows {
        if !state.is_empty() && state != row.from {
            out.push('\n');
        }
        state = &row.from;
        let came = match &row.came {
            Came::Stays => "stays".to_owned(),
            Came::To(to) => format!("→ {to}"),
            Came::Refused(code) => format!("✗ {code}"),
        };
        out.push_str(&format!("{:<24} {:<22} {came}\n", row.from, row.ask));
    }
    out
}

type Edge = (String, String);

/// The transitions that docs/MODEL.md draws under a heading.
fn drawn(heading: &str) -> Vec<Edge> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/MODEL.md");
    let text = std::fs::read_to_string(path).expect("docs/MODEL.md");
    let part = text
        .split(&format!("## {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let diagram = part
        .split("```mermaid\n")
        .nth(1)
        .and_then(|d| d.split("```").next())
        .expect("a diagram");
    let mut edges: Vec<Edge> = diagram
        .lines()
        .filter_map(|line| line.split_once("-->"))
        .map(|(from, rest)| {
            let to = rest.split(':').next().unwrap_or_default();
            (from.trim().to_owned(), to.trim().to_owned())
        })
        .filter(|(from, to)| from != "[*]" && to != "[*]")
        .collect();
    edges.sort();
    edges.dedup();
    edges
}

/// Every transition that the documentation draws is taken by a row of the table, every one that is taken is drawn, and for each some
/// command that takes it is refused in another state. `name` is what the diagram calls a state of the table.
pub fn agrees_with_the_documentation(heading: &str, rows: &[Row], name: fn(&str) -> String) {
    let edge = |row: &Row| match &row.came {
        Came::To(to) => Some((name(&row.from), name(to))).filter(|(from, to)| from != to),
        _ => None,
    };
    let drawn = drawn(heading);
    let mut taken: Vec<Edge> = rows.iter().filter_map(edge).collect();
    taken.sort();
    taken.dedup();
    let only = |a: &[Edge], b: &[Edge]| -> Vec<Edge> {
        a.iter().filter(|x| !b.contains(x)).cloned().collect()
    };
    let (undrawn, untaken) = (only(&taken, &drawn), only(&drawn, &taken));
    assert!(
        undrawn.is_empty() && untaken.is_empty(),
        "docs/MODEL.md, {heading}: not drawn: {undrawn:?}; drawn but never taken: {untaken:?}"
    );
    let refused_elsewhere = |wanted: &Edge| {
        let takers = rows.iter().filter(|row| edge(row).as_ref() == Some(wanted));
        takers.into_iter().any(|taker| {
            rows.iter().any(|row| {
                row.ask == taker.ask
                    && name(&row.from) != wanted.0
                    && matches!(row.came, Came::Refused(_))
            })
        })
    };
    let never_refused: Vec<_> = taken.iter().filter(|e| !refused_elsewhere(e)).collect();
    assert!(
        never_refused.is_empty(),
        "{heading}: nothing that leads to these is refused in any other state: {never_refused:?}"
    );
}
