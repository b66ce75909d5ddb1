import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { RawClient } from '../servers/raw-client.ts';
import { cellsOf, errorOf, startVault } from './vault.ts';

/**
 * Questions whose answer differs with a condition on a masked column: `$c` is the condition, over the column `t` of the row
 * `s` of `secrets` with the id 1.
 */
const ORACLES: Readonly<Record<string, string>> = {
  WHERE: 'select id from secrets s where id = 1 and $c',
  'WHERE, negated': 'select id from secrets s where id = 1 and not ($c)',
  'WHERE in a join': 'select n.id from notes n join secrets s on s.id = n.secret_id where s.id = 1 and $c',
  HAVING: 'select count(*) from secrets s where id = 1 group by t having $c',
  'HAVING without GROUP BY': 'select count(*) from secrets s where id = 1 having bool_and($c)',
  'JOIN ON': 'select n.id from notes n join secrets s on s.id = 1 and $c',
  'LEFT JOIN ON': 'select s.pub from notes n left join secrets s on s.id = 1 and $c where n.id = 1',
  'NATURAL JOIN': 'select q.id from secrets s natural join (select $g as t) q',
  'JOIN USING': 'select s.id from secrets s join (select $g as t) q using (t)',
  'ORDER BY': 'select pub from (select pub, t from secrets s where id = 1 union all select $l, $g) s order by t limit 1',
  'ORDER BY an expression': "select id from secrets s order by (s.id = 1 and $c) limit 1",
  'ORDER BY a position': 'select * from secrets order by 3 limit 1',
  'GROUP BY': 'select count(*) from secrets s where id = 1 group by $c having count(*) filter (where $c) = 1',
  DISTINCT: 'select count(*) from (select distinct $c or id = 2 as b from secrets s) q',
  'DISTINCT ON': 'select distinct on (t) id from secrets s where $c',
  CASE: 'select case when $c then 1 else 0 end from secrets s where id = 1',
  'CASE in a sum': 'select sum(case when id = 1 and $c then 1 else 0 end) from secrets s',
  FILTER: 'select count(*) filter (where id = 1 and $c) from secrets s',
  LIKE: "select id from secrets s where id = 1 and t like $p || '%'",
  'a regular expression': "select id from secrets s where id = 1 and t ~ ('^' || $p)",
  'SIMILAR TO': "select id from secrets s where id = 1 and t similar to $p || '%'",
  'starts_with': 'select id from secrets s where id = 1 and starts_with(t, $p)',
  'BETWEEN': "select id from secrets s where id = 1 and t between '' and $g",
  'min': 'select min(t) <= $g from secrets s where id = 1',
  'max of a comparison': 'select max(($c)::int) from secrets s where id = 1',
  'rank over it': 'select rank() over (order by $c) from secrets s where id = 1 or id = 2',
  'a window in order of it': 'select id, row_number() over (order by t) from secrets s where $c',
  LIMIT: 'select id from notes limit (select ($c)::int from secrets s where id = 1)',
  OFFSET: 'select id from notes offset (select ($c)::int * 3 from secrets s where id = 1)',
  'FETCH WITH TIES': 'select id from secrets s order by $c fetch first 1 rows with ties',
  EXISTS: 'select 1 from notes where exists (select 1 from secrets s where s.id = 1 and $c)',
  'EXISTS over a set operation': 'select id from secrets s where id = 1 and exists (select s.t intersect select $w)',
  'EXISTS over EXCEPT': 'select id from secrets s where id = 1 and exists (select s.t except select $w)',
  'EXISTS over a row': 'select id from secrets s where id = 1 and exists (select s intersect select s from secrets s where $c)',
  'EXISTS over a grouped row': 'select id from secrets s where id = 1 and exists (select s.t from notes group by s.t having $c)',
  'EXISTS over DISTINCT': 'select id from secrets s where id = 1 and exists (select s.t union select $g order by 1 offset 1)',
  'NOT EXISTS': 'select 1 from notes where not exists (select 1 from secrets s where s.id = 1 and $c)',
  IN: 'select 1 from notes where $w in (select t from secrets)',
  'IN, turned': 'select id from secrets s where id = 1 and t in ($w, $g)',
  ANY: 'select 1 from notes where $g >= any (select t from secrets where id = 1)',
  ALL: 'select 1 from notes where $g >= all (select t from secrets where id = 1)',
  'IS DISTINCT FROM': 'select id from secrets s where id = 1 and t is distinct from $w',
  'a row comparison': 'select id from secrets s where row(id, t) <= row(1, $g)',
  'a whole row comparison': 'select id from secrets s where s = s and $c',
  EXCEPT: 'select t from secrets where id = 1 except select $w',
  INTERSECT: 'select t from secrets intersect select $w',
  UNION: 'select count(*) from (select t from secrets where id = 1 union select $w) q',
  'division by zero': 'select 1 / ($c)::int from secrets s where id = 1',
  'a cast that fails': "select (case when $c then '1' else 'x' end)::int from secrets s where id = 1",
  'an array index': 'select (array[0, 1])[($c)::int + 1] from secrets s where id = 1',
  'generate_series': 'select generate_series(1, ($c)::int) from secrets s where id = 1',
  'a lateral function': 'select g from secrets s, generate_series(1, ($c)::int) g where s.id = 1',
  'a CTE': 'with s as (select * from secrets where id = 1) select 1 from s where $c',
  'EXPLAIN': 'explain select id from secrets s where t = $w',
  'EXPLAIN ANALYZE': 'explain (analyze, timing off) select id from secrets s where id = 1 and $c',
  'a view\'s column': "select id from gold_cards g where area <= $g",
  'a cursor': 'declare c cursor with hold for select id from secrets s where id = 1 and $c',
  'PREPARE': 'prepare q as select id from secrets s where id = 1 and $c',
  'DELETE RETURNING': 'delete from mine using secrets s where s.id = 1 and $c returning 1',
  'a row lock': 'select id from secrets s where id = 1 and $c for update',
  TABLESAMPLE: 'select s.id from secrets s tablesample bernoulli (100) where id = 1 and $c',
  'jsonb': "select to_jsonb(s) @> jsonb_build_object('t', $w) from secrets s where id = 1",
  'jsonpath': "select jsonb_path_exists(to_jsonb(s), '$$.t ? (@ <= \"m\")') from secrets s where id = 1",
  'num_nulls': "select num_nulls(nullif($c, false)) from secrets s where id = 1",
  'width_bucket': "select width_bucket(t, array[$w, $g]) from secrets s where id = 1",
  'a foreign key\'s end': 'select ref from points_at where ref <= $g',
  'a generated column': 'select id from generated_cards where area <= $g',
  'an inherited column': 'select id from younger where ssn <= $g',
  'a partition\'s column': 'select id from parted_1 where ssn <= $g',
}; // biome-ignore format: a table

