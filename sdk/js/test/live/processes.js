/** Real `openclaw` processes on free ports of this machine: the program that `OPENCLAW_BIN` names. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = process.env.OPENCLAW_BIN;
if (!PROGRAM) throw new Error('OPENCLAW_BIN must name the openclaw program; `cargo xtask test --only sdk-js` sets it');

/** A folder that is gone after the test. */
export function temporaryFolder(test) {
  const folder = mkdtempSync(join(tmpdir(), 'openclaw-sdk-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a service, waits until it listens, and ends it with the test. @returns {Promise<{ url: string, kill(): Promise<void> }>} */
export async function start(test, folder, service, ...options) {
  const own = ([name]) => name !== 'EVENT_ENDPOINT' && !name.startsWith('OPENCLAW_');
  const child = spawn(PROGRAM, [service, '--admin-listen', '127.0.0.1:0', ...options], {
    cwd: folder,
    // Settings of whoever runs the tests must not reach it.
    env: Object.fromEntries(Object.entries(process.env).filter(own)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  const ended = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  test.after(kill);
  const urls = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, url] = line.trim().split(/\s+/);
    if (url?.startsWith('http://')) urls[name] = url;
    // Services print their admin listener last.
    if (name === 'admin' && url) {
      child.stdout.resume();
      return { url: urls[service], kill };
    }
  }
  throw new Error(`openclaw ${service} ended instead of listening: ${complaint}`);
}
