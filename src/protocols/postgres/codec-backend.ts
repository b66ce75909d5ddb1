import { Cursor, malformed } from '../wire/cursor.ts';
import type { Writer } from '../wire/writer.ts';
import { decodeAuthentication, encodeAuthentication } from './codec-authentication.ts';
import {
  decodeFormat,
  decodeFormats,
  decodeValue,
  decodeValues,
  encodeFormats,
  encodeValue,
  encodeValues,
  frame,
} from './codec-values.ts';
import type { BackendMessage, ErrorFields, Field, TransactionStatus } from './messages.ts';
import { decodeSecret } from './startup.ts';

type NegotiateVersion = Extract<BackendMessage, { type: 'negotiate-version' }>;

/** One message of a target, given its tag and its body. Buffers in it are views of `body`. Throws WIRE_*. */
export function decodeBackend(tag: number, body: Buffer): BackendMessage {
  const cursor = new Cursor(body);
  const message = decodeBody(tag, cursor);
  cursor.done(`the ${message.type} message`);
  return message;
}

/** The whole frame, tag and length included. */
export function encodeBackend(message: BackendMessage): Buffer {
  switch (message.type) {
    case 'backend-key-data':
      return frame('K', (writer) => writer.i32(message.processId).bytes(message.secret));
    case 'parameter-status':
      return frame('S', (writer) => writer.cstring(message.name).cstring(message.value));
    case 'ready-for-query':
      return frame('Z', (writer) => writer.u8(message.status.charCodeAt(0)));
    case 'row-description':
      return frame('T', (writer) => encodeFields(writer, message.fields));
    case 'data-row':
      return frame('D', (writer) => encodeValues(writer, message.values));
    case 'command-complete':
      return frame('C', (writer) => writer.cstring(message.tag));
    case 'error':
      return frame('E', (writer) => encodeErrorFields(writer, message.fields));
    case 'notice':
      return frame('N', (writer) => encodeErrorFields(writer, message.fields));
    case 'notification':
      return frame('A', (writer) => writer.i32(message.processId).cstring(message.channel).cstring(message.payload));
    case 'parameter-description':
      return frame('t', (writer) => encodeTypes(writer, message.types));
    case 'copy-in':
    case 'copy-out':
    case 'copy-both':
      return frame(COPY_LETTER[message.type], (writer) => {
        encodeFormats(writer.u8(message.format), message.columnFormats);
      });
    case 'copy-data':
      return frame('d', (writer) => writer.bytes(message.data));
    case 'function-result':
      return frame('V', (writer) => encodeValue(writer, message.value));
    case 'negotiate-version':
      return frame('v', (writer) => encodeNegotiateVersion(writer, message));
    case 'empty-query':
    case 'parse-complete':
    case 'bind-complete':
    case 'close-complete':
    case 'no-data':
    case 'portal-suspended':
    case 'copy-done':
      return frame(BARE_LETTER[message.type]);
    default:
      return frame('R', (writer) => encodeAuthentication(writer, message));
  }
}

function decodeBody(tag: number, cursor: Cursor): BackendMessage {
  switch (tag) {
    case 0x44: // D, first because it is by far the most frequent
      return { type: 'data-row', values: decodeValues(cursor, 'the values') };
    case 0x31: // 1
      return { type: 'parse-complete' };
    case 0x32: // 2
      return { type: 'bind-complete' };
    case 0x33: // 3
      return { type: 'close-complete' };
    case 0x41: // A
      return decodeNotification(cursor);
    case 0x43: // C
      return { type: 'command-complete', tag: cursor.cstring('the command tag') };
    case 0x45: // E
      return { type: 'error', fields: decodeErrorFields(cursor) };
    case 0x47: // G
      return decodeCopy(cursor, 'copy-in');
    case 0x48: // H
      return decodeCopy(cursor, 'copy-out');
    case 0x49: // I
      return { type: 'empty-query' };
    case 0x4b: // K
      return { type: 'backend-key-data', processId: cursor.i32('the process id'), secret: decodeSecret(cursor) };
    case 0x4e: // N
      return { type: 'notice', fields: decodeErrorFields(cursor) };
    case 0x52: // R
      return decodeAuthentication(cursor);
    case 0x53: // S
      return { type: 'parameter-status', name: cursor.cstring('the parameter'), value: cursor.cstring('its value') };
    case 0x54: // T
      return { type: 'row-description', fields: decodeFields(cursor) };
    case 0x56: // V
      return { type: 'function-result', value: decodeValue(cursor, 'the result') };
    case 0x57: // W
      return decodeCopy(cursor, 'copy-both');
    case 0x5a: // Z
      return { type: 'ready-for-query', status: decodeStatus(cursor) };
    case 0x63: // c
      return { type: 'copy-done' };
    case 0x64: // d
      return { type: 'copy-data', data: cursor.rest() };
    case 0x6e: // n
      return { type: 'no-data' };
    case 0x73: // s
      return { type: 'portal-suspended' };
    case 0x74: // t
      return { type: 'parameter-description', types: decodeTypes(cursor) };
    case 0x76: // v
      return decodeNegotiateVersion(cursor);
    default:
      throw malformed(`message 0x${tag.toString(16).padStart(2, '0')}`, 0, 'is none that a server sends');
  }
}

