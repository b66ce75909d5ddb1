import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import type { Reason } from '../../../src/core/verdict.ts';
import { decodeBackend, encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import {
  errorFields,
  noticeFields,
  printable,
  refusalFields,
  sqlState,
} from '../../../src/protocols/postgres/refusals.ts';

const reason: Reason = {
  code: 'POLICY_DENIED',
  rule: 'no-agent-drops',
  why: 'agents cannot change the schema',
  hint: 'open a migration instead',
  cure: null,
  retry: 'never',
  request: null,
};

describe('a refusal', () => {
  test('is what PostgreSQL says of a missing privilege, with the rule, a hint and one line for agents', () => {
    expect(refusalFields(reason, 'ERROR')).toStrictEqual({
      S: 'ERROR',
      V: 'ERROR',
      C: '42501',
      M: 'agents cannot change the schema (rule no-agent-drops)',
      D: '{"code":"POLICY_DENIED","rule":"no-agent-drops","why":"agents cannot change the schema","cure":null,"retry":"never","request":null}',
      H: 'open a migration instead',
    });
  });

  test('names what would pass, the cure and the request', () => {
    const asked: Reason = { ...reason, cure: 'approval', retry: 'after-approval', request: 'rq_7' };
    const { D } = refusalFields(asked, 'ERROR', ['runbook add-column']);
    expect(JSON.parse(D ?? '')).toStrictEqual({
      code: 'POLICY_DENIED',
      rule: 'no-agent-drops',
      why: 'agents cannot change the schema',
      allowed_instead: ['runbook add-column'],
      cure: 'approval',
      retry: 'after-approval',
      request: 'rq_7',
    });
    expect(Object.keys(JSON.parse(D ?? ''))).toStrictEqual([
      'code',
      'rule',
      'why',
      'allowed_instead',
      'cure',
      'retry',
      'request',
    ]);
  });

  test('without a rule or a hint says neither', () => {
    const fields = refusalFields({ ...reason, rule: null, hint: '' }, 'FATAL');
    expect(fields.M).toBe('agents cannot change the schema');
    expect('H' in fields).toBe(false);
    expect(fields.S).toBe('FATAL');
  });

  test('does not name a rule twice', () => {
    expect(refusalFields({ ...reason, why: 'no-agent-drops forbids it' }, 'ERROR').M).toBe('no-agent-drops forbids it');
  });

  test('always fits a message, one line of JSON that says what was meant, whatever a user wrote', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 100 });
    fc.assert(
      fc.property(texts, texts, (why, hint) => {
        const fields = refusalFields({ ...reason, why, hint }, 'ERROR');
        const frame = encodeBackend({ type: 'error', fields });
        expect(decodeBackend(0x45, frame.subarray(5))).toStrictEqual({ type: 'error', fields });
        expect(Object.values(fields).join('')).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]*$/u);
        expect(JSON.parse(fields.D ?? '').why).toBe(why);
      }),
      { numRuns: 500 },
    );
  });

  test('stays far below what libpq takes for a broken stream', () => {
    for (const text of ['x', '\u202e', '\u{1f600}', '\u{e0041}', '中', '"', '\0']) {
      const long = text.repeat(100_000);
      const fields = refusalFields({ ...reason, why: long, hint: long }, 'FATAL');
      expect(encodeBackend({ type: 'error', fields }).length, text).toBeLessThan(30_000);
      expect(() => JSON.parse(fields.D ?? '')).not.toThrow();
    }
  });
});

describe('printable text', () => {
  test.each([
    ['a line break', 'a\nb', 'a\\u{a}b'],
    ['a terminal escape', '\x1b[2J', '\\u{1b}[2J'],
    ['an eight-bit terminal escape', '\x9b2J', '\\u{9b}2J'],
    ['a right-to-left override', 'a\u202eb', 'a\\u{202e}b'],
    ['a zero-width space', 'dr\u200bop', 'dr\\u{200b}op'],
    ['a line separator', 'a\u2028b', 'a\\u{2028}b'],
    ['a tag character', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['a Hangul filler', 'a\u3164b', 'a\\u{3164}b'],
    ['NUL', 'a\0b', 'a\\u{0}b'],
    ['half a character', 'a\ud83d', 'a\ufffd'],
  ])('shows %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test('leaves every language alone', () => {
    const text = 'Ünïcödé Ελληνικά русский 中文 हिन्दी עברית 😀';
    expect(printable(text)).toBe(text);
  });
});

describe('the SQLSTATE', () => {
  test.each([
    ['POLICY_DENIED', '42501'],
    ['POLICY_OPAQUE', '42501'],
    ['APPROVAL_DENIED', '42501'],
    ['APPROVAL_CANCELLED', '57014'],
    ['IDENTITY_REFUSED', '28000'],
    ['IDENTITY_REVOKED', '57P01'],
    ['GATEWAY_STOPPING', '57P01'],
    ['STATEMENT_TOO_LONG', '54000'],
    ['WIRE_MALFORMED', '08P01'],
    ['WIRE_OUT_OF_ORDER', '08P01'],
    ['WIRE_UNSUPPORTED', '0A000'],
    ['CLIENT_TOO_MANY', '53300'],
    ['RECORD_UNAVAILABLE', '58030'],
    ['TARGET_UNREACHABLE', '08001'],
    ['TARGET_CLOSED', '08006'],
    ['OPERATOR_REFUSED', '42501'],
    ['NOT_FOUND', '42704'],
    ['INPUT_INVALID', '22023'],
    ['NOBODY_KNOWS_THIS', 'XX000'],
    ['nor this', 'XX000'],
  ])('of %s is %s', (code, state) => {
    expect(sqlState(code)).toBe(state);
  });

  test('is chosen for every code; internal_error is left to bugs and to what no client can be told', () => {
    const source = readFileSync(new URL('../../../src/core/errors.ts', import.meta.url), 'utf8');
    const codes = [...source.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map((match) => match[1] ?? '');
    expect(codes.length).toBeGreaterThan(40);
    expect(codes.filter((code) => sqlState(code) === 'XX000')).toStrictEqual(['INTERNAL', 'USAGE']);
    for (const code of codes) expect(sqlState(code)).toMatch(/^[0-9A-Z]{5}$/);
  });
});

describe('a failure', () => {
  test('tells its code and whether to try again', () => {
    const fields = errorFields(new GatewayError('TARGET_UNREACHABLE', 'crm: connection refused'), 'FATAL');
    expect(fields).toMatchObject({ S: 'FATAL', C: '08001', M: 'crm: connection refused' });
    expect(JSON.parse(fields.D ?? '')).toMatchObject({ code: 'TARGET_UNREACHABLE', rule: null, retry: 'later' });
    const malformed = errorFields(new GatewayError('WIRE_MALFORMED', 'broken'), 'FATAL');
    expect(JSON.parse(malformed.D ?? '')).toMatchObject({ retry: 'after-edit' });
  });

  test('keeps its details to itself', () => {
    const fields = errorFields(new GatewayError('TARGET_LOGIN', 'refused', { password: 'hunter2' }), 'FATAL');
    expect(JSON.stringify(fields)).not.toContain('hunter2');
  });
});

test('a notice is a notice, with a hint where there is one', () => {
  expect(noticeFields('waiting\n')).toStrictEqual({ S: 'NOTICE', V: 'NOTICE', C: '01000', M: 'waiting\\u{a}' });
  expect(noticeFields('waiting', 'see')).toMatchObject({ H: 'see' });
});
