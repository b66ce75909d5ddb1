import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackendMessage, FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import type { World } from '../e2e/world.ts';
import type { RawClient } from '../servers/raw-client.ts';
import { ask, errorOf, type Mode, startVault } from './vault.ts';

/**
 * One way to have the server do what a reader may not. Three people try: rob, who may only read; ann, whose writes wait for
 * somebody; both by raw messages, simple and extended, text and binary; and rob by psql.
 */
export interface Trick {
  readonly name: string;
  readonly sql: string;
  /** Sent and allowed before; each must pass. */
  readonly before?: readonly string[];
  /** Bytes that may not reach the target, other than the text itself. */
  readonly never?: string;
  /** psql cannot send it as it is (it splits at semicolons, or takes a backslash for its own). */
  readonly notByPsql?: boolean;
  /** It is harmless as the server reads it: it is understood, passes, and gives these cells. */
  readonly gives?: readonly (string | null)[];
  /** The server refuses it by itself, for everybody; it may reach it. SQLSTATE class. */
  readonly failsAtServer?: string;
}

export interface House {
  readonly world: () => World;
}

/** Starts one vault for the file; after every trick the database is as it was. */
export function house(version: 15 | 18 = 15): House {
  let world: World | null = null;
  beforeAll(async () => {
    world = await startVault(version);
  });
  afterAll(async () => {
    const report = await world?.gateway.verify();
    await world?.stop();
    expect(report).toMatchObject({ whole: true });
  });
  return {
    world: () => {
      if (world === null) throw new Error('the world has not started');
      return world;
    },
  };
}

const MODES: readonly Mode[] = ['simple', 'extended, text', 'extended, binary'];

export function tricks(id: string, { world }: House, list: readonly Trick[]): void {
  describe(id, () => {
    test.each(list.map((trick) => [trick.name, trick] as const))(`${id} %s`, async (_, trick) => {
      const before = await effects(world());
      for (const account of ['rob', 'ann'] as const) {
        for (const mode of MODES) {
          const client = await world().gateway.login(account, 'crm');
          for (const sql of trick.before ?? []) expect(errorOf(await client.query(sql)), sql).toBeNull();
          await attempt(world(), client, trick, mode, `${account}, ${mode}: ${trick.sql.slice(0, 200)}`);
          client.end();
        }
      }
      if (trick.notByPsql !== true) await byPsql(world(), trick);
      expect(await effects(world())).toEqual(before);
    });
  });
}

async function attempt(world: World, client: RawClient, trick: Trick, mode: Mode, what: string): Promise<void> {
  world.tap.reset();
  const answer = await heard(client, trick.sql, mode);
  if (trick.gives !== undefined) {
    expect(errorOf(answer.messages), what).toBeNull();
    if (mode !== 'extended, binary') {
      const cells = answer.messages.flatMap((message) => (message.type === 'data-row' ? message.values : []));
      expect(
        cells.map((cell) => cell?.toString() ?? null),
        what,
      ).toEqual(trick.gives);
    }
  } else if (trick.failsAtServer !== undefined) {
    expect(errorOf(answer.messages)?.C?.slice(0, 2), what).toBe(trick.failsAtServer);
  } else {
    const several = errorOf(answer.messages)?.C === '42601';
    if ((answer.held || several) && mode !== 'simple') {
      // A Parse may cross before anybody is asked, since clients cannot bind without its answer; nothing runs before a Bind.
      expect(boundAfter(world, trick.sql), what).toEqual([]);
      return;
    }
    nothingOf(world, trick, what);
    // Held for somebody to approve: nobody does, and the client goes.
    if (answer.held) return;
    const error = errorOf(answer.messages);
    expect(error?.C, `${what} → ${error?.M}`).toMatch(/^(42501|22021|54000|42601|0A000)$/);
    expect(error?.V).toBe('ERROR');
    expect(answer.messages.at(-1)?.type).toBe('ready-for-query');
  }
  // Whatever it was, the session lives.
  if ((trick.before ?? []).some((sql) => sql.startsWith('begin'))) await client.query('rollback');
  const alive = await client.query('select 42');
  expect(errorOf(alive), `${what}, and then select 42`).toBeNull();
}

