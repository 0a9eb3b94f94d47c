/**
 * The guard times that hold: what the edge leased, or half the SLO where no lease holds.
 *
 * They come with the answers that also carry the buckets' parameters. A common time stands for all requests; classes of
 * circumstances may have shorter ones. An edge that answers without one leaves the guard open, as its controllers may.
 */

/** @typedef {import('../collector/counters.js').Context} Context */
/** @typedef {{ guardMs?: number | null, classes?: { context?: Context, guardMs: number }[] | null }} GuardAnswer */

/** The shortest guard time that is obeyed, as a share of the SLO, and the longest, in ms. */
const MIN_OF_SLO = 0.05;
const GUARD_MS_MAX = 3_600_000;
/** Classes told apart at most. */
const CLASSES_MAX = 8;

/** Guard times by lease. Times are milliseconds since any fixed origin. */
export class GuardTimes {
  /** The common time; Infinity leaves the guard open. */
  guardMs;
  #ownMs;
  #leastMs;
  #untilMs = -Infinity;
  /** @type {Map<string, number>} */ #classes = new Map();

  /** @param {number} sloMs */
  constructor(sloMs) {
    this.#ownMs = sloMs / 2;
    this.#leastMs = Math.min(sloMs * MIN_OF_SLO, GUARD_MS_MAX);
    this.guardMs = this.#ownMs;
  }

  /**
   * Applies the edge's answer to a batch.
   * @param {GuardAnswer} answer
   * @param {number} untilMs
   * @returns {boolean} whether the common time could be used; what else there is holds all the same.
   */
  lease({ guardMs, classes }, untilMs) {
    const usable = guardMs === undefined || guardMs === null || (typeof guardMs === 'number' && guardMs > 0);
    if (usable) {
      this.guardMs = typeof guardMs === 'number' ? this.#within(guardMs) : Infinity;
      this.#untilMs = untilMs;
    }
    this.#classes.clear();
    for (const entry of Array.isArray(classes) ? classes.slice(0, CLASSES_MAX) : []) {
      const ms = entry?.guardMs;
      if (typeof ms === 'number' && ms > 0 && ms < Infinity) this.#classes.set(nameOf(entry.context), this.#within(ms));
    }
    return usable;
  }

  /**
   * Applies the edge's answer to a single event, which may say nothing of guards: then nothing changes.
   * @param {GuardAnswer} answer
   * @param {number} untilMs
   */
  leaseSingle({ guardMs }, untilMs) {
    return guardMs === undefined || guardMs === null || this.lease({ guardMs }, untilMs);
  }

  /** Lets what has lapsed go. @param {number} nowMs */
  lapse(nowMs) {
    if (nowMs < this.#untilMs) return;
    this.guardMs = this.#ownMs;
    this.#classes.clear();
  }

  /**
   * The time of requests in these circumstances; never longer than the common one.
   * @param {Context | undefined} context
   */
  of(context) {
    if (this.#classes.size === 0) return this.guardMs;
    // Whose class has no time of its own counts as plain, whose class has no circumstances.
    const own = this.#classes.get(nameOf(context)) ?? this.#classes.get(PLAIN);
    return Math.min(own ?? Infinity, this.guardMs);
  }

  /** @param {number} ms */
  #within(ms) {
    return Math.min(Math.max(ms, this.#leastMs), GUARD_MS_MAX);
  }
}

/** @param {Context | null | undefined} context */
function nameOf(context) {
  const { deviceType, networkQuality, region } = context ?? {};
  return JSON.stringify([deviceType ?? '', networkQuality ?? '', region ?? '']);
}

const PLAIN = nameOf(undefined);
