import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackendMessage } from '../../src/protocols/postgres/messages.ts';
import type { RawClient } from '../servers/raw-client.ts';
import { CANARIES, startWorld, type World } from './world.ts';

/** ned writes and sees no SSN; fay2 writes and sees all. Neither waits for anybody. */
const POLICIES = `
@id("writers") permit (principal in Group::"writers", action in [Action::"open", Action::"sql.read", Action::"sql.write"], resource in Target::"crm");
@id("their-functions") permit (principal in Group::"writers", action == Action::"sql.execute", resource in Target::"crm");
@id("not-evil") forbid (principal, action == Action::"sql.execute", resource in Schema::"crm/evil");
@id("builders") permit (principal in Group::"builders", action == Action::"sql.define", resource in Schema::"crm/public");
`;

const SQL = `
create table patients (
  id int primary key,
  name text not null check (name <> 'nobody'),
  ssn text unique,
  area text generated always as (substr(ssn, 1, 3)) stored
);
insert into patients values (1, 'Ada', '123-45-6789'), (2, 'Grace', '234-56-7890'), (3, 'Alan', '345-67-8901');
create table visits (id int primary key, patient int references patients on delete set null, note text check (patient is not null), ssn text);
insert into visits values (1, 1, 'first', '123-45-6789');
create table numbers (ref text references patients (ssn));
insert into numbers values ('234-56-7890');
create table loud (id int primary key, name text, ssn text);
insert into loud values (1, 'a', '123-45-6789'), (2, 'b', '234-56-7890');
create function says() returns trigger language plpgsql as $$
  begin raise notice 'it was %', old; raise warning 'now %', new.ssn; return new; end $$;
create trigger says before update on loud for each row when (new.id = 1) execute function says();
create function stops() returns trigger language plpgsql as $$
  begin raise exception 'not %', new.ssn using detail = new::text, hint = new.ssn, column = new.ssn; end $$;
create trigger stops before update on loud for each row when (new.id = 2) execute function stops();
create function digits(text) returns int language plpgsql as $$ begin raise notice 'saw %', $1; return 1; end $$;
create view careless as select id, name, 1 / (length(ssn) - 11) as odd, ssn::int as number from patients;
create view whispering as select id, name, digits(ssn) from patients;
create view gold_patients as select id, name, ssn from patients;
create view of_gold as select ssn as number, upper(ssn) as shouted, id from gold_patients;
create view split as select id, name, ssn from patients where id < 100 with check option;
create schema evil;
create table evil.patients (id int, ssn text);
insert into evil.patients values (1, 'not a number');
create function evil.lower(text) returns text language sql as $$ select $1 $$;
create schema locked;
create table locked.patients (id int, other text);
grant usage on schema evil to gateway_rw;
grant select on evil.patients to gateway_rw;
grant all on patients, visits, numbers, loud, careless, whispering, gold_patients, of_gold, split to gateway_rw;
analyze;
`;

let world: World;
let ned: RawClient;
let sees: RawClient;

beforeAll(async () => {
  world = await startWorld({
    policies: POLICIES,
    sql: SQL,
    target: {
      classify: ['patients.ssn', 'visits.ssn', 'loud.ssn', 'customers.ssn'].map((name) => ({
        column: `public.${name}`,
        label: 'pii',
      })),
    },
    serviceAccounts: [
      { name: 'ned', groups: ['writers', 'builders'], person: 'ned@example.com' },
      { name: 'fae', groups: ['writers', 'builders', 'fraud'], person: 'fae@example.com' },
    ],
  });
  ned = await world.gateway.login('ned', 'crm');
  sees = await world.gateway.login('fae', 'crm');
});
afterAll(async () => {
  ned?.end();
  sees?.end();
  await world?.stop();
});

async function said(client: RawClient, sql: string, data?: string): Promise<readonly BackendMessage[]> {
  client.received.splice(0);
  if (data === undefined) return client.query(sql);
  client.send({ type: 'query', text: Buffer.from(sql) });
  const first = await client.next();
  if (first.type !== 'copy-in') return [first, ...(await client.until('ready-for-query'))];
  client.send({ type: 'copy-data', data: Buffer.from(data) }, { type: 'copy-done' });
  return client.until('ready-for-query');
}

