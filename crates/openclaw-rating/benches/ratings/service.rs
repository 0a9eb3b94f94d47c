//! Our side: the rating service behind its own listener, as `openclaw rating` runs it, with nobody throttled.

use std::io;
use std::net::SocketAddr;

use openclaw_admin::access::{AccessPolicy, Role, Roles};
use openclaw_admin::listen::{Endpoint, Exposure, ServeLimits, bind, serve};
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::{Collector, CollectorSettings};
use openclaw_controller::Bounds;
use openclaw_protocol::BucketPolicy;
use openclaw_rating::{RatingService, RatingSettings, router};
use openclaw_store::{Store, StoreSettings};
use tokio::runtime::{Builder, Runtime};

/// More than any machine takes.
const PLENTY: f64 = 1e9;

pub(crate) struct Service {
    address: SocketAddr,
    /// These end with the service, the runtime first.
    _runtime: Runtime,
    _collector: Collector,
    _folder: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let guard = runtime.enter();
        let endpoint = Endpoint {
            name: "rating",
            address: ([127, 0, 0, 1], 0).into(),
            key: "rating.listen",
            flag: None,
            roles: Roles::from_iter([Role::Client]),
        };
        let listener = bind(&endpoint, &Exposure::default()).map_err(io::Error::other)?;
        let address = listener.address();
        let store = Store::open(&folder.path().join("ratings"), StoreSettings::default());
        let store = store.map_err(io::Error::other)?;
        let policy = BucketPolicy { bucket_size: PLENTY, refill_rate: PLENTY };
        let bounds = Bounds {
            bucket_size_min: PLENTY,
            bucket_size_max: PLENTY,
            refill_rate_min: PLENTY,
            refill_rate_max: PLENTY,
        };
        let settings =
            CollectorSettings { defaults: policy, bounds, guard: false, ..CollectorSettings::default() };
        let collector = Collector::start(settings).map_err(io::Error::other)?;
        let service = RatingService::new(RatingSettings::default(), store, collector.admission(), None);
        let routes = router(service, &AccessPolicy::default());
        runtime.spawn(serve(listener, routes, ServeLimits::default(), Shutdown::new()));
        drop(guard);
        Ok(Self { address, _runtime: runtime, _collector: collector, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
