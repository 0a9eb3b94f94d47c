//! What the handle, the writer and a backend share: settings, the queue, and whether ratings are taken.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{PutError, ReadError};
use crate::metering;
use crate::queue::{Job, Queue};
use crate::settings::StoreSettings;

/// Whether ratings can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Ready,
    /// Writing failed; ratings are refused until it works again, which is tried by itself.
    Refusing {
        /// What failed, in a sentence for operators.
        reason: Arc<str>,
    },
    /// The store was closed.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: StoreSettings,
    pub(crate) queue: Queue,
    health: Mutex<Health>,
}

impl Shared {
    /// Takes ratings from now on.
    pub(crate) fn new(settings: StoreSettings) -> Self {
        Self { queue: Queue::new(settings.queue_ratings_max), settings, health: Mutex::new(Health::Ready) }
    }

    pub(crate) fn health(&self) -> Health {
        self.health.lock().clone()
    }

    pub(crate) fn set_health(&self, health: Health) {
        metering::refusing(matches!(health, Health::Refusing { .. }));
        *self.health.lock() = health;
    }

    pub(crate) fn start_refusing(&self, reason: Arc<str>) {
        self.set_health(Health::Refusing { reason });
    }

    /// Why ratings are refused, while they are.
    pub(crate) fn refusing(&self) -> Option<Arc<str>> {
        match &*self.health.lock() {
            Health::Refusing { reason } => Some(Arc::clone(reason)),
            Health::Ready | Health::Closed => None,
        }
    }

    /// Hands a job to the writer, or says at once why not.
    pub(crate) fn enqueue(&self, job: Job) -> Result<(), PutError> {
        match self.health() {
            Health::Ready => self.queue.push(job),
            Health::Closed => Err(PutError::Closed),
            Health::Refusing { reason } => Err(PutError::Refusing { reason }),
        }
    }

    /// What to tell a reader where there is nothing to read from.
    pub(crate) fn unreadable(&self) -> ReadError {
        match self.health() {
            Health::Refusing { reason } => ReadError::Unavailable { reason },
            Health::Ready | Health::Closed => ReadError::Closed,
        }
    }
}
