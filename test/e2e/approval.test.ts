import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClient, type GatewayClient } from '../../src/cli/client.ts';
import type { BackendMessage } from '../../src/protocols/postgres/messages.ts';
import type { RawClient } from '../servers/raw-client.ts';
import { startWorld, type World } from './world.ts';

/** A write to production waits for somebody else, in place, and tells its client so. */
let world: World;
let dan: GatewayClient;
let ann: RawClient;

beforeAll(async () => {
  world = await startWorld({
    policies: `@id("quick") @cure("approval") @approvers("dba") @count("1") @within("2s")
forbid (principal, action == Action::"sql.write", resource == Table::"crm/public.orders") unless { context.approvedBy.contains("quick") };`,
  });
  dan = await as('dan');
});
afterAll(async () => {
  const report = await world.gateway.verify();
  await world.stop();
  expect(report).toMatchObject({ whole: true });
});
beforeEach(async () => {
  ann?.end();
  ann = await world.gateway.login('ann', 'crm');
  world.tap.reset();
});

const WRITE = "update customers set plan = 'gold' where id = 4";

async function as(account: string): Promise<GatewayClient> {
  const token = await world.gateway.token(account);
  return createClient({
    kind: 'network',
    url: new URL(`https://localhost:${world.gateway.apiPort}`),
    token,
    ca: world.gateway.ca,
  });
}

interface Pending {
  readonly id: string;
  readonly digest: string;
  readonly statements: readonly {
    readonly text: string;
    readonly times: number;
    readonly parameters: readonly (readonly string[])[];
  }[];
}

async function pending(): Promise<readonly Pending[]> {
  const { items } = (await dan.call('GET', '/api/v1/requests?state=pending')) as { items: readonly Pending[] };
  return items;
}

async function onlyPending(): Promise<Pending> {
  await expect.poll(pending, { timeout: 5_000 }).toHaveLength(1);
  const [request] = await pending();
  if (request === undefined) throw new Error('the request is gone again');
  return request;
}

const decide = (client: GatewayClient, id: string, decision: 'approve' | 'deny', reason = 'because') =>
  client.call('POST', `/api/v1/requests/${id}/decisions`, { decision, reason });

const texts = () => world.tap.messages().flatMap((message) => ('text' in message ? [message.text.toString()] : []));
const types = (messages: readonly BackendMessage[]) => messages.map(({ type }) => type);

