/** The in-flight guard by itself, on the real clock. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InFlightGuard } from '../src/index.js';

test('a guard is of use by itself', () => {
  const guard = new InFlightGuard({ sloMs: 300 });
  const places = Array.from({ length: 16 }, () => guard.enter('greedy'));
  const refused = guard.enter('greedy');
  assert.deepEqual(refused, { entered: false, inFlight: 16, cap: 16, retryAfterMs: 150 });
  assert.equal(guard.enter('modest').entered, true);
  places[0].leave();
  places[1].withdraw();
  assert.deepEqual(guard.status(), { inFlight: 15, guardMs: 150, cap: 16, refused: 1 });
});

test('what it remembers of users is bounded by what is in flight', () => {
  const guard = new InFlightGuard({ enabled: false });
  for (let n = 0; n < 10_000; n += 1) guard.enter(`user-${n}`).leave();
  assert.equal(guard.status().inFlight, 0);
  const held = guard.enter('ann');
  // An equal share of what is in flight is one's own only while no other user is remembered.
  const bounded = new InFlightGuard();
  for (let n = 0; n < 1000; n += 1) bounded.enter(`user-${n}`, { nowMs: 0 }).leave(true, 0);
  for (let n = 0; n < 16; n += 1) bounded.enter('ann', { nowMs: 0 });
  bounded.enter('bob', { nowMs: 0 }).leave(true, 0);
  assert.equal(bounded.enter('ann', { nowMs: 0 }).entered, false, 'ann holds all');
  held.leave(false);
});

test('an SLO that is no time is refused', () => {
  for (const sloMs of [0, -1, NaN, Infinity]) assert.throws(() => new InFlightGuard({ sloMs }), RangeError);
});
