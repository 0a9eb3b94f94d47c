/** What the package offers. */

export { AdaptiveTokenBucket } from './bucket/bucket.js';
export { Collector, registerCollector } from './collector/collector.js';
export { DeliveryError } from './collector/delivery.js';
export { InFlightGuard } from './guard/guard.js';
export { RatingStream, connect } from './stream/stream.js';
export { expressLimiter } from './middleware/express.js';
export { fastifyLimiter } from './middleware/fastify.js';
export { guardFields, guardProblem, rateLimitFields, refusalProblem } from './refusal.js';
