//! Logs that are read once: which lines, of which output, from when, in which frames.

use serde_json::json;

use super::{scenarios, unix};
use crate::client::Call;
use crate::session::Session;

scenarios![
    a_log_is_given_line_by_line,
    the_tail_is_counted_in_records,
    since_and_until_are_counted_in_nanoseconds,
    times_that_are_none,
    outputs_are_chosen,
    a_tty_is_given_raw,
    long_lines_are_split_at_16_kib,
    lines_of_the_length_of_a_record,
    of_a_container_that_never_ran,
    a_log_can_be_given_with_its_details,
    a_log_can_be_kept_by_nobody,
    under_every_version_of_the_path,
];

fn a_log_is_given_line_by_line(s: &mut Session<'_>) {
    s.run_to_end("a", 3);
    for query in [
        "stdout=1&stderr=1",
        "stdout=true",
        "stderr=1",
        "stdout=1&timestamps=1",
        "stdout=1&timestamps=true&tail=2",
        "stdout=yes&follow=no",
        "stdout=1&follow=1",
        "",
        "stdout=0&stderr=false",
        "stdout=1&unknown=1",
    ] {
        s.get(s.path(&format!("a/logs?{query}")));
    }
    s.get(s.path("a/logs"));
    s.get(s.path("none/logs?stdout=1"));
    s.get(s.path("none/logs"));
}

fn the_tail_is_counted_in_records(s: &mut Session<'_>) {
    s.run_to_end("a", 5);
    for tail in ["0", "1", "3", "6", "100", "all", "junk", "-1", "", "%2B2", "2.5", "99999999999999999999", "ALL"] {
        s.get(s.path(&format!("a/logs?stdout=1&tail={tail}")));
    }
    s.get(s.path("a/logs?stdout=1&tail=0&follow=1"));
}

fn since_and_until_are_counted_in_nanoseconds(s: &mut Session<'_>) {
    s.run("a", &["--rate", "20/s", "--lines", "8"]);
    s.post(s.path("a/wait"));
    let lines = s.quietly(&Call::new("GET", s.path("a/logs?stdout=1&timestamps=1"))).frames();
    assert_eq!(lines.len(), 9);
    let (third, sixth) = (unix(lines[2].time()), unix(lines[5].time()));
    let mut time = |word: &str, seconds: u64, nanoseconds: &str| {
        let text = if nanoseconds.is_empty() { seconds.to_string() } else { format!("{seconds}.{nanoseconds}") };
        s.aliases.add(&text, word);
        text
    };
    let of_third = time("<3rd>", third.0, &format!("{:09}", third.1));
    let after_third = time("<3rd + 1 ns>", third.0, &format!("{:09}", third.1 + 1));
    let before_third = time("<3rd - 1 ns>", third.0, &format!("{:09}", third.1 - 1));
    let millisecond = time("<3rd, cut to ms>", third.0, &format!("{:03}", third.1 / 1_000_000));
    let of_sixth = time("<6th>", sixth.0, &format!("{:09}", sixth.1));
    let before_sixth = time("<6th - 1 ns>", sixth.0, &format!("{:09}", sixth.1 - 1));
    let early = time("<long ago>", third.0 - 3_600, "");
    let late = time("<far ahead>", third.0 + 3_600, "");
    let nothing = time("<3rd, far ahead>", third.0 + 3_600, "000000001");
    for query in [
        format!("since={of_third}"),
        format!("since={after_third}"),
        format!("since={before_third}"),
        format!("since={millisecond}"),
        format!("since={of_third}&tail=2"),
        format!("since={of_third}&tail=8"),
        format!("since={of_third}&tail=0"),
        format!("until={of_third}"),
        format!("until={before_third}"),
        format!("until={of_third}&tail=1"),
        format!("until={of_third}&tail=8"),
        format!("since={of_third}&until={of_sixth}"),
        format!("since={of_third}&until={before_sixth}"),
        format!("since={of_sixth}&until={of_third}"),
        format!("since={early}"),
        format!("since={late}"),
        format!("since={nothing}"),
        format!("until={early}"),
        format!("until={late}&tail=1"),
        format!("since={early}&until={late}&timestamps=1&tail=1"),
        "since=0".into(),
        "since=0&until=0".into(),
        "since=0.0&until=0.000000000".into(),
    ] {
        s.get(s.path(&format!("a/logs?stdout=1&{query}")));
    }
}

