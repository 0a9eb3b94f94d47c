//! Events as the control loop takes them: one message for each class, filled in anew for every event.
//!
//! Making a message for each event would cost more than deciding on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_protocol::{InvalidId, ItemId, Outcome, RatingEvent, UserId};

use crate::reports::Event;
use crate::tally::End;
use crate::world::World;

/// The message of each class.
#[derive(Debug)]
pub(crate) struct Messages {
    by_class: Vec<RatingEvent>,
    names: Vec<Arc<str>>,
    instrumented: bool,
}

impl Messages {
    pub(crate) fn new(world: &World) -> Result<Self, InvalidId> {
        let (user, item) = (UserId::new("simulated")?, ItemId::new("simulated")?);
        let message = |class: &crate::world::Class| {
            let mut message = RatingEvent::new(user.clone(), item.clone(), 5.0, 0);
            message.context = class.context.clone();
            message
        };
        let names = world.scenario.dependencies.iter().map(|dependency| Arc::from(dependency.name.as_str()));
        Ok(Self {
            by_class: world.classes.iter().map(message).collect(),
            names: names.collect(),
            instrumented: world.scenario.instrumented,
        })
    }

    /// The message of an event; `dependency_s` holds the seconds at each dependency.
    pub(crate) fn fill(&mut self, event: &Event, dependency_s: &[f64]) -> &RatingEvent {
        let message = &mut self.by_class[usize::from(event.class)];
        message.latency_ms = Some(event.latency_s * 1e3);
        message.outcome = Some(match event.end {
            End::Served => Outcome::Accepted,
            End::ClientLeft => Outcome::Timeout,
            End::QueueFull => Outcome::Failed,
        });
        message.work_ms = (self.instrumented && event.work_s > 0.0).then_some(event.work_s * 1e3);
        if event.called == 0 {
            message.dependency_ms = None;
            return message;
        }
        let times = message.dependency_ms.get_or_insert_with(BTreeMap::new);
        for (index, name) in self.names.iter().enumerate() {
            if event.called & (1 << index) == 0 {
                times.remove(name);
            } else if let Some(time) = times.get_mut(name) {
                *time = dependency_s[index] * 1e3;
            } else {
                times.insert(Arc::clone(name), dependency_s[index] * 1e3);
            }
        }
        message
    }
}
