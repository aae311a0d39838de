//! What came out: a table on the terminal, a JSON file, and a plot.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

/// What a number must be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
    /// No target: it is told beside the others.
    Told,
}

impl Target {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
            Self::Told => None,
        }
    }
}

/// A number with its target.
#[derive(Clone, Debug)]
pub struct Measure {
    /// What it is.
    pub what: String,
    /// What came out.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// What it must be.
    pub target: Target,
}

/// A row of the targets.
#[derive(Clone, Debug)]
pub struct Row {
    /// `F1`…
    pub id: &'static str,
    /// What is done.
    pub work: &'static str,
    /// What came out.
    pub measures: Vec<Measure>,
}

impl Row {
    /// A row without numbers.
    pub fn new(id: &'static str, work: &'static str) -> Self {
        Self {
            id,
            work,
            measures: Vec::new(),
        }
    }

    /// A number that is told.
    pub fn told(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.with(what, value, unit, Target::Told);
    }

    /// A number that has a target.
    pub fn with(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.measures.push(Measure {
            what: what.into(),
            value,
            unit,
            target,
        });
    }

    /// As text, for the terminal.
    pub fn print(&self) {
        println!("\n{}  {}", self.id, self.work);
        for m in &self.measures {
            let target = match m.target {
                Target::AtMost(v) => format!("≤ {}", number(v)),
                Target::AtLeast(v) => format!("≥ {}", number(v)),
                Target::Told => String::new(),
            };
            let verdict = match m.target.met(m.value) {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "",
            };
            println!(
                "    {:<66} {:>10} {:<12} {:<9} {}",
                m.what,
                number(m.value),
                m.unit,
                target,
                verdict
            );
        }
    }

    fn json(&self) -> Value {
        let measures: Vec<_> = self
            .measures
            .iter()
            .map(|m| {
                let (at_most, at_least) = match m.target {
                    Target::AtMost(v) => (Some(v), None),
                    Target::AtLeast(v) => (None, Some(v)),
                    Target::Told => (None, None),
                };
                json!({"what": m.what, "value": m.value, "unit": m.unit, "atMost": at_most, "atLeast": at_least, "met": m.target.met(m.value)})
            })
            .collect();
        json!({"row": self.id, "work": self.work, "measures": measures})
    }
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        v if !v.is_finite() => "–".to_owned(),
        v if v >= 1000.0 => {
            let whole = format!("{value:.0}");
            let mut out = String::new();
            for (n, digit) in whole.chars().enumerate() {
                if n > 0 && (whole.len() - n).is_multiple_of(3) && digit != '-' {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes `results.json`, `results.md` and `results.svg`.
pub fn write(rows: &[Row], about: &Value, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let all = json!({"about": about, "rows": rows.iter().map(Row::json).collect::<Vec<_>>()});
    std::fs::write(
        folder.join("results.json"),
        format!("{}\n", serde_json::to_string_pretty(&all)?),
    )?;
    std::fs::write(folder.join("results.md"), table(rows))?;
    std::fs::write(folder.join("results.svg"), plot(rows))?;
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut out = String::from("| | what | came out | target | |\n|---|---|---:|---:|---|\n");
    for row in rows {
        for (n, m) in row.measures.iter().enumerate() {
            let target = match m.target {
                Target::AtMost(v) => format!("≤ {}", number(v)),
                Target::AtLeast(v) => format!("≥ {}", number(v)),
                Target::Told => String::new(),
            };
            let verdict = match m.target.met(m.value) {
                Some(true) => "met",
                Some(false) => "**not met**",
                None => "",
            };
            let id = if n == 0 {
                format!("**{}**", row.id)
            } else {
                String::new()
            };
            let _ = writeln!(
                out,
                "| {id} | {} | {} {} | {target} | {verdict} |",
                m.what,
                number(m.value),
                m.unit
            );
        }
    }
    out
}

/// Each number that has a target as a bar: how many times better than the target it is, on a logarithmic scale.
fn plot(rows: &[Row]) -> String {
    let bars: Vec<(String, f64)> = rows
        .iter()
        .flat_map(|row| {
            row.measures.iter().filter_map(|m| {
                let better = match m.target {
                    Target::AtMost(most) => most / m.value.max(1e-9),
                    Target::AtLeast(least) => m.value / least,
                    Target::Told => return None,
                };
                Some((format!("{}  {}", row.id, m.what), better))
            })
        })
        .collect();
    let (left, width, step) = (520.0, 420.0, 22.0);
    let height = bars.len() as f64 * step + 60.0;
    let centre = left + width / 2.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{centre}\" y=\"16\" text-anchor=\"middle\">how many times better than its target (the line), at most 10 shown</text>\n",
        left + width + 60.0
    );
    for (n, (what, better)) in bars.iter().enumerate() {
        let y = 30.0 + n as f64 * step;
        let reach = better.log10().clamp(-1.0, 1.0) * width / 2.0;
        let (x, w) = if reach < 0.0 {
            (centre + reach, -reach)
        } else {
            (centre, reach)
        };
        let colour = if *better >= 1.0 { "#2a7f62" } else { "#c0392b" };
        let what = what.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{what}</text>\n\
             <rect x=\"{x:.1}\" y=\"{}\" width=\"{w:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
             <text x=\"{}\" y=\"{}\">{better:.2} ×</text>",
            left - 8.0,
            y + 12.0,
            y + 1.0,
            left + width + 6.0,
            y + 12.0,
        );
    }
    let _ = writeln!(
        svg,
        "<line x1=\"{centre}\" x2=\"{centre}\" y1=\"24\" y2=\"{}\" stroke=\"black\"/>\n</svg>",
        height - 24.0
    );
    svg
}
