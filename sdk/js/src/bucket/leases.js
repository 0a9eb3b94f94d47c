/**
 * Parameters hold for a time, not for ever: who leases what, until when, and what happens when a lease lapses.
 *
 * The edge leases every user's parameters, those of everyone else, and those of the bucket that newcomers share. While
 * it answers, a user it no longer names is a newcomer again. When it is silent, whatever lapses moves in thirty steps
 * of a second, linearly, to the safe values: an edge that fails must change no limit at once. The steps are taken when a
 * bucket is next asked, each at its own time, so that nobody has to visit all of them.
 *
 * An edge is trusted with numbers inside the operator's bounds and with nothing else: users that it was not asked
 * about, and times to live beyond all reason, stop here.
 */

import { KeyedBuckets } from './keyed.js';
import { Law, costUnits, nanosecondsOf } from './law.js';
import { Rounds } from '../rounds.js';

/** @typedef {import('./law.js').BucketPolicy} BucketPolicy */
/** @typedef {import('./keyed.js').KeyedDecision} KeyedDecision */

/** Steps of a move to the safe values, and how far they are apart. */
export const MOVE_STEPS = 30;
export const MOVE_STEP_MS = 1000;
/** Longest time to live that is obeyed: a lease beyond an hour is no lease. */
export const TTL_MS_MAX = 3_600_000;

/**
 * @typedef {object} LeaseSettings
 * @property {BucketPolicy & { newcomers?: BucketPolicy }} safe what users get while the edge has said nothing, or
 * nothing for long; `newcomers` is the bucket that all users without parameters of their own share.
 * @property {{ bucketSize: [number, number], refillRate: [number, number] }} bounds least and greatest values,
 * whatever the edge says.
 * @property {number} usersMax buckets kept at most.
 * @property {number} ttlMs how long answers hold that do not say.
 * @property {number} ttlMsMin the shortest lease: one that lapses before the next answer can come would make the edge
 * and the safe values take turns.
 */

/** What was leased, and how far it has moved since it lapsed. */
class Lease {
  /** @param {BucketPolicy} policy @param {number} untilMs */
  constructor(policy, untilMs) {
    this.policy = policy;
    this.untilMs = untilMs;
    this.steps = 0;
  }

  /**
   * The steps that are due, each with its time.
   * @param {BucketPolicy} safe
   * @param {number} nowMs
   * @returns {Generator<[Law, bigint]>}
   */
  *due(safe, nowMs) {
    while (this.steps < MOVE_STEPS && nowMs >= this.untilMs + (this.steps + 1) * MOVE_STEP_MS) {
      this.steps += 1;
      yield [
        new Law(between(this.policy, safe, this.steps)),
        nanosecondsOf(this.untilMs + this.steps * MOVE_STEP_MS),
      ];
    }
  }
}

/** Buckets whose parameters are leased. Times are milliseconds since any fixed origin. */
export class LeasedBuckets {
  /** @type {Map<string, Lease>} */ #leases = new Map();
  /** Where the search for lapsed leases goes on. */
  #rounds = new Rounds(this.#leases);
  /** Of everyone without parameters of their own. @type {Lease | undefined} */ #everyone;
  /** Of the bucket that newcomers share. @type {Lease | undefined} */ #newcomers;
  /** When the edge was last heard of. */
  #heardMs = -Infinity;
  /** The last answer holds until then. */
  #edgeUntilMs = -Infinity;
  #buckets;
  #safe;
  #safeNewcomers;
  #settings;

  /** Policies of the edge that were not applied: no numbers, not asked for, or without room. */
  refused = 0;

