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
   * The pause after one more failure, in ms: half of the bound at least.
   * @param {number} jitter uniform in 0 to 1
   */
  failed(jitter) {
    const pauseMs = Math.min(this.firstMs * 2 ** Math.min(this.#failures, 30), this.#mostMs);
    this.#failures += 1;
    return pauseMs * (0.5 + 0.5 * jitter);
  }
}
