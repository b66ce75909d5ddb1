import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MASK_KINDS, type MaskKind, parseMask } from '../../src/core/mask.ts';
import { postgresCellMask } from '../../src/masking/postgres.ts';
import { gives } from '../../src/masking/table.ts';
import { postgresType } from '../../src/masking/types.ts';
import { type PostgresServer, startPostgres } from '../servers/postgres.ts';

/**
 * The server is the judge: it encodes a value of each type, the mask changes the bytes, and the server has to accept them
 * as a parameter of a column of that type, in that format.
 */
const KEY = Buffer.alloc(32, 9);

const MASKS: Readonly<Record<MaskKind, readonly string[]>> = {
  null: ['null'],
  default: ['default'],
  redact: ['redact'],
  full: ['full'],
  token: ['token'],
  round: ['round(2)', 'round(0)', 'round(-3)', 'round(-18)'],
  date_trunc: ['date_trunc(year)', 'date_trunc(month)', 'date_trunc(day)'],
  email: ['email'],
  partial: ['partial(0,4)', 'partial(2,1)', 'partial(0,0)'],
};

/** Column type → values as literals. Together with the bounds of the type, where masks overflow. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  text: ['123-45-6789', 'anna.canary@example.com', '', 'Zürich 👩‍🚀 ಠ_ಠ longer text', ' '],
  'varchar(3)': ['abc', '', 'üöä'],
  'varchar(11)': ['123-45-6789'],
  'varchar(13)': ['ab@abcdef.org', 'ann@abcde.org'],
  'varchar(20)': ['4111111111111111'],
  'char(9)': ['123456789', 'ab', ''],
  'char(30)': ['anna@example.com', 'Zürich-Örlikon'],
  char: ['x'],
  name: ['some_identifier', 'ab@ccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.de'],
  '"char"': ['x'],
  smallint: ['32767', '-32768', '4242', '0'],
  integer: ['2147483647', '-2147483648', '424242', '0'],
  bigint: ['9223372036854775807', '-9223372036854775808', '42424242424242'],
  numeric: ['123456.789', '-0.00001', 'NaN', 'Infinity', '-Infinity', '99999999999999999999999999.999', '0', '1e100'],
  'numeric(5,2)': ['999.99', '-123.45', '0.01'],
  'numeric(12,4)': ['12345678.9999'],
  'numeric(40,0)': ['1234567890123456789012345678901234567890'],
  real: ['3.4e38', '1.5', '-0.001', 'NaN', '-Infinity', '1e-40'],
  'double precision': ['1.7e308', '3.14159', '-1e-300', 'NaN', 'Infinity', '123456789012.345'],
  boolean: ['t', 'f'],
  date: ['2024-05-06', '4714-11-24 BC', '0044-03-15 BC', '5874897-12-31', 'infinity', '-infinity'],
  timestamp: [
    '2024-05-06 12:34:56.789',
    '4714-11-24 00:00:00 BC',
    '294276-12-31 23:59:59.999999',
    'infinity',
    '-infinity',
  ],
  timestamptz: [
    '2024-07-15 12:34:56.789+02',
    '4714-11-25 00:00:00+00 BC',
    '294276-12-31 23:59:59+00',
    'infinity',
    '-infinity',
  ],
  'timestamp(0)': ['2024-05-06 12:34:56'],
  time: ['12:34:56.789', '24:00:00'],
  timetz: ['12:34:56.789+05:30'],
  interval: ['1 year 2 mons 3 days 04:05:06'],
  uuid: ['f47ac10b-58cc-4372-a567-0e02b2c3d479'],
  json: ['{"ssn": "123-45-6789"}', 'null', '"x"'],
  jsonb: ['{"ssn": "123-45-6789"}', '[1, 2]'],
  bytea: ['\\xdeadbeef', '\\x'],
  inet: ['192.0.2.7', '2001:db8::7/64'],
  cidr: ['192.0.2.0/24', '2001:db8::/32'],
  macaddr: ['08:00:2b:01:02:03'],
  macaddr8: ['08:00:2b:01:02:03:04:05'],
  money: ['1234.56'],
  oid: ['424242', '4294967295'],
  'bit(5)': ['10101'],
  'varbit(8)': ['101'],
  mood: ['secretly happy'],
  pair: ['(1,secret)'],
  'text[]': ['{secret,values}'],
  int4range: ['[42,4242)'],
  ssn: ['123-45-6789'],
  point: ['(4.2,42.42)'],
  tsvector: ["'secret':1"],
  pg_lsn: ['16/B374D848'],
  xml: ['<ssn>123-45-6789</ssn>'],
};

const FORMATS = ['text', 'binary'] as const;

describe.each([15, 18] as const)('PostgreSQL %i accepts whatever a mask makes', (version) => {
  let server: PostgresServer;
  let client: pg.Client;
  const tables = new Map<string, string>();

  beforeAll(async () => {
    server = await startPostgres({ version });
    client = await server.client();
    await client.query(`
      create type mood as enum ('secretly happy', 'sad'); create type pair as (a int, b text);
      create domain ssn as varchar(11) check (value ~ '^[0-9]{3}-[0-9]{2}-[0-9]{4}$');
      set timezone = 'Asia/Kolkata'; set intervalstyle = 'postgres_verbose';`);
    for (const type of Object.keys(VALUES)) {
      const table = `t${tables.size}`;
      tables.set(type, table);
      // A domain's check is the table's matter: nobody writes masked values back, so the base type is what counts.
      await client.query(`create table ${table} (v ${type}, w ${type === 'ssn' ? 'varchar(11)' : type})`);
      for (const value of VALUES[type] ?? []) await client.query(`insert into ${table} (v) values ($1)`, [value]);
    }
  });

  afterAll(async () => {
    await client?.end();
    await server?.stop();
  });

  for (const type of Object.keys(VALUES)) {
    for (const format of FORMATS) {
      test(`${type} in ${format}`, async () => {
        const table = tables.get(type) ?? '';
        const found = await select(client, table, format);
        const field = found.fields[0];
        if (field === undefined) throw new Error('no column');
        const cell = {
          typeOid: field.dataTypeID,
          typeModifier: field.dataTypeModifier,
          format: format === 'binary' ? 1 : 0,
          column: `db/public.${table}.v`,
        };
        expect(found.rows.length).toBe(VALUES[type]?.length);
        for (const kind of MASK_KINDS) {
          for (const spelling of MASKS[kind]) {
            const mask = postgresCellMask(parseMask(spelling), cell, KEY);
            for (const [value = none()] of found.rows) {
              const result = mask(value);
              if (gives(postgresType(cell.typeOid).class, kind).gives !== 'shape') {
                // Constants do not depend on the value at all.
                expect(mask(Buffer.from('something else'))).toEqual(result);
              }
              if (result === null) continue;
              const masked = Buffer.from(result);
              const context = `${spelling} of ${value.toString('hex')} gave ${masked.toString('hex')}`;
              await accepts(client, table, masked, format, context);
            }
          }
        }
      });
    }
  }

  test('text and binary of one value agree under every mask that both can show', async () => {
    for (const type of Object.keys(VALUES)) {
      const table = tables.get(type) ?? '';
      const [text, binary] = [await select(client, table, 'text'), await select(client, table, 'binary')];
      const [field] = text.fields;
      if (field === undefined) throw new Error('no column');
      const cell = { typeOid: field.dataTypeID, typeModifier: field.dataTypeModifier, column: 'c' };
      for (const spelling of Object.values(MASKS).flat()) {
        const asText = postgresCellMask(parseMask(spelling), { ...cell, format: 0 }, KEY);
        const asBinary = postgresCellMask(parseMask(spelling), { ...cell, format: 1 }, KEY);
        for (let row = 0; row < text.rows.length; row++) {
          const shownText = asText(text.rows[row]?.[0] ?? none());
          const shownBinary = asBinary(binary.rows[row]?.[0] ?? none());
          const seen = [
            await stored(client, table, shownText, 'text'),
            await stored(client, table, shownBinary, 'binary'),
          ];
          expect(seen[0], `${spelling} of ${type} ${text.rows[row]?.[0]?.toString()}`).toBe(seen[1]);
        }
      }
    }
  });
});

interface Found {
  readonly fields: readonly pg.FieldDef[];
  readonly rows: readonly (readonly Buffer[])[];
}

/**
 * Cells as the bytes the server sends. node-postgres reads every cell as UTF-8, so binary comes through the type's send
 * function, which is what the server itself calls for format 1.
 */
