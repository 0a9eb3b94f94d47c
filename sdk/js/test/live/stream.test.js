/** The stream of a real rating service that is killed and comes back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../src/index.js';
import { until } from '../edge.js';
import { freePort, start, temporaryFolder } from './processes.js';

const PATIENCE_MS = 30_000;

test('ratings arrive as they are accepted, also after an absence and after a restart', async (t) => {
  const folder = temporaryFolder(t);
  const listening = ['--listen', `127.0.0.1:${await freePort()}`];
  let service = await start(t, folder, 'rating', ...listening);
  const rate = async (itemId) => {
    const body = JSON.stringify({ userId: 'ann', itemId, score: 8, timestamp: 1_790_000_000_000 });
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(`${service.url}/ratings`, { method: 'POST', headers, body });
    assert.equal(status, 201, itemId);
  };
  const follow = (options = {}) => {
    const stream = connect(service.url, { retryMs: 50, retryMaxMs: 500, ...options });
    const seen = { stream, items: [], gaps: [], opened: 0 };
    stream.on('rating', (rating, id) => {
      assert.deepEqual(rating, { userId: 'ann', itemId: rating.itemId, score: 8, timestamp: 1_790_000_000_000 });
      assert.notEqual(id, '');
      seen.items.push(rating.itemId);
    });
    stream.on('gap', (gap) => seen.gaps.push(gap));
    stream.on('open', () => {
      seen.opened += 1;
    });
    t.after(() => stream.close());
    return seen;
  };

  const first = follow();
  await until(() => first.opened === 1, 'the stream open', PATIENCE_MS);
  await rate('a');
  await until(() => first.items.length === 1, 'the first rating', PATIENCE_MS);
  first.stream.close();

  // Given while nobody listened, and still held.
  await rate('b');
  await rate('c');
  const resumed = follow({ lastEventId: first.stream.lastEventId });
  await until(() => resumed.items.length === 2, 'what came meanwhile', PATIENCE_MS);
  assert.deepEqual(resumed.items, ['b', 'c']);
  assert.deepEqual(resumed.gaps, []);

  await service.kill();
  service = await start(t, folder, 'rating', ...listening);
  await until(() => resumed.opened === 2, 'the stream open again', PATIENCE_MS);
  await rate('d');
  await until(() => resumed.items.includes('d'), 'the rating after the restart', PATIENCE_MS);
  assert.deepEqual(resumed.items, ['b', 'c', 'd']);
  assert.deepEqual(resumed.gaps.map(({ reason }) => reason), ['new-epoch']);
});
