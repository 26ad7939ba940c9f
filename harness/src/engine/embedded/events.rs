//! What happens to containers and images, told to whoever listens: `GET /events`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Events that are kept for `since`, as many as Docker keeps.
const KEPT: usize = 256;
/// How far a listener may fall behind before it is let go.
const BEHIND: usize = 4_096;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `container` or `image`.
    pub kind: &'static str,
    /// `start`, `die`, ...
    pub action: &'static str,
    /// Of whom.
    pub id: String,
    /// Labels, name, image and more.
    pub attributes: BTreeMap<String, String>,
    /// When, nanoseconds since the Unix epoch.
    pub unix_ns: u64,
}

impl Event {
    /// As the API tells it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut event = json!({
            "status": self.action,
            "id": self.id,
            "Type": self.kind,
            "Action": self.action,
            "Actor": { "ID": self.id, "Attributes": self.attributes },
            "scope": "local",
            "time": self.unix_ns / 1_000_000_000,
            "timeNano": self.unix_ns,
        });
        if let (true, Some(image)) = (self.kind == "container", self.attributes.get("image")) {
            event["from"] = json!(image);
        }
        event
    }
}

/// The events of an engine.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<VecDeque<Arc<Event>>>,
    listeners: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { kept: Mutex::default(), listeners: broadcast::Sender::new(BEHIND) }
    }
}

impl Events {
    /// Tells one.
    pub fn tell(&self, event: Event) {
        let event = Arc::new(event);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&event));
        // Told under the lock, so that whoever listens gets all in order and none twice. Nobody listening is no error.
        let _ = self.listeners.send(event);
    }

    /// Those that were kept, and those that come from now on.
    #[must_use]
    pub fn listen(&self) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.listeners.subscribe())
    }

    /// How many listen now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.listeners.receiver_count()
    }
}
