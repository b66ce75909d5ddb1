import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reveal, revealBytes } from '../../src/approval/reveal.ts';

describe('what hides is shown', () => {
  test.each<[string, string, string, string]>([
    [
      'an embedding that turns the line round',
      "x = '\u202e' or 1=1 --",
      "x = '\\u{202e}' or 1=1 --",
      'reading direction',
    ],
    ['an isolate', '/*\u2066 end */ drop\u2069', '/*\\u{2066} end */ drop\\u{2069}', 'reading direction'],
    ['a mark of direction', 'a\u200fb', 'a\\u{200f}b', 'reading direction'],
    ['letters read from right to left', "a = '\u05d0'", "a = '\\u{5d0}'", 'reading direction'],
    ['a zero-width space', 'dr\u200bop', 'dr\\u{200b}op', 'invisible'],
    ['a zero-width joiner', 'a\u200db', 'a\\u{200d}b', 'invisible'],
    ['a soft hyphen', 'us\u00aders', 'us\\u{ad}ers', 'invisible'],
    ['a byte order mark', '\ufeffselect', '\\u{feff}select', 'invisible'],
    ['a no-break space', 'a\u00a0b', 'a\\u{a0}b', 'invisible'],
    ['a line separator', '-- a\u2028drop', '-- a\\u{2028}drop', 'invisible'],
    ['a Hangul filler', 'a\u3164b', 'a\\u{3164}b', 'invisible'],
    ['a Braille blank', 'a\u2800b', 'a\\u{2800}b', 'invisible'],
    ['a tag character', 'a\u{e0041}b', 'a\\u{e0041}b', 'invisible'],
    ['a variation selector', 'a\ufe0fb', 'a\\u{fe0f}b', 'invisible'],
    ['a private character', 'a\ue000b', 'a\\u{e000}b', 'invisible'],
    ['a carriage return', 'harmless\rdrop', 'harmless\\u{d}drop', 'control'],
    ['a terminal escape', 'a\u001b[2Kb', 'a\\u{1b}[2Kb', 'control'],
    ['a backspace', 'drop\u0008\u0008', 'drop\\u{8}\\u{8}', 'control'],
    ['NEL', 'a\u0085b', 'a\\u{85}b', 'control'],
    ['NUL', 'a\u0000b', 'a\\u{0}b', 'control'],
  ])('%s', (_, text, shown, finding) => {
    expect(reveal(text).text).toBe(shown);
    expect(reveal(text).found.join()).toContain(finding);
  });
});

describe('what looks like something else is shown', () => {
  test.each([
    ['Cyrillic in a Latin word', 'customer\u0455', 'customer\\u{455}'],
    ['a word wholly of Cyrillic doubles', '\u0441\u043e\u0440\u0443', '\\u{441}\\u{43e}\\u{440}\\u{443}'],
    ['a Greek omicron', 'dr\u03bfp', 'dr\\u{3bf}p'],
    ['full-width letters', '\uff44\uff52\uff4f\uff50', '\\u{ff44}\\u{ff52}\\u{ff4f}\\u{ff50}'],
    ['mathematical letters', '\u{1d41d}rop', '\\u{1d41d}rop'],
    ['a ligature', '\ufb01le', '\\u{fb01}le'],
    ['the Kelvin sign', '\u212a', '\\u{212a}'],
    ['a dotless i', 'adm\u0131n', 'adm\\u{131}n'],
    ['a Latin alpha', '\u0251dmin', '\\u{251}dmin'],
    ['a click letter', 'a \u01c3= b', 'a \\u{1c3}= b'],
    ['a typographic quote', 'O\u2019Brien', 'O\\u{2019}Brien'],
    ['a modifier apostrophe', 'O\u02bcBrien', 'O\\u{2bc}Brien'],
    ['dashes that begin no comment', '\u2010\u2010 a', '\\u{2010}\\u{2010} a'],
    ['a minus sign', 'a \u2212 b', 'a \\u{2212} b'],
    ['a Greek question mark', 'a\u037e b', 'a\\u{37e} b'],
    ['a fraction slash', 'a \u2044* b', 'a \\u{2044}* b'],
    ['an Arabic percent sign', '\u066a', '\\u{66a}'],
    ['digits of another script', 'id = \u09ea', 'id = \\u{9ea}'],
    ['an accent that stands beside its letter', 'e\u0301', 'e\\u{301}'],
    ['a stroke over a sign', 'a =\u0338 b', 'a =\\u{338} b'],
    ['long-vowel bars as dashes', '\u30fc\u30fc a', '\\u{30fc}\\u{30fc} a'],
    ['a pile of marks', '\u0928\u093f\u093f\u093f\u093f', '\u0928\u093f\u093f\\u{93f}\\u{93f}'],
  ])('%s', (_, text, shown) => {
    expect(reveal(text).text).toBe(shown);
    expect(reveal(text).found.length).toBeGreaterThan(0);
  });

  test.each([
    'select * from customers\n\twhere id = 42;',
    "name = 'Zürich'",
    "name = 'Привет, мир'",
    "name = 'Ωμέγα'",
    "name = '東京タワー Tokyo'",
    "name = '한국어'",
    "name = 'हिन्दी'",
    'a ~ b ^ c',
  ])('ordinary text stays as it is: %j', (text) => {
    expect(reveal(text)).toEqual({ text, found: [] });
  });
});

describe('what is shown is unambiguous', () => {
  test('an escape that was written is not one that was made', () => {
    expect(reveal('\\u{202e}').text).toBe('\\u{5c}u{202e}');
    expect(reveal('\\x{41} \u200b').text).toBe('\\u{5c}x{41} \\u{200b}');
    expect(reveal("E'\\n'").text).toBe("E'\\n'");
  });

  /** Undoes what `reveal` did, from its description alone. */
  const undo = (shown: string): string =>
    shown.replaceAll(/\\u\{([0-9a-f]+)\}/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)));

  test('two different texts never look the same', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('\\', 'u', 'x', '{', '}', '2', '\u200b', 'а', 'a', '\u0301', 'н') }),
    );
    fc.assert(
      fc.property(text, (original) => {
        expect(undo(reveal(original).text)).toBe(original);
      }),
      { numRuns: 500 },
    );
  });

  test('nothing that is shown is a control, format or space character but line feed, tab and space', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(reveal(text).text).not.toMatch(/(?![\n\t ])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u);
      }),
      { numRuns: 500 },
    );
  });
});

describe('bytes', () => {
  test('that are no UTF-8 are shown one by one', () => {
    const bytes = Buffer.from([0x61, 0xff, 0x0a, 0x1b, 0xc3]);
    expect(revealBytes(bytes)).toEqual({ text: 'a\\x{ff}\n\\x{1b}\\x{c3}', found: ['bytes that are not UTF-8'] });
    expect(revealBytes(Buffer.from('\\x{ff}\xff', 'latin1')).text).toBe('\\u{5c}x{ff}\\x{ff}');
  });

  test('of a byte order mark are not swallowed', () => {
    expect(revealBytes(Buffer.from('\ufeffa')).text).toBe('\\u{feff}a');
  });
});
