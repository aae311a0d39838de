//! A span of time as people write it in a configuration.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `90s`, `15m`, `24h`, `7d`; `off` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Span(Option<Duration>);

/// As a configuration may hold it: a number alone says no unit, and is told so.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(i64),
}

impl TryFrom<Written> for Span {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => text.try_into(),
            Written::Number(number) => number.to_string().try_into(),
        }
    }
}

impl Span {
    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self(Some(Duration::from_secs(hours * 3_600)))
    }

    /// How long it is; none: for ever.
    pub fn get(self) -> Option<Duration> {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let wrong = || format!("{text:?} is no span of time; use 90s, 15m, 24h, 7d or off");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let seconds: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        // A century, so that nothing is ever earlier than time itself.
        let most = 100 * 365 * 86_400;
        let whole = number
            .checked_mul(seconds)
            .filter(|n| (1..=most).contains(n));
        whole
            .map(|n| Self(Some(Duration::from_secs(n))))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(whole) = self.0 else {
            return f.write_str("off");
        };
        let seconds = whole.as_secs();
        for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
            if seconds >= length && seconds.is_multiple_of(length) {
                return write!(f, "{}{unit}", seconds / length);
            }
        }
        write!(f, "{seconds}s")
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_it_is_written() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
            let span = Span::try_from(text.to_owned()).unwrap();
            assert_eq!(span.get(), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(Span::try_from(span.to_string()), Ok(span));
        }
        assert_eq!(Span::try_from("off".to_owned()).unwrap().get(), None);
        assert_eq!(Span::hours(24).to_string(), "1d");
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "1.5h",
            "0s",
            "7 d",
            "99999999999d",
            "1w",
            "٣d",
        ] {
            let error = Span::try_from(wrong.to_owned()).unwrap_err();
            assert!(error.contains("7d or off"), "{wrong:?}: {error}");
        }
    }
}
