/** The collector before a stand-in edge: what is delivered, what is kept, what is counted. */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { Collector, registerCollector } from '../src/index.js';
import { StandInEdge, answerTo, until } from './edge.js';

const rating = (itemId, userId = 'ann') => ({ userId, itemId, score: 7, timestamp: 1_790_000_000_000 });

describe('collector', () => {
  /** @type {StandInEdge} */ let edge;
  /** @type {Collector} */ let collector;

  const start = (options = {}) => {
    collector = new Collector({ eventEndpoint: edge.endpoint, flushIntervalMs: 10, ...options });
    return collector;
  };

  beforeEach(async () => {
    edge = await new StandInEdge().start();
  });

  afterEach(async () => {
    await collector?.close();
    await edge.stop().catch(() => {});
  });

  it('reports every rating of an emitter, counts it, and applies the answer', async () => {
    const openClaw = new EventEmitter();
    collector = registerCollector(openClaw, { eventEndpoint: edge.endpoint, flushIntervalMs: 10, token: 'secret' });
    openClaw.emit('rating', rating('a'));
    openClaw.emit('rating', rating('b'));
    await until(() => collector.status().eventsDelivered === 2, 'both ratings delivered');
    const [first] = edge.batches.filter(({ events }) => events.length > 0);
    assert.deepEqual(first.events.map(({ itemId }) => itemId), ['a', 'b']);
    assert.deepEqual(first.users, [{ userId: 'ann', attempts: 2, throttled: 0 }]);
    assert.deepEqual(first.totals, { attempts: 2, accepted: 2, throttled: 0, completed: 2, failed: 0 });
    assert.notEqual(first.events[0].eventId, first.events[1].eventId);
    assert.equal(edge.authorization, 'Bearer secret');
    const { bucketSize, refillRate, own } = collector.policy('ann');
    assert.deepEqual({ bucketSize, refillRate, own }, { bucketSize: 6, refillRate: 3, own: true });
    assert.equal(collector.status().controlledBy, 'edge');
  });

  it('admits by the bucket that the edge gave, and reports what it refused', async () => {
    edge.onBatch = (batch) => answerTo(batch, { bucketSize: 2, refillRate: 0.05 });
    start();
    assert.equal(collector.tryConsume('bob'), true);
    await until(() => collector.policy('bob').own, 'parameters of its own');
    assert.deepEqual([1, 2, 3].map(() => collector.tryConsume('bob')), [true, true, false]);
    const reported = await until(() => edge.batches.find(({ totals }) => totals.throttled === 1), 'the refusal');
    assert.deepEqual(reported.users, [{ userId: 'bob', attempts: 4, throttled: 1 }]);
    assert.deepEqual(reported.totals, { attempts: 4, accepted: 3, throttled: 1, completed: 3, failed: 0 });
  });

  it('guards what is in flight by the time that the edge gave, and counts what it refused as an attempt', async () => {
    edge.onBatch = (batch) => ({ ...answerTo(batch), guardMs: 30, classes: [{ context: { deviceType: 'tv' }, guardMs: -1 }] });
    start();
    await until(() => collector.status().guard.guardMs === 30, "the edge's time");
    const places = Array.from({ length: 17 }, () => collector.enter('ann', { deviceType: 'tv' }));
    assert.deepEqual(places.at(-1), { entered: false, inFlight: 16, cap: 16, retryAfterMs: 30 });
    for (const place of places.slice(0, 16)) place.leave();
    for (const place of places.slice(0, 16)) place.leave();
    assert.equal(collector.status().guard.inFlight, 0, 'nobody leaves twice');
    await until(() => edge.batches.find(({ totals }) => totals.throttled === 1), 'the refusal reported');

    edge.onBatch = (batch) => ({ ...answerTo(batch), guardMs: 'soon' });
    await until(() => collector.status().policiesRefused > 0, 'what is no time refused');
    edge.onBatch = (batch) => answerTo(batch);
    await until(() => collector.status().guard.cap === Infinity, 'an open guard');
  });

  it('guards by half its SLO while no edge has spoken, or not at all', async () => {
    await edge.stop();
    start({ sloMs: 500 });
    assert.deepEqual(collector.status().guard, { inFlight: 0, guardMs: 250, cap: 16, refused: 0 });
    await collector.close();
    start({ guard: false });
    const entered = Array.from({ length: 100 }, () => collector.enter('ann').entered);
    assert.ok(entered.every(Boolean));
    assert.equal(collector.status().guard.inFlight, 100);
    assert.throws(() => new Collector({ sloMs: 0 }), /sloMs is 0; it must be a number above 0/);
    assert.throws(() => new Collector({ guard: 'no' }), /guard must be true or false/);
  });

  it('counts an attempt once where it both admits and reports', async () => {
    start();
    collector.tryConsume('ann');
    collector.send(rating('a'));
    await until(() => collector.status().eventsDelivered === 1, 'the rating delivered');
    assert.equal(collector.status().totals.attempts, 1);
  });

  it('keeps what an edge that is away does not get, and delivers it all when it is back', async () => {
    const { port } = edge;
    await edge.stop();
    start({ timeoutMs: 500 });
    const errors = [];
    collector.on('error', (error) => errors.push(error.message));
    for (let n = 0; n < 50; n += 1) collector.send(rating(`item-${n}`));
    await until(() => collector.status().edgeError, 'the failure noticed');
    assert.match(errors[0], /cannot be reached: connect ECONNREFUSED/);
    edge = await new StandInEdge().start(port);
    await until(() => collector.status().eventsDelivered === 50, 'everything delivered');
    assert.deepEqual(edge.events.map(({ itemId }) => itemId), Array.from({ length: 50 }, (_, n) => `item-${n}`));
    assert.equal(edge.batches.at(-1).totals.attempts, 50);
    assert.equal(errors.length, 1, 'an outage is told once');
    const { edgeError, eventsDropped, eventsWaiting } = collector.status();
    assert.deepEqual({ edgeError, eventsDropped, eventsWaiting }, { edgeError: undefined, eventsDropped: 0, eventsWaiting: 0 });
  });

  it('drops the oldest of a full queue, counts every one, and loses no count of attempts', async () => {
    const { port } = edge;
    await edge.stop();
    start({ queueMax: 10, batchMax: 4 });
    for (let n = 0; n < 25; n += 1) collector.send(rating(`item-${n}`));
    assert.equal(collector.status().eventsDropped, 15);
    edge = await new StandInEdge().start(port);
    await until(() => collector.status().eventsDelivered === 10, 'the rest delivered');
    assert.deepEqual(edge.events.map(({ itemId }) => itemId), Array.from({ length: 10 }, (_, n) => `item-${n + 15}`));
    assert.equal(edge.batches.at(-1).users?.at(0)?.attempts ?? edge.batches.at(-1).totals.attempts, 25);
  });

  it('sends single events to an edge that knows no batches, and applies their answers', async () => {
    edge.onBatch = (_, response) => {
      response.statusCode = 404;
      response.end();
    };
    start();
    collector.send(rating('a'));
    collector.send(rating('b', 'bob'));
    await until(() => collector.status().eventsDelivered === 2, 'both delivered');
    assert.deepEqual(edge.singles.map(({ userId }) => userId), ['ann', 'bob']);
    assert.equal(edge.batches.length, 1, 'the edge is not asked again at once');
    assert.equal(collector.policy('bob').bucketSize, 5);
  });

  it('says so where an edge refuses without a reason', async () => {
    edge.onBatch = (_, response) => response.writeHead(500).end();
    start();
    await until(() => collector.status().edgeError, 'the refusal');
    assert.match(collector.status().edgeError, /answered 500: no reason given$/);
  });

  it('never speaks of batches to an endpoint that does not end in /event', async () => {
    start({ eventEndpoint: `http://127.0.0.1:${edge.port}/other` });
    collector.send(rating('a'));
    await until(() => collector.status().eventsDelivered === 1, 'delivered');
    assert.equal(edge.batches.length, 0);
  });

  it('gives up what the edge will never take, and goes on', async () => {
    edge.onBatch = (batch, response) => {
      if (batch.events.length === 0) return answerTo(batch);
      response.statusCode = 400;
      response.end('{"detail":"no"}');
      return undefined;
    };
    start();
    collector.send(rating('a'));
    await until(() => collector.status().eventsDropped === 1, 'given up');
    await until(() => collector.status().controlledBy === 'edge', 'answers applied again');
  });

  it('makes batches smaller until the edge takes them', async () => {
    edge.onBatch = (batch, response) => {
      if (batch.events.length <= 3) return answerTo(batch);
      response.statusCode = 413;
      response.end();
      return undefined;
    };
    start({ batchMax: 6 });
    for (let n = 0; n < 20; n += 1) collector.send(rating(`item-${n}`));
    await until(() => collector.status().eventsDelivered === 20, 'all delivered');
    assert.equal(collector.status().eventsDropped, 0);
  });

  it('counts events that the edge rejected one by one', async () => {
    edge.onBatch = (batch) => ({ ...answerTo(batch), rejected: batch.events.length ? [{ index: 0, problem: {} }] : [] });
    start();
    collector.send(rating('a'));
    collector.send(rating('b'));
    await until(() => collector.status().eventsDelivered === 1, 'one delivered');
    assert.equal(collector.status().eventsRejected, 1);
  });

  it('is not held up by an edge that answers without end', async () => {
    edge.onBatch = (_, response) => {
      response.writeHead(200);
      response.write('{"policies":{"');
      const filler = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(filler));
    };
    start();
    collector.send(rating('a'));
    await until(() => collector.status().edgeError?.includes('it is longer than'), 'the answer cut off');
    assert.equal(collector.status().eventsWaiting, 1);
  });

  it('is not held up by an edge that does not answer', async () => {
    edge.onBatch = () => undefined;
    start({ timeoutMs: 50 });
    collector.send(rating('a'));
    await until(() => collector.status().edgeError?.includes('no whole answer within 50 ms'), 'the silence noticed');
    assert.equal(collector.tryConsume('ann'), true);
    assert.equal(collector.status().eventsWaiting, 1);
  });

  it('takes nothing for a rating that is none, and says why', async () => {
    start();
    const reasons = [];
    collector.on('error', ({ message }) => reasons.push(message));
    for (const bad of [null, [], {}, { ...rating('a'), score: NaN }, { ...rating('a'), timestamp: 0.5 }, rating('a', ''),
      rating('x'.repeat(257)), { ...rating('a'), latencyMs: '5' }, { ...rating('a'), context: { region: 5 } }]) {
      assert.equal(collector.send(bad), false);
    }
    assert.equal(collector.status().ratingsInvalid, 9);
    await until(() => reasons.length === 9, 'nine reasons');
    assert.match(reasons[3], /^score is NaN/);
    assert.match(reasons[5], /^userId must be a text of 1 to 256 bytes/);
    assert.equal(collector.status().eventsWaiting, 0);
  });

  it('sends no text that is none: half a surrogate pair and long keys cannot spoil a batch', async () => {
    start();
    collector.tryConsume('\ud800');
    collector.tryConsume('x'.repeat(300));
    collector.tryConsume('');
    const { users } = await until(() => edge.batches.find((batch) => batch.users?.length === 3), 'all three');
    assert.equal(users[0].userId, '\ufffd');
    assert.match(users[1].userId, /^sha256:[0-9a-f]{64}$/);
    assert.match(users[2].userId, /^sha256:e3b0c442/);
  });

  it('delivers what waits when it is closed, and drops and counts what comes after', async () => {
    start({ flushIntervalMs: 60_000 });
    collector.send(rating('a'));
    await collector.close();
    assert.equal(edge.events.length, 1);
    collector.send(rating('late'));
    assert.equal(collector.status().eventsDropped, 1);
  });

  it('closes in time before an edge that is away, and counts what it could not deliver', async () => {
    await edge.stop();
    start({ flushIntervalMs: 60_000, timeoutMs: 200 });
    collector.send(rating('a'));
    await collector.close();
    assert.equal(collector.status().eventsDropped, 1);
    assert.equal(collector.status().eventsWaiting, 0);
  });

  it('refuses options that make no sense, by name', () => {
    const refused = (options, reason) => assert.throws(() => new Collector(options), reason);
    refused({ eventEndpoint: 'edge:8081' }, /the event endpoint "edge:8081" is not usable/);
    refused({ queueMax: 0 }, /queueMax is 0/);
    refused({ interval: 5 }, /there is no option interval/);
    refused({ safe: { bucketSize: -1, refillRate: 1 } }, /safe\.bucketSize is -1/);
    refused({ bounds: { bucketSize: [5, 1] } }, /bounds\.bucketSize must be two numbers/);
    refused({ service: '' }, /service must be a text/);
  });
});
