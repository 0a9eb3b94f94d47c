/**
 * Server-sent events out of bytes (WHATWG HTML, section 9.2.6), as they come.
 *
 * Lines are bounded: a server that never ends one must not fill the memory.
 */

import { StringDecoder } from 'node:string_decoder';

/** Longest event that is read, in characters. */
const EVENT_CHARS_MAX = 1024 * 1024;

/** @typedef {{ type: string, data: string, id: string }} StreamEvent */

/** Splits a stream into events. */
export class EventParser {
  #decoder = new StringDecoder('utf8');
  #rest = '';
  #data = '';
  #hasData = false;
  #type = '';
  #opening = true;

  /** Id of the last event, or of the last comment that carried one. */
  lastEventId = '';
  /** What the server asked clients to wait before they return. @type {number | undefined} */
  retryMs = undefined;

  /**
   * The events that `chunk` completes. An event is dispatched at its blank line, and its id holds from then on: what was
   * cut off in the middle will come again.
   * @param {Buffer} chunk
   * @returns {Generator<StreamEvent>}
   * @throws {Error} where an event is longer than any that is read.
   */
  *push(chunk) {
    this.#rest += this.#decoder.write(chunk);
    if (this.#opening && this.#rest.length > 0) {
      if (this.#rest.charCodeAt(0) === 0xfeff) this.#rest = this.#rest.slice(1);
      this.#opening = false;
    }
    // A carriage return at the end may be the first half of a line end.
    const ends = /\r\n|\n|\r(?!$)/g;
    let from = 0;
    for (let end = ends.exec(this.#rest); end; end = ends.exec(this.#rest)) {
      const event = this.#line(this.#rest.slice(from, end.index));
      from = ends.lastIndex;
      if (event) yield event;
    }
    this.#rest = this.#rest.slice(from);
    if (this.#rest.length + this.#data.length > EVENT_CHARS_MAX) {
      throw new Error(`the stream sent an event of more than ${EVENT_CHARS_MAX} characters`);
    }
  }

  /** The id that takes effect at the next blank line. @type {string | undefined} */ #nextId;

  /** @param {string} line @returns {StreamEvent | undefined} */
  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#data += this.#hasData ? `\n${value}` : value;
      this.#hasData = true;
    } else if (field === 'event') {
      this.#type = value;
    } else if (field === 'id' && !value.includes('\0')) {
      this.#nextId = value;
    } else if (field === 'retry' && /^[0-9]+$/.test(value)) {
      this.retryMs = Number(value);
    }
    return undefined;
  }

  /** @returns {StreamEvent | undefined} */
  #dispatch() {
    this.lastEventId = this.#nextId ?? this.lastEventId;
    const event = { type: this.#type || 'message', data: this.#data, id: this.lastEventId };
    const dispatched = this.#hasData;
    this.#data = '';
    this.#hasData = false;
    this.#type = '';
    return dispatched ? event : undefined;
  }
}
