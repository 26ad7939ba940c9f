//! PNG charts: one line per arm over time, as they go on a pull request.
//!
//! 1,600 x 900 pixels, legible when shown half as wide. Text is drawn with an embedded font, so a machine without fonts draws
//! the same bytes. Where some arms leak and others do not, a second panel enlarges the others, which the first
//! one flattens. Colours are those of Okabe and Ito, which people who see colours differently can tell apart.

mod axis;
mod canvas;
mod label;
mod panel;
mod text;

use canvas::{Canvas, Colour, Rect};
use panel::{Kind, Panel};
use text::{Anchor, Image, Weight};

/// A chart, ready to be drawn. Values are counts or bytes, times are seconds since the run's zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// Of which run.
    pub subtitle: String,
    /// Unit of the values.
    pub unit: Unit,
    /// One per arm; an arm keeps its colour from chart to chart.
    pub lines: Vec<Line>,
    /// The time before it is shaded.
    pub warmup_end_s: f64,
    /// Times that are shaded too: something was made to go wrong in them. In seconds, from and to.
    pub faults: Vec<(f64, f64)>,
    /// Times that are marked by a line, with its words: `50 %`.
    pub stages: Vec<(f64, String)>,
    /// End of the time axis.
    pub end_s: f64,
}

/// What an axis of values counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole things.
    Count,
    /// Shown in MiB.
    Bytes,
}

/// One arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// (seconds, value) in order of time; what lies between two pieces was not measured.
    pub pieces: Vec<Vec<(f64, f64)>>,
    /// Shown below its name: its rate and verdict.
    pub remark: Option<String>,
    /// The steepest growth it is allowed.
    pub limit: Option<Limit>,
    /// It is not among those that the second panel enlarges.
    pub leaks: bool,
    /// When it ended of itself.
    pub deaths: Vec<Death>,
}

/// A slope from the end of warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Where it begins.
    pub baseline: f64,
    /// How steep it is.
    pub per_min: f64,
}

/// A process that ended of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Death {
    /// When.
    pub at_s: f64,
    /// `died at 6.1 min (exit 1)`.
    pub words: String,
}

/// A chart that could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The embedded font cannot be read.
    #[error("the embedded font is broken: {0}")]
    Font(#[from] ab_glyph::InvalidFont),
    /// A shape could not be drawn.
    #[error("drawing failed: {0}")]
    Draw(String),
    /// The picture could not be encoded.
    #[error("encoding as PNG failed: {0}")]
    Encode(#[from] png::EncodingError),
}

impl Line {
    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.pieces.iter().flatten().copied()
    }

    fn highest(&self) -> f64 {
        self.points().map(|(_, value)| value).fold(0.0, f64::max)
    }

    fn lowest(&self) -> f64 {
        self.points().map(|(_, value)| value).fold(f64::INFINITY, f64::min)
    }
}

const WIDTH: u32 = 1_600;
const HEIGHT: u32 = 900;
/// The plots; right of them are the names of the lines.
const PLOT: Rect = Rect { left: 112.0, top: 176.0, right: 1_252.0, bottom: 818.0 };
/// Between two panels.
const GUTTER: f64 = 64.0;
/// From how many times the others' height on the leaking arms flatten them.
const FLATTENED: f64 = 2.5;

/// Of Okabe and Ito (2008), "Color Universal Design", without the yellow, which is too light for a line on white.
const COLOURS: [Colour; 7] = [
    Colour(0, 114, 178),
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(86, 180, 233),
    Colour(230, 159, 0),
    Colour(60, 60, 60),
];

/// The chart as a PNG file. The same chart gives the same bytes.
///
/// # Errors
/// See [`ChartError`]; no chart that the crate makes causes one.
pub fn draw(chart: &Chart) -> Result<Vec<u8>, ChartError> {
    let panels = panels(chart);
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    for panel in &panels {
        panel.draw_shapes(&mut canvas)?;
    }
    let mut image = Image::new(canvas.finish(), WIDTH, HEIGHT)?;
    image.text((PLOT.left - 72.0, 52.0), &chart.title, text::TITLE, Weight::Medium, canvas::INK, Anchor::Left);
    image.text((PLOT.left - 72.0, 98.0), &chart.subtitle, text::SUBTITLE, Weight::Regular, canvas::GREY, Anchor::Left);
    let legend = legend(chart);
    let taken = image.width_of(&chart.subtitle, text::SUBTITLE, Weight::Regular)
        + image.width_of(&legend, text::SMALL, Weight::Regular);
    // Where both have no room in one row, the legend goes beside the title.
    let row = if PLOT.left - 72.0 + taken + 24.0 < f64::from(WIDTH) - 40.0 { 98.0 } else { 52.0 };
    let at = (f64::from(WIDTH) - 40.0, row);
    image.text(at, &legend, text::SMALL, Weight::Regular, canvas::GREY, Anchor::Right);
    for panel in &panels {
        panel.draw_texts(&mut image);
    }
    let axis = format!("{} since the start of load", axis::time_unit(chart.end_s).name);
    let middle = f64::midpoint(PLOT.left, PLOT.right);
    image.text((middle, PLOT.bottom + 62.0), &axis, text::SMALL, Weight::Regular, canvas::GREY, Anchor::Middle);
    image.encode()
}

fn legend(chart: &Chart) -> String {
    let limit = chart.lines.iter().find_map(|line| line.limit);
    let dashed = limit.map(|limit| format!("  ·  dashed: limit of {}/min from the baseline", limit.per_min));
    let faults = if chart.faults.is_empty() { "" } else { ", faults" };
    let stages = if chart.stages.is_empty() { "" } else { "  ·  upright: stages" };
    format!("shaded: warm-up{faults}{stages}{}", dashed.unwrap_or_default())
}

/// One panel with all lines; below it one with those that the leaking ones flatten.
fn panels(chart: &Chart) -> Vec<Panel<'_>> {
    let lines = |wanted: fn(&Line) -> bool| -> Vec<(&Line, Colour)> {
        let coloured = chart.lines.iter().zip(COLOURS.into_iter().cycle());
        coloured.filter(|(line, _)| !line.pieces.is_empty() && wanted(line)).collect()
    };
    let (all, calm) = (lines(|_| true), lines(|line| !line.leaks));
    let highest = |lines: &[(&Line, Colour)]| lines.iter().map(|(line, _)| line.highest()).fold(0.0, f64::max);
    let flattened = !calm.is_empty() && calm.len() < all.len() && highest(&all) > FLATTENED * highest(&calm);
    if !flattened {
        return vec![Panel::new(chart, PLOT, all, Kind::Only)];
    }
    let split = PLOT.top + (PLOT.bottom - PLOT.top - GUTTER) * 0.56;
    let upper = Rect { bottom: split, ..PLOT };
    let lower = Rect { top: split + GUTTER, ..PLOT };
    vec![Panel::new(chart, upper, all, Kind::Upper), Panel::new(chart, lower, calm, Kind::Lower)]
}
