/** The stream of ratings before a stand-in service that breaks off, resumes, refuses and falls silent. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { connect } from '../src/index.js';
import { EventParser } from '../src/stream/parser.js';
import { until } from './edge.js';

const event = (n) => `event: rating\nid: e-${n}\ndata: {"userId":"u","itemId":"i-${n}","score":${n},"timestamp":${n}}\n\n`;

describe('stream', () => {
  let server;
  let url;
  let stream;
  let requests;
  /** What each connection is answered, in turn; the last one for all that follow. */
  let answers;

  beforeEach(async () => {
    requests = [];
    server = createServer((request, response) => {
      requests.push(request);
      const answer = answers[Math.min(requests.length, answers.length) - 1];
      answer(response, request);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${server.address().port}`;
  });

  afterEach(async () => {
    stream?.close();
    server.closeAllConnections?.();
    server.close();
    await once(server, 'close');
  });

  const streaming = (text, ends = false) => (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text);
    if (ends) response.end();
  };

  const follow = (options) => {
    stream = connect(url, { retryMs: 5, retryMaxMs: 20, ...options });
    const seen = [];
    for (const name of ['rating', 'gap', 'open', 'close']) stream.on(name, (body) => seen.push([name, body]));
    return seen;
  };

  const ratings = (seen) => seen.filter(([name]) => name === 'rating').map(([, { itemId }]) => itemId);

  it('emits ratings as they come, and asks with its token and filters', async () => {
    answers = [streaming(`: hello\n\n${event(1)}${event(2)}`)];
    const seen = follow({ token: 't0ken', userId: 'a b' });
    await until(() => ratings(seen).length === 2, 'two ratings');
    assert.deepEqual(seen[1], ['rating', { userId: 'u', itemId: 'i-1', score: 1, timestamp: 1 }]);
    assert.equal(requests[0].url, '/ratings/stream?userId=a+b');
    assert.equal(requests[0].headers.authorization, 'Bearer t0ken');
    assert.equal(requests[0].headers['last-event-id'], undefined);
  });

  it('returns with the id of the last event, and misses none', async () => {
    answers = [streaming(event(1) + event(2), true), streaming(event(3))];
    const seen = follow();
    await until(() => ratings(seen).length === 3, 'three ratings');
    assert.equal(requests[1].headers['last-event-id'], 'e-2');
    assert.equal(stream.lastEventId, 'e-3');
  });

  it('does not count an event that was cut off in the middle', async () => {
    answers = [streaming(`${event(1)}event: rating\nid: e-2\ndata: {"userId":"u"`, true), streaming(event(2))];
    const seen = follow();
    await until(() => ratings(seen).length === 2, 'both ratings');
    assert.equal(requests[1].headers['last-event-id'], 'e-1');
  });

  it('takes the place that a heartbeat carries', async () => {
    answers = [streaming(`${event(1)}: heartbeat\nid: e-9\n\n`, true), streaming('')];
    follow();
    await until(() => requests.length === 2, 'a second connection');
    assert.equal(requests[1].headers['last-event-id'], 'e-9');
  });

  it('tells gaps, and begins anew where its place is unknown', async () => {
    const refusing = (response) => {
      response.writeHead(400, { 'content-type': 'application/problem+json' });
      response.end('{"detail":"Last-Event-ID is no id of this stream"}');
    };
    answers = [refusing, streaming('event: gap\nid: f-1\ndata: {"reason":"fell-behind","missed":3}\n\n')];
    const seen = follow({ lastEventId: 'old' });
    await until(() => seen.filter(([name]) => name === 'gap').length === 2, 'two gaps');
    assert.deepEqual(seen.filter(([name]) => name === 'gap').map(([, gap]) => gap), [
      { reason: 'unknown-place', missed: 0 },
      { reason: 'fell-behind', missed: 3 },
    ]);
    assert.equal(requests[0].headers['last-event-id'], 'old');
    assert.equal(requests[1].headers['last-event-id'], undefined);
  });

  it('goes on after refusals, errors and answers that are no stream', async () => {
    answers = [
      (response) => response.destroy(),
      (response) => response.writeHead(503).end('{"detail":"64 streams are open"}'),
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      streaming(event(1)),
    ];
    const seen = follow();
    const errors = [];
    stream.on('error', ({ message }) => errors.push(message));
    await until(() => ratings(seen).length === 1, 'the rating');
    assert.equal(errors.length, 3);
    assert.match(errors[0], /broke off/);
    assert.match(errors[1], /answered 503: .*64 streams are open/);
    assert.match(errors[2], /answered with text\/html where text\/event-stream belongs/);
  });

  it('waits as long as the service asks it to', async () => {
    answers = [(response) => response.writeHead(503, { 'retry-after': '1' }).end(), streaming(event(1))];
    const beganMs = performance.now();
    const seen = follow();
    await until(() => ratings(seen).length === 1, 'the rating');
    assert.ok(performance.now() - beganMs >= 990, 'it came back before it was told to');
  });

  it('gives a connection up on which nothing comes', async () => {
    answers = [streaming(': hello\n\n'), streaming(event(1))];
    const seen = follow({ silenceMaxMs: 50 });
    await until(() => ratings(seen).length > 0, 'the rating');
    assert.ok(requests.length >= 2);
  });

  it('ends for good when it is closed', async () => {
    answers = [streaming(event(1))];
    const seen = follow();
    await until(() => ratings(seen).length === 1, 'the rating');
    stream.close();
    assert.deepEqual(seen.at(-1), ['close', undefined]);
    await new Promise((resolve) => {
      setTimeout(resolve, 60);
    });
    assert.equal(requests.length, 1, 'it does not come back');
  });

  it('refuses what is no URL at once', () => {
    assert.throws(() => connect('localhost'), /the rating service's URL "localhost" is not usable/);
    assert.throws(() => connect('http://a:b@host'), /set a token/);
  });
});

describe('event parser', () => {
  const parse = (chunks) => {
    const parser = new EventParser();
    return chunks.flatMap((chunk) => [...parser.push(Buffer.from(chunk))]);
  };

  it('reads the same events however the bytes are cut', () => {
    const text = '\ufeffevent: rating\r\nid: 1\r\ndata: {"a":\r\ndata: "é"}\r\n\r\n:c\rdata\rid: 2\r\rdata: x\n\ndata: cut off';
    const whole = parse([text]);
    assert.deepEqual(whole, [
      { type: 'rating', data: '{"a":\n"é"}', id: '1' },
      { type: 'message', data: '', id: '2' },
      { type: 'message', data: 'x', id: '2' },
    ]);
    const bytes = Buffer.from(text);
    for (let size = 1; size < 8; size += 1) {
      const cut = [];
      for (let at = 0; at < bytes.length; at += size) cut.push(bytes.subarray(at, at + size));
      assert.deepEqual(parse(cut), whole, `in pieces of ${size} bytes`);
    }
  });

  it('refuses an event without end', () => {
    const parser = new EventParser();
    assert.throws(() => {
      for (let n = 0; n < 40; n += 1) [...parser.push(Buffer.from('x'.repeat(65_536)))];
    }, /more than 1048576 characters/);
  });
});
