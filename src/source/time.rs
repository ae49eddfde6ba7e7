//! Days and instants from text by declared format and zone.

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems};
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::cell::shown;

/// Days of `NaiveDate::num_days_from_ce` before 1970-01-01.
const EPOCH_FROM_CE: i32 = 719_163;

/// How days or instants are written.
#[derive(Debug, Clone)]
pub(crate) struct TimeFormat {
    /// The format as declared; none for ISO 8601.
    declared: Option<String>,
    layout: Layout,
    /// The zone of times without an offset; none for UTC.
    zone: Option<Tz>,
}

#[derive(Debug, Clone)]
enum Layout {
    Iso,
    /// Numbers and literals only, which is what nearly every file has; about ten times as fast as the general way.
    Simple(Vec<Step>),
    General {
        items: Vec<Item<'static>>,
        has_time: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Literal(u8),
    Number { field: Field, least: u8, most: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl TimeFormat {
    /// Checks a declared strftime format and IANA zone.
    ///
    /// # Errors
    /// An unknown zone, a format that is no strftime format, or one from which no day can be told.
    pub(crate) fn new(format: Option<&str>, zone: Option<&str>) -> Result<Self, String> {
        let zone = match zone {
            None => None,
            Some(name) => {
                let zone: Tz = name
                    .parse()
                    .map_err(|_| format!("`{name}` is no IANA time zone"))?;
                (zone != Tz::UTC).then_some(zone)
            }
        };
        let Some(format) = format else {
            return Ok(Self {
                declared: None,
                layout: Layout::Iso,
                zone,
            });
        };
        let items = StrftimeItems::new(format)
            .parse_to_owned()
            .map_err(|_| format!("`{format}` is no strftime format"))?;
        let sample = NaiveDate::from_ymd_opt(2001, 2, 3).and_then(|day| day.and_hms_opt(4, 5, 6));
        let sample = sample.unwrap_or_default().and_utc();
        let written = sample.format_with_items(items.iter()).to_string();
        let layout = match simple(format) {
            Some(steps) => Layout::Simple(steps),
            None => Layout::General {
                has_time: items.iter().any(tells_hour),
                items,
            },
        };
        let made = Self {
            declared: Some(format.to_owned()),
            layout,
            zone,
        };
        // What the format itself writes it must also read, or no cell ever will.
        made.date(&written)
            .map_err(|_| format!("no day can be told from the format `{format}`"))?;
        Ok(made)
    }

    /// Days since 1970-01-01. ISO 8601 means `YYYY-MM-DD`; a declared format may tell a time, which is dropped as declared.
    pub(crate) fn date(&self, text: &str) -> Result<i32, String> {
        let trimmed = text.trim_ascii();
        let day = match &self.layout {
            Layout::Iso => iso_date(trimmed.as_bytes()).filter(|_| trimmed.len() == 10),
            Layout::Simple(steps) => read_simple(steps, trimmed.as_bytes()).map(|at| at.date()),
            Layout::General { items, has_time } => {
                read_general(items, trimmed).and_then(|parsed| match instant(&parsed, *has_time) {
                    Some(Instant::Utc(at)) if parsed.timestamp().is_some() => Some(at.date_naive()),
                    _ => parsed.to_naive_date().ok(),
                })
            }
        };
        match day {
            Some(day) => Ok(days(day)),
            None => Err(self.mismatch(text, "date")),
        }
    }

    /// Microseconds since 1970-01-01 UTC.
    ///
    /// ISO 8601 means `YYYY-MM-DD`, `T` or a space, `HH:MM`, then optional seconds, fraction and offset; a day
    /// alone is its midnight. Of two instants that share a local time when clocks go back, the earlier one is
    /// taken. A local time that clocks skipped, and a fraction finer than microseconds, are refused.
    pub(crate) fn timestamp(&self, text: &str) -> Result<i64, String> {
        let trimmed = text.trim_ascii();
        let read = match &self.layout {
            Layout::Iso => iso_timestamp(trimmed.as_bytes()),
            Layout::Simple(steps) => read_simple(steps, trimmed.as_bytes()).map(Instant::Local),
            Layout::General { items, has_time } => {
                read_general(items, trimmed).and_then(|parsed| instant(&parsed, *has_time))
            }
        };
        let instant = match read {
            None => return Err(self.mismatch(text, "timestamp")),
            Some(Instant::Utc(instant)) => instant,
            Some(Instant::Local(local)) => match self.zone {
                None => local.and_utc(),
                Some(zone) => match zone.from_local_datetime(&local) {
                    LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
                    LocalResult::None => {
                        return Err(format!("{} does not exist in {zone}", shown(text)));
                    }
                },
            },
        };
        if instant.timestamp_subsec_nanos() % 1_000 != 0 {
            return Err(format!("{} is finer than microseconds", shown(text)));
        }
        Ok(instant.timestamp_micros())
    }

    fn mismatch(&self, text: &str, what: &str) -> String {
        match &self.declared {
            None => format!("{} is not an ISO 8601 {what}", shown(text)),
            Some(format) => format!("{} is not a {what} of format `{format}`", shown(text)),
        }
    }

    /// The zone of times without an offset.
    pub(crate) fn zone(&self) -> Option<Tz> {
        self.zone
    }
}

/// Days since 1970-01-01.
pub(crate) fn days(day: NaiveDate) -> i32 {
    use chrono::Datelike;
    day.num_days_from_ce() - EPOCH_FROM_CE
}

/// A point in time as it was written.
enum Instant {
    Local(NaiveDateTime),
    Utc(DateTime<Utc>),
}

/// The steps of a format that has numbers of fixed meaning and ASCII literals only.
fn simple(format: &str) -> Option<Vec<Step>> {
    let expanded = format
        .replace("%F", "%Y-%m-%d")
        .replace("%T", "%H:%M:%S")
        .replace("%R", "%H:%M");
    let mut fields: Vec<Result<Field, u8>> = Vec::new();
    let mut bytes = expanded.bytes();
    while let Some(byte) = bytes.next() {
        fields.push(match byte {
            b'%' => Ok(match bytes.next()? {
                b'Y' => Field::Year,
                b'm' => Field::Month,
                b'd' => Field::Day,
                b'H' => Field::Hour,
                b'M' => Field::Minute,
                b'S' => Field::Second,
                _ => return None,
            }),
            byte if byte.is_ascii() && !byte.is_ascii_digit() => Err(byte),
            _ => return None,
        });
    }
    let step = |(at, field): (usize, &Result<Field, u8>)| match *field {
        Err(literal) => Step::Literal(literal),
        Ok(Field::Year) => Step::Number {
            field: Field::Year,
            least: 4,
            most: 4,
        },
        Ok(field) => {
            // Numbers side by side can only be told apart at full width.
            let is_number =
                |at: Option<usize>| at.is_some_and(|at| matches!(fields.get(at), Some(Ok(_))));
            let least = if is_number(at.checked_sub(1)) || is_number(Some(at + 1)) {
                2
            } else {
                1
            };
            Step::Number {
                field,
                least,
                most: 2,
            }
        }
    };
    Some(fields.iter().enumerate().map(step).collect())
}

fn read_simple(steps: &[Step], text: &[u8]) -> Option<NaiveDateTime> {
    let (mut year, mut month, mut day) = (None, None, None);
    let (mut hour, mut minute, mut second) = (0, 0, 0);
    let mut rest = text;
    for step in steps {
        match *step {
            Step::Literal(literal) => rest = rest.strip_prefix(&[literal])?,
            Step::Number { field, least, most } => {
                let (value, left) = number(rest, least.into(), most.into())?;
                rest = left;
                match field {
                    Field::Year => year = i32::try_from(value).ok(),
                    Field::Month => month = Some(value),
                    Field::Day => day = Some(value),
                    Field::Hour => hour = value,
                    Field::Minute => minute = value,
                    Field::Second => second = value,
                }
            }
        }
    }
    if !rest.is_empty() {
        return None;
    }
    NaiveDate::from_ymd_opt(year?, month?, day?)?.and_hms_opt(hour, minute, second)
}

/// A run of `least` to `most` digits and what follows it.
fn number(text: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let digits = text
        .iter()
        .take(most)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits < least {
        return None;
    }
    let (run, rest) = text.split_at(digits);
    Some((
        run.iter()
            .fold(0, |value, byte| value * 10 + u32::from(byte - b'0')),
        rest,
    ))
}

/// The day at the start of `text`.
fn iso_date(text: &[u8]) -> Option<NaiveDate> {
    let (year, rest) = number(text, 4, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 2, 2)?;
    let (day, _) = number(rest.strip_prefix(b"-")?, 2, 2)?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

fn iso_timestamp(text: &[u8]) -> Option<Instant> {
    let day = iso_date(text)?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return Some(Instant::Local(day.and_time(NaiveTime::MIN)));
    }
    let rest = rest
        .strip_prefix(b"T")
        .or_else(|| rest.strip_prefix(b"t"))
        .or_else(|| rest.strip_prefix(b" "))?;
    let (hour, rest) = number(rest, 2, 2)?;
    let (minute, mut rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some(seconds) = rest.strip_prefix(b":") {
        (second, rest) = number(seconds, 2, 2)?;
        if let [b'.' | b',', fraction @ ..] = rest {
            (nanos, rest) = fraction_nanos(fraction)?;
        }
    }
    let local = day.and_hms_nano_opt(hour, minute, second, nanos)?;
    Some(match offset_seconds(rest.trim_ascii_start())? {
        None => Instant::Local(local),
        Some(offset) => Instant::Utc((local - chrono::Duration::seconds(offset)).and_utc()),
    })
}

/// Digits behind the second as nanoseconds; more than nine only when the rest are zeros.
fn fraction_nanos(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (run, rest) = text.split_at(digits);
    let (told, beyond) = run.split_at(digits.min(9));
    if digits == 0 || beyond.iter().any(|byte| *byte != b'0') {
        return None;
    }
    let value = told
        .iter()
        .fold(0_u32, |value, byte| value * 10 + u32::from(byte - b'0'));
    Some((value * 10_u32.pow(9 - told.len() as u32), rest))
}

/// `Z`, `±HH`, `±HHMM` or `±HH:MM`; the inner none is no offset, the outer none is something else.
#[expect(
    clippy::option_option,
    reason = "absent and wrong are different answers"
)]
fn offset_seconds(text: &[u8]) -> Option<Option<i64>> {
    let (sign, rest) = match text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2, 2)?;
    let (minutes, rest) = match rest {
        [] => (0, rest),
        [b':', rest @ ..] => number(rest, 2, 2)?,
        rest => number(rest, 2, 2)?,
    };
    let fits = rest.is_empty() && hours <= 23 && minutes <= 59;
    fits.then_some(Some(sign * i64::from(hours * 3600 + minutes * 60)))
}

fn read_general(items: &[Item<'static>], text: &str) -> Option<Parsed> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items.iter()).ok()?;
    Some(parsed)
}

fn instant(parsed: &Parsed, has_time: bool) -> Option<Instant> {
    if parsed.timestamp().is_some() {
        return Some(Instant::Utc(
            parsed.to_naive_datetime_with_offset(0).ok()?.and_utc(),
        ));
    }
    let day = parsed.to_naive_date().ok()?;
    let local = if has_time {
        day.and_time(parsed.to_naive_time().ok()?)
    } else {
        day.into()
    };
    Some(match parsed.offset() {
        None => Instant::Local(local),
        Some(offset) => {
            Instant::Utc((local - chrono::Duration::seconds(i64::from(offset))).and_utc())
        }
    })
}

fn tells_hour(item: &Item<'_>) -> bool {
    matches!(
        item,
        Item::Numeric(Numeric::Hour | Numeric::Hour12 | Numeric::Timestamp, _)
            | Item::Fixed(Fixed::RFC2822 | Fixed::RFC3339)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso() -> TimeFormat {
        TimeFormat::new(None, None).unwrap()
    }

    fn utc(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
    }

    #[test]
    fn iso_dates() {
        assert_eq!(iso().date("1970-01-01"), Ok(0));
        assert_eq!(iso().date("2000-02-29"), Ok(11_016));
        assert_eq!(iso().date("1969-12-31"), Ok(-1));
        for text in [
            "2001-02-29",
            "2001-2-3",
            "2001-02-03 00:00:00",
            "20010203",
            "",
            "1998-13-01",
        ] {
            let reason = format!("`{text}` is not an ISO 8601 date");
            assert_eq!(iso().date(text), Err(reason));
        }
    }

    #[test]
    fn iso_timestamps() {
        for (text, instant) in [
            ("2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
            ("2010-12-01T08:26", "2010-12-01T08:26:00Z"),
            ("2010-12-01", "2010-12-01T00:00:00Z"),
            ("2010-12-01T08:26:00.123456Z", "2010-12-01T08:26:00.123456Z"),
            ("2010-12-01 08:26:00.5+02:00", "2010-12-01T06:26:00.5Z"),
            ("2010-12-01 08:26:00 -0530", "2010-12-01T13:56:00Z"),
            (
                "2010-12-01 08:26:00.123000000000+00",
                "2010-12-01T08:26:00.123Z",
            ),
        ] {
            assert_eq!(iso().timestamp(text), Ok(utc(instant)), "{text}");
        }
        for text in [
            "2010-12-01 24:00:00",
            "2010-12-01 08:26:60",
            "2010-12-01 8:26",
            "now",
            "",
        ] {
            assert!(iso().timestamp(text).is_err(), "{text}");
        }
        assert_eq!(
            iso().timestamp("2010-12-01T08:26:00.1234567Z"),
            Err("`2010-12-01T08:26:00.1234567Z` is finer than microseconds".to_owned())
        );
    }

    #[test]
    fn declared_formats() {
        let compact = TimeFormat::new(Some("%Y%m%d"), None).unwrap();
        assert_eq!(compact.date("19970101"), Ok(9_862));
        assert!(compact.date("1997011").is_err());
        let american = TimeFormat::new(Some("%m/%d/%Y %H:%M"), None).unwrap();
        assert_eq!(
            american.timestamp("12/1/2010 8:26"),
            Ok(utc("2010-12-01T08:26:00Z"))
        );
        assert_eq!(american.date("12/1/2010 8:26"), Ok(14_944));
        assert_eq!(
            american.timestamp("13/1/2010 8:26"),
            Err("`13/1/2010 8:26` is not a timestamp of format `%m/%d/%Y %H:%M`".to_owned())
        );
        let named = TimeFormat::new(Some("%d-%b-%Y %I:%M %p"), None).unwrap();
        assert_eq!(
            named.timestamp("01-Dec-2010 08:26 PM"),
            Ok(utc("2010-12-01T20:26:00Z"))
        );
        let offset = TimeFormat::new(Some("%Y-%m-%dT%H:%M:%S%.f%z"), None).unwrap();
        assert_eq!(
            offset.timestamp("2010-12-01T08:26:00.25+0100"),
            Ok(utc("2010-12-01T07:26:00.25Z"))
        );
        let epoch = TimeFormat::new(Some("%s"), None).unwrap();
        assert_eq!(
            epoch.timestamp("1291191960"),
            Ok(utc("2010-12-01T08:26:00Z"))
        );
    }

    #[test]
    fn formats_that_tell_no_day_are_refused() {
        for format in ["%H:%M", "%Y", "%Q", "date"] {
            assert!(TimeFormat::new(Some(format), None).is_err(), "{format}");
        }
        assert!(TimeFormat::new(None, Some("Mars/Olympus")).is_err());
    }

    #[test]
    fn local_times_where_clocks_change() {
        let berlin = TimeFormat::new(None, Some("Europe/Berlin")).unwrap();
        assert_eq!(
            berlin.timestamp("2010-07-01 12:00:00"),
            Ok(utc("2010-07-01T10:00:00Z"))
        );
        assert_eq!(
            berlin.timestamp("2010-10-31 02:30:00"),
            Ok(utc("2010-10-31T00:30:00Z"))
        );
        assert_eq!(
            berlin.timestamp("2010-03-28 02:30:00"),
            Err("`2010-03-28 02:30:00` does not exist in Europe/Berlin".to_owned())
        );
        assert_eq!(
            berlin.timestamp("2010-07-01 12:00:00Z"),
            Ok(utc("2010-07-01T12:00:00Z"))
        );
    }
}
