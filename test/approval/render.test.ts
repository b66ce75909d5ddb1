import { describe, expect, test } from 'vitest';
import { render } from '../../src/approval/render.ts';
import type { Parameter } from '../../src/core/action.ts';
import { actionOf, human, sessionOf } from './fakes.ts';

const SESSION = sessionOf(human('alice'));
const LIMITS = { shown_text_bytes_max: 100, shown_request_bytes_max: 1_000 };
const unavailable = expect.objectContaining({ code: 'APPROVAL_UNAVAILABLE' });

const text = (value: string | null): Parameter => ({
  type: '25',
  format: 'text',
  value: value === null ? null : Buffer.from(value),
});

describe('an approver is shown', () => {
  test('each text once, how often it runs, and every set of parameters', () => {
    const insert = (name: string) =>
      actionOf(SESSION, 'insert into t values ($1)', { kind: 'bind', parameters: [text(name)] });
    expect(render([insert('a'), insert('b'), actionOf(SESSION, 'delete from t')], LIMITS).statements).toEqual([
      { text: 'insert into t values ($1)', times: 2, parameters: [["'a'"], ["'b'"]] },
      { text: 'delete from t', times: 1, parameters: [] },
    ]);
  });

  test('parameters so that NULL, text and bytes cannot be taken for each other', () => {
    const parameters: readonly Parameter[] = [
      text(null),
      text('NULL'),
      text("it's"),
      text('\\x00'),
      { type: '23', format: 'binary', value: Buffer.of(0, 0, 0, 42) },
      { type: '25', format: 'text', value: Buffer.of(0xff) },
      text('\u202e'),
      text(''),
    ];
    expect(render([actionOf(SESSION, 'x', { parameters })], LIMITS).statements[0]?.parameters).toEqual([
      ['NULL', "'NULL'", "'it''s'", "'\\x00'", '\\x0000002a', "'\\x{ff}'", "'\\u{202e}'", "''"],
    ]);
  });

  test('what to look at twice', () => {
    const { findings } = render([actionOf(SESSION, 'dr\u200bop', { parameters: [text('\u202e')] })], LIMITS);
    expect(findings).toEqual(['invisible characters', 'characters that change the reading direction']);
  });

  test('texts apart that differ in one invisible byte or in their kind', () => {
    const actions = [
      actionOf(SESSION, 'a b'),
      actionOf(SESSION, 'a\u00a0b'),
      actionOf(SESSION, 'a b', { kind: 'bind' }),
    ];
    expect(render(actions, LIMITS).statements).toHaveLength(3);
    const bytes = [actionOf(SESSION, Buffer.of(0xff)), actionOf(SESSION, Buffer.of(0xfe))];
    expect(render(bytes, LIMITS).statements).toHaveLength(2);
  });
});

describe('what cannot be shown whole cannot be approved', () => {
  test('a text above the limit', () => {
    expect(render([actionOf(SESSION, 'x'.repeat(100))], LIMITS).statements[0]?.text).toHaveLength(100);
    expect(() => render([actionOf(SESSION, 'x'.repeat(101))], LIMITS)).toThrow(unavailable);
  });

  test('a parameter above the limit', () => {
    const parameters = [text('x'.repeat(101))];
    expect(() => render([actionOf(SESSION, 'x', { parameters })], LIMITS)).toThrow(unavailable);
  });

  test('many that are above the limit together, as shown', () => {
    const bind = actionOf(SESSION, 'x', { parameters: [text('y'.repeat(97))] });
    expect(() =>
      render(
        Array.from({ length: 10 }, () => bind),
        LIMITS,
      ),
    ).not.toThrow();
    expect(() =>
      render(
        Array.from({ length: 11 }, () => bind),
        LIMITS,
      ),
    ).toThrow(unavailable);
    const invisible = actionOf(SESSION, 'x', { parameters: [text('\u200b'.repeat(33))] });
    expect(() =>
      render(
        Array.from({ length: 4 }, () => invisible),
        LIMITS,
      ),
    ).toThrow(unavailable);
  });
});
