import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cursor, utf8 } from '../../../src/protocols/wire/cursor.ts';
import { Writer } from '../../../src/protocols/wire/writer.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const failing = (code: string) => expect.objectContaining({ name: 'GatewayError', code });

describe('a cursor', () => {
  test.each<[string, string, (cursor: Cursor) => unknown, unknown]>([
    ['u8', 'ff', (c) => c.u8('x'), 255],
    ['u16', 'fffe', (c) => c.u16('x'), 65534],
    ['i16', 'fffe', (c) => c.i16('x'), -2],
    ['u32', 'fffffffe', (c) => c.u32('x'), 4294967294],
    ['i32', 'fffffffe', (c) => c.i32('x'), -2],
    ['u16LE', '0102', (c) => c.u16LE('x'), 0x0201],
    ['u24LE', '010203', (c) => c.u24LE('x'), 0x030201],
    ['u32LE', '010203ff', (c) => c.u32LE('x'), 0xff030201],
    ['cstring', '61c3a900', (c) => c.cstring('x'), 'aé'],
    ['an empty cstring', '00', (c) => c.cstring('x'), ''],
    ['bytes', '0102', (c) => c.bytes(2, 'x').toString('hex'), '0102'],
    ['rest', '0102', (c) => c.rest().toString('hex'), '0102'],
    ['a byte order mark is a character', 'efbbbf00', (c) => c.cstring('x'), '\ufeff'],
  ])('reads %s, and fails on every shorter body', (name, bytes, read, value) => {
    const whole = hex(bytes);
    const cursor = new Cursor(whole);
    expect(read(cursor)).toStrictEqual(value);
    expect(() => cursor.done('x')).not.toThrow();
    if (name === 'rest') return;
    for (let length = 0; length < whole.length; length++) {
      // The bytes are there, but behind the end: a body must not read into the message that follows it.
      expect(() => read(new Cursor(whole, 0, length)), `${length} bytes`).toThrow(failing('WIRE_MALFORMED'));
    }
  });

  test('names the offset where it failed', () => {
    const cursor = new Cursor(hex('01 02 03'));
    cursor.u16('x');
    expect(() => cursor.u32('the count')).toThrow(
      expect.objectContaining({ code: 'WIRE_MALFORMED', details: { what: 'the count', offset: 2 } }),
    );
  });

  test.each([
    ['a negative length', (c: Cursor) => c.bytes(-1, 'x')],
    ['a length beyond all bytes', (c: Cursor) => c.bytes(0x7fffffff, 'x')],
    ['bytes behind the end', (c: Cursor) => c.done('x')],
    ['a text whose NUL lies behind the end', () => new Cursor(hex('6100'), 0, 1).cstring('x')],
    ['more things than can follow', (c: Cursor) => c.room(65535, 4, 'x')],
  ])('refuses %s', (_, read) => {
    expect(() => read(new Cursor(hex('00000000')))).toThrow(failing('WIRE_MALFORMED'));
  });

  test.each([
    ['a stray continuation byte', '80'],
    ['an overlong slash', 'c0af'],
    ['a surrogate', 'eda080'],
    ['a cut sequence', 'e282'],
    ['a code point above U+10FFFF', 'f4908080'],
  ])('refuses %s as text', (_, bytes) => {
    expect(() => utf8(hex(bytes), 'x')).toThrow(failing('WIRE_ENCODING'));
  });

  test('starts and stops where it is told', () => {
    const cursor = new Cursor(hex('0102030405'), 1, 4);
    expect(cursor.remaining).toBe(3);
    expect(cursor.rest().toString('hex')).toBe('020304');
    expect(cursor.remaining).toBe(0);
  });
});

describe('a writer', () => {
  test('writes what a cursor reads, however small it began', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9 }),
        fc.array(
          fc.tuple(
            fc.nat(255),
            fc.nat(65535),
            fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
            fc.string({ unit: 'grapheme' }),
            fc.uint8Array(),
          ),
        ),
        (capacity, rows) => {
          const writer = new Writer(capacity);
          for (const [one, two, four, text, bytes] of rows) {
            writer
              .u8(one)
              .u16(two)
              .u16LE(two)
              .i32(four)
              .u24LE(one * two)
              .u32(four >>> 0)
              .u32LE(four >>> 0);
            writer
              .i16(two - 32768)
              .cstring(text.replaceAll('\0', ''))
              .u16(bytes.length)
              .bytes(bytes);
          }
          expect(writer.finish().length).toBe(writer.written);
          const cursor = new Cursor(writer.finish());
          for (const [one, two, four, text, bytes] of rows) {
            expect([cursor.u8('x'), cursor.u16('x'), cursor.u16LE('x'), cursor.i32('x')]).toStrictEqual([
              one,
              two,
              two,
              four,
            ]);
            expect([cursor.u24LE('x'), cursor.u32('x'), cursor.u32LE('x')]).toStrictEqual([
              one * two,
              four >>> 0,
              four >>> 0,
            ]);
            expect([cursor.i16('x'), cursor.cstring('x')]).toStrictEqual([two - 32768, text.replaceAll('\0', '')]);
            expect(Buffer.compare(cursor.bytes(cursor.u16('x'), 'x'), bytes)).toBe(0);
          }
          cursor.done('x');
        },
      ),
    );
  });

  test('refuses a NUL inside a NUL-terminated text, which would begin another message', () => {
    expect(() => new Writer().cstring('a\0Qx')).toThrow(failing('WIRE_MALFORMED'));
    expect(() => new Writer().cstringBytes(Buffer.from('a\0b'))).toThrow(failing('WIRE_MALFORMED'));
  });

  test('refuses a length that a frame cannot say', () => {
    expect(() => new Writer().i32(0).patchI32(0, 2 ** 31)).toThrow(failing('WIRE_FRAME_TOO_LONG'));
    expect(new Writer().i32(0).u8(1).written).toBe(5);
  });

  test.each([
    ['a count above 65,535', () => new Writer().u16(65536)],
    ['a negative count', () => new Writer().u16(-1)],
    ['a byte above 255', () => new Writer().u8(256)],
  ])('takes %s for the bug it is', (_, write) => {
    expect(write).toThrow(RangeError);
  });
});
