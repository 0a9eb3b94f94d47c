/**
 * Posting to the edge: one request at a time, each bounded in time and in the length of its answer.
 *
 * On `node:http` rather than `fetch`: connections are kept, answers are read no further than their bound, redirects are
 * not followed, and nothing is experimental on any Node that the package runs on.
 */

import http from 'node:http';
import https from 'node:https';

import { retryAfterMs } from '../backoff.js';

/** @typedef {import('./outbox.js').EventBatch} EventBatch */
/** @typedef {import('./outbox.js').RatingEvent} RatingEvent */
/** @typedef {import('../bucket/law.js').BucketPolicy} BucketPolicy */

/**
 * @typedef {object} BatchAnswer
 * @property {Record<string, BucketPolicy>} policies
 * @property {BucketPolicy} defaults
 * @property {BucketPolicy} [newcomers]
 * @property {number | null} [guardMs] how long the work in flight may take; without it the guard is open
 * @property {{ context?: import('./counters.js').Context, guardMs: number }[] | null} [classes]
 * @property {number} ttlMs
 * @property {string} policyVersion
 * @property {{ index: number, problem: { detail?: string } }[]} [rejected]
 */

/** @typedef {{ status: number, text: string, retryAfterMs: number }} Answer */

/** @typedef {BucketPolicy & { guardMs?: number | null, ttlMs?: number, policyVersion?: string }} PolicyAnswer */

/** Longest answer that is read, in bytes: so much in any case, and for each user or event it was asked about so much more. */
const ANSWER_BYTES_BASE = 64 * 1024;
const ANSWER_BYTES_EACH = 2 * 1024;
/** How much of what the edge wrote is shown to people, in characters. */
const SHOWN_CHARS_MAX = 200;
/** How often an edge that knows no batches is asked again. */
const BATCHES_AGAIN_MS = 60_000;
/** Statuses of what the edge will never take: to send it again would hold up all that follows. */
const NEVER_TAKEN = new Set([400, 413, 422]);

/** Why a post did not arrive. */
export class DeliveryError extends Error {
  name = 'DeliveryError';

  /**
   * @param {string} message
   * @param {number} [status] the HTTP status, where the edge answered with one
   * @param {number} [retryAfterMs] how long it asked to be left alone
   */
  constructor(message, status, retryAfterMs = 0) {
    super(message);
    /** How long the edge asked to be left alone, in ms. */
    this.retryAfterMs = retryAfterMs;
    /** The HTTP status, where the edge answered with one. */
    this.status = status;
  }

  /** Whether what was posted is too long for the edge. */
  get isTooLarge() {
    return this.status === 413;
  }

  /** Whether the edge will never take what was posted. */
  get isFinal() {
    return this.status !== undefined && NEVER_TAKEN.has(this.status);
  }
}

/** Posts to one edge. */
export class Delivery {
  #eventUrl;
  #batchUrl;
  #token;
  #timeoutMs;
  #agent;
  /** Single events only until then. */
  #singlesUntilMs = -Infinity;

  /** @param {{ eventUrl: URL, batchUrl: URL | undefined, token: string | undefined, timeoutMs: number }} target */
  constructor({ eventUrl, batchUrl, token, timeoutMs }) {
    this.#eventUrl = eventUrl;
    this.#batchUrl = batchUrl;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    const { Agent } = transport(eventUrl);
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
  }

