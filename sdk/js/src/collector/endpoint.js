/**
 * Where events go: the single-event URL that `EVENT_ENDPOINT` names, and the batch URL derived from it.
 */

const EXAMPLE = 'it looks like http://127.0.0.1:8081/api/v1/event';

/**
 * The URLs behind the single-event URL `text`: `…/event` becomes `…/events`; an endpoint that ends otherwise takes single
 * events only.
 * @param {string} text
 * @returns {{ eventUrl: URL, batchUrl: URL | undefined }}
 * @throws {TypeError} where it is no http or https URL, or holds a password: URLs are logged.
 */
export function eventEndpoint(text) {
  const eventUrl = httpUrl(text, 'the event endpoint', EXAMPLE);
  if (!eventUrl.pathname.endsWith('/event')) return { eventUrl, batchUrl: undefined };
  const batchUrl = new URL(eventUrl);
  batchUrl.pathname += 's';
  return { eventUrl, batchUrl };
}

/**
 * `text` as an http or https URL without credentials.
 * @param {string} text
 * @param {string} what it is, for the message
 * @param {string} example
 */
export function httpUrl(text, what, example) {
  /** @param {string} shown @param {string} reason */
  const unusable = (shown, reason) => new TypeError(`${what} ${JSON.stringify(shown)} is not usable: ${reason}; ${example}`);
  /** @type {URL} */ let url;
  try {
    url = new URL(text);
  } catch {
    throw unusable(String(text), 'it is no URL');
  }
  if (url.username || url.password) {
    throw unusable('http://...@...', 'a password in it would be logged; set a token');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw unusable(text, 'it must begin with http:// or https://');
  }
  return url;
}
