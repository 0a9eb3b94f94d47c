/**
 * Puts the control loop before a service: admits by what is in flight and by its users' buckets, counts, reports to the edge, applies its answers.
 *
 * Nothing here ever waits on a request's path: admission is arithmetic, events go to a bounded queue, and a timer posts
 * what has gathered ten times a second. While the edge is away the leases lapse and limits move to the safe values.
 */

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';

import { Backoff } from '../backoff.js';
import { LeasedBuckets } from '../bucket/leases.js';
import { InFlightGuard } from '../guard/guard.js';
import { Counters } from './counters.js';
import { Delivery, DeliveryError, shown } from './delivery.js';
import { eventEndpoint } from './endpoint.js';
import { Outbox } from './outbox.js';
import { checkedEvent, userIdOf } from './rating.js';
import { checkedSettings } from './settings.js';

/** @typedef {import('./settings.js').CollectorOptions} CollectorOptions */
/** @typedef {import('./settings.js').CollectorSettings} CollectorSettings */
/** @typedef {import('./outbox.js').RatingEvent} RatingEvent */
/** @typedef {import('./outbox.js').EventBatch} EventBatch */
/** @typedef {import('./counters.js').Context} Context */
/** @typedef {import('../bucket/keyed.js').KeyedDecision} KeyedDecision */

/** Longest time that `close` gives the last delivery: a service that ends must end. */
const LAST_DELIVERY_MS = 5000;
/** Single events posted per flush at most, where the edge takes no batches: each is a round trip. */
const SINGLES_PER_FLUSH = 100;
/** Users, leases and buckets looked over per flush for what can be forgotten. */
const SWEPT_PER_FLUSH = 1000;
/** Counters outlive leases this many times over: the edge must be the first to forget a user. */
const COUNTERS_KEPT_TTLS = 3;

/**
 * A running collector.
 *
 * Emits `'error'` with what went wrong, once per outage of the edge and for every rating that is none, but only where
 * somebody listens; `'recovered'` when the edge answers again, and `'answer'` after every answer that was applied.
 */
export class Collector extends EventEmitter {
  /** @type {CollectorSettings} */ #settings;
  #info;
  #buckets;
  #guard;
  #counters;
  #outbox;
  #delivery;
  #backoff = new Backoff();
  #timer;
  /** The delivery under way. @type {Promise<void> | undefined} */ #delivering;
  #pauseUntilMs = -Infinity;
  #inFlight = 0;
  #numbered = 0;
  #closed = false;
  /** Whether this collector admits: then admission counts the attempts, and ratings only make events. */
  #admits = false;
  #delivered = 0;
  #rejected = 0;
  #invalid = 0;
  /** @type {string | undefined} */ #edgeError;
  /** @type {string | undefined} */ #policyVersion;

  /**
   * @param {CollectorOptions} [options]
   * @throws {TypeError | RangeError} where an option makes no sense; the message says which and why.
   */
  constructor(options = {}) {
    super();
    const settings = checkedSettings(options);
    this.#settings = settings;
    const name = settings.service.slice(0, 16);
    const id = `${name}-${process.pid}-${randomBytes(8).toString('hex')}`;
    this.#info = { id, service: settings.service, epoch: Date.now() };
    this.#buckets = new LeasedBuckets({ ...settings, ttlMsMin: 2 * settings.flushIntervalMs });
    this.#guard = new InFlightGuard({ sloMs: settings.sloMs, enabled: settings.guard });
    this.#counters = new Counters(settings.usersMax);
    this.#outbox = new Outbox(settings);
    const { token, timeoutMs } = settings;
    this.#delivery = new Delivery({ ...eventEndpoint(settings.eventEndpoint), token, timeoutMs });
    this.#timer = setInterval(() => this.#flush(), settings.flushIntervalMs);
    // Limits are no reason to keep a process alive that has nothing else to do.
    this.#timer.unref();
  }

  /** What users get in quiet times; less than that is called a reduced capacity. */
  get usual() {
    return this.#settings.safe;
  }

  /**
   * Asks the in-flight guard for one request, before its user's bucket is asked for what is in it. Whoever enters must
   * `leave` at the request's end; a refusal is counted as an attempt.
   * @param {string} userId
   * @param {Context} [context]
   * @returns {import('../guard/guard.js').Place | import('../guard/guard.js').Full}
   */
  enter(userId, context = undefined) {
    this.#admits = true;
    const nowMs = performance.now();
    const user = userIdOf(userId);
    const place = this.#guard.enter(user, { context, nowMs });
    if (!place.entered) this.#counters.attempt(user, false, context, nowMs);
    return place;
  }

