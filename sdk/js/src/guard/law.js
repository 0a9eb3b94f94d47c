/**
 * The in-flight guard's law: how much work may be in flight, from how fast it leaves.
 *
 * By Little's law, work in flight divided by throughput is the time that the newest arrival will take. The edge says how
 * long that may be (W); the service, which sees every end at once, turns W into a number of requests. Constant for
 * constant it is the law of the Rust crate `openclaw-controller`; `sdk/conformance/guard.json` holds them together.
 */

/** Time constants of the throughput: two means, and a maximum that fades. In seconds. */
const FAST_S = 0.25;
const SLOW_S = 2.5;
const PEAK_S = 30;
/** Share of the fast throughput in what counts; the slow one has the rest. */
const FAST_SHARE = 0.71;
/** Requests always allowed, even when the throughput has fallen to nothing. */
const FLOOR = 2;
/** Requests allowed while nothing is late: a burst that finds an idle service must not be refused for its idleness. */
const FLOOR_IN_TIME = 16;
/** Share of what the peak would allow that is allowed always. */
const PEAK_SHARE = 0.02;

/**
 * Requests that end per second, averaged over 0.25 s and 2.5 s, and the highest slow mean, fading over 30 s.
 * @typedef {{ fastPerS: number, slowPerS: number, peakPerS: number }} Throughput
 */

/** Exponentially weighted mean of a count per second; weighs each sample by the time that it covers. */
class RateFilter {
  #tauS;
  #weighted = 0;
  #weight = 0;

  /** @param {number} tauS */
  constructor(tauS) {
    this.#tauS = tauS;
  }

  /** @param {number} count @param {number} intervalS */
  add(count, intervalS) {
    const share = 1 - Math.exp(-intervalS / this.#tauS);
    this.#weighted += share * (count / intervalS - this.#weighted);
    this.#weight += share * (1 - this.#weight);
  }

  /** Divided by the weight so far, so that the first samples count in full. */
  get perS() {
    return this.#weight > 0 ? this.#weighted / this.#weight : 0;
  }
}

/** Turns counts of ended requests into a throughput. */
export class ThroughputMeter {
  #fast = new RateFilter(FAST_S);
  #slow = new RateFilter(SLOW_S);
  #peakPerS = 0;

  /**
   * Takes how many requests ended in the last `intervalS` seconds.
   * @param {number} ended
   * @param {number} intervalS
   */
  advance(ended, intervalS) {
    if (!(intervalS > 0)) return;
    this.#fast.add(ended, intervalS);
    this.#slow.add(ended, intervalS);
    this.#peakPerS = Math.max(this.#peakPerS * Math.exp(-intervalS / PEAK_S), this.#slow.perS);
  }

  /** @returns {Throughput} */
  get throughput() {
    return { fastPerS: this.#fast.perS, slowPerS: this.#slow.perS, peakPerS: this.#peakPerS };
  }
}

/**
 * Requests that may be in flight.
 * @param {number} guardMs W
 * @param {Throughput} throughput
 * @param {boolean} late whether a request that took longer than W has ended within the last second
 */
export function capOf(guardMs, { fastPerS, slowPerS, peakPerS }, late) {
  const guardS = guardMs / 1e3;
  const perS = FAST_SHARE * fastPerS + (1 - FAST_SHARE) * slowPerS;
  return Math.round(Math.max(guardS * perS, PEAK_SHARE * peakPerS * guardS, late ? FLOOR : FLOOR_IN_TIME));
}

/** The number in flight at which nobody enters: a fifth above the cap, and at least one. @param {number} cap */
export function ceilingOf(cap) {
  return cap + Math.max(Math.floor(cap / 5), 1);
}
