//! Time series in CSV files of any tool: read strictly, so that nothing is judged that was not meant.
//!
//! A cell that is no number is an error with its line; an empty one is a value that is not known; NaN and infinities are kept apart,
//! since they are no evidence. Rows are put in order of time, and it is said where they were not. What the values mean is not known
//! here.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use leaksoak_reports::words::counted;

/// What is wanted of a file.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// The column of times.
    pub time: &'a str,
    /// What they are counted in.
    pub unit: TimeUnit,
    /// The columns of values.
    pub values: &'a [String],
}

/// What times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// ISO 8601, with seconds; the `T` may be a space, and the zone left out: UTC.
    Iso,
}

/// What a file holds.
#[derive(Debug)]
pub struct SeriesFile {
    /// One for each column of values.
    pub series: Vec<Series>,
    /// What a reader should know of it.
    pub notes: Vec<String>,
}

/// One column over time.
#[derive(Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// (seconds, value) where it is known, in order of time.
    pub points: Vec<(f64, f64)>,
    /// Rows of the file.
    pub rows: usize,
    /// The first time of the file.
    pub start_s: f64,
    /// The last time of the file.
    pub end_s: f64,
    /// Where the first value stands that is not a number, in words.
    pub not_a_number: Option<String>,
}

/// A file that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}{}: {problem}", path.display(), line.map_or(String::new(), |line| format!(":{line}")))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: Option<u64>,
        /// What, and what to do.
        problem: String,
    },
}

/// Reads a file; `-` is standard input.
pub fn read(path: &Path, columns: &Columns<'_>) -> Result<SeriesFile, SeriesError> {
    let fail = |source| SeriesError::Read { path: path.to_owned(), source };
    if path == Path::new("-") {
        parse(std::io::stdin().lock(), Path::new("standard input"), columns)
    } else {
        parse(File::open(path).map_err(fail)?, path, columns)
    }
}

fn parse(input: impl Read, path: &Path, columns: &Columns<'_>) -> Result<SeriesFile, SeriesError> {
    let wrong = |line, problem: String| SeriesError::Wrong { path: path.to_owned(), line, problem };
    let broken = |error: csv::Error| {
        let line = error.position().map(csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => SeriesError::Read { path: path.to_owned(), source },
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                wrong(line, format!("the row has {} where the header has {expected_len}", counted(len, "cell")))
            }
            _ => wrong(line, "the row cannot be read as CSV".to_owned()),
        }
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(input);
    let header = reader.byte_headers().map_err(broken)?.clone();
    let names: Vec<String> = header
        .iter()
        .map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned()))
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(Some(1), "the header is not UTF-8; convert the file".to_owned()))?;
    if names.iter().all(String::is_empty) {
        return Err(wrong(None, "the file is empty; it takes a header and rows".to_owned()));
    }
    let place = |wanted: &str, flag: &str| {
        let mut there = names.iter().enumerate().filter(|(_, name)| *name == wanted);
        match (there.next(), there.next()) {
            (Some((at, _)), None) => Ok(at),
            (Some(_), Some(_)) => {
                let twice = format!("{flag}: there are two columns `{}`; give one of them another name", short(wanted));
                Err(wrong(Some(1), twice))
            }
            (None, _) => Err(wrong(Some(1), missing(wanted, flag, &names))),
        }
    };
    let time_at = place(columns.time, "--time")?;
    let value_at = columns.values.iter().map(|name| place(name, "--value")).collect::<Result<Vec<_>, _>>()?;

    let mut points: Vec<Vec<(f64, f64)>> = vec![Vec::new(); value_at.len()];
    let mut odd: Vec<Option<String>> = vec![None; value_at.len()];
    let (mut rows, mut backwards, mut again) = (0_usize, 0_u64, 0_u64);
    let (mut start_s, mut end_s, mut before) = (f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(broken)? {
        let line = record.position().map(csv::Position::line);
        let cell = |at: usize| {
            let text = std::str::from_utf8(record.get(at).unwrap_or_default());
            text.map(str::trim).map_err(|_| wrong(line, format!("`{}` is not UTF-8; convert the file", names[at])))
        };
        let at_s = seconds(cell(time_at)?, columns.unit)
            .map_err(|problem| wrong(line, format!("`{}` {problem}", columns.time)))?;
        rows += 1;
        backwards += u64::from(at_s < before);
        again += u64::from(at_s.total_cmp(&before).is_eq());
        (start_s, end_s, before) = (start_s.min(at_s), end_s.max(at_s), at_s);
        for ((&at, points), odd) in value_at.iter().zip(&mut points).zip(&mut odd) {
            let text = cell(at)?;
            if text.is_empty() {
                continue;
            }
            let value: f64 = text.parse().map_err(|_| {
                wrong(
                    line,
                    format!(
                        "`{}` is \"{}\", not a number; leave the cell empty where nothing is known",
                        names[at],
                        short(text)
                    ),
                )
            })?;
            if value.is_finite() {
                points.push((at_s, value));
            } else {
                let line = line.unwrap_or_default();
                odd.get_or_insert_with(|| format!("`{}` is {} on line {line}", names[at], short(text)));
            }
        }
    }
    if rows == 0 {
        return Err(wrong(None, "there is no row under the header".to_owned()));
    }
    let mut notes = Vec::new();
    if backwards > 0 {
        notes.push(format!("{} went back in time: all were put in order", counted(backwards, "row")));
    }
    if again > 0 {
        notes.push(format!("{} had the time of the row before", counted(again, "row")));
    }
    let series = columns.values.iter().zip(points).zip(odd).map(|((name, mut points), not_a_number)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { name: name.clone(), points, rows, start_s, end_s, not_a_number }
    });
    Ok(SeriesFile { series: series.collect(), notes })
}

