import { describe, expect, test } from 'vitest';
import type { ActionDraft, Parameter } from '../../../src/core/action.ts';
import { display } from '../../../src/protocols/postgres/display.ts';
import { statement } from './fakes.ts';

function draft(text: string | Buffer, parameters: readonly Parameter[] = []): ActionDraft {
  const { classification } = statement();
  return { classification, kind: 'bind', text: Buffer.from(text), parameters, state: '' };
}

const value = (bytes: string | Buffer, format: Parameter['format'] = 'text', type = '0'): Parameter => ({
  type,
  format,
  value: Buffer.from(bytes),
});

describe('what an approver sees', () => {
  test.each([
    ['plain text as it is', 'select 1\n\tfrom t', 'select 1\n\tfrom t'],
    ['a right-to-left override', 'drop \u202etable', 'drop \\u{202e}table'],
    ['an isolate', 'a\u2066b', 'a\\u{2066}b'],
    ['a zero-width space', 'del\u200bete', 'del\\u{200b}ete'],
    ['a soft hyphen', 'a\u00adb', 'a\\u{ad}b'],
    ['a space that is none', 'a\u00a0b', 'a\\u{a0}b'],
    ['a tag character', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['a filler', 'a\u3164b', 'a\\u{3164}b'],
    ['a variation selector', 'a\ufe0fb', 'a\\u{fe0f}b'],
    ['a carriage return that would overwrite the line', 'select 1\rdrop', 'select 1\\u{d}drop'],
    ['an escape sequence', 'a\u001b[2Kb', 'a\\u{1b}[2Kb'],
    ['letters of any script', 'größe 名前', 'größe 名前'],
  ])('%s', (_, text, shown) => {
    expect(display(draft(text))).toBe(shown);
  });

  test('bytes that are no text, one by one', () => {
    expect(display(draft(Buffer.from([0x61, 0xff, 0x62])))).toBe('a\\xffb');
  });

  test('every parameter, numbered, as it will be sent', () => {
    const parameters = [
      value("o'brien"),
      { ...value(''), value: null },
      value(Buffer.from('00000007', 'hex'), 'binary', '23'),
      value(Buffer.from('cafe', 'hex'), 'binary', '17'),
      value('\u202e'),
    ];
    expect(display(draft('delete from t where a = $1', parameters))).toBe(
      [
        'delete from t where a = $1',
        "$1 = 'o''brien'",
        '$2 = NULL',
        '$3 = 7',
        "$4 = '\\xcafe' (binary, type 17)",
        "$5 = '\\u{202e}'",
      ].join('\n'),
    );
  });
});
