import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshEngine } from '../../src/policy/engine.ts';
import { ACTIONS, actionLineage, actionShape, CONTEXTS, SCHEMA_TEXT } from '../../src/policy/schema.ts';
import * as world from './world.ts';

const DOCUMENT = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');

describe('the published schema', () => {
  test('is one that Cedar takes without a warning', () => {
    const engine = freshEngine();
    const answer = engine.validate({ schema: SCHEMA_TEXT, policies: { staticPolicies: {} } });
    expect(answer).toMatchObject({ type: 'success', otherWarnings: [] });
  });

  test('makes every attribute required', () => {
    const contexts = SCHEMA_TEXT.split('\n').filter(
      (line) => line.startsWith('entity') || /^type \w+Context/.test(line),
    );
    expect(contexts.length).toBeGreaterThan(10);
    expect(contexts.filter((line) => line.includes('?'))).toEqual([]);
  });

  test.each([
    ['sql.read', ['sql', 'act', 'any']],
    ['open', ['act', 'any']],
    ['runbook.run', ['act', 'any']],
    ['sftp.write', ['ssh', 'act', 'any']],
    ['mcp.call', ['mcp', 'act', 'any']],
    ['reveal', ['data', 'any']],
    ['secret.reveal', ['data', 'any']],
    ['sql.opaque', ['any']],
    ['ssh.opaque', ['any']],
    ['http.opaque', ['any']],
  ])('%s lies in %j and in nothing else', (name, groups) => {
    const shape = actionShape(name);
    const lineage = shape === undefined ? [] : actionLineage(shape);
    expect(lineage).toEqual([name, ...groups].map((one) => `Action::"${one}"`));
  });

  test('keeps the control plane out of every group of the data plane', () => {
    for (const action of ACTIONS.filter((one) => one.control)) {
      expect(actionLineage(action).every((key) => key.startsWith('Control::'))).toBe(true);
    }
  });

  test("takes the design's own examples", () => {
    expect(world.problemsOf(world.DESIGN_POLICIES)).toEqual([]);
  });
});

describe('docs/policy.md', () => {
  test.each(ACTIONS.map((action) => action.name))('explains the action %s', (name) => {
    expect(DOCUMENT).toContain(`\`${name}\``);
  });

  test.each([...new Set(Object.values(CONTEXTS).flatMap((attributes) => Object.keys(attributes)))])(
    'explains context.%s',
    (name) => {
      expect(DOCUMENT).toMatch(new RegExp(`\\| \`${name}\` \\|`));
    },
  );

  test('shows only policies that load', () => {
    const blocks = [...DOCUMENT.matchAll(/```cedar\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
    expect(blocks.length).toBeGreaterThanOrEqual(4);
    expect(blocks.flatMap((block) => world.problemsOf(block))).toEqual([]);
  });
});
