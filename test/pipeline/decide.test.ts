import { describe, expect, test } from 'vitest';
import type { ApprovalStage, AskOutcome, Question } from '../../src/approval/stage.ts';
import type { Envelope, RecordStage, Sealed } from '../../src/audit/stage.ts';
import type { Action } from '../../src/core/action.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Clearance, Cure, Decision, Reason } from '../../src/core/verdict.ts';
import { createPipeline } from '../../src/pipeline/decide.ts';
import type { Given, PolicyStage } from '../../src/policy/stage.ts';
import { action, classification } from '../make/action.ts';

const ALLOW: Decision = { effect: 'allow', rules: ['dev-reads'], obligations: [], observed: null };
const NO: Reason = {
  code: 'POLICY_DENIED',
  rule: 'no-drops',
  why: 'no',
  hint: '',
  cure: null,
  retry: 'never',
  request: null,
};
const DENY: Decision = { effect: 'deny', rules: ['no-drops'], reason: NO };
const APPROVAL: Cure = {
  kind: 'approval',
  rule: 'prod-writes',
  message: 'ask a dba',
  approvers: [['dba']],
  count: 1,
  within_ms: 1_000,
};
const ASK: Decision = { effect: 'ask', rules: ['prod-writes'], cures: [APPROVAL], obligations: [], observed: null };

interface Written {
  readonly envelope: Envelope;
  readonly sealed: Sealed;
}

function house(options: {
  policy?: (action: Action, given: Given) => Decision;
  answer?: AskOutcome | ((question: Question) => AskOutcome);
  record?: Partial<RecordStage>;
}) {
  const log: Written[] = [];
  const faults: unknown[] = [];
  const questions: Question[] = [];
  const policy: PolicyStage = {
    decide: options.policy ?? (() => ALLOW),
    reveal: () => ({ effect: 'clear' }),
    admin: () => ({ allowed: false, rules: [] }),
    epoch: () => 1,
    digest: () => 'd'.repeat(64),
    ruleDigest: (rule) => `digest of ${rule}`,
  };
  const record: RecordStage = {
    append: (envelope, sealed) => log.push({ envelope, sealed }) - 1,
    durable: () => undefined,
    accepting: () => true,
    ...options.record,
  };
  const approval = {
    ask: async (question: Question) => {
      questions.push(question);
      const { answer } = options;
      if (answer === undefined) throw new Error('nobody should have been asked');
      return typeof answer === 'function' ? answer(question) : answer;
    },
  } as Pick<ApprovalStage, 'ask'> as ApprovalStage;
  const pipeline = createPipeline({
    policy,
    approval,
    record,
    display: (asked) => Buffer.from(asked.text).toString(),
    versions: async () => ['relation public.t 7'],
    withoutLiterals: (text) =>
      Buffer.from(text)
        .toString()
        .replace(/'[^']*'/g, "''"),
    now: () => 5_000,
    onFault: (fault) => faults.push(fault),
  });
  const ask = (...actions: Action[]) =>
    pipeline.ask(actions, {
      inTransaction: false,
      signal: new AbortController().signal,
      filed: () => {},
    });
  return { pipeline, log, faults, questions, ask };
}

