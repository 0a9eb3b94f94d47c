/** What the package offers. */

export { AdaptiveTokenBucket } from './bucket/bucket.js';
