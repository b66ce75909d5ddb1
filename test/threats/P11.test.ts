import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BackendMessage, FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { RawClient } from '../servers/raw-client.ts';
import { expectUnseen } from './attack.ts';
import { seeded } from './seeded.ts';

/**
 * A denied statement amid allowed ones: the client sees what it would see of a server at which that statement fails.
 * The server itself is the oracle: it plays the same pipeline, with a statement that really fails in that place.
 */
let world: World;
beforeAll(async () => {
  world = await startWorld({ sql: 'alter role gateway_rw set statement_timeout = 0' });
});
afterAll(async () => {
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  await world.stop();
});

const DENIED = 'drop table orders /* zz-denied-zz */';
/** Fails when it is analysed, as a denied statement is refused at Parse. */
const FAILING = 'select no_such_column_at_all from orders';

type Step = (bad: string) => readonly FrontendMessage[];

const parse = (sql: string, statement = ''): FrontendMessage => ({
  type: 'parse',
  statement,
  text: Buffer.from(sql),
  parameterTypes: [],
});
const bind = (statement = '', portal = ''): FrontendMessage => ({
  type: 'bind',
  portal,
  statement,
  parameterFormats: [],
  parameters: [],
  resultFormats: [],
});
const execute = (portal = '', rowsMax = 0): FrontendMessage => ({ type: 'execute', portal, rowsMax });
const SYNC: FrontendMessage = { type: 'sync' };
const FLUSH: FrontendMessage = { type: 'flush' };
const query = (sql: string): FrontendMessage => ({ type: 'query', text: Buffer.from(sql) });

const GOOD: readonly Step[] = [
  () => [parse('select 1'), bind(), execute()],
  () => [
    parse('select id from orders where id < 4 order by id'),
    bind(),
    { type: 'describe', what: 'portal', name: '' },
    execute(),
  ],
  () => [parse('select id from orders order by id'), bind(), execute('', 3), execute('', 2)],
  () => [parse('select 5 as five'), { type: 'describe', what: 'statement', name: '' }, bind(), execute()],
  () => [FLUSH],
  () => [SYNC],
  () => [SYNC, query('select 2')],
  () => [SYNC, query('select 3; select 4')],
  () => [SYNC, query('')],
  () => [SYNC, query('begin')],
  () => [SYNC, query('commit')],
  () => [SYNC, query('rollback')],
  () => [{ type: 'close', what: 'statement', name: 'nobody' }],
  () => [parse('begin'), bind(), execute()],
];
const BAD: readonly Step[] = [
  (bad) => [parse(bad), bind(), execute()],
  (bad) => [parse(bad, 'named'), bind('named', 'p'), { type: 'describe', what: 'portal', name: 'p' }, execute('p')],
  (bad) => [parse(bad), FLUSH, bind(), execute()],
  (bad) => [SYNC, query(bad)],
];

/** What the order of messages is made of: types, tags of commands, states; of errors only that they are. */
function shape(messages: readonly BackendMessage[]): readonly string[] {
  return messages
    .filter(({ type }) => type !== 'parameter-status' && type !== 'notice')
    .map((message) => {
      switch (message.type) {
        case 'command-complete':
          return message.tag;
        case 'ready-for-query':
          return `ready ${message.status}`;
        case 'error':
          return `error ${message.fields.S}`;
        case 'data-row':
          return `row ${message.values.map(String).join(',')}`;
        default:
          return message.type;
      }
    });
}

async function played(client: RawClient, pipeline: readonly FrontendMessage[]): Promise<readonly string[]> {
  client.send(...pipeline);
  const expected = pipeline.filter(({ type }) => type === 'sync' || type === 'query').length;
  const messages: BackendMessage[] = [];
  let ready = 0;
  while (ready < expected) {
    const message = await client.next(20_000);
    messages.push(message);
    if (message.type === 'ready-for-query') ready += 1;
  }
  return shape(messages);
}

const direct = () =>
  RawClient.login({ port: world.server.port, user: 'gateway_rw', password: 'rw-demo', database: 'crm' });

function pipeline(below: (max: number) => number, bad: string): readonly FrontendMessage[] {
  const steps = Array.from({ length: 2 + below(7) }, () => GOOD[below(GOOD.length)]);
  const at = below(steps.length + 1);
  const [count, kind] = [1 + below(2), below(BAD.length)];
  for (let time = 0; time < count; time += 1) steps.splice(at, 0, BAD[(kind + time) % BAD.length]);
  return [...steps.flatMap((step) => step?.(bad) ?? []), SYNC];
}

