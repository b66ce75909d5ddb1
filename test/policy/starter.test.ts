import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { load } from '../../src/policy/load.ts';
import { createPolicy } from '../../src/policy/policy.ts';
import { problemText } from '../../src/policy/rule.ts';
import { type PolicyTestWorld, runPolicyTests } from '../../src/policy/tests.ts';
import * as world from './world.ts';
import { compare, resource, reveal, touch } from './world.ts';

const read = (file: string) => readFileSync(new URL(`../../policies/examples/${file}`, import.meta.url), 'utf8');

const crm = resource('Target', 'crm', null, 'env/prod');
const customers = resource('Table', 'crm/public.customers', resource('Schema', 'crm/public', crm));
const column = (name: string, ...labels: string[]) =>
  resource('Column', `crm/public.customers.${name}`, customers, ...labels);
const ssn = column('ssn', 'pii');

/** What the classifier would say of the statements in the file. */
const STATEMENTS: Readonly<Record<string, world.Doing>> = {
  'select 1': { touches: [touch('sql.read', crm)] },
  'select id, name, ssn from customers': {
    touches: [touch('sql.read', customers)],
    uses: reveal(column('id'), column('name'), ssn),
  },
  "select id from customers where ssn = '123-45-6789'": {
    touches: [touch('sql.read', customers)],
    uses: [...reveal(column('id')), compare(ssn)],
  },
  'drop table customers': { touches: [touch('sql.define', customers)] },
  'set role postgres': { touches: [touch('sql.administer', crm)] },
  "update customers set name = 'x' where id = 1": { touches: [touch('sql.write', customers)] },
};
const TESTED: PolicyTestWorld = {
  now: world.NOON,
  classify: (doing, target) => {
    const statement = STATEMENTS[String(doing)];
    if (target !== 'crm' || statement === undefined)
      throw new Error(`no target ${target}, or no statement ${String(doing)}`);
    return {
      classification: world.classify(statement),
      protocol: 'postgres',
      resource: crm,
      text: Buffer.from(String(doing)),
    };
  },
};
const KNOWN = {
  groups: ['developers', 'dba', 'agents', 'fraud'],
  agentGroups: ['agents'],
  labels: ['env/prod', 'pii'],
  targets: [{ name: 'crm', protocol: 'postgres' as const }],
};

function starter() {
  const loaded = load([{ file: 'starter.cedar', text: read('starter.cedar') }], world.loadOptions(KNOWN));
  if (loaded.outcome === 'refused') throw new Error(loaded.problems.map(problemText).join('\n'));
  return createPolicy(loaded.set, { mode: 'strict' });
}

describe('the starter policy', () => {
  test('passes its own tests', () => {
    const results = runPolicyTests(starter(), [{ file: 'starter.test.yaml', text: read('starter.test.yaml') }], TESTED);
    expect(results.filter((result) => !result.passed)).toEqual([]);
    expect(results.length).toBeGreaterThanOrEqual(12);
  });

  test('every test of it can fail, but the one that no policy can change', () => {
    const nothing = world.policy('@id("nothing") forbid (principal, action, resource);');
    const results = runPolicyTests(nothing, [{ file: 'starter.test.yaml', text: read('starter.test.yaml') }], TESTED);
    expect(results.filter((result) => result.passed).map((result) => result.name)).toEqual([
      'claude on the gateway: {"control":"session.view"}',
    ]);
  });
});

describe('a policy test', () => {
  const run = (text: string) => runPolicyTests(starter(), [{ file: 'a.test.yaml', text }], TESTED);

  test('that fails says what was expected and what came, with file and line', () => {
    expect(
      run(`
- as: { human: okta/dev, groups: [developers] }
  on: crm
  do: select 1
  expect: allow
- as: { human: okta/dev, groups: [developers] }
  on: crm
  do: select id, name, ssn from customers
  expect: refuse
  rules: [no-drops]
  masks: { public.customers.ssn: full }
  rows: 5
`),
    ).toEqual([
      expect.objectContaining({ line: 2, passed: true, message: '' }),
      {
        file: 'a.test.yaml',
        line: 6,
        name: 'okta/dev on crm: select id, name, ssn from customers',
        passed: false,
        message: expect.stringMatching(/expected refuse, got allow.*no-drops.*full.*partial\(0,4\).*5 rows/),
      },
    ]);
  });

  test.each([
    ['an unknown key', '- { as: { human: a/b }, on: crm, do: select 1, expects: allow }', /expect/],
    ['nobody', '- { as: { groups: [dba] }, on: crm, do: select 1, expect: allow }', /exactly one/],
    ['two at once', '- { as: { human: a/b, agent: c }, on: crm, do: select 1, expect: allow }', /exactly one/],
    ['no list', 'as: me', /list of tests/],
    ['broken YAML', '- { as: ', /./],
    ['a target that is not there', '- { as: { human: a/b }, on: cmr, do: select 1, expect: refuse }', /no target cmr/],
    ['no target', '- { as: { human: a/b }, do: select 1, expect: refuse }', /needs `on`/],
  ])('with %s fails and does not stop the others', (_, text, message) => {
    const results = run(text);
    expect(results.length).toBeGreaterThan(0);
    expect(results.every((result) => !result.passed && message.test(result.message))).toBe(true);
  });
});
