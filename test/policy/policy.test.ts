import { describe, expect, test } from 'vitest';
import { freshEngine } from '../../src/policy/engine.ts';
import { explanationText } from '../../src/policy/explain.ts';
import type { Difference } from '../../src/policy/policy.ts';
import * as world from './world.ts';
import {
  act,
  agent,
  ann,
  aud,
  bot,
  compare,
  crm,
  customers,
  eve,
  fay,
  key,
  name,
  orders,
  people,
  person,
  reveal,
  ssn,
  touch,
} from './world.ts';

const DAY_MS = 86_400_000;
const POLICIES = world.DESIGN_POLICIES + world.MORE_POLICIES;
const SURE = { random: () => 0.999 };

describe('a rule in observe mode', () => {
  const observed = `@id("yes") permit (principal, action, resource);
    @id("new") @mode("observe") @until("2026-11-30") @message("soon") forbid (principal, action == Action::"sql.write", resource);
    @id("ask") @cure("approval") @approvers("dba") @mode("observe") @until("2026-12-10") forbid (principal, action == Action::"sql.define", resource) unless { context.approvedBy.contains("ask") };
    @id("hide") @cure("mask") @mask("full") @mode("observe") @until("2026-12-10") forbid (principal, action == Action::"reveal", resource in Label::"pii");
    @id("mask") @cure("mask") @mask("partial(0,4)") forbid (principal, action == Action::"reveal", resource in Label::"pii");
    @id("few") @cure("limit-rows") @rows("5") @mode("observe") @until("2026-12-10") forbid (principal, action == Action::"sql.read", resource in Schema::"crm/public") when { context.rowsMax > 5 };`;
  const stage = world.policy(observed, SURE);
  const decided = (what: world.Doing, now = world.NOON) =>
    world.line(stage.decide(act(ann, what), world.given({ now })));

  test.each<[string, world.Doing, string]>([
    [
      'lets pass what it would refuse, and says so',
      { touches: [touch('sql.write', orders)] },
      'allow observed POLICY_DENIED new',
    ],
    ['does not ask', { touches: [touch('sql.define', orders)] }, 'allow observed POLICY_DENIED ask'],
    [
      'leaves masks of enforced rules in force',
      { touches: [touch('sql.read', people)], uses: reveal(ssn) },
      'allow mask ssn partial(0,4) observed POLICY_MASKED hide',
    ],
    ['does not limit', { touches: [touch('sql.read', customers)] }, 'allow observed POLICY_DENIED few'],
    ['says nothing where it changes nothing', { touches: [touch('sql.read', orders)] }, 'allow'],
  ])('%s', (_, what, expected) => {
    expect(decided(what)).toBe(expected);
  });

  test('is enforced after its last day, kept decisions or not', () => {
    const writing = act(ann, { touches: [touch('sql.write', orders)] });
    const at = (date: string) => stage.decide(writing, world.given({ now: Date.parse(date) })).effect;
    expect(
      ['2026-11-30T23:59:59Z', '2026-12-01T00:00:00Z', '2026-11-30T23:59:59Z', '2026-12-01T00:00:01Z'].map(at),
    ).toEqual(['allow', 'deny', 'allow', 'deny']);
  });

  test('does not hide a column from reveal either', () => {
    expect(stage.reveal(act(ann, { touches: [touch('sql.read', people)] }), ssn, world.given())).toMatchObject({
      effect: 'mask',
      mask: { kind: 'partial' },
    });
  });
});

