/**
 * How an answer tells what the bucket or the guard decided: `RateLimit`, `RateLimit-Policy`, `Retry-After` and the problem.
 *
 * The form is the rating service's own (draft-ietf-httpapi-ratelimit-headers, RFC 9457), word for word, so that a client
 * needs one parser whatever language answers it.
 */

/** @typedef {import('./bucket/keyed.js').KeyedDecision} KeyedDecision */
/** @typedef {import('./bucket/law.js').BucketPolicy} BucketPolicy */
/** @typedef {import('./guard/guard.js').Full} Full */

/** The limit's name in the fields. */
const LIMIT = '"user"';
/** The greatest integer a structured field may carry (RFC 9651, section 3.3.1). */
const SF_INTEGER_MAX = 999_999_999_999_999;
/** What a client told "never" should wait all the same: the parameters may change within seconds. */
const NEVER_MS = 60_000;

const QUOTA_EXCEEDED = {
  type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  title: 'rate limit reached',
};
const TEMPORARY_REDUCED_CAPACITY = {
  type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
  title: 'temporarily reduced capacity',
};

/** Media type of a problem. */
export const PROBLEM_JSON = 'application/problem+json';

/**
 * The header fields of a decision: `RateLimit` and `RateLimit-Policy`, and for a refusal `Retry-After`.
 * @param {KeyedDecision} decision
 * @returns {Record<string, string>}
 */
export function rateLimitFields(decision) {
  const waitMs = decision.allowed ? decision.resetAfterMs : retryAfterMs(decision);
  const fields = {
    RateLimit: LIMIT + parameter('r', wholeTokens(decision.level)) + parameter('t', wholeSeconds(waitMs)),
    'RateLimit-Policy': LIMIT + parameter('q', wholeTokens(decision.bucketSize)) + window(decision),
  };
  if (decision.allowed) return fields;
  // A client told to retry after 0 s retries into the same refusal.
  return { ...fields, 'Retry-After': String(Math.max(wholeSeconds(waitMs), 1)) };
}

/**
 * The problem of work that a bucket refused.
 * @param {KeyedDecision} decision
 * @param {BucketPolicy} usual what a user gets in quiet times: less than that is the service's doing, not the user's.
 * @param {string} verb what users do here, such as `rate`.
 */
export function refusalProblem(decision, usual, verb) {
  const { bucketSize, refillRate, refusedBy } = decision;
  const together = refusedBy === 'newcomers' || refusedBy === 'overflow';
  const lowered = together || refillRate < usual.refillRate || bucketSize < usual.bucketSize;
  const who = together ? 'users that are new here together' : 'this user';
  const why = lowered ? ', less than usual while the service is busy' : '';
  const waitS = (retryAfterMs(decision) / 1e3).toFixed(3);
  const detail =
    `${who} may ${verb} ${refillRate.toFixed(3)} times a second, ` +
    `${Math.floor(bucketSize)} at once${why}; try again in ${waitS} s`;
  return { ...(lowered ? TEMPORARY_REDUCED_CAPACITY : QUOTA_EXCEEDED), status: 429, detail };
}

/**
 * The header fields of a request that the guard refused: its work would take as long as what is in flight may.
 * @param {Full} full
 * @returns {Record<string, string>}
 */
export function guardFields({ retryAfterMs }) {
  return { 'Retry-After': String(Math.max(wholeSeconds(retryAfterMs), 1)) };
}

/**
 * The problem of a request that the guard refused.
 * @param {Full} full
 */
export function guardProblem({ inFlight, cap }) {
  const detail = `the service is full: ${inFlight} requests are in flight and ${cap} may be; try again shortly`;
  return { ...TEMPORARY_REDUCED_CAPACITY, status: 503, detail };
}

/** @param {KeyedDecision} decision */
function retryAfterMs(decision) {
  return Math.min(decision.retryAfterMs, NEVER_MS);
}

/** @param {KeyedDecision} decision */
function window({ bucketSize, refillRate }) {
  const windowS = bucketSize / refillRate;
  return Number.isFinite(windowS) ? parameter('w', Math.max(Math.ceil(windowS), 1)) : '';
}

/** @param {string} key @param {number} value left out where it is infinite */
function parameter(key, value) {
  return value === Infinity ? '' : `;${key}=${Math.min(value, SF_INTEGER_MAX)}`;
}

/** Levels are kept to a millionth and rounded down: 9.9999999 tokens are shown as 10. @param {number} tokens */
function wholeTokens(tokens) {
  return Math.max(Math.floor(tokens + 1e-5), 0);
}

/** @param {number} ms */
function wholeSeconds(ms) {
  // Whole nanoseconds first: a double's last bit must not make a second of it.
  return ms === Infinity ? Infinity : Math.ceil(Math.round(ms * 1e6) / 1e9);
}
