import type { BackendMessage, FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { startWorld, type World } from '../e2e/world.ts';
import type { RawClient } from '../servers/raw-client.ts';
import { type Canary, textCanary, typedCanary } from './canary.ts';

/** rob reads; wes reads, writes, defines and executes, nobody asked; what is personal is masked for both. */
const POLICIES = `
@id("readers") permit (principal in Group::"readers", action in [Action::"open", Action::"sql.read"], resource in Target::"crm");
@id("writers") permit (principal in Group::"writers", action in [Action::"open", Action::"sql.read", Action::"sql.write", Action::"sql.define", Action::"sql.execute"], resource in Target::"crm");
`;

/** One column of each type that can hold something personal. */
export const COLUMNS = [
  { name: 't', type: 'text', values: ['kz4qx-9w7vj-qz8wx', 'zp7hq-4x1v9-wq3jk'] },
  { name: 'v', type: 'varchar(40)', values: ['vq6zj-5x1w7-oq9bx', 'vw3xk-8q2z3-jq7wz'] },
  { name: 'c', type: 'char(18)', values: ['fj8qz-2x7w6-bq3kv', 'gq5hx-3w9z4-tq8jv'] },
  { name: 'i', type: 'int8', values: ['918273645546372819', '746352413524635748'] },
  { name: 'n', type: 'numeric', values: ['735198604.21773', '998871234.56119'] },
  { name: 'u', type: 'uuid', values: ['deadbeef-1234-4cab-8feb-0123456789ab', 'cafebabe-4321-4dab-9feb-ba9876543210'] },
  { name: 'd', type: 'date', values: ['1931-07-23', '1944-02-29'] },
  { name: 'ts', type: 'timestamptz', values: ['1987-11-05 13:47:29.123+00', '1979-03-17 04:21:53.789+00'] },
  { name: 'j', type: 'jsonb', values: ['{"code": "jq9xz-6w1v0-vwmq7"}', '{"code": "pq4vy-1x8z3-kkwq9"}'] },
  { name: 'b', type: 'bytea', values: ['\\x7e11c0de99aa550142', '\\x0102c0ffee77aa9966'] },
  { name: 'ip', type: 'inet', values: ['203.0.113.77', '198.51.100.23'] },
  { name: 'f', type: 'bool', values: ['true', 'false'] },
  { name: 'm', type: 'mood', values: ['vexzolwumq', 'jyrbklovtw'] },
  { name: 'a', type: 'text[]', values: ['{wy7vq-3z9x8-sq2dk}', '{gr8yq-1x2w3-fq6tz}'] },
] as const;

export type ColumnName = (typeof COLUMNS)[number]['name'];

/** By column; a truth value has no form that could be told from another. */
export const CANARIES_OF: Readonly<Record<ColumnName, readonly Canary[]>> = {
  t: COLUMNS[0].values.map((value) => textCanary(value)),
  v: COLUMNS[1].values.map((value) => textCanary(value)),
  c: COLUMNS[2].values.map((value) => textCanary(value)),
  i: COLUMNS[3].values.map((value) => typedCanary(value, [], [int8(BigInt(value)), int8(BigInt(value)).reverse()])),
  n: [
    typedCanary('735198604.21773', ['735198604'], [digits([7, 3519, 8604, 2177, 3000]), double(735198604.21773)]),
    typedCanary('998871234.56119', ['998871234'], [digits([9, 9887, 1234, 5611, 9000]), double(998871234.56119)]),
  ],
  u: COLUMNS[5].values.map((value) => {
    const bare = value.replaceAll('-', '');
    return typedCanary(value, [bare], [Buffer.from(bare, 'hex')]);
  }),
  d: COLUMNS[6].values.map((value) => {
    const days = Buffer.alloc(4);
    days.writeInt32BE((Date.parse(value) - EPOCH_MS()) / 86_400_000);
    return typedCanary(value, [value.replaceAll('-', ''), String(Date.parse(value) / 1000)], [days]);
  }),
  ts: COLUMNS[7].values.map((value) => {
    const micros = BigInt(Date.parse(value) - EPOCH_MS()) * 1000n;
    const seconds = Date.parse(value) / 1000;
    return typedCanary(
      value,
      [value.slice(0, 10), value.slice(11, 19), String(seconds)],
      [int8(micros), double(seconds)],
    );
  }),
  j: ['jq9xz-6w1v0-vwmq7', 'pq4vy-1x8z3-kkwq9'].map((value) => textCanary(value, 0)),
  b: COLUMNS[9].values.map((value) => typedCanary(value.slice(2), [], [Buffer.from(value.slice(2), 'hex')])),
  ip: COLUMNS[10].values.map((value) => typedCanary(value, [], [Buffer.from(value.split('.').map(Number))])),
  f: [],
  m: COLUMNS[12].values.map((value) => textCanary(value, 0)),
  a: ['wy7vq-3z9x8-sq2dk', 'gr8yq-1x2w3-fq6tz'].map((value) => textCanary(value, 0)),
};

export const SSNS: readonly Canary[] = ['123-45-6789', '234-56-7890', '345-67-8901', '456-78-9012', '567-89-0123'].map(
  (value) => textCanary(value),
);
export const MAILS: readonly Canary[] = ['ada', 'grace', 'alan', 'edsger', 'barbara'].map((name) =>
  typedCanary(`${name}@example`, [], []),
);
export const ALL_CANARIES: readonly Canary[] = [...Object.values(CANARIES_OF).flat(), ...SSNS, ...MAILS];

const row = (at: 0 | 1) => COLUMNS.map(({ values, type }) => `'${values[at]}'::${type}`).join(', ');

const SQL = `
create type mood as enum (${[...COLUMNS[12].values, 'calm'].map((label) => `'${label}'`).join(', ')});
create table secrets (id int primary key, pub text, ${COLUMNS.map(({ name, type }) => `${name} ${type}`).join(', ')});
insert into secrets values (1, 'open one', ${row(0)}), (2, 'open two', ${row(1)});
create table notes (id int primary key, secret_id int references secrets, note text);
insert into notes values (1, 1, 'note one'), (2, 2, 'note two'), (3, null, 'note three');
create table mine (a int, b text, c text, ssn text);
create table victims (id int primary key, body text);
insert into victims select each, 'row ' || each from generate_series(1, 10) each;
create sequence counter;
create table strict (id int primary key, pub text not null check (pub <> 'bad'), ssn text, card text unique);
insert into strict values (1, 'a', '123-45-6789', '234-56-7890'), (2, 'b', '345-67-8901', '456-78-9012');
create table points_at (ref text references strict (card));
insert into points_at values ('234-56-7890');
create function shout() returns trigger language plpgsql as $$ begin raise notice 'it is %', new; return new; end $$;
create table noisy (id int primary key, pub text, ssn text);
insert into noisy values (1, 'a', '123-45-6789');
create trigger shout before update on noisy for each row execute function shout();
create view gold_cards as select id, ssn as tax, upper(ssn) as shouted, substr(ssn, 1, 3) as area from customers;
create view all_cards as select id, ssn as z from customers union all select id, note from notes;
create view lateral_cards as select n.id, q.w from notes n, lateral (select ssn as w from customers c where c.id = n.id) q;
create view counted_cards as select substr(ssn, 1, 1) as first, count(*) as n from customers group by 1;
create view document_cards as select id, to_jsonb(c) as doc, c as whole from customers c;
create view recursive_cards (a, b) as with recursive r (n, v) as
  (select 1, ssn::text from customers union all select n + 1, v from r where n < 2) select * from r;
create materialized view kept_cards as select id, ssn as tax from customers;
create view nested_cards as select tax as inner_tax, id from kept_cards;
create table generated_cards (id int, ssn text, area text generated always as (substr(ssn, 1, 3)) stored);
insert into generated_cards values (1, '123-45-6789');
create table older (id int, ssn text);
create table younger (extra text) inherits (older);
insert into younger values (1, '123-45-6789', 'extra');
create table parted (id int, ssn text) partition by range (id);
create table parted_1 partition of parted for values from (0) to (100);
insert into parted values (1, '123-45-6789');
create statistics secret_stats (mcv) on pub, t from secrets;
grant all on all tables in schema public to gateway_rw;
grant usage on sequence counter to gateway_rw;
grant create on schema public to gateway_rw;
analyze;
`;

const CLASSIFIED = [
  'public.customers.ssn', '*.email', 'public.strict.ssn', 'public.strict.card', 'public.noisy.ssn', 'public.mine.ssn',
  'public.generated_cards.ssn', 'public.older.ssn', 'public.parted.ssn', ...COLUMNS.map(({ name }) => `public.secrets.${name}`),
]; // biome-ignore format: a list

export function startVault(
  version: 15 | 18,
  options: { policies?: string; serviceAccounts?: readonly object[] } = {},
): Promise<World> {
  return startWorld({
    version,
    sql: SQL,
    policies: POLICIES + (options.policies ?? ''),
    target: { classify: CLASSIFIED.map((column) => ({ column, label: 'pii' })) },
    serviceAccounts: [
      { name: 'rob', groups: ['readers'], person: 'rob@example.com' },
      { name: 'wes', groups: ['writers'], person: 'wes@example.com' },
      ...(options.serviceAccounts ?? []),
    ],
  });
}

export type Mode = 'simple' | 'extended, text' | 'extended, binary';
export const MODES: readonly Mode[] = ['simple', 'extended, text', 'extended, binary'];

/** Runs a statement and gives its whole answer. */
export async function ask(client: RawClient, sql: string, mode: Mode): Promise<readonly BackendMessage[]> {
  if (mode === 'simple') return client.query(sql);
  client.send(...extended(sql, mode === 'extended, binary' ? [1] : []));
  return client.until('ready-for-query');
}

export function extended(sql: string, resultFormats: readonly number[] = []): readonly FrontendMessage[] {
  return [
    { type: 'parse', statement: '', text: Buffer.from(sql), parameterTypes: [] },
    { type: 'bind', portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats },
    { type: 'describe', what: 'portal', name: '' },
    { type: 'execute', portal: '', rowsMax: 0 },
    { type: 'sync' },
  ];
}

/** All that was received since the last call. */
export function taken(client: RawClient): Buffer {
  return Buffer.concat(client.received.splice(0));
}

export function cellsOf(messages: readonly BackendMessage[]): readonly (Buffer | null)[] {
  return messages.flatMap((message) => (message.type === 'data-row' ? message.values : []));
}

export function errorOf(messages: readonly BackendMessage[]): Readonly<Record<string, string>> | null {
  for (const message of messages) if (message.type === 'error') return message.fields;
  return null;
}

function int8(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

/** The base-10000 digits of a numeric (numeric_send). */
function digits(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, at) => {
    bytes.writeInt16BE(value, at * 2);
  });
  return bytes;
}

/** PostgreSQL counts from here (datatype/timestamp.h). */
function EPOCH_MS(): number {
  return Date.UTC(2000, 0, 1);
}
