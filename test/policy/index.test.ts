import { expect, test } from 'vitest';
import type { Action, ColumnUse, Comparison } from '../../src/core/action.ts';
import type { Principal } from '../../src/core/principal.ts';
import type { Resource } from '../../src/core/resource.ts';
import { freshEngine } from '../../src/policy/engine.ts';
import { fingerprint } from '../../src/policy/outcome.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { SCHEMA_TEXT } from '../../src/policy/schema.ts';
import { splitPolicies } from '../../src/policy/split.ts';
import type { Given } from '../../src/policy/stage.ts';
import * as world from './world.ts';

/**
 * Random policies, random requests: what index, slices, classes and kept decisions answer is what the whole set answers,
 * asked uncached with everything and checked against the schema.
 */

const HEADS = {
  principal: [
    'principal',
    'principal is Agent',
    'principal is Human',
    'principal in Group::"g1"',
    'principal in Group::"g2"',
    'principal is Agent in Group::"g1"',
    'principal == Human::"okta/h0"',
  ],
  action: [
    'action',
    'action == Action::"sql.read"',
    'action in Action::"sql"',
    'action in Action::"any"',
    'action in Action::"data"',
    'action in [Action::"sql.write", Action::"open"]',
    'action == Action::"reveal"',
    'action in [Action::"compare", Action::"assign"]',
    'action == Action::"sql.opaque"',
  ],
  resource: [
    'resource',
    'resource in Label::"l1"',
    'resource in Target::"t0"',
    'resource in Schema::"t0/s1"',
    'resource is Table',
    'resource is Table in Label::"l2"',
    'resource == Table::"t0/s1.tb1"',
    'resource == Column::"t0/s1.tb1.c1"',
  ],
};
const CONDITIONS = [
  '',
  '',
  'when { context.opaque }',
  'when { context.justification == "" }',
  'unless { principal in Group::"g2" }',
  'when { resource in Label::"l2" }',
  'when { principal.onBehalfOf.contains("okta/h0") }',
  'when { principal.hasTag("team") && principal.getTag("team").contains("red") }',
  'when { context.minuteOfDay < 600 }',
  'when { action in Action::"sql" }',
  'when { context.clientIp.isInRange(ip("10.0.0.0/8")) }',
  'unless { context has statement && context.statement like "select*" }',
  'when { context has comparison && context.comparison == "lookup" }',
];
const CURES = [
  ['@cure("approval") @approvers("dba")', 'unless { context.approvedBy.contains("ID") }'],
  ['@cure("justification")', 'unless { context.justification like "INC*" }'],
  ['@cure("analyzer")', 'unless { context.analyzedBy.contains("default") }'],
  ['@mode("observe") @until("2026-12-01")', 'when { context.minuteOfDay > 300 }'],
] as const;

type Pick = <T>(values: readonly T[]) => T;

function randomRule(pick: Pick, index: number): string {
  const scope = `${pick(HEADS.principal)}, ACTION, ${pick(HEADS.resource)}`;
  const action = pick(HEADS.action);
  const kind = pick(['permit', 'permit', 'forbid', 'cured', 'mask', 'limit']);
  const id = `r${index}`;
  if (kind === 'mask') {
    return `@id("${id}") @cure("mask") @mask("${pick(['partial(1,2)', 'full', 'null', 'round(2)'])}") forbid (${scope.replace('ACTION', 'action == Action::"reveal"')}) ${pick(CONDITIONS)};`;
  }
  if (kind === 'limit') {
    return `@id("${id}") @cure("limit-rows") @rows("${pick(['10', '500'])}") forbid (${scope.replace('ACTION', 'action == Action::"sql.read"')}) when { context.rowsMax > 500 };`;
  }
  if (kind === 'cured' && action !== 'action') {
    const [annotation, condition] = pick(CURES);
    return `@id("${id}") ${annotation} forbid (${scope.replace('ACTION', action)}) ${condition.replace('ID', id)};`;
  }
  return `@id("${id}") ${kind === 'cured' ? 'forbid' : kind} (${scope.replace('ACTION', action)}) ${pick(CONDITIONS)};`;
}

const engine = freshEngine();

/** Impossible combinations are drawn too; only what loads is kept. */
function randomPolicies(pick: Pick): string {
  const text = Array.from({ length: 40 }, (_, index) => randomRule(pick, index)).join('\n');
  const rules = splitPolicies(text).filter(({ text: rule }) => {
    const policies = { staticPolicies: { x: rule } };
    const answer = engine.validate({ schema: SCHEMA_TEXT, policies });
    const valid = answer.type === 'success' && answer.validationErrors.length + answer.validationWarnings.length === 0;
    return valid && world.problemsOf(rule).length === 0;
  });
  const base =
    '@id("base") permit (principal, action, resource); @id("act") permit (principal in Group::"g1", action in [Action::"compare", Action::"sql.opaque"], resource);';
  return `${base}\n${rules.map((rule) => rule.text).join('\n')}`;
}

