/**
 * A bucket per key, in bounded number.
 *
 * A key with parameters of its own has a bucket of its own. A key without stands at the defaults and pays one more
 * bucket that all such keys share, so that whoever makes up keys gains nothing. Where there is no room for another
 * key, unseen ones share one bucket.
 */

import { Core, allowed, least, limited } from './core.js';
import { Defaults } from './defaults.js';
import { Rounds } from '../rounds.js';

/** @typedef {import('./law.js').Law} Law */
/** @typedef {import('./core.js').Decision} Decision */

/**
 * @typedef {Decision & { refusedBy?: 'own' | 'newcomers' | 'overflow' }} KeyedDecision
 * `refusedBy` says which bucket lacked the tokens, where one did: the key's own, the one that all newcomers share, or
 * the one that keys share for which there was no room.
 */

/** How many keys an unseen one's arrival looks over, at a full table, for one that can be forgotten. */
const LOOKED_OVER_ON_FULL = 32;

/** A key's bucket: at the defaults while `core` is undefined. */
class Entry {
  /** @type {Core | undefined} */ core;
  /** On the defaults' line. @type {bigint | undefined} */ position;
}

/** Buckets by key. Times are nanoseconds since any fixed origin. */
export class KeyedBuckets {
  /** @type {Map<string, Entry>} */ #entries = new Map();
  /** Where the search for forgettable keys goes on. */
  #rounds = new Rounds(this.#entries);
  /** Shared by keys for which there is no room. */
  #overflow = new Entry();
  /** @type {Core | undefined} */ #newcomers;
  #defaults;
  #keysMax;

  /**
   * @param {Law} defaults
   * @param {number} keysMax
   */
  constructor(defaults, keysMax) {
    this.#defaults = new Defaults(defaults);
    this.#keysMax = keysMax;
  }

  /** Keys known. */
  get size() {
    return this.#entries.size;
  }

  /** The law of keys without their own. */
  get defaults() {
    return this.#defaults.law;
  }

  /** The law of the bucket that newcomers share. */
  get newcomers() {
    return this.#newcomers?.law;
  }

  /**
   * Takes `units` of the key's bucket; undefined units are those that nobody can pay.
   * @param {string} key
   * @param {bigint | undefined} units
   * @param {bigint} nowNs
   * @returns {KeyedDecision}
   */
  decide(key, units, nowNs) {
    const known = this.#entries.get(key);
    const core = known?.core;
    if (core) {
      const taken = units === 0n || (units !== undefined && core.take(units, nowNs));
      const level = core.level(nowNs);
      return taken ? allowed(core.law, level) : { ...limited(core.law, level, units), refusedBy: 'own' };
    }
    return this.#decideAtDefaults(key, known, units, nowNs);
  }

  /**
   * A key's own law; undefined at the defaults.
   * @param {string} key
   */
  lawOf(key) {
    return this.#entries.get(key)?.core?.law;
  }

  /**
   * Units in a key's bucket.
   * @param {string} key
   * @param {bigint} nowNs
   */
  level(key, nowNs) {
    const known = this.#entries.get(key);
    return known?.core ? known.core.level(nowNs) : this.#defaults.level(known?.position, nowNs);
  }

