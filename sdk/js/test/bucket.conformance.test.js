/** The bucket against the shared cases: the same decisions and the same levels as in every other language. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AdaptiveTokenBucket } from '../src/bucket/bucket.js';
import { cases, number, policy } from './cases.js';

const UNITS_PER_TOKEN = 2 ** 20;

/** Levels are whole units: compared as such, so that no language's division decides. */
const units = (level) => Math.round(level * UNITS_PER_TOKEN);
const waitMs = (ns) => (ns === 'never' ? Infinity : ns / 1e6);

function check(bucket, step) {
  const nowMs = step.atNs / 1e6;
  if (step.refused) {
    assert.throws(() => bucket.updatePolicy(policy(step.update), nowMs), new RegExp(`^RangeError: ${step.refused} is`));
  } else if (step.update) {
    for (let time = 0; time < (step.times ?? 1); time += 1) bucket.updatePolicy(policy(step.update), nowMs);
  } else if ('consume' in step) {
    const decision = bucket.decide(number(step.consume), nowMs);
    assert.equal(decision.allowed, step.allowed, 'allowed');
    if ('retryAfterNs' in step) assert.equal(decision.retryAfterMs, waitMs(step.retryAfterNs), 'retryAfterNs');
    if ('resetAfterNs' in step) assert.equal(decision.resetAfterMs, waitMs(step.resetAfterNs), 'resetAfterNs');
  }
  if ('level' in step) assert.equal(units(bucket.level(nowMs)), units(step.level), 'level');
}

for (const file of ['bucket', 'courses']) {
  for (const { name, bucket: initial, refused, steps } of cases(file)) {
    test(name, () => {
      if (refused) {
        assert.throws(() => new AdaptiveTokenBucket(policy(initial)), new RegExp(`^RangeError: ${refused} is`));
        return;
      }
      const bucket = new AdaptiveTokenBucket(policy(initial));
      assert.ok(steps.length > 0, 'a case without steps shows nothing');
      steps.forEach((step, index) => {
        try {
          check(bucket, step);
        } catch (error) {
          error.message = `step ${index}, ${JSON.stringify(step)}: ${error.message}`;
          throw error;
        }
      });
    });
  }
}
