//! A Markdown table whose source can be read as one, too.

use std::fmt;

/// Left or right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Columns are padded up to so many characters: a long reason does not stretch every line.
const PAD_UP_TO: usize = 40;

/// Cells are Markdown already: what comes from outside went through `escape` or `code`.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [(&'static str, Align); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&'static str, Align); N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: [usize; N] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].0.chars().count(), 4]).max().unwrap_or(4).min(PAD_UP_TO)
        });
        let line = |f: &mut fmt::Formatter<'_>, cells: [&str; N]| {
            for (column, cell) in cells.into_iter().enumerate() {
                let width = widths[column];
                match self.columns[column].1 {
                    Align::Left => write!(f, "| {cell:<width$} ")?,
                    Align::Right => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")
        };
        line(f, self.columns.map(|(name, _)| name))?;
        for (column, (_, align)) in self.columns.iter().enumerate() {
            let width = widths[column];
            match align {
                Align::Left => write!(f, "| {:-<width$} ", "")?,
                Align::Right => write!(f, "| {:->width$} ", ":")?,
            }
        }
        writeln!(f, "|")?;
        self.rows.iter().try_for_each(|row| line(f, row.each_ref().map(String::as_str)))
    }
}
