//! The operator's overrides of users' limits: who may have which, and that they last.
//!
//! The only thing an edge keeps over a restart. A database lost: there are at most some thousands of entries, written
//! by hand or by a script, so the whole set is one small file that is replaced as a whole; either the old one or the
//! new one is there, whatever happens in between. A change is on disk before it is in force and acknowledged.

mod file;
mod tier;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use metrics::{Counter, Gauge};
use openclaw_controller::{Bounds, Overrides};
use openclaw_protocol::{EffectiveLimits, UserId, UserLimits};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;

pub(crate) use file::LimitsFile;
pub use file::LimitsFileError;
pub use tier::{InvalidTier, Tier, Tiers};

/// How overrides are set up.
#[derive(Clone, Debug)]
pub struct LimitsSettings {
    /// Folder of the file that keeps them; `None` keeps them in memory only, until the process ends.
    pub folder: Option<PathBuf>,
    /// Users with an override at most.
    pub users_max: usize,
    /// The tiers that an override may name.
    pub tiers: Tiers,
}

impl Default for LimitsSettings {
    fn default() -> Self {
        Self { folder: None, users_max: 1000, tiers: Tiers::default() }
    }
}

/// Why an edge does not start.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The file of overrides cannot be read.
    #[error(transparent)]
    File(#[from] LimitsFileError),
    /// It holds an override that this configuration does not allow.
    #[error(
        "{} holds limits of user {user:?} that this configuration does not allow: {reason}; mend the configuration, or \
         delete the override with the configuration that it was made under",
        path.display()
    )]
    NotAllowed {
        /// The file.
        path: PathBuf,
        /// Whose.
        user: UserId,
        /// What is wrong.
        reason: String,
    },
}

/// Why an override was not changed. Nothing was.
#[derive(Debug, Error)]
pub(crate) enum ChangeError {
    #[error("{0}")]
    Invalid(String),
    #[error(
        "this edge holds overrides of {0} users already, its most; delete some, or raise edge.overridesMax"
    )]
    Full(usize),
    #[error("the override was not kept and nothing has changed: {0}")]
    NotDurable(#[from] LimitsFileError),
}

/// The overrides in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct InForce {
    /// Counts the changes; collectors are told of one they have not heard of.
    pub(crate) version: u64,
    /// As the operator wrote them.
    pub(crate) written: BTreeMap<UserId, UserLimits>,
    /// As control loops follow them.
    pub(crate) overrides: Arc<Overrides>,
    /// When the first of them ends, ms since the epoch.
    next_end_ms: u64,
}

/// All overrides of one edge.
#[derive(Debug)]
pub(crate) struct OperatorLimits {
    settings: LimitsSettings,
    bounds: Bounds,
    in_force: RwLock<Arc<InForce>>,
    /// Held while a change is made and written.
    changing: Mutex<Option<LimitsFile>>,
    users: Gauge,
    failures: Counter,
}

impl OperatorLimits {
    /// Without a file, whatever the settings say.
    pub(crate) fn in_memory(settings: LimitsSettings, bounds: Bounds) -> Self {
        Self {
            settings: LimitsSettings { folder: None, ..settings },
            bounds,
            in_force: RwLock::default(),
            changing: Mutex::new(None),
            users: metrics::gauge!("openclaw_edge_overrides"),
            failures: metrics::counter!("openclaw_edge_override_write_failures_total"),
        }
    }

    /// With what `folder` holds; overrides that ended meanwhile are forgotten.
    pub(crate) fn open(
        settings: LimitsSettings,
        bounds: Bounds,
        folder: &Path,
        now_ms: u64,
    ) -> Result<Self, EdgeError> {
        let file = LimitsFile::new(folder);
        let mut written = file.read()?;
        written.retain(|_, limits| limits.expires_at.is_none_or(|at_ms| at_ms > now_ms));
        let limits = Self::in_memory(settings, bounds);
        for (user, wanted) in &written {
            limits.check(wanted).map_err(|reason| EdgeError::NotAllowed {
                path: file.path().to_owned(),
                user: user.clone(),
                reason,
            })?;
        }
        *limits.changing.lock() = Some(file);
        if !written.is_empty() {
            tracing::info!(users = written.len(), "overrides of users' limits are in force");
        }
        limits.put_in_force(written);
        Ok(limits)
    }

    /// Whether overrides last over a restart.
    pub(crate) fn lasts(&self) -> bool {
        self.changing.lock().is_some()
    }

