import { get, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Api, createApi } from '../../src/api/api.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { API_OPTIONS, EVENTS, type FakeRooms, fakeRooms, TOKENS } from './fake-rooms.ts';
import { where } from './http.ts';

let rooms: FakeRooms;
let api: Api;
let network = '';

beforeEach(async () => {
  rooms = fakeRooms();
  api = createApi(rooms, {
    ...API_OPTIONS,
    heartbeat_ms: 50,
    limits: { ...LIMITS, tails_max: 2, tail_bytes_max: 64 * 1024 },
  });
  network = await api.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
});
afterEach(() => api.close());

describe('a live tail', () => {
  test('sends each entry as one event, whatever its text', async () => {
    const stream = await follow('/api/v1/sessions/ses_1/tail');
    for (const entry of EVENTS) rooms.emit(entry);
    await stream.until((text) => text.includes('drop table'));
    const data = [...stream.text().matchAll(/^event: entry\nid: (\d+)\ndata: (.*)\n\n/gm)].map(([, id, json]) => [
      Number(id),
      JSON.parse(json ?? ''),
    ]);
    expect(data).toEqual(EVENTS.map((entry) => [entry.entry, entry]));
    expect(stream.response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  });

  test('shows that it lives while nothing happens', async () => {
    const stream = await follow('/api/v1/tail');
    await stream.until((text) => text.split(': still here').length > 2);
  });

  test('ends when the identification is revoked', async () => {
    const stream = await follow('/api/v1/tail');
    rooms.end(TOKENS.admin);
    await stream.closed;
    expect(stream.text()).toContain('event: end\ndata: {"why":"revoked"}');
    expect(rooms.tailing()).toBe(0);
  });

  test('ends when the policy no longer permits it', async () => {
    const stream = await follow('/api/v1/tail');
    rooms.permitted.delete('session.view');
    await stream.closed;
    expect(stream.text()).toContain('no longer permitted');
    expect(rooms.tailing()).toBe(0);
  });

  test('ends with a reason when the gateway stops', async () => {
    const stream = await follow('/api/v1/tail');
    await api.close();
    await stream.closed;
    expect(stream.text()).toContain('the gateway stops');
  });

  test('is forgotten when its reader goes', async () => {
    const stream = await follow('/api/v1/tail');
    expect(rooms.tailing()).toBe(1);
    stream.response.destroy();
    for (let waited = 0; waited < 100 && rooms.tailing() > 0; waited++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(rooms.tailing()).toBe(0);
  });

  test('drops a reader that does not read, with bounded memory and a last event', async () => {
    const stream = await follow('/api/v1/tail', { paused: true });
    const long = { ...(EVENTS[0] as (typeof EVENTS)[number]), text: 'x'.repeat(16 * 1024) };
    let sent = 0;
    // What the sockets' own buffers take is some megabytes; far beyond, it must have been dropped.
    while (rooms.tailing() > 0 && sent < 4_000) {
      rooms.emit(long);
      sent++;
      if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(rooms.tailing()).toBe(0);
    expect(sent).toBeLessThan(4_000);
    stream.response.resume();
    await stream.closed;
    expect(stream.text().trimEnd().split('\n').slice(-2).join()).toMatch(
      /event: dropped,data: \{"why":"the reader is \d+ bytes behind"\}/,
    );
  });

  test('is not opened beyond the limit', async () => {
    await follow('/api/v1/tail');
    await follow('/api/v1/tail');
    const third = await follow('/api/v1/tail');
    expect(third.response.statusCode).toBe(429);
    expect(rooms.tailing()).toBe(2);
  });

  test('of a session that is not there is not found', async () => {
    expect((await follow('/api/v1/sessions/ses_9/tail')).response.statusCode).toBe(404);
  });
});

interface Stream {
  readonly response: IncomingMessage;
  readonly closed: Promise<void>;
  text(): string;
  until(condition: (text: string) => boolean): Promise<void>;
}

function follow(path: string, options: { readonly paused?: boolean } = {}): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const request = get(
      { ...where(network), path, agent: false, headers: { authorization: `Bearer ${TOKENS.admin}` } },
      (response) => {
        let text = '';
        response.on('data', (bytes: Buffer) => (text += bytes.toString('utf8')));
        if (options.paused === true) response.pause();
        response.on('error', () => {});
        resolve({
          response,
          closed: new Promise((done) => response.on('close', () => done())),
          text: () => text,
          async until(condition) {
            for (let waited = 0; waited < 300; waited++) {
              if (condition(text)) return;
              await new Promise((wait) => setTimeout(wait, 10));
            }
            throw new Error(`it did not come within 3 s: ${text.slice(0, 500)}`);
          },
        });
      },
    );
    request.on('error', reject);
  });
}
