import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { credentialFor } from '../../src/config/config.ts';
import { describeProblem, nearest, pathText } from '../../src/config/problem.ts';
import {
  addressText,
  isLoopback,
  parseAddress,
  parseDuration,
  parseMoment,
  parsePublicUrl,
} from '../../src/config/values.ts';

describe('an address', () => {
  test.each([
    ['127.0.0.1:8443', { kind: 'tcp', host: '127.0.0.1', port: 8443 }],
    ['[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['db-1.internal', { kind: 'tcp', host: 'db-1.internal', port: 5432 }],
    ['unix:/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
  ])('%s is read', (text, value) => {
    expect(parseAddress(text, 5432)).toEqual({ outcome: 'parsed', value });
  });

  test.each([
    '',
    ':80',
    'a:b',
    'a:80:90',
    '::1:80',
    '[127.0.0.1]:80',
    'user@host:1',
    'a b:1',
    'host:70000',
    '1.2.3:5',
    '999.1.1.1:5',
    'unix:x',
    'a..b:1',
    '-a:1',
    'http://x:1',
  ])('%j is refused', (text) => {
    expect(parseAddress(text, 5432).outcome).toBe('wrong');
  });

  test('needs its port where there is no usual one', () => {
    expect(parseAddress('127.0.0.1', null).outcome).toBe('wrong');
  });

  test('is on this machine or not', () => {
    const loopback = (text: string) => {
      const address = parseAddress(text, 1);
      return address.outcome === 'parsed' && isLoopback(address.value);
    };
    expect(['127.0.0.1', '127.9.9.9', '[::1]', 'localhost', 'unix:/x'].every(loopback)).toBe(true);
    expect(
      ['0.0.0.0', '[::]', '10.0.0.1', '127.example.com', 'localhost.example.com', '128.0.0.1'].some(loopback),
    ).toBe(false);
  });

  test('that was read says itself again', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().map((ip) => `[${ip}]`),
          fc.domain(),
        ),
        fc.integer({ min: 0, max: 65_535 }),
        (host, port) => {
          const address = parseAddress(`${host}:${port}`, null);
          if (address.outcome === 'parsed') expect(addressText(address.value)).toBe(`${host}:${port}`);
        },
      ),
    );
  });

  test('of any text is read or refused, never thrown', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [
          parseDuration,
          parseMoment,
          parsePublicUrl,
          (given: string) => parseAddress(given, null),
        ]) {
          expect(['parsed', 'wrong']).toContain(parse(text).outcome);
        }
      }),
    );
  });
});

describe('a duration, a moment, a URL', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['90d', 7_776_000_000],
  ])('%s is %d ms', (text, value) => {
    expect(parseDuration(text)).toEqual({ outcome: 'parsed', value });
  });

  test.each(['', '0s', '5', '5 m', '-5m', '1.5h', '1h30m', '1w'])('%j is no duration', (text) => {
    expect(parseDuration(text).outcome).toBe('wrong');
  });

  test('a day begins at midnight UTC', () => {
    expect(parseMoment('2027-01-31')).toEqual({ outcome: 'parsed', value: Date.UTC(2027, 0, 31) });
    expect(parseMoment('2027-01-31T18:00+02:00')).toEqual({ outcome: 'parsed', value: Date.UTC(2027, 0, 31, 16) });
  });

  test.each(['2027-1-31', '2027-02-30', '2027-13-01', '2027-01-31T18:00', 'next year'])('%j is no moment', (text) => {
    expect(parseMoment(text).outcome).toBe('wrong');
  });

  test('a public URL loses its last slash and may carry nothing else', () => {
    expect(parsePublicUrl('https://gw.example.com/')).toEqual({ outcome: 'parsed', value: 'https://gw.example.com' });
    for (const text of ['gw.example.com', 'ftp://x', 'https://u:p@x', 'https://x?y', 'https://x#y']) {
      expect(parsePublicUrl(text).outcome).toBe('wrong');
    }
  });
});

describe('a problem', () => {
  test('is one line that editors can follow', () => {
    const problem = {
      file: 'a.yaml',
      line: 3,
      column: 7,
      path: pathText(['targets', 0, 'tls']),
      message: 'is missing',
    };
    expect(describeProblem(problem)).toBe('a.yaml:3:7: targets[0].tls: is missing');
    expect(describeProblem({ ...problem, line: null, column: null, path: '' })).toBe('a.yaml: is missing');
  });

  test.each([
    ['nmae', 'name'],
    ['credentail', 'credential'],
    ['Listeners', 'listeners'],
    ['zzzzzzz', null],
    ['x', null],
  ])('guesses that %s means %s', (word, meant) => {
    expect(nearest(word, ['name', 'listeners', 'credential'])).toBe(meant);
  });
});

describe('credentials', () => {
  const login = (user: string) => ({ user, auth: 'scram-sha-256' as const, password: {} as never });
  const target = {
    credentials: [
      { ...login('rw'), for: { groups: ['dba'], principals: [] } },
      { ...login('mine'), for: { groups: [], principals: ['okta/42'] } },
      { ...login('ro'), for: { groups: ['staff'], principals: [] } },
    ],
  };
  test.each([
    [{ id: 'okta/42', groups: ['staff', 'dba'] }, 'rw'],
    [{ id: 'okta/42', groups: ['staff'] }, 'mine'],
    [{ id: 'okta/43', groups: ['staff'] }, 'ro'],
    [{ id: 'okta/43', groups: [] }, undefined],
    [{ id: 'okta/43', groups: ['other/dba'] }, undefined],
  ])('the first that is for %j is %s', (principal, user) => {
    expect(credentialFor(target, principal)?.user).toBe(user);
  });
});
