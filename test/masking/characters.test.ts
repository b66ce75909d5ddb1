import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countCharacters, emailText, partialText, withoutPadding } from '../../src/masking/characters.ts';

const WHOLE = Buffer.from('******');
const bytes = (text: string): Buffer => Buffer.from(text);

describe('partial', () => {
  test.each([
    ['123-45-6789', 0, 4, '*******6789'],
    ['123456789', 0, 4, '*****6789'],
    ['12345678', 0, 4, '******'],
    ['4111111111111111', 2, 4, '41**********1111'],
    ['', 0, 4, '******'],
    ['a', 0, 0, '*'],
    ['', 0, 0, '******'],
    ['Zürich-Örlikon', 1, 2, 'Z***********on'],
    ['ÄÖÜäöüßÄÖÜ', 1, 1, 'Ä********Ü'],
    ['👩‍🚀👩‍🚀👩‍🚀', 1, 1, '👩*******🚀'],
  ])('of %j keeping %i and %i is %j', (value, first, last, expected) => {
    expect(partialText(first, last, WHOLE)(bytes(value)).toString()).toBe(expected);
  });

  test.each([
    ['a stray continuation byte', '616263809192939495'],
    ['a cut sequence at the end', '61626364656667e282'],
    ['an overlong encoding', '6162636465c0af6667'],
    ['a surrogate', '61626364eda0806566'],
    ['LATIN1 text', '5afc72696368206166666f6c'],
  ])('of %s is the whole mask', (_, hex) => {
    expect(partialText(1, 1, WHOLE)(Buffer.from(hex, 'hex'))).toEqual(WHOLE);
  });

  test('shows no character it was not told to keep, and as many characters as there were', () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(anyText, fc.nat(5), fc.nat(5), (text, first, last) => {
        const masked = partialText(first, last, WHOLE)(bytes(text));
        expect(isUtf8(masked)).toBe(true);
        const before = Array.from(text);
        if (before.length <= 2 * (first + last)) {
          expect(masked).toEqual(WHOLE);
          return;
        }
        const after = Array.from(masked.toString());
        expect(after).toHaveLength(before.length);
        expect(after.slice(0, first)).toEqual(before.slice(0, first));
        expect(after.slice(after.length - last)).toEqual(before.slice(before.length - last));
        expect(after.slice(first, after.length - last).join('')).toBe('*'.repeat(before.length - first - last));
        // What is kept is less than half of it.
        expect(2 * (first + last)).toBeLessThan(before.length);
      }),
    );
  });

  test('long values fit after short ones', () => {
    const mask = partialText(1, 1, WHOLE);
    expect(mask(bytes('abcde')).toString()).toBe('a***e');
    const long = 'ü'.repeat(5_000);
    expect(mask(bytes(long)).toString()).toBe(`ü${'*'.repeat(4_998)}ü`);
    expect(mask(bytes('vwxyz')).toString()).toBe('v***z');
  });

  test('does not touch the value it is given', () => {
    const value = bytes('123-45-6789');
    partialText(0, 4, WHOLE)(value);
    expect(value.toString()).toBe('123-45-6789');
  });
});

describe('email', () => {
  test.each([
    ['anna@example.com', 'a***@example.com'],
    ['an@example.com', '***@example.com'],
    ['ann@example.com', 'a***@example.com'],
    ['a@example.com', '***@example.com'],
    ['ünal@example.com', 'ü***@example.com'],
    ['anna@bücher.example', 'a***@bücher.example'],
    ['"a@b"@example.com', '"***@example.com'],
    ['anna@sub.example.co.uk', 'a***@sub.example.co.uk'],
  ])('of %j is %j', (value, expected) => {
    expect(emailText(WHOLE)(bytes(value)).toString()).toBe(expected);
  });

  test.each([
    ['no @', 'anna.example.com'],
    ['nothing before the @', '@example.com'],
    ['nothing after the @', 'anna@'],
    ['a domain of one label', 'anna@localhost'],
    ['an empty label', 'anna@example..com'],
    ['an empty last label', 'anna@example.com.'],
    ['a number in place of a domain', 'a@123-45-6789'],
    ['a number as last label', 'a@example.6789'],
    ['an address literal', 'anna@[192.0.2.1]'],
    ['free text that contains an address', 'write to anna@example.com about 123-45-6789'],
    ['a line break after the domain', 'anna@example.com\n123-45-6789'],
    ['an empty value', ''],
    ['a domain longer than there is', `anna@${'a.'.repeat(130)}com`],
  ])('of %s is the whole mask', (_, value) => {
    expect(emailText(WHOLE)(bytes(value))).toEqual(WHOLE);
  });

  test('shows at most one character of the name', () => {
    const names = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(names, (name) => {
        const masked = emailText(WHOLE)(bytes(`${name}@example.com`)).toString();
        const characters = Array.from(name);
        expect([`***@example.com`, `${characters[0]}***@example.com`]).toContain(masked);
        if (characters.length <= 2) expect(masked).toBe('***@example.com');
      }),
    );
  });

  test('of text in another encoding is the whole mask', () => {
    expect(emailText(WHOLE)(Buffer.from('\xfcnal@example.com', 'latin1'))).toEqual(WHOLE);
    expect(emailText(WHOLE)(Buffer.from('anna@b\xfccher.example', 'latin1'))).toEqual(WHOLE);
  });
});

test('characters are code points', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(countCharacters(bytes(text))).toBe(Array.from(text).length);
    }),
  );
});

test('padding is the spaces at the end and nothing else', () => {
  expect(withoutPadding(bytes(' a b  ')).toString()).toBe(' a b');
  expect(withoutPadding(bytes('   ')).toString()).toBe('');
  expect(withoutPadding(bytes('a\t ')).toString()).toBe('a\t');
});
