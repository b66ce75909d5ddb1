import { expect, test } from 'vitest';
import { effects, house, nothingOf, tricks } from './tricks.ts';
import { errorOf } from './vault.ts';

const at = house();

tricks('Q4', at, [
  ...['SJIS', 'BIG5', 'GBK', 'GB18030', 'EUC_KR', 'EUC_JP', 'UHC', 'JOHAB', 'LATIN1', 'WIN1252', 'SQL_ASCII', 'MULE_INTERNAL'].flatMap((encoding) => [
    { name: `client_encoding ${encoding}`, sql: `set client_encoding = '${encoding}'`, never: 'client_encoding =' },
    { name: `SET NAMES ${encoding}`, sql: `set names '${encoding}'`, never: 'set names' },
  ]),
  { name: 'client_encoding by function', sql: "select set_config('client_encoding', 'GBK', false)", never: 'set_config' },
  { name: 'client_encoding by function, as a value computed', sql: "select set_config('client_encoding', 'GB' || 'K', false)", never: 'set_config' },
  { name: 'client_encoding to its default', sql: 'reset client_encoding', never: 'reset client' },
  { name: 'client_encoding UTF8 is what it is already', sql: "set client_encoding = 'UTF8'", gives: [] },
]); // biome-ignore format: a table

test.each(['SJIS', 'BIG5', 'GBK', 'EUC_KR', 'LATIN1', 'utf16', "UTF8'; x"])(
  'Q4 client_encoding %s is refused at login',
  async (client_encoding) => {
    await expect(at.world().gateway.login('rob', 'crm', { client_encoding })).rejects.toThrow(/FATAL/);
  },
);

test.each(['UTF8', 'unicode', 'SQL_ASCII'])('Q4 client_encoding %s at login means UTF8', async (client_encoding) => {
  const client = await at.world().gateway.login('rob', 'crm', { client_encoding });
  const answer = await client.query('show client_encoding');
  expect(answer.flatMap((each) => (each.type === 'data-row' ? each.values.map(String) : []))).toEqual(['UTF8']);
  client.end();
});

const BYTES: readonly (readonly [string, string])[] = [
  [
    '0xbf27, a quote that GBK would swallow',
    '73656c65637420 27 bf27 3b 64726f70207461626c652076696374696d73 3b2d2d 27',
  ],
  [
    '0x815c27, a backslash inside a character of SJIS',
    '73656c65637420 27 815c27 3b64656c6574652066726f6d2076696374696d733b2d2d 27',
  ],
  ['a lone continuation byte', '73656c65637420 27 80 27'],
  ['a truncated character before a quote', '73656c65637420 27 e2 27 3b64656c6574652066726f6d2076696374696d733b2d2d'],
  ['an overlong quote', '73656c65637420 27 c0a7 3b64656c6574652066726f6d2076696374696d73 27'],
  ['an overlong NUL', '73656c65637420 27 c080 27'],
  ['a surrogate', '73656c65637420 27 eda080 27'],
  ['a character beyond Unicode', '73656c65637420 27 f4908080 27'],
  ['five bytes', '73656c65637420 27 f888808080 27'],
  ['0xff', '73656c65637420 31 ff'],
  ['0xfe in a name', '73656c65637420 31206173 20 66fe6f'],
];

test.each(BYTES)('Q4 %s reaches no target, and the session lives', async (_, hex) => {
  const world = at.world();
  const text = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const before = await effects(world);
  const client = await world.gateway.login('rob', 'crm');
  world.tap.reset();
  client.send({ type: 'query', text });
  expect(errorOf(await client.until('ready-for-query'))?.C).toMatch(/^(22021|42501)$/);
  client.send({ type: 'parse', statement: '', text, parameterTypes: [] }, { type: 'sync' });
  expect(errorOf(await client.until('ready-for-query'))?.C).toMatch(/^(22021|42501)$/);
  expect(world.tap.sent().includes(text)).toBe(false);
  nothingOf(world, { sql: 'victims' }, hex);
  expect(errorOf(await client.query('select 1'))).toBeNull();
  client.end();
  expect(await effects(world)).toEqual(before);
});
