//! Columns that stand in line. The last one is a text: it gets the room that is left, and wraps.

use anstyle::Style;

use super::{Page, style, text};

/// Blanks between two columns.
const GAP: usize = 2;

/// A table with its head.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

/// One column.
pub(super) struct Column {
    head: &'static str,
    widest: usize,
    right: bool,
}

struct Row {
    cells: Vec<(String, Style)>,
    /// In how many lines the last cell is wrapped at most; `None`: it is one line, without its middle if it is too long.
    lines_max: Option<usize>,
}

impl Column {
    /// Of at most so many columns of the screen.
    pub(super) fn left(head: &'static str, widest: usize) -> Column {
        Column { head, widest, right: false }
    }

    /// The same, for what is compared by its end.
    pub(super) fn right(head: &'static str, widest: usize) -> Column {
        Column { head, widest, right: true }
    }
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Table {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row; its last cell takes at most so many lines.
    pub(super) fn row(&mut self, lines_max: usize, cells: Vec<(String, Style)>) {
        self.push(Some(lines_max), cells);
    }

    /// Adds a row of one line. Of a last cell that is too long both ends are shown: an error says at its beginning what
    /// failed, and at its end why.
    pub(super) fn row_of_one(&mut self, cells: Vec<(String, Style)>) {
        self.push(None, cells);
    }

    fn push(&mut self, lines_max: Option<usize>, cells: Vec<(String, Style)>) {
        let cells = cells.into_iter().map(|(text, style)| (text::clean(&text).into_owned(), style)).collect();
        self.rows.push(Row { cells, lines_max });
    }

    /// Draws it, indented by two; without its head if that is all empty.
    pub(super) fn draw(&self, page: &Page) -> String {
        let (last, fixed) = self.columns.split_last().expect("a table has columns");
        let widths: Vec<usize> = fixed.iter().enumerate().map(|(at, column)| self.width_of(at, column)).collect();
        let indent = 2;
        let used: usize = indent + widths.iter().map(|width| width + GAP).sum::<usize>();
        let room = page.width.saturating_sub(used).max(text::NARROWEST);
        let mut out = String::new();
        if self.columns.iter().any(|column| !column.head.is_empty()) {
            let heads = self.columns.iter().map(|column| (column.head.to_owned(), style::QUIET)).collect();
            self.draw_row(page, &widths, room, &Row { cells: heads, lines_max: None }, &mut out);
        }
        let room = if last.widest == 0 { room } else { room.min(last.widest) };
        for row in &self.rows {
            self.draw_row(page, &widths, room, row, &mut out);
        }
        out
    }

    fn width_of(&self, at: usize, column: &Column) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(at)).map(|(cell, _)| text::width(cell));
        cells.chain([text::width(column.head)]).max().unwrap_or(0).min(column.widest)
    }

    fn draw_row(&self, page: &Page, widths: &[usize], room: usize, row: &Row, out: &mut String) {
        let mut line = "  ".to_owned();
        for ((cell, style), (column, width)) in row.cells.iter().zip(self.columns.iter().zip(widths)) {
            let cell = text::cut(cell, *width);
            let cell = if column.right { text::padded_left(&cell, *width) } else { text::padded(&cell, *width) };
            line.push_str(&page.paint(*style, &cell));
            line.push_str(&" ".repeat(GAP));
        }
        let behind = 2 + widths.iter().map(|width| width + GAP).sum::<usize>();
        let no_text = (String::new(), style::PLAIN);
        let (last, style) = row.cells.get(widths.len()).unwrap_or(&no_text);
        let parts = match row.lines_max {
            Some(lines_max) => text::wrapped_in(last, room, lines_max),
            None => vec![text::cut_within(last, room)],
        };
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                line = " ".repeat(behind);
            }
            line.push_str(&page.paint(*style, part));
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}
