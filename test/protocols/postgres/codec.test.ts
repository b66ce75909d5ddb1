import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { decodeBackend, encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import { decodeFrontend, encodeFrontend } from '../../../src/protocols/postgres/codec-frontend.ts';
import type { BackendMessage, FrontendMessage } from '../../../src/protocols/postgres/messages.ts';
import { backendMessages, frontendMessages } from './arbitraries.ts';

/** A frame in hex, letters for its tag: `Q 73656c 00`. The length is filled in. */
function body(hex: string): [tag: number, body: Buffer] {
  return [hex.charCodeAt(0), Buffer.from(hex.slice(1).replaceAll(' ', ''), 'hex')];
}

const frontend = (hex: string) => decodeFrontend(...body(hex), LIMITS);
const backend = (hex: string) => decodeBackend(...body(hex));
const split = (frame: Buffer): [number, Buffer] => [frame[0] ?? 0, frame.subarray(5)];
const failing = (code: string) => expect.objectContaining({ name: 'GatewayError', code });
const text = (value: string) => Buffer.from(value);

describe('the codec of the client side', () => {
  test('decodes what it encoded', () => {
    fc.assert(
      fc.property(frontendMessages, (message) => {
        const frame = encodeFrontend(message);
        expect(frame.readInt32BE(1)).toBe(frame.length - 1);
        expect(decodeFrontend(...split(frame), LIMITS)).toStrictEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  // The bytes are written by hand from the manual's "Message Formats".
  test.each<[string, FrontendMessage]>([
    ['Q 73656c65637420 31 00', { type: 'query', text: text('select 1') }],
    [
      'P 733100 73656c65637420243100 0001 00000017',
      { type: 'parse', statement: 's1', text: text('select $1'), parameterTypes: [23] },
    ],
    [
      'B 00 733100 0001 0001 0002 00000004 0000002a ffffffff 0001 0000',
      {
        type: 'bind',
        portal: '',
        statement: 's1',
        parameterFormats: [1],
        parameters: [Buffer.from('0000002a', 'hex'), null],
        resultFormats: [0],
      },
    ],
    ['D 53 733100', { type: 'describe', what: 'statement', name: 's1' }],
    ['C 50 00', { type: 'close', what: 'portal', name: '' }],
    ['E 00 00000064', { type: 'execute', portal: '', rowsMax: 100 }],
    ['H', { type: 'flush' }],
    ['S', { type: 'sync' }],
    ['X', { type: 'terminate' }],
    ['d 0102', { type: 'copy-data', data: Buffer.from([1, 2]) }],
    ['c', { type: 'copy-done' }],
    ['f 6e6f00', { type: 'copy-fail', message: 'no' }],
    [
      'F 000003bc 0000 0001 00000001 31 0000',
      { type: 'function-call', functionOid: 956, argumentFormats: [], arguments: [text('1')], resultFormat: 0 },
    ],
    ['p 736563726574 00', { type: 'password', data: Buffer.from('secret\0') }],
  ])('knows %s', (hex, message) => {
    expect(frontend(hex)).toStrictEqual(message);
    const [tag, bytes] = body(hex);
    expect(encodeFrontend(message).toString('hex')).toBe(
      Buffer.concat([Buffer.from([tag, 0, 0, 0, bytes.length + 4]), bytes]).toString('hex'),
    );
  });

  test.each([
    ['a statement without its NUL', 'Q 73', 'WIRE_MALFORMED'],
    ['a statement with a NUL inside', 'Q 73 00 74 00', 'WIRE_MALFORMED'],
    ['no statement at all', 'Q', 'WIRE_MALFORMED'],
    ['a prepared text with a NUL inside', 'P 00 73 00 74 00 0000', 'WIRE_MALFORMED'],
    ['65,535 parameter types in ten bytes', 'P 00 00 ffff 00000000 00000000 0000', 'WIRE_MALFORMED'],
    ['65,535 parameters in ten bytes', 'B 00 00 0000 ffff 00000000 00000000 0000', 'WIRE_MALFORMED'],
    ['65,535 parameter formats', 'B 00 00 ffff 0000 0000', 'WIRE_MALFORMED'],
    ['65,535 result formats', 'B 00 00 0000 0000 ffff', 'WIRE_MALFORMED'],
    ['a parameter of length -2', 'B 00 00 0000 0001 fffffffe 0000', 'WIRE_MALFORMED'],
    ['a parameter of length 2^31-1', 'B 00 00 0000 0001 7fffffff 0000', 'WIRE_MALFORMED'],
    ['a format that is neither text nor binary', 'B 00 00 0001 0002 0001 00000000 0000', 'WIRE_MALFORMED'],
    ['a result format that is neither', 'B 00 00 0000 0000 0001 ffff', 'WIRE_MALFORMED'],
    [
      'two formats for three parameters',
      'B 00 00 0002 0000 0000 0003 ffffffff ffffffff ffffffff 0000',
      'WIRE_MALFORMED',
    ],
    ['bytes behind a Bind', 'B 00 00 0000 0000 0000 00', 'WIRE_MALFORMED'],
    ['bytes behind a Sync', 'S 00', 'WIRE_MALFORMED'],
    ['bytes behind a Terminate', 'X 51', 'WIRE_MALFORMED'],
    ['bytes behind a statement', 'Q 73 00 41', 'WIRE_MALFORMED'],
    ['a Describe of neither', 'D 51 00', 'WIRE_MALFORMED'],
    ['a Close of nothing', 'C', 'WIRE_MALFORMED'],
    ['an Execute without its row count', 'E 00 0000', 'WIRE_MALFORMED'],
    ['a statement name that is no UTF-8', 'P ff00 00 0000', 'WIRE_ENCODING'],
    ['a portal that is no UTF-8', 'E c000 00000000', 'WIRE_ENCODING'],
    ['a function call cut short', 'F 000003bc 0000 0001 00000002 31', 'WIRE_MALFORMED'],
    ['two formats for one argument', 'F 000003bc 0002 0000 0000 0001 ffffffff 0000', 'WIRE_MALFORMED'],
  ])('refuses %s', (_, hex, code) => {
    expect(() => frontend(hex)).toThrow(failing(code));
  });

  test('knows no tag but those of the manual', () => {
    const known = new Set(Buffer.from('QPBDCEHSXdcfFp'));
    for (let tag = 0; tag < 256; tag++) {
      if (known.has(tag)) continue;
      expect(() => decodeFrontend(tag, Buffer.alloc(0), LIMITS), `tag ${tag}`).toThrow(failing('WIRE_MALFORMED'));
    }
  });

  test('gives the bytes of a statement as they came, valid text or not', () => {
    const message = frontend('Q ff fe 00');
    expect(message).toStrictEqual({ type: 'query', text: Buffer.from('fffe', 'hex') });
  });

  test('takes a password up to its limit and not beyond', () => {
    expect(decodeFrontend(0x70, Buffer.alloc(8), { password_bytes_max: 8 })).toMatchObject({ type: 'password' });
    expect(() => decodeFrontend(0x70, Buffer.alloc(9), { password_bytes_max: 8 })).toThrow(
      failing('WIRE_FRAME_TOO_LONG'),
    );
  });

  test('takes as many parameters as PostgreSQL does', () => {
    const parameters = new Array<null>(65535).fill(null);
    const message: FrontendMessage = {
      type: 'bind',
      portal: '',
      statement: '',
      parameterFormats: [],
      parameters,
      resultFormats: [],
    };
    expect(decodeFrontend(...split(encodeFrontend(message)), LIMITS)).toStrictEqual(message);
    expect(() => encodeFrontend({ ...message, parameters: [...parameters, null] })).toThrow(RangeError);
  });

  test('cannot be made to write a second message inside a name', () => {
    expect(() => encodeFrontend({ type: 'close', what: 'portal', name: 'a\0Q' })).toThrow(failing('WIRE_MALFORMED'));
    expect(() => encodeFrontend({ type: 'query', text: text('a\0b') })).toThrow(failing('WIRE_MALFORMED'));
  });
});

describe('the codec of the server side', () => {
  test('decodes what it encoded', () => {
    fc.assert(
      fc.property(backendMessages, (message) => {
        const frame = encodeBackend(message);
        expect(frame.readInt32BE(1)).toBe(frame.length - 1);
        expect(decodeBackend(...split(frame))).toStrictEqual(message);
      }),
      { numRuns: 800 },
    );
  });

  test.each<[string, BackendMessage]>([
    ['R 00000000', { type: 'authentication-ok' }],
    ['R 00000003', { type: 'authentication-cleartext' }],
    ['R 00000005 01020304', { type: 'authentication-md5', salt: Buffer.from([1, 2, 3, 4]) }],
    ['R 0000000a 534352414d2d5348412d32353600 00', { type: 'authentication-sasl', mechanisms: ['SCRAM-SHA-256'] }],
    ['R 0000000b 723d', { type: 'authentication-sasl-continue', data: text('r=') }],
    ['R 0000000c 763d', { type: 'authentication-sasl-final', data: text('v=') }],
    ['R 00000007', { type: 'authentication-other', code: 7, data: Buffer.alloc(0) }],
    ['K 00000010 0a0b0c0d', { type: 'backend-key-data', processId: 16, secret: Buffer.from('0a0b0c0d', 'hex') }],
    ['S 5a00 555400', { type: 'parameter-status', name: 'Z', value: 'UT' }],
    ['Z 49', { type: 'ready-for-query', status: 'I' }],
    [
      'T 0001 6e00 00004000 0002 00000017 0004 ffffffff 0001',
      {
        type: 'row-description',
        fields: [{ name: 'n', tableOid: 16384, column: 2, typeOid: 23, typeSize: 4, typeModifier: -1, format: 1 }],
      },
    ],
    ['D 0003 00000001 31 ffffffff 00000000', { type: 'data-row', values: [text('1'), null, Buffer.alloc(0)] }],
    ['C 53454c4543542031 00', { type: 'command-complete', tag: 'SELECT 1' }],
    ['I', { type: 'empty-query' }],
    ['E 534552524f5200 4334323530 3100 00', { type: 'error', fields: { S: 'ERROR', C: '42501' } }],
    ['N 4d6869 00 00', { type: 'notice', fields: { M: 'hi' } }],
    ['A 00000007 6300 7000', { type: 'notification', processId: 7, channel: 'c', payload: 'p' }],
    ['1', { type: 'parse-complete' }],
    ['2', { type: 'bind-complete' }],
    ['3', { type: 'close-complete' }],
    ['n', { type: 'no-data' }],
    ['s', { type: 'portal-suspended' }],
    ['t 0002 00000017 00000019', { type: 'parameter-description', types: [23, 25] }],
    ['G 01 0002 0001 0001', { type: 'copy-in', format: 1, columnFormats: [1, 1] }],
    ['H 00 0001 0000', { type: 'copy-out', format: 0, columnFormats: [0] }],
    ['W 00 0000', { type: 'copy-both', format: 0, columnFormats: [] }],
    ['d 01', { type: 'copy-data', data: Buffer.from([1]) }],
    ['c', { type: 'copy-done' }],
    ['V ffffffff', { type: 'function-result', value: null }],
    ['v 00030002 00000001 5f70715f2e7800', { type: 'negotiate-version', minor: 2, unsupported: ['_pq_.x'] }],
  ])('knows %s', (hex, message) => {
    expect(backend(hex)).toStrictEqual(message);
    const [tag, bytes] = body(hex);
    expect(encodeBackend(message).toString('hex')).toBe(
      Buffer.concat([Buffer.from([tag, 0, 0, 0, bytes.length + 4]), bytes]).toString('hex'),
    );
  });

  test.each([
    ['65,535 values in two bytes', 'D ffff', 'WIRE_MALFORMED'],
    ['a value longer than its row', 'D 0001 00000002 31', 'WIRE_MALFORMED'],
    ['a value of length -2', 'D 0001 fffffffe', 'WIRE_MALFORMED'],
    ['bytes behind a row', 'D 0001 ffffffff 00', 'WIRE_MALFORMED'],
    ['65,535 fields in two bytes', 'T ffff', 'WIRE_MALFORMED'],
    ['a field of another format', 'T 0001 6e00 00000000 0000 00000017 0004 ffffffff 0002', 'WIRE_MALFORMED'],
    ['a transaction status of our imagination', 'Z 51', 'WIRE_MALFORMED'],
    ['two transaction statuses', 'Z 4949', 'WIRE_MALFORMED'],
    ['a secret of three bytes', 'K 00000001 010203', 'WIRE_MALFORMED'],
    ['a secret of 257 bytes', `K 00000001 ${'00'.repeat(257)}`, 'WIRE_MALFORMED'],
    ['an md5 salt of three bytes', 'R 00000005 010203', 'WIRE_MALFORMED'],
    ['an md5 salt of five bytes', 'R 00000005 0102030405', 'WIRE_MALFORMED'],
    ['mechanisms without an end', 'R 0000000a 534300', 'WIRE_MALFORMED'],
    ['33 mechanisms', `R 0000000a ${'6100'.repeat(33)} 00`, 'WIRE_MALFORMED'],
    ['an error without an end', 'E 4d6100', 'WIRE_MALFORMED'],
    ['an error field without an end', 'E 4d61', 'WIRE_MALFORMED'],
    ['an error that says its code twice', 'E 43 3100 43 3200 00', 'WIRE_MALFORMED'],
    ['2^32-1 unsupported options', 'v 00030000 ffffffff', 'WIRE_MALFORMED'],
    ['a negotiated version 2', 'v 00020000 00000000', 'WIRE_MALFORMED'],
    ['a copy format 2', 'G 02 0000', 'WIRE_MALFORMED'],
    ['a command tag that is no UTF-8', 'C ff00', 'WIRE_ENCODING'],
  ])('refuses %s', (_, hex, code) => {
    expect(() => backend(hex)).toThrow(failing(code));
  });

  test('knows no tag but those of the manual', () => {
    const known = new Set(Buffer.from('RKSZTDCIENA123nstGHWdcVv'));
    for (let tag = 0; tag < 256; tag++) {
      if (known.has(tag)) continue;
      expect(() => decodeBackend(tag, Buffer.alloc(0)), `tag ${tag}`).toThrow(failing('WIRE_MALFORMED'));
    }
  });

  test('takes an error in any encoding, with any fields or none', () => {
    expect(backend('E 00')).toStrictEqual({ type: 'error', fields: {} });
    expect(backend('E 4d ff6100 00')).toStrictEqual({ type: 'error', fields: { M: '\ufffda' } });
    expect(backend('E 07 6100 31 6200 80 00 4d 6300 00')).toStrictEqual({ type: 'error', fields: { M: 'c' } });
  });

  test('gives cells as views of the row, not as copies', () => {
    const [tag, bytes] = body('D 0001 00000001 31');
    const message = decodeBackend(tag, bytes);
    bytes[6] = 0x32;
    expect(message).toStrictEqual({ type: 'data-row', values: [text('2')] });
  });
});

describe('garbage', () => {
  test('parses or throws WIRE_*, nothing else', () => {
    const tag = fc.nat(255);
    const garbage = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(tag, garbage, (letter, bytes) => {
        for (const decode of [() => decodeFrontend(letter, bytes, LIMITS), () => decodeBackend(letter, bytes)]) {
          try {
            decode();
          } catch (error) {
            if (!(error instanceof GatewayError) || !error.code.startsWith('WIRE_')) throw error;
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
