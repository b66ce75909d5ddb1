import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ApprovalRequest, RequestState, Requirement, SignedVote } from '../../src/approval/ports.ts';
import {
  castVote,
  isFulfilled,
  isOverdue,
  type RequestEvent,
  refusal,
  TRANSITIONS,
  transition,
  use,
} from '../../src/approval/request.ts';
import type { Principal } from '../../src/core/principal.ts';
import { agent, human } from './fakes.ts';

const ALICE = human('alice');

function requestIn(state: RequestState, more: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return {
    id: 'request-1',
    version: 1,
    state,
    gateway: 'gw',
    run: 'run-1',
    digest: 'ab'.repeat(32),
    requirements: [{ rule: 'prod-writes', approvers: [['dba']], count: 1 }],
    chain: [ALICE.id],
    persons: ['okta/alice'],
    createdAt: 0,
    expiresAt: 1_000,
    votes: [],
    filing: '',
    ended: '',
    shown: {
      principal: ALICE.id,
      person: ALICE.person,
      onBehalfOf: [],
      target: 'crm',
      database: 'crm',
      role: 'gateway_rw',
      session: 'session-1',
      rules: ['prod-writes'],
      message: '',
      approvers: [['dba']],
      count: 1,
      statements: [],
      findings: [],
      resources: [],
      justification: '',
      notCovered: '',
      inTransaction: false,
    },
    ...more,
  };
}

function vote(person: string, groups: readonly string[], more: Partial<SignedVote> = {}): SignedVote {
  const base = { decision: 'approve' as const, principal: `okta/${person}`, person, reason: '', at: 1, signature: '' };
  return { ...base, groups, ...more };
}

describe('the life of a request', () => {
  test.each<[RequestState, RequestEvent, RequestState | null]>([
    ['pending', 'approve', 'approved'],
    ['pending', 'deny', 'denied'],
    ['pending', 'expire', 'expired'],
    ['pending', 'cancel', 'cancelled'],
    ['pending', 'use', null],
    ['approved', 'use', 'used'],
    ['approved', 'expire', 'expired'],
    ['approved', 'cancel', 'cancelled'],
    ['approved', 'deny', null],
    ['approved', 'approve', null],
    ...(['denied', 'expired', 'cancelled', 'used'] as const).flatMap((state) =>
      (['approve', 'deny', 'expire', 'cancel', 'use'] as const).map((event): [RequestState, RequestEvent, null] => [
        state,
        event,
        null,
      ]),
    ),
  ])('%s on %s becomes %s', (state, event, after) => {
    expect(transition(requestIn(state), event)?.state ?? null).toBe(after);
  });

  test('the table has every state', () => {
    expect(Object.keys(TRANSITIONS).sort()).toEqual(
      ['approved', 'cancelled', 'denied', 'expired', 'pending', 'used'].sort(),
    );
  });

  test('every change counts the version up by one', () => {
    const request = requestIn('pending', { version: 7 });
    expect(transition(request, 'cancel')?.version).toBe(8);
    expect(castVote(request, vote('bob', ['dba']), 10)?.version).toBe(8);
    expect(castVote({ ...request, requirements: two }, vote('bob', ['dba']), 10)?.version).toBe(8);
  });

  test('at its last moment it is over', () => {
    expect(castVote(requestIn('pending'), vote('bob', ['dba']), 999)?.state).toBe('approved');
    expect(castVote(requestIn('pending'), vote('bob', ['dba']), 1_000)).toBeNull();
    expect(use(requestIn('approved'), 999)?.state).toBe('used');
    expect(use(requestIn('approved'), 1_000)).toBeNull();
    expect(isOverdue(requestIn('approved'), 1_000)).toBe(true);
    expect(isOverdue(requestIn('denied'), 1_000)).toBe(false);
  });

  test('one denial ends it, whoever approved before', () => {
    const half = castVote(requestIn('pending', { requirements: two }), vote('bob', ['dba']), 10);
    expect(half?.state).toBe('pending');
    const denied = castVote(half ?? never(), vote('carol', ['dba'], { decision: 'deny', reason: 'no' }), 11);
    expect([denied?.state, denied?.ended]).toEqual(['denied', 'no']);
  });

  test('no vote is taken after the end', () => {
    for (const state of ['approved', 'denied', 'expired', 'cancelled', 'used'] as const) {
      expect(castVote(requestIn(state), vote('bob', ['dba']), 10)).toBeNull();
    }
  });
});

const two: readonly Requirement[] = [{ rule: 'prod-writes', approvers: [['dba']], count: 2 }];