fn times_that_are_none(s: &mut Session<'_>) {
    s.run_to_end("a", 2);
    for time in [
        "junk",
        "-1",
        "1.",
        ".5",
        "1.2.3",
        "1.0000000001",
        "2024-01-01T00:00:00Z",
        "%20",
        "1e3",
        "-1.5",
        "99999999999999999999",
        "5m",
    ] {
        s.get(s.path(&format!("a/logs?stdout=1&since={time}")));
        s.get(s.path(&format!("a/logs?stdout=1&until={time}")));
    }
    s.get(s.path("a/logs?stdout=1&since="));
    s.get(s.path("a/logs?stdout=1&since=&until="));
}

fn outputs_are_chosen(s: &mut Session<'_>) {
    // Slowly, so that it is certain in which order the engine reads the two pipes.
    s.run("a", &["--rate", "20/s", "--lines", "7", "--stderr-every", "2"]);
    s.post(s.path("a/wait"));
    for query in [
        "stdout=1",
        "stderr=1",
        "stdout=1&stderr=1",
        "stdout=1&tail=2",
        "stderr=1&tail=2",
        "stderr=1&tail=1",
        "stdout=1&stderr=1&tail=2",
        "stderr=1&timestamps=1",
        "stderr=1&tail=0",
    ] {
        s.get(s.path(&format!("a/logs?{query}")));
    }
}

fn a_tty_is_given_raw(s: &mut Session<'_>) {
    s.create_with("a", &["--rate", "20/s", "--lines", "5", "--stderr-every", "2"], &json!({ "Tty": true }));
    s.start("a");
    s.post(s.path("a/wait"));
    for query in ["stdout=1", "stderr=1", "stdout=1&stderr=1&timestamps=1", "stdout=1&tail=2", "stdout=1&follow=1", ""]
    {
        s.get(s.path(&format!("a/logs?{query}")));
    }
}

fn long_lines_are_split_at_16_kib(s: &mut Session<'_>) {
    s.run("a", &["--rate", "20/s", "--lines", "2", "--line-bytes", "40000B"]);
    s.post(s.path("a/wait"));
    for query in ["", "&timestamps=1", "&tail=1", "&tail=2", "&tail=3", "&tail=4", "&tail=5"] {
        s.get(s.path(&format!("a/logs?stdout=1{query}")));
    }
}

fn lines_of_the_length_of_a_record(s: &mut Session<'_>) {
    for (name, bytes) in [("a", 16_383), ("b", 16_384), ("c", 16_385), ("d", 32_768)] {
        s.run(name, &["--rate", "20/s", "--lines", "1", "--line-bytes", &format!("{bytes}B")]);
        s.post(s.path(&format!("{name}/wait")));
        s.get(s.path(&format!("{name}/logs?stdout=1&timestamps=1")));
    }
}

fn of_a_container_that_never_ran(s: &mut Session<'_>) {
    s.create("a", &["--silent"]);
    s.get(s.path("a/logs?stdout=1"));
    s.get(s.path("a/logs?stdout=1&follow=1&tail=3"));
    s.get(s.path("a/logs?stdout=1&timestamps=1&since=1"));
}

fn a_log_can_be_given_with_its_details(s: &mut Session<'_>) {
    s.run_to_end("a", 1);
    s.get(s.path("a/logs?stdout=1&details=1"));
    s.get(s.path("a/logs?stdout=1&details=1&timestamps=1"));
}

fn a_log_can_be_kept_by_nobody(s: &mut Session<'_>) {
    s.create_with(
        "a",
        &["--rate", "20/s", "--lines", "1"],
        &json!({ "HostConfig": { "LogConfig": { "Type": "none", "Config": {} } } }),
    );
    s.start("a");
    s.post(s.path("a/wait"));
    s.get(s.path("a/logs?stdout=1"));
    s.create_with("b", &["--silent"], &json!({ "HostConfig": { "LogConfig": { "Type": "nowhere" } } }));
}

fn under_every_version_of_the_path(s: &mut Session<'_>) {
    s.run_to_end("a", 1);
    for version in
        ["v1.12", "v1.24", "v1.30", "v1.40", "v1.41", "v1.42", "v1.11", "v1.99", "v2.0", "v1", "v1.x", "1.41"]
    {
        s.get(format!("/{version}{}", s.path("a/logs?stdout=1")));
    }
}
