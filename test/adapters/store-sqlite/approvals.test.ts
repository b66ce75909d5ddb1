import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { APPROVALS, approvalsIn } from '../../../src/adapters/store-sqlite/approvals.ts';
import { type Database, openStore } from '../../../src/adapters/store-sqlite/database.ts';
import { IDENTITY_MIGRATION } from '../../../src/adapters/store-sqlite/identity.ts';
import { createApproval } from '../../../src/approval/approval.ts';
import type { ApprovalRequest, Clock, RequestStore } from '../../../src/approval/ports.ts';
import type { RequestView } from '../../../src/approval/stage.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { actionOf, edSigner, human, memoryRecord, questionOf, sessionOf } from '../../approval/fakes.ts';

const MIGRATIONS = [IDENTITY_MIGRATION, APPROVALS];
let directory: string;
let path: string;
let database: Database;
let store: RequestStore;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-approvals-'));
  path = join(directory, 'state.db');
  database = await openStore(path, MIGRATIONS);
  store = approvalsIn(database);
});
afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

function requestOf(id: string, more: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return {
    id,
    version: 1,
    state: 'pending',
    gateway: 'gw',
    run: 'run-1',
    digest: 'ab'.repeat(32),
    requirements: [{ rule: 'prod-writes', approvers: [['dba']], count: 1 }],
    chain: ['okta/alice'],
    persons: ['okta/alice'],
    createdAt: 1_000,
    expiresAt: 2_000,
    votes: [],
    filing: 'AAAA',
    ended: '',
    shown: {
      principal: 'okta/alice',
      person: 'okta/alice',
      onBehalfOf: [],
      target: 'crm',
      database: 'crm',
      role: 'rw',
      session: 'session-1',
      rules: ['prod-writes'],
      message: "it's “quoted”",
      approvers: [['dba']],
      count: 1,
      statements: [{ text: "select 'ü\n'", times: 1, parameters: [['NULL']] }],
      findings: [],
      resources: [],
      justification: '',
      notCovered: '',
      inTransaction: false,
    },
    ...more,
  };
}

