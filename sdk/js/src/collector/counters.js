/**
 * Cumulative counters: of everything, and of every user.
 *
 * They are moved when a rating is offered, not derived from queued events, so that an event dropped under pressure, or a
 * batch that is lost, loses no count: the next batch carries the sums again.
 */

import { Rounds } from '../rounds.js';

/** @typedef {{ deviceType?: string, networkQuality?: string, region?: string }} Context */
/** @typedef {{ userId: string, attempts: number, throttled: number, context?: Context }} UserCounts */
/** @typedef {{ attempts: number, accepted: number, throttled: number, completed: number, failed: number }} Totals */

/** @typedef {{ attempts: number, throttled: number, context?: Context, drained: boolean, seenMs: number }} User */

/** Counters of one collector. */
export class Counters {
  #totals = { accepted: 0, throttled: 0, completed: 0, failed: 0 };
  /** @type {Map<string, User>} */ #users = new Map();
  /** Active since the last drain. @type {Set<string>} */ #active = new Set();
  #usersMax;
  #rounds = new Rounds(this.#users);

  /** Attempts of users who found no room: counted in the totals only. */
  untracked = 0;

  /** @param {number} usersMax */
  constructor(usersMax) {
    this.#usersMax = usersMax;
  }

  /** Users counted. */
  get users() {
    return this.#users.size;
  }

  /**
   * Counts one attempt.
   * @param {string} userId
   * @param {boolean} accepted
   * @param {Context | undefined} context
   * @param {number} nowMs
   */
  attempt(userId, accepted, context, nowMs) {
    this.#totals[accepted ? 'accepted' : 'throttled'] += 1;
    let user = this.#users.get(userId);
    if (!user) {
      if (this.#users.size >= this.#usersMax) {
        this.untracked += 1;
        return;
      }
      user = { attempts: 0, throttled: 0, drained: false, seenMs: nowMs };
      this.#users.set(userId, user);
    }
    user.attempts += 1;
    user.throttled += accepted ? 0 : 1;
    user.seenMs = nowMs;
    if (context) user.context = context;
    this.#active.add(userId);
  }

  /**
   * Counts the end of an accepted attempt.
   * @param {boolean} completed
   */
  ended(completed) {
    this.#totals[completed ? 'completed' : 'failed'] += 1;
  }

  /** @returns {Totals} */
  totals() {
    const { accepted, throttled, completed, failed } = this.#totals;
    return { attempts: accepted + throttled, accepted, throttled, completed, failed };
  }

  /**
   * The counters of everyone active since the last drain.
   *
   * A user who was forgotten and came back counts from zero, but cumulative counters never fall: what `undelivered` has
   * of it the edge has not heard of, and is added.
   * @param {(userId: string) => UserCounts | undefined} undelivered
   * @returns {UserCounts[]}
   */
  drain(undelivered) {
    const drained = [];
    for (const userId of this.#active) {
      const user = this.#users.get(userId);
      if (!user) continue;
      const before = user.drained ? undefined : undelivered(userId);
      user.drained = true;
      user.attempts += before?.attempts ?? 0;
      user.throttled += before?.throttled ?? 0;
      const { attempts, throttled, context } = user;
      drained.push({ userId, attempts, throttled, ...(context && { context }) });
    }
    this.#active.clear();
    return drained;
  }

  /**
   * Looks at the next `users` users and forgets those idle for `idleMs`.
   * @param {number} users
   * @param {number} idleMs
   * @param {number} nowMs
   */
  sweep(users, idleMs, nowMs) {
    for (const [userId, user] of this.#rounds.next(users)) {
      if (!this.#active.has(userId) && nowMs - user.seenMs >= idleMs) this.#users.delete(userId);
    }
  }
}
