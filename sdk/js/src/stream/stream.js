/**
 * The accepted ratings as they come: `GET /ratings/stream`, read for as long as it is wanted.
 *
 * A connection that ends is made again after a jittered pause, with the id of the last event, so that nothing is missed
 * that the service still holds; what was missed all the same arrives as `'gap'`.
 */

import { EventEmitter } from 'node:events';

import { Backoff } from '../backoff.js';
import { httpUrl } from '../collector/endpoint.js';
import { transport } from '../collector/delivery.js';
import { EventParser } from './parser.js';

/**
 * @typedef {object} StreamOptions
 * @property {string} [token] bearer token of the role `reader`.
 * @property {string} [userId] only this user's ratings.
 * @property {string} [itemId] only ratings of this item.
 * @property {string} [lastEventId] where to go on; without it the stream begins with the next rating.
 * @property {number} [retryMs] the first pause before a new attempt, unless the service names one.
 * @property {number} [retryMaxMs] the longest pause.
 * @property {number} [silenceMaxMs] without a byte for so long, a connection counts as dead. The service sends
 * heartbeats every 15 s unless configured otherwise.
 */

/** @typedef {{ userId: string, itemId: string, score: number, timestamp: number }} Rating */
/** @typedef {{ reason: string, missed: number }} Gap */

const PATH = '/ratings/stream';
/** Longest pause that a server's `Retry-After` is heeded for. */
const RETRY_AFTER_MS_MAX = 60_000;

/**
 * A stream of ratings.
 *
 * Emits `'rating'` (the rating, its event id), `'gap'` (what was missed), `'open'` at every connection, `'close'` once it is
 * closed for good, and, only where somebody listens, `'error'` with what ended a connection; it goes on by itself.
 */
export class RatingStream extends EventEmitter {
  #url;
  #options;
  #backoff;
  #lastEventId;
  /** @type {import('node:http').ClientRequest | undefined} */ #request;
  /** @type {NodeJS.Timeout | undefined} */ #timer;
  #closed = false;

