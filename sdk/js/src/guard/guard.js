/**
 * A cap on requests in flight that refuses the greedy first.
 *
 * Buckets bound what users send; only what is in flight tells that the service has stopped keeping up, and no answer from
 * an edge is fast enough for that. So the cap is local, moved ten times a second by how fast requests end. A bare cap
 * would be first come, first served: here a full guard still lets in those who hold less than an equal share of what is
 * in flight, into a reserve of a fifth above the cap.
 *
 * Shares are counted exactly, in a map that holds no more users than there are requests in flight. (The Rust guard has a
 * sketch instead, because it may not lock.) The guard against stalls is Rust's alone: in one thread, a pause of the
 * program's own looks like one of its work.
 */

import { ThroughputMeter, capOf, ceilingOf } from './law.js';
import { GuardTimes } from './times.js';

/** @typedef {import('../collector/counters.js').Context} Context */
/** @typedef {import('./times.js').GuardAnswer} GuardAnswer */

/** Why a request may not enter. @typedef {{ entered: false, inFlight: number, cap: number, retryAfterMs: number }} Full */

/** Time between two moves of the cap. */
const MOVE_MS = 100;
/** How long a lateness keeps the floor low. */
const LATE_MS = 1000;
/** A request that finds no more than these in flight takes as long as one does that waits for nobody. */
const UNLOADED_OTHERS_MAX = 1;
/** How far each such request moves the median of their times. */
const UNLOADED_STEP = 1.1;
/** The least that the median falls to, as a share of the SLO: below it makes no difference, and the way back is long. */
const UNLOADED_MIN_OF_SLO = 0.03;
/** W is at least so many times that median, for a shorter one starves a service that is merely slow. */
const UNLOADED_TIMES = 1.5;

/** A request in flight. */
export class Place {
  /** @readonly @type {true} */ entered = true;
  /** @type {((ending: { shows: boolean, served: boolean }, nowMs: number) => void) | undefined} */ #leave;

  /** @param {(ending: { shows: boolean, served: boolean }, nowMs: number) => void} leave */
  constructor(leave) {
    this.#leave = leave;
  }

  /**
   * Ends the request; only the first end counts.
   * @param {boolean} [served] whether it was done as asked
   * @param {number} [nowMs]
   */
  leave(served = true, nowMs = performance.now()) {
    this.#end({ shows: true, served }, nowMs);
  }

  /**
   * Ends a request for which no work was done, such as one that its user's bucket refused: it says nothing of how fast
   * work leaves.
   * @param {number} [nowMs]
   */
  withdraw(nowMs = performance.now()) {
    this.#end({ shows: false, served: false }, nowMs);
  }

  /** @param {{ shows: boolean, served: boolean }} ending @param {number} nowMs */
  #end(ending, nowMs) {
    const leave = this.#leave;
    this.#leave = undefined;
    leave?.(ending, nowMs);
  }
}

/** Counts requests in flight against a cap that follows from how fast they end. Times are ms since any fixed origin. */
export class InFlightGuard {
  #enabled;
  #times;
  #meter = new ThroughputMeter();
  #inFlight = 0;
  /** Requests in flight by user. @type {Map<string, number>} */ #held = new Map();
  #ended = 0;
  #lateMs = -Infinity;
  #late = false;
  /** @type {number | undefined} */ #movedMs;
  /** Median time of requests that waited for nobody. Begins low: the slow first requests of a process say little. */
  #unloadedMs;
  #unloadedMinMs;

  /** Requests refused so far. */
  refused = 0;

  /**
   * @param {{ sloMs?: number, enabled?: boolean }} [options] the latency that requests should keep, 200 ms by default;
   * where not `enabled`, everybody enters and is counted.
   * @throws {RangeError} where the SLO is no time.
   */
  constructor({ sloMs = 200, enabled = true } = {}) {
    if (!(sloMs > 0 && sloMs < Infinity)) throw new RangeError(`sloMs is ${sloMs}; it must be a number above 0`);
    this.#enabled = enabled;
    this.#times = new GuardTimes(sloMs);
    this.#unloadedMinMs = sloMs * UNLOADED_MIN_OF_SLO;
    this.#unloadedMs = this.#unloadedMinMs;
  }