    /// What is in force at `now_ms`, ms since the epoch.
    pub(crate) fn in_force(&self, now_ms: u64) -> Arc<InForce> {
        let current = Arc::clone(&self.in_force.read());
        if current.overrides.is_empty() || now_ms < current.next_end_ms {
            return current;
        }
        // Where another change is being made, that one leaves out what has ended, too.
        let Some(_changing) = self.changing.try_lock() else { return current };
        self.put_in_force(self.left(now_ms));
        Arc::clone(&self.in_force.read())
    }

    /// Sets a user's override. Blocks until it is on disk.
    pub(crate) fn set(&self, user: &UserId, limits: UserLimits, now_ms: u64) -> Result<(), ChangeError> {
        self.check(&limits).map_err(ChangeError::Invalid)?;
        let file = self.changing.lock();
        let mut written = self.left(now_ms);
        written.insert(user.clone(), limits);
        if written.len() > self.settings.users_max {
            return Err(ChangeError::Full(self.settings.users_max));
        }
        self.keep(file.as_ref(), written)
    }

    /// Ends a user's override. Blocks until that is on disk. Returns false where there was none.
    pub(crate) fn delete(&self, user: &str, now_ms: u64) -> Result<bool, ChangeError> {
        let file = self.changing.lock();
        let mut written = self.left(now_ms);
        if written.remove(user).is_none() {
            return Ok(false);
        }
        self.keep(file.as_ref(), written)?;
        Ok(true)
    }

    fn left(&self, now_ms: u64) -> BTreeMap<UserId, UserLimits> {
        let mut written = self.in_force.read().written.clone();
        written.retain(|_, limits| limits.expires_at.is_none_or(|at_ms| at_ms > now_ms));
        written
    }

    fn keep(
        &self,
        file: Option<&LimitsFile>,
        written: BTreeMap<UserId, UserLimits>,
    ) -> Result<(), ChangeError> {
        if let Some(file) = file {
            file.write(&written).inspect_err(|_| self.failures.increment(1))?;
        }
        self.put_in_force(written);
        Ok(())
    }

    fn put_in_force(&self, written: BTreeMap<UserId, UserLimits>) {
        let effective = written.iter().map(|(user, limits)| (user.clone(), self.effective(limits)));
        let overrides = Arc::new(Overrides::new(effective.collect()));
        let next_end_ms = written.values().filter_map(|limits| limits.expires_at).min().unwrap_or(u64::MAX);
        self.users.set(written.len() as f64);
        let mut in_force = self.in_force.write();
        let version = in_force.version + 1;
        *in_force = Arc::new(InForce { version, written, overrides, next_end_ms });
    }

    /// The override with its tier worked out; the user's own words win.
    fn effective(&self, limits: &UserLimits) -> EffectiveLimits {
        let tier = limits.tier.as_ref().and_then(|name| self.settings.tiers.get(name));
        let tier = tier.copied().unwrap_or_default();
        EffectiveLimits {
            pin: limits.pin,
            bounds: limits.bounds.unwrap_or_default().or(&tier.bounds),
            weight: limits.priority.unwrap_or(tier.weight),
            expires_at: limits.expires_at,
        }
    }

    fn check(&self, limits: &UserLimits) -> Result<(), String> {
        limits.check()?;
        if let Some(name) = &limits.tier
            && self.settings.tiers.get(name).is_none()
        {
            return Err(format!("there is no tier {name:?}; edge.tiers has {}", self.settings.tiers));
        }
        let effective = self.effective(limits);
        effective.bounds.check().map_err(|reason| format!("with the bounds of its tier, {reason}"))?;
        self.check_against_all(&effective)
    }

    /// What every collector cuts to the bounds for everyone must not be promised to one.
    fn check_against_all(&self, limits: &EffectiveLimits) -> Result<(), String> {
        let all = &self.bounds;
        let (size, rate) = (
            (all.bucket_size_min, all.bucket_size_max, "limits.bucketSize"),
            (all.refill_rate_min, all.refill_rate_max, "limits.refillRate"),
        );
        let pinned = limits.pin.iter();
        let pinned = pinned.flat_map(|pin| {
            [("pin.bucketSize", pin.bucket_size, size), ("pin.refillRate", pin.refill_rate, rate)]
        });
        let bounds = &limits.bounds;
        let bounded = [
            ("bucketSizeMin", bounds.bucket_size_min, size),
            ("bucketSizeMax", bounds.bucket_size_max, size),
            ("refillRateMin", bounds.refill_rate_min, rate),
            ("refillRateMax", bounds.refill_rate_max, rate),
        ];
        let bounded = bounded.into_iter().filter_map(|(name, value, all)| Some((name, value?, all)));
        for (name, value, (min, max, keys)) in pinned.chain(bounded) {
            if !(min..=max).contains(&value) {
                return Err(format!(
                    "{name} is {value}; {keys}Min and {keys}Max allow {min} to {max} for everyone"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