  /**
   * @param {string} url of the rating service, or of the stream itself
   * @param {StreamOptions} [options]
   * @throws {TypeError} where it is no usable URL.
   */
  constructor(url, options = {}) {
    super();
    this.#url = streamUrl(url, options);
    this.#options = { retryMs: 1000, retryMaxMs: 10_000, silenceMaxMs: 60_000, ...options };
    this.#backoff = new Backoff(this.#options.retryMs, this.#options.retryMaxMs);
    this.#lastEventId = options.lastEventId ?? '';
    // Whoever made the stream first adds its listeners.
    process.nextTick(() => this.#open());
  }

  /** Id of the last event read: where a later stream can go on. */
  get lastEventId() {
    return this.#lastEventId;
  }

  /** Ends the stream for good. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#request?.destroy();
    this.emit('close');
  }

  #open() {
    if (this.#closed) return;
    const { token, silenceMaxMs } = this.#options;
    /** @type {Record<string, string>} */ const headers = { accept: 'text/event-stream', 'cache-control': 'no-store' };
    if (token) headers.authorization = `Bearer ${token}`;
    if (this.#lastEventId) headers['last-event-id'] = this.#lastEventId;
    // A connection of its own: one that is never given back has no place in a pool.
    const request = transport(this.#url).request(this.#url, { agent: false, headers });
    this.#request = request;
    let ended = false;
    const end = (/** @type {Error} */ error, /** @type {number | undefined} */ waitMs = undefined) => {
      if (ended) return;
      ended = true;
      request.destroy();
      this.#again(error, waitMs);
    };
    request.setTimeout(silenceMaxMs, () => end(new Error(`nothing came from ${this.#url} for ${silenceMaxMs} ms`)));
    request.on('error', (error) => end(new Error(`the stream at ${this.#url} broke off: ${error.message}`)));
    request.on('response', (response) => {
      if (response.statusCode === 200) this.#read(response, end);
      else this.#refused(response, end);
    });
    request.end();
  }

  /**
   * @param {import('node:http').IncomingMessage} response
   * @param {(error: Error) => void} end
   */
  #read(response, end) {
    const type = response.headers['content-type'] ?? '';
    if (!/^text\/event-stream(;|$)/i.test(type)) {
      end(new Error(`${this.#url} answered with ${type || 'no type'} where text/event-stream belongs`));
      return;
    }
    this.emit('open');
    const parser = new EventParser();
    parser.lastEventId = this.#lastEventId;
    response.on('data', (chunk) => {
      // Something came: the next attempt is a first one again.
      this.#backoff.succeeded();
      let events;
      try {
        events = [...parser.push(chunk)];
      } catch (error) {
        end(/** @type {Error} */ (error));
        return;
      }
      if (parser.retryMs !== undefined) this.#backoff.firstMs = Math.min(parser.retryMs, this.#options.retryMaxMs);
      for (const event of events) {
        // A listener may have closed the stream: what it has not seen, a later one begins with.
        if (this.#closed) return;
        this.#lastEventId = event.id;
        this.#dispatch(event);
      }
      this.#lastEventId = parser.lastEventId;
    });
    response.on('end', () => end(new Error(`the stream at ${this.#url} ended`)));
    response.on('error', (error) => end(new Error(`the stream at ${this.#url} broke off: ${error.message}`)));
  }

  /** @param {import('./parser.js').StreamEvent} event */
  #dispatch({ type, data, id }) {
    if (type !== 'rating' && type !== 'gap') return;
    let body;
    try {
      body = JSON.parse(data);
    } catch (error) {
      this.#tell(new Error(`the stream at ${this.#url} sent a ${type} that is no JSON: ${/** @type {Error} */ (error).message}`));
      return;
    }
    this.emit(type, body, id);
  }

  /**
   * @param {import('node:http').IncomingMessage} response
   * @param {(error: Error, waitMs?: number) => void} end
   */
  #refused(response, end) {
    const { statusCode: status } = response;
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk) => {
      text = (text + chunk).slice(0, 500);
    });
    response.on('error', () => end(new Error(`${this.#url} answered ${status} and broke off`)));
    response.on('end', () => {
      if (status === 400 && this.#lastEventId) {
        // Of a service that knows nothing of this place: what came in between is missed.
        this.#lastEventId = '';
        this.emit('gap', { reason: 'unknown-place', missed: 0 }, '');
      }
      const seconds = Number(response.headers['retry-after']);
      const waitMs = seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MS_MAX) : undefined;
      end(new Error(`${this.#url} answered ${status}: ${text.slice(0, 200)}`), waitMs);
    });
  }

  /** @param {Error} error @param {number} [waitMs] that the service asked for */
  #again(error, waitMs = 0) {
    if (this.#closed) return;
    const pauseMs = Math.max(this.#backoff.failed(Math.random()), waitMs);
    this.#timer = setTimeout(() => this.#open(), pauseMs);
    this.#tell(error);
  }

  /** An 'error' that nobody listens to would end the process. @param {Error} error */
  #tell(error) {
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }
}

/**
 * Follows the ratings that a rating service accepts.
 * @param {string} url of the rating service, such as http://127.0.0.1:8080
 * @param {StreamOptions} [options]
 * @returns {RatingStream}
 */
export function connect(url, options = {}) {
  return new RatingStream(url, options);
}

/** @param {string} text @param {StreamOptions} options */
function streamUrl(text, options) {
  const url = httpUrl(text, "the rating service's URL", 'it looks like http://127.0.0.1:8080');
  if (!url.pathname.endsWith(PATH)) url.pathname = url.pathname.replace(/\/$/, '') + PATH;
  for (const name of /** @type {const} */ (['userId', 'itemId'])) {
    const value = options[name];
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}
