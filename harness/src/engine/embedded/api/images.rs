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
use crate::engine::embedded::images::{Image, id_of, with_tag};
use crate::engine::embedded::log::stamp;

/// `GET /images/json`
pub(super) fn list(daemon: &Daemon, parameters: &Parameters) -> Result<Answer, ApiError> {
    let filters = Filters::of(parameters, &["reference", "dangling"], &["before", "label", "since"])?;
    let dangling = filters.values("dangling").first().map(|value| matches!(value.as_str(), "1" | "true"));
    let table = daemon.table();
    let images: Vec<Value> = table
        .images
        .all()
        .filter(|image| dangling.is_none_or(|dangling| dangling == image.tags.is_empty()))
        .filter(|image| {
            // A name without a tag stands for all its tags.
            let is = |wanted: &str, tag: &String| {
                tag == wanted || tag.rsplit_once(':').is_some_and(|(name, _)| name == wanted)
            };
            filters.any("reference", |wanted| image.tags.iter().any(|tag| is(wanted, tag)))
        })
        .map(summary)
        .collect();
    Ok(answer::json_of(&Value::Array(images)))
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
        return Err(ApiError::not_found(format!("no such image: {name}: No such image: {}", with_tag(name))));
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
    let (id, size) = weigh(request.into_body()).await?;
    let name = match (parameters.get("repo"), parameters.get("tag")) {
        ("", _) => None,
        (repo, "") => Some(with_tag(repo)),
        (repo, tag) => Some(format!("{repo}:{tag}")),
    };
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
    let no_such = || ApiError::not_found(format!("No such image: {}", with_tag(name)));
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
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::internal(format!("the archive broke off: {error}")))?;
        if let Some(bytes) = frame.data_ref() {
            hash.update(bytes);
            size += bytes.len() as u64;
        }
    }
    if size == 0 {
        return Err(ApiError::internal("the archive is empty"));
    }
    Ok((id_of(hash), size))
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
