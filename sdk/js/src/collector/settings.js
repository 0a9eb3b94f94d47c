/** How a collector is set up: every option with its default, and all checked before anything starts. */

import { REFILL_RATE_MAX } from '../bucket/law.js';

/** @typedef {import('../bucket/law.js').BucketPolicy} BucketPolicy */

/**
 * @typedef {object} CollectorSettings
 * @property {string} eventEndpoint the single-event URL; the batch URL is derived from it. By default the variable
 * `EVENT_ENDPOINT`, or else the edge on this machine.
 * @property {string} service whose capacity the edge manages; collectors of the same name share it.
 * @property {string | undefined} token bearer token of the role `collector`; by default the variable
 * `OPENCLAW_COLLECTOR_TOKEN`.
 * @property {BucketPolicy & { newcomers?: BucketPolicy }} safe what users get while the edge says nothing: each of them,
 * and all that it does not know together.
 * @property {{ bucketSize: [number, number], refillRate: [number, number] }} bounds least and greatest values, whatever
 * the edge says.
 * @property {number} sloMs latency that requests should keep; while the edge says nothing, the guard takes half of it for
 * the time that the work in flight may take.
 * @property {boolean} guard whether requests in flight are guarded; else they are only counted.
 * @property {number} flushIntervalMs time between two posts.
 * @property {number} batchMax events per batch at most.
 * @property {number} queueMax events waiting for the edge at most; the oldest give way, and are counted.
 * @property {number} usersMax users counted, and buckets kept, at most.
 * @property {number} ttlMs how long answers hold that do not say.
 * @property {number} timeoutMs longest time for a post and its answer.
 */

/** @typedef {Partial<CollectorSettings>} CollectorOptions */

/** @returns {CollectorSettings} */
function defaults() {
  return {
    eventEndpoint: process.env.EVENT_ENDPOINT ?? 'http://127.0.0.1:8081/api/v1/event',
    service: 'rating',
    token: process.env.OPENCLAW_COLLECTOR_TOKEN,
    // A user's twenty at once and ten a second are the rating service's own defaults; all newcomers together get what
    // its local loop begins with.
    safe: { bucketSize: 20, refillRate: 10, newcomers: { bucketSize: 1000, refillRate: 1000 } },
    bounds: { bucketSize: [1.2, 1e6], refillRate: [0.05, 1e6] },
    sloMs: 200,
    guard: true,
    flushIntervalMs: 100,
    batchMax: 1000,
    queueMax: 10_000,
    usersMax: 100_000,
    ttlMs: 5000,
    timeoutMs: 2000,
  };
}

/**
 * @param {CollectorOptions} options
 * @returns {CollectorSettings}
 * @throws {TypeError | RangeError} names the option, what it was and what it must be.
 */
export function checkedSettings(options) {
  const known = defaults();
  for (const name of Object.keys(options)) {
    if (!(name in known)) throw new TypeError(`there is no option ${name}; there are ${Object.keys(known).join(', ')}`);
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings = { ...known, ...given };
  if (options.safe) settings.safe = { newcomers: known.safe.newcomers, ...options.safe };
  if (options.bounds) settings.bounds = { ...known.bounds, ...options.bounds };
  for (const name of /** @type {const} */ (['flushIntervalMs', 'batchMax', 'queueMax', 'usersMax', 'ttlMs', 'timeoutMs'])) {
    const value = settings[name];
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} is ${value}; it must be a whole number from 1`);
  }
  if (typeof settings.service !== 'string' || settings.service === '' || Buffer.byteLength(settings.service) > 128) {
    throw new TypeError('service must be a text of 1 to 128 bytes');
  }
  if (typeof settings.guard !== 'boolean') throw new TypeError('guard must be true or false');
  checkBounds(settings.bounds);
  checkPolicy('safe', settings.safe);
  if (settings.safe.newcomers) checkPolicy('safe.newcomers', settings.safe.newcomers);
  return settings;
}

/** @param {CollectorSettings['bounds']} bounds */
function checkBounds(bounds) {
  for (const [name, range] of Object.entries(bounds)) {
    const [least, most] = Array.isArray(range) ? range : [NaN, NaN];
    if (!(least >= 0 && least <= most && most <= REFILL_RATE_MAX)) {
      throw new RangeError(`bounds.${name} must be two numbers from 0 to ${REFILL_RATE_MAX}, the lesser one first`);
    }
  }
}

/** @param {string} name @param {BucketPolicy} policy */
function checkPolicy(name, policy) {
  for (const field of /** @type {const} */ (['bucketSize', 'refillRate'])) {
    const value = policy[field];
    if (!(value >= 0 && value < Infinity)) throw new RangeError(`${name}.${field} is ${value}; it must be a number from 0`);
  }
}
