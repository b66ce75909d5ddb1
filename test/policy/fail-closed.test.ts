import { describe, expect, test } from 'vitest';
import type { Action } from '../../src/core/action.ts';
import type { Resource } from '../../src/core/resource.ts';
import type { Decision } from '../../src/core/verdict.ts';
import type { Policy } from '../../src/policy/policy.ts';
import * as world from './world.ts';
import {
  act,
  agent,
  ann,
  bot,
  compare,
  customers,
  eve,
  fay,
  name,
  orders,
  people,
  reveal,
  ssn,
  touch,
} from './world.ts';

const POLICIES = `${world.DESIGN_POLICIES}${world.MORE_POLICIES}
@id("team") permit (principal, action == Action::"sql.define", resource in Target::"warehouse")
when { principal.hasTag("team") && principal.getTag("team").contains("red") };
@id("inside") forbid (principal, action == Action::"sql.define", resource) unless { context.clientIp.isInRange(ip("10.0.0.0/8")) };`;

/** Requests of every kind, refused ones among them. */
const red = world.person('red', ['dev'], { claims: { team: ['red'] } });
const REQUESTS: readonly Action[] = [
  act(ann, { touches: [touch('sql.read', people)], uses: reveal(name, ssn) }),
  act(ann, { touches: [touch('sql.read', people)], uses: [compare(ssn)] }),
  act(ann, { touches: [touch('sql.write', customers)] }),
  act(fay, { touches: [touch('sql.read', people)], uses: [...reveal(ssn), compare(ssn)] }),
  act(eve, { touches: [touch('sql.read', orders)] }),
  act(bot, { touches: [touch('sql.read', people)], uses: reveal(ssn) }),
  act(bot, { touches: [touch('sql.define', orders)] }),
  act(red, { touches: [touch('sql.define', orders)] }),
  act(ann, { touches: [touch('open', world.crm)] }),
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Every way of taking one part out of a request: a property set to nothing, or an item out of a list. */
function* mutilated(value: unknown, at: readonly (string | number)[] = []): Generator<readonly (string | number)[]> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  for (const [key, inner] of Object.entries(value)) {
    yield [...at, key];
    yield* mutilated(inner, [...at, key]);
  }
}

function without(action: Action, path: readonly (string | number)[]): Action {
  const copy = structuredClone({ ...action, text: null }) as unknown as { [key: string]: Json };
  let inside: Json | undefined = copy;
  for (const step of path.slice(0, -1)) inside = (inside as { [key: string]: Json })[String(step)];
  const last = path.at(-1);
  if (Array.isArray(inside)) inside.splice(Number(last), 1);
  else if (typeof inside === 'object' && inside !== null) delete inside[String(last)];
  return { ...(copy as unknown as Action), text: action.text };
}

/** How much a decision lets through; more must not come of less. */
function passes(decision: Decision): readonly string[] {
  if (decision.effect === 'deny') return [];
  const masks = decision.obligations.filter((one) => one.kind === 'mask').map((one) => one.column.id);
  return [decision.effect === 'allow' ? 'allow' : 'ask', ...(masks.includes(ssn.id) ? [] : ['clear'])];
}

