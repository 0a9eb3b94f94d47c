/**
 * A TypeScript program that uses the package as its users do, by its name: compiled against the declarations, never run.
 * A declaration that loses a parameter or a property stops compiling here, before it does at a user's.
 */

import { createServer } from 'node:http';
import { EventEmitter } from 'node:events';
import fastify from 'fastify';
import {
  AdaptiveTokenBucket,
  Collector,
  DeliveryError,
  InFlightGuard,
  connect,
  expressLimiter,
  fastifyLimiter,
  rateLimitFields,
  refusalProblem,
  registerCollector,
} from 'openclaw';

const bucket = new AdaptiveTokenBucket({ bucketSize: 20, refillRate: 10 });
const taken: boolean = bucket.tryConsume();
bucket.updatePolicy({ bucketSize: 5, refillRate: 1 });
const level: number = bucket.level();
// @ts-expect-error a refill rate is a number
bucket.updatePolicy({ bucketSize: 5, refillRate: 'fast' });

const emitter = new EventEmitter();
const collector: Collector = registerCollector(emitter);
collector.on('error', (error: unknown) => {
  if (error instanceof DeliveryError) {
    console.error(error.message);
  }
});
const admitted: boolean = collector.tryConsume('ann');
const closed: Promise<unknown> = collector.close();

const guard = new InFlightGuard({ sloMs: 100 });
const place = guard.enter('ann', { context: { deviceType: 'mobile' } });
if (place.entered) place.leave(true);
else console.log(place.inFlight, place.cap, place.retryAfterMs);

const ratings = connect('http://127.0.0.1:8080/ratings/stream', { itemId: 'tt0111161' });
ratings.on('rating', (rating) => console.log(rating));
ratings.close();

const limiter = expressLimiter(collector, { key: (request) => request.socket.remoteAddress, cost: 2, guard: () => true });
createServer((request, response) => limiter(request, response, () => response.end()));
const plugin: PromiseLike<unknown> = fastify().register(fastifyLimiter(collector, { hook: 'preHandler' }));

export { plugin, taken, level, admitted, closed, rateLimitFields, refusalProblem };
