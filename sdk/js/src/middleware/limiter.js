/**
 * One request's way through a collector, whatever framework serves it: admitted or refused, watched to its end, and told
 * to the edge as a rating where it is one.
 */

import { PROBLEM_JSON, guardFields, guardProblem, rateLimitFields, refusalProblem } from '../refusal.js';

/** @typedef {import('../collector/collector.js').Collector} Collector */
/** @typedef {import('../collector/outbox.js').RatingEvent} RatingEvent */
/** @typedef {import('../collector/counters.js').Context} Context */

/**
 * @template Request
 * @typedef {object} LimiterOptions
 * @property {(request: Request) => string | undefined} [key] whose limit a request counts against; by default the peer's
 * address. Take what the client cannot choose: a verified id rather than a header.
 * @property {'admit' | 'refuse'} [unkeyed] what becomes of a request without a key; by default it is refused with 401.
 * @property {number | ((request: Request) => number)} [cost] tokens that a request takes; by default one.
 * @property {boolean | ((request: Request) => boolean)} [guard] whether a request counts as in flight; by default it does.
 * Leave out what stays open by design, such as streams: it would fill the guard, and ends too seldom to show any speed.
 * @property {(request: Request) => Context | undefined} [context] circumstances, in words that the edge lists.
 * @property {(request: Request) => Partial<RatingEvent> | undefined} [rating] the rating that a request was, asked when
 * it has ended; it is sent with its latency and outcome. Leave it out where ratings reach the collector otherwise.
 * @property {string} [verb] what users do here, for the refusal's sentence; by default `call`.
 * @property {boolean} [headers] whether admitted requests get `RateLimit` and `RateLimit-Policy` too; by default they do.
 */

/** @typedef {{ status: number, fields: Record<string, string>, body: string }} Refusal */

/**
 * Asks the collector for one request.
 * @template Request
 * @param {Collector} collector
 * @param {LimiterOptions<Request>} options
 * @param {Request} request
 * @param {string | undefined} address the peer's
 * @param {import('node:http').ServerResponse} response
 * @returns {Refusal | undefined} what to answer instead of serving it.
 */
export function limit(collector, options, request, address, response) {
  const { key, unkeyed = 'refuse', guard = true, cost = 1, context, verb = 'call', headers = true } = options;
  const user = key ? key(request) : address;
  if (user === undefined || user === null || user === '') return unkeyed === 'admit' ? undefined : unknownUser();
  const beganMs = performance.now();
  const tokens = typeof cost === 'function' ? cost(request) : cost;
  const circumstances = context?.(request);
  const guarded = typeof guard === 'function' ? guard(request) : guard;
  const place = guarded ? collector.enter(String(user), circumstances) : undefined;
  if (place?.entered === false) return refusal(guardProblem(place), guardFields(place));
  const decision = collector.decide(String(user), tokens, circumstances);
  const fields = rateLimitFields(decision);
  if (!decision.allowed) {
    place?.withdraw();
    return refusal(refusalProblem(decision, collector.usual, verb), fields);
  }
  if (headers) for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
  // Also where the client leaves before the answer: what never ends would stay in flight for ever.
  const end = () => {
    const outcome = outcomeOf(response);
    place?.leave(outcome === 'accepted');
    ended(collector, options, request, outcome, performance.now() - beganMs);
  };
  if (response.destroyed) end();
  else response.once('close', end);
  return undefined;
}

/**
 * @param {{ status: number }} problem
 * @param {Record<string, string>} fields
 * @returns {Refusal}
 */
function refusal(problem, fields) {
  return { status: problem.status, fields: { ...fields, 'Content-Type': PROBLEM_JSON }, body: JSON.stringify(problem) };
}

/** @param {import('node:http').ServerResponse} response @returns {'accepted' | 'failed' | 'timeout'} */
function outcomeOf(response) {
  if (!response.writableFinished) return 'timeout';
  return response.statusCode >= 500 ? 'failed' : 'accepted';
}

/**
 * @template Request
 * @param {Collector} collector
 * @param {LimiterOptions<Request>} options
 * @param {Request} request
 * @param {'accepted' | 'failed' | 'timeout'} outcome
 * @param {number} latencyMs
 */
function ended(collector, options, request, outcome, latencyMs) {
  collector.finished(outcome === 'accepted');
  if (!options.rating) return;
  let rating;
  try {
    rating = options.rating(request);
  } catch (error) {
    // The request was served; what cannot be told of it must not end the process.
    if (collector.listenerCount('error') > 0) collector.emit('error', error);
    return;
  }
  if (rating) collector.send({ latencyMs, outcome, ...rating });
}

/** @returns {Refusal} */
function unknownUser() {
  const problem = {
    type: 'urn:openclaw:problem:unauthorized',
    title: 'token required',
    status: 401,
    detail: 'the request does not say whose limit it counts against',
  };
  return refusal(problem, {});
}