  /**
   * Gives a key parameters of its own; what it holds is kept up to the new capacity.
   * @param {string} key
   * @param {Law} law
   * @param {bigint} nowNs
   * @returns {boolean} whether there was room.
   */
  assign(key, law, nowNs) {
    const entry = this.#enter(key, nowNs);
    if (!entry) return false;
    if (entry.core) {
      if (!entry.core.law.equals(law)) entry.core.change(law, nowNs);
      return true;
    }
    const level = least(this.#defaults.level(entry.position, nowNs), law.capacity);
    entry.core = new Core(law);
    entry.core.changedNs = nowNs;
    entry.core.settle(level, nowNs);
    return true;
  }

  /**
   * Puts a key back to the defaults, with what it holds up to what the idle key holds there.
   * @param {string} key
   * @param {bigint} nowNs
   */
  unassign(key, nowNs) {
    const entry = this.#entries.get(key);
    if (!entry?.core) return;
    const level = least(entry.core.level(nowNs), this.#defaults.idle(nowNs));
    entry.core = undefined;
    entry.position = this.#defaults.refilled(nowNs) - level;
  }

  /**
   * @param {Law} law
   * @param {bigint} nowNs
   */
  setDefaults(law, nowNs) {
    if (!this.#defaults.law.equals(law)) this.#defaults.change(law, nowNs);
  }

  /**
   * Changes the bucket that newcomers share; undefined lifts it. It starts full.
   * @param {Law | undefined} law
   * @param {bigint} nowNs
   */
  setNewcomers(law, nowNs) {
    if (law && this.#newcomers) {
      if (!this.#newcomers.law.equals(law)) this.#newcomers.change(law, nowNs);
    } else {
      this.#newcomers = law && new Core(law);
    }
  }

  /**
   * Looks at the next `keys` keys and forgets those that are full and at the defaults: as new ones they would be the
   * same.
   * @param {number} keys
   * @param {bigint} nowNs
   * @returns {number} keys forgotten.
   */
  forgetSome(keys, nowNs) {
    let forgotten = 0;
    for (const [key, entry] of this.#rounds.next(keys)) {
      if (!entry.core && this.#defaults.level(entry.position, nowNs) >= this.#defaults.law.capacity) {
        this.#entries.delete(key);
        forgotten += 1;
      }
    }
    return forgotten;
  }

  /**
   * @param {string} key
   * @param {Entry | undefined} known
   * @param {bigint | undefined} units
   * @param {bigint} nowNs
   * @returns {KeyedDecision}
   */
  #decideAtDefaults(key, known, units, nowNs) {
    const { law } = this.#defaults;
    if (units === 0n) return allowed(law, this.#defaults.level(known?.position, nowNs));
    // What the idle key would be refused an unseen one is refused too, without remembering it.
    if (!known && (units === undefined || units > this.#defaults.idle(nowNs))) {
      return { ...limited(law, this.#defaults.idle(nowNs), units), refusedBy: 'own' };
    }
    if (!known && this.#newcomersLack(units, nowNs)) return this.#refusedByNewcomers(undefined, units, nowNs);
    const entry = known ?? this.#enter(key, nowNs) ?? this.#overflow;
    const level = this.#defaults.level(entry.position, nowNs);
    if (units === undefined || units > level) {
      const refusedBy = entry === this.#overflow ? 'overflow' : 'own';
      return { ...limited(law, level, units), refusedBy };
    }
    // Its own bucket is asked first, so that an exhausted key cannot drain what it shares.
    if (this.#newcomers && !this.#newcomers.take(units, nowNs)) {
      return this.#refusedByNewcomers(entry, units, nowNs);
    }
    entry.position = this.#defaults.refilled(nowNs) - (level - units);
    return allowed(law, level - units);
  }

  /** @param {bigint | undefined} units @param {bigint} nowNs */
  #newcomersLack(units, nowNs) {
    return this.#newcomers && units !== undefined && units > this.#newcomers.level(nowNs);
  }

  /**
   * @param {Entry | undefined} entry
   * @param {bigint | undefined} units
   * @param {bigint} nowNs
   * @returns {KeyedDecision}
   */
  #refusedByNewcomers(entry, units, nowNs) {
    const newcomers = /** @type {Core} */ (this.#newcomers);
    const { retryAfterMs } = limited(newcomers.law, newcomers.level(nowNs), units);
    const own = limited(this.#defaults.law, this.#defaults.level(entry?.position, nowNs), units);
    return { ...own, retryAfterMs, refusedBy: 'newcomers' };
  }

  /** @param {string} key @param {bigint} nowNs @returns {Entry | undefined} */
  #enter(key, nowNs) {
    const known = this.#entries.get(key);
    if (known) return known;
    if (this.#entries.size >= this.#keysMax) this.forgetSome(LOOKED_OVER_ON_FULL, nowNs);
    if (this.#entries.size >= this.#keysMax) return undefined;
    const entry = new Entry();
    this.#entries.set(key, entry);
    return entry;
  }
}
