use std::fs;

use proptest::prelude::*;

use super::query::Query;
use super::reader::Reader;
use super::*;

const ALL: Query = Query {
    follow: false,
    stdout: true,
    stderr: true,
    since: None,
    until: None,
    tail: None,
    timestamps: false,
    details: false,
};
const FOLLOW: Query = Query { follow: true, ..ALL };

struct Place {
    dir: tempfile::TempDir,
    log: Arc<Log>,
}

impl Place {
    fn new(max_size: u64, max_file: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rotation = Rotation { max_size: Some(max_size), max_file };
        // A terminal's stream has no frames, which makes for tests that can be read; framing is tested by itself.
        let log = Arc::new(Log::new(dir.path().join("a-json.log"), rotation, true));
        log.begin_run().unwrap();
        Self { dir, log }
    }

    fn print(&self, lines: impl IntoIterator<Item = u32>) {
        for line in lines {
            print(&self.log, &format!("{line}\n"));
        }
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn print(log: &Log, text: &str) {
    let mut block = Vec::new();
    let mut writer = log.write(&mut block);
    writer.line(StreamKind::Stdout, text.as_bytes());
    writer.finish().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// What is there to read now: to its end, or as far as it goes without waiting.
fn read(reader: &mut Reader) -> String {
    runtime().block_on(async {
        let mut text = String::new();
        loop {
            tokio::select! {
                biased;
                chunk = reader.next_chunk() => match chunk {
                    Some(chunk) => text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap()),
                    None => return text,
                },
                // Yields are passed through: a reader that only waits is polled no more often than this.
                () = async { for _ in 0..1_000 { tokio::task::yield_now().await } } => return text,
            }
        }
    })
}

fn numbers(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn expect(range: std::ops::RangeInclusive<u32>) -> Vec<u32> {
    range.collect()
}

#[test]
fn a_log_is_read_from_all_its_files() {
    let place = Place::new(150, 9);
    place.print(1..=10);
    assert!(place.files().len() > 2, "{:?}", place.files());
    assert_eq!(numbers(&read(&mut place.log.read(ALL).unwrap())), expect(1..=10));
    place.log.end_run();
    assert_eq!(numbers(&read(&mut place.log.read(ALL).unwrap())), expect(1..=10), "a stopped container's likewise");
}

#[test]
fn a_record_begins_a_new_file_when_the_old_one_has_reached_its_size_and_the_oldest_goes() {
    let place = Place::new(100, 2);
    place.print(1..=7);
    assert_eq!(place.files(), ["a-json.log", "a-json.log.1"]);
    let lines = |name: &str| fs::read_to_string(place.dir.path().join(name)).unwrap().lines().count();
    assert_eq!((lines("a-json.log.1"), lines("a-json.log")), (2, 1), "two records of some 80 bytes reach 100");
    assert_eq!(numbers(&read(&mut place.log.read(ALL).unwrap())), expect(5..=7));
}

#[test]
fn with_one_file_the_one_before_it_stays_and_is_not_looked_into() {
    let place = Place::new(100, 1);
    let mut early = place.log.read(FOLLOW).unwrap();
    place.print(1..=5);
    assert_eq!(place.files(), ["a-json.log", "a-json.log.1"]);
    assert_eq!(numbers(&read(&mut place.log.read(ALL).unwrap())), expect(5..=5));
    assert_eq!(numbers(&read(&mut early)), expect(1..=5), "who has begun to read loses nothing");
}

#[test]
fn a_follower_that_stood_still_loses_nothing_to_rotation() {
    let place = Place::new(100, 2);
    let mut follower = place.log.read(FOLLOW).unwrap();
    place.print(1..=2_000);
    place.log.end_run();
    assert_eq!(numbers(&read(&mut follower)), expect(1..=2_000));
}

#[test]
fn a_follower_that_goes_away_frees_every_file() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let place = Place::new(100, 2);
    let held = || open().filter(|target| target.starts_with(place.dir.path())).count();
    let follower = place.log.read(FOLLOW).unwrap();
    place.print(1..=500);
    assert!(held() > 200, "it holds what it has not read: {}", held());
    drop(follower);
    assert_eq!(held(), 1, "the live file alone");
}

#[test]
fn a_follower_ends_with_the_run_and_gets_nothing_of_the_next() {
    let place = Place::new(1_000, 3);
    let mut follower = place.log.read(FOLLOW).unwrap();
    place.print(1..=3);
    assert_eq!(numbers(&read(&mut follower)), expect(1..=3));
    place.print(4..=4);
    place.log.end_run();
    place.log.begin_run().unwrap();
    place.print(5..=6);
    assert_eq!(numbers(&read(&mut follower)), expect(4..=4));
    assert_eq!(numbers(&read(&mut place.log.read(ALL).unwrap())), expect(1..=6));
}

#[test]
fn a_reader_that_was_there_before_the_run_gets_its_first_line() {
    let place = Place::new(1_000, 3);
    place.print(1..=2);
    place.log.end_run();
    place.log.begin_run().unwrap();
    let mut early = place.log.read(Query { tail: Some(0), ..FOLLOW }).unwrap();
    place.log.begin_run().unwrap();
    place.print(3..=4);
    place.log.end_run();
    assert_eq!(numbers(&read(&mut early)), expect(3..=4));
}

#[test]
fn a_stopped_log_is_not_followed() {
    let place = Place::new(1_000, 3);
    place.print(1..=3);
    place.log.end_run();
    assert_eq!(numbers(&read(&mut place.log.read(FOLLOW).unwrap())), expect(1..=3));
}

#[test]
fn a_removed_log_is_read_to_its_end_by_who_holds_it() {
    let place = Place::new(100, 3);
    let mut follower = place.log.read(FOLLOW).unwrap();
    place.print(1..=9);
    place.log.remove().unwrap();
    assert!(place.files().is_empty(), "{:?}", place.files());
    assert_eq!(numbers(&read(&mut follower)), expect(1..=9));
}

#[test]
fn a_line_of_over_16_kib_is_records_with_one_stamp() {
    let place = Place::new(1 << 20, 2);
    for length in [PART_BYTES - 1, PART_BYTES, 3 * PART_BYTES + 5] {
        print(&place.log, &format!("{}\n", "x".repeat(length)));
    }
    let text = fs::read(place.log.path()).unwrap();
    let records: Vec<_> = text
        .strip_suffix(b"\n")
        .unwrap()
        .split(|byte| *byte == b'\n')
        .map(|line| record::decode(line).unwrap())
        .collect();
    let lengths: Vec<_> =
        records.iter().map(|record| (record.text.trim_end_matches('\r').len(), record.newline)).collect();
    let part = (PART_BYTES, false);
    assert_eq!(lengths, [(PART_BYTES - 1, true), part, (0, true), part, part, part, (5, true)]);
    assert!(records[3..].iter().all(|record| record.time == records[3].time));
}

#[test]
fn a_torn_or_foreign_line_is_passed_over_alone() {
    let place = Place::new(1 << 20, 2);
    place.print(1..=1);
    let live = OpenOptions::new().append(true).open(place.log.path()).unwrap();
    let junk = [b"{\"log\":\"half\n".to_vec(), b"\n\0\n".to_vec(), vec![b'y'; 600_000], b"\n".to_vec()].concat();
    (&live).write_all(&junk).unwrap();
    place.log.end_run();
    place.log.begin_run().unwrap();
    place.print(2..=2);
    assert_eq!(numbers(&read(&mut place.log.read(ALL).unwrap())), expect(1..=2));
}

#[test]
fn without_a_run_nothing_is_written_and_the_loss_is_counted() {
    let place = Place::new(1_000, 2);
    place.log.end_run();
    let mut block = Vec::new();
    let mut writer = place.log.write(&mut block);
    writer.line(StreamKind::Stdout, b"1\n");
    assert!(writer.finish().is_err());
    assert_eq!(place.log.lost_lines(), 1);
}

proptest! {
    #[test]
    fn a_tail_is_the_last_records_of_the_whole(
        count in 0_u32..60, tail in 0_u64..70, max_size in 80_u64..2_000, max_file in 1_u32..5
    ) {
        let place = Place::new(max_size, max_file);
        place.print(1..=count);
        let whole = numbers(&read(&mut place.log.read(ALL).unwrap()));
        let last = numbers(&read(&mut place.log.read(Query { tail: Some(tail), ..ALL }).unwrap()));
        let skipped = whole.len().saturating_sub(usize::try_from(tail).unwrap());
        prop_assert_eq!(last, &whole[skipped..]);
    }

    #[test]
    fn a_follower_gets_every_line_once_however_reading_and_writing_alternate(
        steps in proptest::collection::vec((0_u32..8, any::<bool>()), 1..40), max_size in 80_u64..600
    ) {
        let place = Place::new(max_size, 2);
        let mut follower = place.log.read(FOLLOW).unwrap();
        let (mut printed, mut got) = (0, Vec::new());
        for (lines, reads) in steps {
            place.print(printed + 1..=printed + lines);
            printed += lines;
            if reads {
                got.extend(numbers(&read(&mut follower)));
            }
        }
        place.log.end_run();
        got.extend(numbers(&read(&mut follower)));
        prop_assert_eq!(got, expect(1..=printed));
    }
}
