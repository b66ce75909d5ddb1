import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseStrictObject } from '../../src/identity/strict-json.ts';
import { anyText } from './any-text.ts';

describe('a JSON object', () => {
  test.each([
    ['a key that stands twice', '{"a":1,"a":2}'],
    ['a key that stands twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a key that stands twice further down', '{"a":{"b":[{"c":1,"c":1}]}}'],
    ['a key that stands twice, with space before the colon', '{"a" :1,"a"\n\t:2}'],
    ['the key that would be its prototype', '{"__proto__":{"admin":true}}'],
    ['an array', '[]'],
    ['a text', '"a"'],
    ['null', 'null'],
    ['two objects', '{}{}'],
    ['a trailing comma', '{"a":1,}'],
    ['a comment', '{/**/}'],
    ['nothing', ''],
    ['nesting without end', `{"a":${'['.repeat(16)}${']'.repeat(16)}}`],
  ])('is not read from %s', (_, text) => expect(parseStrictObject(text)).toBeNull());

  test.each([
    ['the same key in two objects', '{"a":{"k":1},"b":{"k":1}}'],
    ['a key that is also a value', '{"a":"b","b":"a"}'],
    ['brackets, quotes and colons in texts', '{"a":"{\\"x\\":1,\\"x\\":[","b":"]}","c":"\\\\"}'],
    ['keys that every object inherits', '{"constructor":1,"toString":2}'],
  ])('may hold %s', (_, text) => expect(parseStrictObject(text)).toEqual(JSON.parse(text)));

  test('is read as JSON.parse reads it, whatever it holds', () => {
    const object = fc.dictionary(
      anyText().filter((key) => key !== '__proto__'),
      fc.jsonValue({ maxDepth: 5 }),
    );
    fc.assert(
      fc.property(object, fc.nat({ max: 3 }), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        if (text.includes('"__proto__"')) return;
        expect(parseStrictObject(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('is refused whichever of its keys is written a second time', () => {
    const keys = fc.uniqueArray(anyText({ minLength: 1 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(keys, fc.nat(), (names, which) => {
        const again = names[which % names.length] ?? '';
        const members = [...names, again].map((name) => `${JSON.stringify(name)}:0`);
        expect(parseStrictObject(`{${members.join(',')}}`)).toBeNull();
      }),
    );
  });

  test('of a hundred thousand characters of garbage is refused at once', () => {
    const startedAt = performance.now();
    for (const text of [`{"a${'\\"'.repeat(50_000)}`, `{"a"${' '.repeat(100_000)}1}`, '{"a":['.repeat(16_000)]) {
      expect(parseStrictObject(text)).toBeNull();
    }
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