describe('what rules want to hear', () => {
  const heard = (approvers: readonly (readonly string[])[], count: number, votes: readonly SignedVote[]): boolean =>
    isFulfilled([{ rule: 'r', approvers, count }], votes, ['okta/alice']);

  test.each<[string, readonly (readonly string[])[], number, readonly SignedVote[], boolean]>([
    ['one of the group', [['dba']], 1, [vote('bob', ['dba'])], true],
    ['one of another group', [['dba']], 1, [vote('bob', ['dev'])], false],
    ['two where two are asked', [['dba']], 2, [vote('bob', ['dba']), vote('carol', ['dba'])], true],
    [
      'the same person twice',
      [['dba']],
      2,
      [vote('bob', ['dba']), vote('bob', ['dba'], { principal: 'ci/bob' })],
      false,
    ],
    ['a second one from elsewhere', [['dba']], 2, [vote('bob', ['dba']), vote('carol', ['dev'])], false],
    ['either of two groups', [['dba'], ['lead']], 1, [vote('bob', ['lead'])], true],
    ['both groups', [['dba', 'lead']], 1, [vote('bob', ['dba']), vote('carol', ['lead'])], true],
    ['one of both groups only', [['dba', 'lead']], 1, [vote('bob', ['dba'])], false],
    ['one person who is in both groups', [['dba', 'lead']], 1, [vote('bob', ['dba', 'lead'])], false],
    [
      'two who could each speak for both',
      [['dba', 'lead']],
      1,
      [vote('bob', ['dba', 'lead']), vote('carol', ['dba', 'lead'])],
      true,
    ],
    [
      'two of whom only one can speak for the second group',
      [['dba', 'lead']],
      1,
      [vote('bob', ['dba', 'lead']), vote('carol', ['dba'])],
      true,
    ],
    ['the requester himself', [['dba']], 1, [vote('okta/alice', ['dba'])], false],
    ['nobody', [['dba']], 1, [], false],
    ['nobody where nobody is named', [], 1, [vote('bob', ['dba'])], false],
    ['an empty alternative', [[]], 1, [vote('bob', ['dba'])], false],
    [
      'a denial among approvals',
      [['dba']],
      1,
      [vote('bob', ['dba']), vote('carol', ['dba'], { decision: 'deny' })],
      false,
    ],
  ])('%s', (_, approvers, count, votes, expected) => {
    expect(heard(approvers, count, votes)).toBe(expected);
  });

  test('every rule has to be satisfied, and no rule at all is not satisfied', () => {
    const rules = [
      { rule: 'a', approvers: [['dba']], count: 1 },
      { rule: 'b', approvers: [['lead']], count: 1 },
    ];
    expect(isFulfilled(rules, [vote('bob', ['dba'])], [])).toBe(false);
    expect(isFulfilled(rules, [vote('bob', ['dba', 'lead'])], [])).toBe(true);
    expect(isFulfilled([], [vote('bob', ['dba'])], [])).toBe(false);
  });

  test('fewer votes never satisfy what more did not, and persons number at least what was asked', () => {
    const group = fc.constantFrom('dba', 'lead', 'sec', 'dev');
    const votes = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.uniqueArray(group)), { maxLength: 6 });
    const approvers = fc.array(fc.uniqueArray(group, { maxLength: 3 }), { maxLength: 3 });
    fc.assert(
      fc.property(approvers, fc.integer({ min: 1, max: 3 }), votes, (alternatives, count, cast) => {
        const all = cast.map(([person, groups]) => vote(person, groups));
        const persons = new Set(cast.map(([person]) => person));
        if (!heard(alternatives, count, all)) {
          // Distinct persons only: dropping the last vote of a person cannot help.
          const unique = all.filter((one, at) => all.findLastIndex(({ person }) => person === one.person) === at);
          for (let drop = 0; drop < unique.length; drop++) {
            expect(heard(alternatives, count, unique.toSpliced(drop, 1))).toBe(false);
          }
          return;
        }
        const smallest = Math.min(...alternatives.filter((one) => one.length > 0).map((one) => one.length));
        expect(persons.size).toBeGreaterThanOrEqual(Math.max(count, smallest));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('who may decide', () => {
  const bob = human('bob', ['dba']);
  const request = (more = {}) => ({
    ...requestIn('pending'),
    approvers: [['dba'], ['lead', 'sec']],
    voters: [],
    ...more,
  });

  test.each<[string, Principal, string | null]>([
    ['an approver', bob, null],
    ['somebody of any named group', human('carol', ['sec']), null],
    ['somebody of none', human('dave', ['dev']), 'not-an-approver'],
    ['the requester', human('alice', ['dba']), 'own-request'],
    ['the requester under another id', { ...bob, person: 'okta/alice' }, 'own-request'],
    ['an agent of an approver', agent('helper', bob), 'agent'],
    ['an agent that says it may', { ...agent('helper', bob), mayApprove: true, groups: ['dba'] }, 'agent'],
    ['a person through an agent', { ...bob, onBehalfOf: agent('helper', human('dave')) }, 'agent'],
    ['a service account', human('ci', ['dba'], { kind: 'workload', mayApprove: false }), 'may-not-approve'],
    ['a service account that may', human('ci', ['dba'], { kind: 'workload', person: 'okta/erin' }), null],
    ['one for whom nobody answers', human('ci', ['dba'], { kind: 'workload', person: null }), 'nobody-answers'],
    [
      'a service account of the requester',
      human('ci', ['dba'], { kind: 'workload', person: 'okta/alice' }),
      'own-request',
    ],
  ])('%s: %s', (_, by, expected) => {
    expect(refusal(request(), by, 10)).toBe(expected);
  });

  test('nobody twice, and nobody after the end', () => {
    expect(refusal(request({ voters: ['okta/bob'] }), bob, 10)).toBe('voted-before');
    expect(refusal(request({ state: 'approved' }), bob, 10)).toBe('ended');
    expect(refusal(request(), bob, 1_000)).toBe('ended');
  });

  test('nobody of the whole delegation chain', () => {
    const chained = request({ chain: ['agents/helper', 'okta/alice'], persons: ['okta/alice', 'okta/bob'] });
    expect(refusal(chained, bob, 10)).toBe('own-request');
  });
});

function never(): never {
  throw new Error('no request');
}
