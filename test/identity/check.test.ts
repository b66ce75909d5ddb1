import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkIdentity } from '../../src/identity/check.ts';
import { durationMs, identityConfig } from '../../src/identity/config.ts';
import { CONFIG, FORGE, GATEWAY } from './room.ts';

const OIDC = { name: 'okta', type: 'oidc', issuer: 'https://idp.example.com', client_id: 'c' };
const CI = {
  name: 'github',
  type: 'workload',
  issuer: FORGE,
  require: { repository_id: '4242', ref: 'refs/heads/main', event_name: ['push'] },
  subject: 'ci:{repository_id}',
};
const findings = (config: unknown, publicUrl: string | null = GATEWAY): readonly string[] =>
  checkIdentity(identityConfig.parse(config), publicUrl).map(({ severity, path }) => `${severity} ${path.join('.')}`);

test('the configuration of the other tests has nothing wrong with it', () => expect(findings(CONFIG)).toEqual([]));
test('no configuration at all is a good one', () => expect(findings({})).toEqual([]));

describe('the shape', () => {
  test.each<[string, unknown]>([
    ['an unknown key', { provider: [] }],
    ['an unknown kind of provider', { providers: [{ ...OIDC, type: 'ldap' }] }],
    ['a misspelt key in a provider', { providers: [{ ...OIDC, groupsclaim: 'groups' }] }],
    ['an issuer over http', { providers: [{ ...OIDC, issuer: 'http://idp.example.com' }] }],
    ['an issuer in a file', { providers: [{ ...OIDC, issuer: 'file:///etc/passwd' }] }],
    ['an issuer with a query', { providers: [{ ...OIDC, issuer: 'https://idp.example.com/?a=1' }] }],
    ['an issuer with a password', { providers: [{ ...OIDC, issuer: 'https://a:b@idp.example.com' }] }],
    ['a shared secret as signature', { providers: [{ ...OIDC, algorithms: ['HS256'] }] }],
    ['no signature', { providers: [{ ...OIDC, algorithms: ['none'] }] }],
    ['no algorithm', { providers: [{ ...OIDC, algorithms: [] }] }],
    ['a name with a slash', { providers: [{ ...OIDC, name: 'a/b' }] }],
    ['a group with a slash', { service_accounts: [{ name: 'a', groups: ['okta/dba'] }] }],
    ['an account called like an address', { service_accounts: [{ name: 'a@b' }] }],
    ['an account called -', { service_accounts: [{ name: '-' }] }],
    ['an agent that acts for itself', { agents: [{ name: 'a', on_behalf_of: 'optional' }] }],
    ['an agent that may approve', { agents: [{ name: 'a', on_behalf_of: 'required', may_approve: true }] }],
    ['a duration without unit', { token_ttl_max: '90' }],
    ['a duration of nothing', { token_ttl_max: '0d' }],
    ['a person that is no principal', { people: { ann: ['ann'] } }],
  ])('refuses %s', (_, config) => expect(identityConfig.safeParse(config).success).toBe(false));

  test.each([
    'http://127.0.0.1:4000',
    'http://localhost:4000/realm',
    'http://[::1]:4000',
    'https://idp.example.com/tenant/v2.0',
  ])('takes the issuer %s', (issuer) =>
    expect(identityConfig.safeParse({ providers: [{ ...OIDC, issuer }] }).success).toBe(true),
  );

  test('can be written as JSON Schema, and marks where a secret stands', () => {
    const text = JSON.stringify(z.toJSONSchema(identityConfig, { io: 'input' }));
    expect(text).toContain('"format":"secret"');
  });
});

