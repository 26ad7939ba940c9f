//! The workload image in a Docker Engine: imported once, reused while unchanged, removed when nobody needs it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::{TryStreamExt, stream};
use hyper::body::Bytes;

use super::{Docker, call, is_not_found, status};
use crate::engine::embedded::images::BUILT_IN;
use crate::engine::image::{Contents, REPOSITORY};
use crate::engine::{EngineError, EngineKind};

/// A workload image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub(super) tag: String,
    pub(super) entrypoint: Vec<String>,
}

impl Docker {
    /// Has the engine import the workload image, unless it has it. `scratch` is a directory for the archive meanwhile.
    ///
    /// # Errors
    /// The archive cannot be written, or the engine does not take it.
    pub async fn ensure_image(&self, scratch: &Path) -> Result<Image, EngineError> {
        if self.kind == EngineKind::Embedded {
            // It runs its own executable, whatever an image holds.
            return Ok(Image { tag: BUILT_IN.into(), entrypoint: vec!["/leaksoak".into()] });
        }
        let local = |error: io::Error| EngineError::Image { image: REPOSITORY.into(), reason: error.to_string() };
        let contents = Contents::of_this_process().map_err(local)?;
        let tag = contents.tag().map_err(local)?;
        let image = Image { tag: tag.clone(), entrypoint: contents.entrypoint() };
        match self.api.inspect_image(&tag).await {
            Ok(_) => return Ok(image),
            Err(error) if is_not_found(&error) => {}
            Err(source) => return Err(call(&format!("looking for image {tag}"), source)),
        }
        let failed = |reason: String| EngineError::Image { image: tag.clone(), reason };
        let archive = scratch.join("image.tar");
        let imported = self.import(&contents, &tag, &archive).await;
        let removed = std::fs::remove_file(&archive);
        imported.map_err(failed)?;
        removed.map_err(|error| failed(format!("{}: {error}", archive.display())))?;
        // Old images cost space and nothing else: a run does not end for them.
        let _ = self.remove_images_but(Some(&tag)).await;
        Ok(image)
    }

    async fn import(&self, contents: &Contents, tag: &str, archive: &Path) -> Result<(), String> {
        let said = |error: io::Error| format!("{}: {error}", archive.display());
        File::create(archive).and_then(|file| contents.write_tar(io::BufWriter::new(file))).map_err(said)?;
        let file = File::open(archive).map_err(said)?;
        let (repository, hash) = tag.split_once(':').unwrap_or((tag, "latest"));
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(repository).tag(hash).build();
        let body = bollard::body_try_stream(stream::iter(Blocks { file }));
        let answers: Vec<_> = self
            .api
            .create_image(Some(options), Some(body), None)
            .try_collect()
            .await
            .map_err(|error| error.to_string())?;
        match answers.into_iter().find_map(|answer| answer.error_detail).and_then(|detail| detail.message) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Removes workload images other than `kept`. One that a live run still uses stays.
    ///
    /// # Errors
    /// The engine does not list its images.
    pub async fn remove_images_but(&self, kept: Option<&str>) -> Result<Vec<String>, EngineError> {
        let filters = HashMap::from([("reference", vec![REPOSITORY])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let images = self.api.list_images(Some(options)).await.map_err(|source| call("listing images", source))?;
        let mut removed = Vec::new();
        for tag in images.into_iter().flat_map(|image| image.repo_tags) {
            if Some(tag.as_str()) == kept || !tag.starts_with(&format!("{REPOSITORY}:")) {
                continue;
            }
            let options = RemoveImageOptionsBuilder::new().build();
            match self.api.remove_image(&tag, Some(options), None).await {
                Ok(_) => removed.push(tag),
                Err(error) if is_not_found(&error) || status(&error) == Some(409) => {}
                Err(source) => return Err(call(&format!("removing image {tag}"), source)),
            }
        }
        Ok(removed)
    }
}

/// A file in blocks, as the body of a request.
struct Blocks {
    file: File,
}

impl Iterator for Blocks {
    type Item = Result<Bytes, io::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut block = vec![0; 128 * 1024];
        match io::Read::read(&mut self.file, &mut block) {
            Ok(0) => None,
            Ok(length) => {
                block.truncate(length);
                Some(Ok(block.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
