import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { RawClient } from '../servers/raw-client.ts';
import { leaks } from './canary.ts';
import { ask, CANARIES_OF, MODES, startVault, taken } from './vault.ts';

/** A query with the columns `id` and `s` becomes another one with the same. */
type Construct = (inner: string) => string;

const SOURCE = 'select id, t as s from secrets';

const CONSTRUCTS: Readonly<Record<string, Construct>> = {
  'a derived table': (inner) => `select id, s from (${inner}) q`,
  'a derived table with column aliases': (inner) => `select a as id, b as s from (${inner}) q (a, b)`,
  'a CTE': (inner) => `with c as (${inner}) select id, s from c`,
  'a CTE with column aliases': (inner) => `with c (a, b) as (${inner}) select a as id, b as s from c`,
  'a CTE that has a table\'s name': (inner) => `with notes as (${inner}) select id, s from notes`,
  'a materialized CTE': (inner) => `with c as materialized (${inner}) select * from c`,
  'UNNEST with an alias': (inner) => `select 1 as id, u.s from unnest(array(select s from (${inner}) z)) as u (s)`,
  'a scalar subquery': (inner) => `select 1 as id, (select s from (${inner}) z order by id limit 1) as s`,
  'an arm of UNION': (inner) => `select id, note as s from notes union all (${inner})`,
  'an arm of UNION, first': (inner) => `(${inner}) union select 0, 'x'`,
  'an arm of EXCEPT': (inner) => `(${inner}) except select 0, 'x'`,
  'an arm of INTERSECT': (inner) => `(${inner}) intersect (${inner})`,
  LATERAL: (inner) => `select n.id, l.s from notes n, lateral (select s from (${inner}) z where z.id = n.id) l`,
  'LATERAL that names an outer column': (inner) => `select o.id, l.s from (${inner}) o, lateral (select o.s) l`,
  VALUES: (inner) => `select 1 as id, v.s from (values ((select s from (${inner}) z order by id limit 1))) v (s)`,
  'a window function': (inner) => `select id, first_value(s) over (partition by id) as s from (${inner}) z`,
  'a window in order of it': (inner) => `select id, lag(s, 0) over w as s from (${inner}) z window w as (order by s)`,
  USING: (inner) => `select id, s from (${inner}) z join notes using (id)`,
  'USING it': (inner) => `select z.id, s from (${inner}) z join (${inner}) y using (s)`,
  'a NATURAL join': (inner) => `select id, s from (${inner}) z natural join (${inner}) y`,
  'an outer join': (inner) => `select n.id, z.s from notes n left join (${inner}) z on z.id = n.id`,
  'a full join': (inner) => `select id, s from notes full join (${inner}) z using (id)`,
  'a join with an alias': (inner) => `select j.id, j.s from ((${inner}) z join notes n using (id)) as j`,
  'a recursive CTE': (inner) => `with recursive r as (${inner} union all select id + 10, s from r where id < 10) select id, s from r`,
  'a recursive CTE that turns its columns': (inner) =>
    `with recursive r (id, s, x) as (select id, 'x'::text, s from (${inner}) z union all select id, x, s from r where x <> 'x') select id, s from r`,
  'GROUP BY': (inner) => `select id, max(s) as s from (${inner}) z group by id`,
  'GROUP BY it': (inner) => `select min(id) as id, s from (${inner}) z group by s`,
  DISTINCT: (inner) => `select distinct id, s from (${inner}) z`,
  'DISTINCT ON': (inner) => `select distinct on (s) id, s from (${inner}) z`,
  CASE: (inner) => `select id, case when id > 0 then s end as s from (${inner}) z`,
  'a concatenation': (inner) => `select id, s || '' as s from (${inner}) z`,
  'an array and its element': (inner) => `select id, (array[s])[1] as s from (${inner}) z`,
  'a row and its field': (inner) => `select id, (q).s as s from (select id, z as q from (${inner}) z) y`,
  'JSON and its field': (inner) => `select id, to_jsonb(z) ->> 's' as s from (${inner}) z`,
  'ROWS FROM': (inner) => `select 1 as id, f.s from rows from (string_to_table((select string_agg(s, '~') from (${inner}) z), '~')) as f (s)`,
  'TABLE of a CTE': (inner) => `with c as (${inner}) table c`,
}; // biome-ignore format: a table

const CASES = Object.entries(CONSTRUCTS);

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let world: World;
  let direct: RawClient;

  beforeAll(async () => {
    world = await startVault(version);
    direct = await RawClient.login({ port: world.server.port, user: 'postgres', password: '', database: 'crm' });
  });
  afterAll(async () => {
    direct.end();
    await world.stop();
  });

  const shown = async (client: RawClient, sql: string, mode: (typeof MODES)[number]) => {
    taken(client);
    await ask(client, sql, mode);
    return leaks(taken(client), CANARIES_OF.t);
  };

  test.each(CASES)(`M3 %s carries no masked value out (PostgreSQL ${version})`, async (_, construct) => {
    const sql = construct(SOURCE);
    expect(await shown(direct, sql, 'simple')).not.toEqual([]);
    const client = await world.gateway.login('rob', 'crm');
    for (const mode of MODES) expect(await shown(client, sql, mode), `${mode}: ${sql}`).toEqual([]);
    client.end();
  });

  test.each(CASES)(`M3 %s around every other construct (PostgreSQL ${version})`, async (_, outer) => {
    const client = await world.gateway.login('rob', 'crm');
    let leaking = 0;
    for (const [, inner] of CASES) {
      const sql = outer(inner(SOURCE));
      if ((await shown(direct, sql, 'simple')).length > 0) leaking += 1;
      expect(await shown(client, sql, 'simple'), sql).toEqual([]);
      expect(await shown(client, sql, 'extended, binary'), sql).toEqual([]);
    }
    expect(leaking).toBeGreaterThanOrEqual(CASES.length / 2);
    client.end();
  });

  test(`M3 psql, every construct (PostgreSQL ${version})`, async () => {
    const input = `${CASES.map(([, construct]) => construct(SOURCE)).join(';\n')};\n`;
    const ran = await world.gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At'], { input });
    expect(leaks(ran.stdout + ran.stderr, CANARIES_OF.t)).toEqual([]);
  });

  test.each([
    'gold_cards', 'all_cards', 'lateral_cards', 'counted_cards', 'document_cards', 'recursive_cards', 'kept_cards',
    'nested_cards', 'generated_cards', 'older', 'younger', 'parted', 'parted_1',
  ])(`M3 %s, which comes from a masked column, is masked as it is (PostgreSQL ${version})`, async (relation) => {
    const { SSNS } = await import('./vault.ts');
    const client = await world.gateway.login('rob', 'crm');
    for (const mode of MODES) {
      const answer = await ask(client, `select * from ${relation}`, mode);
      expect(answer.some((message) => message.type === 'data-row'), mode).toBe(true);
      expect(leaks(taken(client), SSNS), mode).toEqual([]);
    }
    client.end();
  }); // biome-ignore format: a table
});
