/**
 * A bucket in units and nanoseconds: what the public classes are made of.
 *
 * The bucket stands at a *position* on its refill line: `level = min(capacity, refilled(now) - position)`. Refilling
 * writes nothing, taking tokens moves one number, and a change of parameters carries the level over and nothing else.
 */

import { tokens } from './law.js';

/** @typedef {import('./law.js').Law} Law */

/** Changes this far behind the latest one are made at its time; a clock further behind was set back, and is believed. */
const SKEW_MAX_NS = 10_000_000_000n;

/** One bucket. */
export class Core {
  /** @param {Law} law */
  constructor(law) {
    this.law = law;
    /** Undefined while nobody has taken anything: the bucket is full. @type {bigint | undefined} */
    this.position = undefined;
    this.changedNs = 0n;
  }

  /**
   * Units in the bucket; below zero where the clock went back.
   * @param {bigint} nowNs
   */
  level(nowNs) {
    const { law, position } = this;
    if (position === undefined) return law.capacity;
    return least(law.refilled(nowNs) - position, law.capacity);
  }

  /**
   * Sets the level, which is at most the capacity.
   * @param {bigint} level
   * @param {bigint} nowNs
   */
  settle(level, nowNs) {
    this.position = this.law.refilled(nowNs) - level;
  }

  /**
   * Takes units if they are there.
   * @param {bigint} units
   * @param {bigint} nowNs
   */
  take(units, nowNs) {
    const level = this.level(nowNs);
    if (units > level) return false;
    this.settle(level - units, nowNs);
    return true;
  }

  /**
   * Changes the parameters; the level, settled at the old ones, is kept up to the new capacity.
   * @param {Law} law
   * @param {bigint} nowNs
   */
  change(law, nowNs) {
    const behindNs = this.changedNs - nowNs;
    // The time between two changes must not be refilled at both refill rates in turn.
    if (behindNs <= 0n || behindNs > SKEW_MAX_NS) this.changedNs = nowNs;
    const level = least(this.level(this.changedNs), law.capacity);
    this.law = law;
    this.settle(level, this.changedNs);
  }
}

/** @param {bigint} a @param {bigint} b */
export function least(a, b) {
  return a < b ? a : b;
}

/**
 * What was decided, with everything that a reply needs.
 * @typedef {object} Decision
 * @property {boolean} allowed whether the tokens were taken.
 * @property {number} level tokens in the bucket after the decision.
 * @property {number} bucketSize capacity the decision was made with, in tokens.
 * @property {number} refillRate refill rate the decision was made with, in tokens per second.
 * @property {number} resetAfterMs time until the bucket is full if nothing more is taken; `Infinity` where it never is.
 * @property {number} retryAfterMs 0 where allowed; else the earliest time from now at which the same request can be
 * allowed, `Infinity` where these parameters never will.
 */

/**
 * The decision that took what was asked for and left `level`.
 * @param {Law} law
 * @param {bigint} level
 * @returns {Decision}
 */
export function allowed(law, level) {
  return { allowed: true, ...standing(law, level), retryAfterMs: 0 };
}

/**
 * The decision that took nothing, because `units` were not there; undefined units are those that nobody can pay.
 * @param {Law} law
 * @param {bigint} level
 * @param {bigint | undefined} units
 * @returns {Decision}
 */
export function limited(law, level, units) {
  return { allowed: false, ...standing(law, level), retryAfterMs: waitMs(law, level, units) };
}

/**
 * The time until a bucket at `level` holds `units`; `Infinity` where it never will.
 * @param {Law} law
 * @param {bigint} level
 * @param {bigint | undefined} units
 */
export function waitMs(law, level, units) {
  if (units === undefined || units > law.capacity) return Infinity;
  const waitNs = law.nanoseconds(units > level ? units - level : 0n);
  return waitNs === undefined ? Infinity : Number(waitNs) / 1e6;
}

/** @param {Law} law @param {bigint} level */
function standing(law, level) {
  const { bucketSize, refillRate } = law;
  return { level: tokens(level), bucketSize, refillRate, resetAfterMs: untilFullMs(law, level) };
}

/** @param {Law} law @param {bigint} level */
function untilFullMs(law, level) {
  if (level >= law.capacity) return 0;
  if (law.speed === 0n) return Infinity;
  // In doubles, as the other implementations have it: nobody decides by it.
  const exactNs = (Number(law.capacity - level) * 2 ** Number(law.shift)) / Number(law.speed);
  return Math.ceil(exactNs) / 1e6;
}
