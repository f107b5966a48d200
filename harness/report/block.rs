//! Blocks: what a view has to say, free of any ink's syntax.

use super::plot::Plot;

/// One piece of a page. Texts are plain: an ink escapes what its format would take for syntax.
pub enum Block {
    /// Level 1 is the page's title.
    Head {
        level: u8,
        text: String,
    },
    Text(String),
    List(Vec<String>),
    Grid(Grid),
    Plot(Box<Picture>),
    Verdict {
        decision: Told,
        /// The claim.
        says: String,
        /// The figures, or why there are none.
        why: String,
    },
    /// Details that a page may hide until they are asked for.
    Fold {
        summary: String,
        blocks: Vec<Block>,
    },
}

/// What a verdict decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Holds,
    Fails,
    Undecided,
}

impl Told {
    pub fn word(self) -> &'static str {
        match self {
            Told::Holds => "holds",
            Told::Fails => "fails",
            Told::Undecided => "undecided",
        }
    }
}

/// A chart and the files that it is written to.
pub struct Picture {
    /// `transfer`
    pub name: &'static str,
    /// File name without `.svg` and `.png`, free of letters that a path or a link would take otherwise.
    pub file: String,
    /// It has something to draw.
    pub plot: Plot,
}

/// A table. Every column has as many cells as the others.
#[derive(Default)]
pub struct Grid {
    pub columns: Vec<Column>,
}

/// One column of a grid.
pub struct Column {
    /// Its name where there is room.
    pub head: String,
    /// Its name on a narrow page, where a line above says which images are meant.
    pub short: String,
    pub keep: Keep,
    /// Figures are set to the right, names to the left.
    pub figures: bool,
    pub cells: Vec<String>,
}

/// Which columns a narrow page leaves out: those of the last kind first, and of one kind the last column first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Never left out: without it the grid says nothing.
    Always,
    /// What a choice hangs on next.
    Key,
    /// Good to know when choosing.
    Helpful,
    /// For a closer look.
    Detail,
}

/// What a cell says where there is no figure.
pub const NO_FIGURE: &str = "-";

impl Column {
    /// A column of names.
    pub fn names(keep: Keep, head: &str, cells: Vec<String>) -> Column {
        Column {
            head: head.to_string(),
            short: head.to_string(),
            keep,
            figures: false,
            cells,
        }
    }

    /// A column of figures.
    pub fn figures(keep: Keep, short: &str, head: impl Into<String>, cells: Vec<String>) -> Column {
        Column {
            head: head.into(),
            short: short.to_string(),
            keep,
            figures: true,
            cells,
        }
    }
}

impl Grid {
    /// A grid of the columns in which any cell says something.
    pub fn filled(columns: Vec<Column>) -> Grid {
        let says = |column: &Column| column.cells.iter().any(|cell| cell != NO_FIGURE);
        Grid {
            columns: columns.into_iter().filter(says).collect(),
        }
    }

    /// The cells, row by row.
    pub fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let rows = self.columns.first().map_or(0, |column| column.cells.len());
        (0..rows).map(|at| {
            let columns = self.columns.iter();
            columns.map(|column| column.cells[at].as_str()).collect()
        })
    }
}