describe('a held statement', () => {
  test('is told to its client at once, unknown to the target until it is approved, and runs once', async () => {
    ann.send({ type: 'query', text: Buffer.from(WRITE) });
    const notice = await ann.next();
    expect(notice).toMatchObject({
      type: 'notice',
      fields: { C: '01000', M: expect.stringContaining('waiting for approval req_') },
    });
    const request = await onlyPending();
    expect(request.statements).toMatchObject([{ text: WRITE, times: 1 }]);
    expect(texts()).not.toContain(WRITE);
    await decide(dan, request.id, 'approve');
    expect(types(await ann.until('ready-for-query'))).toEqual(['command-complete', 'ready-for-query']);
    expect(texts().filter((text) => text === WRITE)).toHaveLength(1);
    await expect(decide(dan, request.id, 'approve')).rejects.toMatchObject({ code: 'REQUEST_ENDED' });
  });

  test('that is denied is an error with the reason, and the session lives on', async () => {
    ann.send({ type: 'query', text: Buffer.from(WRITE) });
    await decide(dan, (await onlyPending()).id, 'deny', 'not on a friday');
    const answer = await ann.until('ready-for-query');
    expect(answer.find(({ type }) => type === 'error')).toMatchObject({
      fields: { C: '42501', M: expect.stringContaining('not on a friday') },
    });
    expect(types(await ann.query('select 1'))).toContain('data-row');
    expect(texts()).not.toContain(WRITE);
  });

  test('cannot be approved by the one who asked, nor by somebody in no group of approvers', async () => {
    ann.send({ type: 'query', text: Buffer.from(WRITE) });
    const { id } = await onlyPending();
    for (const account of ['ann', 'fay', 'eve', 'max']) {
      await expect(decide(await as(account), id, 'approve'), account).rejects.toMatchObject({
        code: expect.stringMatching(/POLICY_DENIED|REQUEST_NOT_YOURS/),
      });
    }
    expect(await pending()).toHaveLength(1);
    await decide(dan, id, 'deny', 'no');
    await ann.until('ready-for-query');
  });

  test('is cancelled by the client as any statement is', async () => {
    const key = await connectWithKey();
    key.client.send({ type: 'query', text: Buffer.from(WRITE) });
    await onlyPending();
    await key.cancel();
    const answer = await key.client.until('ready-for-query');
    expect(answer.find(({ type }) => type === 'error')).toMatchObject({ fields: { C: '57014' } });
    await expect.poll(pending).toHaveLength(0);
    expect(texts()).not.toContain(WRITE);
    key.client.end();
  });

  test('is withdrawn when its client goes away', async () => {
    ann.send({ type: 'query', text: Buffer.from(WRITE) });
    await onlyPending();
    ann.end();
    await expect.poll(pending, { timeout: 5_000 }).toHaveLength(0);
    expect(texts()).not.toContain(WRITE);
  });

  test('expires as a refusal', async () => {
    const answer = await ann.query('update orders set total = 1 where id = 1');
    expect(answer.find(({ type }) => type === 'error')).toMatchObject({
      fields: { C: '42501', D: expect.stringContaining('APPROVAL_EXPIRED') },
    });
    expect(types(await ann.query('select 1'))).toContain('data-row');
  });

  test('inside a transaction aborts it when it is refused, exactly as a failed statement does', async () => {
    await ann.query('begin');
    ann.send({ type: 'query', text: Buffer.from(WRITE) });
    await decide(dan, (await onlyPending()).id, 'deny', 'no');
    expect((await ann.until('ready-for-query')).at(-1)).toMatchObject({ status: 'E' });
    const after = await ann.query('select 1');
    expect(after.find(({ type }) => type === 'error')).toMatchObject({ fields: { C: '25P02' } });
    expect((await ann.query('rollback')).at(-1)).toMatchObject({ status: 'I' });
  });

  test('is refused when what it resolves to was changed after it was looked at, and only then', async () => {
    const admin = await world.server.client('crm');
    try {
      ann.send({ type: 'query', text: Buffer.from(WRITE) });
      const first = await onlyPending();
      await admin.query('create table unrelated (i int)');
      await decide(dan, first.id, 'approve');
      expect(types(await ann.until('ready-for-query'))).toContain('command-complete');

      world.tap.reset();
      ann.send({ type: 'query', text: Buffer.from(WRITE) });
      const second = await onlyPending();
      await admin.query(`create function spy() returns trigger language plpgsql as 'begin return new; end';
        create trigger spy before update on customers for each row execute function spy()`);
      await decide(dan, second.id, 'approve');
      const answer = await ann.until('ready-for-query');
      expect(answer.find(({ type }) => type === 'error')).toMatchObject({
        fields: { C: '42501', D: expect.stringContaining('APPROVAL_CHANGED') },
      });
      expect(texts()).not.toContain(WRITE);
    } finally {
      await admin.query('drop table if exists unrelated; drop function if exists spy cascade');
      await admin.end();
    }
  });

  test('is a refusal after the gateway was killed and started again', async () => {
    ann.send({ type: 'query', text: Buffer.from(WRITE) });
    const { id } = await onlyPending();
    await world.gateway.kill();
    await world.gateway.restart();
    expect(await dan.call('GET', `/api/v1/requests/${id}`)).toMatchObject({ state: 'cancelled' });
    await expect(decide(dan, id, 'approve')).rejects.toMatchObject({ code: 'REQUEST_ENDED' });
    expect(texts()).not.toContain(WRITE);
  });
});

describe('many binds of one pipeline', () => {
  test('are one request that shows the statement once and every parameter, and pass together', async () => {
    const sql = 'update customers set plan = $1 where id = $2';
    const sets = [
      ['gold', '1'],
      ['free', '2'],
      ['gold', '3'],
    ];
    ann.send(
      { type: 'parse', statement: '', text: Buffer.from(sql), parameterTypes: [] },
      ...sets.flatMap((values) => [
        {
          type: 'bind',
          portal: '',
          statement: '',
          parameterFormats: [],
          parameters: values.map((value) => Buffer.from(value)),
          resultFormats: [],
        } as const,
        { type: 'execute', portal: '', rowsMax: 0 } as const,
      ]),
      { type: 'sync' },
    );
    const request = await onlyPending();
    expect(request.statements).toMatchObject([{ text: sql, times: 3 }]);
    expect(request.statements[0]?.parameters.map((shown) => shown.join(' '))).toEqual(
      sets.map((set) => expect.stringContaining(set[0] ?? '')),
    );
    expect(world.tap.sent().includes('gold')).toBe(false);
    await decide(dan, request.id, 'approve');
    const answer = await ann.until('ready-for-query');
    expect(types(answer).filter((type) => type === 'command-complete')).toHaveLength(3);
  });
});

/** A session that knows its cancel key, as every client library does. */
async function connectWithKey(): Promise<{ client: RawClient; cancel: () => Promise<void> }> {
  const { RawClient, startup } = await import('../servers/raw-client.ts');
  const { encodeStartup } = await import('../../src/protocols/postgres/startup.ts');
  const client = await RawClient.connect(world.gateway.port);
  const password = await world.gateway.token('ann');
  client.write(encodeStartup(startup({ port: world.gateway.port, user: 'ann', password, database: 'crm' })));
  await client.authenticate(password);
  const ready = await client.until('ready-for-query');
  const key = ready.find((message) => message.type === 'backend-key-data');
  if (key === undefined || key.type !== 'backend-key-data') throw new Error('no cancel key was given');
  const { processId, secret } = key;
  return {
    client,
    cancel: async () => {
      const other = await RawClient.connect(world.gateway.port);
      other.write(encodeStartup({ type: 'cancel-request', processId, secret }));
      await other.closed();
    },
  };
}
