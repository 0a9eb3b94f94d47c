//! Overrides are checked, bounded, and there again after a restart.

use std::fs;

use openclaw_protocol::{BucketPolicy, LimitBounds};

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn pin(refill_rate: f64) -> UserLimits {
    UserLimits { pin: Some(BucketPolicy { bucket_size: 10.0, refill_rate }), ..UserLimits::default() }
}

fn settings() -> LimitsSettings {
    let tiers = Tiers::parse(["gold weight=4 refillRateMax=100"]).unwrap();
    LimitsSettings { tiers, users_max: 2, ..LimitsSettings::default() }
}

fn in_memory() -> OperatorLimits {
    OperatorLimits::in_memory(settings(), Bounds::default())
}

fn open(folder: &Path) -> Result<OperatorLimits, EdgeError> {
    OperatorLimits::open(settings(), Bounds::default(), folder, 0)
}

#[test]
fn overrides_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/when/needed");
    let gold = UserLimits { tier: Some("gold".into()), expires_at: Some(9_000), ..UserLimits::default() };
    {
        let limits = open(&folder).unwrap();
        assert!(!folder.exists(), "nothing to keep yet");
        limits.set(&user("ann \"quoted\"\n"), pin(5.0), 1).unwrap();
        limits.set(&user("bob"), gold.clone(), 1).unwrap();
        limits.set(&user("bob"), gold, 1).unwrap();
    }
    let limits = open(&folder).unwrap();
    let found = limits.in_force(1);
    assert_eq!(found.written.len(), 2);
    assert_eq!(found.overrides.of("bob").unwrap().weight, 4.0);
    assert!(limits.delete("ann \"quoted\"\n", 1).unwrap() && !limits.delete("nobody", 1).unwrap());
    assert_eq!(open(&folder).unwrap().in_force(1).written.keys().collect::<Vec<_>>(), [&user("bob")]);
}

#[test]
fn a_damaged_file_stops_the_start_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("limits.json");
    open(folder.path()).unwrap().set(&user("ann"), pin(5.0), 1).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, part) in [
        (&flipped[..], "checksum"),
        (&whole[..whole.len() / 2], "checksum"),
        (&whole[..10], "first line"),
        (b"", "first line"),
        (b"{}\n", "first line"),
        (b"openclaw-limits 1 crc32c d76d50f4\n[]", "damaged"),
    ] {
        fs::write(&path, bytes).unwrap();
        let reason = open(folder.path()).unwrap_err().to_string();
        assert!(reason.contains(part) && reason.contains("put a backup in its place"), "{reason}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(open(folder.path()).unwrap().in_force(1).written.len(), 1);
}

#[test]
fn a_crash_between_writing_and_renaming_leaves_the_old_overrides() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().set(&user("ann"), pin(5.0), 1).unwrap();
    fs::write(folder.path().join("limits.json.new"), b"half a fi").unwrap();
    let limits = open(folder.path()).unwrap();
    assert_eq!(limits.in_force(1).written.len(), 1);
    limits.set(&user("bob"), pin(6.0), 1).unwrap();
    assert_eq!(open(folder.path()).unwrap().in_force(1).written.len(), 2);
}

#[test]
fn what_cannot_be_kept_is_not_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, b"no folder").unwrap();
    let limits = open(&folder.path().join("later")).unwrap();
    *limits.changing.lock() = Some(LimitsFile::new(&blocked.join("below")));
    let error = limits.set(&user("ann"), pin(5.0), 1).unwrap_err();
    assert!(error.to_string().contains("nothing has changed"), "{error}");
    assert!(limits.in_force(1).overrides.is_empty());
}

#[test]
fn overrides_are_bounded_in_number_and_a_known_user_is_not_one_more() {
    let limits = in_memory();
    limits.set(&user("a"), pin(1.0), 0).unwrap();
    limits.set(&user("b"), UserLimits { expires_at: Some(50), ..pin(1.0) }, 0).unwrap();
    limits.set(&user("a"), pin(2.0), 0).unwrap();
    assert!(limits.set(&user("c"), pin(1.0), 0).unwrap_err().to_string().contains("2 users already"));
    limits.set(&user("c"), pin(1.0), 50).unwrap();
    assert!(limits.in_force(50).overrides.of("b").is_none(), "it has ended, and made room");
}

#[test]
fn an_override_ends_by_itself() {
    let limits = in_memory();
    limits.set(&user("a"), UserLimits { expires_at: Some(50), ..pin(1.0) }, 0).unwrap();
    let before = limits.in_force(49);
    assert!(before.overrides.of("a").is_some());
    let after = limits.in_force(50);
    assert!(after.overrides.is_empty() && after.written.is_empty() && after.version > before.version);
}

#[test]
fn what_the_configuration_does_not_allow_is_refused_with_its_key() {
    let limits = in_memory();
    let tier = |name: &str| UserLimits { tier: Some(name.into()), ..UserLimits::default() };
    let refill_min = |min| UserLimits {
        bounds: Some(LimitBounds { refill_rate_min: Some(min), ..LimitBounds::default() }),
        ..tier("gold")
    };
    for (wanted, part) in [
        (tier("silver"), "there is no tier \"silver\"; edge.tiers has gold"),
        (pin(1e7), "pin.refillRate is 10000000; limits.refillRateMin and limits.refillRateMax allow 0.05 to"),
        (refill_min(200.0), "with the bounds of its tier, refillRateMin is 200, above refillRateMax"),
    ] {
        let reason = limits.set(&user("a"), wanted, 0).unwrap_err().to_string();
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(limits.set(&user("a"), refill_min(50.0), 0).map_err(|error| error.to_string()), Ok(()));
}

#[test]
fn a_tier_that_went_away_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let gold = UserLimits { tier: Some("gold".into()), ..UserLimits::default() };
    open(folder.path()).unwrap().set(&user("ann"), gold, 1).unwrap();
    let settings = LimitsSettings::default();
    let error = OperatorLimits::open(settings, Bounds::default(), folder.path(), 0).unwrap_err();
    assert!(error.to_string().contains("user \"ann\"") && error.to_string().contains("gold"), "{error}");
}
