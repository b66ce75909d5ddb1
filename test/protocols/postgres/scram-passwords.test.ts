import { pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { md5Password } from '../../../src/protocols/postgres/md5.ts';
import { saslprep } from '../../../src/protocols/postgres/saslprep.ts';
import { verifierKeys } from '../../../src/protocols/postgres/scram.ts';

const vectors = JSON.parse(readFileSync(new URL('../../vectors/postgres/saslprep.json', import.meta.url), 'utf8')) as {
  rows: [password: string, salt: string, storedKey: string, serverKey: string][];
};

test('every password, however strange, gives the verifier that PostgreSQL itself stored for it', () => {
  expect(vectors.rows.length).toBeGreaterThan(150);
  const different = vectors.rows.filter(([password, salt, storedKey, serverKey]) => {
    const salted = pbkdf2Sync(saslprep(password), Buffer.from(salt, 'base64'), 4096, 32, 'sha256');
    const keys = verifierKeys(salted);
    return keys.storedKey.toString('base64') !== storedKey || keys.serverKey.toString('base64') !== serverKey;
  });
  expect(different.map(([password]) => password)).toStrictEqual([]);
});

describe('a prepared password', () => {
  // RFC 4013 §3, and what PostgreSQL does where the RFC says "error".
  test.each([
    ['loses soft hyphens', 'I\u00adX\u2168', 'IXIX'],
    ['of ASCII stays as it is', 'USER\x07', 'USER\x07'],
    ['is normalised', '\u00aa', 'a'],
    ['has plain spaces', 'a\u00a0b', 'a b'],
    ['stays raw with a control character', '\u0085e\u0301', '\u0085e\u0301'],
    ['stays raw if it runs both ways', '\u0627\u0301'.concat('1'), '\u0627\u0301'.concat('1')],
    ['stays raw if nothing would be left', '\u00ad', '\u00ad'],
    ['stays raw with a character younger than Unicode 3.2', 'e\u0301\u{1f600}', 'e\u0301\u{1f600}'],
  ])('%s', (_, password, prepared) => {
    expect(saslprep(password)).toBe(prepared);
  });

  test('of ASCII is always itself', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary-ascii' }), (password) => saslprep(password) === password));
  });
});

// Computed by PostgreSQL: md5(convert_to(md5('pencil' || 'ada'), 'UTF8') || '\x0102ff04').
test.each([
  ['ada', 'pencil', '0102ff04', 'md52baecfa7a208688cea813c6a430a7020'],
  ['ünä', 'Пароль', '00000000', 'md5bfba132d464858ceb809de381807579f'],
])('the md5 answer of %s', (user, password, salt, answer) => {
  expect(md5Password(user, password, Buffer.from(salt, 'hex'))).toBe(answer);
});