describe('a target in observe mode', () => {
  const stage = world.policy(POLICIES, { ...SURE, observe: new Map([['warehouse', world.NOON + DAY_MS]]) });
  const decided = (what: world.Doing, now = world.NOON, who = ann) =>
    world.line(stage.decide(act(who, what), world.given({ now })));

  test.each<[string, world.Doing, string]>([
    ['lets pass what nothing permits', { touches: [touch('sql.define', orders)] }, 'allow observed POLICY_DENIED -'],
    [
      'lets pass what was not understood',
      { touches: [touch('sql.read', orders)], clarity: 'opaque' },
      'allow observed POLICY_OPAQUE -',
    ],
    [
      'does not mask',
      { touches: [touch('sql.read', people)], uses: reveal(ssn) },
      'allow record notify observed POLICY_MASKED mask-pii',
    ],
    ['still does what permits ask to be done', { touches: [touch('sql.read', people)] }, 'allow record notify'],
    ['refuses what cannot be decided', { touches: [touch('sql.read', people)], facts: {} }, 'deny POLICY_BROKEN -'],
  ])('%s', (_, what, expected) => {
    expect(decided(what)).toBe(expected);
  });

  test('ends when it said it would, and was never another target', () => {
    expect(decided({ touches: [touch('sql.define', orders)] }, world.NOON + DAY_MS)).toBe('deny POLICY_DENIED -');
    expect(decided({ touches: [touch('sql.define', customers)] })).toBe('deny POLICY_DENIED -');
    const column = (now: number) =>
      stage.reveal(act(ann, { touches: [touch('sql.read', people)] }), ssn, world.given({ now })).effect;
    expect([column(world.NOON), column(world.NOON + DAY_MS)]).toEqual(['clear', 'mask']);
  });
});

describe('reveal', () => {
  const stage = world.policy(POLICIES, SURE);
  test.each([
    ['a column nobody masks', ann, name, { effect: 'clear' }],
    [
      'a masked column',
      ann,
      ssn,
      { effect: 'mask', mask: { kind: 'partial', keep_first: 0, keep_last: 4 }, rules: ['mask-pii'] },
    ],
    [
      'a column of two masks',
      ann,
      world.card,
      { effect: 'mask', mask: { kind: 'null' }, rules: ['mask-pii', 'mask-cards'] },
    ],
    ['a column that is never shown', ann, key, { effect: 'hide', rules: ['hide-keys'] }],
    ['a masked column to whoever is exempt', fay, ssn, { effect: 'clear' }],
    ['a masked column to an agent of whoever is exempt', bot, ssn, { effect: 'mask', rules: ['mask-pii'] }],
  ])('%s', (_, who, column, expected) => {
    const action = act(who, { touches: [touch('sql.read', people)] });
    expect(stage.reveal(action, column, world.given())).toMatchObject(expected);
    // Again, as it was kept.
    expect(stage.reveal(action, column, world.given())).toMatchObject(expected);
  });

  test('of sixty columns that no rule names costs one question', () => {
    let asked = 0;
    const counting = world.policy(POLICIES, {
      ...SURE,
      engine: () => {
        const engine = freshEngine();
        return {
          ...engine,
          statefulIsAuthorized: (call) => {
            asked++;
            return engine.statefulIsAuthorized(call);
          },
        };
      },
    });
    const columns = Array.from({ length: 60 }, (_, index) =>
      world.resource('Column', `${people.id}.c${index}`, people),
    );
    counting.decide(act(ann, { touches: [touch('sql.read', people)], uses: reveal(...columns, ssn) }), world.given());
    // The read, the sixty, and the masked one.
    expect(asked).toBe(3);
  });

  test('waits for what would lift a rule, and says masked until then', () => {
    const waiting = world.policy(
      `@id("yes") permit (principal, action, resource);
      @id("see") @cure("approval") @approvers("dba") forbid (principal, action == Action::"reveal", resource in Label::"pii") unless { context.approvedBy.contains("see") };`,
      SURE,
    );
    const reading = act(ann, { touches: [touch('sql.read', people)], uses: [...reveal(ssn), compare(ssn)] });
    expect(world.line(waiting.decide(reading, world.given()))).toBe('ask see:approval');
    expect(world.line(waiting.decide(reading, world.given({ approvedBy: ['see'] })))).toBe('allow');
    expect(waiting.reveal(reading, ssn, world.given()).effect).toBe('hide');
    expect(waiting.reveal(reading, ssn, world.given({ approvedBy: ['see'] })).effect).toBe('clear');
  });
});

