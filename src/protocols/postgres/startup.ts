import { GatewayError } from '../../core/errors.ts';
import { Cursor, malformed } from '../wire/cursor.ts';
import { Writer } from '../wire/writer.ts';
import type { StartupMessage } from './messages.ts';

/** The packet that opens a connection, given its body: what follows the length (see `StartupReader`). */
export function decodeStartup(body: Buffer): StartupMessage {
  const cursor = new Cursor(body);
  const code = cursor.u32('the startup code');
  switch (code) {
    case SSL_REQUEST:
      cursor.done('an SSLRequest');
      return { type: 'ssl-request' };
    case GSSENC_REQUEST:
      cursor.done('a GSSENCRequest');
      return { type: 'gssenc-request' };
    case CANCEL_REQUEST: {
      const processId = cursor.i32('the process id');
      return { type: 'cancel-request', processId, secret: decodeSecret(cursor) };
    }
    default:
      return decodeParameters(cursor, code >>> 16, code & 0xffff);
  }
}

/** The whole packet, length included. */
export function encodeStartup(message: StartupMessage): Buffer {
  const writer = new Writer().i32(0);
  switch (message.type) {
    case 'ssl-request':
      writer.u32(SSL_REQUEST);
      break;
    case 'gssenc-request':
      writer.u32(GSSENC_REQUEST);
      break;
    case 'cancel-request':
      writer.u32(CANCEL_REQUEST).i32(message.processId).bytes(message.secret);
      break;
    case 'startup':
      writer.u16(message.major).u16(message.minor);
      for (const [name, value] of message.parameters) writer.cstring(name).cstring(value);
      writer.u8(0);
  }
  writer.patchI32(0, writer.written);
  return writer.finish();
}

/** The secret of BackendKeyData and CancelRequest: all that is left, 4 bytes in 3.0 and up to 256 since 3.2. */
export function decodeSecret(cursor: Cursor): Buffer {
  const length = cursor.remaining;
  if (length < SECRET_BYTES_MIN || length > SECRET_BYTES_MAX) {
    throw malformed('the cancel secret', cursor.offset, `has ${length} bytes`);
  }
  return cursor.rest();
}

/** Direct TLS (sslnegotiation=direct): the first byte is that of a TLS handshake record and of no startup packet we take. */
export function beginsWithTls(bytes: Buffer): boolean {
  return bytes[0] === TLS_HANDSHAKE_RECORD;
}

function decodeParameters(cursor: Cursor, major: number, minor: number): StartupMessage {
  // What another major version would say behind this is unknown to us.
  if (major !== 3)
    throw new GatewayError('WIRE_UNSUPPORTED', `protocol ${major}.${minor}; 3.x is spoken`, { major, minor });
  const parameters: [string, string][] = [];
  for (;;) {
    const name = cursor.cstring('a startup parameter name');
    if (name === '') break;
    parameters.push([name, cursor.cstring('a startup parameter value')]);
  }
  cursor.done('the startup packet');
  return { type: 'startup', major, minor, parameters };
}

// Major 1234 with a minor that no version will have (libpq/pqcomm.h).
const CANCEL_REQUEST = 80877102;
const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const SECRET_BYTES_MIN = 4;
const SECRET_BYTES_MAX = 256;
const TLS_HANDSHAKE_RECORD = 0x16;