/** What the target was told to run of that text: each connection's messages stand in order. */
function boundAfter(world: World, sql: string): readonly FrontendMessage[] {
  const run: FrontendMessage[] = [];
  let parsed = '';
  for (const message of world.tap.messages()) {
    if (message.type === 'parse') parsed = message.text.toString();
    else if (message.type === 'query' && message.text.toString() === sql) run.push(message);
    else if ((message.type === 'bind' || message.type === 'execute') && parsed === sql) run.push(message);
  }
  return run;
}

/** No byte of the action: neither the text nor what stands for it. */
export function nothingOf(world: World, { sql, never }: Pick<Trick, 'sql' | 'never'>, what: string): void {
  expect(world.tap.sent().includes(sql), what).toBe(false);
  for (const message of world.tap.messages()) {
    if (message.type !== 'query' && message.type !== 'parse') continue;
    const text = message.text.toString();
    // What is asked about names comes with the names as parameters, so texts hold none of them.
    expect(text.toLowerCase().includes(never ?? 'victims'), `${what}: ${never ?? 'victims'}`).toBe(false);
    // A message that must fail stands for the refused one; everything else is what the gateway asks for itself.
    const own = text === ')' || /pg_catalog\.|^(begin|commit|rollback|set )/i.test(text);
    expect(own, `${what}: ${text.slice(0, 100)}`).toBe(true);
  }
}

interface Heard {
  readonly messages: readonly BackendMessage[];
  readonly held: boolean;
}

/** The answer, or as much of it as comes before the gateway says that it waits for somebody. */
export async function heard(client: RawClient, sql: string, mode: Mode): Promise<Heard> {
  const answer = ask(client, sql, mode).then(
    (messages) => ({ messages, held: false }),
    (error: unknown) => {
      throw error;
    },
  );
  answer.catch(() => {});
  const held = (async () => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const received = Buffer.concat(client.received.slice(-3));
      if (received.includes('01000') && received.includes('approv')) return { messages: [], held: true };
      if (client.isClosed) return { messages: [], held: false };
    }
  })();
  return Promise.race([answer, held]);
}

async function byPsql(world: World, trick: Trick): Promise<void> {
  world.tap.reset();
  const input = `${[...(trick.before ?? []), trick.sql].join(';\n')}\n;\nselect 'alive';\n`;
  const ran = await world.gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At'], { input });
  expect(ran.stdout, trick.sql).toContain('alive');
  expect(ran.status).toBe(0);
  if (trick.gives === undefined) expect(ran.stderr, trick.sql).toMatch(/ERROR/);
  if (trick.gives === undefined && trick.failsAtServer === undefined) {
    expect(world.tap.sent().includes(trick.sql), trick.sql).toBe(false);
  }
}

/** All that a trick could have changed at the server, as its superuser sees it. */
export async function effects(world: World): Promise<unknown> {
  const admin = await world.server.client('crm');
  const { rows } = await admin.query(`select
    (select md5(string_agg(v::text, ',' order by id)) from victims v) as victims,
    (select md5(string_agg(c::text, ',' order by id)) from customers c) as customers,
    (select md5(string_agg(o::text, ',' order by id)) from orders o) as orders,
    (select count(*)::int from mine) as mine,
    (select md5(string_agg(relname || relkind::text, ',' order by oid)) from pg_class where relnamespace <> 'pg_toast'::regnamespace) as relations,
    (select md5(string_agg(proname || prosrc, ',' order by oid)) from pg_proc) as functions,
    (select md5(string_agg(r::text, ',' order by oid)) from pg_roles r) as roles,
    (select md5(string_agg(d.datname || coalesce(d.datacl::text, ''), ',' order by oid)) from pg_database d) as databases,
    (select count(*)::int from pg_db_role_setting) as settings,
    (select count(*)::int from pg_largeobject_metadata) as objects,
    (select count(*)::int from pg_extension) as extensions,
    (select last_value::int from counter) as counter,
    (select count(*)::int from pg_prepared_xacts) as prepared,
    (select count(*)::int from pg_ls_dir('.') f where f like 'sallyport%') as files`);
  await admin.end();
  return rows;
}
