//! Where the embedded engine differs from the real one on purpose, and why.
//!
//! An excuse holds in the scenarios that it names, for what they heard that it names, at the places that its path names
//! with all that is below them; `*` stands for anything.

struct Excuse {
    scenario: &'static str,
    heard: &'static str,
    path: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    why: &'static str,
}

const fn excuse(scenario: &'static str, heard: &'static str, path: &'static str, why: &'static str) -> Excuse {
    Excuse { scenario, heard, path, why }
}

const UNCLEAN: &str = "Go's router redirects to the path without its dots and double slashes before anyone looks at it";
const NO_NETWORK: &str = "containers have no network, so it has no id and no files";
const WORDS: &str = "the words are those of another JSON parser";
const SUBSET: &str = "outside of the subset: told with 501 and its name";
const NO_LAYERS: &str = "an image is a name: it has no layers";
const NO_PROGRAMS: &str = "nothing is executed, so that nothing fails in the words of runc or of the program";

const EXCUSES: &[Excuse] = &[
    excuse("*", "GET /containers/..*", "*", UNCLEAN),
    excuse("*", "GET /images/..*", "*", UNCLEAN),
    excuse("errors::paths_that_lead_nowhere", "GET *//*", "*", UNCLEAN),
    excuse("errors::paths_that_lead_nowhere", "GET */..*", "*", UNCLEAN),
    excuse("errors::methods_that_are_none", "OPTIONS *", "*", "no browser asks it whether it may"),
    excuse("system::every_answer_names_the_server", "GET /nowhere*", "value.1.*", "they come with every answer"),
    excuse("errors::bodies_that_are_no_json", "POST /containers/create*", "body.message", WORDS),
    excuse("*", "GET *filters=junk*", "body.message", WORDS),
    excuse("list::filters_that_are_none", "* filters junk", "value.1.message", WORDS),
    excuse("list::*", "*is-task*", "value*", SUBSET),
    excuse("list::*", "*health*", "value*", SUBSET),
    excuse("list::*", "*volume*", "value*", SUBSET),
    excuse("list::*", "*\"name\":[\"[\"]*", "value*", "a regular expression in a name filter is outside of the subset"),
    excuse("list::*", "*\"name\":[\"^/~[ab]$\"]*", "value*", "as above; `^` and `$` are not"),
    excuse("logs::a_log_can_be_kept_by_nobody", "*", "*", SUBSET),
    excuse("errors::containers_that_are_none", "GET */changes", "*", SUBSET),
    excuse("images::*", "GET */history*", "*", SUBSET),
    excuse("images::*", "GET */json", "body.RootFS.Layers.*", NO_LAYERS),
    excuse("images::*", "GET */json", "body.DockerVersion", "it says its own version"),
    excuse("images::*", "DELETE *", "body.*.Deleted", NO_LAYERS),
    excuse("images::*", "DELETE *", "body.2", NO_LAYERS),
    excuse("images::images_that_are_none", "POST /containers/create?name=~a", "*", "a container of no image is none"),
    excuse("*", "GET *json*", "body*.NetworkSettings.*ID", NO_NETWORK),
    excuse("*", "GET *json*", "body*.NetworkSettings.SandboxKey", NO_NETWORK),
    excuse("*", "GET *json*", "body*.HostnamePath", NO_NETWORK),
    excuse("*", "GET *json*", "body*.HostsPath", NO_NETWORK),
    excuse("*", "GET *json*", "body*.ResolvConfPath", NO_NETWORK),
    excuse("list::*", "GET *size=1*", "body.*.SizeRootFs", "containers have no file system of their own"),
    excuse("stats_top::*", "*stats*", "body.blkio_stats*", "containers do no I/O on devices"),
    excuse("stats_top::*", "*stats*", "body.memory_stats.stats*", "containers have no memory of their own to tell of"),
    excuse("stats_top::*", "it uses memory", "value", "containers have no memory of their own to tell of"),
    excuse("system::it_tells_of_itself", "GET /info*", "body.Plugins.Volume*", "there are no volumes"),
    excuse("system::it_tells_of_itself", "GET /info*", "body.RegistryConfig*", "there is no registry"),
    excuse("system::it_tells_of_itself", "GET /info*", "body.Runtimes*", "there is no runc"),
    excuse("system::it_tells_of_itself", "GET /info*", "body.SecurityOptions*", "nothing is executed"),
    excuse("system::it_tells_its_version", "GET /version*", "body.Components*", "it is made of one part"),
    excuse("errors::commands_that_are_none", "POST *~a/start", "body.message", NO_PROGRAMS),
    excuse("errors::commands_that_are_none", "the state of a", "value.Error", NO_PROGRAMS),
    excuse("errors::commands_that_are_none", "*~b/*", "*", NO_PROGRAMS),
    excuse("errors::commands_that_are_none", "the state of b", "*", NO_PROGRAMS),
    excuse(
        "follow::attaching_gives*",
        "POST *none/attach*",
        "*",
        "Docker tells it as a stream of text, we as any error",
    ),
];

/// Whether a difference at `path` of what was `heard` in a scenario is one of those.
pub(crate) fn excuses(scenario: &str, heard: &str, path: &str) -> bool {
    EXCUSES.iter().any(|excuse| {
        matches(excuse.scenario, scenario)
            && matches(excuse.heard, heard)
            && (matches(excuse.path, path) || below(excuse.path, path))
    })
}

fn below(pattern: &str, path: &str) -> bool {
    path.match_indices('.').any(|(at, _)| matches(pattern, &path[..at]))
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| matches(tail, &rest[at..]))
        }),
    }
}