function decodeFields(cursor: Cursor): readonly Field[] {
  const count = cursor.u16('the fields');
  cursor.room(count, FIELD_BYTES_MIN, 'the fields');
  const fields = new Array<Field>(count);
  for (let index = 0; index < count; index++) {
    fields[index] = {
      name: cursor.cstring('the field name'),
      tableOid: cursor.u32('the table'),
      column: cursor.i16('the column number'),
      typeOid: cursor.u32('the type'),
      typeSize: cursor.i16('the type size'),
      typeModifier: cursor.i32('the type modifier'),
      format: decodeFormat(cursor, 'the field'),
    };
  }
  return fields;
}

function encodeFields(writer: Writer, fields: readonly Field[]): void {
  writer.u16(fields.length);
  for (const field of fields) {
    writer.cstring(field.name).u32(field.tableOid).i16(field.column).u32(field.typeOid);
    writer.i16(field.typeSize).i32(field.typeModifier).u16(field.format);
  }
}

function decodeTypes(cursor: Cursor): readonly number[] {
  const count = cursor.u16('the parameter types');
  cursor.room(count, 4, 'the parameter types');
  const types = new Array<number>(count);
  for (let index = 0; index < count; index++) types[index] = cursor.u32('a parameter type');
  return types;
}

function encodeTypes(writer: Writer, types: readonly number[]): void {
  writer.u16(types.length);
  for (const type of types) writer.u32(type);
}

/**
 * Until client_encoding is settled a server writes errors in its own encoding, so these texts alone are decoded leniently:
 * an invalid byte becomes U+FFFD. Fields of a kind that is no letter are skipped, as the manual asks of unknown ones.
 */
function decodeErrorFields(cursor: Cursor): ErrorFields {
  const fields: Record<string, string> = {};
  for (;;) {
    const kind = cursor.u8('the field kind');
    if (kind === 0) return fields;
    const letter = String.fromCharCode(kind);
    const text = cursor.cstringBytes('the field').toString('utf8');
    if (!LETTER.test(letter)) continue;
    if (letter in fields) throw malformed('the field', cursor.offset, `${letter} comes twice`);
    fields[letter] = text;
  }
}

function encodeErrorFields(writer: Writer, fields: ErrorFields): void {
  for (const [kind, text] of Object.entries(fields)) {
    if (kind.length !== 1 || !LETTER.test(kind)) throw new RangeError(`${JSON.stringify(kind)} is no error field`);
    writer.u8(kind.charCodeAt(0)).cstring(text);
  }
  writer.u8(0);
}

function decodeCopy(cursor: Cursor, type: 'copy-in' | 'copy-out' | 'copy-both'): BackendMessage {
  const format = cursor.u8('the copy format');
  if (format > 1) throw malformed('the copy format', cursor.offset - 1, `is ${format}; there are 0 and 1`);
  return { type, format, columnFormats: decodeFormats(cursor, 'the column formats') };
}

function decodeNotification(cursor: Cursor): BackendMessage {
  const processId = cursor.i32('the process id');
  const channel = cursor.cstring('the channel');
  return { type: 'notification', processId, channel, payload: cursor.cstring('the payload') };
}

function decodeStatus(cursor: Cursor): TransactionStatus {
  const status = String.fromCharCode(cursor.u8('the transaction status'));
  if (status === 'I' || status === 'T' || status === 'E') return status;
  throw malformed('the transaction status', cursor.offset - 1, `is ${JSON.stringify(status)}; there are I, T and E`);
}

/** The manual calls it the newest minor version; servers send the whole version, as in a startup packet. */
function decodeNegotiateVersion(cursor: Cursor): NegotiateVersion {
  const major = cursor.u16('the protocol version');
  const minor = cursor.u16('the protocol version');
  if (major !== 3) throw malformed('the protocol version', 0, `is ${major}.${minor}; 3.x is spoken`);
  const count = cursor.u32('the options');
  cursor.room(count, 1, 'the options');
  const unsupported = new Array<string>(count);
  for (let index = 0; index < count; index++) unsupported[index] = cursor.cstring('an option');
  return { type: 'negotiate-version', minor, unsupported };
}

function encodeNegotiateVersion(writer: Writer, message: NegotiateVersion): void {
  writer.u16(3).u16(message.minor).u32(message.unsupported.length);
  for (const option of message.unsupported) writer.cstring(option);
}

/** An empty name, its NUL, and 18 bytes of numbers. */
const FIELD_BYTES_MIN = 19;
const LETTER = /^[A-Za-z]$/;
const COPY_LETTER = { 'copy-in': 'G', 'copy-out': 'H', 'copy-both': 'W' } as const;
const BARE_LETTER = {
  'empty-query': 'I',
  'parse-complete': '1',
  'bind-complete': '2',
  'close-complete': '3',
  'no-data': 'n',
  'portal-suspended': 's',
  'copy-done': 'c',
} as const;
