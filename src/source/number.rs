//! Numbers from text, exactly or not at all.

use super::cell::shown;

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Separators {
    /// Between whole and fraction; none for `.`.
    pub(crate) decimal: Option<char>,
    /// Between thousands, if any.
    pub(crate) thousands: Option<char>,
}

impl Separators {
    /// Whether numbers are written as Rust writes them.
    fn plain(self) -> bool {
        self.decimal.is_none() && self.thousands.is_none()
    }

    /// The number with `.` and without thousands separators; none where a separator stands in the wrong place.
    ///
    /// The last group has three digits and the ones before it two or three (`1,00,000` is Indian), so that a
    /// decimal point cannot pass for a thousands separator.
    fn normalise(self, text: &str) -> Option<String> {
        let decimal = self.decimal.unwrap_or('.');
        let (whole, fraction) = match text.split_once(decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let mut plain = String::with_capacity(text.len());
        let sign = whole
            .find(|c| !matches!(c, '+' | '-'))
            .unwrap_or(whole.len());
        let (sign, digits) = whole.split_at(sign);
        plain.push_str(sign);
        match self.thousands {
            Some(separator) if digits.contains(separator) => {
                let groups: Vec<&str> = digits.split(separator).collect();
                let last = groups.len() - 1;
                for (at, group) in groups.iter().enumerate() {
                    let fits = match at {
                        0 => (1..=3).contains(&group.len()),
                        at if at == last => group.len() == 3,
                        _ => (2..=3).contains(&group.len()),
                    };
                    if !fits {
                        return None;
                    }
                    plain.push_str(group);
                }
            }
            _ => plain.push_str(digits),
        }
        // What is left must not hold a point that means something else here.
        if plain.contains('.') || fraction.is_some_and(|f| f.contains(['.', decimal])) {
            return None;
        }
        if let Some(fraction) = fraction {
            plain.push('.');
            plain.push_str(fraction);
        }
        Some(plain)
    }
}

/// A 64-bit integer. A fraction is refused even when it is zero: `17850.0` was written by something that thinks in floats.
pub(crate) fn bigint(text: &str, separators: Separators) -> Result<i64, String> {
    let parsed = if separators.plain() {
        whole(text.trim_ascii())
    } else {
        separators
            .normalise(text.trim_ascii())
            .and_then(|plain| whole(&plain))
    };
    parsed.ok_or_else(|| format!("{} is not a bigint", shown(text)))
}

fn whole(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (negative, digits) = sign(bytes);
    // Eighteen digits cannot overflow; longer ones take the checked way.
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let mut value = 0_i64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.parse().ok()
}

fn sign(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    }
}

/// The nearest double. Infinities and NaN are no values.
pub(crate) fn double(text: &str, separators: Separators) -> Result<f64, String> {
    let trimmed = text.trim_ascii();
    let parsed = if separators.plain() {
        trimmed.parse::<f64>().ok()
    } else {
        separators
            .normalise(trimmed)
            .and_then(|plain| plain.parse::<f64>().ok())
    };
    match parsed {
        Some(value) if value.is_finite() => Ok(value),
        _ => Err(format!("{} is not a finite number", shown(text))),
    }
}

/// An exact decimal as its unscaled integer. Digits behind the scale must be zeros; exponents are refused.
pub(crate) fn decimal(
    text: &str,
    precision: u8,
    scale: i8,
    separators: Separators,
) -> Result<i64, String> {
    let trimmed = text.trim_ascii();
    let parsed = if separators.plain() {
        unscaled(trimmed.as_bytes(), scale.unsigned_abs())
    } else {
        match separators.normalise(trimmed) {
            Some(plain) => unscaled(plain.as_bytes(), scale.unsigned_abs()),
            None => Unscaled::NoNumber,
        }
    };
    match parsed {
        Unscaled::Value(value) if value.unsigned_abs() < 10_u64.pow(u32::from(precision)) => {
            Ok(value)
        }
        Unscaled::NoNumber => Err(format!("{} is not a number", shown(text))),
        Unscaled::TooFine => Err(format!(
            "{} has more than {scale} digits behind the point",
            shown(text)
        )),
        _ => Err(format!(
            "{} is too large for decimal({precision},{scale})",
            shown(text)
        )),
    }
}

enum Unscaled {
    Value(i64),
    NoNumber,
    TooFine,
    TooLarge,
}

fn unscaled(text: &[u8], scale: u8) -> Unscaled {
    let (negative, digits) = sign(text);
    let (mut value, mut behind, mut seen, mut point) = (0_i64, 0_u8, false, false);
    let (mut too_fine, mut too_large) = (false, false);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            seen = true;
            if point {
                if behind == scale {
                    too_fine |= digit != 0;
                    continue;
                }
                behind += 1;
            }
            match value
                .checked_mul(10)
                .and_then(|v| v.checked_add(i64::from(digit)))
            {
                Some(grown) => value = grown,
                None => too_large = true,
            }
        } else if *byte == b'.' && !point {
            point = true;
        } else {
            return Unscaled::NoNumber;
        }
    }
    if !seen {
        return Unscaled::NoNumber;
    }
    if too_fine {
        return Unscaled::TooFine;
    }
    match 10_i64
        .checked_pow(u32::from(scale - behind))
        .and_then(|f| value.checked_mul(f))
    {
        Some(value) if !too_large => Unscaled::Value(if negative { -value } else { value }),
        _ => Unscaled::TooLarge,
    }
}

