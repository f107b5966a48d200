//! Inspects a saved archive: the facts that every image has, and errors for broken archives.

use std::path::Path;

use anyhow::Result;

use super::Made;
use crate::archive::{self, Content};

/// Reads the archive at `path`. Fails when it is cut short, and when a name in it leads out of the folder it is unpacked
/// in.
pub fn look(path: &Path) -> Result<Made> {
    let mut made = Made::default();
    let mut fact = |name: &str, value: String| made.facts.push((name.to_string(), value));
    let image = match archive::read(path)? {
        Content::Image(image) => image,
        Content::Tar(_) => {
            fact("layout", "tar".to_string());
            return Ok(made);
        }
        Content::Other => {
            fact("layout", "file".to_string());
            return Ok(made);
        }
    };
    let (layers, compressed) = (image.layers.len(), image.compressed_layers());
    let share = match compressed {
        0 => "none",
        some if some < layers => "some",
        _ => "all",
    };
    fact("layout", image.layout.word().to_string());
    fact("layers", layers.to_string());
    fact("layers_compressed", share.to_string());
    if compressed > 0 {
        made.warnings.push(format!(
            "{compressed} of {layers} layers are compressed in the archive: a change in one file changes all bytes after it, so deltas \
             are nearly useless; `normalize = true` in its [[image]] decompresses them (engines with the containerd image store \
             and copying tools save compressed layers, the classic engine does not)"
        ));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A docker archive of two layers, each beginning with these bytes.
    fn archive(dir: &Path, layers: [&[u8]; 2]) -> std::path::PathBuf {
        let path = dir.join("image.tar");
        let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
        let manifest = br#"[{"Config":"c.json","Layers":["0/layer.tar","1/layer.tar"]}]"#;
        let files = [
            ("c.json", &b"{}"[..]),
            ("0/layer.tar", layers[0]),
            ("1/layer.tar", layers[1]),
            ("manifest.json", manifest),
        ];
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        tar.into_inner().unwrap();
        path
    }

    #[test]
    fn compressed_layers_are_counted_and_cause_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, gzip) = (&b"any bytes"[..], &b"\x1f\x8b\x08 and so on"[..]);
        for (layers, share) in [
            ([plain, b"others"], "none"),
            ([plain, gzip], "some"),
            ([gzip, gzip], "all"),
        ] {
            let made = look(&archive(dir.path(), layers)).unwrap();
            let fact = ("layers_compressed".to_string(), share.to_string());
            assert!(made.facts.contains(&fact), "{:?}", made.facts);
            assert_eq!(made.warnings.is_empty(), share == "none");
            let named = |warning: &String| warning.contains("`normalize = true`");
            assert!(made.warnings.iter().all(named), "the remedy");
        }
    }
}
