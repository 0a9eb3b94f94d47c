//! The registry: every key, declared once with its type, kind, default and help.
//!
//! The doc comment of a field is the key's help in the starter file and on the reference page, so that there
//! is one text and not two. Help names the unit and why the default is what it is.

mod access;
mod control;
mod services;
mod sidecar;

use std::time::Duration;

use super::key::Key;
use super::resolve::Settings;

pub(crate) use access::{AccessKeys, AdminKeys, MetricsKeys, ShutdownKeys, TlsKeys};
pub(crate) use control::{AimdKeys, CollectorKeys, EdgeKeys, GuardKeys, LimitKeys, SloKeys};
pub(crate) use services::{ContextKeys, LogKeys, RatingKeys, StoreKeys};
pub(crate) use sidecar::SidecarKeys;

/// Declares a struct of the typed configuration together with its keys.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $type:ty = $path:literal, $kind:expr, $default:literal;
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            $(
                $(#[doc = $help])+
                pub(crate) $field: $type,
            )+
        }

        impl $crate::config::sections::Section for $name {
            const KEYS: &'static [$crate::config::key::Key] = &[$(
                $crate::config::key::Key {
                    path: $path,
                    kind: $kind,
                    default: $default,
                    optional: <$type as $crate::config::value::Typed>::OPTIONAL,
                    help: concat!($($help),+),
                },
            )+];

            fn build(settings: &$crate::config::resolve::Settings) -> Self {
                Self { $($field: settings.typed($path),)+ }
            }
        }
    };
}
use section;

/// A struct of the typed configuration that knows its keys.
trait Section: Sized {
    const KEYS: &'static [Key];

    fn build(settings: &Settings) -> Self;
}

/// Declares the root: one field per section, in the order of the starter file.
macro_rules! root {
    ($($(#[$doc:meta])+ $field:ident: $section:ty,)+) => {
        /// The whole configuration, parsed and checked.
        #[derive(Clone, Debug)]
        pub(crate) struct Config {
            $($(#[$doc])+ pub(crate) $field: $section,)+
        }

        impl Config {
            pub(super) fn build(settings: &Settings) -> Self {
                Self { $($field: <$section>::build(settings),)+ }
            }
        }

        /// Every key there is.
        pub(super) fn registry() -> Vec<Key> {
            [$(<$section>::KEYS),+].concat()
        }
    };
}

root! {
    /// Who may do what, and by which token.
    access: AccessKeys,
    /// The log.
    log: LogKeys,
    /// The objective.
    slo: SloKeys,
    /// The rating service.
    rating: RatingKeys,
    /// What clients may say of their circumstances.
    context: ContextKeys,
    /// Where ratings are kept.
    store: StoreKeys,
    /// What users get, at first and at most.
    limits: LimitKeys,
    /// The guard on requests in flight.
    guard: GuardKeys,
    /// The link from the rating service to the edge.
    collector: CollectorKeys,
    /// The edge service.
    edge: EdgeKeys,
    /// The AIMD controller.
    aimd: AimdKeys,
    /// The reverse proxy before an unmodified service.
    sidecar: SidecarKeys,
    /// The admin listener.
    admin: AdminKeys,
    /// Metrics.
    metrics: MetricsKeys,
    /// TLS on all listeners, and towards other services.
    tls: TlsKeys,
    /// How the process stops.
    shutdown: ShutdownKeys,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A million: the most of anything that is counted by user.
const MILLION: u64 = 1_000_000;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
