//! Images: imported, listed, inspected, tagged away, removed.

use serde_json::json;

use super::scenarios;
use crate::client::{Call, encode};
use crate::session::{READY, Session};

scenarios![
    an_archive_becomes_an_image,
    images_are_listed,
    images_are_inspected,
    images_in_use_stay,
    images_that_are_none,
    what_an_import_is_told,
];

/// A small archive, different for every word.
fn tar(word: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(word.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "word", word.as_bytes()).unwrap();
    tar.into_inner().unwrap()
}

/// Imports an image under a name of the scenario's own; answers the name.
fn import(s: &mut Session<'_>, name: &str) -> String {
    let name = s.name(name);
    s.makes_images();
    let path = format!("/images/create?fromSrc=-&repo={name}&tag=one");
    s.call(&Call::new("POST", path).bytes(Some("application/x-tar"), tar(&name)));
    name
}

fn an_archive_becomes_an_image(s: &mut Session<'_>) {
    let name = import(s, "a");
    s.get(format!("/images/{name}/json"));
    let inspected = s.quietly(&Call::new("GET", format!("/images/{name}:one/json"))).json();
    s.saw("its tags", inspected["RepoTags"].clone());
    // Without a tag of its own, and once more under the same.
    s.call(
        &Call::new("POST", format!("/images/create?fromSrc=-&repo={name}")).bytes(None, tar(&format!("{name}, other"))),
    );
    s.call(
        &Call::new("POST", format!("/images/create?fromSrc=-&repo={name}&tag=one"))
            .bytes(None, tar(&format!("{name}, third"))),
    );
    s.delete(format!("/images/{name}:one"));
    s.delete(format!("/images/{name}"));
    s.delete(format!("/images/{name}:one"));
}

fn images_are_listed(s: &mut Session<'_>) {
    let a = import(s, "a");
    import(s, "b");
    for reference in [a.clone(), format!("{a}:one"), format!("{a}:two"), s.name("*"), format!("{a}*"), "none".into()] {
        let filters = encode(&json!({ "reference": [reference] }).to_string());
        let answer = s.quietly(&Call::new("GET", format!("/images/json?filters={filters}"))).json();
        let images = answer.as_array().unwrap();
        let mut tags: Vec<String> = images.iter().map(|image| image["RepoTags"].to_string()).collect();
        // They are in the order of their making, to the second.
        tags.sort();
        s.saw(&format!("images by {reference}").replace(&s.name(""), "~"), tags);
    }
    let filters = encode(&json!({ "reference": [a] }).to_string());
    s.aliases.add(&filters, "<a>");
    s.get(format!("/images/json?filters={filters}"));
    s.get(format!("/images/json?all=1&digests=1&filters={filters}"));
    for filters in [r#"{"foo":["bar"]}"#, "junk", r#"{"dangling":["perhaps"]}"#] {
        s.get(format!("/images/json?filters={}", encode(filters)));
    }
}

fn images_are_inspected(s: &mut Session<'_>) {
    let tag = s.engine.image().tag.clone();
    s.get(format!("/images/{tag}/json"));
    let id = s.engine.image().id.clone();
    s.status_of(&Call::new("GET", format!("/images/{id}/json")));
    let short = id.trim_start_matches("sha256:")[..12].to_owned();
    s.aliases.add(&short, "<image id, 12>");
    s.status_of(&Call::new("GET", format!("/images/{short}/json")));
    s.shape_of(&Call::new("GET", format!("/images/{tag}/history")));
}

fn images_in_use_stay(s: &mut Session<'_>) {
    let name = import(s, "a");
    let use_it = json!({ "Image": format!("{name}:one"), "Cmd": ["/word"], "Entrypoint": null });
    s.create_with("c", READY, &use_it);
    s.delete(format!("/images/{name}:one"));
    s.delete(s.path("c"));
    s.delete(format!("/images/{name}:one?noprune=1"));
}

fn images_that_are_none(s: &mut Session<'_>) {
    s.get("/images/none/json");
    s.get("/images/none:none/json");
    s.delete("/images/none");
    s.get("/images/UPPER/json");
    s.get("/images/..%2F..%2Fetc/json");
    let body = s.body("a", READY);
    for image in ["none", "none:none", "", "UPPER", "a b", "sha256:0123", "../../etc"] {
        let mut body = body.clone();
        body["Image"] = image.into();
        s.call_for(&Call::new("POST", format!("/containers/create?name={}", s.name("a"))).json(&body), image);
    }
}

fn what_an_import_is_told(s: &mut Session<'_>) {
    let name = s.name("a");
    s.makes_images();
    let import = |query: &str| Call::new("POST", format!("/images/create?fromSrc=-&repo={query}"));
    s.call(&import(&format!("{name}&tag=bad")).bytes(None, b"this is no archive".to_vec()));
    s.call(&import("UPPER&tag=one").bytes(None, tar("x")));
    s.call(&import(&format!("{name}&tag=with%20space")).bytes(None, tar("x")));
    s.call(&import("..%2Fetc&tag=one").bytes(None, tar("x")));
    let cut = tar("cut short")[..700].to_vec();
    s.call(&import(&format!("{name}&tag=cut")).bytes(None, cut));
}
