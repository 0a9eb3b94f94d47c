//! Why a user's bucket is what it is, for a person and for a program.

use openclaw_protocol::{BucketPolicy, EffectiveLimits, Reason};

use crate::division::Level;
use crate::little_guard::LittleGuardSettings;
use crate::observation::{Action, Controller, Observation, SharedAction};
use crate::policy::{Guardrail, LearnedPolicy, action_names, feature_names};
use crate::users::Ask;

/// One user's parameters and their grounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The parameters, over all collectors.
    pub policy: BucketPolicy,
    /// Why, in a word.
    pub reason: Reason,
    /// The controller that decides.
    pub controller: &'static str,
    /// What was observed, by name; empty before anything was.
    pub observation: Vec<(&'static str, f64)>,
    /// What was decided and derived, by name; empty before anything was.
    pub action: Vec<(&'static str, f64)>,
    /// What a learned policy saw and gave; `None` for other controllers, and before its first decision.
    pub learned: Option<LearnedExplanation>,
    /// What held the controller's decision, where anything did: the operator (`operator-pin`, `operator-bounds`,
    /// `operator-weight`), else the guardrail of a learned policy.
    pub guard: Option<&'static str>,
    /// Why, in one sentence.
    pub sentence: String,
}

/// What a learned policy saw and gave.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedExplanation {
    /// The artifact's version.
    pub version: String,
    /// What its network read, by name, before it was scaled.
    pub features: Vec<(String, f32)>,
    /// What its network gave: outputs in the order of `followed`, or a score for each discrete choice.
    pub raw: Vec<f32>,
    /// The outputs as they were followed, by name, within ±1.
    pub followed: Vec<(String, f32)>,
    /// The rail that held the decision, where one did.
    pub guardrail: Option<&'static str>,
}

impl LearnedExplanation {
    fn new(policy: &LearnedPolicy) -> Option<Self> {
        let last = policy.last()?;
        Some(Self {
            version: policy.version().to_owned(),
            features: feature_names().zip(last.features.iter().copied()).collect(),
            raw: last.raw.to_vec(),
            followed: action_names().zip(last.action.clamped).collect(),
            guardrail: last.action.guardrail.map(Guardrail::name),
        })
    }
}

impl Explanation {
    pub(crate) fn new(
        controller: &dyn Controller,
        policy: BucketPolicy,
        reason: Reason,
        ask: Option<Ask>,
        made: Option<(&Observation, &Action, &Level)>,
    ) -> Self {
        let learned = controller.learned().and_then(LearnedExplanation::new);
        let controller = controller.name();
        let sentence = match made {
            None => "no latency has been reported yet, so everyone has the configured default".to_owned(),
            Some((seen, action, level)) => sentence(controller, &policy, ask, seen, action, level),
        };
        let mut decided = Vec::new();
        if let Some((_, Action::Shared(shared), level)) = made {
            decided.push(("admittedPerS", shared.admitted_per_s));
            decided.extend(shared.guard_s.map(|guard_s| ("guardS", guard_s)));
            let class = ask.map_or(0, |ask| ask.class);
            decided.extend([("levelPerS", level.of(class)), ("usersSharing", level.users as f64)]);
            decided.push(("demandOfAllPerS", level.total_per_s));
        }
        if let (Some(ask), Some((seen, Action::Shared(shared), _))) = (ask, made) {
            decided.extend(of_class(ask.class, seen, shared));
        }
        if let Some(ask) = ask {
            decided.push(("demandOfUserPerS", ask.demand_per_s));
            decided.push(("attemptsOfUser", ask.attempts as f64));
            decided.push(("throttledOfUser", ask.throttled as f64));
        }
        let observation = made.map_or_else(Vec::new, |(seen, _, _)| seen.named().to_vec());
        let guard = learned.as_ref().and_then(|learned| learned.guardrail);
        Self { policy, reason, controller, observation, action: decided, learned, guard, sentence }
    }