const bytes = (client: RawClient): string => Buffer.concat(client.received).toString('latin1');
const leaks = (client: RawClient): readonly string[] =>
  CANARIES.filter((canary) => bytes(client).includes(canary) || bytes(client).includes(canary.slice(0, 7)));
const code = (messages: readonly BackendMessage[]): string | undefined =>
  messages.flatMap((each) => (each.type === 'error' ? [each.fields.C] : []))[0];
const message = (messages: readonly BackendMessage[]): string =>
  messages
    .flatMap((each) => (each.type === 'error' || each.type === 'notice' ? [Object.values(each.fields)] : []))
    .join();
const rows = (messages: readonly BackendMessage[]): readonly (readonly string[])[] =>
  messages.flatMap((each) => (each.type === 'data-row' ? [each.values.map((value) => String(value))] : []));

describe('what the server says about rows that nobody asked to see (M6, M7)', () => {
  // Who sees everything is told what the server says, so each of these would have told.
  test.each([
    ['a value that must not be missing', 'update patients set name = null where id = 1', '23502'],
    ['a check', "update patients set name = 'nobody' where id = 1", '23514'],
    ['a check beyond a foreign key', 'delete from patients where id = 1', '23514'],
    ['a view with a check option', 'update split set id = 100 where id = 1', '44000'],
    ['a trigger that raises an exception', "update loud set name = 'x' where id = 2", 'P0001'],
    ['a trigger that raises notices', "update loud set name = 'x' where id = 1", undefined],
    ['a view that computes what nobody selects', 'select id, name, number from careless', '22P02'],
    ['a view with a function that talks', 'select id, name, digits from whispering', undefined],
  ])('%s', async (_, sql, expected) => {
    const told = await said(sees, sql);
    expect(code(told)).toBe(expected);
    expect(leaks(sees).length, message(told)).toBeGreaterThan(0);
    const withheld = await said(ned, sql);
    expect(leaks(ned)).toEqual([]);
    // Computing from what is masked is refused; everything else happens as it would have.
    if (!sql.startsWith('select')) {
      expect(code(withheld)).toBe(expected);
      expect(message(withheld)).toMatch(/withheld/);
    }
  });

  test('a key of somebody else’s row', async () => {
    const sql = "insert into patients (id, name) values (1, 'x')";
    expect(message(await said(sees, sql))).toMatch(/Key \(id\)=\(1\) already exists/);
    const withheld = await said(ned, sql);
    expect(code(withheld)).toBe('23505');
    expect(message(withheld)).not.toMatch(/already exists/);
  });

  test('a row that others point at', async () => {
    const sql = 'delete from patients where id = 2';
    expect(message(await said(sees, sql))).toMatch(/234-56-7890/);
    expect(code(await said(ned, sql))).toBe('23503');
    expect(leaks(ned)).toEqual([]);
  });

  test('COPY FROM says in its context what a column held', async () => {
    const sql = 'copy patients (id, name) from stdin';
    const told = await said(sees, sql, 'x\t123-45-6789\n');
    expect(message(told)).toMatch(/COPY patients, line 1, column id: "x"/);
    const withheld = await said(ned, sql, 'x\t123-45-6789\n');
    expect(code(withheld)).toBe('22P02');
    expect(message(withheld)).not.toMatch(/COPY patients/);
    const failing = await said(ned, sql, '1\tAda\n');
    expect(code(failing)).toBe('23505');
    expect(message(failing)).not.toMatch(/Key/);
  });

  test('a unique index, or a type, that does not fit what is there is not made', async () => {
    for (const sql of [
      'create unique index on visits (ssn)',
      'alter table visits alter ssn type int using ssn::int',
      'create trigger t after update on loud for each row execute function says()',
    ]) {
      expect(code(await said(ned, sql)), sql).toBe('42501');
      expect(leaks(ned)).toEqual([]);
    }
  });

  test('the session goes on, and tells what is nobody’s secret', async () => {
    const answer = await said(ned, 'select 1 / 0');
    expect(message(answer)).toMatch(/division by zero/);
    expect(message(await said(ned, 'select nothing from nowhere'))).toMatch(/nowhere/);
  });
});

