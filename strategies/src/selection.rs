//! Which of the containers that were found are monitored: all, or those that the settings name.
//!
//! Pure: what happened goes in, what a strategy is told comes out. A container that is named only later is told of then, with
//! all that has become of it. One that is named no longer is monitored on: what was begun is not broken off.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::discovery::{Container, ContainerEvent};

/// The containers that a strategy was told of, and those that wait to be named.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    told: BTreeSet<String>,
    waiting: HashMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    container: Arc<Container>,
    stopped: bool,
}

type Names = Option<BTreeSet<String>>;

impl Selection {
    /// Something has become of a container; gives it back if the strategy is to know.
    pub(crate) fn on(&mut self, event: ContainerEvent, names: &Names) -> Option<ContainerEvent> {
        match event {
            ContainerEvent::Started(container) => {
                let wanted = names.as_ref().is_none_or(|names| names.contains(&*container.name()));
                if wanted || self.told.contains(&container.id) {
                    self.waiting.remove(&container.id);
                    self.told.insert(container.id.clone());
                    return Some(ContainerEvent::Started(container));
                }
                self.waiting.insert(container.id.clone(), Waiting { container, stopped: false });
                None
            }
            ContainerEvent::Stopped { id } => {
                if let Some(waiting) = self.waiting.get_mut(&id) {
                    waiting.stopped = true;
                    return None;
                }
                Some(ContainerEvent::Stopped { id })
            }
            ContainerEvent::Removed { id } => {
                self.told.remove(&id);
                if self.waiting.remove(&id).is_some() { None } else { Some(ContainerEvent::Removed { id }) }
            }
        }
    }

    /// Other containers are named now: what the strategy is to be told.
    pub(crate) fn named(&mut self, names: &Names) -> Vec<ContainerEvent> {
        let now = self
            .waiting
            .extract_if(|_, waiting| names.as_ref().is_none_or(|names| names.contains(&*waiting.container.name())));
        let mut events = Vec::new();
        for (id, Waiting { container, stopped }) in now {
            self.told.insert(id.clone());
            events.push(ContainerEvent::Started(container));
            if stopped {
                events.push(ContainerEvent::Stopped { id });
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(id: &str) -> ContainerEvent {
        ContainerEvent::Started(Arc::new(Container::known_by(id)))
    }

    fn stopped(id: &str) -> ContainerEvent {
        ContainerEvent::Stopped { id: id.to_owned() }
    }

    fn removed(id: &str) -> ContainerEvent {
        ContainerEvent::Removed { id: id.to_owned() }
    }

    fn names(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn told(events: impl IntoIterator<Item = ContainerEvent>) -> Vec<String> {
        let word = |event| match event {
            ContainerEvent::Started(container) => format!("{} started", container.id),
            ContainerEvent::Stopped { id } => format!("{id} stopped"),
            ContainerEvent::Removed { id } => format!("{id} removed"),
        };
        events.into_iter().map(word).collect()
    }

    #[test]
    fn without_names_everything_is_told() {
        let mut selection = Selection::default();
        assert_eq!(told(selection.on(started("a"), &None)), ["a started"]);
        assert_eq!(told(selection.on(stopped("a"), &None)), ["a stopped"]);
        assert_eq!(told(selection.on(removed("a"), &None)), ["a removed"]);
    }

    #[test]
    fn what_is_named_later_is_told_then_with_its_end() {
        let mut selection = Selection::default();
        let (few, more) = (Some(names(&["a"])), Some(names(&["a", "b"])));
        assert_eq!(told(selection.on(started("a"), &few)), ["a started"]);
        for event in [started("b"), started("c"), stopped("b")] {
            assert_eq!(told(selection.on(event, &few)), [""; 0]);
        }
        assert_eq!(told(selection.named(&more)), ["b started", "b stopped"]);
        assert_eq!(told(selection.named(&more)), [""; 0]);
        for event in [stopped("c"), removed("c")] {
            assert_eq!(told(selection.on(event, &more)), [""; 0]);
        }
        assert_eq!(told(selection.named(&None)), [""; 0]);
    }

    #[test]
    fn what_is_named_no_longer_is_told_of_all_the_same() {
        let mut selection = Selection::default();
        selection.on(started("a"), &Some(names(&["a"])));
        assert_eq!(told(selection.on(stopped("a"), &Some(names(&[])))), ["a stopped"]);
        assert_eq!(told(selection.on(started("a"), &Some(names(&[])))), ["a started"]);
    }
}