function randomWorld(pick: Pick) {
  const some = (all: readonly string[]) => all.filter(() => pick([true, false]));
  const few = (all: readonly string[]) => all.filter(() => pick([true, false, false]));
  const claims = () => (pick([true, false]) ? { team: some(['red', 'blue']) } : {});
  const groups = () => some(['g1', 'g2', 'g3']);
  const humans = [0, 1, 2, 3].map((index) => world.person(`h${index}`, groups(), { claims: claims() }));
  const agents = [0, 1, 2].map((index) => world.agent(`a${index}`, groups(), pick([...humans, null])));
  const labels = () => few(['l1', 'l2', 'l3']);
  const targets = [0, 1].map((index) => world.resource('Target', `t${index}`, null, ...labels()));
  const schemas = targets.flatMap((target) =>
    [0, 1].map((index) => world.resource('Schema', `${target.id}/s${index}`, target, ...labels())),
  );
  const tables = schemas.flatMap((schema) =>
    [0, 1].map((index) => world.resource('Table', `${schema.id}.tb${index}`, schema, ...labels())),
  );
  const columns = tables.flatMap((table) =>
    [0, 1, 2].map((index) => world.resource('Column', `${table.id}.c${index}`, table, ...labels())),
  );
  return { principals: [...humans, ...agents], targets, schemas, tables, columns };
}

function randomAction(pick: Pick, made: ReturnType<typeof randomWorld>): Action {
  const principal: Principal = pick(made.principals);
  const touches = Array.from({ length: pick([1, 1, 2]) }, () => {
    const action = pick(['sql.read', 'sql.write', 'open', 'sql.opaque'] as const);
    return world.touch(
      action,
      action === 'open' ? pick(made.targets) : pick([...made.targets, ...made.schemas, ...made.tables]),
    );
  });
  const uses = Array.from({ length: pick([0, 0, 1, 3]) }, (): ColumnUse => {
    const column: Resource = pick(made.columns);
    const use = pick(['reveal', 'compare', 'assign', 'mention'] as const);
    return use === 'compare' ? { use, column, comparison: pick<Comparison>(['lookup', 'range']) } : { use, column };
  });
  const clarity = pick(['parsed', 'parsed', 'opaque'] as const);
  const classification = world.classify({ touches, uses, clarity });
  const text = Buffer.from(pick(['select 1', 'update t set a = 1']));
  const at = touches[0]?.resource ?? made.targets[0];
  if (at === undefined) throw new Error('no target');
  return world.act(principal, classification, {
    text,
    session: world.session(principal, at, pick(['10.1.2.3', '192.168.0.1:5432', '::1'])),
  });
}

function randomGiven(pick: Pick, rules: readonly string[]): Given {
  return world.given({
    approvedBy: pick([true, false]) ? [pick(rules), pick(rules)] : [],
    analyzedBy: pick([[], ['default']]),
    justification: pick(['', 'INC-1', 'no']),
    now: pick([world.NOON, world.NIGHT, world.NOON + 12 * 86_400_000]),
  });
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'index, classes and kept decisions answer as the whole set does (seed %i)',
  (seed) => {
    let state = seed * 2_654_435_761;
    const pick: Pick = (values) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      // Never empty: every list above has members.
      return values[(state >> 8) % values.length] as (typeof values)[number];
    };
    const stage: Policy = world.policy(randomPolicies(pick), { random: () => 0.999 });
    const rules = [...stage.rules().keys()];
    const made = randomWorld(pick);
    const seen = { allow: 0, ask: 0, deny: 0 };
    for (let index = 0; index < 260; index++) {
      const action = randomAction(pick, made);
      // The same classification again and again, by others and under other circumstances: what was kept must not be mixed up.
      for (let again = 0; again < 3; again++) {
        const one =
          again === 0 ? action : world.act(pick(made.principals), action.classification, { text: action.text });
        const given = randomGiven(pick, rules);
        const decision = stage.decide(one, given);
        seen[decision.effect]++;
        if (again === index % 3) expect(fingerprint(decision)).toBe(fingerprint(stage.explain(one, given).decision));
      }
    }
    expect(stage.counts()).toMatchObject({ fast: true, restarts: 0 });
    expect(Math.min(seen.allow, seen.deny)).toBeGreaterThan(10);
  },
  60_000,
);
