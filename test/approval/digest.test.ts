import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { differences, fingerprint } from '../../src/approval/digest.ts';
import type { Question } from '../../src/approval/stage.ts';
import { encodeTuple, type Part } from '../../src/approval/tuple.ts';
import type { Action, Parameter } from '../../src/core/action.ts';
import { actionOf, agent, cureOf, human, questionOf, sessionOf } from './fakes.ts';

const ALICE = human('alice');
const SESSION = sessionOf(ALICE);
const BIND: Parameter = { type: '23', format: 'text', value: Buffer.from('42') };
const ACTION = actionOf(SESSION, 'update customers set name = $1', { parameters: [BIND] });
const QUESTION = questionOf([ACTION]);

const withAction = (more: Partial<Action>): Question => questionOf([{ ...ACTION, ...more }]);
const withSession = (more: Partial<Action['session']>): Question => withAction({ session: { ...SESSION, ...more } });
const withParameter = (more: Partial<Parameter>): Question => withAction({ parameters: [{ ...BIND, ...more }] });

describe('the digest', () => {
  test.each<[string, Question, string]>([
    ['another principal', withAction({ principal: human('bob') }), 'who asks'],
    ['another person behind the same id', withAction({ principal: { ...ALICE, person: 'okta/bob' } }), 'who asks'],
    ['an agent in between', withAction({ principal: { ...agent('helper', ALICE), id: ALICE.id } }), 'who asks'],
    ['another session', withSession({ id: 'session-2' }), 'the session'],
    ['another target', withAction({ target: 'erp' }), 'the target'],
    ['another protocol', withAction({ protocol: 'mysql' }), 'the target'],
    ['another database', withSession({ database: 'reports' }), 'the database'],
    ['another role', withSession({ role: 'postgres' }), 'the role'],
    ['another search_path', withAction({ state: 'search_path=evil' }), 'the session state'],
    ['another kind of message', withAction({ kind: 'bind' }), 'the kind of action'],
    ['another text', withAction({ text: Buffer.from('update customers set name = $1 ') }), 'the statement'],
    ['a parameter more', withAction({ parameters: [BIND, BIND] }), 'the parameters'],
    ['no parameters', withAction({ parameters: [] }), 'the parameters'],
    ['another parameter type', withParameter({ type: '25' }), 'the parameters'],
    ['another parameter format', withParameter({ format: 'binary' }), 'the parameters'],
    ['another parameter value', withParameter({ value: Buffer.from('43') }), 'the parameters'],
    ['NULL for a value', withParameter({ value: null }), 'the parameters'],
    [
      'another object version',
      questionOf([ACTION], { versions: ['rule prod-writes 2'] }),
      'the versions of objects and rules',
    ],
    ['another number of approvers', questionOf([ACTION], { cures: [cureOf({ count: 2 })] }), 'what the rules ask for'],
    ['another rule', questionOf([ACTION], { cures: [cureOf({ rule: 'other' })] }), 'what the rules ask for'],
    ['other approvers', questionOf([ACTION], { cures: [cureOf({ approvers: [['dev']] })] }), 'what the rules ask for'],
    ['another time', questionOf([ACTION], { cures: [cureOf({ within_ms: 1 })] }), 'what the rules ask for'],
    ['another justification', withSession({ justification: 'INC-1' }), 'the justification'],
    ['a transaction', questionOf([ACTION], { inTransaction: true }), 'the transaction'],
    ['other resources', withAction({ classification: { ...ACTION.classification, touches: [] } }), 'what it touches'],
  ])('changes with %s, and says that it was %s', (_, after, part) => {
    expect(fingerprint(after).digest).not.toBe(fingerprint(QUESTION).digest);
    expect(differences(fingerprint(QUESTION), fingerprint(after))).toContain(part);
  });

  test('does not change with what differs when the same thing is asked again', () => {
    const again = withAction({ id: 'action-9', sequence: 9, at: 99, text: Buffer.from(ACTION.text) });
    expect(fingerprint(again)).toEqual(fingerprint(QUESTION));
    expect(differences(fingerprint(QUESTION), fingerprint(again))).toEqual([]);
  });

  test('does not depend on the order in which rules and versions were found', () => {
    const [a, b] = [cureOf({ rule: 'a' }), cureOf({ rule: 'b' })];
    const one = questionOf([ACTION], { cures: [a, b], versions: ['1', '2'] });
    const other = questionOf([ACTION], { cures: [b, a], versions: ['2', '1'] });
    expect(fingerprint(one)).toEqual(fingerprint(other));
  });

  test('of a batch depends on the order of its actions', () => {
    const second = actionOf(SESSION, 'delete from customers');
    expect(fingerprint(questionOf([ACTION, second])).digest).not.toBe(fingerprint(questionOf([second, ACTION])).digest);
    expect(fingerprint(questionOf([ACTION])).digest).not.toBe(fingerprint(questionOf([ACTION, ACTION])).digest);
  });

  test('is of the moment: what changes in the session afterwards shows as a difference', () => {
    const session = sessionOf(ALICE);
    const question = questionOf([actionOf(session, 'select 1')]);
    const before = fingerprint(question);
    session.justification = 'something else';
    expect(differences(before, fingerprint(question))).toEqual(['the justification']);
  });

  test('differs exactly when some part differs', () => {
    const word = fc.constantFrom('', 'a', 'ab', 'b');
    const questions = fc
      .record({ text: word, state: word, kind: word, role: word, database: word, value: word })
      .map(({ text, state, kind, role, database, value }) =>
        questionOf([
          actionOf({ ...SESSION, role, database }, text, {
            state,
            kind,
            parameters: [{ ...BIND, value: Buffer.from(value) }],
          }),
        ]),
      );
    fc.assert(
      fc.property(questions, questions, (one, other) => {
        const [first, second] = [fingerprint(one), fingerprint(other)];
        expect(first.digest === second.digest).toBe(differences(first, second).length === 0);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is the same in every release: this one was computed by another program', () => {
    expect(fingerprint(QUESTION).digest).toBe('f711d2e28bc110e2594ebab75287d41782ef24ec037e7c9b43bf961458cfdd93');
    expect(encodeTuple(['a', Buffer.of(1), null, []]).toString('hex')).toBe(
      '0300000004' + '0100000001' + '61' + '0200000001' + '01' + '0000000000' + '0300000000',
    );
  });
});

describe('a tuple', () => {
  const part: fc.Arbitrary<Part> = fc.letrec<{ part: Part }>((tie) => ({
    part: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(null),
      fc.array(tie('part'), { maxLength: 3 }),
    ),
  })).part;

  test('reads back as itself alone: no two tuples share an encoding', () => {
    fc.assert(
      fc.property(part, (tuple) => {
        const { value, rest } = decode(encodeTuple(tuple));
        expect(value).toEqual(tuple);
        expect(rest).toHaveLength(0);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[Part, Part]>([
    [
      ['ab', 'c'],
      ['a', 'bc'],
    ],
    [
      ['a', ''],
      ['', 'a'],
    ],
    [
      [['a'], 'b'],
      ['a', ['b']],
    ],
    [[null], ['']],
    ['a', Buffer.from('a')],
    [[[]], []],
  ])('%j is not %j', (one, other) => {
    expect(encodeTuple(one)).not.toEqual(encodeTuple(other));
  });

  test('refuses text that UTF-8 would change', () => {
    expect(() => encodeTuple('\ud800')).toThrow(expect.objectContaining({ code: 'APPROVAL_UNAVAILABLE' }));
  });
});

/** An independent reader of the format. */
function decode(bytes: Buffer): { readonly value: Part; readonly rest: Buffer } {
  const length = bytes.readUInt32BE(1);
  const body = bytes.subarray(5);
  if (bytes[0] === 0) return { value: null, rest: body };
  if (bytes[0] === 1) return { value: body.toString('utf8', 0, length), rest: body.subarray(length) };
  if (bytes[0] === 2) return { value: Buffer.from(body.subarray(0, length)), rest: body.subarray(length) };
  const items: Part[] = [];
  let rest = body;
  for (let left = length; left > 0; left--) {
    const item = decode(rest);
    items.push(item.value);
    rest = item.rest;
  }
  return { value: items, rest };
}
