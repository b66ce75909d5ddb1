import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Api, createApi } from '../../src/api/api.ts';
import { problemView } from '../../src/api/contract.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { API_OPTIONS, type FakeRooms, fakeRooms, TOKENS } from './fake-rooms.ts';
import { ask, where } from './http.ts';

let directory = '';
let rooms: FakeRooms;
let api: Api;
let network = '';
let socket = '';

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sp-api-'));
  rooms = fakeRooms();
  const limits = { ...LIMITS, requests_per_second_max: 20, request_body_bytes_max: 4096, handshake_ms: 1_000 };
  api = createApi(rooms, { ...API_OPTIONS, limits, publicUrl: 'https://gw.example.com' });
  network = await api.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  socket = await api.listen({ kind: 'unix', path: join(directory, 'admin.sock') });
});
afterEach(async () => {
  await api.close();
  rmSync(directory, { recursive: true });
});

describe('the operator', () => {
  test('comes in by a socket that only its owner can open', () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
  });

  test('finds it again after a gateway that was killed', async () => {
    const path = join(directory, 'stale.sock');
    writeFileSync(path, '');
    await api.listen({ kind: 'unix', path });
    expect((await ask({ to: path, path: '/api/v1/whoami' })).json()).toMatchObject({ caller: 'operator' });
  });

  test('sees statements and never results', async () => {
    const own = await ask({ to: socket, path: '/api/v1/sessions/ses_1/replay' });
    const admin = await ask({ to: network, path: '/api/v1/sessions/ses_1/replay', token: TOKENS.admin });
    expect(admin.text).toContain('*****6789');
    expect(own.text).toContain('select name');
    expect(own.text).not.toContain('6789');
  });

  test('decides no request, with a token of somebody who may either', async () => {
    const answer = await ask({
      to: socket,
      method: 'POST',
      path: '/api/v1/requests/req_1/decisions',
      body: { decision: 'approve' },
      token: TOKENS.approver,
    });
    expect(answer.status).toBe(403);
    expect(answer.json()).toMatchObject({ code: 'OPERATOR_REFUSED', hint: expect.stringContaining('--gateway') });
    expect(rooms.calls).toEqual([]);
  });

  test('is nobody over the network', async () => {
    for (const headers of [
      { 'x-forwarded-for': '127.0.0.1' },
      { 'x-sallyport-operator': 'true' },
      { host: 'admin.sock' },
    ] as const) {
      expect((await ask({ to: network, path: '/api/v1/sessions', headers: { ...headers } })).status).not.toBe(200);
    }
  });
});

describe('a failure', () => {
  test.each([
    ['no token', { path: '/api/v1/sessions' }, 401, 'IDENTITY_REFUSED'],
    ['not permitted', { path: '/api/v1/sessions', token: TOKENS.stranger }, 403, 'POLICY_DENIED'],
    ['no such session', { path: '/api/v1/sessions/ses_2', token: TOKENS.admin }, 404, 'NOT_FOUND'],
    ['no such route', { path: '/api/v2/x', token: TOKENS.admin }, 404, 'NOT_FOUND'],
    ['no id', { path: '/api/v1/sessions/a%00b', token: TOKENS.admin }, 400, 'INPUT_INVALID'],
    ['a page too long', { path: '/api/v1/sessions?limit=100000', token: TOKENS.admin }, 400, 'INPUT_INVALID'],
    ['an unknown parameter', { path: '/api/v1/sessions?who=me', token: TOKENS.admin }, 400, 'INPUT_INVALID'],
    [
      'an unknown field',
      { method: 'POST', path: '/api/v1/revocations', token: TOKENS.admin, body: { principal: 'a/b', force: true } },
      400,
      'INPUT_INVALID',
    ],
    [
      'no JSON',
      { method: 'POST', path: '/api/v1/revocations', token: TOKENS.admin, raw: '{"principal":' },
      400,
      'INPUT_INVALID',
    ],
    [
      'a prototype in JSON',
      {
        method: 'POST',
        path: '/api/v1/revocations',
        token: TOKENS.admin,
        raw: '{"__proto__":{"x":1},"principal":"a/b"}',
      },
      400,
      'INPUT_INVALID',
    ],
    [
      'another type',
      {
        method: 'POST',
        path: '/api/v1/revocations',
        token: TOKENS.admin,
        raw: 'principal=a',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      400,
      'INPUT_INVALID',
    ],
    [
      'a long body',
      { method: 'POST', path: '/api/v1/revocations', token: TOKENS.admin, body: { principal: 'x'.repeat(5000) } },
      413,
      'WIRE_FRAME_TOO_LONG',
    ],
    [
      'a request unknown',
      { method: 'POST', path: '/api/v1/requests/req_9/decisions', token: TOKENS.approver, body: { decision: 'deny' } },
      404,
      'REQUEST_UNKNOWN',
    ],
  ] as const)('of kind %s has one shape (RFC 9457)', async (_, asked, status, code) => {
    const answer = await ask({ to: network, ...asked });
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect({ status: answer.status, code: answer.json().code }).toEqual({ status, code });
    expect(problemView.safeParse(answer.json()).success).toBe(true);
  });

  test('inside the gateway shows nothing of itself', async () => {
    rooms.sessions.show = async () => {
      throw new TypeError('hunter2 at /srv/secret/path');
    };
    const answer = await ask({ to: network, path: '/api/v1/sessions/ses_1', token: TOKENS.admin });
    expect(answer.status).toBe(500);
    expect(answer.json().code).toBe('INTERNAL');
    expect(answer.text).not.toMatch(/hunter2|secret|TypeError/);
  });

  test('of a room that answers more than its contract loses what is more', async () => {
    rooms.tokens.list = async () => ({
      // A room that forgets itself.
      items: [
        {
          id: 'tok1',
          account: 'b',
          createdAt: 1,
          createdBy: 'o',
          expiresAt: 2,
          revokedAt: null,
          secret: 'hunter2',
        } as never,
      ],
      next: null,
    });
    expect((await ask({ to: network, path: '/api/v1/tokens', token: TOKENS.admin })).text).not.toContain('hunter2');
  });
});

describe('what a browser can be made to send', () => {
  test.each([
    ['another Host', { host: 'evil.example.com' }, 400],
    ['a rebound name with our port', { host: 'gw.evil.com:8443' }, 400],
    ['our public name', { host: 'gw.example.com' }, 200],
    ['localhost', { host: 'localhost:1' }, 200],
    ['an address', { host: '[::1]:8443' }, 200],
    ['another Origin', { origin: 'https://evil.example.com' }, 400],
    ['an opaque Origin', { origin: 'null' }, 400],
    ['another site', { 'sec-fetch-site': 'cross-site' }, 400],
    ['a Host with a user', { host: 'localhost@evil.com' }, 400],
  ])('with %s', async (_, headers, status) => {
    const answer = await ask({ to: network, path: '/api/v1/whoami', token: TOKENS.admin, headers });
    expect(answer.status).toBe(status);
  });

  test('two Hosts are malformed', async () => {
    const answer = await raw(
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
  });

  test('no answer allows another origin, is cached or becomes a page', async () => {
    for (const path of ['/healthz', '/api/v1/whoami', '/nothing']) {
      const { headers } = await ask({ to: network, path, token: TOKENS.admin });
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'content-security-policy': expect.stringContaining("default-src 'none'"),
      });
    }
  });
});

