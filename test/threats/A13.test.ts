import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { POLICIES, startWorld, type World } from '../e2e/world.ts';
import { errorIn, pause, rowsIn } from './attack.ts';
import { checked } from './rules.ts';

/** A rule that can never match protects nothing and looks as if it did: it is an error, before it is used. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const RULES: readonly (readonly [what: string, told: string, rule: string])[] = [
  [
    'an unknown attribute of the context',
    'rowsMx',
    '@id("x") forbid (principal, action == Action::"sql.read", resource) when { context.rowsMx > 5000 };',
  ],
  [
    'an unknown attribute of the principal',
    'department',
    '@id("x") forbid (principal, action == Action::"sql.read", resource) when { principal.department == "x" };',
  ],
  [
    'an unknown attribute behind has',
    'rowsMx',
    '@id("x") forbid (principal, action == Action::"sql.read", resource) when { context has rowsMx && context.rowsMx > 5000 };',
  ],
  [
    'an unknown attribute of the resource',
    'owner',
    '@id("x") forbid (principal, action == Action::"sql.read", resource) when { resource.owner == "x" };',
  ],
  ['an unknown action', 'sql.reed', '@id("x") forbid (principal, action == Action::"sql.reed", resource);'],
  ['an unknown entity type', 'Robot', '@id("x") forbid (principal is Robot, action == Action::"sql.read", resource);'],
  [
    'a group nobody defines',
    'devs',
    '@id("x") forbid (principal in Group::"devs", action == Action::"sql.read", resource);',
  ],
  [
    'a label nobody defines',
    '"pi"',
    '@id("x") forbid (principal, action == Action::"reveal", resource in Label::"pi");',
  ],
  [
    'a target nobody defines',
    'cmr',
    '@id("x") forbid (principal, action == Action::"sql.read", resource in Target::"cmr");',
  ],
  [
    'a type of principal that never does it',
    'applicable',
    '@id("x") forbid (principal, action == Action::"sql.read", resource is Human);',
  ],
  [
    'a comparison of two types',
    'not compatible',
    '@id("x") forbid (principal, action == Action::"sql.read", resource) when { context.rowsMax == "5000" };',
  ],
  [
    'a condition that is never true',
    'impossible',
    '@id("x") forbid (principal, action == Action::"sql.read", resource) when { principal is Agent && principal is Human };',
  ],
  [
    'an unknown cure',
    'aproval',
    '@id("x") @cure("aproval") forbid (principal, action == Action::"sql.write", resource) unless { context.approvedBy.contains("x") };',
  ],
  [
    'a cure that lifts another rule',
    'nothing lifts it',
    '@id("x") @cure("approval") @approvers("dev") forbid (principal, action == Action::"sql.write", resource) unless { context.approvedBy.contains("y") };',
  ],
  [
    'an unknown annotation',
    '@notfy',
    '@id("x") @notfy("ops") permit (principal in Group::"dev", action == Action::"open", resource);',
  ],
  [
    'an id twice',
    'already used',
    '@id("x") permit (principal in Group::"dev", action == Action::"open", resource);\n@id("x") forbid (principal in Group::"dev", action == Action::"sql.write", resource);',
  ],
];

test.each(RULES)(
  'A13 %s, so that the rule would never match as it is meant, is refused with file and line',
  async (_, told, rule) => {
    const { status, said } = await checked(rule);
    expect(said).toMatch(/rules\.cedar:\d+/);
    expect(said).toContain(told);
    expect(status).toBe(1);
  },
);

test('A13 a good rule passes the same check: the refusals are not everybody’s', async () => {
  const good =
    '@id("x") @cure("limit-rows") @rows("5000") forbid (principal in Group::"dev", action == Action::"sql.read", resource in Target::"crm") when { context.rowsMax > 5000 };';
  const { status, said } = await checked(good);
  expect(said).not.toContain('rules.cedar:');
  expect(status).toBe(0);
});

test('A13 all problems are told at once', async () => {
  const { said } = await checked(
    RULES.slice(0, 5)
      .map(([, , rule], at) => rule.replace('"x"', `"x${at}"`))
      .join('\n'),
  );
  for (const line of [1, 2, 3, 4, 5]) expect(said).toContain(`rules.cedar:${line}`);
});

test('A13 a gateway with such a rule does not start', async () => {
  const path = join(world.gateway.directory, 'policies', 'world.cedar');
  await world.gateway.stop();
  writeFileSync(path, `${POLICIES}\n${RULES[0]?.[2]}`);
  try {
    await expect(world.gateway.restart()).rejects.toThrow('rowsMx');
  } finally {
    writeFileSync(path, POLICIES);
    await world.gateway.restart();
  }
});

test('A13 a reload with such a rule is refused whole: what was in force stays, for psql and raw', async () => {
  const path = join(world.gateway.directory, 'policies', 'world.cedar');
  const before = readFileSync(path, 'utf8');
  const client = await world.gateway.login('ann', 'crm');
  writeFileSync(path, `@id("all") permit (principal, action, resource);\n${RULES[0]?.[2]}`);
  world.gateway.process.kill('SIGHUP');
  const deadline = Date.now() + 20_000;
  while (!world.gateway.said().includes('rowsMx') && Date.now() < deadline) await pause(50);
  expect(world.gateway.said()).toContain('rowsMx');
  expect(errorIn(await client.query('drop table orders'))).toMatchObject({ C: '42501' });
  const ran = await world.gateway.psql('ann', 'crm', ['drop table orders', 'select ssn from customers where id = 1']);
  expect(ran.stderr).toContain('no-drops');
  expect(ran.stdout).toBe('*******6789\n');
  writeFileSync(path, before);
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  client.end();
});
