import { GatewayError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import { Cursor, malformed } from '../wire/cursor.ts';
import type { Writer } from '../wire/writer.ts';
import {
  checkFormatCount,
  decodeFormat,
  decodeFormats,
  decodeValues,
  encodeFormats,
  encodeValues,
  frame,
} from './codec-values.ts';
import type { FrontendMessage } from './messages.ts';

type Bind = Extract<FrontendMessage, { type: 'bind' }>;
type Parse = Extract<FrontendMessage, { type: 'parse' }>;
type FunctionCall = Extract<FrontendMessage, { type: 'function-call' }>;

/**
 * One message of a client, given its tag and its body. Buffers in it are views of `body`.
 * Throws WIRE_MALFORMED (layout, counts, bytes left over), WIRE_ENCODING (names), WIRE_FRAME_TOO_LONG (a password).
 */
export function decodeFrontend(tag: number, body: Buffer, limits: Pick<Limits, 'password_bytes_max'>): FrontendMessage {
  const cursor = new Cursor(body);
  const message = decodeBody(tag, cursor, limits);
  cursor.done(`the ${message.type} message`);
  return message;
}

/** The whole frame, tag and length included. */
export function encodeFrontend(message: FrontendMessage): Buffer {
  switch (message.type) {
    case 'query':
      return frame('Q', (writer) => writer.cstringBytes(message.text));
    case 'parse':
      return frame('P', (writer) => encodeParse(writer, message));
    case 'bind':
      return frame('B', (writer) => encodeBind(writer, message));
    case 'describe':
      return frame('D', (writer) => encodeName(writer, message));
    case 'close':
      return frame('C', (writer) => encodeName(writer, message));
    case 'execute':
      return frame('E', (writer) => writer.cstring(message.portal).i32(message.rowsMax));
    case 'flush':
      return frame('H');
    case 'sync':
      return frame('S');
    case 'terminate':
      return frame('X');
    case 'copy-data':
      return frame('d', (writer) => writer.bytes(message.data));
    case 'copy-done':
      return frame('c');
    case 'copy-fail':
      return frame('f', (writer) => writer.cstring(message.message));
    case 'function-call':
      return frame('F', (writer) => encodeFunctionCall(writer, message));
    case 'password':
      return frame('p', (writer) => writer.bytes(message.data));
  }
}

function decodeBody(tag: number, cursor: Cursor, limits: Pick<Limits, 'password_bytes_max'>): FrontendMessage {
  switch (tag) {
    case 0x51: // Q
      return { type: 'query', text: cursor.cstringBytes('the statement') };
    case 0x50: // P
      return decodeParse(cursor);
    case 0x42: // B
      return decodeBind(cursor);
    case 0x44: // D
      return { type: 'describe', what: decodeWhat(cursor), name: cursor.cstring('the name') };
    case 0x43: // C
      return { type: 'close', what: decodeWhat(cursor), name: cursor.cstring('the name') };
    case 0x45: // E
      return { type: 'execute', portal: cursor.cstring('the portal'), rowsMax: cursor.i32('the row count') };
    case 0x48: // H
      return { type: 'flush' };
    case 0x53: // S
      return { type: 'sync' };
    case 0x58: // X
      return { type: 'terminate' };
    case 0x64: // d
      return { type: 'copy-data', data: cursor.rest() };
    case 0x63: // c
      return { type: 'copy-done' };
    case 0x66: // f
      return { type: 'copy-fail', message: cursor.cstring('the reason') };
    case 0x46: // F
      return decodeFunctionCall(cursor);
    case 0x70: // p
      return { type: 'password', data: decodeSecretData(cursor, limits.password_bytes_max) };
    default:
      throw malformed(`message 0x${tag.toString(16).padStart(2, '0')}`, 0, 'is none that a client sends');
  }
}

function decodeParse(cursor: Cursor): Parse {
  const statement = cursor.cstring('the statement name');
  const text = cursor.cstringBytes('the statement');
  const count = cursor.u16('the parameter types');
  cursor.room(count, 4, 'the parameter types');
  const parameterTypes = new Array<number>(count);
  for (let index = 0; index < count; index++) parameterTypes[index] = cursor.u32('a parameter type');
  return { type: 'parse', statement, text, parameterTypes };
}

function encodeParse(writer: Writer, message: Parse): void {
  writer.cstring(message.statement).cstringBytes(message.text).u16(message.parameterTypes.length);
  for (const type of message.parameterTypes) writer.u32(type);
}

function decodeBind(cursor: Cursor): Bind {
  const portal = cursor.cstring('the portal');
  const statement = cursor.cstring('the statement name');
  const parameterFormats = decodeFormats(cursor, 'the parameter formats');
  const parameters = decodeValues(cursor, 'the parameters');
  checkFormatCount(parameterFormats, parameters, 'the bind message');
  const resultFormats = decodeFormats(cursor, 'the result formats');
  return { type: 'bind', portal, statement, parameterFormats, parameters, resultFormats };
}

function encodeBind(writer: Writer, message: Bind): void {
  writer.cstring(message.portal).cstring(message.statement);
  encodeFormats(writer, message.parameterFormats);
  encodeValues(writer, message.parameters);
  encodeFormats(writer, message.resultFormats);
}

function decodeFunctionCall(cursor: Cursor): FunctionCall {
  const functionOid = cursor.u32('the function');
  const argumentFormats = decodeFormats(cursor, 'the argument formats');
  const values = decodeValues(cursor, 'the arguments');
  checkFormatCount(argumentFormats, values, 'the function call');
  const resultFormat = decodeFormat(cursor, 'the result format');
  return { type: 'function-call', functionOid, argumentFormats, arguments: values, resultFormat };
}

function encodeFunctionCall(writer: Writer, message: FunctionCall): void {
  writer.u32(message.functionOid);
  encodeFormats(writer, message.argumentFormats);
  encodeValues(writer, message.arguments);
  writer.u16(message.resultFormat);
}

function decodeWhat(cursor: Cursor): 'statement' | 'portal' {
  const letter = cursor.u8('the kind');
  if (letter === 0x53) return 'statement';
  if (letter === 0x50) return 'portal';
  throw malformed('the kind', cursor.offset - 1, `is 0x${letter.toString(16)}; there are S and P`);
}

function encodeName(writer: Writer, message: { what: 'statement' | 'portal'; name: string }): void {
  writer.u8(message.what === 'statement' ? 0x53 : 0x50).cstring(message.name);
}

function decodeSecretData(cursor: Cursor, password_bytes_max: number): Buffer {
  if (cursor.remaining > password_bytes_max) {
    const message = `a password message of ${cursor.remaining} bytes, limit ${password_bytes_max}`;
    throw new GatewayError('WIRE_FRAME_TOO_LONG', message, { length: cursor.remaining, limit: password_bytes_max });
  }
  return cursor.rest();
}