describe('the control plane', () => {
  const open = `@id("all") permit (principal, action, resource);
    @id("admins") permit (principal in Group::"admins", action in Control::Action::"admin", resource);
    @id("tokens") permit (principal in Group::"admins", action == Control::Action::"token.create", resource);`;
  const stage = world.policy(open, SURE);
  const admin = person('root', ['admins']);
  const ci = person('ci', ['admins'], { kind: 'workload', mayApprove: false });
  const releaser = person('rel', ['admins'], { kind: 'workload', mayApprove: true });
  test.each([
    ['a permit of everything does not open it', ann, 'admin.read', false],
    ['a permit that names it does', admin, 'admin.policy', true],
    ['and nothing beside it', admin, 'session.view', false],
    ['a token is made by whom a rule names', admin, 'token.create', true],
    ['a workload never enters it', ci, 'admin.read', false],
    ['an agent never enters it', agent('a', ['admins'], admin), 'admin.read', false],
    ['an agent never decides a request', agent('a', ['admins'], admin), 'request.decide', false],
    ['a human decides requests', ann, 'request.decide', true],
    ['a service account that may approve does', releaser, 'request.decide', true],
    ['and does nothing else', releaser, 'admin.read', false],
    ['one that may not does not', ci, 'request.decide', false],
    ['an action that does not exist is not allowed', admin, 'admin.everything', false],
    ['an action of the data plane is none of it', admin, 'sql.read', false],
  ])('%s', (_, who, action, allowed) => {
    expect(stage.admin(who, action, world.given()).allowed).toBe(allowed);
  });

  test('is closed by a forbid of everything, and never observed', () => {
    const closed = world.policy(`${open} @id("stop") forbid (principal, action, resource);`, SURE);
    expect(closed.admin(admin, 'admin.read', world.given())).toEqual({ allowed: false, rules: ['stop'] });
    const watched = world.policy(
      `${open} @id("watch") @mode("observe") @until("2026-12-01") forbid (principal, action in Control::Action::"admin", resource);`,
      SURE,
    );
    expect(watched.admin(admin, 'admin.read', world.given()).allowed).toBe(false);
  });
});

describe('a decision that was kept', () => {
  const stage = world.policy(POLICIES, SURE);
  const writing = world.classify({ touches: [touch('sql.write', customers)] });
  const line = (who: typeof ann, more = {}) => world.line(stage.decide(act(who, writing), world.given(more)));

  test('is not found by anything that was given otherwise', () => {
    const ways = [
      {},
      { justification: 'INC-1' },
      { justification: 'INC-1', approvedBy: ['prod-writes'] },
      { approvedBy: ['prod-writes'] },
    ];
    const first = ways.map((way) => line(ann, way));
    expect(first).toEqual([
      'ask prod-needs-reason:justification incident-number:justification prod-writes:approval',
      'ask prod-writes:approval',
      'allow',
      'ask prod-needs-reason:justification incident-number:justification',
    ]);
    expect(ways.toReversed().map((way) => line(ann, way))).toEqual(first.toReversed());
  });

  test('serves everyone who is the same to the rules, and nobody else', () => {
    const before = stage.counts().kept;
    expect(line(person('another', ['dev', 'not-named-anywhere']), { justification: 'INC-1' })).toBe(
      'ask prod-writes:approval',
    );
    expect(line(person('third', ['not-named', 'dev']), { justification: 'INC-1' })).toBe('ask prod-writes:approval');
    expect(stage.counts().kept).toBe(before + 1);
    expect(line(person('fourth', ['dev', 'agents']), { justification: 'INC-1' })).toBe('ask prod-writes:approval');
    expect(line(eve, { justification: 'INC-1' })).toBe('deny POLICY_DENIED -');
  });

  test('names nobody, for it may be shown to another', () => {
    expect(JSON.stringify(stage.decide(act(eve, writing), world.given()))).not.toContain(eve.id);
  });

  test('is kept by minute where a rule reads the clock', () => {
    const given = { justification: 'INC-1', approvedBy: ['prod-writes'] };
    expect(line(ann, { ...given, now: world.NIGHT })).toBe('ask night-writes:approval');
    expect(line(ann, { ...given, now: world.NOON })).toBe('allow');
    expect(line(ann, { ...given, now: world.NIGHT })).toBe('ask night-writes:approval');
  });

  test('counts no more after the epoch has advanced', () => {
    const epoch = stage.epoch();
    line(ann);
    const { kept } = stage.counts();
    expect(stage.advance()).toBe(epoch + 1);
    line(ann);
    expect(stage.counts().kept).toBe(kept);
  });

  test('is not kept when the engine failed', () => {
    let fails = true;
    const failing = world.policy(POLICIES, {
      ...SURE,
      engine: () => {
        const engine = freshEngine();
        return {
          ...engine,
          statefulIsAuthorized: (call) => {
            if (fails) throw new Error('a hiccup');
            return engine.statefulIsAuthorized(call);
          },
        };
      },
    });
    const reading = act(aud, { touches: [touch('sql.read', orders)] });
    expect(failing.decide(reading, world.given())).toMatchObject({ reason: { code: 'POLICY_BROKEN' } });
    fails = false;
    expect(failing.decide(reading, world.given()).effect).toBe('allow');
  });
});

