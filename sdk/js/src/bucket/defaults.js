/**
 * The parameters shared by every key without its own, and how they change under all of them at once.
 *
 * All these keys stand on one line: what is refilled runs on at the new refill rate from the moment of a change, and the
 * cap of every past change binds all keys alike, so one number carries it: the level of an imaginary key that has been
 * idle from the beginning. An unseen key *is* that idle key. So raising the defaults hands no full bucket to made-up
 * keys, and forgetting an idle key changes nothing. Visiting every key at every change would stop the event loop.
 */

import { least } from './core.js';

/** @typedef {import('./law.js').Law} Law */

/** The line of all keys at the defaults. */
export class Defaults {
  #offset = 0n;
  #sinceNs = 0n;
  /** @type {bigint} */ #idleLevel;

  /** @param {Law} law */
  constructor(law) {
    this.law = law;
    this.#idleLevel = law.capacity;
  }

  /** @param {bigint} nowNs */
  refilled(nowNs) {
    return this.law.refilled(nowNs) + this.#offset;
  }

  /**
   * What the idle key holds: no key at the defaults holds more.
   * @param {bigint} nowNs
   */
  idle(nowNs) {
    if (this.#idleLevel === this.law.capacity) return this.law.capacity;
    const gained = this.law.refilled(nowNs) - this.law.refilled(this.#sinceNs);
    return least(this.#idleLevel + (gained > 0n ? gained : 0n), this.law.capacity);
  }

  /**
   * Units of a key at `position`; one without a position is the idle key.
   * @param {bigint | undefined} position
   * @param {bigint} nowNs
   */
  level(position, nowNs) {
    const idle = this.idle(nowNs);
    return position === undefined ? idle : least(this.refilled(nowNs) - position, idle);
  }

  /**
   * Puts other defaults in force for every key, seen or unseen.
   * @param {Law} law
   * @param {bigint} nowNs
   */
  change(law, nowNs) {
    // A clock that went back must not grant the time since the last change twice.
    const atNs = nowNs > this.#sinceNs ? nowNs : this.#sinceNs;
    const [refilled, idle] = [this.refilled(atNs), this.idle(atNs)];
    this.#offset = refilled - law.refilled(atNs);
    this.#idleLevel = least(idle, law.capacity);
    this.#sinceNs = atNs;
    this.law = law;
  }
}
