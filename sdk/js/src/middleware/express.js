/** The limiter as middleware of Express, and of anything else that calls `(request, response, next)`: Connect, `node:http`. */

import { limit } from './limiter.js';

/** @typedef {import('../collector/collector.js').Collector} Collector */

/**
 * Middleware that admits requests by what is in flight and by their users' buckets.
 * @template {import('node:http').IncomingMessage} Request
 * @param {Collector} collector
 * @param {import('./limiter.js').LimiterOptions<Request>} [options]
 * @returns {(request: Request, response: import('node:http').ServerResponse, next: (error?: unknown) => void) => void}
 */
export function expressLimiter(collector, options = {}) {
  return (request, response, next) => {
    // Express knows the client behind trusted proxies; plain requests know their peer.
    const address = /** @type {{ ip?: string }} */ (request).ip ?? request.socket.remoteAddress;
    const refusal = limit(collector, options, request, address, response);
    if (!refusal) {
      next();
      return;
    }
    response.writeHead(refusal.status, { ...refusal.fields, 'Content-Length': Buffer.byteLength(refusal.body) });
    response.end(refusal.body);
  };
}
