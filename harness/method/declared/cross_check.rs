//! The `[cross-check]` table of a declared method: in which format it publishes, and where the objects lie.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use toml::Spanned;

use super::reader::{Chosen, Reader, one_file};
use crate::crosscheck::{self, Format, Published};
use crate::image::Image;
use crate::method::template::{Part, Template, Verb};

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    format: Spanned<String>,
    index: Spanned<String>,
    chunks: Option<Spanned<String>>,
}

/// The table, checked; its names hold `{name}` and maybe parameters.
#[derive(Clone, Debug)]
pub struct CrossCheck {
    format: &'static Format,
    index: Template,
    chunks: Option<Template>,
}

impl CrossCheck {
    pub fn read(objects: &Objects, reader: &Reader) -> Result<CrossCheck> {
        let format = crosscheck::format(objects.format.get_ref())
            .with_context(|| reader.place(&objects.format, Verb::CrossCheck.table()))?;
        ensure!(
            format.has_chunks == objects.chunks.is_some(),
            "{}: {}",
            reader.place(&objects.format, Verb::CrossCheck.table()),
            if format.has_chunks {
                "chunks is missing: the folder of its chunks in the store"
            } else {
                "chunks has no meaning: they lie in one file with the index"
            }
        );
        let template = |word| reader.template(word, Verb::CrossCheck);
        Ok(CrossCheck {
            format,
            index: template(&objects.index)?,
            chunks: objects.chunks.as_ref().map(template).transpose()?,
        })
    }

    /// The table with the parameters' values put in.
    pub fn choose(&self, values: &Chosen) -> Result<CrossCheck> {
        let choose = |template: &Template| one_file(template.choose(values, Verb::CrossCheck)?);
        Ok(CrossCheck {
            format: self.format,
            index: choose(&self.index)?,
            chunks: self.chunks.as_ref().map(choose).transpose()?,
        })
    }

    /// The names of that image's objects.
    pub fn published(&self, image: &Image) -> Result<Published> {
        let part = Part {
            name: &image.name,
            ..Part::default()
        };
        let name = |template: &Template| Ok::<_, anyhow::Error>(template.expand(&part)?.concat());
        Ok(Published {
            format: self.format,
            image: image.clone(),
            index: name(&self.index)?,
            chunks: self.chunks.as_ref().map(name).transpose()?,
        })
    }
}
