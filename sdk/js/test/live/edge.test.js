/** The collector against a real edge that is killed and comes back. */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';

import { registerCollector } from '../../src/index.js';
import { until } from '../edge.js';
import { freePort, start, temporaryFolder } from './processes.js';

const PATIENCE_MS = 30_000;
const [ADMIN, COLLECTOR] = ['admin-of-the-live-test', 'collector-of-the-live-test'];
const SETTINGS = ['edge.ttl=1s', `access.adminTokens=${ADMIN}`, `access.collectorTokens=${COLLECTOR}`];

test('a real edge moves the buckets, may die, and loses nothing when it is back', async (t) => {
  const folder = temporaryFolder(t);
  const listening = ['--listen', `127.0.0.1:${await freePort()}`, ...SETTINGS.flatMap((setting) => ['--set', setting])];
  let edge = await start(t, folder, 'edge', ...listening);
  const service = new EventEmitter();
  const collector = registerCollector(service, { eventEndpoint: `${edge.url}/api/v1/event`, token: COLLECTOR });
  t.after(() => collector.close());
  let sent = 0;
  const rate = () => {
    sent += 1;
    service.emit('rating', { userId: 'ann', itemId: `item-${sent}`, score: 7, latencyMs: 20 });
  };
  const rateUntil = (condition, what) =>
    until(() => {
      rate();
      return condition();
    }, what, PATIENCE_MS);

  await rateUntil(() => collector.policy('ann').own, 'parameters of her own');
  assert.equal(collector.status().controlledBy, 'edge');

  // The operator's word is the one answer that can be foretold.
  const pin = { bucketSize: 3, refillRate: 0.5 };
  const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' };
  const pinned = await fetch(`${edge.url}/api/v1/users/ann/limits`, { method: 'PUT', headers, body: JSON.stringify({ pin }) });
  assert.equal(pinned.ok, true, await pinned.text());
  await rateUntil(() => collector.policy('ann').refillRate === pin.refillRate, 'the pin in her bucket');
  assert.equal(collector.policy('ann').bucketSize, pin.bucketSize);
  const admitted = Array.from({ length: 5 }, () => collector.tryConsume('ann')).filter(Boolean).length;
  assert.ok(admitted <= 4, `${admitted} of 5 at once with a capacity of 3`);

  // The edge has seen latencies of 20 ms, far below its SLO: it guards, by a time of its own.
  const { guardMs } = collector.status().guard;
  assert.ok(guardMs >= 30 && guardMs <= 180 && guardMs !== 100, `a guard time of ${guardMs} ms`);

  await until(() => collector.status().eventsDelivered === sent, 'all delivered', PATIENCE_MS);
  await edge.kill();
  for (let n = 0; n < 200; n += 1) rate();
  await until(() => collector.status().controlledBy === 'safe-values', 'the lease lapsed', PATIENCE_MS);
  assert.match(collector.status().edgeError, /cannot be reached/);
  await until(() => collector.status().guard.guardMs === 100, 'half the SLO, without an edge', PATIENCE_MS);
  const { refillRate } = await until(() => {
    const policy = collector.policy('ann');
    return policy.refillRate > pin.refillRate && policy;
  }, 'a step towards the safe values', PATIENCE_MS);
  assert.ok(refillRate < 10, 'a step, no jump');

  edge = await start(t, folder, 'edge', ...listening);
  await until(() => collector.status().eventsDelivered === sent, 'the rest delivered', PATIENCE_MS);
  const { eventsDropped, eventsRejected, eventsWaiting, edgeError, policiesRefused } = collector.status();
  assert.deepEqual([eventsDropped, eventsRejected, eventsWaiting, edgeError, policiesRefused], [0, 0, 0, undefined, 0]);
  await rateUntil(() => collector.status().controlledBy === 'edge', 'the edge again');
});

test('a real edge without the right token is told of once, and the service goes on', async (t) => {
  const edge = await start(t, temporaryFolder(t), 'edge', '--listen', '127.0.0.1:0', '--set', SETTINGS[2]);
  const service = new EventEmitter();
  const collector = registerCollector(service, { eventEndpoint: `${edge.url}/api/v1/event`, token: 'another' });
  t.after(() => collector.close());
  service.emit('rating', { userId: 'ann', itemId: 'film', score: 7 });
  await until(() => collector.status().edgeError, 'the refusal', PATIENCE_MS);
  assert.match(collector.status().edgeError, /answered 401: /);
  assert.equal(collector.status().eventsWaiting, 1);
  assert.equal(collector.tryConsume('ann'), true);
});
