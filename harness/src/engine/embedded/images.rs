//! Images: names for what containers are made of. The embedded engine runs one program only, its own workload, so an
//! image is a name, an id and a size; what was imported is weighed and hashed, and not kept.

use sha2::{Digest, Sha256};

use super::api::answer::ApiError;

/// The image that is always there.
pub const BUILT_IN: &str = "leaksoak-workload:embedded";

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:` and 64 hex digits.
    pub id: String,
    /// `name:tag` of it; may be none.
    pub tags: Vec<String>,
    /// When it was made, nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// When it was last given a name.
    pub tagged_ns: u64,
    /// Bytes of its archive.
    pub size: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Images {
    images: Vec<Image>,
}

impl Images {
    /// Those that there are, youngest first.
    pub fn all(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().rev()
    }

    /// The one that `reference` names: `name`, `name:tag`, an id, or the beginning of one.
    #[must_use]
    pub fn find(&self, reference: &str) -> Option<&Image> {
        let name = with_tag(reference);
        let id = reference.strip_prefix("sha256:").unwrap_or(reference);
        self.images.iter().find(|image| image.tags.contains(&name)).or_else(|| {
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            self.images.iter().find(|image| is_id && image.id["sha256:".len()..].starts_with(id))
        })
    }

    /// Adds what hashes to `id` under `tag`, which no other image keeps.
    pub fn add(&mut self, id: &str, tag: Option<&str>, size: u64, now_ns: u64) {
        let tag = tag.map(with_tag);
        for image in &mut self.images {
            image.tags.retain(|name| Some(name) != tag.as_ref());
        }
        if let Some(image) = self.images.iter_mut().find(|image| image.id == id) {
            image.tags.extend(tag);
            image.tagged_ns = now_ns;
            return;
        }
        let tags = tag.into_iter().collect();
        self.images.push(Image { id: id.to_owned(), tags, created_ns: now_ns, tagged_ns: now_ns, size });
    }

    /// Takes the name from an image, and the image away with its last name (or all of them, where its id was given);
    /// answers what went: names, and whether the image did.
    pub fn remove(&mut self, reference: &str) -> Option<(Vec<String>, Option<String>)> {
        let id = self.find(reference)?.id.clone();
        let at = self.images.iter().position(|image| image.id == id)?;
        let name = with_tag(reference);
        let image = &mut self.images[at];
        let untagged = if image.tags.contains(&name) && image.tags.len() > 1 {
            image.tags.retain(|tag| *tag != name);
            return Some((vec![name], None));
        } else {
            std::mem::take(&mut image.tags)
        };
        self.images.remove(at);
        Some((untagged, Some(id)))
    }
}

/// `name` with the tag that it has unless it says another.
#[must_use]
pub fn with_tag(name: &str) -> String {
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { name.to_owned() } else { format!("{name}:latest") }
}

/// Why an image is not there: nobody has it, or its name is none.
#[must_use]
pub fn missing(reference: &str) -> ApiError {
    match check_name(reference) {
        Ok(()) => ApiError::not_found(format!("No such image: {}", with_tag(reference))),
        Err(reason) => ApiError::bad(reason),
    }
}

/// Checks `name[:tag]`.
///
/// # Errors
/// It is none; in Docker's words.
pub fn check_name(reference: &str) -> Result<(), &'static str> {
    let last = reference.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match reference[last..].find(':') {
        Some(at) => (&reference[..last + at], Some(&reference[last + at + 1..])),
        None => (reference, None),
    };
    let is_part = |part: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let mut chars = part.chars();
        ends(part.chars().next())
            && ends(part.chars().next_back())
            && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
    };
    // The host of a registry may be in capitals, and have a port.
    let is_host = |part: &str| {
        (part.contains(['.', ':']) || part == "localhost")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    let is_name = |name: &str| match name.split_once('/') {
        Some((host, rest)) if is_host(host) => rest.split('/').all(is_part),
        _ => name.split('/').all(is_part),
    };
    if !is_name(name) && is_name(&name.to_ascii_lowercase()) {
        return Err("invalid reference format: repository name must be lowercase");
    }
    if !is_name(name) || !tag.is_none_or(is_tag) {
        return Err("invalid reference format");
    }
    Ok(())
}

/// Whether it may stand behind a name's colon.
#[must_use]
pub fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// The id of what hashes so.
#[must_use]
pub fn id_of(hash: Sha256) -> String {
    use std::fmt::Write;
    hash.finalize().iter().fold("sha256:".to_owned(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("writing to a String cannot fail");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_name_tag_and_id() {
        let mut images = Images::default();
        images.add("sha256:abc1", Some("one"), 5, 1);
        images.add("sha256:abd2", Some("reg.io:5000/two:v1"), 5, 2);
        for reference in ["one", "one:latest", "sha256:abc1", "abc", "abc1"] {
            assert_eq!(images.find(reference).unwrap().id, "sha256:abc1", "{reference}");
        }
        assert!(images.find("reg.io:5000/two:v1").is_some());
        assert!(images.find("reg.io:5000/two").is_none() && images.find("xyz").is_none() && images.find("").is_none());
    }

    #[test]
    fn what_is_no_name_is_refused_in_docker_s_words() {
        for name in ["a", "a:b", "a/b-c_d.e:V1.0", "reg.io:5000/two:v1", "LOCAL.io/x", "localhost/x", "sha256:0123"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "../../etc", "a:", "a:b c", "/a", "a/", "a//b", "-a", "a:.b", "\u{e4}"] {
            assert_eq!(check_name(name), Err("invalid reference format"), "{name}");
        }
        assert!(check_name("UPPER").unwrap_err().ends_with("must be lowercase"));
    }

    #[test]
    fn a_name_moves_to_the_image_that_took_it_and_the_last_name_takes_the_image_along() {
        let mut images = Images::default();
        images.add("sha256:aa", Some("one"), 5, 1);
        images.add("sha256:bb", Some("one"), 5, 2);
        assert_eq!(images.find("one").unwrap().id, "sha256:bb");
        images.add("sha256:bb", Some("two"), 5, 3);
        assert_eq!(images.remove("one"), Some((vec!["one:latest".into()], None)));
        assert_eq!(images.remove("two:latest"), Some((vec!["two:latest".into()], Some("sha256:bb".into()))));
        assert_eq!(images.remove("two"), None);
        assert_eq!(images.all().count(), 1);
    }
}
