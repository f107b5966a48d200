//! Blocks: what a view has to say, free of any ink's syntax.

use super::plot::Plot;
use crate::record::Unit;
use crate::stats::assume::Link;
use crate::stats::offer::Cost;

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
    Sheet(Box<Sheet>),
    Answer(Answer),
    /// Figures that each answer a question of their own.
    Tiles(Vec<Tile>),
    /// What belongs to one scenario: a page may let its reader choose which are shown.
    Part {
        name: String,
        blocks: Vec<Block>,
    },
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

/// What to choose, for whom, and why.
pub struct Answer {
    /// `1,000 devices on 4G, 12 releases a year`
    pub question: String,
    /// The method.
    pub pick: String,
    /// Whole sentences, the weightiest first.
    pub why: Vec<String>,
    /// The command line that answers the question with other assumptions.
    pub command: String,
}

/// `smallest update`: `4.73 MB`, `hdiffpatch`.
pub struct Tile {
    pub label: String,
    pub figure: String,
    pub who: String,
}

/// How long each method's update takes over each link. A page may let its reader change the links.
pub struct Sheet {
    pub links: Vec<Link>,
    /// The link at whose round trip and parallelism crossovers are told.
    pub chosen: usize,
    pub rows: Vec<SheetRow>,
    /// The full downloads that a delta competes with.
    pub fulls: Vec<Cost>,
}

/// One update of the sheet.
pub struct SheetRow {
    pub name: String,
    pub cost: Cost,
    /// It helps itself from an older image, so it may pay or not.
    pub delta: bool,
    /// Its row's key.
    pub of: String,
}

/// A table. Every column has as many cells as the others.
#[derive(Default)]
pub struct Grid {
    pub columns: Vec<Column>,
}

/// One column of a grid.
#[derive(Clone)]
pub struct Column {
    /// Its name where there is room.
    pub head: String,
    /// Its name on a narrow page, where a line above says which images are meant.
    pub short: String,
    pub keep: Keep,
    /// Figures are set to the right, names to the left.
    pub figures: bool,
    /// What the column tells of, for a page whose reader chooses measures: `transfer`; empty: it is always shown.
    pub measure: &'static str,
    /// The unit of the cells' values.
    pub unit: Option<Unit>,
    pub cells: Vec<Cell>,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    pub text: String,
    /// The exact figure in the column's unit, for sorting and comparing.
    pub value: Option<i128>,
    /// Where it comes from: the key of its row, or the command line that makes a method's rows again.
    pub of: Option<String>,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell {
            text,
            ..Cell::default()
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        text.to_string().into()
    }
}

/// The measure of a column that names methods.
pub const METHOD: &str = "method";

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
    pub fn names<C: Into<Cell>>(keep: Keep, head: &str, cells: Vec<C>) -> Column {
        Column {
            figures: false,
            ..Column::figures(keep, head, head, cells)
        }
    }

    /// A column of figures.
    pub fn figures<C: Into<Cell>>(
        keep: Keep,
        short: &str,
        head: impl Into<String>,
        cells: Vec<C>,
    ) -> Column {
        Column {
            head: head.into(),
            short: short.to_string(),
            keep,
            figures: true,
            measure: "",
            unit: None,
            cells: cells.into_iter().map(Into::into).collect(),
        }
    }

    /// The same column, told what it measures and in which unit.
    pub fn measuring(self, measure: &'static str, unit: Option<Unit>) -> Column {
        Column {
            measure,
            unit,
            ..self
        }
    }
}

impl Grid {
    /// A grid of the columns in which any cell says something.
    pub fn filled(columns: Vec<Column>) -> Grid {
        let says = |column: &Column| column.cells.iter().any(|cell| cell.text != NO_FIGURE);
        Grid {
            columns: columns.into_iter().filter(says).collect(),
        }
    }

    /// The same grid with its first rows alone.
    pub fn first(&self, most: usize) -> Grid {
        let columns = self.columns.iter().map(|column| Column {
            cells: column.cells.iter().take(most).cloned().collect(),
            ..column.clone()
        });
        Grid {
            columns: columns.collect(),
        }
    }

    /// The cells, row by row.
    pub fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let rows = self.columns.first().map_or(0, |column| column.cells.len());
        (0..rows).map(|at| {
            let columns = self.columns.iter();
            columns
                .map(|column| column.cells[at].text.as_str())
                .collect()
        })
    }
}
