//! Images: listed, inspected, imported, loaded, removed. What comes in is hashed and weighed, and not kept.

use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{self, Answer, ApiError};
use super::describe;
use super::filters::Filters;
use super::parameters::Parameters;
use crate::clock::unix_ns;
use crate::engine::embedded::daemon::Daemon;
use crate::engine::embedded::events::Event;
use crate::engine::embedded::images::{Image, check_name, id_of, is_tag, missing, with_tag};
use crate::engine::embedded::log::stamp;

/// A block of a tar archive.
const BLOCK_BYTES: usize = 512;

/// `GET /images/json`
pub(super) fn list(daemon: &Daemon, parameters: &Parameters) -> Result<Answer, ApiError> {
    let filters = Filters::of(parameters, &["reference", "dangling"], &["before", "label", "since"])?;
    let dangling = match filters.values("dangling").first().map(String::as_str) {
        None => None,
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        Some(other) => return Err(ApiError::bad(format!("Invalid filter 'dangling=[{other}]'"))),
    };
    let table = daemon.table();
    let images: Vec<Value> = table
        .images
        .all()
        .filter(|image| dangling.is_none_or(|dangling| dangling == image.tags.is_empty()))
        .filter(|image| {
            // A name without a tag stands for all its tags.
            let is = |wanted: &str, tag: &String| {
                matches_pattern(wanted, tag)
                    || tag.rsplit_once(':').is_some_and(|(name, _)| matches_pattern(wanted, name))
            };
            filters.any("reference", |wanted| image.tags.iter().any(|tag| is(wanted, tag)))
        })
        .map(summary)
        .collect();
    Ok(answer::json_of(&Value::Array(images)))
}

/// Whether `*` in `pattern`, which stands for anything but a slash, can be filled so that it is `text`.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            let end = rest.find('/').unwrap_or(rest.len());
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| at <= end && matches_pattern(tail, &rest[at..]))
        }),
    }
}

fn summary(image: &Image) -> Value {
    json!({
        "Containers": -1, "Created": image.created_ns / 1_000_000_000, "Id": image.id, "Labels": null, "ParentId": "",
        "RepoDigests": null, "RepoTags": image.tags, "SharedSize": -1, "Size": image.size, "VirtualSize": image.size,
    })
}

/// `GET /images/{name}/json`
pub(super) fn inspect(daemon: &Daemon, name: &str) -> Result<Answer, ApiError> {
    let table = daemon.table();
    let Some(image) = table.images.find(name) else {
        let error = missing(name);
        return Err(ApiError::new(error.status(), format!("no such image: {name}: {error}")));
    };
    let config = describe::image_config();
    Ok(answer::json_of(&json!({
        "Id": image.id, "RepoTags": image.tags, "RepoDigests": [], "Parent": "", "Comment": "Imported from -",
        "Created": stamp::of(image.created_ns).to_string(), "Container": "", "ContainerConfig": config,
        "DockerVersion": env!("CARGO_PKG_VERSION"), "Author": "", "Config": config,
        "Architecture": super::system::architecture(), "Os": "linux", "Size": image.size, "VirtualSize": image.size,
        "GraphDriver": { "Data": null, "Name": "leaksoak" },
        "RootFS": { "Type": "layers", "Layers": [image.id] },
        "Metadata": { "LastTagTime": stamp::of(image.tagged_ns).to_string() },
    })))
}

/// `POST /images/create?fromSrc=-`
pub(super) async fn create(
    daemon: &Daemon,
    parameters: &Parameters,
    request: Request<Incoming>,
) -> Result<Answer, ApiError> {
    if !parameters.get("fromImage").is_empty() {
        return Err(ApiError::unsupported(format!(
            "pulling {:?}: there is no registry; import an archive with fromSrc=-",
            parameters.get("fromImage")
        )));
    }
    if parameters.get("fromSrc") != "-" {
        return Err(ApiError::unsupported("an import from elsewhere than the request's body (fromSrc=-)"));
    }
    let name = match (parameters.get("repo"), parameters.get("tag")) {
        ("", _) => None,
        (repo, "") => Some(with_tag(repo)),
        (_, tag) if !is_tag(tag) => return Err(ApiError::bad("invalid tag format")),
        (repo, tag) => Some(format!("{repo}:{tag}")),
    };
    if let Some(name) = &name {
        check_name(name).map_err(ApiError::bad)?;
    }
    let (id, size) = weigh(request.into_body()).await?;
    add(daemon, &id, name.as_deref(), size, "import");
    Ok(progress(&[json!({ "status": id })]))
}

