import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/core/json.ts';
import {
  type IdentityConfig,
  identityConfig,
  type OidcConfig,
  type WorkloadConfig,
} from '../../src/identity/config.ts';
import {
  accountPrincipal,
  agentPrincipal,
  humanPrincipal,
  type Named,
  People,
  workloadPrincipal,
} from '../../src/identity/principals.ts';
import { CONFIG, ciClaims, idClaims } from './room.ts';

const people = new People(CONFIG);
const okta = (changes: Partial<OidcConfig> = {}): OidcConfig => {
  const line = CONFIG.providers?.find(({ name }) => name === 'okta');
  if (line?.type !== 'oidc') throw new Error('no okta');
  return { ...line, ...changes };
};
const github = (changes: Partial<WorkloadConfig> = {}): WorkloadConfig => {
  const line = CONFIG.providers?.find(({ name }) => name === 'github');
  if (line?.type !== 'workload') throw new Error('no github');
  return { ...line, ...changes };
};
// Claims of a test are JSON.
const id = (changes: JsonObject = {}): JsonObject => ({ ...(idClaims() as JsonObject), ...changes });
const ci = (changes: JsonObject = {}): JsonObject => ({ ...(ciClaims() as JsonObject), ...changes });
const human = (claims: JsonObject, line = okta(), with_: People = people): Named =>
  humanPrincipal(line, String(claims.sub), claims, with_, 10);
const named = (result: Named): Named & { outcome: 'named' } => {
  if (result.outcome !== 'named') throw new Error(result.why);
  return result;
};

describe('a human', () => {
  test('is known by the immutable subject, and read by the verified address', () => {
    expect(named(human(id())).principal).toEqual({
      kind: 'human',
      id: 'okta/00u-ann',
      name: 'ann@example.com',
      provider: 'okta',
      groups: ['okta/dev', 'okta/dba'],
      claims: {},
      person: 'okta/00u-ann',
      onBehalfOf: null,
      mayApprove: true,
    });
  });

  test.each<[string, JsonObject, Partial<OidcConfig>]>([
    ['an address that nobody verified', { email_verified: false }, {}],
    ['an address said to be verified in words', { email_verified: 'true' }, {}],
    ['an address of which nothing is said', { email_verified: null }, { username_claim: 'email' }],
    [
      'the unverified address under another claim',
      { email_verified: false, upn: 'ann@example.com' },
      { username_claim: 'upn' },
    ],
    ['the name of a service account', { nick: 'nightly-backup' }, { username_claim: 'nick' }],
    ['the name of an agent', { nick: 'claude-code' }, { username_claim: 'nick' }],
    ['a name with a line break', { nick: 'a\nb' }, { username_claim: 'nick' }],
    ['the name that means anybody', { nick: '-' }, { username_claim: 'nick' }],
    ['a list of names', { nick: ['a'] }, { username_claim: 'nick' }],
    ['what every object inherits', {}, { username_claim: 'constructor' }],
  ])('is never named by %s', (_, changes, line) => {
    expect(named(human(id(changes), okta(line))).principal.name).toBe('00u-ann');
  });

  test('whose subject is an account of the gateway has the provider in the name', () => {
    const { principal } = named(human(id({ sub: 'nightly-backup', email_verified: false })));
    expect(principal).toMatchObject({ id: 'okta/nightly-backup', name: 'okta/nightly-backup' });
  });

  test('is named by the claim that the configuration chose', () => {
    expect(named(human(id({ nick: 'ann' }), okta({ username_claim: 'nick' }))).principal.name).toBe('ann');
  });

  test('is the person that people: says, and otherwise nobody but himself, whatever his address', () => {
    expect(named(human(id({ sub: '00u-lead' }))).principal.person).toBe('lead@example.com');
    expect(named(human(id({ email: 'lead@example.com' }))).principal.person).toBe('okta/00u-ann');
  });

  test('has the same subject and another id at another provider', () => {
    expect(named(human(id(), okta({ name: 'google' }))).principal.id).toBe('google/00u-ann');
  });
});

