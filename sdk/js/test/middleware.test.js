/** The limiter in Express, in Fastify and in a bare server: the same answers in each. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

import { Collector, expressLimiter, fastifyLimiter } from '../src/index.js';
import { StandInEdge, until } from './edge.js';

const key = (request) => request.headers['x-user'];
const work = (url, send) => {
  if (url === '/fails') return send(500, 'no');
  if (url === '/waits' || url === '/stream') return new Promise((resolve) => waiting.push(() => resolve(send(200, 'done'))));
  return url === '/hangs' ? undefined : send(200, 'done');
};
/** Requests that are to be answered later. */
const waiting = [];
const rating = (request) => ({ userId: key(request), itemId: request.url.slice(1), score: 5, timestamp: 1 });

/** Every way to serve: each gives a function that starts it and one that stops it. */
const SERVERS = {
  'node:http': async (collector, options) => {
    const limiter = expressLimiter(collector, options);
    const server = createServer((request, response) => {
      limiter(request, response, () => work(request.url, (status, text) => response.writeHead(status).end(text)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: server.address().port, stop: () => server.close() };
  },
  express: async (collector, options) => {
    const { default: express } = await import('express');
    const app = express();
    app.use(expressLimiter(collector, options));
    app.use((request, response) => work(request.url, (status, text) => response.status(status).send(text)));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: server.address().port, stop: () => server.close() };
  },
  fastify: async (collector, options) => {
    const { default: fastify } = await import('fastify');
    const app = fastify();
    await app.register(fastifyLimiter(collector, options));
    app.get('/*', (request, reply) => work(request.url, (status, text) => reply.code(status).send(text)));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return { port: app.server.address().port, stop: () => app.close() };
  },
};

function get(port, path = '/film', headers = { 'x-user': 'ann' }) {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', path, headers, agent: false }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, headers: response.headers, body });
    });
    request.on('error', reject);
    request.end();
  });
}

for (const [name, serve] of Object.entries(SERVERS)) {
  describe(`limiter in ${name}`, () => {
    /** @type {StandInEdge} */ let edge;
    /** @type {Collector} */ let collector;
    let server;

    before(async () => {
      edge = await new StandInEdge().start();
    });
    after(() => edge.stop());
    beforeEach(() => {
      collector = new Collector({
        eventEndpoint: edge.endpoint,
        flushIntervalMs: 60_000,
        safe: { bucketSize: 2, refillRate: 0.05 },
      });
    });
    afterEach(async () => {
      await server.stop();
      await collector.close();
    });

    it('admits, tells what is left, and refuses as the rating service does', async () => {
      server = await serve(collector, { key, verb: 'rate' });
      const first = await get(server.port);
      assert.deepEqual([first.status, first.body], [200, 'done']);
      assert.equal(first.headers.ratelimit, '"user";r=1;t=20');
      assert.equal(first.headers['ratelimit-policy'], '"user";q=2;w=40');
      assert.equal((await get(server.port)).status, 200);
      const refused = await get(server.port);
      assert.equal(refused.status, 429);
      assert.match(refused.headers['content-type'], /^application\/problem\+json/);
      assert.match(refused.headers['retry-after'], /^(1\d|20)$/);
      assert.match(refused.headers.ratelimit, /^"user";r=0;t=(1\d|20)$/);
      const problem = JSON.parse(refused.body);
      assert.equal(problem.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded');
      assert.match(problem.detail, /^this user may rate 0\.050 times a second, 2 at once; try again in (1\d|20)\./);
      assert.equal((await get(server.port, '/film', { 'x-user': 'bob' })).status, 200, 'another user has a bucket of its own');
      await until(() => collector.status().totals.completed === 3, 'three completed');
      const { totals, inFlight } = collector.status();
      assert.deepEqual(totals, { attempts: 4, accepted: 3, throttled: 1, completed: 3, failed: 0 });
      assert.equal(inFlight, 0);
    });

    it('counts what fails, and whose client left, as failed', async () => {
      server = await serve(collector, { key, rating });
      assert.equal((await get(server.port, '/fails')).status, 500);
      const hanging = httpRequest({ port: server.port, host: '127.0.0.1', path: '/hangs', headers: { 'x-user': 'ann' } });
      hanging.on('error', () => {});
      hanging.end();
      await until(() => collector.status().inFlight === 1, 'the request in flight');
      hanging.destroy();
      await until(() => collector.status().totals.failed === 2, 'both failed');
      await collector.close();
      const sent = edge.events.slice(-2);
      assert.deepEqual(sent.map(({ itemId, outcome }) => [itemId, outcome]), [['fails', 'failed'], ['hangs', 'timeout']]);
      assert.ok(sent.every(({ latencyMs }) => latencyMs >= 0));
    });

    it('refuses who has no key, unless told to admit it', async () => {
      server = await serve(collector, { key });
      const refused = await get(server.port, '/film', {});
      assert.equal(refused.status, 401);
      assert.equal(JSON.parse(refused.body).type, 'urn:openclaw:problem:unauthorized');
      await server.stop();
      server = await serve(collector, { key, unkeyed: 'admit' });
      assert.equal((await get(server.port, '/film', {})).status, 200);
      assert.equal(collector.status().totals.attempts, 0);
    });

    it('refuses before a full guard, the greedy first, and leaves out what stays open by design', async () => {
      await collector.close();
      const safe = { bucketSize: 100, refillRate: 1 };
      collector = new Collector({ eventEndpoint: edge.endpoint, flushIntervalMs: 60_000, safe });
      server = await serve(collector, { key, guard: (request) => request.url !== '/stream' });
      const held = Array.from({ length: 21 }, (_, n) => get(server.port, n < 5 ? '/stream' : '/waits'));
      await until(() => collector.status().inFlight === 21 && waiting.length === 21, 'all in flight');
      assert.equal(collector.status().guard.inFlight, 16);
      const refused = await get(server.port);
      assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1']);
      assert.equal(refused.headers.ratelimit, undefined);
      assert.match(refused.headers['content-type'], /^application\/problem\+json/);
      const { detail } = JSON.parse(refused.body);
      assert.equal(detail, 'the service is full: 16 requests are in flight and 16 may be; try again shortly');
      assert.equal((await get(server.port, '/film', { 'x-user': 'bob' })).status, 200, 'who holds nothing still enters');
      for (const answer of waiting.splice(0)) answer();
      assert.ok((await Promise.all(held)).every(({ status }) => status === 200));
      await until(() => collector.status().guard.inFlight === 0, 'nothing in flight');
      assert.equal(collector.status().totals.throttled, 1);
    });

    it('lets go of what a bucket refuses', async () => {
      server = await serve(collector, { key });
      for (let n = 0; n < 30; n += 1) await get(server.port);
      await until(() => collector.status().inFlight === 0, 'nothing in flight');
      assert.deepEqual(collector.status().guard, { inFlight: 0, guardMs: 100, cap: 16, refused: 0 });
    });

    it('takes what a request costs', async () => {
      server = await serve(collector, { cost: (request) => (request.url === '/dear' ? 2 : 1) });
      assert.equal((await get(server.port, '/dear')).status, 200);
      assert.equal((await get(server.port, '/cheap')).status, 429, 'by the same address');
    });
  });
}