/// The digits before and behind the point that a number written out may have at most; no type has as many.
const MOST_DIGITS: usize = 40;

/// A JSON number that has an exponent, written out without it; none where it has none, or far more digits than any type.
pub(crate) fn without_exponent(json: &str) -> Option<String> {
    let (mantissa, exponent) = json.split_once(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    let (minus, unsigned) = match mantissa.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let most = i64::try_from(MOST_DIGITS).ok()?;
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if whole.is_empty() || digits.len() > MOST_DIGITS || !(-most..=most).contains(&point) {
        return None;
    }
    let point_at = usize::try_from(point).unwrap_or(0);
    if point <= 0 {
        let zeros = usize::try_from(-point).ok()?;
        Some(format!("{minus}0.{}{digits}", "0".repeat(zeros)))
    } else if point_at >= digits.len() {
        let zeros = point_at - digits.len();
        Some(format!("{minus}{digits}{}", "0".repeat(zeros)))
    } else {
        let (whole, fraction) = digits.split_at(point_at);
        Some(format!("{minus}{whole}.{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Separators = Separators {
        decimal: None,
        thousands: None,
    };

    #[test]
    fn bigints_are_whole() {
        for (text, value) in [
            ("0", 0),
            ("-12", -12),
            ("+7", 7),
            (" 42 ", 42),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(bigint(text, PLAIN), Ok(value), "{text}");
        }
        for text in [
            "17850.0",
            "",
            " ",
            "-",
            "1e3",
            "0x1",
            "9223372036854775808",
            "1 2",
            "١",
        ] {
            assert_eq!(
                bigint(text, PLAIN),
                Err(format!("`{text}` is not a bigint")),
                "{text}"
            );
        }
    }

    #[test]
    fn decimals_fit_exactly_or_not_at_all() {
        for (text, value) in [
            ("2.55", 255),
            ("2.5", 250),
            ("2", 200),
            (".5", 50),
            ("5.", 500),
            ("-0.01", -1),
            ("2.5500", 255),
            ("00099999.99", 9_999_999),
        ] {
            assert_eq!(decimal(text, 7, 2, PLAIN), Ok(value), "{text}");
        }
        for (text, reason) in [
            ("2.555", "`2.555` has more than 2 digits behind the point"),
            ("100000.00", "`100000.00` is too large for decimal(7,2)"),
            (
                "99999999999999999999999",
                "`99999999999999999999999` is too large for decimal(7,2)",
            ),
            ("1e3", "`1e3` is not a number"),
            ("1.2.3", "`1.2.3` is not a number"),
            (".", "`.` is not a number"),
            ("", "`` is not a number"),
        ] {
            assert_eq!(decimal(text, 7, 2, PLAIN), Err(reason.to_owned()), "{text}");
        }
        assert_eq!(
            decimal("999999999999999999", 18, 0, PLAIN),
            Ok(999_999_999_999_999_999)
        );
        assert!(decimal("1000000000000000000", 18, 0, PLAIN).is_err());
    }

    #[test]
    fn exponents_are_written_out() {
        for (json, plain) in [
            ("1e2", "100"),
            ("-1E+2", "-100"),
            ("1.25e1", "12.5"),
            ("1.25e2", "125"),
            ("1.25e3", "1250"),
            ("125e-2", "1.25"),
            ("-125e-3", "-0.125"),
            ("125e-5", "0.00125"),
            ("0e0", "0"),
        ] {
            assert_eq!(without_exponent(json).as_deref(), Some(plain), "{json}");
        }
        let long = format!("{}e1", "1".repeat(41));
        for json in [
            "12",
            "1.5",
            "true",
            "false",
            "1e400",
            "1e-400",
            "1e99999999999999999999",
            &long,
        ] {
            assert_eq!(without_exponent(json), None, "{json}");
        }
    }

    #[test]
    fn doubles_are_finite() {
        assert_eq!(double("1e-5", PLAIN), Ok(0.000_01));
        for text in ["NaN", "inf", "1e999", "", "1,5", "abc"] {
            assert!(double(text, PLAIN).is_err(), "{text}");
        }
    }

    #[test]
    fn separators_stand_where_they_belong() {
        let german = Separators {
            decimal: Some(','),
            thousands: Some('.'),
        };
        assert_eq!(decimal("-1.234.567,89", 18, 2, german), Ok(-123_456_789));
        assert_eq!(double("1.234,5", german), Ok(1234.5));
        assert_eq!(bigint("12.345", german), Ok(12_345));
        for text in ["1.5", "1,234.5", "12.34", "1234.567", ".123", "1..234"] {
            assert!(decimal(text, 18, 4, german).is_err(), "{text}");
        }
        let indian = Separators {
            decimal: None,
            thousands: Some(','),
        };
        assert_eq!(bigint("1,00,000", indian), Ok(100_000));
        let swiss = Separators {
            decimal: None,
            thousands: Some('’'),
        };
        assert_eq!(decimal("1’234.50", 18, 2, swiss), Ok(123_450));
    }
}