/// The year 5138, or 1973 in milliseconds.
const TOO_FAR_S: f64 = 1e11;

/// The time of a cell in seconds, or what is wrong with it.
fn seconds(text: &str, unit: TimeUnit) -> Result<f64, String> {
    let number = || {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("is \"{}\", not a time in numbers; see --time-unit", short(text)))
    };
    match unit {
        TimeUnit::Seconds => number().and_then(|seconds| {
            let far = seconds.abs() >= TOO_FAR_S;
            let hint = || {
                format!(
                    "is {}, which as seconds since 1970 lies thousands of years away: is it --time-unit ms?",
                    short(text)
                )
            };
            if far { Err(hint()) } else { Ok(seconds) }
        }),
        TimeUnit::Milliseconds => number().map(|ms| ms / 1e3),
        TimeUnit::Iso => iso_seconds(text).map_err(|why| {
            let such_as = "such as 2025-06-15T15:06:40Z or 2025-06-15 17:06:40.25+02:00";
            format!("is \"{}\", not a date and time {such_as}: {why}", short(text))
        }),
    }
}

/// Without a zone it is in UTC.
fn iso_seconds(text: &str) -> Result<f64, String> {
    // A `-` further in front is one of the date.
    let offset_at = text.rfind(['+', '-']).filter(|at| *at >= "2025-06-15T15:06:40".len());
    let (local, offset_s) = match offset_at.map(|at| text.split_at(at)) {
        None => (text, 0.0),
        Some((local, offset)) => {
            let offset_s = offset_seconds(offset).ok_or("its offset is none such as +02:00, +0200 or +02")?;
            (local.trim_end(), offset_s)
        }
    };
    if offset_at.is_some() && local.ends_with('Z') {
        return Err("it has an offset after its Z".to_owned());
    }
    let time = humantime::parse_rfc3339_weak(local).map_err(|error| error.to_string())?;
    let since = time.duration_since(std::time::UNIX_EPOCH).map_err(|_| "it lies before 1970")?;
    Ok(since.as_secs_f64() - offset_s)
}

/// How far east of UTC it is: `+02:00`, `+0200`, `-02`.
fn offset_seconds(text: &str) -> Option<f64> {
    let (sign, [h1, h2, m1, m2]) = match *text.as_bytes() {
        [sign, h1, h2] => (sign, [h1, h2, b'0', b'0']),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, [h1, h2, m1, m2]),
        _ => return None,
    };
    let two_digits = |a: u8, b: u8| Some(char::from(a).to_digit(10)? * 10 + char::from(b).to_digit(10)?);
    let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
    let seconds = f64::from(hours * 3_600 + minutes * 60);
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

