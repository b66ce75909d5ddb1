import { Cursor, malformed } from '../wire/cursor.ts';
import { Writer } from '../wire/writer.ts';
import type { BackendMessage } from './messages.ts';

export type Authentication = Extract<BackendMessage, { type: `authentication-${string}` }>;

/** The body of tag `R`: a code, and what belongs to it. */
export function decodeAuthentication(cursor: Cursor): Authentication {
  const code = cursor.u32('the authentication code');
  switch (code) {
    case OK:
      return { type: 'authentication-ok' };
    case CLEARTEXT:
      return { type: 'authentication-cleartext' };
    case MD5:
      return { type: 'authentication-md5', salt: cursor.bytes(MD5_SALT_BYTES, 'the salt') };
    case SASL:
      return { type: 'authentication-sasl', mechanisms: decodeMechanisms(cursor) };
    case SASL_CONTINUE:
      return { type: 'authentication-sasl-continue', data: cursor.rest() };
    case SASL_FINAL:
      return { type: 'authentication-sasl-final', data: cursor.rest() };
    default:
      return { type: 'authentication-other', code, data: cursor.rest() };
  }
}

export function encodeAuthentication(writer: Writer, message: Authentication): void {
  switch (message.type) {
    case 'authentication-ok':
      writer.u32(OK);
      break;
    case 'authentication-cleartext':
      writer.u32(CLEARTEXT);
      break;
    case 'authentication-md5':
      writer.u32(MD5).bytes(message.salt);
      break;
    case 'authentication-sasl':
      writer.u32(SASL);
      for (const mechanism of message.mechanisms) writer.cstring(mechanism);
      writer.u8(0);
      break;
    case 'authentication-sasl-continue':
      writer.u32(SASL_CONTINUE).bytes(message.data);
      break;
    case 'authentication-sasl-final':
      writer.u32(SASL_FINAL).bytes(message.data);
      break;
    case 'authentication-other':
      writer.u32(message.code).bytes(message.data);
  }
}

/** What tag `p` carries when a password was asked for: one text, its NUL the last byte. */
export function decodePassword(data: Buffer): string {
  const cursor = new Cursor(data);
  const password = cursor.cstring('the password');
  cursor.done('the password');
  return password;
}

export function encodePassword(password: string): Buffer {
  return new Writer().cstring(password).finish();
}

/** What tag `p` carries first when SASL was asked for. `response` is `null` where the client says it has none yet. */
export interface SaslInitial {
  readonly mechanism: string;
  readonly response: Buffer | null;
}

export function decodeSaslInitial(data: Buffer): SaslInitial {
  const cursor = new Cursor(data);
  const mechanism = cursor.cstring('the mechanism');
  const length = cursor.i32('the response');
  const response = length === -1 ? null : cursor.bytes(length, 'the response');
  cursor.done('the SASL message');
  return { mechanism, response };
}

export function encodeSaslInitial(initial: SaslInitial): Buffer {
  const writer = new Writer().cstring(initial.mechanism).i32(initial.response === null ? -1 : initial.response.length);
  return writer.bytes(initial.response ?? NOTHING).finish();
}

function decodeMechanisms(cursor: Cursor): readonly string[] {
  const mechanisms: string[] = [];
  for (;;) {
    const mechanism = cursor.cstring('a mechanism');
    if (mechanism === '') return mechanisms;
    if (mechanisms.length === MECHANISMS_MAX)
      throw malformed('the mechanisms', cursor.offset, `are more than ${MECHANISMS_MAX}`);
    mechanisms.push(mechanism);
  }
}

const OK = 0;
const CLEARTEXT = 3;
const MD5 = 5;
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;
const MD5_SALT_BYTES = 4;
const MECHANISMS_MAX = 32;
const NOTHING = Buffer.alloc(0);