const SECRET = 'kz4qx-9w7vj-qz8wx';
const ALPHABET = '-0123456789abcdefghijklmnopqrstuvwxyz';
const QUERIES = 10_000;
const TIME_MS = 60_000;

/** The question whether the value is not beyond `prefix` followed by that character. */
function question(oracle: string, prefix: string, character: string): string {
  const guess = `'${prefix}${character}~'`;
  const values: Readonly<Record<string, string>> = {
    c: `(s.t collate "C" <= ${guess})`,
    g: guess,
    p: `'${prefix}${character}'`,
    w: `'${prefix}${character}'`,
    l: `'guessed'`,
    $: '$',
  };
  return oracle.replace(/\$([cgpwl$])/g, (_, name: string) => values[name] ?? '');
}

/** What the attacker sees of an answer: rows, error or not, and nothing that depends on the text of his question. */
async function seen(client: RawClient, sql: string): Promise<string> {
  const answer = await client.query(sql);
  const error = errorOf(answer);
  if (error !== null) return `error ${error.C}`;
  return cellsOf(answer)
    .map((cell) => cell?.toString() ?? 'NULL')
    .join('|');
}

interface Game {
  readonly recovered: string;
  readonly queries: number;
}

/** Binary search for each character in turn: an answer that says the same for everything says nothing. */
async function play(
  client: RawClient,
  oracle: string,
  known: string,
  queries_max: number,
  deadline: number,
): Promise<Game> {
  let recovered = known;
  let queries = 0;
  while (queries < queries_max && Date.now() < deadline && recovered.length < SECRET.length) {
    // What a condition that holds, and one that does not, look like.
    const [yes, no] = [await seen(client, question(oracle, '~', '~')), await seen(client, question(oracle, ' ', ' '))];
    queries += 2;
    let [low, high] = [0, ALPHABET.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      const answer = await seen(client, question(oracle, recovered, ALPHABET.charAt(middle)));
      queries += 1;
      if (yes !== no && answer === yes) high = middle;
      else low = middle + 1;
    }
    if (yes === no) break;
    recovered += ALPHABET.charAt(low);
  }
  return { recovered: recovered.slice(known.length), queries };
}

