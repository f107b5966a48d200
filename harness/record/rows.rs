//! rows.csv on disk: read whole, added to row by row, never seen half-written.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::append::{Appended, rewrite};
use super::{OLDEST_SCHEMA, Row, SCHEMA, keyed, read};

/// The rows of a rows.csv of any schema that is known. Two rows of one act are an error.
pub fn read_rows(path: &Path) -> Result<Vec<Row>> {
    let rows = read::rows(path)?;
    for (at, row) in rows.iter().enumerate() {
        ensure!(
            (OLDEST_SCHEMA..=SCHEMA).contains(&row.schema),
            "{}: record {}: a row of schema {}; this delta-lab reads schemas {OLDEST_SCHEMA} to {SCHEMA}",
            path.display(),
            at + 1,
            row.schema
        );
    }
    if let Some(at) = keyed(&rows).twice() {
        bail!(
            "{}: record {}: a second row of {}",
            path.display(),
            at + 1,
            rows[at].act()
        );
    }
    Ok(rows)
}

/// The rows.csv being written: each row is appended in one write and flushed to disk before the next step starts.
pub struct RowFile(Appended);

impl RowFile {
    /// Opens `dir`/rows.csv for appending, made with its header line when absent, and returns the rows that are there.
    ///
    /// A last line cut short by a crash is removed: its act has no row and will be done again. A file that does not
    /// begin with this schema's header is refused and left as it is; so is a symbolic link.
    pub fn open(dir: &Path) -> Result<(RowFile, Vec<Row>)> {
        let path = dir.join("rows.csv");
        let file = Appended::open::<Row>(&path)?;
        Ok((RowFile(file), read_rows(&path)?))
    }

    /// Appends one row and waits until it is on disk. On failure (a full disk) the file is as it was.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        self.0.append(std::slice::from_ref(row))
    }
}

/// Replaces rows.csv by `rows`, in one rename.
pub fn rewrite_rows(dir: &Path, rows: &[Row]) -> Result<()> {
    rewrite(&dir.join("rows.csv"), rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::append::header;
    use crate::record::{Results, Verb};

    fn row(image: &str) -> Row {
        Row {
            schema: SCHEMA,
            scenario: "s".into(),
            method: "raw".into(),
            verb: Verb::Publish,
            image: image.into(),
            sample: 1,
            store_bytes: Some(5),
            ..Row::default()
        }
    }

    #[test]
    fn rows_are_there_after_a_crash_and_a_torn_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, there) = RowFile::open(dir.path()).unwrap();
        assert!(there.is_empty());
        file.append(&row("v1")).unwrap();
        file.append(&row("v, \"2\"")).unwrap();
        let path = dir.path().join("rows.csv");
        let whole = fs::read(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        let second = first.lines().last().unwrap().len() + 1;
        for torn in 1..second {
            fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let (mut file, there) = RowFile::open(dir.path()).unwrap();
            assert_eq!(there, [row("v1")], "{torn} bytes short");
            file.append(&row("v3")).unwrap();
            assert_eq!(
                Results::load(dir.path()).unwrap().rows,
                [row("v1"), row("v3")]
            );
        }
    }

    #[test]
    fn rewritten_rows_keep_their_header_even_when_none_are_left() {
        let dir = tempfile::tempdir().unwrap();
        rewrite_rows(dir.path(), &[row("v1")]).unwrap();
        assert_eq!(RowFile::open(dir.path()).unwrap().1, [row("v1")]);
        rewrite_rows(dir.path(), &[]).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("rows.csv")).unwrap(),
            header::<Row>()
        );
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        for foreign in [
            "a,b\n1,2",
            "schema,scenario,method\n1,2",
            "no header at all",
        ] {
            fs::write(&path, foreign).unwrap();
            let why = format!("{:#}", RowFile::open(dir.path()).err().unwrap());
            assert!(why.contains("does not begin with the columns"), "{why}");
            assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        }
        let elsewhere = dir.path().join("elsewhere.csv");
        fs::write(&elsewhere, "precious").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let why = format!("{:#}", RowFile::open(dir.path()).err().unwrap());
        assert!(why.contains("symbolic link"), "{why}");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
    }

    #[test]
    fn two_rows_of_one_act_are_refused_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        rewrite_rows(dir.path(), &[row("v1"), row("v2"), row("v1")]).unwrap();
        let why = format!("{:#}", Results::load(dir.path()).unwrap_err());
        assert!(
            why.contains("record 3: a second row of s raw: publish v1"),
            "{why}"
        );
    }

    #[test]
    fn rows_of_schema_1_are_read_under_the_words_of_today() {
        let dir = tempfile::tempdir().unwrap();
        let columns = "schema,scenario,method,version,step,image,image_sha256,base,base_sha256,sample,image_bytes,payload_bytes,header_bytes,upload_bytes,requests,store_bytes,store_files,wall_ns,cpu_ns,peak_rss_bytes,check,error";
        let line = "1,s,raw,v,update,v3,cc,v1+v2,aa+bb,1,10,10,1,0,1,,,5,5,5,exact,";
        fs::write(dir.path().join("rows.csv"), format!("{columns}\n{line}\n")).unwrap();
        let rows = Results::load(dir.path()).unwrap().rows;
        assert_eq!(rows[0].verb, Verb::Update);
        assert_eq!(rows[0].bases.names().collect::<Vec<_>>(), ["v1", "v2"]);
        assert_eq!(rows[0].bases_sha256, "aa+bb");
        assert!(rows[0].case.is_empty());
    }
}
