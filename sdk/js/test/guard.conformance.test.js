/** The in-flight guard against the shared cases. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InFlightGuard } from '../src/index.js';
import { cases } from './cases.js';

/** JSON has no infinity; an open guard has no time and no cap there. */
const finite = (value) => (value === Infinity ? null : value);

const hundredths = (value) => value === null ? null : Math.round(value * 100) / 100;

class Stage {
  guard = new InFlightGuard();
  /** Requests in flight by user, the oldest first. @type {Map<string, import('../src/guard/guard.js').Place[]>} */
  places = new Map();

  take({ atMs: nowMs, answer, single, enter, leave, alone, tookMs, context, times = 1, entered = times, full, is }) {
    // Limits move with whatever happens; in the cases, with every step.
    this.guard.status(nowMs);
    if (answer) this.guard.follow(answer, nowMs + (answer.ttlMs ?? 5000), nowMs);
    if (single) this.guard.followSingle(single, nowMs + single.ttlMs, nowMs);
    if (enter) this.#enter(enter, times, { context, nowMs }, { entered, full });
    if (leave) for (let n = 0; n < times; n += 1) this.places.get(leave).shift().leave(true, nowMs);
    for (let n = 0; alone && n < times; n += 1) {
      this.guard.enter(alone, { nowMs: nowMs + n * tookMs }).leave(true, nowMs + (n + 1) * tookMs);
    }
    if (is) {
      const { inFlight, cap, guardMs } = this.guard.status(nowMs);
      assert.deepEqual({ inFlight, cap: finite(cap), guardMs: hundredths(finite(guardMs)) }, is);
    }
  }

  #enter(user, times, options, expected) {
    const places = Array.from({ length: times }, () => this.guard.enter(user, options));
    const inside = places.filter(({ entered }) => entered);
    this.places.set(user, [...(this.places.get(user) ?? []), ...inside]);
    const refused = places.findLast(({ entered }) => !entered);
    const full = refused && { inFlight: refused.inFlight, cap: refused.cap };
    assert.deepEqual({ entered: inside.length, full }, expected);
  }
}

for (const { name, steps } of [...cases('guard'), ...cases('guard-courses')]) {
  test(name, () => {
    const stage = new Stage();
    for (const step of steps) {
      try {
        stage.take(step);
      } catch (error) {
        error.message = `at ${JSON.stringify(step)}: ${error.message}`;
        throw error;
      }
    }
  });
}