describe('stored requests', () => {
  test('come back as they were put', async () => {
    await store.insert(requestOf('a'));
    expect(await store.load('a')).toEqual(requestOf('a'));
    expect(await store.load('b')).toBeNull();
  });

  test('are there again after the store was opened anew', async () => {
    await store.insert(requestOf('a'));
    await database.close();
    database = await openStore(path, MIGRATIONS);
    expect(await approvalsIn(database).load('a')).toEqual(requestOf('a'));
  });

  test('are not put twice', async () => {
    await store.insert(requestOf('a'));
    await expect(store.insert(requestOf('a'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('change only from the version that is there', async () => {
    await store.insert(requestOf('a'));
    expect(await store.replace(requestOf('a', { version: 2, state: 'approved' }))).toBe(true);
    expect(await store.replace(requestOf('a', { version: 2, state: 'denied' }))).toBe(false);
    expect(await store.replace(requestOf('a', { version: 4, state: 'used' }))).toBe(false);
    expect((await store.load('a'))?.state).toBe('approved');
    expect(await store.replace(requestOf('b', { version: 2 }))).toBe(false);
  });

  test('tell their versions, as far as they exist', async () => {
    await store.insert(requestOf('a', { version: 3 }));
    await store.insert(requestOf("it's"));
    expect(await store.versions(['a', "it's", 'c'])).toEqual(
      new Map([
        ['a', 3],
        ["it's", 1],
      ]),
    );
    expect(await store.versions([])).toEqual(new Map());
  });

  test('are listed newest first, by state, and not endlessly', async () => {
    for (const at of [1, 2, 3]) await store.insert(requestOf(`r${at}`, { createdAt: at }));
    await store.insert(requestOf('old', { createdAt: 0, state: 'used' }));
    expect((await store.list({ items_max: 9 })).map(({ id }) => id)).toEqual(['r3', 'r2', 'r1', 'old']);
    expect((await store.list({ state: 'pending', items_max: 2 })).map(({ id }) => id)).toEqual(['r3', 'r2']);
    expect((await store.list({ state: 'used', items_max: 9 })).map(({ id }) => id)).toEqual(['old']);
  });

  test('that other runs of the same gateway left are found', async () => {
    await store.insert(requestOf('mine'));
    await store.insert(requestOf('left', { run: 'run-0' }));
    await store.insert(requestOf('approved', { run: 'run-0', state: 'approved', createdAt: 1_001 }));
    await store.insert(requestOf('done', { run: 'run-0', state: 'used' }));
    await store.insert(requestOf('elsewhere', { run: 'run-0', gateway: 'gw2' }));
    expect((await store.unfinished('gw', 'run-1')).map(({ id }) => id)).toEqual(['left', 'approved']);
  });

  test('that contradict themselves are a failure, not a request', async () => {
    await store.insert(requestOf('a'));
    await database.run("update approval_requests set state = 'approved' where id = 'a'");
    await expect(store.load('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await database.run("update approval_requests set state = 'pending', body = '{' where id = 'a'");
    await expect(store.load('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('are in no other state than there is', async () => {
    await expect(
      database.run("insert into approval_requests values ('x', 1, 'released', 'g', 'r', 0, '{}')"),
    ).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('two processes on one file', () => {
  const WRITER = `
    import { openStore } from ${JSON.stringify(source('adapters/store-sqlite/database.ts'))};
    import { approvalsIn, APPROVALS } from ${JSON.stringify(source('adapters/store-sqlite/approvals.ts'))};
    import { IDENTITY_MIGRATION } from ${JSON.stringify(source('adapters/store-sqlite/identity.ts'))};
    const database = await openStore(process.argv[2], [IDENTITY_MIGRATION, APPROVALS]);
    const store = approvalsIn(database);
    process.send('ready');
    process.on('message', async (id) => {
      const request = await store.load(id);
      const isWon = request.state === 'approved' && (await store.replace({ ...request, state: 'used', version: request.version + 1 }));
      process.send(isWon);
    });
  `;

  test('never both use one approval', async () => {
    const script = join(directory, 'writer.mjs');
    writeFileSync(script, WRITER);
    const others = [fork(script, [path]), fork(script, [path])];
    try {
      await Promise.all(others.map(said));
      for (let round = 0; round < 50; round++) {
        const id = `r${round}`;
        await store.insert(requestOf(id, { state: 'approved' }));
        const answers = others.map(said);
        for (const other of others) other.send(id);
        expect((await Promise.all(answers)).filter((isWon) => isWon === true)).toHaveLength(1);
        expect(await store.load(id)).toMatchObject({ state: 'used', version: 2 });
      }
    } finally {
      for (const other of others) other.kill();
    }
  }, 30_000);

  test('a vote that one gateway takes releases what another holds', async () => {
    const second = await openStore(path, MIGRATIONS);
    const [record, signer] = [memoryRecord(), edSigner()];
    const clock: Clock = {
      now: () => Date.now(),
      after: (delay_ms, call) => {
        const timer = setTimeout(call, delay_ms);
        return () => clearTimeout(timer);
      },
    };
    const gateway = (name: string, on: Database) =>
      createApproval(
        { store: approvalsIn(on), record, signer, clock, newId: () => 'request-1', onFault: () => {} },
        { gateway: name, run: 'run-1', limits: { ...LIMITS, store_poll_ms: 20 } },
      );
    const filed = Promise.withResolvers<RequestView>();
    const question = questionOf([actionOf(sessionOf(human('alice')), 'update t set a = 1')]);
    const asking = gateway('one', database).ask(
      question,
      new AbortController().signal,
      filed.resolve,
      async () => question,
    );
    const { id } = await filed.promise;
    const other = gateway('two', second);
    expect((await other.list({ for: human('bob', ['dba']) })).map((view) => view.id)).toEqual([id]);
    await other.decide(id, human('bob', ['dba']), 'approve', '');
    expect(await asking).toMatchObject({ outcome: 'approved', by: ['okta/bob'] });
    expect((await other.show(id))?.state).toBe('used');
    await second.close();
  }, 10_000);
});

function said(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', reject);
  });
}

function source(name: string): string {
  return new URL(`../../../src/${name}`, import.meta.url).href;
}