  /** @param {LeaseSettings} settings */
  constructor(settings) {
    this.#settings = settings;
    this.#safe = this.#clamped(settings.safe);
    this.#safeNewcomers = settings.safe.newcomers && this.#clamped(settings.safe.newcomers);
    this.#buckets = new KeyedBuckets(new Law(this.#safe), settings.usersMax);
    if (this.#safeNewcomers) this.#buckets.setNewcomers(new Law(this.#safeNewcomers), 0n);
  }

  /** Users with a lease, lapsed ones that still move included. */
  get leases() {
    return this.#leases.size;
  }

  /** Users with a bucket. */
  get users() {
    return this.#buckets.size;
  }

  /**
   * Whether an answer of the edge still holds.
   * @param {number} nowMs
   */
  edgeHolds(nowMs) {
    return nowMs < this.#edgeUntilMs;
  }

  /**
   * Takes `cost` tokens of the user's bucket, or says why not.
   * @param {string} user
   * @param {number} cost
   * @param {number} nowMs
   * @returns {KeyedDecision}
   */
  decide(user, cost, nowMs) {
    this.#catchUp(user, nowMs);
    return this.#buckets.decide(user, costUnits(cost), nanosecondsOf(nowMs));
  }

  /**
   * A user's parameters as they stand.
   * @param {string} user
   * @param {number} nowMs
   * @returns {BucketPolicy & { level: number, own: boolean }} `own` says whether they are this user's or everyone's.
   */
  peek(user, nowMs) {
    this.#catchUp(user, nowMs);
    const own = this.#buckets.lawOf(user);
    const { bucketSize, refillRate } = own ?? this.#buckets.defaults;
    const { level } = this.#buckets.decide(user, 0n, nanosecondsOf(nowMs));
    return { bucketSize, refillRate, level, own: own !== undefined };
  }

  /**
   * Parameters of the bucket that newcomers share, as they stand.
   * @param {number} nowMs
   * @returns {BucketPolicy | undefined}
   */
  newcomers(nowMs) {
    this.#moveEveryone(nowMs);
    const law = this.#buckets.newcomers;
    return law && { bucketSize: law.bucketSize, refillRate: law.refillRate };
  }

  /**
   * Applies the edge's answer to a batch that named the users of `asked`.
   * @param {{ policies: Record<string, BucketPolicy>, defaults: BucketPolicy, newcomers?: BucketPolicy, ttlMs: number }} answer
   * @param {Set<string>} asked
   * @param {number} nowMs
   * @returns {number} until when it holds.
   */
  apply(answer, asked, nowMs) {
    const untilMs = this.#until(answer.ttlMs, nowMs);
    this.#heard(untilMs, nowMs);
    for (const [user, policy] of Object.entries(answer.policies)) {
      if (asked.has(user)) this.#grant(user, policy, untilMs, nowMs);
      else this.refused += 1;
    }
    if (isSound(answer.defaults)) {
      const newcomers = isSound(answer.newcomers) ? answer.newcomers : undefined;
      this.#leaseEveryone(answer.defaults, newcomers, untilMs, nowMs);
    } else {
      this.refused += 1;
    }
    return untilMs;
  }

  /**
   * Applies the edge's answer to a single event, which leases its user's parameters alone.
   * @param {string} user
   * @param {BucketPolicy & { ttlMs?: number }} answer
   * @param {number} nowMs
   * @returns {number} until when it holds.
   */
  applySingle(user, answer, nowMs) {
    const untilMs = this.#until(answer.ttlMs, nowMs);
    this.#heard(untilMs, nowMs);
    this.#grant(user, answer, untilMs, nowMs);
    return untilMs;
  }

  /**
   * Looks at the next `users` leases and buckets, for what has lapsed or can be forgotten.
   * @param {number} users
   * @param {number} nowMs
   */
  sweep(users, nowMs) {
    for (const [user] of this.#rounds.next(users)) {
      this.#catchUp(user, nowMs);
      this.#retire(user, nowMs);
    }
    this.#buckets.forgetSome(users, nanosecondsOf(nowMs));
  }

  /** @param {number} untilMs @param {number} nowMs */
  #heard(untilMs, nowMs) {
    // What has lapsed in silence moves as far as it should have before the edge's word is taken.
    this.#moveEveryone(nowMs);
    this.#heardMs = nowMs;
    this.#edgeUntilMs = untilMs;
  }

