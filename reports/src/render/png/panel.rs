//! One plot: its grid, its lines, and what is written at them.

use super::axis::{time_ticks, value_ticks};
use super::canvas::{self, Canvas, Colour, Rect};
use super::label::{Label, spread};
use super::text::{self, Anchor, Image, Weight};
use super::{Chart, ChartError, Line, Unit};
use crate::words::{bytes, count_f64};

/// Which of the panels of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no other.
    Only,
    /// All lines; those that the lower one shows are only named.
    Upper,
    /// The lines that do not leak, enlarged.
    Lower,
}

pub(super) struct Panel<'a> {
    chart: &'a Chart,
    kind: Kind,
    rect: Rect,
    lines: Vec<(&'a Line, Colour)>,
    low: f64,
    high: f64,
}

impl<'a> Panel<'a> {
    pub(super) fn new(chart: &'a Chart, rect: Rect, lines: Vec<(&'a Line, Colour)>, kind: Kind) -> Self {
        // A leak is measured from 0; lines that hold still are told apart by looking closely.
        let closely = kind == Kind::Lower || lines.iter().all(|(line, _)| !line.leaks);
        let (low, high) = if closely { near(chart, &lines) } else { from_zero(chart, &lines) };
        Self { chart, kind, rect, lines, low, high }
    }

    pub(super) fn draw_shapes(&self, canvas: &mut Canvas) -> Result<(), ChartError> {
        let Rect { left, right, bottom, .. } = self.rect;
        canvas.fill(Rect { right: self.x(self.chart.warmup_end_s).min(right), ..self.rect }, canvas::SHADE)?;
        for (from_s, to_s) in &self.chart.faults {
            let from = self.x(from_s.max(self.chart.warmup_end_s)).min(right);
            // One that is over at once is seen all the same.
            let to = self.x(*to_s).clamp(from, right).max((from + 2.0).min(right));
            canvas.fill(Rect { left: from, right: to, ..self.rect }, canvas::SHADE)?;
        }
        for (value, _) in value_ticks(self.low, self.high, self.chart.unit) {
            canvas.rule((left, self.y(value)), (right, self.y(value)), canvas::GRID)?;
        }
        for (at_s, _) in &self.chart.stages {
            canvas.rule((self.x(*at_s), self.rect.top), (self.x(*at_s), bottom), canvas::AXIS)?;
        }
        for (time, _) in time_ticks(self.chart.end_s) {
            canvas.rule((self.x(time), bottom), (self.x(time), bottom + 7.0), canvas::AXIS)?;
        }
        canvas.rule((left, bottom), (right, bottom), canvas::AXIS)?;
        // The lower panel shows the limits of its own lines, which would lie on each other here.
        for (line, colour) in self.lines.iter().filter(|(line, _)| self.kind != Kind::Upper || line.leaks) {
            self.draw_limit(canvas, line, *colour)?;
        }
        for (line, colour) in &self.lines {
            for piece in &line.pieces {
                let points: Vec<(f64, f64)> = piece.iter().map(|point| self.place(*point)).collect();
                canvas.stroke(&thin(&points), *colour, 3.0)?;
            }
        }
        for (line, colour) in &self.lines {
            for at in self.deaths(line).map(|(at, _)| at) {
                canvas.cross(at, *colour)?;
            }
        }
        for label in self.labels() {
            canvas.stroke(&[(right + 6.0, label.line_y), (right + 20.0, label.y)], label.colour, 1.5)?;
        }
        Ok(())
    }

    pub(super) fn draw_texts(&self, image: &mut Image) {
        let Rect { left, top, right, bottom } = self.rect;
        for (value, label) in value_ticks(self.low, self.high, self.chart.unit) {
            image.text((left - 14.0, self.y(value)), &label, text::SMALL, Weight::Regular, canvas::GREY, Anchor::Right);
        }
        if self.kind != Kind::Upper {
            for (time, label) in time_ticks(self.chart.end_s) {
                let at = (self.x(time), bottom + 28.0);
                image.text(at, &label, text::SMALL, Weight::Regular, canvas::GREY, Anchor::Middle);
            }
        }
        image.text((left, top - 20.0), &self.caption(), text::SMALL, Weight::Regular, canvas::GREY, Anchor::Left);
        self.write_warmup(image);
        self.write_stages(image);
        for label in self.labels() {
            let at = right + 30.0;
            let room = f64::from(super::WIDTH) - at - 8.0;
            let name = (&label.name, text::NAME, Weight::Medium, label.colour);
            let remark = (&label.remark, text::SMALL, Weight::Regular, canvas::GREY);
            let first = if label.remark.is_empty() { label.y } else { label.y - 14.0 };
            for (row, (words, size, weight, colour)) in [name, remark].into_iter().enumerate() {
                let words = image.fitted(words, size, weight, room);
                image.text((at, first + row as f64 * 28.0), &words, size, weight, colour, Anchor::Left);
            }
        }
        for (line, colour) in &self.lines {
            self.write_deaths(image, line, *colour);
            self.write_early_end(image, line, *colour);
        }
    }

    fn caption(&self) -> String {
        let unit = match self.chart.unit {
            Unit::Count => "count",
            Unit::Bytes => "MiB",
        };
        if self.kind == Kind::Lower { format!("{unit}, without the arms that leak") } else { unit.to_owned() }
    }

    fn write_warmup(&self, image: &mut Image) {
        let words = "warm-up";
        let width = self.x(self.chart.warmup_end_s).min(self.rect.right) - self.rect.left;
        if width > image.width_of(words, text::SMALL, Weight::Regular) + 12.0 {
            let at = (self.rect.left + width / 2.0, self.rect.top + 20.0);
            image.text(at, words, text::SMALL, Weight::Regular, canvas::AXIS, Anchor::Middle);
        }
    }

    /// Above the panel, where nothing runs through them; one that has no room beside its neighbour is left out.
    fn write_stages(&self, image: &mut Image) {
        let mut free = self.rect.left + image.width_of(&self.caption(), text::SMALL, Weight::Regular) + 24.0;
        for (at_s, words) in &self.chart.stages {
            let half = image.width_of(words, text::SMALL, Weight::Regular) / 2.0;
            let x = self.x(*at_s);
            if x - half >= free && x + half <= self.rect.right {
                let at = (x, self.rect.top - 20.0);
                image.text(at, words, text::SMALL, Weight::Regular, canvas::GREY, Anchor::Middle);
                free = x + half + 12.0;
            }
        }
    }

    fn write_deaths(&self, image: &mut Image, line: &Line, colour: Colour) {
        // Of an arm that is started again and again, every death is marked and the first is told.
        if let Some(((x, y), words)) = self.deaths(line).next() {
            let name = if self.is_named_at_its_end(line) { String::new() } else { format!("{}: ", line.name) };
            let words = format!("{name}{words}");
            self.write_beside(image, (x, y), 22.0, &words, line, colour);
        }
    }

    /// One that neither reaches the end nor died: its turn was over, or it was not measured any more.
    fn write_early_end(&self, image: &mut Image, line: &Line, colour: Colour) {
        let Some(last) = line.points().last() else { return };
        if self.is_named_at_its_end(line) || !line.deaths.is_empty() {
            return;
        }
        let remark = line.remark.as_deref().map(|remark| format!(": {remark}")).unwrap_or_default();
        let words = format!("{}  {}{remark}", line.name, self.value(last.1));
        self.write_beside(image, self.place(last), 12.0, &words, line, colour);
    }

    /// Writes at a place of `line`, so far to the right of it, or to the left where there is no room; above or below where another
    /// line runs.
    fn write_beside(&self, image: &mut Image, (x, y): (f64, f64), gap: f64, words: &str, line: &Line, colour: Colour) {
        let width = image.width_of(words, text::SMALL, Weight::Medium);
        let fits = x + gap + width < self.rect.right;
        let left = if fits { x + gap } else { x - gap - width };
        let level = y.clamp(self.rect.top + 16.0, self.rect.bottom - 16.0);
        let beside = if level - 34.0 < self.rect.top { level + 32.0 } else { level - 32.0 };
        let y = if self.is_crossed((left, left + width), level, line) { beside } else { level };
        image.veil((left - 4.0, y - 15.0), (left + width + 4.0, y + 15.0));
        image.text((left, y), words, text::SMALL, Weight::Medium, colour, Anchor::Left);
    }

    /// Another line runs through the place of a text at this height.
    fn is_crossed(&self, (left, right): (f64, f64), y: f64, own: &Line) -> bool {
        let others = self.lines.iter().filter(|(line, _)| !std::ptr::eq(*line, own));
        let mut points = others.flat_map(|(line, _)| line.points()).map(|point| self.place(point));
        points.any(|(at, height)| (left..=right).contains(&at) && (height - y).abs() < 18.0)
    }

    /// From the end of warm-up to the end of the run, or to where it leaves the panel.
    fn draw_limit(&self, canvas: &mut Canvas, line: &Line, colour: Colour) -> Result<(), ChartError> {
        let Some(limit) = line.limit else { return Ok(()) };
        let per_s = limit.per_min / 60.0;
        let begin_s = self.chart.warmup_end_s;
        let leaves_s = begin_s + (self.high - limit.baseline) / per_s;
        let end_s = if per_s > 0.0 { leaves_s.min(self.chart.end_s) } else { self.chart.end_s };
        if limit.baseline > self.high || end_s <= begin_s {
            return Ok(());
        }
        let end = (end_s, limit.baseline + (end_s - begin_s) * per_s);
        canvas.dashed(self.place((begin_s, limit.baseline)), self.place(end), colour.lighter())
    }

    /// Where each death is marked: at the last value before it.
    fn deaths<'b>(&'b self, line: &'b Line) -> impl Iterator<Item = ((f64, f64), &'b str)> {
        line.deaths.iter().filter_map(|death| {
            let last = line.points().take_while(|(time, _)| *time <= death.at_s).last()?;
            Some((self.place((death.at_s, last.1)), death.words.as_str()))
        })
    }

    fn is_named_at_its_end(&self, line: &Line) -> bool {
        line.points().last().is_some_and(|(time, _)| time >= self.chart.end_s * 0.9)
    }

    fn labels(&self) -> Vec<Label> {
        let ending = self.lines.iter().filter(|(line, _)| self.is_named_at_its_end(line));
        let mut labels: Vec<Label> = ending
            .filter_map(|(line, colour)| {
                let (_, last) = line.points().last()?;
                let line_y = self.y(last);
                let remark = if self.kind == Kind::Upper && !line.leaks { None } else { line.remark.clone() };
                Some(Label {
                    name: format!("{}  {}", line.name, self.value(last)),
                    remark: remark.unwrap_or_default(),
                    colour: *colour,
                    line_y,
                    y: line_y,
                })
            })
            .collect();
        spread(&mut labels, self.rect.top - 24.0, self.rect.bottom + 30.0);
        labels
    }

    fn value(&self, value: f64) -> String {
        match self.chart.unit {
            Unit::Count => count_f64(value),
            Unit::Bytes => bytes(value),
        }
    }

    fn place(&self, (time, value): (f64, f64)) -> (f64, f64) {
        (self.x(time), self.y(value))
    }

    fn x(&self, time: f64) -> f64 {
        let Rect { left, right, .. } = self.rect;
        let share = if self.chart.end_s > 0.0 { time / self.chart.end_s } else { 0.0 };
        left + (right - left) * share.clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let Rect { top, bottom, .. } = self.rect;
        bottom - (bottom - top) * ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// From 0 to a little above everything.
fn from_zero(chart: &Chart, lines: &[(&Line, Colour)]) -> (f64, f64) {
    let highest = lines.iter().map(|(line, _)| line.highest()).fold(0.0, f64::max);
    (0.0, (highest * 1.06).max(smallest_span(chart.unit)))
}

/// Around the values, with room for the limit's slope as long as it does not flatten them.
fn near(chart: &Chart, lines: &[(&Line, Colour)]) -> (f64, f64) {
    let highest = lines.iter().map(|(line, _)| line.highest()).fold(0.0, f64::max);
    let lowest = lines.iter().map(|(line, _)| line.lowest()).fold(f64::INFINITY, f64::min).min(highest);
    let span = (highest - lowest).max(highest * 0.1).max(smallest_span(chart.unit));
    let minutes = (chart.end_s - chart.warmup_end_s) / 60.0;
    let limits = lines.iter().filter_map(|(line, _)| line.limit.map(|limit| limit.baseline + limit.per_min * minutes));
    let limit = limits.fold(0.0, f64::max);
    let high = (limit * 1.02).clamp(highest + span * 0.3, highest + span * 2.0);
    ((lowest - span * 0.3).max(0.0), high)
}

fn smallest_span(unit: Unit) -> f64 {
    match unit {
        Unit::Count => 8.0,
        Unit::Bytes => 1_048_576.0,
    }
}

/// At most four points for each column of pixels: its first, lowest, highest and last, so that no spike is lost.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut thinned = Vec::new();
    for column in points.chunk_by(|a, b| a.0.floor().total_cmp(&b.0.floor()).is_eq()) {
        if column.len() <= 4 {
            thinned.extend_from_slice(column);
            continue;
        }
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let extremes = [column.first(), column.iter().min_by(by_value), column.iter().max_by(by_value), column.last()];
        let mut kept: Vec<(f64, f64)> = extremes.into_iter().flatten().copied().collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        thinned.extend(kept);
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_spike() {
        let points: Vec<(f64, f64)> =
            (0..34_560_u32).map(|tick| (f64::from(tick) / 30.0, if tick == 17_003 { 99.0 } else { 5.0 })).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= 4 * 1_152, "{}", thinned.len());
        assert!(thinned.iter().any(|(_, value)| *value > 98.0));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
