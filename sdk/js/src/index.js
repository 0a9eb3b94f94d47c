/** What the package offers. */

export { AdaptiveTokenBucket } from './bucket/bucket.js';
export { Collector, registerCollector } from './collector/collector.js';
export { DeliveryError } from './collector/delivery.js';
export { RatingStream, connect } from './stream/stream.js';
export { expressLimiter } from './middleware/express.js';
export { fastifyLimiter } from './middleware/fastify.js';
export { rateLimitFields, refusalProblem } from './refusal.js';