  /**
   * Posts a batch; undefined means that this edge takes single events only.
   * @param {EventBatch} batch
   * @param {number} nowMs
   * @returns {Promise<BatchAnswer | undefined>}
   * @throws {DeliveryError}
   */
  async postBatch(batch, nowMs) {
    const url = this.#batchUrl;
    if (!url || nowMs < this.#singlesUntilMs) return undefined;
    const answerBytesMax = ANSWER_BYTES_BASE + ANSWER_BYTES_EACH * ((batch.users?.length ?? 0) + batch.events.length);
    const answer = await this.#post(url, batch, answerBytesMax);
    if (answer.status === 404) {
      this.#singlesUntilMs = nowMs + BATCHES_AGAIN_MS;
      return undefined;
    }
    return batchAnswer(parsed(url, accepted(url, answer)), url);
  }

  /**
   * Posts one event.
   * @param {RatingEvent} event
   * @returns {Promise<PolicyAnswer>}
   * @throws {DeliveryError}
   */
  async postSingle(event) {
    const url = this.#eventUrl;
    const answer = await this.#post(url, event, ANSWER_BYTES_BASE);
    return policyAnswer(parsed(url, accepted(url, answer)), url);
  }

  /** Lets go of the kept connections. */
  close() {
    this.#agent.destroy();
  }

  /**
   * @param {URL} url
   * @param {unknown} message
   * @param {number} answerBytesMax
   * @returns {Promise<Answer>}
   */
  #post(url, message, answerBytesMax) {
    const body = Buffer.from(JSON.stringify(message));
    /** @type {Record<string, string | number>} */
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    if (this.#token) headers.authorization = `Bearer ${this.#token}`;
    return new Promise((resolve, reject) => {
      const unreachable = (/** @type {Error & { code?: string }} */ error) =>
        reject(new DeliveryError(`the edge at ${url} cannot be reached: ${error.message || error.code}`));
      const request = transport(url).request(url, { method: 'POST', agent: this.#agent, headers });
      // Of the whole exchange: an edge that trickles its answer must not hold up the next batch.
      const timer = setTimeout(() => {
        request.destroy(new Error(`no whole answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      request.on('error', unreachable);
      request.on('close', () => clearTimeout(timer));
      request.on('response', (response) => {
        /** @type {Buffer[]} */ const chunks = [];
        let bytes = 0;
        response.on('data', (chunk) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > answerBytesMax) {
            reject(unreadable(url, `it is longer than ${answerBytesMax} bytes`));
            request.destroy();
          }
        });
        response.on('error', unreachable);
        response.on('aborted', () => unreachable(new Error('the answer broke off')));
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response;
          const asked = status === 429 || status === 503 ? headers['retry-after'] : undefined;
          const text = Buffer.concat(chunks).toString();
          resolve({ status, text, retryAfterMs: retryAfterMs(asked, headers.date) });
        });
      });
      request.end(body);
    });
  }
}

/** @param {URL} url */
export function transport(url) {
  return url.protocol === 'https:' ? https : http;
}

/** @param {URL} url @param {Answer} answer */
function accepted(url, { status, text, retryAfterMs }) {
  if (status >= 200 && status < 300) return text;
  throw new DeliveryError(`the edge at ${url} answered ${status}: ${shown(text) || 'no reason given'}`, status, retryAfterMs);
}

/** @param {URL} url @param {string} text */
function parsed(url, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable(url, /** @type {Error} */ (error).message);
  }
}

/**
 * The answer to a batch as the contract has it. What it may say beyond that is for newer versions.
 * @param {any} answer
 * @param {URL | string} url
 * @returns {BatchAnswer}
 * @throws {DeliveryError} where a part that everything else rests on is missing.
 */
export function batchAnswer(answer, url) {
  const { policies, defaults, ttlMs, policyVersion, rejected } = object(answer, 'the answer', url);
  object(policies, 'policies', url);
  object(defaults, 'defaults', url);
  if (!isDuration(ttlMs)) throw unreadable(url, 'ttlMs is no whole number of ms');
  if (typeof policyVersion !== 'string') throw unreadable(url, 'policyVersion is no text');
  if (rejected !== undefined && !Array.isArray(rejected)) throw unreadable(url, 'rejected is no list');
  return answer;
}

/**
 * The answer to a single event.
 * @param {any} answer
 * @param {URL | string} url
 * @returns {PolicyAnswer}
 * @throws {DeliveryError} where it is no policy.
 */
export function policyAnswer(answer, url) {
  const { bucketSize, refillRate, ttlMs } = object(answer, 'the answer', url);
  if (typeof bucketSize !== 'number' || typeof refillRate !== 'number') {
    throw unreadable(url, 'bucketSize and refillRate must be numbers');
  }
  if (ttlMs !== undefined && ttlMs !== null && !isDuration(ttlMs)) throw unreadable(url, 'ttlMs is no whole number of ms');
  return answer;
}

/** @param {unknown} ms */
function isDuration(ms) {
  return Number.isInteger(ms) && /** @type {number} */ (ms) >= 0;
}

/** @param {any} value @param {string} what @param {URL | string} url */
function object(value, what, url) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable(url, `${what} is no object`);
  return value;
}

/** @param {URL | string} url @param {string} reason */
function unreadable(url, reason) {
  return new DeliveryError(`the edge at ${url} answered with something else than policies: ${shown(reason)}`);
}

/** The beginning of a text that the edge wrote, or that quotes it. @param {string} text */
export function shown(text) {
  return text.slice(0, SHOWN_CHARS_MAX);
}