    /// The same for a user with an operator's override, which `policy` follows already.
    pub(crate) fn overridden(mut self, limits: &EffectiveLimits) -> Self {
        let (guard, words) = match (&limits.pin, limits.bounds.is_empty()) {
            (Some(pin), _) => {
                let words = format!(
                    "the operator pinned this user to {}/s and a bucket of {}, whatever the controller decides",
                    pin.refill_rate, pin.bucket_size
                );
                ("operator-pin", words)
            }
            (None, false) => {
                let BucketPolicy { bucket_size, refill_rate } = self.policy;
                let words = format!(
                    "inside the operator's bounds for this user that is {refill_rate:.1}/s and a bucket of \
                     {bucket_size:.1}"
                );
                ("operator-bounds", words)
            }
            (None, true) => {
                let words = format!(
                    "the operator weighs this user {} times in the common level: {:.1}/s",
                    limits.weight, self.policy.refill_rate
                );
                ("operator-weight", words)
            }
        };
        self.guard = Some(guard);
        self.sentence = format!("{}; {words}", self.sentence);
        self
    }
}

/// What was seen of a user's class, and decided for it.
fn of_class(class: usize, seen: &Observation, shared: &SharedAction) -> Vec<(&'static str, f64)> {
    let mut named = Vec::new();
    if let Some(class) = seen.classes.get(class) {
        named.push(("costOfClass", class.cost));
        named.push(("networkDelayOfClassS", class.network_delay_s));
        named.push(("lateFractionOfClass", class.late_fraction));
    }
    if let Some(class) = shared.classes.get(class) {
        named.push(("levelFactorOfClass", class.level));
        named.extend(class.guard_s.map(|guard_s| ("guardOfClassS", guard_s)));
    }
    named
}

fn sentence(
    controller: &str,
    policy: &BucketPolicy,
    ask: Option<Ask>,
    seen: &Observation,
    action: &Action,
    level: &Level,
) -> String {
    let Action::Shared(shared) = action else {
        return format!(
            "{controller} gives every user {:.1} ratings/s and a bucket of {:.1}, whatever the latency",
            policy.refill_rate, policy.bucket_size
        );
    };
    let law = LittleGuardSettings::default();
    let (wait_ms, goal_ms) = (law.wait_s(seen) * 1e3, law.wait_goal_s(seen) * 1e3);
    let state = format!(
        "{controller} admits {:.0} ratings/s in total: p95 is {:.0} ms of {:.0} ms allowed, and the {:.0} ratings \
         in flight mean a wait of {wait_ms:.0} ms (goal {goal_ms:.0} ms)",
        shared.admitted_per_s,
        seen.p95_s * 1e3,
        seen.slo_s * 1e3,
        seen.in_flight,
    );
    let Some(ask) = ask else {
        return format!(
            "{state}; this user is not known yet and shares the newcomers' {:.1}/s",
            policy.refill_rate
        );
    };
    let scarce = level.total_per_s > shared.admitted_per_s;
    let level_per_s = level.of(ask.class);
    let share = match (scarce, ask.demand_per_s > level_per_s) {
        (true, true) => format!("more than the common level of {level_per_s:.1}/s, so it gets that level"),
        (true, false) => format!("less than the common level of {level_per_s:.1}/s, so all of it is met"),
        (false, true) => {
            format!("more than the {level_per_s:.1}/s that a scarce dependency leaves to its callers")
        }
        (false, false) => "and there is enough for everyone".to_owned(),
    };
    let cost = seen.classes.get(ask.class).map_or(1.0, |class| class.cost);
    let state = if (cost - 1.0).abs() < 0.05 {
        state
    } else {
        format!("{state}; each of this user's ratings counts for {cost:.1} plain ones")
    };
    format!("{state}; this user asks for {:.1}/s, {share}: {:.1}/s", ask.demand_per_s, policy.refill_rate)
}
