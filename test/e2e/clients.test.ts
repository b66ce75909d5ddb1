import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CANARIES, startWorld, type World } from './world.ts';

/** Unchanged clients do their ordinary work through the gateway. */
let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  const report = await world.gateway.verify();
  await world.stop();
  expect(report).toMatchObject({ whole: true });
});

const python = (code: string) => world.gateway.run('ann', 'crm', '/usr/bin/python3', ['-c', code]);

describe('psql', () => {
  test('queries, and gets masked what is personal', async () => {
    const ran = await world.gateway.psql('ann', 'crm', 'select id, name, ssn from customers order by id limit 2');
    expect(ran).toMatchObject({ status: 0, stdout: '1|Ada Lovelace|*******6789\n2|Grace Hopper|*******7890\n' });
  });

  test('sees clear what the policy shows it', async () => {
    const ran = await world.gateway.psql('fay', 'crm', 'select ssn from customers where id = 1');
    expect(ran.stdout).toBe('123-45-6789\n');
  });

  test('describes tables, functions, roles and schemas with its backslash commands', async () => {
    const commands = [
      '\\d',
      '\\dt',
      '\\dt+',
      '\\d customers',
      '\\d+ orders',
      '\\dv',
      '\\di',
      '\\df',
      '\\dn',
      '\\du',
      '\\l',
      '\\dp',
      '\\conninfo',
    ];
    const ran = await world.gateway.psql('ann', 'crm', commands);
    expect(ran.stderr).toBe('');
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain('customers');
    expect(ran.stdout).toContain('gateway_rw');
  });

  test('is told what was refused and why, and goes on', async () => {
    const ran = await world.gateway.psql('ann', 'crm', ['drop table orders', 'select 1']);
    expect(ran.stdout).toBe('1\n');
    expect(ran.stderr).toContain('the schema is changed by migrations (rule no-drops)');
    expect(ran.stderr).toContain('HINT:');
  });

  test('runs scripts with transactions, savepoints and cursors', async () => {
    const script = `begin; savepoint a; select count(*) from orders; rollback to a;
declare c cursor for select id from orders order by id; fetch 3 from c; close c; commit;
prepare q(int) as select total > 0 from orders where id = $1; execute q(7); deallocate q;
set search_path = public; show search_path; reset search_path;`;
    const ran = await world.gateway.run('ann', 'crm', 'psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1'], {
      input: script,
    });
    expect(ran).toMatchObject({ status: 0, stderr: '', stdout: '200\n1\n2\n3\nt\npublic\n' });
  });

  test('copies out what is not masked, and is refused what is', async () => {
    const open = await world.gateway.psql('ann', 'crm', '\\copy (select id from orders order by id limit 2) to stdout');
    expect(open).toMatchObject({ status: 0, stdout: '1\n2\n' });
    const closed = await world.gateway.psql('ann', 'crm', 'copy customers to stdout');
    expect(closed.status).not.toBe(0);
    for (const canary of CANARIES) expect(closed.stdout + closed.stderr).not.toContain(canary);
  });

  test('with sslmode=prefer, require and disable gets the same answers', async () => {
    for (const PGSSLMODE of ['prefer', 'require', 'disable']) {
      const ran = await world.gateway.psql('ann', 'crm', 'select 42', { env: { PGSSLMODE, PGSSLROOTCERT: '' } });
      expect(ran, PGSSLMODE).toMatchObject({ status: 0, stdout: '42\n' });
    }
  });

  test('binds its login to the TLS channel when it is told to', async () => {
    const ran = await world.gateway.psql('ann', 'crm', 'select 1', { env: { PGCHANNELBINDING: 'require' } });
    expect(ran).toMatchObject({ status: 0, stdout: '1\n' });
  });
});

