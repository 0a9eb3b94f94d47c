//! The spool among tasks: its disk is never waited for on a thread that serves requests.

use crate::spool::Spool;

/// A spool that is lent to a blocking thread for each piece of work. Its futures must run to their end, else the spool
/// goes with them.
#[derive(Debug)]
pub(crate) struct Shelf {
    spool: Option<Spool>,
}

impl Shelf {
    pub(crate) fn new(spool: Spool) -> Self {
        Self { spool: Some(spool) }
    }

    /// Works on the spool; `None` where earlier work panicked, which a bug alone can do.
    pub(crate) async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> Option<T> {
        let mut spool = self.spool.take()?;
        let lent = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        match lent.await {
            Ok((spool, result)) => {
                self.spool = Some(spool);
                Some(result)
            }
            Err(error) => {
                tracing::error!(%error, "the spool failed: events that cannot be delivered are dropped from now on");
                None
            }
        }
    }
}