describe('one decision in a thousand', () => {
  /** An engine that answers the narrowed questions wrongly. */
  function lying(onDifference: (difference: Difference) => void) {
    const engine = freshEngine();
    return world.policy(
      '@id("no") forbid (principal, action == Action::"sql.write", resource); @id("yes") permit (principal, action, resource);',
      {
        random: () => 0.4,
        onDifference,
        engine: () => ({
          ...engine,
          statefulIsAuthorized: (call) => {
            const answer = engine.statefulIsAuthorized(call);
            const narrow = call.preparsedSchemaName === undefined;
            return narrow
              ? {
                  type: 'success',
                  response: { decision: 'allow', diagnostics: { reason: ['yes'], errors: [] } },
                  warnings: [],
                }
              : answer;
          },
        }),
      },
    );
  }

  test('is made again with everything; a difference counts at once and for ever', () => {
    const differences: Difference[] = [];
    const stage = lying((difference) => differences.push(difference));
    const writing = act(ann, { touches: [touch('sql.write', customers)] });
    const effects = Array.from({ length: 1_500 }, () => stage.decide(writing, world.given()).effect);
    const caught = effects.indexOf('deny');
    expect(caught).toBe(400);
    expect(effects.slice(caught).every((effect) => effect === 'deny')).toBe(true);
    expect(differences).toHaveLength(1);
    expect(stage.counts().fast).toBe(false);
  });

  test('and every administrative one: the surer answer holds', () => {
    const differences: Difference[] = [];
    const stage = lying((difference) => differences.push(difference));
    expect(stage.admin(agent('a', [], null), 'request.decide', world.given()).allowed).toBe(false);
    expect(differences).toMatchObject([{ of: 'admin' }]);
  });

  test('falls on the place that chance gives it', () => {
    let rechecks = 0;
    const engine = freshEngine();
    const stage = world.policy('@id("yes") permit (principal, action == Action::"sql.read", resource);', {
      random: () => 0.25,
      engine: () => ({
        ...engine,
        statefulIsAuthorized: (call) => {
          if (call.preparsedSchemaName !== undefined) rechecks++;
          return engine.statefulIsAuthorized(call);
        },
      }),
    });
    const reading = act(ann, { touches: [touch('sql.read', orders)] });
    const counts = Array.from({ length: 3_000 }, () => {
      stage.decide(reading, world.given());
      return rechecks;
    });
    expect([counts[249], counts[250], counts[1_249], counts[1_250], counts[2_999]]).toEqual([0, 1, 1, 2, 3]);
  });
});

test('explain shows every question with the rules that answered it, and where they stand', () => {
  const stage = world.policy(POLICIES, SURE);
  const text = explanationText(stage.explain(act(ann, { touches: [touch('sql.write', customers)] }), world.given()));
  expect(text).toContain('allowed once this is given:');
  expect(text).toContain('approval (rule prod-writes)');
  expect(text).toContain('deny   sql.write on Table::"crm/public.customers" for okta/ann');
  expect(text).toContain('were every cure given');
  expect(text).toMatch(/forbid prod-writes \(cure: approval\), test\.cedar:\d+/);
  const refused = explanationText(stage.explain(act(eve, { touches: [touch('open', crm)] }), world.given()));
  expect(refused).toContain('no policy permits open');
});

test('an approval binds the text of its rule', () => {
  const one = world.policy('@id("a") permit (principal, action, resource);');
  const other = world.policy('@id("a") @message("x") permit (principal, action, resource);');
  expect(one.ruleDigest('a')).toMatch(/^[0-9a-f]{64}$/);
  expect(one.ruleDigest('a')).not.toBe(other.ruleDigest('a'));
  expect(one.digest()).not.toBe(other.digest());
  expect(one.ruleDigest('b')).toBeNull();
});