const SEEDS = Array.from({ length: 100 }, (_, at) => at + 1);

test('P11 a hundred random pipelines with a denied statement are answered in the server’s own order', async () => {
  world.tap.reset();
  const different: unknown[] = [];
  for (const seed of SEEDS) {
    const [client, server] = await Promise.all([world.gateway.login('ann', 'crm'), direct()]);
    const [told, real] = await Promise.all([
      played(client, pipeline(seeded(seed), DENIED)).catch((fault: Error) => [fault.message]),
      played(server, pipeline(seeded(seed), FAILING)).catch((fault: Error) => [fault.message]),
    ]);
    const at = told.findIndex((one, index) => one !== real[index]);
    if (at >= 0 || told.length !== real.length) {
      const from = Math.max(0, at - 3);
      const sent = pipeline(seeded(seed), 'BAD').map(label).join('; ');
      different.push({ seed, sent, told: told.slice(from).join(', '), real: real.slice(from).join(', ') });
    }
    client.end();
    server.end();
  }
  expect(different).toEqual([]);
  expectUnseen(world, 'zz-denied-zz');
}, 180_000);

function label(message: FrontendMessage): string {
  return 'text' in message ? `${message.type} ${message.text}` : message.type;
}

test('P11 a denied statement rolls back what its pipeline has written, as a failed one does', async () => {
  const client = await world.gateway.login('max', 'crm');
  const ann = await world.gateway.login('fay', 'crm');
  const before = await ann.query('select count(*) from orders');
  client.send(
    parse("insert into orders values (9001, 1, 1, '2026-01-01')"),
    bind(),
    execute(),
    parse("copy orders from program 'true' /* zz-denied-zz */"),
    bind(),
    execute(),
    SYNC,
  );
  const answer = shape(await client.until('ready-for-query'));
  expect(answer.at(-1)).toBe('ready I');
  expect(answer).toContain('INSERT 0 1');
  expect(shape(await ann.query('select count(*) from orders'))).toEqual(shape(before));
  client.end();
  ann.end();
});

test('P11 without a Sync nothing more is answered after a denial, however much is flushed', async () => {
  const client = await world.gateway.login('ann', 'crm');
  client.send(
    parse('select 1'),
    bind(),
    execute(),
    parse(DENIED),
    bind(),
    execute(),
    FLUSH,
    parse('select 2'),
    bind(),
    execute(),
    FLUSH,
  );
  const answer = shape(await client.until('error'));
  expect(answer).toEqual(['parse-complete', 'bind-complete', 'row 1', 'SELECT 1', 'error ERROR']);
  await expect(client.next(500)).rejects.toThrow('nothing came');
  client.send(SYNC);
  expect(shape(await client.until('ready-for-query'))).toEqual(['ready I']);
  client.end();
});

test('P11 psycopg’s pipeline mode, with a denied statement in it, sees the denial where it is and goes on', async () => {
  const ran = await world.gateway.run('ann', 'crm', '/usr/bin/python3', [
    '-c',
    `
import psycopg
with psycopg.connect("", autocommit=True) as c:
    try:
        with c.pipeline() as p:
            a = c.execute("select 1"); p.sync()
            b = c.execute("drop table orders"); p.sync()
            d = c.execute("select 3"); p.sync()
            print(a.fetchone(), d.fetchone())
    except psycopg.errors.InsufficientPrivilege as e:
        print("refused", e.sqlstate)
    print(c.execute("select 7").fetchone())
`,
  ]);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toContain('refused 42501');
  expect(ran.stdout.trimEnd().endsWith('(7,)')).toBe(true);
});

test('P11 psql’s script with a denied statement amid allowed ones prints what it would of a failed one', async () => {
  const script = (bad: string) =>
    `select 1;\n${bad};\nselect 2;\nbegin;\nselect 3;\n${bad};\nselect 4;\ncommit;\nselect 5;\n`;
  const options = ['-X', '-q', '-At'];
  const told = await world.gateway.run('ann', 'crm', 'psql', options, { input: script(DENIED) });
  const real = await world.gateway.run('ann', 'crm', 'psql', options, {
    input: script(FAILING),
    env: {
      PGPORT: String(world.server.port),
      PGUSER: 'gateway_rw',
      PGPASSWORD: 'rw-demo',
      PGSSLMODE: 'disable',
      PGHOST: '127.0.0.1',
    },
  });
  expect(told.stdout).toBe(real.stdout);
  expect(told.status).toBe(real.status);
});
