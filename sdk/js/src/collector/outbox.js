/**
 * What waits for delivery: events in order, and the newest counters of every user that the edge has not heard of.
 *
 * Bounded on both sides: the oldest give way, and every event that does is counted.
 */

/** @typedef {import('./counters.js').UserCounts} UserCounts */
/** @typedef {import('./counters.js').Totals} Totals */

/**
 * @typedef {object} RatingEvent
 * @property {string} userId
 * @property {string} itemId
 * @property {number} score
 * @property {number} timestamp ms since the epoch
 * @property {string} [eventId]
 * @property {number} [latencyMs]
 * @property {'accepted' | 'throttled' | 'failed' | 'timeout'} [outcome]
 * @property {number} [inFlight]
 * @property {number} [workMs]
 * @property {Record<string, number>} [dependencyMs]
 * @property {import('./counters.js').Context} [context]
 */

/** @typedef {{ id: string, service: string, epoch: number }} CollectorInfo */

/**
 * @typedef {object} EventBatch
 * @property {CollectorInfo} collector
 * @property {number} seq
 * @property {number} inFlight
 * @property {Totals} totals
 * @property {UserCounts[]} [users]
 * @property {number} [roundTripMs]
 * @property {RatingEvent[]} events
 */

/** Users in one batch at most: all users after an outage in one body would be refused as too large, again and again. */
const USERS_PER_BATCH_MAX = 10_000;
/** Batches delivered after which a size that was halved is tried again. */
const SUCCESSES_TO_GROW = 64;

/** What waits for delivery. */
export class Outbox {
  /** @type {RatingEvent[]} */ #events = [];
  /** @type {Map<string, UserCounts>} */ #users = new Map();
  /** Events handed out and neither taken by the edge nor put back. */
  #underWay = 0;
  #seq = 0;
  #halvings = 0;
  #successes = 0;
  /** @type {number | undefined} */ #roundTripMs;
  #batchMax;
  #eventsMax;
  #usersMax;

  /** Events that gave way or were given up: exact. */
  dropped = 0;

  /** @param {{ batchMax: number, queueMax: number, usersMax: number }} bounds */
  constructor({ batchMax, queueMax, usersMax }) {
    this.#batchMax = batchMax;
    this.#eventsMax = queueMax;
    this.#usersMax = usersMax;
  }

  /** Events not known to be delivered. */
  get waiting() {
    return this.#events.length + this.#underWay;
  }

  get isEmpty() {
    return this.#events.length === 0 && this.#users.size === 0;
  }

  /** Whether what waits fills a batch, so that it should not wait for the next flush. */
  get fillsABatch() {
    return this.#events.length >= this.#eventsPerBatch || this.#users.size >= this.#usersPerBatch;
  }

  /**
   * Counters of a user that the edge has not heard of yet.
   * @param {string} userId
   */
  pending(userId) {
    return this.#users.get(userId);
  }

  /** @param {RatingEvent} event */
  push(event) {
    this.#events.push(event);
    if (this.#events.length > this.#eventsMax) this.#bound();
  }

  /** @param {UserCounts[]} users */
  fill(users) {
    for (const user of users) this.#users.set(user.userId, user);
    this.#bound();
  }

  /**
   * The next batch: what came first, as much as one may hold.
   * @param {CollectorInfo} collector
   * @param {number} inFlight
   * @param {Totals} totals
   * @returns {EventBatch}
   */
  nextBatch(collector, inFlight, totals) {
    this.#seq += 1;
    const users = [...first(this.#users.values(), this.#usersPerBatch)];
    for (const { userId } of users) this.#users.delete(userId);
    const events = this.#events.splice(0, this.#eventsPerBatch);
    this.#underWay += events.length;
    const roundTripMs = this.#roundTripMs;
    return {
      collector,
      seq: this.#seq,
      inFlight,
      totals,
      ...(users.length > 0 && { users }),
      ...(roundTripMs !== undefined && { roundTripMs }),
      events,
    };
  }

  /**
   * The edge has taken so many events.
   * @param {number} events
   */
  done(events) {
    this.#underWay -= events;
  }

  /**
   * So many events are given up: the edge will never take them.
   * @param {number} events
   */
  giveUp(events) {
    this.#underWay -= events;
    this.dropped += events;
  }

  /**
   * A batch was answered.
   * @param {number} roundTripMs
   */
  succeeded(roundTripMs) {
    this.#roundTripMs = roundTripMs;
    this.#successes += 1;
    if (this.#successes >= SUCCESSES_TO_GROW) {
      this.#halvings = Math.max(this.#halvings - 1, 0);
      this.#successes = 0;
    }
  }

  /** A batch was too large for the edge. @returns {boolean} whether it can be made smaller. */
  halve() {
    this.#successes = 0;
    const can = this.#eventsPerBatch > 1 || this.#usersPerBatch > 1;
    this.#halvings += can ? 1 : 0;
    return can;
  }

  /**
   * Takes back what did not arrive.
   * @param {RatingEvent[]} events
   * @param {UserCounts[]} users
   */
  putBack(events, users) {
    this.#underWay -= events.length;
    this.#events = [...events, ...this.#events];
    for (const user of users) {
      const known = this.#users.get(user.userId) ?? user;
      // Counters only rise: where both are known, the higher is the newer.
      const attempts = Math.max(known.attempts, user.attempts);
      this.#users.set(user.userId, { ...known, attempts, throttled: Math.max(known.throttled, user.throttled) });
    }
    this.#bound();
  }

  /** Gives up all that waits. @returns {number} how many events were not known to be delivered. */
  abandon() {
    const { waiting } = this;
    this.dropped += waiting;
    this.#events = [];
    this.#underWay = 0;
    return waiting;
  }

  get #eventsPerBatch() {
    return Math.max(Math.floor(this.#batchMax / 2 ** this.#halvings), 1);
  }

  get #usersPerBatch() {
    return Math.max(Math.floor(Math.max(USERS_PER_BATCH_MAX, this.#batchMax) / 2 ** this.#halvings), 1);
  }

  /** The oldest give way. Counters that do are not lost for users who come again: they are cumulative. */
  #bound() {
    const excess = this.#events.length - this.#eventsMax;
    if (excess === 1) this.#events.shift();
    else if (excess > 1) this.#events.splice(0, excess);
    this.dropped += Math.max(excess, 0);
    for (const userId of first(this.#users.keys(), this.#users.size - this.#usersMax)) this.#users.delete(userId);
  }
}

/**
 * The first `count` of an iteration.
 * @template T
 * @param {Iterable<T>} items
 * @param {number} count
 */
function* first(items, count) {
  let given = 0;
  for (const item of items) {
    if (given >= count) return;
    given += 1;
    yield item;
  }
}