async function select(client: pg.Client, table: string, format: 'text' | 'binary'): Promise<Found> {
  const raw = { getTypeParser: () => (value: string) => Buffer.from(value) };
  const from = `from ${table} where v is not null order by ctid`;
  const { fields, rows } = await client.query({ text: `select v ${from}`, rowMode: 'array', types: raw });
  if (format === 'text') return { fields, rows };
  const send = await client.query('select typsend::text as name from pg_type where oid = $1', [fields[0]?.dataTypeID]);
  const sent = await client.query<{ hex: string }>(`select encode(${send.rows[0].name}(v), 'hex') as hex ${from}`);
  return { fields, rows: sent.rows.map(({ hex }) => [Buffer.from(hex, 'hex')]) };
}

async function accepts(
  client: pg.Client,
  table: string,
  masked: Buffer,
  format: string,
  context: string,
): Promise<void> {
  try {
    await client.query(`insert into ${table} (w) values ($1)`, [format === 'binary' ? masked : masked.toString()]);
  } catch (error) {
    throw new Error(`${context}: ${String(error)}`);
  }
}

/** What the server makes of the masked bytes, in text. */
async function stored(client: pg.Client, table: string, masked: Buffer | null, format: string): Promise<string | null> {
  const value = masked === null ? null : format === 'binary' ? Buffer.from(masked) : masked.toString();
  const { rows } = await client.query(`insert into ${table} (w) values ($1) returning w::text`, [value]);
  return rows[0].w;
}

function none(): never {
  throw new Error('no such row');
}
