import { afterAll, beforeAll, expect, test } from 'vitest';
import { oidcKeys } from '../../../src/adapters/idp-oidc/keys.ts';
import { identityConfig } from '../../../src/identity/config.ts';
import { type FakeIdp, newSigningKey, startIdp } from '../../fakes/idp.ts';
import { openRoom } from '../../identity/room.ts';

let idp: FakeIdp;
beforeAll(async () => void (idp = await startIdp([newSigningKey('one')])), 60_000);
afterAll(() => idp.close());

/** A browser as far as this login needs one: it keeps cookies, follows nothing by itself, and submits forms. */
class Browser {
  readonly #cookies = new Map<string, string>();

  async visit(url: string, form?: Record<string, string>): Promise<URL> {
    const headers = { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    const body = form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) };
    const response = await fetch(url, { redirect: 'manual', headers, ...body });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const next = response.headers.get('location');
    if (next === null) throw new Error(`${url} answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
    return new URL(next, url);
  }
}

/** The authorization code flow (OpenID Connect Core §3.1), with a person who signs in and consents. */
async function signIn(issuer: string, subject: string): Promise<string> {
  const client = { client_id: 'sallyport', redirect_uri: 'http://127.0.0.1/callback' };
  const query = new URLSearchParams({ ...client, response_type: 'code', scope: 'openid email groups', nonce: 'n-1' });
  const browser = new Browser();
  let at = await browser.visit(`${issuer}/auth?${query}`);
  for (const form of [{ prompt: 'login', login: subject, password: 'any' }, { prompt: 'consent' }]) {
    at = await browser.visit(at.href, form);
    at = await browser.visit(at.href);
  }
  const code = at.searchParams.get('code');
  if (code === null) throw new Error(`no code in ${at.href}`);
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('sallyport:sallyport-demo')}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: client.redirect_uri }),
  });
  const answer: unknown = await response.json();
  if (typeof answer !== 'object' || answer === null || !('id_token' in answer)) throw new Error(JSON.stringify(answer));
  return String(answer.id_token);
}

test('the ID token of a person who signed in at a provider opens a session as that person', async () => {
  const room = await openRoom({
    config: identityConfig.parse({
      providers: [{ name: 'demo', type: 'oidc', issuer: idp.issuer, client_id: 'sallyport', groups_claim: 'groups' }],
    }),
    keys: oidcKeys({ now: () => Date.now() }, { deadline_ms: 2_000, bytes_max: 65_536 }),
    start: Date.now(),
  });
  const secret = await signIn(idp.issuer, 'u-1002');
  expect(await room.login({ kind: 'password', user: 'dan@example.com', secret })).toMatchObject({
    outcome: 'identified',
    by: 'oidc:demo',
    principal: {
      kind: 'human',
      id: 'demo/u-1002',
      name: 'dan@example.com',
      groups: ['demo/dba'],
      person: 'demo/u-1002',
    },
  });
  expect((await room.login({ kind: 'password', user: 'ann@example.com', secret })).outcome).toBe('refused');
  await room.close();
});
