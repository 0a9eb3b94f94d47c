/** Leases against the shared cases. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LeasedBuckets } from '../src/bucket/leases.js';
import { cases } from './cases.js';

const SETTINGS = {
  safe: { bucketSize: 20, refillRate: 10, newcomers: { bucketSize: 1000, refillRate: 1000 } },
  bounds: { bucketSize: [1.2, 1e6], refillRate: [0.05, 1e6] },
  usersMax: 100,
  ttlMs: 5000,
  ttlMsMin: 200,
};

const close = (found, expected) => Math.abs(found - expected) <= 2 ** -20;

function check(buckets, step) {
  const { atMs, answer, single, asked, user } = step;
  if (answer) buckets.apply(answer, new Set(asked), atMs);
  if (single) buckets.applySingle(asked[0], single, atMs);
  if ('edgeHolds' in step) assert.equal(buckets.edgeHolds(atMs), step.edgeHolds, 'edgeHolds');
  if ('newcomers' in step) assert.deepEqual(buckets.newcomers(atMs), step.newcomers, 'newcomers');
  if ('consume' in step) {
    const decision = buckets.decide(user, step.consume, atMs);
    assert.equal(decision.allowed, step.allowed, 'allowed');
    assert.equal(decision.refusedBy, step.refusedBy, 'refusedBy');
  }
  if ('is' in step) {
    const { bucketSize, refillRate, own } = buckets.peek(user, atMs);
    assert.deepEqual({ bucketSize, refillRate }, step.is);
    assert.equal(own, step.own, 'own');
  }
  if ('level' in step) {
    const { level } = buckets.peek(user, atMs);
    assert.ok(close(level, step.level), `the level is ${level}`);
  }
}

for (const { name, steps } of cases('leases')) {
  test(name, () => {
    const buckets = new LeasedBuckets(SETTINGS);
    for (const step of steps) {
      try {
        check(buckets, step);
      } catch (error) {
        error.message = `at ${JSON.stringify(step)}: ${error.message}`;
        throw error;
      }
    }
  });
}