describe('groups of a provider', () => {
  const groups = (claims: JsonObject, line: Partial<OidcConfig> = {}): readonly string[] | null => {
    const result = human(id(claims), okta(line));
    return result.outcome === 'named' ? result.principal.groups : null;
  };

  test('never become the gateway’s own by being called like them', () => {
    expect(groups({ groups: ['dba', 'gateway/dba', 'github/ci'] })).toEqual([
      'okta/dba',
      'okta/gateway/dba',
      'okta/github/ci',
    ]);
  });

  test('have bare names where they are trusted and listed, and only there', () => {
    const trusted: Partial<OidcConfig> = { groups: 'trusted', groups_allowed: ['dba'] };
    expect(groups({ groups: ['dba', 'admins'] }, trusted)).toEqual(['okta/dba', 'dba', 'okta/admins']);
    expect(groups({ groups: ['dba'] }, { groups_allowed: ['dba'] })).toEqual(['okta/dba']);
  });

  test('are none without the claim, and one where it is a text', () => {
    expect(groups({ groups: null })).toEqual([]);
    expect(groups({ groups: 'dev' })).toEqual(['okta/dev']);
    expect(groups({ groups: ['dev'] }, { groups_claim: 'roles' })).toEqual([]);
  });

  test.each<[string, JsonObject]>([
    ['are too many', { groups: Array.from({ length: 11 }, (_, index) => `g${index}`) }],
    ['are elsewhere', { groups: null, _claim_names: { groups: 'src1' } }],
    ['hold a number', { groups: ['dev', 7] }],
    ['hold an empty name', { groups: [''] }],
    ['hold a line break', { groups: ['a\nb'] }],
    ['are an object', { groups: { dev: true } }],
  ])('that %s refuse the token: a rule that forbids a group something must find it', (_, claims) => {
    expect(groups(claims)).toBeNull();
  });
});

describe('a workload', () => {
  test('is known by its subject, has the groups of its line, and answers to whoever started it', () => {
    expect(named(workloadPrincipal(github(), 'x', ci(), people)).principal).toEqual({
      kind: 'workload',
      id: 'github/ci:4242',
      name: 'ci:4242',
      provider: 'github',
      groups: ['github/ci', 'ci'],
      claims: { repository_id: ['4242'], ref: ['refs/heads/main'], event_name: ['push'], environment: ['production'] },
      person: 'lead@example.com',
      onBehalfOf: null,
      mayApprove: false,
    });
  });

  test('started by somebody whom people: does not name answers to that id', () => {
    expect(named(workloadPrincipal(github(), 'x', ci({ actor_id: 12 }), people)).principal.person).toBe('github/12');
  });

  test('that does not say who started it is refused where that is wanted', () => {
    expect(workloadPrincipal(github(), 'x', ci({ actor_id: null }), people).outcome).toBe('refused');
  });

  test('of a line without acts_for has the person of the line, or nobody', () => {
    const { acts_for: _, ...line } = github();
    expect(named(workloadPrincipal(line, 'x', ci(), people)).principal.person).toBeNull();
    expect(named(workloadPrincipal({ ...line, person: 'okta/00u-lead' }, 'x', ci(), people)).principal.person).toBe(
      'lead@example.com',
    );
  });

  test('without a template is known by its sub', () => {
    const { subject: _, ...line } = github();
    expect(named(workloadPrincipal(line, 'repo:acme/app', ci(), people)).principal.id).toBe('github/repo:acme/app');
  });

  test('called like a service account is not read as one', () => {
    const line = github({ subject: '{nick}' });
    expect(named(workloadPrincipal(line, 'x', ci({ nick: 'nightly-backup' }), people)).principal.name).toBe(
      'github/nightly-backup',
    );
  });
});

describe('accounts of the gateway', () => {
  const account = (line: NonNullable<IdentityConfig['service_accounts']>[number]) => accountPrincipal(line, people);

  test('have their own groups by bare names, and may approve only where the line says so and names a person', () => {
    expect(
      account({ name: 'release-manager', groups: ['dba'], person: 'lead@example.com', may_approve: true }),
    ).toMatchObject({
      kind: 'workload',
      id: 'gateway/release-manager',
      groups: ['dba'],
      person: 'lead@example.com',
      mayApprove: true,
    });
    expect(account({ name: 'a', person: 'lead@example.com' }).mayApprove).toBe(false);
    expect(account({ name: 'a', may_approve: true })).toMatchObject({ person: null, mayApprove: false });
  });

  test('that are agents have only their own groups, the person they act for, and decide nothing', () => {
    const ann = named(human(id())).principal;
    expect(agentPrincipal({ name: 'claude-code', groups: ['agents'], on_behalf_of: 'required' }, ann)).toEqual({
      kind: 'agent',
      id: 'gateway/claude-code',
      name: 'claude-code',
      provider: 'gateway',
      groups: ['agents'],
      claims: {},
      person: 'okta/00u-ann',
      onBehalfOf: ann,
      mayApprove: false,
    });
  });
});

test('claims that policies may read are those named, each a list of texts', () => {
  const line = okta({ claims: ['department', 'level', 'tags', 'address', 'nothing', 'constructor'] });
  const claims = id({ department: 'research', level: 3, tags: ['a', 'b'], address: { city: 'x' } });
  expect(named(human(claims, line)).principal.claims).toEqual({
    department: ['research'],
    level: ['3'],
    tags: ['a', 'b'],
  });
});

test('the configuration of these tests is one that the schema takes', () => {
  expect(identityConfig.safeParse(CONFIG).success).toBe(true);
});
