/**
 * Looks at a map's entries a few at a time, in turn, so that nobody has to visit all of them at once.
 * @template K, V
 */
export class Rounds {
  #map;
  /** @type {Iterator<[K, V]>} */ #hand;

  /** @param {Map<K, V>} map */
  constructor(map) {
    this.#map = map;
    this.#hand = map.entries();
  }

  /**
   * The next `count` entries, none of them twice. They may be deleted meanwhile.
   * @param {number} count
   * @returns {Generator<[K, V]>}
   */
  *next(count) {
    for (let left = Math.min(count, this.#map.size); left > 0; left -= 1) {
      let next = this.#hand.next();
      if (next.done) {
        this.#hand = this.#map.entries();
        next = this.#hand.next();
      }
      if (next.done) return;
      yield next.value;
    }
  }
}
