import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackendMessage, FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { rowsIn, typesOf } from './attack.ts';

/** Binary results of masked columns: what comes is a value of the very type that was described, and never the real one. */
interface Type {
  readonly type: string;
  readonly value: string;
  /** pg_type.oid, so that a description of another type is noticed. */
  readonly oid: number;
  /** The real value in binary, as the server sends it, in hexadecimal. */
  readonly canary: string;
}

const TYPES: readonly Type[] = [
  { type: 'text', value: 'canary-text-918273', oid: 25, canary: Buffer.from('canary-text-918273').toString('hex') },
  {
    type: 'varchar(30)',
    value: 'canary-varchar-918273',
    oid: 1043,
    canary: Buffer.from('canary-varchar-918273').toString('hex'),
  },
  { type: 'int4', value: '918273645', oid: 23, canary: '36bb946d' },
  { type: 'int8', value: '918273645546372', oid: 20, canary: '0003432992ca5704' },
  {
    type: 'uuid',
    value: 'c0ffee00-1234-4abc-9def-feedfacecafe',
    oid: 2950,
    canary: 'c0ffee0012344abc9deffeedfacecafe',
  },
  { type: 'numeric', value: '91827.3645', oid: 1700, canary: '000907230e3d' },
  { type: 'jsonb', value: '{"canary": "918273"}', oid: 3802, canary: Buffer.from('918273').toString('hex') },
  { type: 'bytea', value: '\\xdeadbeef918273', oid: 17, canary: 'deadbeef918273' },
];

let world: World;
beforeAll(async () => {
  const columns = TYPES.map(({ type }, at) => `c${at} ${type}`).join(', ');
  const values = TYPES.map(({ value }) => `'${value}'`).join(', ');
  world = await startWorld({
    sql: `create table vault (id int primary key, ${columns});
      insert into vault select i, ${values} from generate_series(1, 20) i;
      grant select on vault to gateway_rw;`,
    target: { classify: TYPES.map((_, at) => ({ column: `public.vault.c${at}`, label: 'pii' })) },
  });
});
afterAll(() => world.stop());

const login = () => world.gateway.login('ann', 'crm');
const parse = (sql: string): FrontendMessage => ({
  type: 'parse',
  statement: '',
  text: Buffer.from(sql),
  parameterTypes: [],
});
const bind = (...resultFormats: number[]): FrontendMessage => ({
  type: 'bind',
  portal: '',
  statement: '',
  parameterFormats: [],
  parameters: [],
  resultFormats,
});
const execute = (rowsMax = 0): FrontendMessage => ({ type: 'execute', portal: '', rowsMax });
const DESCRIBE: FrontendMessage = { type: 'describe', what: 'portal', name: '' };
const SYNC: FrontendMessage = { type: 'sync' };

const described = (messages: readonly BackendMessage[]) =>
  messages.find((message) => message.type === 'row-description')?.fields ?? [];

describe.each(TYPES.map((type, at) => [type.type, at, type] as const))('%s', (_, at, { oid, value, canary, type }) => {
  test.each([
    ['described first', true],
    ['never described', false],
  ])(`P13 a masked ${type} in binary, %s, is a value of its type and not the real one`, async (_, describing) => {
    const client = await login();
    client.send(
      parse(`select c${at} from vault where id = 1`),
      bind(1),
      ...(describing ? [DESCRIBE] : []),
      execute(),
      SYNC,
    );
    const answer = await client.until('ready-for-query');
    const [field] = described(answer);
    if (describing) expect(field).toMatchObject({ typeOid: oid, format: 1 });
    else expect(described(answer)).toEqual([]);
    const row = answer.find((message) => message.type === 'data-row');
    expect(row?.values).toHaveLength(1);
    const masked = row?.values[0] ?? null;
    const everything = Buffer.concat(client.received);
    expect(everything.includes(Buffer.from(canary, 'hex'))).toBe(false);
    expect(everything.includes(value)).toBe(false);
    if (masked !== null) {
      // The server itself reads it back as a value of the type.
      const server = await world.server.client('crm');
      const back = await server.query(`select $1::${type} is not null as valid`, [textOf(type, masked)]);
      expect(back.rows).toEqual([{ valid: true }]);
      await server.end();
    }
    client.end();
  });

  test(`P13 a masked ${type} is the same value in binary and in text`, async () => {
    const client = await login();
    client.send(parse(`select c${at} from vault where id = 2`), bind(1), execute(), bind(0), execute(), SYNC);
    const rows = (await client.until('ready-for-query')).filter((message) => message.type === 'data-row');
    const [binary, text] = rows.map((row) => row.values[0] ?? null);
    expect(binary === null).toBe(text === null);
    if (binary !== null && binary !== undefined && text !== null && text !== undefined) {
      const server = await world.server.client('crm');
      const same = await server.query(`select $1::${type} = $2::${type} as same`, [
        textOf(type, binary),
        text.toString(),
      ]);
      expect(same.rows).toEqual([{ same: true }]);
      await server.end();
    }
    client.end();
  });
});

