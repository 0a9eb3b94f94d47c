/** The limiter as a Fastify plugin. */

import { limit } from './limiter.js';

/** @typedef {import('../collector/collector.js').Collector} Collector */

/**
 * A plugin that admits requests by what is in flight and by their users' buckets: `await app.register(fastifyLimiter(collector, options))`.
 *
 * Its hook runs before parsing, so that a refused request costs no more than its headers; where the key or the cost is in
 * the body, `hook: 'preHandler'` runs it after.
 * @template {{ ip: string }} Request
 * @param {Collector} collector
 * @param {import('./limiter.js').LimiterOptions<Request> & { hook?: 'onRequest' | 'preHandler' }} [options]
 * @returns {(app: any) => Promise<void>}
 */
export function fastifyLimiter(collector, { hook = 'onRequest', ...options } = {}) {
  const plugin = async (/** @type {any} */ app) => {
    app.addHook(hook, async (/** @type {Request} */ request, /** @type {any} */ reply) => {
      const refusal = limit(collector, options, request, request.ip, reply.raw);
      // A reply that was sent ends the request; anything but the reply itself would go on to the handler.
      return refusal && reply.code(refusal.status).headers(refusal.fields).send(refusal.body);
    });
  };
  // Fastify confines a plugin's hooks to the plugin unless it says that it is for all.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'openclaw',
  });
}
