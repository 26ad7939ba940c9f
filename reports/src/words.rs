//! Numbers and texts as people read them: one way to round each kind of quantity, in every report.

/// Growth per minute, without its unit: `0.00`, `0.45`, `15.7`, `120`.
pub(crate) fn rate(per_min: f64) -> String {
    let decimals = match per_min.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    positive_zero(format!("{per_min:.decimals$}"))
}

/// As [`rate`], with a sign: `+0.45`, `-3.00`, `0.00`.
pub(crate) fn signed_rate(per_min: f64) -> String {
    let text = rate(per_min);
    if text.starts_with('-') || text.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        text
    } else {
        format!("+{text}")
    }
}

/// A count, in groups of three: `34,560`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count that arithmetic was done on; a fraction is rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is all that is wanted here"
)]
pub(crate) fn count_f64(value: f64) -> String {
    let text = count(value.abs().round() as u64);
    if value <= -0.5 { format!("-{text}") } else { text }
}

/// As [`count_f64`], with a sign: `+9`, `0`, `-3`.
pub(crate) fn signed_count(value: f64) -> String {
    let text = count_f64(value);
    if value >= 0.5 { format!("+{text}") } else { text }
}

/// A share in percent: `0`, `0.02 %`, `99.95 %`, `100 %`. Never rounded up to 100, nor down to 0.
pub(crate) fn percent(value: f64) -> String {
    let text = format!("{value:.2}");
    match text.as_str() {
        "0.00" if value > 0.0 => "under 0.01 %".to_owned(),
        "0.00" => "0 %".to_owned(),
        "100.00" if value < 100.0 => "over 99.99 %".to_owned(),
        "100.00" => "100 %".to_owned(),
        _ => format!("{text} %"),
    }
}

/// A span of time: `45 s`, `7.5 min`, `57 h`, `12 d`.
#[must_use]
pub fn span(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        size if size < 90.0 => (seconds, "s"),
        size if size < 90.0 * 60.0 => (seconds / 60.0, "min"),
        size if size < 96.0 * 3600.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86400.0, "d"),
    };
    format!("{} {unit}", short(value))
}

/// A memory size: `512 KiB`, `6.3 MiB`, `1.2 GiB`.
pub(crate) fn bytes(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size < 1024.0 * 1024.0 => (value / 1024.0, "KiB"),
        size if size < 1024.0 * 1024.0 * 1024.0 => (value / (1024.0 * 1024.0), "MiB"),
        _ => (value / (1024.0 * 1024.0 * 1024.0), "GiB"),
    };
    let text = if value.abs() < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    format!("{} {unit}", positive_zero(text.strip_suffix(".0").unwrap_or(&text).to_owned()))
}

/// A latency, given in microseconds: `230 us`, `5.1 ms`, `2.3 s`.
pub(crate) fn latency(us: u64) -> String {
    let us = us as f64;
    match us {
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 1_000_000.0 => format!("{} ms", short(us / 1_000.0)),
        us => format!("{} s", short(us / 1_000_000.0)),
    }
}

/// A wall clock, given in milliseconds since 1970: `2025-06-15 15:06:40 UTC`.
pub(crate) fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day counted from 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    (year, month, day - (153 * shifted + 2) / 5 + 1)
}

/// `1 line`, `2 lines`.
#[must_use]
pub fn counted(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// A change in what is named in the plural: `+1 FD`, `+9 FDs`.
pub(crate) fn signed_counted(value: f64, nouns: &str) -> String {
    let noun = if count_f64(value.abs()) == "1" { nouns.trim_end_matches('s') } else { nouns };
    format!("{} {noun}", signed_count(value))
}

/// One decimal below 10, none from there on, and none where it would be a zero.
fn short(value: f64) -> String {
    let text = if value.abs() < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    positive_zero(text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned))
}

fn positive_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_owned(),
        _ => text,
    }
}

/// With engine ids cut to the 12 digits that the engine's own tools show.
pub(crate) fn short_ids(text: &str) -> String {
    with_ids(text, |id| &id[..12])
}

