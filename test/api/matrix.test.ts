import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Api, createApi } from '../../src/api/api.ts';
import { routeTable } from '../../src/api/routes.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { API_OPTIONS, fakeRooms, TOKENS } from './fake-rooms.ts';
import { ask } from './http.ts';

/**
 * Who may call what, said here once more by hand. Columns: nobody, a bad token, an agent, a workload, a service account
 * that may approve, a human without a rule, a human with one, the operator. 2 = served, 1 = 401, 3 = 403.
 */
const EXPECTED: Readonly<Record<string, string>> = {
  //                                   none bad agent work appr human admin operator
  'GET /healthz': '2 2 2 2 2 2 2 2',
  'GET /readyz': '2 2 2 2 2 2 2 2',
  'GET /metrics': '2 1 3 3 3 3 2 2',
  'GET /api/v1/openapi.json': '2 2 2 2 2 2 2 2',
  'GET /api/v1/whoami': '1 1 2 2 2 2 2 2',
  'GET /api/v1/targets': '1 1 2 2 2 2 2 2',
  'GET /api/v1/sessions': '1 1 3 3 3 3 2 2',
  'GET /api/v1/sessions/:id': '1 1 3 3 3 3 2 2',
  'GET /api/v1/sessions/:id/events': '1 1 3 3 3 3 2 2',
  'GET /api/v1/sessions/:id/replay': '1 1 3 3 3 3 2 2',
  'GET /api/v1/sessions/:id/tail': '1 1 3 3 3 3 2 2',
  'GET /api/v1/tail': '1 1 3 3 3 3 2 2',
  'DELETE /api/v1/sessions/:id': '1 1 3 3 3 3 2 2',
  'GET /api/v1/requests': '1 1 2 2 2 2 2 2',
  'GET /api/v1/requests/:id': '1 1 2 2 2 2 2 2',
  // Agents and plain workloads never; the operator neither: only a person who may be asked, as himself.
  'POST /api/v1/requests/:id/decisions': '1 1 3 3 2 2 2 3',
  'POST /api/v1/tokens': '1 1 3 3 3 3 2 2',
  'GET /api/v1/tokens': '1 1 3 3 3 3 2 2',
  'DELETE /api/v1/tokens/:id': '1 1 3 3 3 3 2 2',
  'POST /api/v1/revocations': '1 1 3 3 3 3 2 2',
  'GET /api/v1/policy': '1 1 3 3 3 3 2 2',
  'POST /api/v1/policy/explain': '1 1 3 3 3 3 2 2',
  'POST /api/v1/policy/test': '1 1 3 3 3 3 2 2',
  'GET /api/v1/policy/observed': '1 1 3 3 3 3 2 2',
  'GET /api/v1/audit/checkpoint': '1 1 3 3 3 3 2 2',
  'GET /api/v1/audit/entries/:entry/proof': '1 1 3 3 3 3 2 2',
};

const CALLERS = [
  ['nobody', undefined],
  ['a bad token', 'tok-of-nobody'],
  ['an agent', TOKENS.agent],
  ['a workload', TOKENS.workload],
  ['a service account that may approve', TOKENS.approver],
  ['a human without a rule', TOKENS.stranger],
  ['a human with a rule', TOKENS.admin],
  ['the operator', 'operator'],
] as const;

const BODIES: Readonly<Record<string, unknown>> = {
  'POST /api/v1/requests/:id/decisions': { decision: 'deny', reason: 'no' },
  'POST /api/v1/tokens': { account: 'backup', ttl_ms: 60_000 },
  'POST /api/v1/revocations': { principal: 'okta/ada' },
  'POST /api/v1/policy/explain': { as: { id: 'okta/ada' }, target: 'crm', statement: 'select 1' },
  'POST /api/v1/policy/test': { tests: [{ file: 'a.test.yaml', text: '' }] },
};
const IDS: Readonly<Record<string, string>> = { sessions: 'ses_1', requests: 'req_1', tokens: 'tok1' };