  /**
   * Lets one request of the user in, or says why not.
   * @param {string} user
   * @param {{ context?: Context, nowMs?: number }} [options]
   * @returns {Place | Full}
   */
  enter(user, { context, nowMs = performance.now() } = {}) {
    this.#move(nowMs);
    const cap = this.#capFor(this.#times.of(context));
    const [before, held] = [this.#inFlight, this.#held.get(user) ?? 0];
    if (before >= cap && (before >= ceilingOf(cap) || held * Math.max(this.#held.size, 1) >= Math.max(before, 1))) {
      this.refused += 1;
      return { entered: false, inFlight: before, cap, retryAfterMs: this.#lasting(this.#times.guardMs) };
    }
    this.#inFlight += 1;
    this.#held.set(user, held + 1);
    return new Place((ending, endMs) => this.#leave(user, ending, before, endMs - nowMs, endMs));
  }

  /**
   * Follows the edge's answer to a batch until `untilMs`; without a time in it, everybody enters.
   * @param {GuardAnswer} answer
   * @param {number} untilMs
   * @param {number} [nowMs]
   * @returns {boolean} false where its `guardMs` is no time, and changes nothing.
   */
  follow(answer, untilMs, nowMs = performance.now()) {
    this.#move(nowMs);
    return this.#times.lease(answer, untilMs);
  }

  /**
   * The same for the answer to a single event, which may say nothing of guards: then nothing changes.
   * @param {GuardAnswer} answer
   * @param {number} untilMs
   * @param {number} [nowMs]
   */
  followSingle(answer, untilMs, nowMs = performance.now()) {
    this.#move(nowMs);
    return this.#times.leaseSingle(answer, untilMs);
  }

  /**
   * How things stand; `guardMs` and `cap` are Infinity while everybody enters.
   * @param {number} [nowMs]
   */
  status(nowMs = performance.now()) {
    this.#move(nowMs);
    const { guardMs } = this.#times;
    return {
      inFlight: this.#inFlight,
      guardMs: this.#enabled ? this.#lasting(guardMs) : Infinity,
      cap: this.#capFor(guardMs),
      refused: this.refused,
    };
  }

  /** @param {number} guardMs */
  #capFor(guardMs) {
    if (!this.#enabled || guardMs === Infinity) return Infinity;
    return capOf(this.#lasting(guardMs), this.#meter.throughput, this.#late);
  }

  /** A guard time as it is obeyed: no shorter than what a service needs that nobody waits for. @param {number} guardMs */
  #lasting(guardMs) {
    return Math.max(guardMs, UNLOADED_TIMES * this.#unloadedMs);
  }

  /**
   * @param {string} user
   * @param {{ shows: boolean, served: boolean }} ending
   * @param {number} others in flight when it entered
   * @param {number} tookMs
   * @param {number} nowMs
   */
  #leave(user, { shows, served }, others, tookMs, nowMs) {
    this.#move(nowMs);
    this.#inFlight -= 1;
    const held = (this.#held.get(user) ?? 1) - 1;
    if (held > 0) this.#held.set(user, held);
    else this.#held.delete(user);
    if (!shows) return;
    this.#ended += 1;
    if (tookMs > this.#lasting(this.#times.guardMs)) this.#lateMs = nowMs;
    if (served && others <= UNLOADED_OTHERS_MAX) {
      const step = tookMs > this.#unloadedMs ? UNLOADED_STEP : 1 / UNLOADED_STEP;
      this.#unloadedMs = Math.max(this.#unloadedMs * step, this.#unloadedMinMs);
    }
  }

  /**
   * Takes stock where it is time to. With whatever happens rather than by a timer: nothing is to be stopped, and while
   * nothing happens nobody asks.
   * @param {number} nowMs
   */
  #move(nowMs) {
    this.#movedMs ??= nowMs;
    this.#late = nowMs - this.#lateMs < LATE_MS;
    const sinceMs = nowMs - this.#movedMs;
    if (sinceMs < MOVE_MS) return;
    this.#times.lapse(nowMs);
    this.#meter.advance(this.#ended, sinceMs / 1e3);
    this.#ended = 0;
    this.#movedMs = nowMs;
  }
}
