//! `openclaw backend`: the stand-in dependency, until it is told to stop.

use anyhow::Result;
use openclaw_admin::shutdown::Shutdown;
use openclaw_harness::Backend;

use crate::cli::BackendArgs;
use crate::terminal::say;

pub(super) async fn run(args: BackendArgs) -> Result<()> {
    let scenario = super::scenario::read(&args.scenario)?;
    let shutdown = Shutdown::on_signals()?;
    let backend = Backend::bind(args.listen, &scenario).await?;
    say(&format!(
        "backend   http://{}/work  ({} workers of {:.0} ms, scenario {})",
        backend.local_addr(),
        scenario.service.workers,
        scenario.service.service_time.mean_s() * 1e3,
        scenario.name
    ));
    backend.run(async move { shutdown.stopping().await }).await;
    Ok(())
}
