//! A callback on every accepted rating.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::JoinHandle;

use super::{FeedEvent, Subscription};

/// Made by [`RatingService::on_rating`](crate::RatingService::on_rating); the callback is called until this is dropped
/// or the service has stopped.
#[derive(Debug)]
#[must_use = "dropping the hook ends it"]
pub struct RatingHook {
    task: JoinHandle<()>,
}

impl RatingHook {
    /// Calls `callback` for what `subscription` brings, on a task of its own: however long it takes, nobody waits.
    pub(crate) fn start(
        mut subscription: Subscription,
        mut callback: impl FnMut(&FeedEvent) + Send + 'static,
    ) -> Self {
        let task = tokio::spawn(async move {
            while let Some(event) = subscription.next().await {
                let position = event.position();
                if catch_unwind(AssertUnwindSafe(|| callback(&event))).is_err() {
                    tracing::error!(%position, "an on_rating callback panicked; it is called no more");
                    return;
                }
            }
        });
        Self { task }
    }

    /// Waits until the callback was called for the last rating of a service that has stopped.
    pub async fn finished(mut self) {
        // The task cannot panic and is aborted by nobody else.
        let _ = (&mut self.task).await;
    }
}

impl Drop for RatingHook {
    fn drop(&mut self) {
        self.task.abort();
    }
}
