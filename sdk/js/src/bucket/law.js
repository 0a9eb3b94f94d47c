/**
 * Refilling as integers, so that every language counts the same tokens.
 *
 * A bucket counts in units of 2^-20 token, and what a refill rate has brought since time zero is one whole number:
 * `refilled(now)`. Decisions then never round, however often a bucket is asked. Computing with doubles lost: levels
 * drift apart between languages, and a bucket that is asked often gains by rounding. BigInt costs some hundred
 * nanoseconds a decision, which no request notices.
 *
 * The arithmetic is that of the Rust crate `openclaw-bucket`, unit for unit; the shared conformance cases hold both to it.
 */

/** The greatest capacity a bucket may have, in tokens (2^32). */
export const CAPACITY_MAX = 4_294_967_296;
/** The greatest refill rate a bucket may have, in tokens per second (2^30). */
export const REFILL_RATE_MAX = 1_073_741_824;
/** Units in one token. */
export const UNITS_PER_TOKEN = 1_048_576;

/** Less than a unit is nothing. */
const CAPACITY_MIN = 1 / UNITS_PER_TOKEN;
/** A token in a billion years is nothing. */
const REFILL_RATE_MIN = 2 ** -55;
/** 2^93 / 10^9, rounded up: turns units per second into units per nanosecond. */
const PER_NANOSECOND = (1n << 93n) / 1_000_000_000n + 1n;
const EXPONENT_BIAS = 1023n;
const MANTISSA_BITS = 52n;

const words = new DataView(new ArrayBuffer(8));

/**
 * @typedef {{ bucketSize: number, refillRate: number }} BucketPolicy
 * Capacity in tokens and refill rate in tokens per second, as the wire names them.
 */

/** A bucket's two numbers, checked, and the integers that decisions compute with. */
export class Law {
  /**
   * @param {BucketPolicy} policy
   * @throws {RangeError} where a number is not finite, negative or beyond what a bucket can hold; names the field.
   */
  constructor({ bucketSize, refillRate }) {
    /** Capacity in tokens. */
    this.bucketSize = checked('bucketSize', bucketSize, CAPACITY_MAX, CAPACITY_MIN);
    /** Refill rate in tokens per second. */
    this.refillRate = checked('refillRate', refillRate, REFILL_RATE_MAX, REFILL_RATE_MIN);
    /** Capacity in units, rounded down. */
    this.capacity = BigInt(Math.floor(this.bucketSize * UNITS_PER_TOKEN));
    const [speed, shift] = speedAndShift(this.refillRate);
    /** Units per nanosecond, times 2^shift. */
    this.speed = speed;
    this.shift = shift;
  }

  /** @param {Law} other */
  equals(other) {
    return this.bucketSize === other.bucketSize && this.refillRate === other.refillRate;
  }

  /**
   * Units gained from time zero to `nowNs`.
   * @param {bigint} nowNs
   */
  refilled(nowNs) {
    return (nowNs * this.speed) >> this.shift;
  }

  /**
   * The fewest nanoseconds in which `units` are surely refilled; `undefined` where they never are.
   * @param {bigint} units
   */
  nanoseconds(units) {
    if (this.speed === 0n) return undefined;
    return ((units << this.shift) + this.speed - 1n) / this.speed;
  }
}

/**
 * @param {string} field
 * @param {number} value
 * @param {number} most
 * @param {number} least below which the value is nothing
 */
function checked(field, value, most, least) {
  // NaN fails every comparison, so it is refused here too; so is what is no number at all.
  if (typeof value !== 'number' || !(value >= 0 && value <= most)) {
    throw new RangeError(`${field} is ${value}; it must be a number from 0 to ${most}`);
  }
  return value < least ? 0 : value;
}

/**
 * Units per nanosecond as `speed / 2^shift`: the refill rate rounded up by less than one part in 2^59, so that a
 * whole number of nanoseconds refills exactly its tokens.
 * @param {number} refillRate
 * @returns {[bigint, bigint]}
 */
function speedAndShift(refillRate) {
  if (refillRate === 0) return [0n, 0n];
  words.setFloat64(0, refillRate);
  const bits = words.getBigUint64(0);
  const mantissa = BigInt.asUintN(64, bits << 11n) | (1n << 63n);
  const product = (mantissa * PER_NANOSECOND) >> 64n;
  // refillRate = mantissa / 2^63 * 2^exponent tokens per second, a token is 2^20 units, and the product holds
  // 2^29 / 10^9 times mantissa: 63 + 29 - 20 - exponent. The Rust crate keeps multiples of four only.
  const exact = 72n + EXPONENT_BIAS - (bits >> MANTISSA_BITS);
  return [(product >> exact % 4n) + 1n, exact - (exact % 4n)];
}

/**
 * A cost in units, rounded up; `undefined` for what no bucket can pay: a negative one, or what is no number.
 * @param {number} cost
 */
export function costUnits(cost) {
  if (typeof cost !== 'number' || !(cost >= 0) || cost > CAPACITY_MAX) return undefined;
  return BigInt(Math.ceil(cost * UNITS_PER_TOKEN));
}

/**
 * Units as tokens; a level below zero is shown as empty.
 * @param {bigint} level
 */
export function tokens(level) {
  return level > 0n ? Number(level) / UNITS_PER_TOKEN : 0;
}

/**
 * Milliseconds as whole nanoseconds. In two parts, because a double cannot hold today's date in nanoseconds.
 * @param {number} ms
 * @throws {RangeError} where `ms` is no finite number, or negative.
 */
export function nanosecondsOf(ms) {
  if (typeof ms !== 'number' || !(ms >= 0 && ms < Infinity)) {
    throw new RangeError(`nowMs is ${ms}; it must be a time in milliseconds, 0 or more`);
  }
  const whole = Math.floor(ms);
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6));
}