/// `POST /images/load`
pub(super) async fn load(daemon: &Daemon, request: Request<Incoming>) -> Result<Answer, ApiError> {
    let (id, size) = weigh(request.into_body()).await?;
    add(daemon, &id, None, size, "load");
    Ok(progress(&[json!({ "stream": format!("Loaded image ID: {id}\n") })]))
}

/// `DELETE /images/{name}`
pub(super) fn remove(daemon: &Daemon, name: &str) -> Result<Answer, ApiError> {
    let mut table = daemon.table();
    let no_such = || missing(name);
    let image = table.images.find(name).ok_or_else(no_such)?.clone();
    if let Some(container) = table.youngest_first().find(|container| container.image_id == image.id) {
        return Err(ApiError::conflict(format!(
            "conflict: unable to remove repository reference \"{name}\" (must force) - container {} is using its referenced image {}",
            &container.id[..12],
            &image.id["sha256:".len()..][..12]
        )));
    }
    let (untagged, deleted) = table.images.remove(name).ok_or_else(no_such)?;
    drop(table);
    let mut done: Vec<Value> = untagged.iter().map(|tag| json!({ "Untagged": tag })).collect();
    tell(daemon, &image.id, untagged.first().map(String::as_str), "untag");
    if let Some(id) = deleted {
        tell(daemon, &id, None, "delete");
        done.push(json!({ "Deleted": id }));
    }
    Ok(answer::json_of(&Value::Array(done)))
}

async fn weigh(mut body: Incoming) -> Result<(String, u64), ApiError> {
    let (mut hash, mut size, mut head) = (Sha256::new(), 0, Vec::with_capacity(BLOCK_BYTES));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::internal(format!("the archive broke off: {error}")))?;
        if let Some(bytes) = frame.data_ref() {
            hash.update(bytes);
            size += bytes.len() as u64;
            let missing = BLOCK_BYTES - head.len();
            head.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        }
    }
    if !begins_an_archive(&head) {
        return Err(ApiError::internal("Error processing tar file(exit status 1): unexpected EOF"));
    }
    Ok((id_of(hash), size))
}

/// Whether a tar archive begins so, or one that was compressed.
fn begins_an_archive(head: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] =
        [&[0x1f, 0x8b], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z', 0], &[0x28, 0xb5, 0x2f, 0xfd]];
    if COMPRESSED.iter().any(|magic| head.starts_with(magic)) {
        return true;
    }
    head.len() == BLOCK_BYTES && {
        let header = tar::Header::from_byte_slice(head);
        // The field of the sum itself counts as spaces.
        let others = head[..148].iter().chain(&head[156..]);
        let sum = others.fold(8 * 32, |sum: u32, byte| sum + u32::from(*byte));
        head.iter().all(|byte| *byte == 0) || header.cksum().is_ok_and(|told| told == sum)
    }
}

fn add(daemon: &Daemon, id: &str, name: Option<&str>, size: u64, action: &'static str) {
    daemon.table().images.add(id, name, size, unix_ns());
    tell(daemon, id, name, action);
}

fn tell(daemon: &Daemon, id: &str, name: Option<&str>, action: &'static str) {
    let attributes = [("name".to_owned(), name.unwrap_or(id).to_owned())].into();
    daemon.events.tell(Event { kind: "image", action, id: id.to_owned(), attributes, unix_ns: unix_ns() });
}

/// One JSON object a line, as of work under way.
fn progress(steps: &[Value]) -> Answer {
    let lines: Vec<_> = steps.iter().map(|step| Ok(Bytes::from(format!("{step}\r\n")))).collect();
    answer::with(StatusCode::OK, Some("application/json"), answer::streaming(stream::iter(lines)))
}
