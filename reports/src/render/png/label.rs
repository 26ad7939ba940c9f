//! Names beside the ends of lines, moved apart where they would overlap.

use super::canvas::Colour;

/// A name at the right edge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub(super) name: String,
    /// Below the name; empty: nothing.
    pub(super) remark: String,
    pub(super) colour: Colour,
    /// Where the line ends.
    pub(super) line_y: f64,
    /// Where the middle of the label goes.
    pub(super) y: f64,
}

impl Label {
    /// Room it takes.
    fn height(&self) -> f64 {
        if self.remark.is_empty() { 34.0 } else { 60.0 }
    }
}

/// Moves labels as little as an easy way allows so that none overlaps: down past the one above, then all of
/// them up where the last one would leave `bottom`.
pub(super) fn spread(labels: &mut [Label], top: f64, bottom: f64) {
    labels.sort_by(|a, b| a.line_y.total_cmp(&b.line_y));
    let mut free = top;
    for label in labels.iter_mut() {
        let half = label.height() / 2.0;
        label.y = label.line_y.max(free + half);
        free = label.y + half;
    }
    let mut free = bottom;
    for label in labels.iter_mut().rev() {
        let half = label.height() / 2.0;
        label.y = label.y.min(free - half);
        free = label.y - half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(lines: &[f64]) -> Vec<Label> {
        let label = |line_y: &f64| Label {
            name: String::new(),
            remark: "x".to_owned(),
            colour: Colour(0, 0, 0),
            line_y: *line_y,
            y: 0.0,
        };
        lines.iter().map(label).collect()
    }

    fn spread_out(lines: &[f64]) -> Vec<f64> {
        let mut labels = labels(lines);
        spread(&mut labels, 0.0, 400.0);
        labels.iter().map(|label| label.y).collect()
    }

    #[test]
    fn labels_that_do_not_overlap_stay_where_their_lines_end() {
        assert_eq!(spread_out(&[300.0, 100.0]), [100.0, 300.0]);
    }

    #[test]
    fn labels_at_one_place_are_stacked_within_the_panel() {
        assert_eq!(spread_out(&[395.0, 395.0, 396.0]), [250.0, 310.0, 370.0]);
        assert_eq!(spread_out(&[2.0, 2.0]), [30.0, 90.0]);
    }
}