fn missing(wanted: &str, flag: &str, names: &[String]) -> String {
    let nearest = names.iter().map(|name| (strsim::damerau_levenshtein(wanted, name), name));
    let nearest = nearest.min().filter(|(distance, name)| *distance <= name.len().max(wanted.len()) / 2);
    let hint = nearest.map_or(String::new(), |(_, name)| format!("; did you mean `{}`?", short(name)));
    let there: Vec<&str> = names.iter().map(String::as_str).take(20).collect();
    format!("{flag}: there is no column `{}`{hint}; the columns are {}", short(wanted), short(&there.join(", ")))
}

/// For a message: on one line, with nothing in it that a terminal would obey.
fn short(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8], unit: TimeUnit) -> Result<SeriesFile, String> {
        let values = ["fds".to_owned()];
        let columns = Columns { time: "t", unit, values: &values };
        parse(text, Path::new("a.csv"), &columns).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_put_in_order_and_what_is_empty_is_not_known() {
        let file = parsed(b"t,fds,x\n2,5,a\n1,4,\n1,,\n3,NaN,\n", TimeUnit::Seconds).unwrap();
        let series = &file.series[0];
        assert_eq!(series.points, [(1.0, 4.0), (2.0, 5.0)]);
        assert_eq!((series.rows, series.start_s, series.end_s), (4, 1.0, 3.0));
        assert_eq!(series.not_a_number.as_deref(), Some("`fds` is NaN on line 5"));
        assert_eq!(file.notes.len(), 2, "{:?}", file.notes);
    }

    #[test]
    fn times_have_units() {
        let of = |text: &str, unit| parsed(text.as_bytes(), unit).unwrap().series[0].points[0].0;
        assert!((of("t,fds\n1500,1\n", TimeUnit::Milliseconds) - 1.5).abs() < 1e-9);
        assert!((of("t,fds\n1970-01-01T00:01:00.5Z,1\n", TimeUnit::Iso) - 60.5).abs() < 1e-9);
    }

    #[test]
    fn the_same_moment_may_be_written_in_any_zone() {
        let written = [
            "1970-01-02T09:00:00Z",
            "1970-01-02 09:00:00",
            "1970-01-02T10:00:00+01:00",
            "1970-01-02 10:00:00.000 +0100",
            "1970-01-02T10:00:00+01",
            "1970-01-02T05:30:00-03:30",
            "1970-01-02T09:00:00-00:00",
        ];
        for text in written {
            assert_eq!(seconds(text, TimeUnit::Iso), Ok(118_800.0), "{text}");
        }
        for wrong in [
            "+1:00",
            "+01:0",
            "+24:00",
            "+01:60",
            "+",
            "+01:00Z",
            "Z+01:00",
            "Z +01:00",
            "+01:00:00",
            "+\u{e9}\u{e9}",
            "+-1:00",
        ] {
            seconds(&format!("1970-01-02T10:00:00{wrong}"), TimeUnit::Iso).unwrap_err();
        }
    }

    #[test]
    fn mistakes_are_told_with_file_and_line() {
        let cases: [(&[u8], TimeUnit); 12] = [
            (b"", TimeUnit::Seconds),
            (b"t,fds\n", TimeUnit::Seconds),
            (b"t,fd\n1,2\n", TimeUnit::Seconds),
            (b"time,fds\n1,2\n", TimeUnit::Seconds),
            (b"t,fds\n1,2\n2,many\n", TimeUnit::Seconds),
            (b"t,fds\n1,2\nNaN,3\n", TimeUnit::Seconds),
            (b"t,fds\n1,2\n,3\n", TimeUnit::Iso),
            (b"t,fds\n1,2\n3\n", TimeUnit::Seconds),
            (b"t,fds\n1,\xff\n", TimeUnit::Seconds),
            (b"t,f\xff\n1,2\n", TimeUnit::Seconds),
            (b"t,fds,fds\n1,2,3\n", TimeUnit::Seconds),
            (b"t,fds\n1790000000000,2\n", TimeUnit::Seconds),
        ];
        let told: Vec<String> = cases.iter().map(|(text, unit)| parsed(text, *unit).unwrap_err()).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