describe('nothing missing may help:', () => {
  const stage: Policy = world.policy(POLICIES, { random: () => 0.999 });

  test.each(REQUESTS.map((action, index) => [index, action] as const))(
    'taking anything out of request %i never makes it pass',
    (_, action) => {
      const whole = stage.decide(action, world.given());
      let tried = 0;
      for (const path of mutilated(action)) {
        // What it is about may be less; that is another request, with less to refuse. Labels and facts a rule reads are below.
        const part = path.join('.');
        if (/^classification\.(touches|uses)\.\d+$|labels\.\d+$|^classification\.uses$/.test(part)) continue;
        const decision = stage.decide(without(action, path), world.given());
        tried++;
        if (whole.effect === 'deny') expect([part, decision.effect]).toEqual([part, 'deny']);
        else if (whole.effect === 'ask') expect([part, decision.effect]).not.toEqual([part, 'allow']);
        else if (!passes(whole).includes('clear'))
          expect([part, passes(decision)]).not.toEqual([part, ['allow', 'clear']]);
      }
      expect(tried).toBeGreaterThan(20);
    },
  );

  test.each<[string, (resource: Resource) => unknown]>([
    ['without its parent', (resource) => ({ ...resource, parent: null })],
    [
      'with a parent of the wrong kind',
      (resource) => ({ ...resource, parent: world.crm.kind === resource.parent?.kind ? ssn : world.crm }),
    ],
    ['without the list of its labels', ({ labels: _, ...resource }) => resource],
    ['with a label that is no text', (resource) => ({ ...resource, labels: [7] })],
    ['with an empty label', (resource) => ({ ...resource, labels: [''] })],
    ['of an unknown kind', (resource) => ({ ...resource, kind: 'Everything' })],
    ['without an id', (resource) => ({ ...resource, id: '' })],
    ['with a lone surrogate in its id', (resource) => ({ ...resource, id: 'crm/\ud800' })],
  ])('a resource %s is refused', (_, change) => {
    // As a broken caller would give it.
    const broken = change(people) as Resource;
    const permitted = act(fay, { touches: [touch('sql.read', people)] });
    expect(stage.decide(permitted, world.given()).effect).toBe('allow');
    expect(
      stage.decide(act(fay, { touches: [touch('sql.read', broken)] }, { target: 'warehouse' }), world.given()),
    ).toMatchObject({
      reason: { code: 'POLICY_BROKEN' },
    });
  });

  test('parents that never end are refused', () => {
    const path = { ...world.resource('Path', '/a', null) } as { -readonly [Key in keyof Resource]: Resource[Key] };
    path.parent = path;
    const permitted = act(fay, { touches: [touch('sql.read', people)] });
    const classification = world.classify({ touches: [touch('sftp.read', path)] });
    expect(stage.decide({ ...permitted, classification }, world.given())).toMatchObject({
      reason: { code: 'POLICY_BROKEN' },
    });
    expect(stage.reveal(REQUESTS[0] as Action, { ...ssn, parent: null }, world.given())).toEqual({
      effect: 'hide',
      rules: [],
    });
  });

  test('an address that is read and cannot be is a refusal', () => {
    const define = (clientAddress: string) =>
      stage.decide(
        act(red, { touches: [touch('sql.define', orders)] }, { session: world.session(red, orders, clientAddress) }),
        world.given(),
      );
    expect(
      ['10.1.2.3', '10.1.2.3:51111', '::ffff:10.1.2.3', '[::ffff:10.0.0.9]:5432'].map(
        (address) => define(address).effect,
      ),
    ).toEqual(Array(4).fill('allow'));
    expect(define('192.168.0.1')).toMatchObject({ reason: { rule: 'inside' } });
    for (const address of ['', 'unix', '10.0.0.1, 10.0.0.2', '10.0.0.0/8', 'fe80::1%eth0']) {
      expect([address, define(address).effect]).toEqual([address, 'deny']);
    }
  });

  test('a rule that fails at run time refuses, although Cedar would skip it', () => {
    const set = world.compile(
      '@id("yes") permit (principal, action, resource); @id("no") forbid (principal, action == Action::"open", resource);',
    );
    const overflowing = set.rules.map((rule) =>
      rule.id === 'no' ? { ...rule, source: rule.source.replace(';', ' when { 9223372036854775807 + 1 > 0 };') } : rule,
    );
    const failing = world.policyOf({ ...set, rules: overflowing });
    expect(failing.decide(act(ann, { touches: [touch('open', world.crm)] }), world.given())).toMatchObject({
      reason: { code: 'POLICY_BROKEN', why: expect.stringContaining('the rule no failed') },
    });
  });
});

