//! The host: a process that is an arm, from its limits to its end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leaksoak_scenarios::{Bytes, Fallback, Http, Protection, Span, Strategy as Kind};
use leaksoak_strategies::{ArmConfig, host};

use crate::arm::{Place, eventually, numbers};
use crate::sink::Mood;

const CONFIG: &str = "LEAKSOAK_TEST_ARM_CONFIG";

/// The process that the tests below start: this test executable again, with nothing but this to run.
#[test]
#[ignore = "not a test: it is the arm process that the tests of the host start"]
fn the_arm_process() {
    let config = std::env::var(CONFIG).expect("started by a test");
    std::process::exit(i32::from(host::run(Path::new(&config)).is_err()));
}

struct Process(Child);

impl Process {
    fn start(config: &ArmConfig) -> Self {
        let file = config.state_dir.join("arm.json");
        std::fs::write(&file, serde_json::to_vec(config).unwrap()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host::the_arm_process", "--ignored", "--nocapture"])
            .env(CONFIG, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    /// Exit code and what it said.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(socket: &Path, path: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: arm\r\nconnection: close\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    reader.read_line(&mut head).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let body = rest.split_once("\r\n\r\n")?.1.to_owned();
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

fn metric(socket: &Path, name: &str) -> u64 {
    let (_, text) = get(socket, "/metrics").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

fn pooled(place: &Place) -> ArmConfig {
    ArmConfig {
        strategy: Kind::Pooled { rotate_every: Span::from_secs(30), coalesce: Span::from_millis(10), http: Http::Auto },
        ..place.config()
    }
}

fn assert_every_task_has_its_spawn_site(text: &str) {
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let of = |name: &str| text.lines().filter(|line| line.starts_with(name)).map(value).sum::<u64>();
    if cfg!(tokio_unstable) {
        assert_eq!(of("log_capturer_tasks_by_spawn_site{"), of("log_capturer_tasks "), "{text}");
        assert_eq!(of("log_capturer_tasks_by_spawn_site{site=\"strategies/src/pooled/stream.rs:"), 1, "{text}");
    } else {
        assert!(!text.contains("by_spawn_site"), "not known is left out: {text}");
    }
}

#[tokio::test]
async fn an_arm_is_healthy_counts_itself_and_delivers_before_it_ends() {
    let place = Place::new();
    place.engine.create_and_run("a");
    let config = pooled(&place);
    let socket = config.own_socket.clone();
    let arm = Process::start(&config);
    eventually("healthy", || get(&socket, "/healthz").is_some_and(|(status, _)| status == 200)).await;
    assert_eq!(
        get(&socket, "/healthz").unwrap().1,
        r#"{"status":"ok","engine":{"status":"ok"},"sink":{"status":"ok"},"disk":{"status":"ok"}}"#
    );
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    eventually("the stream", || metric(&socket, "log_capturer_container_monitor_streams_active") == 1).await;
    assert!(metric(&socket, "log_capturer_tasks") >= 5);
    assert_eq!(metric(&socket, "log_capturer_goroutines"), metric(&socket, "log_capturer_tasks"));
    assert!(metric(&socket, "log_capturer_file_descriptors") >= 8);
    assert_every_task_has_its_spawn_site(&get(&socket, "/metrics").unwrap().1);
    assert_eq!(get(&socket, "/else").unwrap().0, 404);

    for number in 0..1000 {
        place.engine.print("a", number, &number.to_string());
    }
    arm.terminate();
    assert_eq!(arm.ended(), (Some(0), String::new()));
    assert_eq!(place.sink.texts("a"), numbers(1000));
    assert!(!socket.exists(), "its socket is taken away");
}

#[tokio::test]
async fn an_arm_without_a_sink_is_degraded_and_says_why() {
    let place = Place::new();
    let config = ArmConfig { sink_socket: place.path("nowhere.sock"), ..pooled(&place) };
    let socket = config.own_socket.clone();
    let arm = Process::start(&config);
    let degraded = || {
        get(&socket, "/healthz").is_some_and(|(status, report)| {
            status == 503
                && report.contains(r#""engine":{"status":"ok"}"#)
                && report.contains("No such file or directory")
        })
    };
    eventually("degraded", degraded).await;
    arm.terminate();
    assert_eq!(arm.ended().0, Some(0));
}

#[tokio::test]
async fn an_arm_whose_sink_takes_nothing_still_ends_within_its_time() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.sink.is_now(Mood::Answers(503));
    place.engine.print("a", 0, "0");
    let config = pooled(&place);
    let socket = config.own_socket.clone();
    let arm = Process::start(&config);
    eventually("it listens", || get(&socket, "/metrics").is_some()).await;
    eventually("the line is read", || metric(&socket, "log_capturer_lines_read_total") == 1).await;
    let asked = std::time::Instant::now();
    arm.terminate();
    assert_eq!(arm.ended().0, Some(0));
    assert!(asked.elapsed() < host::FLUSH_TIME + Duration::from_secs(2));
    assert!(std::fs::read_to_string(place.state("dead-letters.ndjson")).unwrap().contains(r#""reason":"shutdown""#));
}

#[tokio::test]
async fn dead_letters_that_do_not_fit_are_counted_and_told_once() {
    let place = Place::new();
    place.engine.create_and_run("a");
    place.sink.is_now(Mood::Refuses(""));
    let mut config = pooled(&place);
    (config.delivery.dead_letter_bytes, config.delivery.dead_letter_files) = (Bytes::new(4 << 10), 1);
    let socket = config.own_socket.clone();
    let arm = Process::start(&config);
    eventually("it listens", || get(&socket, "/metrics").is_some()).await;
    for number in 0..500 {
        place.engine.print("a", number, &number.to_string());
    }
    let metric = |name: &str| metric(&socket, &format!("log_capturer_{name}"));
    let dropped = || metric("lines_dropped_total{reason=\"dead_letters_full\"}");
    eventually("each is kept or dropped", || metric("dead_letters_total") == 500 && dropped() > 400).await;
    arm.terminate();
    let (_, said) = arm.ended();
    assert_eq!(said.matches("dead letters do not fit into 4096 bytes in 1 files").count(), 1, "{said}");
}

#[tokio::test]
async fn an_arm_whose_parent_is_gone_does_not_begin() {
    let place = Place::new();
    let config = ArmConfig { parent_pid: 1, ..pooled(&place) };
    let (code, said) = Process::start(&config).ended();
    assert_eq!(code, Some(1));
    assert_eq!(said, "leaksoak arm tested: the process that started this arm (1) is gone\n");
}

#[tokio::test]
async fn an_arm_that_runs_out_of_descriptors_by_its_own_leak_ends_and_says_so() {
    let place = Place::new();
    let mut log = crate::jsonlog::JsonLog::create(&place.path("a"), "a");
    log.print_numbers(200);
    place.engine.create("a", log.path());
    place.engine.run("a");
    place.sink.is_now(Mood::Refuses(""));
    let strategy = Kind::Hybrid {
        rotate_every: Span::from_secs(30),
        coalesce: Span::ZERO,
        ignore_older: Span::ZERO,
        fallback: Fallback::None,
        without: Protection::ALL.to_vec(),
    };
    let (code, said) = Process::start(&ArmConfig { strategy, nofile: 100, ..place.config() }).ended();
    assert_eq!(code, Some(1));
    assert!(said.starts_with("leaksoak arm tested: ") && said.contains("Too many open files"), "{said}");
}

#[tokio::test]
async fn other_settings_come_into_force_while_it_runs_and_bad_ones_are_refused() {
    let place = Place::new();
    for id in ["a", "b"] {
        place.engine.create_and_run(id);
    }
    let mut config = ArmConfig { containers: Some(["a".to_owned()].into()), ..pooled(&place) };
    let (socket, file) = (config.own_socket.clone(), place.state("arm.json"));
    let arm = Process::start(&config);
    eventually("it listens", || get(&socket, "/metrics").is_some()).await;
    let streams = || metric(&socket, "log_capturer_container_monitor_streams_active");
    eventually("the one that is named", || streams() == 1).await;

    // By a change of the file.
    config.containers = None;
    config.strategy = config.strategy.rotated_every(Span::from_millis(100));
    std::fs::write(&file, serde_json::to_vec(&config).unwrap()).unwrap();
    eventually("both", || streams() == 2).await;
    eventually("it rotates", || metric(&socket, "log_capturer_stream_rotations_total") >= 5).await;
    assert_eq!(metric(&socket, "log_capturer_reloads_total"), 1);

    // By a signal; none of these holds.
    let refused = || metric(&socket, "log_capturer_reloads_refused_total");
    let mut bad = config.clone();
    bad.delivery.batch_lines = 0;
    let other = ArmConfig { name: "other".to_owned(), ..config.clone() };
    let hurried = ArmConfig { strategy: config.strategy.clone().rotated_every(Span::ZERO), ..config.clone() };
    let json = |config: &ArmConfig| serde_json::to_vec(config).unwrap();
    let bad = [b"{\"name\":".to_vec(), json(&bad), json(&other), json(&hurried)];
    for bytes in bad {
        std::fs::write(&file, bytes).unwrap();
        let before = refused();
        // One may still be of the file before; the next was read after that.
        eventually("it is refused", || {
            arm.signal(rustix::process::Signal::HUP);
            refused() >= before + 2
        })
        .await;
    }
    for number in 0..1000 {
        place.engine.print("b", number, &number.to_string());
    }
    eventually("every line", || place.sink.texts("b") == numbers(1000)).await;
    arm.terminate();
    let (code, said) = arm.ended();
    assert_eq!(code, Some(0));
    for word in [
        "is in force",
        "are refused, all stays as it was",
        "`delivery.batch_lines` is 0",
        "it changes `name`, which cannot",
        "`rotate_every` is 0s",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
