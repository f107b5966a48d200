//! Writes an image archive in the layout of `docker save` before engine 25, which every `docker load` reads.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use serde_json::json;

use super::writer::{HeaderForm, Member, TarWriter};
use crate::image::sha256_hex;

/// An image to be written.
pub struct DockerArchive<'a> {
    pub form: HeaderForm,
    /// JSON.
    pub config: String,
    pub repository: String,
    pub tag: String,
    /// In the order they are applied.
    pub layers: Vec<DockerLayer<'a>>,
    /// Seconds since 1970: the time of the config and of everything in the layers' folders.
    pub mtime_s: u64,
    /// Whether to write `repositories`, the list of tags that engines read before they knew `manifest.json`.
    pub has_repositories: bool,
}

/// One layer, in a folder of its own.
pub struct DockerLayer<'a> {
    /// Name of the folder: 64 hex digits.
    pub id: String,
    /// Contents of the folder's file `json`.
    pub json: String,
    /// Length of the layer's tar.
    pub bytes: u64,
    pub write: WriteLayer<'a>,
}

/// Writes a layer's tar.
pub type WriteLayer<'a> = Box<dyn Fn(&mut dyn Write) -> Result<()> + 'a>;

/// What an entry of the archive holds.
enum Contents<'a> {
    Small(Vec<u8>, u64),
    Layer(&'a DockerLayer<'a>),
}

impl DockerArchive<'_> {
    /// Writes the archive to `out`, its entries sorted by name as engines sort them.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        let mut tar = TarWriter::new(self.form, out);
        for (path, contents) in self.entries() {
            match contents {
                Contents::Small(bytes, mtime_s) => {
                    let member = Member::of_root(&path, bytes.len() as u64, mtime_s);
                    tar.whole(&member, &bytes)?;
                }
                Contents::Layer(layer) => {
                    let member = Member::of_root(&path, layer.bytes, self.mtime_s);
                    tar.head(&member)
                        .and_then(|()| (layer.write)(&mut tar.out))
                        .and_then(|()| tar.pad(layer.bytes))
                        .with_context(|| format!("write {path} into the archive"))?;
                }
            }
        }
        tar.finish().map(drop)
    }

    fn entries(&self) -> BTreeMap<String, Contents<'_>> {
        let config_name = format!("{}.json", sha256_hex(self.config.as_bytes()));
        let layer_name = |layer: &DockerLayer| format!("{}/layer.tar", layer.id);
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": [format!("{}:{}", self.repository, self.tag)],
            "Layers": self.layers.iter().map(layer_name).collect::<Vec<_>>(),
        }]);
        let mut entries = BTreeMap::new();
        let mut small = |name: String, text: String, mtime_s| {
            entries.insert(name, Contents::Small(text.into_bytes(), mtime_s));
        };
        small(config_name, self.config.clone(), self.mtime_s);
        small("manifest.json".to_string(), format!("{manifest}\n"), 0);
        if self.has_repositories {
            let top = self.layers.last().map_or("", |layer| &layer.id);
            let tags = json!({ &self.repository: { &self.tag: top } });
            small("repositories".to_string(), format!("{tags}\n"), 0);
        }
        for layer in &self.layers {
            let id = &layer.id;
            small(format!("{id}/"), String::new(), self.mtime_s);
            small(format!("{id}/VERSION"), "1.0".to_string(), self.mtime_s);
            small(format!("{id}/json"), layer.json.clone(), self.mtime_s);
        }
        let layers = self.layers.iter();
        entries.extend(layers.map(|layer| (layer_name(layer), Contents::Layer(layer))));
        entries
    }
}
