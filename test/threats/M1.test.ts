import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { RawClient } from '../servers/raw-client.ts';
import { leaks, spelled } from './canary.ts';
import { ask, CANARIES_OF, COLUMNS, cellsOf, errorOf, MODES, startVault, taken } from './vault.ts';

/** Ways to take a value and show it otherwise; `x` is the column. Not every one is valid for every type. */
const WRAPPERS = [
  'x as alias', 'x::text', 'cast(x as varchar(9))', 'x::char(30)', "'<' || x || '>'", 'concat(x, 1)', 'concat_ws(x::text, 1, 2)',
  'upper(x::text)', 'initcap(x::text)', 'reverse(x::text)', 'substr(x::text, 1, 5)', 'substring(x::text from 2)',
  "translate(x::text, '0123', 'abcd')", "replace(x::text, 'a', 'b')", 'md5(x::text)', "sha256(convert_to(x::text, 'UTF8'))",
  "encode(convert_to(x::text, 'UTF8'), 'hex')", "encode(convert_to(x::text, 'UTF8'), 'base64')", 'x::text::bytea', 'x + 1',
  'x - x + x', 'abs(x)', "x::text || x::text", "lpad(x::text, 40, '.')", "overlay(x::text placing '#' from 1 for 1)", "split_part(x::text, '-', 2)",
  'to_json(x)', 'to_jsonb(x)', 'array[x]', 'row(x)', 'coalesce(x, null)', 'nullif(x, null)', 'greatest(x, x)', 'case when true then x end',
  'quote_literal(x::text)', "format('%s', x)", 'length(x::text)', 'ascii(x::text)', "regexp_replace(x::text, '(.)', '\\1 ', 'g')",
  'string_to_array(x::text, null)', 'unnest(string_to_array(x::text, null))', "x::text collate \"C\"", 'min(x)', 'max(x)',
  "string_agg(x::text, ',')", 'array_agg(x)', 'count(distinct x)', 'first_value(x) over ()', 'lag(x, 0) over ()', '(select x)',
  "json_build_object('k', x)", 'xmlelement(name e, x)', 'extract(epoch from x)', 'to_char(x, \'YYYYMMDD\')', 'date_part(\'year\', x)', 'host(x)',
  'x[1]', 'x <> x', 'x is null', 'pg_column_size(x)', 'hashtext(x::text)', 'x::regclass::text', 'trim(x::text)', "to_tsvector(x::text)",
]; // biome-ignore format: a list

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

  const statement = (wrapper: string, column: string) => `select ${wrapper.replace(/\bx\b/g, column)} from secrets`;

  describe.each(MODES)('%s', (mode) => {
    test.each(COLUMNS.map(({ type, name }) => [type, name] as const))(
      `M1 %s in ${WRAPPERS.length} wrappers shows nothing of a masked value (PostgreSQL ${version}, ${mode})`,
      async (_, name) => {
        const client = await world.gateway.login('rob', 'crm');
        const canaries = CANARIES_OF[name];
        const [valid, leaking] = [[] as string[], [] as string[]];
        for (const wrapper of WRAPPERS) {
          const sql = statement(wrapper, name);
          if (errorOf(await ask(direct, sql, mode)) === null) valid.push(wrapper);
          if (leaks(taken(direct), canaries).length > 0) leaking.push(wrapper);
          taken(client);
          const answer = await ask(client, sql, mode);
          const texts = cellsOf(answer).map((cell) => cell?.toString() ?? '');
          expect([...leaks(taken(client), canaries), ...spelled(texts, canaries)], sql).toEqual([]);
        }
        // The same statements, sent to the server itself, are valid and give the value away: the test can fail.
        expect(valid.length).toBeGreaterThanOrEqual(30);
        if (canaries.length > 0) expect(leaking.length).toBeGreaterThanOrEqual(12);
        await client.query('select 1');
        client.end();
      },
    );
  });

  test(`M1 a truth value comes out as NULL, whatever the format (PostgreSQL ${version})`, async () => {
    const client = await world.gateway.login('rob', 'crm');
    for (const mode of MODES) {
      expect(cellsOf(await ask(client, 'select f from secrets', mode)), mode).toEqual([null, null]);
    }
    for (const wrapper of [
      'f::int',
      'not f',
      'f::text',
      'f and true',
      'f is true',
      'case when f then 1 else 2 end',
      'count(*) filter (where f)',
    ]) {
      const answer = await client.query(`select ${wrapper} from secrets`);
      expect(errorOf(answer)?.C, wrapper).toBe('42501');
    }
    client.end();
  });

  test(`M1 psql shows nothing either (PostgreSQL ${version})`, async () => {
    const statements = COLUMNS.flatMap(({ name }) => WRAPPERS.slice(0, 20).map((wrapper) => statement(wrapper, name)));
    const ran = await world.gateway.psql('rob', 'crm', '', { input: '' });
    expect(ran.status).toBe(0);
    const script = await world.gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At'], {
      input: `${statements.join(';\n')};\n`,
    });
    for (const { name } of COLUMNS) expect(leaks(script.stdout + script.stderr, CANARIES_OF[name])).toEqual([]);
    expect(script.stderr.split('\n').filter((line) => line.startsWith('ERROR')).length).toBeGreaterThan(100);
  });
});