describe('errors', () => {
  test.each<[string, unknown, readonly string[]]>([
    ['two providers of one name', { providers: [OIDC, { ...OIDC, client_id: 'd' }] }, ['error providers.1.name']],
    ['two providers for one client', { providers: [OIDC, { ...OIDC, name: 'two' }] }, ['error providers.1']],
    ["the gateway's own name", { providers: [{ ...OIDC, name: 'gateway' }] }, ['error providers.0.name']],
    ['saml', { providers: [{ name: 'corp', type: 'saml', metadata: './m.xml' }] }, ['error providers.0.type']],
    [
      'an agent called like a service account',
      { service_accounts: [{ name: 'a' }], agents: [{ name: 'a', on_behalf_of: 'required' }] },
      ['error agents.0.name'],
    ],
    [
      'an approver without person',
      { service_accounts: [{ name: 'a', may_approve: true }] },
      ['error service_accounts.0.may_approve'],
    ],
    [
      'trust without a list',
      { providers: [{ ...OIDC, groups_claim: 'g', groups: 'trusted' }] },
      ['error providers.0.groups'],
    ],
    [
      'a list without trust',
      { providers: [{ ...OIDC, groups_claim: 'g', groups_allowed: ['a'] }] },
      ['error providers.0.groups_allowed'],
    ],
    [
      'trust without a claim',
      { providers: [{ ...OIDC, groups: 'trusted', groups_allowed: ['a'] }] },
      ['error providers.0.groups'],
    ],
    [
      'no requirement',
      { providers: [{ ...CI, issuer: 'https://ci.example.com', require: {}, subject: '{sub}' }] },
      ['error providers.0.require'],
    ],
    [
      'GitHub without repository',
      { providers: [{ ...CI, require: { ref: 'x', event_name: 'push' } }] },
      ['error providers.0.require'],
    ],
    [
      'GitHub by owner and name only',
      {
        providers: [{ ...CI, require: { repository_owner_id: '7', repository: 'a/b', ref: 'x', event_name: 'push' } }],
      },
      ['error providers.0.require'],
    ],
    [
      'GitHub without event',
      { providers: [{ ...CI, require: { repository_id: '4242', ref: 'x' } }] },
      ['error providers.0.require'],
    ],
    [
      "GitHub Enterprise Server's issuer alike",
      {
        providers: [
          { ...CI, issuer: 'https://ghe.example.com/_services/token', require: { repository_id: '4', ref: 'x' } },
        ],
      },
      ['error providers.0.require'],
    ],
    [
      'GitLab without project',
      { providers: [{ ...CI, issuer: 'https://gitlab.com', require: { ref: 'main' }, subject: 'ci:{project_id}' }] },
      ['error providers.0.require'],
    ],
    [
      'claims of a subject that touch',
      { providers: [{ ...CI, subject: '{repository_id}x{run_id}' }] },
      ['error providers.0.subject'],
    ],
    [
      'two ways to name a person',
      { providers: [{ ...CI, person: 'github/1', acts_for: 'actor_id' }] },
      ['error providers.0.person'],
    ],
    ['a person of an unknown provider', { people: { ann: ['okta/1'] } }, ['error people.ann.0']],
    [
      'one principal as two persons',
      { providers: [OIDC], people: { ann: ['okta/1'], dan: ['okta/1'] } },
      ['error people.dan.0'],
    ],
  ])('%s', (_, config, expected) => expect(findings(config)).toEqual(expected));

  test('a workload without audience, where there is no public_url to take its place', () => {
    expect(findings({ providers: [CI] }, null)).toEqual(['error providers.0']);
    expect(findings({ providers: [{ ...CI, audience: GATEWAY }] }, null)).toEqual([]);
  });

  test('are all found at once', () => {
    const config = {
      providers: [
        { ...CI, require: { ref: 'x' } },
        { ...CI, subject: '{a}{b}' },
      ],
    };
    expect(findings(config)).toEqual([
      'error providers.1.name',
      'error providers.0.require',
      'error providers.0.require',
      'error providers.1.subject',
    ]);
  });
});

describe('warnings', () => {
  test('GitHub for any branch', () => {
    const line = { ...CI, require: { repository_id: '4242', event_name: 'push' } };
    expect(findings({ providers: [line] })).toEqual(['warning providers.0.require']);
    const deployed = { ...line, require: { ...line.require, environment: 'production' } };
    expect(findings({ providers: [deployed] })).toEqual([]);
  });

  test.each<[string, unknown, readonly string[]]>([
    [
      'an audience that other gateways share',
      { providers: [{ ...CI, audience: 'sallyport' }] },
      ['warning providers.0.audience'],
    ],
    [
      'a wildcard in a subject',
      { providers: [{ ...CI, subject: 'ci:*:{repository_id}' }] },
      ['warning providers.0.subject'],
    ],
    [
      'a subject that a rename changes',
      { providers: [{ ...CI, subject: 'ci:{repository}' }] },
      ['warning providers.0.subject'],
    ],
    [
      "GitHub's sub, which holds the name",
      { providers: [{ ...CI, subject: '{sub}' }] },
      ['warning providers.0.subject'],
    ],
    ['a subject that is the same for all', { providers: [{ ...CI, subject: 'ci' }] }, ['warning providers.0.subject']],
    [
      'a wildcard in a requirement',
      { providers: [{ ...CI, require: { ...CI.require, ref: 'refs/heads/*' } }] },
      ['warning providers.0.require.ref'],
    ],
    [
      'another forge with GitHub’s claims',
      { providers: [{ ...CI, issuer: 'https://forge.example.com', require: { repository_id: '1' } }] },
      ['warning providers.0.require'],
    ],
    [
      'a person whom nobody can sign in as',
      { providers: [OIDC], service_accounts: [{ name: 'a', person: 'x@example.com' }] },
      ['warning service_accounts.0.person'],
    ],
  ])('%s', (_, config, expected) => expect(findings(config)).toEqual(expected));

  test('a person is known by the map, or by an id', () => {
    const account = (person: string) => ({ name: 'a', person });
    expect(findings({ providers: [OIDC], service_accounts: [account('okta/00u-ann')] })).toEqual([]);
    expect(
      findings({ providers: [OIDC], service_accounts: [account('x@example.com')], people: { 'x@example.com': [] } }),
    ).toEqual([]);
  });
});

test('durations are read in milliseconds', () => {
  expect(['5ms', '30s', '15m', '12h', '90d'].map(durationMs)).toEqual([5, 30_000, 900_000, 43_200_000, 7_776_000_000]);
});