describe('a limit', () => {
  test('on requests is kept for each address', async () => {
    const statuses: number[] = [];
    for (let sent = 0; sent < 60; sent++) statuses.push((await ask({ to: network, path: '/healthz' })).status);
    expect(statuses).toContain(429);
    expect(statuses.slice(0, 40).every((status) => status === 200)).toBe(true);
  });

  test('on headers is kept before anybody is asked', async () => {
    const answer = await ask({ to: network, path: '/healthz', headers: { 'x-long': 'x'.repeat(20_000) } });
    expect(answer.status).toBe(431);
  });

  test('on time is kept for who sends headers slowly', async () => {
    const started = Date.now();
    const answer = await raw('GET /healthz HTTP/1.1\r\nHost: loc', false);
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    expect(Date.now() - started).toBeLessThan(5_000);
  });

  test('a body is not read from who may not send one', async () => {
    const head = `POST /api/v1/revocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n`;
    expect(await raw(`${head}{`, false)).toMatch(/^HTTP\/1\.1 401/);
  });
});

describe('health', () => {
  test('is said to anybody and says nothing else', async () => {
    expect((await ask({ to: network, path: '/healthz' })).json()).toEqual({ status: 'ok' });
    expect((await ask({ to: network, path: '/readyz' })).json()).toEqual({ ready: true, waiting: [] });
    rooms.ready = false;
    const waiting = await ask({ to: network, path: '/readyz' });
    expect({ status: waiting.status, body: waiting.json() }).toEqual({
      status: 503,
      body: { ready: false, waiting: ['record'] },
    });
  });

  test('metrics are text for Prometheus', async () => {
    const answer = await ask({ to: network, path: '/metrics' });
    expect(answer.headers['content-type']).toContain('version=0.0.4');
    expect(answer.text).toContain('sallyport_info');
  });

  test('every answer is counted by its route, never by its path', async () => {
    await ask({ to: network, path: '/api/v1/sessions/ses_1', token: TOKENS.admin });
    await ask({ to: network, path: '/attacker/chosen', token: TOKENS.admin });
    expect(rooms.answers).toEqual([
      { route: '/api/v1/sessions/:id', status: 200 },
      { route: 'none', status: 404 },
    ]);
  });
});

describe('the description', () => {
  test('is OpenAPI 3.1 and has every route of the table', async () => {
    const answer = await ask({ to: network, path: '/api/v1/openapi.json' });
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const document = answer.json();
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths as object)).toContain('/api/v1/requests/{id}/decisions');
    expect(Object.keys(document.paths as object).length).toBeGreaterThanOrEqual(20);
    expect(JSON.stringify(document)).toContain('"bearer":[]');
  });
});

/** Sends these bytes and gives what comes back until the end, or the first answer. */
function raw(text: string, end = true): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = connect(where(network) as { host: string; port: number });
    let received = '';
    client.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (!end && received.includes('\r\n\r\n')) client.destroy();
    });
    client.on('close', () => resolve(received));
    client.on('error', reject);
    client.write(text);
    if (end) client.end();
  });
}
