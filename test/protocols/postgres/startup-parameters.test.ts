import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitOptions, startupRequest } from '../../../src/protocols/postgres/startup-parameters.ts';

describe('options are split as the server splits them (postinit.c, pg_split_opts)', () => {
  test.each<[string, readonly (readonly [string, string])[]]>([
    ['', []],
    ['   ', []],
    ['-c a=b', [['a', 'b']]],
    ['-ca=b', [['a', 'b']]],
    ['--a=b', [['a', 'b']]],
    ['--statement-timeout=5s', [['statement_timeout', '5s']]],
    [
      '  -c\ta=b\n-c c=d ',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['-c a=b\\ c', [['a', 'b c']]],
    ['-c a=b\\\\c', [['a', 'b\\c']]],
    ['-c a=b=c', [['a', 'b=c']]],
    ['-c a=', [['a', '']]],
  ])('%j', (text, settings) => {
    expect(splitOptions(text)).toEqual(settings);
  });

  test.each(['-c', '-c a', '--a', '-o x', 'a=b', '-c =b', '-F', '-'])('%j is refused', (text) => {
    expect(() => splitOptions(text)).toThrow(expect.objectContaining({ code: 'WIRE_UNSUPPORTED' }));
  });

  test('whatever a value is, escaped it comes back whole', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const escaped = value.replace(/[\\\s]/g, (character) => `\\${character}`);
        expect(splitOptions(`-c a=${escaped}`)).toEqual([['a', value]]);
      }),
    );
  });
});

describe('the startup parameters', () => {
  test('are compared by name without regard to case, and passed on under the server’s spelling', () => {
    const request = startupRequest([
      ['user', 'alice'],
      ['TIMEZONE', 'UTC'],
      ['options', '-c datestyle=ISO'],
    ]);
    expect(request.settings).toEqual({ TimeZone: 'UTC', DateStyle: 'ISO' });
  });

  test.each(['UTF8', 'utf-8', "'utf-8'", 'UNICODE', 'SQL_ASCII'])('client_encoding %s is taken for UTF8', (value) => {
    expect(
      startupRequest([
        ['user', 'a'],
        ['client_encoding', value],
      ]).settings,
    ).toEqual({});
  });

  test.each(['LATIN1', 'SJIS', 'BIG5', 'GBK', 'EUC_KR', 'auto'])('client_encoding %s is refused by name', (value) => {
    expect(() =>
      startupRequest([
        ['user', 'a'],
        ['client_encoding', value],
      ]),
    ).toThrow(value);
  });

  test('replication that says no is none', () => {
    expect(
      startupRequest([
        ['user', 'a'],
        ['replication', 'false'],
      ]).user,
    ).toBe('a');
  });
});
