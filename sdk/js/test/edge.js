/** A stand-in edge on a free port of this machine: keeps what is posted and answers as it is told. */

import { once } from 'node:events';
import { createServer } from 'node:http';

const DEFAULTS = { bucketSize: 14, refillRate: 7 };

/** The answer that gives every user of a batch the same parameters. */
export function answerTo(batch, policy = { bucketSize: 6, refillRate: 3 }) {
  const users = [...(batch.users ?? []), ...batch.events].map(({ userId }) => userId);
  const policies = Object.fromEntries(users.map((user) => [user, policy]));
  return { policies, defaults: DEFAULTS, ttlMs: 5000, policyVersion: 'stand-in' };
}

export class StandInEdge {
  /** Bodies of `/api/v1/events`. */
  batches = [];
  /** Bodies of `/api/v1/event`. */
  singles = [];
  /** @type {(batch: any, response: import('node:http').ServerResponse) => any} an undefined answer is none at all */
  onBatch = (batch) => answerTo(batch);
  onSingle = () => ({ bucketSize: 5, refillRate: 2 });
  authorization;
  #server = createServer((request, response) => this.#serve(request, response));

  async start(port = 0) {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    this.endpoint = `http://127.0.0.1:${this.port}/api/v1/event`;
    return this;
  }

  /** Ends as a process does that is killed: with all its connections. */
  async stop() {
    this.#server.closeAllConnections?.();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get events() {
    return this.batches.flatMap(({ events }) => events);
  }

  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.authorization = request.headers.authorization;
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const isBatch = request.url === '/api/v1/events';
    (isBatch ? this.batches : this.singles).push(body);
    const answer = isBatch ? this.onBatch(body, response) : this.onSingle(body, response);
    if (answer === undefined || response.writableEnded) return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  }
}

/** Waits until `condition` holds; what never comes true fails the test with its own words. */
export async function until(condition, what, patienceMs = 10_000) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
