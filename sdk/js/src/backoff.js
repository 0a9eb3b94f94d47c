/** Longest that a service may ask to be left alone, in ms: one that says a day is mistaken. */
const RETRY_AFTER_MS_MAX = 30_000;

/** Pauses after failures: doubling up to a bound, with jitter so that clients do not return in step. */
export class Backoff {
  #failures = 0;
  #mostMs;

  /**
   * @param {number} [firstMs] the first pause, at most.
   * @param {number} [mostMs] the longest pause: whatever was away is noticed to be back within it.
   */
  constructor(firstMs = 100, mostMs = 1000) {
    /** The first pause, at most. */
    this.firstMs = firstMs;
    this.#mostMs = mostMs;
  }

  /** The next failure is a first one. */
  succeeded() {
    this.#failures = 0;
  }

  /**
   * The pause after one more failure, in ms: what was asked for, and half of the bound at least on top of it, so that those
   * who were all told the same do not all return at once.
   * @param {number} jitter uniform in 0 to 1
   * @param {number} [askedMs] how long the service asked to be left alone
   */
  failed(jitter, askedMs = 0) {
    const pauseMs = Math.min(this.firstMs * 2 ** Math.min(this.#failures, 30), this.#mostMs);
    this.#failures += 1;
    return Math.min(askedMs, RETRY_AFTER_MS_MAX) + pauseMs * (0.5 + 0.5 * jitter);
  }
}

/**
 * `Retry-After` in ms, given in seconds or as a date, which is compared with the answer's own `Date`: this machine's clock
 * may be another. Zero where it says nothing that can be read.
 * @param {string | undefined} field
 * @param {string | undefined} date
 */
export function retryAfterMs(field, date) {
  if (field === undefined) return 0;
  if (/^\d+$/.test(field.trim())) return Number(field) * 1000;
  // Date.parse reads much that is no date of HTTP.
  const read = (/** @type {string | undefined} */ text) => (text?.endsWith(' GMT') ? Date.parse(text) : NaN);
  const waitMs = read(field) - read(date);
  return waitMs > 0 ? waitMs : 0;
}
