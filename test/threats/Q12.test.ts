import { expect, test } from 'vitest';
import { LIMITS } from '../../src/core/limits.ts';
import type { RawClient } from '../servers/raw-client.ts';
import { effects, house, nothingOf } from './tricks.ts';
import { errorOf, extended } from './vault.ts';

const at = house();
const MEBIBYTE = 1 << 20;

const memory_bytes = async () => {
  const { readFileSync } = await import('node:fs');
  const status = readFileSync(`/proc/${at.world().gateway.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? '0') * 1024;
};

/** Sent, refused (or answered) in time, nothing of it at the target, and others are served. */
async function attempt(
  sql: string,
  bound: { readonly time_ms: number; readonly memory_bytes: number },
  refused = true,
): Promise<void> {
  const world = at.world();
  const before = await effects(world);
  for (const way of ['simple', 'extended'] as const) {
    const client: RawClient = await world.gateway.login('rob', 'crm');
    const other: RawClient = await world.gateway.login('wes', 'crm');
    const held_bytes = await memory_bytes();
    world.tap.reset();
    const started = Date.now();
    if (way === 'simple') client.send({ type: 'query', text: Buffer.from(sql) });
    else client.send(...extended(sql));
    const answer = await client.until('ready-for-query', bound.time_ms);
    expect(Date.now() - started).toBeLessThan(bound.time_ms);
    expect((await memory_bytes()) - held_bytes).toBeLessThan(bound.memory_bytes);
    if (refused) {
      expect(errorOf(answer)?.C).toMatch(/^(54\d{3}|42501|42601)$/);
      nothingOf(world, { sql: sql.slice(0, 1_000), never: 'victims' }, way);
    }
    expect(errorOf(await client.query('select 1'))).toBeNull();
    expect(errorOf(await other.query('select 1'))).toBeNull();
    client.end();
    other.end();
  }
  expect(await effects(world)).toEqual(before);
}

test('Q12 a text at the limit is understood, and refused for what it does', async () => {
  const text = `drop table victims -- ${'x'.repeat(LIMITS.statement_bytes_max)}`.slice(0, LIMITS.statement_bytes_max);
  await attempt(text, { time_ms: 10_000, memory_bytes: 512 * MEBIBYTE });
});

test('Q12 a text above the limit is refused unread', async () => {
  await attempt(`select '${'x'.repeat(LIMITS.statement_bytes_max)}'; drop table victims`, {
    time_ms: 10_000,
    memory_bytes: 512 * MEBIBYTE,
  });
});

test('Q12 a query that says it has 1 GB is refused by its length, before a byte of it is kept', async () => {
  const world = at.world();
  const client = await world.gateway.login('rob', 'crm');
  const held_bytes = await memory_bytes();
  world.tap.reset();
  const header = Buffer.from([0x51, 0, 0, 0, 0]);
  header.writeInt32BE(1 << 30, 1);
  client.write(header);
  client.write(Buffer.alloc(MEBIBYTE, 0x78));
  await client.closed();
  const last = client.pending().at(-1);
  expect(last?.type === 'error' && last.fields.V).toBe('FATAL');
  expect((await memory_bytes()) - held_bytes).toBeLessThan(64 * MEBIBYTE);
  expect(world.tap.messages().filter(({ type }) => type === 'query')).toEqual([]);
  const next = await world.gateway.login('rob', 'crm');
  expect(errorOf(await next.query('select 1'))).toBeNull();
  next.end();
});

test.each([
  ['100,000 elements of IN', `select 1 from notes where id in (${Array.from({ length: 100_000 }, (_, each) => each).join(',')})`, false],
  ['100,000 elements of IN, and a write behind', `select 1 from victims where id in (${Array.from({ length: 100_000 }, (_, each) => each).join(',')}); drop table victims`, true],
  ['100,000 rows of VALUES into a table', `insert into victims values ${Array.from({ length: 100_000 }, (_, each) => `(${each + 100}, 'x')`).join(',')}`, true],
  ['10,000 statements', `${'select 1;'.repeat(10_000)} drop table victims`, true],
  ['parentheses nested 10,000 deep', `select ${'('.repeat(10_000)}1${')'.repeat(10_000)} from victims`, true],
  ['sub-selects nested 10,000 deep', `${'select (select '.repeat(10_000)}1${')'.repeat(10_000)} from victims`, true],
  ['10,000 operators in a row', `select 1 from victims where ${'not '.repeat(10_000)} true`, true],
  ['10,000 ANDs', `select 1 from notes where ${Array.from({ length: 10_000 }, (_, each) => `id <> ${each}`).join(' and ')}`, false],
  ['10,000 concatenations', `select ${Array.from({ length: 10_000 }, () => "'a'").join(' || ')} from victims; drop table victims`, true],
  ['CASE nested 10,000 deep', `select ${'case when true then '.repeat(10_000)}1${' end'.repeat(10_000)} from victims`, true],
  ['casts in a chain of 10,000', `select 1${'::int'.repeat(10_000)} from victims`, true],
  ['array brackets nested 10,000 deep', `select array${'['.repeat(10_000)}1${']'.repeat(10_000)} from victims`, true],
  ['comments nested 10,000 deep', `${'/*'.repeat(10_000)}${'*/'.repeat(10_000)} drop table victims`, true],
  ['derived tables nested 2,000 deep', `${'select * from ('.repeat(2_000)}select * from victims${') q'.repeat(2_000)}`, true],
  ['joins of 2,000', `select 1 from victims a0 ${Array.from({ length: 2_000 }, (_, each) => `join victims a${each + 1} using (id)`).join(' ')}; drop table victims`, true],
  ['recursive CTEs nested 200 deep, each walked twice', `${'with recursive r as ('.repeat(200)}select 1${') select * from r'.repeat(200)}; drop table victims`, true],
  ['UNIONs of 5,000', `${'select 1 union all '.repeat(5_000)}select id from victims; drop table victims`, true],
  ['a name of a mebibyte', `select 1 as "${'a'.repeat(MEBIBYTE)}"; drop table victims`, true],
  ['a number of a mebibyte', `select ${'9'.repeat(MEBIBYTE)}; drop table victims`, true],
  ['a string of 4 MiB', `delete from victims where body = '${'x'.repeat(4 * MEBIBYTE)}'`, true],
  ['dollar quotes of 10,000 tags', `select ${Array.from({ length: 10_000 }, (_, each) => `$t${each}$x$t${each}$`).join(',')}; drop table victims`, true],
] as const)('Q12 %s: bounded time and memory', async (_, sql, refused) => {
  await attempt(sql, { time_ms: 10_000, memory_bytes: 768 * MEBIBYTE }, refused);
}); // biome-ignore format: a table

test('Q12 psql with 100,000 elements of IN is answered', async () => {
  const sql = `select count(*) from notes where id in (${Array.from({ length: 100_000 }, (_, each) => each).join(',')});\n`;
  const ran = await at.world().gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At'], { input: sql });
  expect(ran).toMatchObject({ status: 0, stdout: '3\n' });
});
