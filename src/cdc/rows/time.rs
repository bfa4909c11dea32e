//! Instants in the text forms of PostgreSQL (`2026-01-31 09:15:00.123456+00`) and of ISO 8601
//! (`2026-01-31T09:15:00.123456Z`), with everything that the type can hold: years before Christ
//! and beyond 9999, offsets with seconds, and both infinities.

use crate::domain::Timestamp;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Reads an instant; `None` when the text is not one. Infinities become the ends of the range, as
/// they do in reads of the record; digits beyond microseconds are cut off.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    match text {
        "infinity" => return Some(Timestamp(i64::MAX)),
        "-infinity" => return Some(Timestamp(i64::MIN)),
        _ => {}
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut rest = Digits(text.strip_prefix('+').unwrap_or(text).as_bytes());
    let year = rest.number(4, 6)?;
    // There is no year 0: the year before 1 is 1 BC.
    let year = if before_christ { 1 - year } else { year };
    let month = rest.after(b'-')?.number(2, 2)?;
    let day = rest.after(b'-')?.number(2, 2)?;
    if !rest.skip(b' ') && !rest.skip(b'T') {
        return None;
    }
    let hour = rest.number(2, 2)?;
    let minute = rest.after(b':')?.number(2, 2)?;
    let second = if rest.skip(b':') {
        rest.number(2, 2)?
    } else {
        0
    };
    let micros = if rest.skip(b'.') { rest.fraction()? } else { 0 };
    let offset = rest.offset()?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 24
        && minute < 60
        && second <= 60;
    if !in_range || !rest.0.is_empty() {
        return None;
    }
    let seconds = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp(
        seconds.saturating_mul(SECOND).saturating_add(micros),
    ))
}

/// What is left of the text.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn skip(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn after(&mut self, byte: u8) -> Option<&mut Self> {
        self.skip(byte).then_some(self)
    }

    /// A number of `least` to `most` digits; `most` keeps it far from overflow.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.0.iter().take(most).take_while(|b| b.is_ascii_digit());
        let count = digits.count();
        let (number, rest) = self.0.split_at(count);
        self.0 = rest;
        let value = number
            .iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        (count >= least).then_some(value)
    }

    /// Digits after the point as microseconds.
    fn fraction(&mut self) -> Option<i64> {
        let mut micros = 0;
        let mut unit = SECOND / 10;
        let mut any = false;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            micros += i64::from(digit - b'0') * unit;
            unit /= 10;
            any = true;
            self.0 = rest;
        }
        any.then_some(micros)
    }

    /// `Z`, or `+05`, `-03:30`, `+00:53:28`, as seconds.
    fn offset(&mut self) -> Option<i64> {
        if self.skip(b'Z') {
            return Some(0);
        }
        let sign = if self.skip(b'+') {
            1
        } else if self.skip(b'-') {
            -1
        } else {
            return None;
        };
        let mut seconds = self.number(2, 2)? * 3600;
        for unit in [60, 1] {
            if self.skip(b':') {
                seconds += self.number(2, 2)? * unit;
            }
        }
        Some(sign * seconds)
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, for years from -5000 to 300,000.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the day that leap years add is a year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_that_postgres_writes_is_read() {
        for (text, micros) in [
            ("1970-01-01 00:00:00+00", 0),
            ("2000-01-01 00:00:00+00", 946_684_800_000_000),
            ("2026-01-31 09:15:00.1+00", 1_769_850_900_100_000),
            ("2026-01-31T09:15:00.123456Z", 1_769_850_900_123_456),
            ("2026-01-31T09:15:00.1234569Z", 1_769_850_900_123_456),
            ("2026-01-31 14:45:00+05:30", 1_769_850_900_000_000),
            ("1800-01-01 00:53:28+00:53:28", -5_364_662_400_000_000),
            ("1969-12-31 23:59:59.999999+00", -1),
            ("0001-01-01 00:00:00+00", -62_135_596_800_000_000),
            ("0001-12-31 00:00:00+00 BC", -62_135_683_200_000_000),
            ("4714-11-24 00:00:00+00 BC", -210_866_803_200_000_000),
            ("10000-01-01 00:00:00+00", 253_402_300_800_000_000),
            ("infinity", i64::MAX),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(parse_time(text), Some(Timestamp(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "now",
            "2026-01-31",
            "2026-01-31 09:15:00",
            "2026-13-31 09:15:00+00",
            "2026-01-31 09:15:00+00 AD",
            "2026-01-31 09:15:00.+00",
            "99999999-01-31 09:15:00+00",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn instants_agree_with_the_calendar_of_chrono(micros in -62_135_596_800_000_000i64..253_402_300_799_999_999) {
            let at = Timestamp(micros).to_datetime();
            let text = at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string();
            prop_assert_eq!(parse_time(&text), Some(Timestamp(micros)));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[-0-9 T:.+ZBC]{0,40}|\\PC*") {
            let _ = parse_time(&text);
        }
    }
}