describe('an allowed action', () => {
  test('is in the log before its clearance exists', () => {
    const { pipeline, log } = house({});
    const verdict = pipeline.decide(action('select 1'));
    expect(verdict).toMatchObject({ outcome: 'forward', rules: ['dev-reads'], clearance: { entry: 0 } });
    expect(log[0]).toMatchObject({ envelope: { kind: 'action', verdict: 'forward' }, sealed: { text: 'select 1' } });
  });

  test('passes once', () => {
    const { pipeline } = house({});
    const verdict = pipeline.decide(action());
    if (verdict instanceof Promise || verdict.outcome !== 'forward') throw new Error('expected to pass at once');
    expect(pipeline.spend(verdict.clearance)).toBe(0);
    expect(() => pipeline.spend(verdict.clearance)).toThrow('was spent before');
  });

  test('waits for the disk where its durability wants it', async () => {
    let synced = () => {};
    const { pipeline } = house({
      record: {
        durable: (_, crossing) =>
          crossing === 'read' ? undefined : new Promise<void>((resolve) => (synced = resolve)),
      },
    });
    expect(pipeline.decide(action())).not.toBeInstanceOf(Promise);
    const write = pipeline.decide(action('delete', { classification: classification('write') }));
    expect(write).toBeInstanceOf(Promise);
    synced();
    expect(await write).toMatchObject({ outcome: 'forward' });
  });

  test('is refused where the disk fails to sync it', async () => {
    const { pipeline, faults } = house({ record: { durable: () => Promise.reject(new Error('EIO')) } });
    expect(await pipeline.decide(action())).toMatchObject({
      outcome: 'refuse',
      reason: { code: 'RECORD_UNAVAILABLE' },
    });
    expect(faults).toHaveLength(1);
  });

  test.each([
    ['on a full disk', { accepting: () => false }],
    [
      'when the log throws',
      {
        append: () => {
          throw new GatewayError('RECORD_UNAVAILABLE', 'no space left');
        },
      },
    ],
  ])('is refused %s', (_, record) => {
    const { pipeline } = house({ record });
    expect(pipeline.decide(action())).toMatchObject({ outcome: 'refuse', reason: { code: 'RECORD_UNAVAILABLE' } });
  });

  test('that only observe mode let pass says so, and keeps the obligations that are enforced', () => {
    const limit = { kind: 'limit-rows', rows_max: 5, rule: 'x' } as const;
    const { pipeline, log } = house({
      policy: () => ({ effect: 'allow', rules: [], obligations: [limit], observed: NO }),
    });
    expect(pipeline.decide(action())).toMatchObject({ outcome: 'forward', obligations: [limit], observed: NO });
    expect(log[0]?.envelope).toMatchObject({ verdict: 'observed', facts: { code: 'POLICY_DENIED' } });
  });
});

describe('a clearance', () => {
  test.each([
    ['an object of the same shape', { entry: 3 }],
    ['null', Object.create(null)],
  ])('cannot be forged from %s', (_, forged) => {
    const { pipeline } = house({});
    // The cast is the forgery under test.
    expect(() => pipeline.spend(forged as Clearance)).toThrow('did not give');
  });

  test('cannot be copied', () => {
    const { pipeline } = house({});
    const verdict = pipeline.decide(action());
    if (verdict instanceof Promise || verdict.outcome !== 'forward') throw new Error('expected to pass at once');
    expect(() => pipeline.spend({ ...verdict.clearance })).toThrow('did not give');
    expect(() => pipeline.spend(structuredClone(verdict.clearance))).toThrow('did not give');
  });
});

describe('values of labelled columns', () => {
  const ssn = { kind: 'Column', id: 'crm/public.customers.ssn', labels: ['pii'], parent: null } as const;
  const compares = classification('read', { uses: [{ use: 'compare', column: ssn, comparison: 'lookup' }] });
  const mentions = classification('write', { uses: [{ use: 'mention', column: ssn }] });
  const reveals = classification('read', { uses: [{ use: 'reveal', column: ssn }] });

  test.each([
    ['compared', compares, "select 1 where ssn = ''"],
    ['only shown', reveals, undefined],
    ['only mentioned', mentions, undefined],
  ])('that are %s are shown without literals only where they may be such values', (_, understood, shown) => {
    const { pipeline, log } = house({ policy: () => DENY });
    pipeline.decide(action("select 1 where ssn = '123-45-6789'", { classification: understood }));
    expect(log[0]?.sealed.shown).toBe(shown);
    expect(log[0]?.sealed.text).toContain('123-45-6789');
  });
});

describe('a refusal', () => {
  test('is recorded with its reason', () => {
    const { pipeline, log } = house({ policy: () => DENY });
    expect(pipeline.decide(action('drop table t'))).toMatchObject({ outcome: 'refuse', reason: NO, entry: 0 });
    expect(log[0]).toMatchObject({
      envelope: { verdict: 'refuse', rules: ['no-drops'], facts: { code: 'POLICY_DENIED' } },
      sealed: { text: 'drop table t', why: 'no' },
    });
  });

  test('stands when it cannot be recorded', () => {
    const { pipeline, faults } = house({
      policy: () => DENY,
      record: {
        append: () => {
          throw new Error('EIO');
        },
      },
    });
    expect(pipeline.decide(action())).toMatchObject({ outcome: 'refuse', reason: NO, entry: null });
    expect(faults).toHaveLength(1);
  });

  test('is what a throw inside becomes', () => {
    const { pipeline, faults } = house({
      policy: () => {
        throw new TypeError('a bug');
      },
    });
    expect(pipeline.decide(action())).toMatchObject({ outcome: 'refuse', reason: { code: 'POLICY_BROKEN' } });
    expect(faults).toHaveLength(1);
  });

  test.each([
    ['justification', 'JUSTIFICATION_MISSING', {}],
    ['analyzer', 'ANALYZER_MISSING', { profile: 'default' }],
    ['step-up', 'STEP_UP_MISSING', {}],
  ] as const)('is what a missing %s becomes, before people are asked', (kind, code, more) => {
    const cure = { kind, rule: 'r', message: 'm', ...more } as Cure;
    const { pipeline } = house({ policy: () => ({ ...ASK, cures: [cure, APPROVAL] }) as Decision });
    expect(pipeline.decide(action())).toMatchObject({ outcome: 'refuse', reason: { code, rule: 'r' } });
  });
});