/** Characters at their right places, from the first. */
function right(recovered: string): number {
  let count = 0;
  while (count < recovered.length && recovered[count] === SECRET[count]) count += 1;
  return count;
}

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let world: World;
  let client: RawClient;
  let direct: RawClient;

  beforeAll(async () => {
    world = await startVault(version);
    client = await world.gateway.login('wes', 'crm');
    direct = await RawClient.login({ port: world.server.port, user: 'postgres', password: '', database: 'crm' });
  });
  afterAll(async () => {
    client.end();
    direct.end();
    await world.stop();
  });

  test.each(Object.entries(ORACLES))(
    `M5 %s answers a condition on a masked column always alike (PostgreSQL ${version})`,
    async (_, oracle) => {
      const guesses = [
        ['', '~'],
        [' ', ' '],
        ['', 'k'],
        ['', 'a'],
        ['kz4qx-9w7vj-qz8wx', ''],
        ['kz4qx-9w7vj-qz8w', 'x'],
        ['kz4qx-', 'a'],
        ['zz', 'z'],
      ] as const;
      const answers = new Set<string>();
      for (const [prefix, character] of guesses) answers.add(await seen(client, question(oracle, prefix, character)));
      expect([...answers]).toHaveLength(1);
      for (const [prefix, character] of guesses) {
        client.send(
          { type: 'parse', statement: '', text: Buffer.from(question(oracle, prefix, character)), parameterTypes: [] },
          { type: 'bind', portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [1] },
          { type: 'execute', portal: '', rowsMax: 0 },
          { type: 'sync' },
        );
        const answer = await client.until('ready-for-query');
        expect(errorOf(answer)?.C, question(oracle, prefix, character)).toBe('42501');
      }
    },
  );

  test(`M5 the attacker finds everything where nothing stands between (PostgreSQL ${version})`, async () => {
    for (const oracle of ['WHERE', 'CASE', 'division by zero', 'EXISTS', 'LIMIT']) {
      const { recovered } = await play(direct, ORACLES[oracle] ?? '', '', 500, Date.now() + 30_000);
      expect(recovered, oracle).toBe(SECRET);
    }
  });

  test(
    `M5 ${QUERIES} questions of a binary search recover no character (PostgreSQL ${version})`,
    async () => {
      const deadline = Date.now() + TIME_MS;
      let queries = 0;
      let recovered = 0;
      // Each oracle again and again, with a little known beforehand in case that helps.
      for (let round = 0; queries < QUERIES && Date.now() < deadline; round += 1) {
        for (const oracle of Object.values(ORACLES)) {
          const known = SECRET.slice(0, round % (SECRET.length - 4));
          const game = await play(client, oracle, known, QUERIES - queries, deadline);
          queries += game.queries;
          recovered += right(known + game.recovered) - known.length;
          if (queries >= QUERIES || Date.now() > deadline) break;
        }
      }
      expect(recovered).toBe(0);
      expect(queries).toBeGreaterThanOrEqual(QUERIES);
    },
    TIME_MS + 30_000,
  );
});
