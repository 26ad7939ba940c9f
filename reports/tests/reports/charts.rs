//! Charts as pictures: they decode, have their size, and are drawn on.

use leaksoak_reports::record::events::{Event, EventRecord, Exit};
use leaksoak_reports::render::png::draw;
use leaksoak_reports::{Recording, Report, judge};

use crate::support::{Plan, SMOKE, Script, leaking};

/// Charts of a recording, by file name.
fn drawn(recording: &Recording) -> Vec<(&'static str, Vec<u8>)> {
    let verdict = judge(recording);
    let report = Report::of(recording, &verdict);
    report.charts.iter().map(|(name, chart)| (*name, draw(chart).unwrap())).collect()
}

struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    fn decode(bytes: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Self { width: info.width, height: info.height, pixels }
    }

    /// Pixels of just this colour.
    fn count(&self, colour: [u8; 3]) -> usize {
        self.pixels.chunks(3).filter(|pixel| *pixel == colour).count()
    }

    /// Pixels that are not white in the rows of the title.
    fn title_ink(&self) -> usize {
        let rows = &self.pixels[..self.width as usize * 80 * 3];
        rows.chunks(3).filter(|pixel| *pixel != [255; 3]).count()
    }
}

fn three_arms() -> Recording {
    SMOKE.record(&[
        Script::steady("pooled", "pooled").fds(|time| if time % 2.0 < 0.5 { 31.0 } else { 30.0 }),
        Script::steady("naive", "naive").fds(leaking(120.0)).tasks(leaking(240.0)).control(),
        Script::steady("hybrid", "hybrid").fds(|_| 27.0).tasks(|_| 19.0),
    ])
}

#[test]
fn every_chart_decodes_has_its_size_and_shows_each_arm() {
    let charts = drawn(&three_arms());
    let names: Vec<&str> = charts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["fds.png", "tasks.png", "rss.png"]);
    for (name, bytes) in charts {
        let picture = Picture::decode(&bytes);
        assert_eq!((picture.width, picture.height), (1_600, 900), "{name}");
        for colour in [[0, 114, 178], [213, 94, 0], [0, 158, 115]] {
            assert!(picture.count(colour) > 500, "{name} has no line of colour {colour:?}");
        }
        assert!(bytes.len() < 200_000, "{name}: {} bytes", bytes.len());
    }
}

#[test]
fn stages_and_faults_are_marked() {
    let plain = three_arms();
    let event = |elapsed_s, event| EventRecord { elapsed_s, unix_ms: 0, event };
    let mut staged = plain.clone();
    staged.events.extend(
        [10, 50, 100]
            .map(|share_pct| event(f64::from(share_pct) / 2.0 - 5.0, Event::Stage { share_pct, containers: 1 })),
    );
    let fault = || "sink down".to_owned();
    let mut faulty = plain.clone();
    faulty.events.push(event(30.0, Event::FaultBegan { fault: fault() }));
    faulty.events.push(event(40.0, Event::FaultEnded { fault: fault() }));
    let [plain, staged, faulty] = [plain, staged, faulty].map(|recording| Picture::decode(&drawn(&recording)[0].1));
    let (grey, shade) = ([150, 156, 162], [244, 245, 247]);
    assert!(staged.count(grey) > plain.count(grey) + 500, "{} {}", staged.count(grey), plain.count(grey));
    assert!(faulty.count(shade) > plain.count(shade) + 20_000, "{} {}", faulty.count(shade), plain.count(shade));
}

#[test]
fn text_is_drawn_with_the_embedded_font() {
    let recording = three_arms();
    let verdict = judge(&recording);
    let mut chart = Report::of(&recording, &verdict).charts.swap_remove(0).1;
    assert!(Picture::decode(&draw(&chart).unwrap()).title_ink() > 1_000);
    chart.title = String::new();
    assert_eq!(Picture::decode(&draw(&chart).unwrap()).title_ink(), 0);
}

#[test]
fn the_same_chart_gives_the_same_bytes() {
    let recording = three_arms();
    let verdict = judge(&recording);
    let chart = &Report::of(&recording, &verdict).charts[0].1;
    assert!(draw(chart).unwrap() == draw(chart).unwrap());
}

#[test]
fn odd_recordings_are_drawn_all_the_same() {
    let dead = Script::steady("hybrid", "hybrid").dies(-1.0, Exit::Code { code: 1 }, "");
    assert_eq!(drawn(&SMOKE.record(&[dead])).len(), 0, "nothing was measured, so there is nothing to draw");
    let restless = "an-arm-with-the-longest-name-there-may-be";
    let arms =
        [Script::steady(&restless[..40], "naive").fds(leaking(9e9)).control(), Script::steady("pooled", "pooled")];
    drawn(&SMOKE.record(&arms));
    let nothing = Plan { killed_s: Some(0.0), ..SMOKE };
    drawn(&nothing.record(&[Script::steady("pooled", "pooled")]));
    let zero = Script::steady("pooled", "pooled").fds(|_| 0.0).tasks(|_| 0.0);
    let mut recording = SMOKE.record(&[zero]);
    recording.info.engine.version = "\u{1b}[2J\u{4e2d}".to_owned();
    drawn(&recording);
}