/// With `*` for engine ids: what differs only in them becomes the same.
pub(crate) fn fold_ids(text: &str) -> String {
    with_ids(text, |_| "*")
}

/// With something else in the place of engine ids, which are runs of 64 hexadecimal digits.
fn with_ids(text: &str, shown: impl Fn(&str) -> &str) -> String {
    const ID: usize = 64;
    let mut with = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let digits = rest[start..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - start);
        let (before, run) = (&rest[..start], &rest[start..start + digits]);
        with.push_str(before);
        with.push_str(if digits == ID { shown(run) } else { run });
        rest = &rest[start + digits..];
    }
    with + rest
}

/// A text from outside on one line, with nothing in it that a terminal would obey: control characters and those that
/// turn the direction of writing are shown as their escapes.
pub(crate) fn one_line(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_ids_are_cut_and_nothing_else_is() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(short_ids(&format!("/var/{id}/{id}-json.log")), "/var/0123456789ab/0123456789ab-json.log");
        assert_eq!(short_ids("/run/docker.sock é deadbeef"), "/run/docker.sock é deadbeef");
        assert_eq!(short_ids(&format!("{id}0")), format!("{id}0"));
        assert_eq!(fold_ids(&format!("/var/{id}/{id}-json.log")), "/var/*/*-json.log");
    }

    #[test]
    fn rates_are_rounded_by_size_and_zero_has_no_sign() {
        let texts: Vec<_> = [0.0, -0.001, 0.45, 9.994, 9.996, 15.66, 99.96, -3.0].map(rate).into();
        assert_eq!(texts, ["0.00", "0.00", "0.45", "9.99", "10.0", "15.7", "100", "-3.00"]);
        assert_eq!([0.001, 0.3, -0.3].map(signed_rate), ["0.00", "+0.30", "-0.30"]);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 34_560, 1_234_567].map(count), ["0", "999", "1,000", "34,560", "1,234,567"]);
        assert_eq!([9.0, 0.0, -3.0].map(signed_count), ["+9", "0", "-3"]);
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2, 1_000].map(|many| counted(many, "line")), ["0 lines", "1 line", "2 lines", "1,000 lines"]);
        let changes = [1.4, -0.6, 0.0, 2.0].map(|change| signed_counted(change, "tasks"));
        assert_eq!(changes, ["+1 task", "-1 task", "0 tasks", "+2 tasks"]);
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        let shares = [0.0, 0.004, 1.0, 99.9, 99.999, 100.0].map(percent);
        assert_eq!(shares, ["0 %", "under 0.01 %", "1.00 %", "99.90 %", "over 99.99 %", "100 %"]);
    }

    #[test]
    fn spans_and_sizes_take_the_unit_that_fits() {
        assert_eq!([45.0, 450.0, 56.9 * 3600.0, 172_800.0 * 7.0].map(span), ["45 s", "7.5 min", "57 h", "14 d"]);
        assert_eq!([2048.0, 10.5 * 1024.0 * 1024.0].map(bytes), ["2 KiB", "10.5 MiB"]);
        assert_eq!([230, 5_100, 2_300_000].map(latency), ["230 us", "5.1 ms", "2.3 s"]);
    }

    #[test]
    fn wall_clocks_are_of_the_calendar() {
        let clocks = [0, 951_782_400_000, 1_750_000_000_000, 4_107_542_399_000].map(utc);
        let dates = ["1970-01-01 00:00:00", "2000-02-29 00:00:00", "2025-06-15 15:06:40", "2100-02-28 23:59:59"];
        assert_eq!(clocks, dates.map(|date| format!("{date} UTC")));
    }

    #[test]
    fn nothing_in_a_text_from_outside_is_obeyed() {
        assert_eq!(one_line("a\n\u{1b}[31mb\u{202e}c\u{9b}d é"), r"a\n\u{1b}[31mb\u{202e}c\u{9b}d é");
    }
}
