import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/core/limits.ts';
import { freshEngine, isEngineFailure } from '../../src/policy/engine.ts';
import { load } from '../../src/policy/load.ts';
import { loadPolicies } from '../../src/policy/loader.ts';
import { createPolicy } from '../../src/policy/policy.ts';
import { lineAtByte, splitPolicies } from '../../src/policy/split.ts';
import * as world from './world.ts';

const nested = (depth: number, open = '(', close = ')') =>
  `@id("deep") permit (principal, action, resource) when { ${open.repeat(depth)}true${close.repeat(depth)} };`;
const GOOD = '@id("good") permit (principal, action == Action::"sql.read", resource);';

describe('policies are loaded in a thread of their own, which', { timeout: 60_000 }, () => {
  test('compiles them, the built-in ones first, for use here', async () => {
    const loaded = await loadPolicies([{ file: 'a.cedar', text: GOOD }], world.loadOptions());
    if (loaded.outcome === 'refused') throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.set.rules.map((rule) => rule.id)).toEqual([
      'sallyport.reveal',
      'sallyport.decide',
      'sallyport.control-is-for-people',
      'sallyport.decide-needs-may-approve',
      'good',
    ]);
    const stage = createPolicy(loaded.set);
    const reading = world.act(world.ann, { touches: [world.touch('sql.read', world.orders)] });
    expect(stage.decide(reading, world.given()).effect).toBe('allow');
  });

  test('reports what is wrong, as if it were none', async () => {
    const loaded = await loadPolicies([{ file: 'a.cedar', text: `${GOOD}\npermit;` }], world.loadOptions());
    expect(loaded).toMatchObject({ outcome: 'refused', problems: [{ file: 'a.cedar', line: 2 }] });
  });

  test('a text that corrupts Cedar cannot take the daemon with it', async () => {
    // The depth check would refuse it; without, the module breaks, and only there.
    const limits = { ...LIMITS, policy_nesting_max: 100_000 };
    const loaded = await loadPolicies(
      [{ file: 'a.cedar', text: `${nested(400)}\n${GOOD}` }],
      world.loadOptions({ limits }),
    );
    expect(loaded).toMatchObject({ outcome: 'refused', problems: [{ file: 'a.cedar', line: 1 }] });
    const here = load([{ file: 'b.cedar', text: GOOD }], world.loadOptions());
    expect(here.outcome).toBe('loaded');
  });

  test('is given up when it takes too long', async () => {
    const loaded = await loadPolicies([{ file: 'a.cedar', text: GOOD }], world.loadOptions(), AbortSignal.abort());
    expect(loaded).toMatchObject({
      outcome: 'refused',
      problems: [{ message: expect.stringContaining('took too long') }],
    });
  });
});