/** A binary value as PostgreSQL would write it in text, by the manual's and the send functions' own layouts. */
function textOf(type: string, bytes: Buffer): string {
  if (type === 'int4') return String(bytes.readInt32BE(0));
  if (type === 'int8') return String(bytes.readBigInt64BE(0));
  if (type === 'uuid') {
    expect(bytes).toHaveLength(16);
    return bytes.toString('hex');
  }
  if (type === 'bytea') return `\\x${bytes.toString('hex')}`;
  if (type === 'jsonb') {
    expect(bytes[0]).toBe(1);
    return bytes.subarray(1).toString();
  }
  if (type === 'numeric') return numericText(bytes);
  return bytes.toString();
}

/** numeric_send: digits, weight, sign, scale, then digits of base 10,000. */
function numericText(bytes: Buffer): string {
  const [digits, weight, sign] = [bytes.readInt16BE(0), bytes.readInt16BE(2), bytes.readUInt16BE(4)];
  expect(bytes).toHaveLength(8 + digits * 2);
  let value = '0';
  for (let at = 0; at < digits; at += 1) value += `+${bytes.readInt16BE(8 + at * 2)}e${(weight - at) * 4}`;
  const sum = value.split('+').reduce((total, part) => total + Number(part), 0);
  return `${sign === 0x4000 ? '-' : ''}${sum}`;
}

test('P13 a mix of binary and text formats masks each column in its own', async () => {
  const client = await login();
  client.send(
    parse('select id, c0, c2, c4, c0 from vault where id = 3'),
    bind(1, 0, 1, 1, 1),
    DESCRIBE,
    execute(),
    SYNC,
  );
  const answer = await client.until('ready-for-query');
  expect(described(answer).map(({ format }) => format)).toEqual([1, 0, 1, 1, 1]);
  const row = answer.find((message) => message.type === 'data-row');
  expect(row?.values[0]?.toString('hex')).toBe('00000003');
  for (const { value, canary } of TYPES) {
    expect(Buffer.concat(client.received).includes(value)).toBe(false);
    expect(Buffer.concat(client.received).includes(Buffer.from(canary, 'hex'))).toBe(false);
  }
  client.end();
});

test('P13 a portal that is suspended goes on masked, row by row, in binary', async () => {
  const client = await login();
  client.send(
    parse('select id, c0 from vault order by id'),
    bind(1),
    execute(7),
    execute(7),
    execute(7),
    execute(7),
    SYNC,
  );
  const answer = await client.until('ready-for-query');
  expect(typesOf(answer).filter((type) => type === 'portal-suspended')).toHaveLength(2);
  const rows = answer.filter((message) => message.type === 'data-row');
  expect(rows.map((row) => row.values[0]?.readInt32BE(0))).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
  expect(Buffer.concat(client.received).includes('canary-text')).toBe(false);
  client.end();
});

test('P13 a statement described once and bound in another format is masked in the format it is bound in', async () => {
  const client = await login();
  client.send(parse('select c0, c2 from vault where id = 1'), { type: 'describe', what: 'statement', name: '' }, SYNC);
  const [field] = described(await client.until('ready-for-query'));
  // A statement has no formats yet (manual, "Extended Query").
  expect(field).toMatchObject({ typeOid: 25, format: 0 });
  for (const format of [0, 1, 0, 1]) {
    client.send(bind(format), execute(), SYNC);
    const row = (await client.until('ready-for-query')).find((message) => message.type === 'data-row');
    expect(row?.values).toHaveLength(2);
    const number = row?.values[1] ?? null;
    if (format === 1 && number !== null) expect(number).toHaveLength(4);
  }
  for (const { value, canary } of TYPES.slice(0, 3)) {
    expect(Buffer.concat(client.received).includes(value)).toBe(false);
    expect(Buffer.concat(client.received).includes(Buffer.from(canary, 'hex'))).toBe(false);
  }
  client.end();
});

test('P13 formats that are wrong in number or kind are the server’s error, not a row', async () => {
  const client = await login();
  client.send(parse('select c0, c2 from vault where id = 1'), bind(1, 1, 1), execute(), SYNC);
  const answer = await client.until('ready-for-query').catch((fault: unknown) => fault);
  if (Array.isArray(answer)) expect(rowsIn(answer)).toEqual([]);
  else expect(answer).toMatchObject({ fields: { C: '08P01' } });
  expect(Buffer.concat(client.received).includes('canary')).toBe(false);
  client.end();
});

test('P13 psycopg reads masked columns in binary, and a binary cursor through psql’s COPY is refused', async () => {
  const ran = await world.gateway.run('ann', 'crm', '/usr/bin/python3', [
    '-c',
    `
import psycopg
with psycopg.connect("") as c:
    row = c.execute("select c0, c2, c3, c4, c5, c6, c7 from vault where id = 1", binary=True).fetchone()
    print(len(row), [type(value).__name__ for value in row])
`,
  ]);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toMatch(/^7 /);
  const copy = await world.gateway.psql('ann', 'crm', 'copy (select c0 from vault) to stdout (format binary)');
  expect(copy.status).not.toBe(0);
  for (const { value } of TYPES) expect(ran.stdout + copy.stdout + copy.stderr).not.toContain(value);
});
