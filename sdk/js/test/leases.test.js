/** What is bounded, and what is forgotten: the parts of keyed buckets that the shared cases do not reach. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AdaptiveTokenBucket } from '../src/bucket/bucket.js';
import { LeasedBuckets } from '../src/bucket/leases.js';
import { Counters } from '../src/collector/counters.js';

const buckets = (settings) =>
  new LeasedBuckets({
    safe: { bucketSize: 20, refillRate: 10 },
    bounds: { bucketSize: [1.2, 1e6], refillRate: [0.05, 1e6] },
    usersMax: 100,
    ttlMs: 5000,
    ttlMsMin: 200,
    ...settings,
  });
const answer = (policies, refillRate = 7) => ({ policies, defaults: { bucketSize: 14, refillRate }, ttlMs: 5000 });

test('a flood of made-up users takes no more room than there is, and known ones keep their buckets', () => {
  const table = buckets();
  table.apply(answer({ ann: { bucketSize: 6, refillRate: 3 } }), new Set(['ann']), 0);
  let allowed = 0;
  for (let n = 0; n < 10_000; n += 1) allowed += table.decide(`made-up-${n}`, 1, 0).allowed ? 1 : 0;
  assert.equal(table.users, 100);
  // 99 with a bucket each, and one bucket of 14 for all the others.
  assert.equal(allowed, 99 + 14);
  assert.equal(table.decide('made-up-9999', 1, 0).refusedBy, 'overflow');
  assert.equal(table.peek('ann', 0).own, true);
  assert.equal(table.decide('ann', 6, 0).allowed, true);
});

test('a user without room gets no lease, and that is counted', () => {
  const table = buckets({ usersMax: 1 });
  const policy = { bucketSize: 6, refillRate: 3 };
  table.apply(answer({ ann: policy, bob: policy }), new Set(['ann', 'bob']), 0);
  assert.deepEqual([table.leases, table.users, table.refused], [1, 1, 1]);
});

test('newcomers whose buckets are full again are forgotten', () => {
  const table = buckets();
  for (let n = 0; n < 50; n += 1) table.decide(`user-${n}`, 1, 0);
  table.sweep(1000, 50);
  assert.equal(table.users, 50, 'half a token is missing in each');
  table.sweep(1000, 100);
  assert.equal(table.users, 0);
});

test('a full table makes room for a known user of those who can be forgotten', () => {
  const table = buckets({ usersMax: 2 });
  table.decide('a', 1, 0);
  table.decide('b', 1, 0);
  assert.equal(table.decide('c', 14, 0).refusedBy, undefined, 'the overflow bucket is full');
  table.applySingle('d', { bucketSize: 6, refillRate: 3 }, 1000);
  assert.equal(table.peek('d', 1000).own, true);
});

test('who has moved to the safe values and saved all it can is forgotten; who has not is kept', () => {
  const table = buckets();
  table.applySingle('u', { bucketSize: 50, refillRate: 4 }, 0);
  assert.equal(table.decide('u', 21, 34_900).allowed, true);
  table.sweep(10, 35_000);
  assert.deepEqual([table.leases, table.peek('u', 35_000).own], [1, true], 'it is not full');
  table.sweep(10, 38_000);
  assert.deepEqual([table.leases, table.users], [0, 0]);
});

test('whatever changes, what is admitted is at most the capacity at the start and what was refilled', () => {
  let seed = 7;
  const below = (bound) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % bound;
  };
  for (let course = 0; course < 50; course += 1) {
    const drawn = () => ({ bucketSize: below(3000) / 64, refillRate: below(200_000) / 1024 });
    let inForce = drawn();
    const bucket = new AdaptiveTokenBucket(inForce);
    // For every interval that starts at some step and ends here: what is still allowed in it.
    let allowances = [];
    // At 512ths of a second every refill is a whole number of units, and the bound holds with nothing added.
    let tick = 3;
    for (let step = 0; step < 100; step += 1) {
      const passed = below(40);
      tick += passed;
      const refilled = (passed / 512) * inForce.refillRate;
      allowances = allowances.map((allowance) => allowance + refilled);
      if (below(5) === 0) {
        inForce = drawn();
        bucket.updatePolicy(inForce, (tick * 1000) / 512);
      }
      allowances.push(inForce.bucketSize);
      const cost = below(400) / 16;
      if (bucket.tryConsume(cost, (tick * 1000) / 512)) allowances = allowances.map((allowance) => allowance - cost);
      const least = Math.min(...allowances);
      assert.ok(least >= 0, `course ${course}, step ${step}: ${-least} tokens too many`);
    }
  }
});

test('counters of idle users are forgotten, and those of users who come back never fall', () => {
  const counters = new Counters(2);
  counters.attempt('ann', true, undefined, 0);
  counters.attempt('bob', true, undefined, 0);
  counters.attempt('eve', false, undefined, 0);
  assert.deepEqual([counters.users, counters.untracked, counters.totals().attempts], [2, 1, 3]);
  counters.sweep(10, 100, 1000);
  assert.equal(counters.users, 2, 'they were not reported yet');
  const [ann] = counters.drain(() => undefined);
  counters.sweep(10, 100, 1000);
  assert.equal(counters.users, 0);
  counters.attempt('ann', false, undefined, 1000);
  assert.deepEqual(counters.drain(() => ann), [{ userId: 'ann', attempts: 2, throttled: 1 }]);
});