  /**
   * Takes `cost` tokens of the user's bucket and counts the attempt. Whatever was allowed must be told to `finished`
   * when it has ended.
   * @param {string} userId
   * @param {number} [cost] tokens; one is a rating
   * @param {Context} [context]
   * @returns {KeyedDecision}
   */
  decide(userId, cost = 1, context = undefined) {
    this.#admits = true;
    const nowMs = performance.now();
    const user = userIdOf(userId);
    const decision = this.#buckets.decide(user, cost, nowMs);
    this.#counters.attempt(user, decision.allowed, context, nowMs);
    if (decision.allowed) this.#inFlight += 1;
    return decision;
  }

  /**
   * Tells that something that `decide` had allowed has ended.
   * @param {boolean} completed whether it was done as asked
   */
  finished(completed) {
    this.#inFlight = Math.max(this.#inFlight - 1, 0);
    this.#counters.ended(completed);
  }

  /**
   * The same as `decide` for those who ask a bucket only whether to go on: counts the attempt as completed at once.
   * @param {string} userId
   * @param {number} [cost]
   */
  tryConsume(userId, cost = 1) {
    const { allowed } = this.decide(userId, cost);
    if (allowed) this.finished(true);
    return allowed;
  }

  /**
   * Queues a rating as an event. Where this collector does not admit, it is counted as an attempt that was accepted and
   * completed. Never throws and never waits: what is no rating is counted as invalid.
   * @param {Partial<RatingEvent>} rating
   * @returns {boolean} whether it was a rating.
   */
  send(rating) {
    let event;
    try {
      event = checkedEvent(rating, Date.now());
    } catch (error) {
      this.#invalid += 1;
      this.#tell('error', error);
      return false;
    }
    if (!this.#admits) {
      this.#counters.attempt(event.userId, true, event.context, performance.now());
      this.#counters.ended(true);
    }
    this.#numbered += 1;
    event.eventId ??= `${this.#info.id}-${this.#numbered}`;
    this.#outbox.push(event);
    if (this.#closed) this.#outbox.abandon();
    return true;
  }

  /**
   * A user's parameters as they stand.
   * @param {string} userId
   */
  policy(userId) {
    return this.#buckets.peek(userIdOf(userId), performance.now());
  }

  /** The collector's state, for dashboards and tests. */
  status() {
    const nowMs = performance.now();
    const holds = this.#buckets.edgeHolds(nowMs);
    return {
      ...this.#info,
      controlledBy: holds ? 'edge' : 'safe-values',
      policyVersion: holds ? this.#policyVersion : undefined,
      leases: this.#buckets.leases,
      inFlight: this.#inFlight,
      guard: this.#guard.status(nowMs),
      eventsWaiting: this.#outbox.waiting,
      eventsDelivered: this.#delivered,
      eventsRejected: this.#rejected,
      eventsDropped: this.#outbox.dropped,
      ratingsInvalid: this.#invalid,
      policiesRefused: this.#buckets.refused,
      edgeError: this.#edgeError,
      totals: this.#counters.totals(),
    };
  }

  /**
   * Delivers what waits and ends, within little more than five seconds whatever the edge does. What is left is counted
   * as dropped.
   * @returns {Promise<void>}
   */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    /** @type {NodeJS.Timeout | undefined} */ let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, LAST_DELIVERY_MS);
    });
    await Promise.race([this.#deliverTheRest(), late]);
    clearTimeout(timer);
    this.#delivery.close();
    this.#outbox.abandon();
  }

  /** One heartbeat: hands over what has gathered and forgets what can be forgotten. */
  #flush() {
    const nowMs = performance.now();
    this.#gather();
    this.#buckets.sweep(SWEPT_PER_FLUSH, nowMs);
    this.#counters.sweep(SWEPT_PER_FLUSH, COUNTERS_KEPT_TTLS * this.#settings.ttlMs, nowMs);
    if (!this.#delivering && nowMs >= this.#pauseUntilMs) {
      this.#delivering = this.#deliverAndPause().finally(() => {
        this.#delivering = undefined;
      });
    }
  }

  #gather() {
    this.#outbox.fill(this.#counters.drain((userId) => this.#outbox.pending(userId)));
  }

  async #deliverAndPause() {
    try {
      await this.#deliver();
      this.#backoff.succeeded();
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
      const { retryAfterMs } = /** @type {{ retryAfterMs?: number }} */ (error);
      this.#pauseUntilMs = performance.now() + this.#backoff.failed(Math.random(), retryAfterMs);
    }
  }

  async #deliverTheRest() {
    await this.#delivering;
    this.#gather();
    try {
      do await this.#deliver();
      while (!this.#outbox.isEmpty);
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
    }
  }

  /** Posts what waits, in as many batches as it takes; what fills no batch waits for the next flush. */
  async #deliver() {
    do {
      const batch = this.#outbox.nextBatch(this.#info, this.#inFlight, this.#counters.totals());
      const sentMs = performance.now();
      let answer;
      try {
        answer = await this.#delivery.postBatch(batch, sentMs);
      } catch (error) {
        this.#undelivered(batch, error);
        throw error;
      }
      if (!answer) return this.#deliverSingles(batch);
      this.#apply(answer, batch, sentMs);
    } while (this.#outbox.fillsABatch);
    return undefined;
  }

  /**
   * @param {import('./delivery.js').BatchAnswer} answer
   * @param {EventBatch} batch
   * @param {number} sentMs
   */
  #apply(answer, batch, sentMs) {
    const nowMs = performance.now();
    const rejected = Math.min(answer.rejected?.length ?? 0, batch.events.length);
    this.#outbox.done(batch.events.length);
    this.#outbox.succeeded(nowMs - sentMs);
    this.#rejected += rejected;
    const asked = new Set([...(batch.users ?? []), ...batch.events].map(({ userId }) => userId));
    const untilMs = this.#buckets.apply(answer, asked, nowMs);
    if (!this.#guard.follow(answer, untilMs, nowMs)) this.#buckets.refused += 1;
    this.#policyVersion = shown(answer.policyVersion);
    this.#succeeded(batch.events.length - rejected);
  }

  /** A batch that did not arrive waits again; one that will never be taken is made smaller or given up. @param {EventBatch} batch @param {unknown} error */
  #undelivered(batch, error) {
    const failure = error instanceof DeliveryError ? error : undefined;
    const smaller = failure?.isTooLarge && this.#outbox.halve();
    if (failure?.isFinal && !smaller) {
      // The counters in it are cumulative, and come again with their users.
      this.#outbox.giveUp(batch.events.length);
    } else {
      this.#outbox.putBack(batch.events, batch.users ?? []);
    }
  }

  /** Posts events one by one, for an edge that knows no batches. @param {EventBatch} batch */
  async #deliverSingles(batch) {
    // Such an edge has no use for counters.
    this.#outbox.putBack(batch.events.splice(SINGLES_PER_FLUSH), []);
    while (batch.events.length > 0) {
      const event = batch.events[0];
      try {
        const answer = await this.#delivery.postSingle({ ...event, inFlight: batch.inFlight });
        batch.events.shift();
        this.#outbox.done(1);
        const nowMs = performance.now();
        const untilMs = this.#buckets.applySingle(event.userId, answer, nowMs);
        if (!this.#guard.followSingle(answer, untilMs, nowMs)) this.#buckets.refused += 1;
        this.#policyVersion = answer.policyVersion === undefined ? undefined : shown(String(answer.policyVersion));
        this.#succeeded(1);
      } catch (error) {
        if (!(error instanceof DeliveryError && error.isFinal)) {
          this.#outbox.putBack(batch.events, []);
          throw error;
        }
        batch.events.shift();
        this.#outbox.giveUp(1);
        this.#failed(error);
      }
    }
  }

  /** @param {number} events */
  #succeeded(events) {
    this.#delivered += events;
    const recovered = this.#edgeError !== undefined;
    this.#edgeError = undefined;
    if (recovered) this.#tell('recovered');
    this.#tell('answer');
  }

  /** @param {Error} error */
  #failed(error) {
    const first = this.#edgeError === undefined;
    this.#edgeError = error.message;
    if (first) this.#tell('error', error);
  }

  /**
   * Emits once the collector's own work is done: what a listener throws is the listener's fault, and must look like it.
   * @param {string} event
   * @param {unknown} [body]
   */
  #tell(event, body = undefined) {
    // An 'error' that nobody listens to would end the process.
    if (this.listenerCount(event) > 0) process.nextTick(() => this.emit(event, body));
  }
}

/**
 * Reports every `'rating'` event of an emitter to the edge and keeps its users' buckets.
 * @param {{ on(event: 'rating', listener: (rating: any) => void): unknown }} openClaw
 * @param {CollectorOptions} [options]
 * @returns {Collector}
 */
export function registerCollector(openClaw, options = {}) {
  const collector = new Collector(options);
  openClaw.on('rating', (rating) => {
    collector.send(rating);
  });
  return collector;
}