test('pg_dump dumps the schema', async () => {
  const ran = await world.gateway.run('max', 'crm', 'pg_dump', ['--schema-only', '--no-owner', '--no-privileges']);
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  expect(ran.stdout).toContain('CREATE TABLE public.customers');
});

test.each(['simple', 'extended', 'prepared'])('pgbench runs in its %s mode', async (mode) => {
  const script = join(world.gateway.directory, 'orders.sql');
  writeFileSync(script, '\\set id random(1, 200)\nselect total from orders where id = :id;\n');
  const ran = await world.gateway.run('ann', 'crm', 'pgbench', ['-n', '-M', mode, '-c', '4', '-t', '50', '-f', script]);
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout).toContain('number of transactions actually processed: 200/200');
});

test('psycopg binds, streams, pipelines and copies', async () => {
  const ran = await python(`
import psycopg
with psycopg.connect("") as c:
    print(c.execute("select id, ssn from customers where id = %s", (1,)).fetchone())
    print(c.execute("select total > %s from orders where id = any(%s) order by id", (0, [1, 2]), binary=True).fetchall())
    with c.cursor("named") as named:
        print(len(named.execute("select id from orders").fetchmany(5)))
    with c.pipeline():
        a = c.execute("select 1"); b = c.execute("select 2")
        print(a.fetchone(), b.fetchone())
    with c.cursor().copy("copy (select id from orders order by id limit 1) to stdout") as out:
        print(b"".join(bytes(part) for part in out))
    try:
        c.execute("select upper(ssn) from customers")
    except psycopg.errors.InsufficientPrivilege as e:
        print("refused", e.sqlstate)
    c.rollback()
    print(c.execute("select 'alive'").fetchone())
`);
  expect(ran.stderr).toBe('');
  expect(ran.stdout.split('\n')).toEqual([
    "(1, '*******6789')",
    '[(True,), (True,)]',
    '5',
    '(1,) (2,)',
    "b'1\\n'",
    'refused 42501',
    "('alive',)",
    '',
  ]);
});

test('asyncpg introspects, prepares, and reads binary rows', async () => {
  const ran = await python(`
import asyncio, asyncpg, os, ssl
async def main():
    context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    c = await asyncpg.connect(host="localhost", ssl=context)
    print(await c.fetchval("select $1::int + 1", 41))
    rows = await c.fetch("select id, ssn, plan from customers where id < $1 order by id", 3)
    print([(r["id"], r["ssn"]) for r in rows])
    print(await c.fetchval("select total from orders where id = $1", 7) is not None)
    async with c.transaction():
        print([r["id"] async for r in c.cursor("select id from orders order by id limit 3")])
    try:
        await c.execute("drop table orders")
    except asyncpg.InsufficientPrivilegeError as e:
        print("refused", e.sqlstate)
    print(await c.fetchval("select 1"))
    await c.close()
asyncio.run(main())
`);
  expect(ran.stderr).toBe('');
  expect(ran.stdout.split('\n')).toEqual([
    '42',
    "[(1, '*******6789'), (2, '*******7890')]",
    'True',
    '[1, 2, 3]',
    'refused 42501',
    '1',
    '',
  ]);
});

test('node-postgres queries with parameters and prepared names', async () => {
  const client = new pg.Client({
    host: 'localhost',
    port: world.gateway.port,
    user: 'ann',
    password: await world.gateway.token('ann'),
    database: 'crm',
    ssl: { ca: readFileSync(join(world.gateway.directory, 'data', 'ca.pem'), 'utf8') },
  });
  await client.connect();
  try {
    for (let round = 0; round < 3; round += 1) {
      const { rows } = await client.query({
        name: 'one',
        text: 'select ssn, email from customers where id = $1',
        values: [3],
      });
      expect(rows).toEqual([{ ssn: '*******8901', email: expect.stringMatching(/^\*+\.com$/) }]);
    }
    await expect(client.query('drop table orders')).rejects.toMatchObject({ code: '42501' });
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await client.end();
  }
});
