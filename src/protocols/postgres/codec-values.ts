import { type Cursor, malformed } from '../wire/cursor.ts';
import { Writer } from '../wire/writer.ts';

/** What Bind, FunctionCall, DataRow and the copy messages have in common. */

/** A tagged message: tag, length, and what `body` writes. */
export function frame(tag: string, body?: (writer: Writer) => void): Buffer {
  const writer = new Writer(body === undefined ? HEADER_BYTES : undefined).u8(tag.charCodeAt(0)).i32(0);
  body?.(writer);
  writer.patchI32(TAG_BYTES, writer.written - TAG_BYTES);
  return writer.finish();
}

/** A count and as many format codes, each 0 (text) or 1 (binary): of any other, nobody could say what a value means. */
export function decodeFormats(cursor: Cursor, what: string): readonly number[] {
  const count = cursor.u16(what);
  if (count === 0) return NO_FORMATS;
  cursor.room(count, 2, what);
  const formats = new Array<number>(count);
  for (let index = 0; index < count; index++) formats[index] = decodeFormat(cursor, what);
  return formats;
}

export function decodeFormat(cursor: Cursor, what: string): number {
  const format = cursor.u16(what);
  if (format > 1) throw malformed(what, cursor.offset - 2, `name format ${format}; there are 0 and 1`);
  return format;
}

/** A count and as many values, each a length and its bytes, or -1 for NULL. */
export function decodeValues(cursor: Cursor, what: string): readonly (Buffer | null)[] {
  const count = cursor.u16(what);
  cursor.room(count, 4, what);
  const values = new Array<Buffer | null>(count);
  for (let index = 0; index < count; index++) values[index] = decodeValue(cursor, what);
  return values;
}

export function decodeValue(cursor: Cursor, what: string): Buffer | null {
  const length = cursor.i32(what);
  return length === -1 ? null : cursor.bytes(length, what);
}

export function encodeFormats(writer: Writer, formats: readonly number[]): void {
  writer.u16(formats.length);
  for (const format of formats) writer.u16(format);
}

export function encodeValues(writer: Writer, values: readonly (Buffer | null)[]): void {
  writer.u16(values.length);
  for (const value of values) encodeValue(writer, value);
}

export function encodeValue(writer: Writer, value: Buffer | null): void {
  if (value === null) writer.i32(-1);
  else writer.i32(value.length).bytes(value);
}

/** Formats are none (all text), one for all, or one for each (manual, Bind); the server refuses anything else. */
export function checkFormatCount(formats: readonly number[], values: readonly unknown[], what: string): void {
  if (formats.length > 1 && formats.length !== values.length) {
    throw malformed(what, 0, `has ${formats.length} formats for ${values.length} values`);
  }
}

const NO_FORMATS: readonly number[] = [];
const TAG_BYTES = 1;
const HEADER_BYTES = 5;