describe('what is only mentioned is shown as before', () => {
  test('INSERT … RETURNING id gives the id', async () => {
    const answer = await said(ned, "insert into patients (id, name) values (7, 'Edsger') returning id, name");
    expect(rows(answer)).toEqual([['7', 'Edsger']]);
    expect(code(await said(ned, 'delete from patients where id = 7'))).toBeUndefined();
  });
  test('the same, bound', async () => {
    ned.send(
      {
        type: 'parse',
        statement: '',
        text: Buffer.from("insert into patients (id, name) values (8, 'x') returning id"),
        parameterTypes: [],
      },
      { type: 'bind', portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [] },
      { type: 'execute', portal: '', rowsMax: 0 },
      { type: 'sync' },
    );
    expect(rows(await ned.until('ready-for-query'))).toEqual([['8']]);
    await said(ned, 'delete from patients where id = 8');
  });
  test('rows are copied in', async () => {
    const answer = await said(ned, 'copy patients (id, name) from stdin', '9\tBarbara\n');
    expect(answer.find((each) => each.type === 'command-complete')).toMatchObject({ tag: 'COPY 1' });
    await said(ned, 'delete from patients where id = 9');
  });
  test('columns of a view over them are copied out, and read through a cursor', async () => {
    const copied = await said(ned, 'copy (select id, name from gold_patients order by id) to stdout');
    expect(code(copied)).toBeUndefined();
    expect(bytes(ned)).toContain('1\tAda');
    const fetched = await said(
      ned,
      'begin; declare c cursor for select id, name from gold_patients order by id; fetch 1 from c; commit',
    );
    expect(code(fetched)).toBeUndefined();
    expect(rows(fetched)).toEqual([['1', 'Ada']]);
  });
  test('a view’s column that is a base column as it is keeps its shape, and nothing else does', async () => {
    const [row] = rows(await said(ned, 'select ssn from gold_patients where id = 1'));
    expect(row).toEqual(['*******6789']);
    const [other] = rows(await said(ned, 'select number, shouted from of_gold where id = 1'));
    expect(other?.[0]).toBe('*******6789');
    expect(other?.[1]).not.toMatch(/[0-9]/);
    const [generated] = rows(await said(ned, 'select area from patients where id = 1'));
    expect(generated?.[0]).not.toMatch(/[0-9]/);
  });
});

describe('statistics and what others do (M8)', () => {
  test.each([
    'select attname, histogram_bounds::text from pg_stats',
    'select count(*) from pg_catalog.pg_stats',
    'select query from pg_stat_activity',
    'select statement from pg_prepared_statements',
    'copy (table pg_stats) to stdout',
  ])('%s is for those who see every column', async (sql) => {
    const refused = await said(ned, sql);
    expect(code(refused)).toBe('42501');
    expect(message(refused)).toMatch(/not shown to you in clear.*shows values of any column/);
    expect(leaks(ned)).toEqual([]);
    expect(code(await said(sees, sql))).toBeUndefined();
  });
});

test('a function that runs SQL is no way round by its number (P1, Q8)', async () => {
  const admin = await world.server.client('crm');
  const found = await admin.query("select oid::int from pg_proc where proname = 'query_to_xml'");
  await admin.end();
  ned.received.splice(0);
  ned.send({
    type: 'function-call',
    functionOid: found.rows[0].oid,
    argumentFormats: [0],
    arguments: ['select ssn from patients', 'true', 'false', ''].map((each) => Buffer.from(each)),
    resultFormat: 0,
  });
  expect(code(await ned.until('ready-for-query'))).toBe('42501');
  expect(leaks(ned)).toEqual([]);
});