describe('a text that is only prepared', () => {
  test('is judged as if every cure were given', () => {
    const { pipeline, log } = house({ policy: () => ASK });
    expect(pipeline.decide(action('update t', { kind: 'parse' }))).toMatchObject({ outcome: 'forward' });
    expect(log[0]?.envelope.kind).toBe('prepared');
  });

  test('is refused where nothing could ever allow it', () => {
    const { pipeline } = house({ policy: () => DENY });
    expect(pipeline.decide(action('drop table t', { kind: 'parse' }))).toMatchObject({ outcome: 'refuse' });
  });
});

describe('people', () => {
  const approves = (given: Given) => (given.approvedBy.includes('prod-writes') ? ALLOW : ASK);
  const yes: AskOutcome = { outcome: 'approved', request: 'req_1', by: ['okta/dan'], receipt: '…' };

  test('are asked by the second step only, and what they approve is decided again', async () => {
    const { pipeline, ask, log, questions } = house({ policy: (_, given) => approves(given), answer: yes });
    const asked = action('update t', { classification: classification('write') });
    expect(pipeline.decide(asked)).toEqual({ outcome: 'ask', cures: [APPROVAL] });
    expect(log).toHaveLength(0);
    expect(await ask(asked)).toMatchObject([{ outcome: 'forward', clearance: { entry: 0 } }]);
    expect(questions[0]).toMatchObject({
      cures: [APPROVAL],
      displays: ['update t'],
      versions: ['relation public.t 7', 'rule prod-writes digest of prod-writes'],
    });
  });

  test('who deny end it as a refusal', async () => {
    const { ask } = house({
      policy: (_, given) => approves(given),
      answer: { outcome: 'refused', reason: { ...NO, code: 'APPROVAL_DENIED' } },
    });
    expect(await ask(action())).toMatchObject([{ outcome: 'refuse', reason: { code: 'APPROVAL_DENIED' } }]);
  });

  test('cannot allow what the policy, asked again, still forbids', async () => {
    const { ask } = house({ policy: (_, given) => (given.approvedBy.length > 0 ? DENY : ASK), answer: yes });
    expect(await ask(action())).toMatchObject([
      { outcome: 'refuse', reason: { code: 'POLICY_DENIED', request: 'req_1' } },
    ]);
  });

  test('are not asked twice for one action: a rule that asks again refuses', async () => {
    const { ask } = house({ policy: () => ASK, answer: yes });
    expect(await ask(action())).toMatchObject([{ outcome: 'refuse', reason: { code: 'APPROVAL_CHANGED' } }]);
  });

  test('answer one request for a whole batch: all of it passes or none', async () => {
    const { ask, questions, log } = house({
      policy: (asked, given) => {
        if (given.approvedBy.length === 0) return ASK;
        return Buffer.from(asked.text).toString() === 'bad' ? DENY : ALLOW;
      },
      answer: yes,
    });
    expect(await ask(action('good'), action('bad'), action('good'))).toMatchObject([
      { outcome: 'refuse' },
      { outcome: 'refuse' },
      { outcome: 'refuse' },
    ]);
    expect(questions).toHaveLength(1);
    expect(log.every(({ envelope }) => envelope.verdict === 'refuse')).toBe(true);
  });

  test('are not troubled when the policy no longer asks', async () => {
    const { ask } = house({ policy: () => ALLOW });
    expect(await ask(action())).toMatchObject([{ outcome: 'forward' }]);
  });

  test('who cannot be reached refuse', async () => {
    const { ask } = house({
      policy: () => ASK,
      answer: () => {
        throw new GatewayError('STORE_UNAVAILABLE', 'the store is away');
      },
    });
    expect(await ask(action())).toMatchObject([{ outcome: 'refuse', reason: { code: 'STORE_UNAVAILABLE' } }]);
  });
});
