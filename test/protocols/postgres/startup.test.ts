import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import type { StartupMessage } from '../../../src/protocols/postgres/messages.ts';
import { beginsWithTls, decodeStartup, encodeStartup } from '../../../src/protocols/postgres/startup.ts';
import { startupMessages } from './arbitraries.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const failing = (code: string) => expect.objectContaining({ name: 'GatewayError', code });

describe('a startup packet', () => {
  test('decodes to what it was encoded from', () => {
    fc.assert(
      fc.property(startupMessages, (message) => {
        const packet = encodeStartup(message);
        expect(packet.readInt32BE(0)).toBe(packet.length);
        expect(decodeStartup(packet.subarray(4))).toStrictEqual(message);
      }),
      { numRuns: 300 },
    );
  });

  // 1234.5678 to 1234.5680 are the request codes of the manual.
  test.each<[string, StartupMessage]>([
    ['04d2162f', { type: 'ssl-request' }],
    ['04d21630', { type: 'gssenc-request' }],
    ['04d2162e 00000007 01020304', { type: 'cancel-request', processId: 7, secret: hex('01020304') }],
    [
      `04d2162e 00000007 ${'ab'.repeat(256)}`,
      { type: 'cancel-request', processId: 7, secret: Buffer.alloc(256, 0xab) },
    ],
    ['00030000 7573657200 61646100 00', { type: 'startup', major: 3, minor: 0, parameters: [['user', 'ada']] }],
    ['00030002 00', { type: 'startup', major: 3, minor: 2, parameters: [] }],
    [
      '0003270f 6100 00 6100 6200 00',
      {
        type: 'startup',
        major: 3,
        minor: 9999,
        parameters: [
          ['a', ''],
          ['a', 'b'],
        ],
      },
    ],
  ])('%s', (body, message) => {
    expect(decodeStartup(hex(body))).toStrictEqual(message);
    expect(encodeStartup(message).subarray(4).toString('hex')).toBe(body.replaceAll(' ', ''));
  });

  test.each([
    ['three bytes', '000300', 'WIRE_MALFORMED'],
    ['no terminator', '00030000 7573657200 61646100', 'WIRE_MALFORMED'],
    ['a name without a value', '00030000 7573657200', 'WIRE_MALFORMED'],
    ['bytes behind the terminator', '00030000 00 00', 'WIRE_MALFORMED'],
    ['a parameter behind the terminator', '00030000 00 7573657200 61646100 00', 'WIRE_MALFORMED'],
    ['a value that is no UTF-8', '00030000 7573657200 ff00 00', 'WIRE_ENCODING'],
    ['an SSLRequest with something behind it', '04d2162f 00', 'WIRE_MALFORMED'],
    ['a GSSENCRequest with something behind it', '04d21630 00', 'WIRE_MALFORMED'],
    ['a CancelRequest without a secret', '04d2162e 00000007', 'WIRE_MALFORMED'],
    ['a secret of three bytes', '04d2162e 00000007 010203', 'WIRE_MALFORMED'],
    ['a secret of 257 bytes', `04d2162e 00000007 ${'00'.repeat(257)}`, 'WIRE_MALFORMED'],
    ['version 2', '00020000 00', 'WIRE_UNSUPPORTED'],
    ['version 4', '00040000 00', 'WIRE_UNSUPPORTED'],
    ['a request code of the future', '04d21631', 'WIRE_UNSUPPORTED'],
    ['zeroes', '00000000', 'WIRE_UNSUPPORTED'],
  ])('is refused: %s', (_, body, code) => {
    expect(() => decodeStartup(hex(body))).toThrow(failing(code));
  });

  test('of garbage parses or throws WIRE_*, nothing else', () => {
    const begun = fc.constantFrom('00030000', '00030002', '04d2162e', '04d2162f', '');
    fc.assert(
      fc.property(begun, fc.uint8Array({ maxLength: 60 }), (code, garbage) => {
        try {
          decodeStartup(Buffer.concat([hex(code), garbage]));
        } catch (error) {
          if (!(error instanceof GatewayError) || !error.code.startsWith('WIRE_')) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('cannot be taken for direct TLS, nor the other way round', () => {
    expect(beginsWithTls(hex('16030100'))).toBe(true);
    fc.assert(fc.property(startupMessages, (message) => !beginsWithTls(encodeStartup(message))));
    expect(beginsWithTls(Buffer.alloc(0))).toBe(false);
  });
});
