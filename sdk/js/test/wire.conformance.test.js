/** What goes over the wire against the shared cases: endpoints, pauses, batches, answers, refusals. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff, retryAfterMs } from '../src/backoff.js';
import { Counters } from '../src/collector/counters.js';
import { batchAnswer, policyAnswer } from '../src/collector/delivery.js';
import { eventEndpoint } from '../src/collector/endpoint.js';
import { Outbox } from '../src/collector/outbox.js';
import { checkedEvent } from '../src/collector/rating.js';
import { guardFields, guardProblem, rateLimitFields, refusalProblem } from '../src/refusal.js';
import { cases } from './cases.js';

for (const { name, endpoint, batchUrl, refused, never } of cases('endpoints')) {
  test(`endpoint: ${name}`, () => {
    if (refused === undefined) {
      const found = eventEndpoint(endpoint);
      assert.equal(found.eventUrl.href, endpoint);
      assert.equal(found.batchUrl?.href ?? null, batchUrl);
      return;
    }
    assert.throws(
      () => eventEndpoint(endpoint),
      ({ message }) => message.includes(refused) && !(never && message.includes(never)),
    );
  });
}

for (const { name, steps } of cases('backoff')) {
  test(`back-off: ${name}`, () => {
    const backoff = new Backoff();
    for (const { succeeded, failed, retryAfter, times = 1, pauseMs } of steps) {
      if (succeeded) backoff.succeeded();
      else {
        const askedMs = retryAfterMs(retryAfter, 'Sun, 06 Nov 1994 08:49:37 GMT');
        let found;
        for (let time = 0; time < times; time += 1) found = backoff.failed(failed, askedMs);
        assert.equal(found, pauseMs);
      }
    }
  });
}

for (const { name, decision, guard, usual, verb, fields, problem } of cases('refusals')) {
  test(`refusal: ${name}`, () => {
    if (guard) {
      const full = { ...guard, entered: false, retryAfterMs: guard.waitNs / 1e6 };
      assert.deepEqual(guardFields(full), fields);
      assert.deepEqual(guardProblem(full), problem);
      return;
    }
    const waitMs = decision.waitNs === 'never' ? Infinity : decision.waitNs / 1e6;
    const full = { ...decision, resetAfterMs: waitMs, retryAfterMs: decision.allowed ? 0 : waitMs };
    assert.deepEqual(rateLimitFields(full), fields);
    if (problem) assert.deepEqual(refusalProblem(full, usual, verb), problem);
  });
}

for (const { name, to, answer, unreadable, policy, policies, ttlMs, rejected } of cases('answers')) {
  test(`answer: ${name}`, () => {
    const read = to === 'event' ? policyAnswer : batchAnswer;
    if (unreadable) {
      assert.throws(() => read(answer, 'http://edge'), /answered with something else than policies/);
      return;
    }
    const found = read(answer, 'http://edge');
    assert.equal(found.ttlMs, ttlMs);
    const two = ({ bucketSize, refillRate }) => ({ bucketSize, refillRate });
    if (policy) assert.deepEqual(two(found), policy);
    if (policies) {
      assert.deepEqual(Object.entries(found.policies).map(([user, own]) => [user, two(own)]), Object.entries(policies));
      assert.deepEqual((found.rejected ?? []).map(({ index }) => index), rejected);
    }
  });
}

const COLLECTOR = { id: 'c', service: 'rating', epoch: 1790000000000 };

for (const { name, settings, steps } of cases('batches')) {
  test(`batch: ${name}`, () => {
    const outbox = new Outbox(settings);
    const counters = new Counters(settings.usersMax);
    const gather = () => outbox.fill(counters.drain((user) => outbox.pending(user)));
    for (const step of steps) {
      if ('attempt' in step) counters.attempt(step.attempt, step.accepted, step.context, 0);
      if ('ended' in step) counters.ended(step.ended === 'completed');
      if ('event' in step) outbox.push(checkedEvent(step.event, 0));
      if ('gather' in step) gather();
      if ('waiting' in step) assert.equal(outbox.waiting, step.waiting, 'waiting');
      if ('dropped' in step) assert.equal(outbox.dropped, step.dropped, 'dropped');
      if (!('batch' in step)) continue;
      gather();
      const batch = outbox.nextBatch(COLLECTOR, step.inFlight ?? 0, counters.totals());
      assert.deepEqual(JSON.parse(JSON.stringify(batch)), step.batch);
      if (step.then === 'lost') outbox.putBack(batch.events, batch.users ?? []);
      else if (step.then === 'refused') outbox.giveUp(batch.events.length);
      else {
        outbox.done(batch.events.length);
        outbox.succeeded(step.roundTripMs ?? 1);
      }
    }
  });
}
