/** The shared cases of `sdk/conformance`, and how their values are read. */

import { readFileSync } from 'node:fs';

/** @param {string} name without its ending */
export function cases(name) {
  const url = new URL(`../../conformance/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')).cases;
}

/** JSON has no NaN and no infinities; the cases write them as text. @param {number | string} value */
export function number(value) {
  return typeof value === 'string' ? Number(value) : value;
}

/** @param {{ bucketSize: number | string, refillRate: number | string }} policy */
export function policy({ bucketSize, refillRate }) {
  return { bucketSize: number(bucketSize), refillRate: number(refillRate) };
}