describe('what names mean is the session’s choice', () => {
  test('names are found where the server finds them', async () => {
    const client = await world.gateway.login('ned', 'crm');
    expect(code(await said(client, 'set search_path = evil, public'))).toBeUndefined();
    expect(rows(await said(client, 'select ssn from patients'))).toEqual([['not a number']]);
    await said(client, 'set search_path to public, evil');
    expect(rows(await said(client, 'select ssn from patients where id = 1'))).toEqual([['*******6789']]);
    await said(client, 'begin');
    await said(client, 'set local search_path = evil');
    expect(rows(await said(client, 'select ssn from patients'))).toEqual([['not a number']]);
    await said(client, 'rollback');
    expect(rows(await said(client, 'select ssn from patients where id = 1'))).toEqual([['*******6789']]);
    client.end();
  });
  test('in one text as well, and SET LOCAL holds until its end', async () => {
    const client = await world.gateway.login('ned', 'crm');
    expect(rows(await said(client, 'set search_path = evil; select ssn from patients'))).toEqual([['not a number']]);
    expect(
      rows(await said(client, 'set search_path = public; set local search_path = evil; select ssn from patients')),
    ).toEqual([['not a number']]);
    expect(rows(await said(client, 'select ssn from patients where id = 1'))).toEqual([['*******6789']]);
    client.end();
  });
  test('a schema that the role may not use is passed over, so such a text is not understood', async () => {
    const client = await world.gateway.login('ned', 'crm');
    expect(code(await said(client, 'set search_path = locked, public; select upper(ssn) from patients'))).toBe('42501');
    await said(client, 'set search_path = locked, public');
    expect(rows(await said(client, 'select ssn from patients where id = 1'))).toEqual([['*******6789']]);
    expect(code(await said(client, 'select upper(ssn) from patients'))).toBe('42501');
    expect(leaks(client)).toEqual([]);
    client.end();
  });
  test('a function before the system’s own is found', async () => {
    const client = await world.gateway.login('ned', 'crm');
    await said(client, 'set search_path = evil, pg_catalog');
    const refused = await said(client, "select lower('X')");
    expect(code(refused)).toBe('42501');
    expect(message(refused)).toMatch(/evil\.lower/);
    expect(rows(await said(client, "set search_path = public; select lower('X')"))).toEqual([['x']]);
    client.end();
  });
  test('set_config and RESET do the same', async () => {
    const client = await world.gateway.login('ned', 'crm');
    await said(client, "select set_config('search_path', 'evil', false)");
    expect(rows(await said(client, 'select ssn from patients'))).toEqual([['not a number']]);
    await said(client, 'reset search_path');
    expect(rows(await said(client, 'select ssn from patients where id = 1'))).toEqual([['*******6789']]);
    client.end();
  });
});

describe('a connection pool makes a session new again', () => {
  test.each([
    'DISCARD ALL',
    'DISCARD PLANS',
    'DISCARD TEMP',
    'DISCARD SEQUENCES',
    'SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL',
    'DEALLOCATE ALL',
  ])('%s', async (sql) => {
    const client = await world.gateway.login('ned', 'crm');
    await said(client, 'set search_path = evil');
    expect(code(await said(client, sql))).toBeUndefined();
    if (/ALL;? ?$|RESET/.test(sql) && !sql.startsWith('DEALL')) {
      expect(rows(await said(client, 'select ssn from patients where id = 1'))).toEqual([['*******6789']]);
    }
    client.end();
  });
  test('what was prepared is forgotten by DISCARD ALL, and by nothing less', async () => {
    const client = await world.gateway.login('ned', 'crm');
    await said(client, 'prepare p as select id from patients where id = 1');
    await said(client, 'discard plans');
    expect(rows(await said(client, 'execute p'))).toEqual([['1']]);
    await said(client, 'discard all');
    expect(code(await said(client, 'execute p'))).toBe('42501');
    expect(code(await said(client, 'prepare p as select id from patients where id = 2'))).toBeUndefined();
    expect(rows(await said(client, 'execute p'))).toEqual([['2']]);
    client.end();
  });
});