describe('before Cedar sees a text', () => {
  test.each([
    ['65 brackets', nested(64), 'nested 65 deep'],
    ['65 lists', nested(64, '[', ']'), 'nested 65 deep'],
    ['65 negated brackets', nested(64, '!('), 'nested 65 deep'],
    [
      '65 ifs',
      `@id("x") permit (principal, action, resource) when { ${'if true then '.repeat(64)}true${' else false'.repeat(64)} };`,
      'nested 65 deep',
    ],
    ['100,000 brackets', nested(100_000), 'nested 100001 deep'],
  ])('%s are refused', (_, text, message) => {
    expect(world.problemsOf(text)).toEqual([expect.stringContaining(message)]);
  });

  test('64 levels pass, and brackets in texts and comments do not count', () => {
    expect(world.problemsOf(nested(63))).toEqual([]);
    const harmless = `// ${'('.repeat(500)}\n@id("x") @message("${'('.repeat(400)} \\" ; ${'['.repeat(50)}") forbid (principal, action, resource);`;
    expect(world.problemsOf(harmless)).toEqual([]);
  });

  test('more text than the limit is refused', () => {
    const limits = { ...LIMITS, policy_text_bytes_max: 10 };
    expect(world.problemsOf(GOOD, { limits })).toEqual([expect.stringMatching(/policies of \d+ bytes, limit 10/)]);
  });

  test.each([
    ['a lone surrogate', '@id("x") @message("\ud800") permit (principal, action, resource);'],
    ['a NUL', '@id("x")\0 permit (principal, action, resource);'],
  ])('%s is refused', (_, text) => {
    expect(world.problemsOf(text)).toEqual([expect.stringContaining('not a text')]);
  });

  test('a file is cut at its semicolons, with the line where each policy begins', () => {
    const text = '// one; not here\n@id("a") permit (x);\n\n\n@id("b;\\"c")\nforbid (y) ; // rest\n  tail';
    expect(splitPolicies(text).map((piece) => [piece.line, piece.text])).toEqual([
      [2, '@id("a") permit (x);'],
      [5, '@id("b;\\"c")\nforbid (y) ;'],
      [7, 'tail'],
    ]);
  });

  test('lines are counted right behind characters of several bytes', () => {
    expect(lineAtByte('ééé\nx', 7)).toBe(2);
    expect(lineAtByte('ééé\nx', 6)).toBe(1);
  });
});

describe('an engine that broke', () => {
  /** An instance corrupted as a policy nested too deeply corrupts it. */
  function poisoned() {
    const engine = freshEngine();
    expect(() => engine.policyToJson(nested(400))).toThrow(/memory access out of bounds/);
    return engine;
  }

  test('is one whose every later call throws', () => {
    const engine = poisoned();
    try {
      engine.policyToJson(GOOD);
      expect.unreachable();
    } catch (error) {
      expect(isEngineFailure(error)).toBe(true);
    }
  });

  test('refuses, is replaced in place, and the next action is decided again', () => {
    const engines = [freshEngine(), freshEngine()];
    let breaks = false;
    const stage = world.policy(GOOD, {
      random: () => 0.999,
      engine: () => {
        const engine = engines.shift();
        if (engine === undefined) throw new Error('no more engines');
        const broken = poisoned();
        return {
          ...engine,
          statefulIsAuthorized: (call) =>
            breaks ? broken.statefulIsAuthorized(call) : engine.statefulIsAuthorized(call),
        };
      },
    });
    const reading = () => world.act(world.ann, { touches: [world.touch('sql.read', world.orders)] });
    const writing = () => world.act(world.ann, { touches: [world.touch('sql.write', world.orders)] });
    expect(stage.decide(reading(), world.given()).effect).toBe('allow');
    breaks = true;
    stage.advance();
    expect(stage.decide(reading(), world.given())).toMatchObject({ effect: 'deny', reason: { code: 'POLICY_BROKEN' } });
    breaks = false;
    expect(stage.decide(reading(), world.given()).effect).toBe('allow');
    expect(stage.decide(writing(), world.given())).toMatchObject({ effect: 'deny', reason: { code: 'POLICY_DENIED' } });
    expect(stage.counts()).toMatchObject({ restarts: 1, fast: true });
  });

  test('and cannot be replaced refuses everything, and is tried again', () => {
    let here = false;
    const stage = world.policy(GOOD, {
      engine: () => {
        if (here) return freshEngine();
        throw new Error('no memory');
      },
    });
    const reading = () => world.act(world.ann, { touches: [world.touch('sql.read', world.orders)] });
    expect(stage.decide(reading(), world.given())).toMatchObject({ effect: 'deny', reason: { code: 'POLICY_BROKEN' } });
    expect(stage.reveal(reading(), world.ssn, world.given())).toEqual({ effect: 'hide', rules: [] });
    expect(stage.admin(world.ann, 'request.decide', world.given()).allowed).toBe(false);
    here = true;
    expect(stage.decide(reading(), world.given()).effect).toBe('allow');
  });
});
