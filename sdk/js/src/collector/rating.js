/**
 * A rating as an event, and what may stand in one.
 *
 * Checked before it is queued: a text that is no text or a time that is no number would cost its whole batch its delivery.
 */

import { createHash } from 'node:crypto';

/** @typedef {import('./outbox.js').RatingEvent} RatingEvent */

/** The longest id, in bytes of UTF-8. */
const ID_BYTES_MAX = 256;
/** The longest event id. */
const EVENT_ID_BYTES_MAX = 128;
const OUTCOMES = ['accepted', 'throttled', 'failed', 'timeout'];
const CONTEXT = ['deviceType', 'networkQuality', 'region'];

/** What an event may carry beside the four fields that it must, and what each must be. @type {Record<string, (value: any) => boolean>} */
const OPTIONAL = {
  eventId: (id) => typeof id === 'string' && Buffer.byteLength(id) <= EVENT_ID_BYTES_MAX,
  latencyMs: isTime,
  outcome: (outcome) => OUTCOMES.includes(outcome),
  inFlight: (count) => Number.isInteger(count) && count >= 0 && count < 2 ** 32,
  workMs: isTime,
  dependencyMs: (times) => isObject(times) && Object.values(times).every(isTime),
  context: (context) => isObject(context) && CONTEXT.every((field) => isWord(context[field])),
};

/**
 * The event of a rating; a missing timestamp is its arrival.
 * @param {any} rating
 * @param {number} arrivalMs ms since the epoch
 * @returns {RatingEvent}
 * @throws {TypeError} where it is no rating; names the field.
 */
export function checkedEvent(rating, arrivalMs) {
  if (!isObject(rating)) throw new TypeError('a rating is an object with named fields');
  const { score } = rating;
  const timestamp = rating.timestamp ?? arrivalMs;
  const [userId, itemId] = [checkedId('userId', rating.userId), checkedId('itemId', rating.itemId)];
  if (!Number.isFinite(score)) throw new TypeError(`score is ${score}; it must be a number`);
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new TypeError(`timestamp is ${timestamp}; it must be whole milliseconds since 1970`);
  }
  /** @type {RatingEvent} */ const event = { userId, itemId, score, timestamp };
  for (const [field, sound] of Object.entries(OPTIONAL)) {
    const value = rating[field];
    if (value === undefined || value === null) continue;
    if (!sound(value)) throw new TypeError(`${field} is ${JSON.stringify(value)}, which is none`);
    /** @type {any} */ (event)[field] = value;
  }
  return event;
}

/**
 * A user's id as the wire takes it: whatever is longer, or nothing at all, is told by its hash, so that no key that a client sends can spoil
 * a batch.
 * @param {string} key
 */
export function userIdOf(key) {
  const text = wellFormed(key);
  const fits = text !== '' && Buffer.byteLength(text) <= ID_BYTES_MAX;
  return fits ? text : `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** @param {string} field @param {unknown} id */
function checkedId(field, id) {
  const text = typeof id === 'string' ? wellFormed(id) : '';
  if (text === '' || Buffer.byteLength(text) > ID_BYTES_MAX) {
    throw new TypeError(`${field} must be a text of 1 to ${ID_BYTES_MAX} bytes`);
  }
  return text;
}

/** Half a surrogate pair is no text on any wire. @param {string} text */
function wellFormed(text) {
  return /\p{Surrogate}/u.test(text) ? Buffer.from(text).toString() : text;
}

/** @param {any} value */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {unknown} ms */
function isTime(ms) {
  return Number.isFinite(ms) && /** @type {number} */ (ms) >= 0;
}

/** @param {unknown} word */
function isWord(word) {
  return word === undefined || (typeof word === 'string' && word !== '');
}
