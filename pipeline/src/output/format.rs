//! Numbers, times and shares as people read them.

use stages::stage::Spread;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large number with a prefix and three digits, in front of its unit: `1.25 MB`, `999 parameters`.
pub(crate) fn large(number: f64, unit: &str) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P", "E"];
    let mut scaled = number;
    let mut place = 0;
    while scaled >= 999.5 && place + 1 < prefixes.len() {
        scaled /= 1000.0;
        place += 1;
    }
    let decimals = match scaled {
        _ if place == 0 => 0,
        s if s < 9.995 => 2,
        s if s < 99.95 => 1,
        _ => 0,
    };
    // A word keeps its distance from the prefix, a symbol does not: `39.3 k parameters`, `39.3 kB`.
    let gap = if place > 0 && unit.starts_with(char::is_lowercase) { " " } else { "" };
    format!("{scaled:.decimals$} {}{gap}{unit}", prefixes[place])
}

/// A time in milliseconds, as coarse as a person wants it: `0.43 s`, `2 min 31 s`, `3 h 05 min`.
pub(crate) fn duration(elapsed_ms: u64) -> String {
    let seconds = elapsed_ms / 1000;
    match seconds {
        0..10 => format!("{:.2} s", elapsed_ms as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// An estimate of seconds, no finer than it can be.
pub(crate) fn about(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..360_000 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", count(seconds / 86_400)),
    }
}

/// Mean and deviation of percentages: `2.68 ± 0.09 %`.
pub(crate) fn spread(Spread { mean, deviation }: Spread) -> String {
    deviation.map_or_else(|| format!("{mean:.2} %"), |deviation| format!("{mean:.2} ± {deviation:.2} %"))
}

/// A share of one as a percentage with two significant digits at least: `0.013` as `1.3%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = match percent.abs() {
        p if p >= 9.95 => 0,
        p if p >= 0.995 => 1,
        p if p >= 0.0995 => 2,
        _ => 3,
    };
    format!("{percent:.decimals$}%")
}

/// ` (17 times cheaper)`, or nothing for what is hardly cheaper.
pub(crate) fn times_cheaper(cost_ratio: f64) -> String {
    let times = 1.0 / cost_ratio;
    if times < 1.5 { String::new() } else { format!(" ({} times cheaper)", count(times.round() as u64)) }
}

/// A number with three significant digits at least: `0.00123`, `1.50`, `152`; and `0`.
pub(crate) fn significant(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = number.abs().log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    format!("{number:.decimals$}")
}

/// The same with its sign, also where it is positive.
pub(crate) fn signed(number: f64) -> String {
    let text = significant(number);
    if number > 0.0 { format!("+{text}") } else { text }
}

/// A correlation, or that there is none.
pub(crate) fn correlation(value: Option<f64>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}"))
}

/// An interval of correlations, or that there is none.
pub(crate) fn interval(value: Option<(f64, f64)>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}"))
}

/// A share of one as a bar of at most twenty characters.
pub(crate) fn bar(share: f64) -> String {
    "#".repeat((share.clamp(0.0, 1.0) * 20.0).round() as usize)
}

/// `1 training`, `2 trainings`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// An importance among some that were observed, or that there is none. Where nothing else was varied its share is 1
/// whatever it does, which is not worth a number.
pub(crate) fn importance(value: Option<f64>, observed: usize) -> String {
    match value {
        None => "not observed".to_owned(),
        Some(_) if observed == 1 => "the only one".to_owned(),
        Some(value) => format!("{value:.3}"),
    }
}

/// `, 7 diverged`, or nothing.
pub(crate) fn diverged(count: u64) -> String {
    if count == 0 { String::new() } else { format!(", {} diverged", self::count(count)) }
}

/// What racing did to a budget: `dropped after 10 architectures`.
pub(crate) fn dropped(after: u32) -> String {
    format!("dropped after {}", plural(u64::from(after), "architecture"))
}

/// A moment in UTC: `2026-11-24 06:45:28`.
pub(crate) fn moment(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let second = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second % 3600 / 60, second % 60)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_like_a_person_writes_them() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(large(999.0, "B"), "999 B");
        assert_eq!(large(999_600.0, "B"), "1.00 MB");
        assert_eq!(large(39_340.0, "parameters"), "39.3 k parameters");
        assert_eq!(percent(0.013), "1.3%");
        assert_eq!(percent(0.000_32), "0.032%");
        assert_eq!(plural(1, "training"), "1 training");
        assert_eq!([0.0, 0.001_234, 1.5, 152.4].map(significant), ["0", "0.00123", "1.50", "152"]);
        assert_eq!([importance(Some(0.25), 2), importance(Some(1.0), 1)], ["0.250", "the only one"]);
        assert_eq!([0.0, 0.25, -1.5].map(signed), ["0", "+0.250", "-1.50"]);
    }

    #[test]
    fn times_are_as_coarse_as_they_are_long() {
        assert_eq!(duration(430), "0.43 s");
        assert_eq!(duration(151_000), "2 min 31 s");
        assert_eq!(duration(3 * 3_600_000 + 5 * 60_000), "3 h 05 min");
        assert_eq!(about(59), "59 s");
        assert_eq!(about(61), "2 min");
        assert_eq!(about(99 * 3600), "99 h 00 min");
        assert_eq!(about(30 * 86_400 + 1), "30 days");
    }

    #[test]
    fn moments_follow_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00");
        // 2024-02-29, the day that years divisible by four have.
        assert_eq!(moment(1_709_164_800_000), "2024-02-29 00:00:00");
        assert_eq!(moment(1_795_502_728_000), "2026-11-24 06:45:28");
    }
}
