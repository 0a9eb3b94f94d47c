/**
 * One token bucket without a key, whose parameters may change at any moment without minting a token.
 */

import { Core, allowed, limited } from './core.js';
import { Law, costUnits, nanosecondsOf, tokens } from './law.js';

/** @typedef {import('./law.js').BucketPolicy} BucketPolicy */
/** @typedef {import('./core.js').Decision} Decision */

/** A token bucket. All times are milliseconds since any fixed origin; by default `performance.now()`. */
export class AdaptiveTokenBucket {
  #core;

  /**
   * A full bucket: `new AdaptiveTokenBucket({ bucketSize: 20, refillRate: 10 })`, or the two numbers in that order.
   * @param {BucketPolicy | number} bucketSize
   * @param {number} [refillRate]
   * @throws {RangeError} where a number is no bucket's; names the field.
   */
  constructor(bucketSize, refillRate) {
    const policy = typeof bucketSize === 'object' ? bucketSize : { bucketSize, refillRate: refillRate ?? NaN };
    this.#core = new Core(new Law(policy));
  }

  /** Capacity in tokens. */
  get bucketSize() {
    return this.#core.law.bucketSize;
  }

  /** Refill rate in tokens per second. */
  get refillRate() {
    return this.#core.law.refillRate;
  }

  /**
   * Takes `cost` tokens, or none. A cost of zero is always allowed; a negative one, or what is no number, never.
   * @param {number} [cost]
   * @param {number} [nowMs]
   * @returns {boolean} whether they were taken.
   */
  tryConsume(cost = 1, nowMs = performance.now()) {
    const units = costUnits(cost);
    if (units === undefined) return false;
    return units === 0n || this.#core.take(units, nanosecondsOf(nowMs));
  }

  /**
   * The same, with everything that a reply needs.
   * @param {number} [cost]
   * @param {number} [nowMs]
   * @returns {Decision}
   */
  decide(cost = 1, nowMs = performance.now()) {
    const nowNs = nanosecondsOf(nowMs);
    const units = costUnits(cost);
    const core = this.#core;
    const taken = units === 0n || (units !== undefined && core.take(units, nowNs));
    return taken ? allowed(core.law, core.level(nowNs)) : limited(core.law, core.level(nowNs), units);
  }

  /**
   * Changes the parameters. What the bucket holds, settled at the old ones, is kept up to the new capacity; nothing
   * is minted, and the next decision is made with the new ones.
   * @param {BucketPolicy} policy
   * @param {number} [nowMs]
   * @throws {RangeError} where a number is no bucket's; the bucket then stays as it was.
   */
  updatePolicy(policy, nowMs = performance.now()) {
    this.#core.change(new Law(policy), nanosecondsOf(nowMs));
  }

  /**
   * Tokens in the bucket; changes nothing.
   * @param {number} [nowMs]
   */
  level(nowMs = performance.now()) {
    return tokens(this.#core.level(nanosecondsOf(nowMs)));
  }
}
