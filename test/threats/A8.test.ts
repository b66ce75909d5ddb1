import { afterAll, beforeAll, expect, test } from 'vitest';
import { routeTable } from '../../src/api/routes.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { type FakeIdp, newSigningKey, signToken, startIdp } from '../fakes/idp.ts';
import { recorded } from './attack.ts';
import { BODIES, call, pathOf } from './control.ts';

/** The API of a real gateway over HTTPS: every route of its table, asked by those who may not and by one who may. */
const KEY = newSigningKey('a8');
const ROUTES = routeTable(LIMITS).map((route) => [`${route.method} ${route.path}`, route] as const);
let idp: FakeIdp;
let world: World;
beforeAll(async () => {
  idp = await startIdp([KEY]);
  world = await startWorld({
    config: {
      identity: {
        providers: [{ name: 'okta', type: 'oidc', issuer: idp.issuer, client_id: 'sallyport', groups_claim: 'groups' }],
      },
    },
    policies: `@id("auditors") permit (principal in Group::"okta/auditors", action in [Control::Action::"admin", Control::Action::"token", Control::Action::"session.view"], resource);`,
  });
});
afterAll(async () => {
  await world.stop();
  await idp.close();
});

const human = (groups: readonly string[]) => {
  const now = Math.floor(Date.now() / 1_000);
  return signToken(KEY, {
    iss: idp.issuer,
    aud: 'sallyport',
    sub: 'u-1',
    email: 'pat@example.com',
    email_verified: true,
    groups,
    iat: now - 5,
    exp: now + 300,
  });
};
const ask = (name: string, route: { method: string; path: string }, token?: string) =>
  call(world.gateway, pathOf(route), {
    method: route.method,
    ...(token === undefined ? {} : { token }),
    ...(BODIES[name] === undefined ? {} : { body: BODIES[name] }),
  });

/** Those that show nothing of anybody, and measures, which loopback may read. */
const OPEN = /^GET \/(healthz|readyz|metrics|api\/v1\/openapi\.json)$/;
/** Those that tell a caller about himself. */
const OWN = /^GET \/api\/v1\/(whoami|targets|requests|requests\/:id)$/;

test.each(ROUTES.filter(([name]) => !OPEN.test(name)))(
  'A8 %s shows nobody over HTTPS anything',
  async (name, route) => {
    for (const token of [undefined, 'sp_nobody', 'a.b.c', '']) {
      const { status, body } = await ask(name, route, token);
      expect({ token, status }).toEqual({ token, status: 401 });
      expect(body).not.toMatch(/ses_|gateway\/ann|crm/);
    }
  },
);

test.each(ROUTES.filter(([name]) => !OPEN.test(name) && !OWN.test(name)))(
  'A8 %s is forbidden to a plain account over HTTPS, and to a person without a rule',
  async (name, route) => {
    for (const token of [await world.gateway.token('max'), await world.gateway.token('ann'), human(['others'])]) {
      const { status } = await ask(name, route, token);
      // Any person may be asked to decide: the request says whom, and this one does not exist.
      if (name.endsWith('/decisions')) expect([403, 404]).toContain(status);
      else expect(status).toBe(403);
    }
  },
);

test.each(ROUTES.filter(([name, { method }]) => method === 'GET' && !OPEN.test(name)))(
  'A8 %s answers the right person over HTTPS: the refusals are not everybody’s',
  async (name, route) => {
    const { status } = await ask(name, route, human(['auditors']));
    // Ids of nothing are not found, which only who may look is told.
    expect([200, 404]).toContain(status);
  },
);

test('A8 sessions and recordings by their real ids are not shown without a login', async () => {
  await world.gateway.psql('ann', 'crm', 'select 1');
  const sessions = JSON.parse(await world.gateway.cli('sessions', 'ls', '--json'));
  const id: string = sessions[0].id;
  for (const path of ['', '/events', '/replay', '/tail']) {
    const { status, body } = await call(world.gateway, `/api/v1/sessions/${id}${path}`);
    expect(status).toBe(401);
    expect(body).not.toContain('gateway/ann');
  }
  expect((await call(world.gateway, `/api/v1/sessions/${id}/events`, { token: human(['auditors']) })).status).toBe(200);
});

test.each([
  '/api/v1/sessions/',
  '/api//v1/sessions',
  '/API/V1/SESSIONS',
  '/api/v1/%73essions',
  '/api/v1/sessions%2f',
  '/api/v1/sessions;a=b',
  '/healthz/../api/v1/sessions',
  '/healthz/..%2fapi/v1/sessions',
  '/api/v1/terminal/sessions/',
  '/api/v2/sessions',
  '/api/v1/sessions?token=x',
])('A8 %s is no way round the table', async (path) => {
  const { status, body } = await call(world.gateway, path);
  expect([400, 401, 404]).toContain(status);
  expect(body).not.toContain('gateway/ann');
});

test('A8 headers that name somebody else are nobody', async () => {
  for (const headers of [
    { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-user': 'pat@example.com' },
    { 'x-original-url': '/healthz', 'x-rewrite-url': '/healthz' },
    { 'x-http-method-override': 'GET' },
    { cookie: 'session=pat' },
  ])
    expect((await call(world.gateway, '/api/v1/sessions', { headers })).status).toBe(401);
});

test('A8 what was refused to a known caller is in the record', async () => {
  await call(world.gateway, '/api/v1/sessions', { token: await world.gateway.token('eve') });
  await recorded(
    world.gateway,
    'the refused look at sessions',
    ({ entry }) => entry.kind === 'admin' && entry.principal === 'gateway/eve',
  );
});