const directory = mkdtempSync(join(tmpdir(), 'sp-api-'));
const rooms = fakeRooms();
let api: Api;
let network = '';
let socket = '';

beforeAll(async () => {
  api = createApi(rooms, { ...API_OPTIONS, limits: { ...LIMITS, requests_per_second_max: 100_000 } });
  network = await api.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  socket = await api.listen({ kind: 'unix', path: join(directory, 'admin.sock') });
});
afterAll(async () => {
  await api.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  rooms.uses.length = 0;
  rooms.calls.length = 0;
});

const routes = routeTable(LIMITS);

test('A8: every route stands in the matrix, and nothing else', () => {
  expect(routes.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(Object.keys(EXPECTED).sort());
});

describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('A8: %s', (name, route) => {
  const path = route.path.replace(/:entry/, '1').replace(/:id/, IDS[route.path.split('/')[3] ?? ''] ?? 'x');
  const wanted = (EXPECTED[name] ?? '').split(' ');

  test.each(CALLERS.map(([who, token], index) => [who, token, wanted[index]] as const))(
    'for %s',
    async (_, token, kind) => {
      const operator = token === 'operator';
      const asked = {
        to: operator ? socket : network,
        method: route.method,
        path,
        token: operator ? undefined : token,
        body: BODIES[name],
      };
      if (route.kind === 'tail' && kind === '2') setTimeout(() => rooms.endTails('over'), 100);
      const answer = await ask(asked);
      const status = kind === '2' ? [200, 201] : kind === '1' ? [401] : [403];
      expect({ who: token, status: status.includes(answer.status) || answer.status }).toEqual({
        who: token,
        status: true,
      });
      // Nothing of a room was touched by who was turned away.
      if (kind !== '2') expect(rooms.calls).toEqual([]);
      if (kind === '1') expect(answer.headers['www-authenticate']).toContain('Bearer');
    },
  );

  test('is recorded before it is used, whether allowed or refused', async () => {
    if (route.access.kind !== 'control') return;
    if (route.kind === 'tail') setTimeout(() => rooms.endTails('over'), 100);
    await ask({ to: network, method: route.method, path, token: TOKENS.admin, body: BODIES[name] });
    await ask({ to: network, method: route.method, path, token: TOKENS.agent, body: BODIES[name] });
    expect(rooms.uses.map(({ action, outcome }) => ({ action, outcome }))).toEqual([
      { action: route.access.action, outcome: 'allowed' },
      { action: route.access.action, outcome: 'refused' },
    ]);
  });

  test('does not happen where it cannot be recorded', async () => {
    if (route.access.kind !== 'control') return;
    rooms.failRecord = true;
    const answer = await ask({ to: network, method: route.method, path, token: TOKENS.admin, body: BODIES[name] });
    rooms.failRecord = false;
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ code: 'RECORD_UNAVAILABLE' });
    expect(rooms.calls).toEqual([]);
  });
});

test.each(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'TRACE'])('A8: %s is no way round the table', async (method) => {
  for (const route of routes) {
    const path = route.path.replace(/:\w+/, 'ses_1');
    const answer = await ask({ to: network, method, path, token: TOKENS.admin });
    expect([400, 404, 405, 501]).toContain(answer.status);
  }
});

test.each([
  '/api/v1/sessions/',
  '/API/V1/sessions',
  '/api//v1/sessions',
  '/api/v1/./sessions',
  '/api/v1/x/../sessions',
  '/api/v1/%73essions',
  '/api/v1/sessions;a=b',
  '/api/v1/sessions%2Fses_1',
  '/api/v1/terminal/sessions/',
  '//api/v1/sessions',
  'http://127.0.0.1/api/v1/sessions',
])('A8: %s does not get past authorisation', async (path) => {
  const answer = await ask({ to: network, path });
  expect([400, 401, 404]).toContain(answer.status);
  expect(answer.text).not.toContain('okta/ada');
});
