//! Shapes, with smooth edges: drawn by plotters at twice the size, then shrunk.

use plotters::backend::BitMapBackend;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::{Color as _, RGBColor, ShapeStyle};

use super::ChartError;

/// Pixels drawn per pixel shown, in each direction; [`Canvas::finish`] takes the mean of four.
const SCALE: u32 = 2;

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

impl Colour {
    /// Half-way to white.
    pub(super) fn lighter(self) -> Self {
        let half = |channel: u8| channel.midpoint(u8::MAX);
        Self(half(self.0), half(self.1), half(self.2))
    }
}

/// Text.
pub(super) const INK: Colour = Colour(33, 37, 41);
/// Text that stands back.
pub(super) const GREY: Colour = Colour(96, 103, 110);
/// Lines that help to read a value.
pub(super) const GRID: Colour = Colour(228, 231, 234);
/// Axes.
pub(super) const AXIS: Colour = Colour(150, 156, 162);
/// Behind the warm-up.
pub(super) const SHADE: Colour = Colour(244, 245, 247);

/// In pixels from the upper left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// Where shapes are drawn, in pixels of the finished picture.
#[derive(Debug)]
pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    /// White.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let bytes = (width * SCALE * height * SCALE * 3) as usize;
        Self { width, height, pixels: vec![255; bytes] }
    }

    pub(super) fn fill(&mut self, rect: Rect, colour: Colour) -> Result<(), ChartError> {
        let corners = [pixel((rect.left, rect.top)), pixel((rect.right, rect.bottom))];
        self.draw(&Rectangle::new(corners, style(colour, 1.0, 1)))
    }

    /// A line through `points`, `width` pixels wide, with round joints: they keep a jagged line from growing thorns.
    pub(super) fn stroke(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) -> Result<(), ChartError> {
        let radius = round((width / 2.0 * f64::from(SCALE)).floor());
        for pair in points.windows(2) {
            self.segment(pair[0], pair[1], colour, width)?;
        }
        for point in points {
            self.draw(&Circle::new(pixel(*point), radius, style(colour, 1.0, 1)))?;
        }
        Ok(())
    }

    /// A straight line of dashes.
    pub(super) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) -> Result<(), ChartError> {
        const DASH: f64 = 11.0;
        const GAP: f64 = 9.0;
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |distance: f64| {
            let share = (distance / length).min(1.0);
            (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
        };
        let mut begin = 0.0;
        while begin < length {
            self.segment(at(begin), at(begin + DASH), colour, 2.0)?;
            begin += DASH + GAP;
        }
        Ok(())
    }

    /// A straight hairline along an axis.
    pub(super) fn rule(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) -> Result<(), ChartError> {
        self.draw(&PathElement::new([pixel(from), pixel(to)], style(colour, 1.0, SCALE)))
    }

    /// A cross on a white disc.
    pub(super) fn cross(&mut self, at: (f64, f64), colour: Colour) -> Result<(), ChartError> {
        const ARM: f64 = 8.0;
        self.draw(&Circle::new(pixel(at), round(13.0 * f64::from(SCALE)), style(Colour(255, 255, 255), 0.8, 1)))?;
        self.segment((at.0 - ARM, at.1 - ARM), (at.0 + ARM, at.1 + ARM), colour, 4.0)?;
        self.segment((at.0 - ARM, at.1 + ARM), (at.0 + ARM, at.1 - ARM), colour, 4.0)
    }

    /// The picture at its own size: three bytes a pixel, row by row.
    pub(super) fn finish(self) -> Vec<u8> {
        let row = (self.width * SCALE * 3) as usize;
        let mut shrunk = Vec::with_capacity((self.width * self.height * 3) as usize);
        for rows in self.pixels.chunks_exact(2 * row) {
            for x in (0..row).step_by(6) {
                for at in x..x + 3 {
                    let left = rows[at].midpoint(rows[row + at]);
                    let right = rows[at + 3].midpoint(rows[row + at + 3]);
                    shrunk.push(left.midpoint(right));
                }
            }
        }
        shrunk
    }

    fn segment(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour, width: f64) -> Result<(), ChartError> {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        if length <= 0.0 {
            return Ok(());
        }
        let (dx, dy) = ((to.0 - from.0) / length * width / 2.0, (to.1 - from.1) / length * width / 2.0);
        let corners = [
            pixel((from.0 - dy, from.1 + dx)),
            pixel((to.0 - dy, to.1 + dx)),
            pixel((to.0 + dy, to.1 - dx)),
            pixel((from.0 + dy, from.1 - dx)),
        ];
        self.draw(&Polygon::new(corners, style(colour, 1.0, 1)))
    }

    fn draw<'a, E>(&'a mut self, element: &'a E) -> Result<(), ChartError>
    where
        &'a E: plotters::element::PointCollection<'a, (i32, i32)>,
        E: plotters::element::Drawable<BitMapBackend<'a>>,
    {
        let size = (self.width * SCALE, self.height * SCALE);
        let area = BitMapBackend::with_buffer(&mut self.pixels, size).into_drawing_area();
        area.draw(element).map_err(|error: DrawingAreaErrorKind<_>| ChartError::Draw(error.to_string()))
    }
}

fn style(colour: Colour, alpha: f64, width: u32) -> ShapeStyle {
    ShapeStyle { color: RGBColor(colour.0, colour.1, colour.2).mix(alpha), filled: true, stroke_width: width }
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (round(x * f64::from(SCALE)), round(y * f64::from(SCALE)))
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and what is out of the picture is not drawn")]
fn round(value: f64) -> i32 {
    value.round() as i32
}