describe('what a client writes stays text:', () => {
  const reading = `@id("yes") permit (principal, action, resource);
    @id("text") forbid (principal, action in Action::"sql", resource) when { context.statement like "*drop*" };
    @id("why") @cure("justification") forbid (principal, action in Action::"sql", resource) unless { context.justification like "INC-*" };
    @id("fn") forbid (principal, action in Action::"sql", resource) when { context.functions.contains("f") };
    @id("tag") forbid (principal, action in Action::"sql", resource) when { principal.hasTag("__entity") };`;
  const stage = world.policy(reading);
  const code = (action: Action, justification: unknown = 'INC-1') => {
    // A justification of another type can only come of a bug; it must not reach Cedar.
    const decision = stage.decide(action, world.given({ justification: justification as string }));
    return decision.effect === 'deny' ? decision.reason.code : decision.effect;
  };
  const read = (facts: Action['classification']['facts'], text: string | Uint8Array = 'select 1', principal = ann) =>
    act(principal, { touches: [touch('sql.read', orders)], facts }, { text: Buffer.from(text as string) });
  const escaping = { __entity: { type: 'Group', id: 'dba' } };

  test.each([
    ['plain', read({ functions: [] }), 'INC-1', 'allow'],
    ['a text that a rule forbids', read({ functions: [] }, 'drop table t'), 'INC-1', 'POLICY_DENIED'],
    [
      'a text that is not UTF-8, where a rule wants to read it',
      read({ functions: [] }, Buffer.from([0xff])),
      'INC-1',
      'POLICY_OPAQUE',
    ],
    ['a text too long to be read', read({ functions: [] }, 'x'.repeat(65_537)), 'INC-1', 'POLICY_OPAQUE'],
    ['a text with a NUL', read({ functions: [] }, 'a\0drop'), 'INC-1', 'POLICY_DENIED'],
    ['a fact that is an entity escape', read({ functions: escaping as never }), 'INC-1', 'POLICY_BROKEN'],
    ['an entity escape within a fact', read({ functions: [escaping] as never }), 'INC-1', 'POLICY_BROKEN'],
    ['an entity escape as text', read({ functions: ['{"__entity":{"type":"Group","id":"dba"}}'] }), 'INC-1', 'allow'],
    ['a justification that is an escape', read({ functions: [] }), escaping, 'POLICY_BROKEN'],
    ['a justification with a lone surrogate', read({ functions: [] }), 'INC-\ud800', 'POLICY_BROKEN'],
    [
      'a claim named __entity',
      read({ functions: [] }, 'select 1', world.person('x', [], { claims: { __entity: ['x'] } })),
      'INC-1',
      'POLICY_DENIED',
    ],
    [
      'a claim named __proto__',
      read({ functions: [] }, 'select 1', world.person('x', [], { claims: JSON.parse('{"__proto__":["x"]}') })),
      'INC-1',
      'allow',
    ],
  ])('%s', (_, action, justification, expected) => {
    expect(code(action, justification)).toBe(expected);
  });
});

describe('more permits never bypass', () => {
  const asked = `@id("p") @cure("approval") @approvers("dba") forbid (principal, action == Action::"sql.write", resource)
    unless { context.approvedBy.contains("p") };
    @id("first") permit (principal, action == Action::"sql.write", resource);`;
  test.each([
    '@id("x") permit (principal, action, resource);',
    '@id("x") permit (principal, action in Action::"any", resource);',
    '@id("x") permit (principal == Human::"okta/ann", action == Action::"sql.write", resource == Table::"crm/public.customers");',
    '@id("x") permit (principal, action in Action::"act", resource) when { context.opaque || !context.opaque };',
  ])('an approval: %s', (permit) => {
    const decision = world
      .policy(asked + permit)
      .decide(act(ann, { touches: [touch('sql.write', customers)] }), world.given());
    expect(world.line(decision)).toBe('ask p:approval');
  });

  const all =
    '@id("all") permit (principal, action, resource); @id("any") permit (principal, action in Action::"any", resource); @id("mask") @cure("mask") @mask("full") forbid (principal, action == Action::"reveal", resource in Label::"pii");';
  test('what has to be named: opaque texts, comparing, assigning, the control plane', () => {
    const stage = world.policy(all);
    const decided = (what: world.Doing) => world.line(stage.decide(act(ann, what), world.given()));
    expect(decided({ touches: [touch('sql.write', people)] })).toBe('allow');
    expect(decided({ touches: [touch('sql.opaque', people)] })).toBe('deny POLICY_OPAQUE -');
    expect(decided({ touches: [touch('sql.read', people)], clarity: 'opaque' })).toBe('deny POLICY_OPAQUE -');
    expect(decided({ touches: [touch('sql.read', people)], uses: [compare(ssn)] })).toBe('deny POLICY_MASKED mask');
    expect(decided({ touches: [touch('sql.read', people)], uses: [{ use: 'assign', column: ssn }] })).toBe(
      'deny POLICY_MASKED mask',
    );
    for (const control of ['admin.read', 'session.view', 'token.create']) {
      expect(stage.admin(ann, control, world.given()).allowed).toBe(false);
    }
  });

  test('a mask for somebody the principal acts for', () => {
    const stage = world.policy(
      `${all} @id("see") permit (principal, action == Action::"compare", resource) when { principal is Agent };`,
    );
    const masked = agent('a', [], ann);
    expect(
      world.line(
        stage.decide(act(masked, { touches: [touch('sql.read', people)], uses: [compare(ssn)] }), world.given()),
      ),
    ).toBe('deny POLICY_MASKED mask');
  });
});
