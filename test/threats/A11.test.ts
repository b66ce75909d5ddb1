import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../e2e/world.ts';
import { errorIn, recorded, rowsIn, textOf } from './attack.ts';
import { checked } from './rules.ts';

/** No rule and no setting lets an action by without its record, or a column without its mask. */
let world: World;
beforeAll(async () => {
  world = await startWorld({
    policies: `@id("everything") permit (principal in Group::"admins", action, resource in Target::"crm");
@id("reveal-all") permit (principal in Group::"admins", action == Action::"reveal", resource in Label::"pii");`,
  });
});
afterAll(() => world.stop());

test.each([
  ['an action of its own', 'audit.skip', '@id("x") permit (principal, action == Action::"audit.skip", resource);'],
  ['an action named Skip', 'Skip', '@id("x") permit (principal, action == Action::"Skip", resource);'],
  ['@skip', '@skip', '@id("x") @skip("audit") permit (principal, action, resource);'],
  ['@audit("off")', '@audit', '@id("x") @audit("off") permit (principal, action, resource);'],
  [
    '@record("none")',
    'record "none"',
    '@id("x") @record("none") permit (principal, action == Action::"sql.read", resource);',
  ],
  [
    '@record("off")',
    'record "off"',
    '@id("x") @record("off") permit (principal, action == Action::"sql.read", resource);',
  ],
  ['@nolog', '@nolog', '@id("x") @nolog permit (principal, action, resource);'],
  [
    '@mask("none")',
    'mask "none"',
    '@id("x") @cure("mask") @mask("none") forbid (principal, action == Action::"reveal", resource);',
  ],
  ['@unmask', '@unmask', '@id("x") @unmask permit (principal, action, resource);'],
  ['@bypass', '@bypass', '@id("x") @bypass("masking") permit (principal, action, resource);'],
  [
    'a cure of nothing',
    'unknown cure',
    '@id("x") @cure("nothing") forbid (principal, action == Action::"sql.write", resource) unless { context.approvedBy.contains("x") };',
  ],
  [
    'observing forever what is built in',
    'built-in',
    '@id("sallyport.reveal") @mode("observe") permit (principal, action == Action::"reveal", resource);',
  ],
])('A11 a rule that skips by %s is refused by check', async (_, told, rule) => {
  const { status, said } = await checked(rule);
  expect(said).toContain('rules.cedar:1');
  expect(said).toContain(told);
  expect(status).toBe(1);
});

test.each([
  ['audit off', { audit: { enabled: false } }],
  ['audit durability none', { audit: { durability: 'none' } }],
  ['audit null', { audit: null }],
  ['a target without a record', { target: { record: 'none' } }],
  ['a target that skips', { target: { audit: false } }],
  ['a service account that is not recorded', { account: { record: false } }],
])('A11 the record cannot be switched off by the configuration: %s', async (_, change) => {
  const { status } = await checked(
    '@id("x") permit (principal in Group::"dev", action == Action::"open", resource);',
    change,
  );
  expect(status).toBe(1);
});

test('A11 a permit of everything, reveal by name included, does not unmask: raw and by psql', async () => {
  const client = await world.gateway.login('max', 'crm');
  expect(rowsIn(await client.query('select ssn from customers where id = 1'))).toEqual([['*******6789']]);
  expect(errorIn(await client.query('select upper(ssn) from customers'))).toMatchObject({ C: '42501' });
  client.end();
  const ran = await world.gateway.psql('max', 'crm', 'select ssn from customers where id = 1');
  expect(ran.stdout).toBe('*******6789\n');
});

test('A11 what a permit of everything lets by is recorded all the same', async () => {
  await world.gateway.psql('max', 'crm', [
    'select 1 /* a11 read */',
    'create table a11 (a int) /* a11 define */',
    'set search_path = public /* a11 set */',
  ]);
  for (const text of ['a11 read', 'a11 define', 'a11 set'])
    await recorded(world.gateway, text, (one) => one.entry.kind === 'action' && textOf(one).includes(text));
});