  /** @param {string} user @param {number} nowMs */
  #catchUp(user, nowMs) {
    this.#moveEveryone(nowMs);
    const lease = this.#leases.get(user);
    if (!lease || nowMs < lease.untilMs) return;
    if (this.#heardMs >= lease.untilMs) {
      this.#buckets.unassign(user, nanosecondsOf(nowMs));
      this.#leases.delete(user);
      return;
    }
    for (const [law, atNs] of lease.due(this.#safe, nowMs)) this.#buckets.assign(user, law, atNs);
  }

  /**
   * Forgets a user who has moved all the way and saved all it can: there is nothing left to remember.
   * @param {string} user
   * @param {number} nowMs
   */
  #retire(user, nowMs) {
    const nowNs = nanosecondsOf(nowMs);
    const law = this.#buckets.lawOf(user);
    if (this.#leases.get(user)?.steps !== MOVE_STEPS || !law) return;
    if (this.#buckets.level(user, nowNs) < law.capacity) return;
    this.#buckets.unassign(user, nowNs);
    this.#leases.delete(user);
  }

  /** @param {number} nowMs */
  #moveEveryone(nowMs) {
    if (this.#everyone) {
      for (const [law, atNs] of this.#everyone.due(this.#safe, nowMs)) this.#buckets.setDefaults(law, atNs);
    }
    if (this.#newcomers && this.#safeNewcomers) {
      for (const [law, atNs] of this.#newcomers.due(this.#safeNewcomers, nowMs)) this.#buckets.setNewcomers(law, atNs);
    }
  }

  /** @param {string} user @param {BucketPolicy} policy @param {number} untilMs @param {number} nowMs */
  #grant(user, policy, untilMs, nowMs) {
    if (!isSound(policy)) {
      this.refused += 1;
      return;
    }
    this.#catchUp(user, nowMs);
    const clamped = this.#clamped(policy);
    // Only who has a bucket has a lease: both are bounded by the table.
    if (this.#buckets.assign(user, new Law(clamped), nanosecondsOf(nowMs))) {
      this.#leases.set(user, new Lease(clamped, untilMs));
    } else {
      this.refused += 1;
    }
  }

  /** @param {BucketPolicy} defaults @param {BucketPolicy | undefined} newcomers @param {number} untilMs @param {number} nowMs */
  #leaseEveryone(defaults, newcomers, untilMs, nowMs) {
    const nowNs = nanosecondsOf(nowMs);
    const everyone = this.#clamped(defaults);
    this.#buckets.setDefaults(new Law(everyone), nowNs);
    this.#everyone = new Lease(everyone, untilMs);
    const shared = newcomers && this.#clamped(newcomers);
    this.#buckets.setNewcomers(shared && new Law(shared), nowNs);
    // No such bucket now: when the lease lapses, the safe one comes with the first step.
    this.#newcomers = new Lease(shared ?? this.#safeNewcomers ?? everyone, untilMs);
  }

  /** @param {number | undefined} ttlMs @param {number} nowMs */
  #until(ttlMs, nowMs) {
    const { ttlMs: usual, ttlMsMin } = this.#settings;
    return nowMs + Math.min(Math.max(ttlMs ?? usual, ttlMsMin), TTL_MS_MAX);
  }

  /** @param {BucketPolicy} policy @returns {BucketPolicy} */
  #clamped({ bucketSize, refillRate }) {
    const { bounds } = this.#settings;
    return { bucketSize: within(bucketSize, bounds.bucketSize), refillRate: within(refillRate, bounds.refillRate) };
  }
}

/**
 * The parameters `steps` of the way from what was leased to what is safe.
 * @param {BucketPolicy} leased
 * @param {BucketPolicy} safe
 * @param {number} steps
 * @returns {BucketPolicy}
 */
function between(leased, safe, steps) {
  const share = (/** @type {number} */ from, /** @type {number} */ to) => from + ((to - from) * steps) / MOVE_STEPS;
  return steps === MOVE_STEPS
    ? safe
    : {
        bucketSize: share(leased.bucketSize, safe.bucketSize),
        refillRate: share(leased.refillRate, safe.refillRate),
      };
}

/** @param {number} value @param {[number, number]} bounds */
function within(value, [least, most]) {
  return Math.min(Math.max(value, least), most);
}

/**
 * Whether both numbers are finite and not negative: the least that an edge's word must be.
 * @param {unknown} policy
 * @returns {policy is BucketPolicy}
 */
export function isSound(policy) {
  const { bucketSize, refillRate } = /** @type {Partial<BucketPolicy>} */ (policy ?? {});
  const sound = (/** @type {unknown} */ value) => Number.isFinite(value) && /** @type {number} */ (value) >= 0;
  return sound(bucketSize) && sound(refillRate);
}
