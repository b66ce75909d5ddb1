import { describe, expect, test, vi } from 'vitest';
import type { LiveEvent } from '../../src/audit/live.ts';
import { readLog } from '../../src/audit/offline.ts';
import { openLog } from '../../src/audit/open-log.ts';
import type { StoredEntry } from '../../src/audit/reader.ts';
import { search } from '../../src/audit/search.ts';
import { checkSessionProof, proveSession } from '../../src/audit/session-proof.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { appendActions, envelope, filled, options, QUIET, START_AT } from './fixtures.ts';
import { MemoryFiles } from './memory-files.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

describe('an entry that was appended', () => {
  test('has the next index, and can be read at once', async () => {
    const log = await filled(new MemoryFiles(), 3);
    expect(log.append(envelope('result', { of: 3, sizes: { rows: 1 } }), {})).toBe(4);
    expect(await log.reader.entry(2)).toMatchObject({
      entry: { seq: 2, kind: 'action' },
      sealed: { text: 'select 1' },
      commitment: 'fits',
    });
    expect(await log.reader.entry(5)).toBeNull();
    await log.close();
  });

  test.each([false, true])(
    'is read the same before and after its checkpoint, and offline (sealed: %s)',
    async (sealed) => {
      const files = new MemoryFiles();
      const log = await filled(files, 300, { seals: () => sealed });
      const long = 'y'.repeat(100_000);
      log.append(envelope('action'), { text: long, sample: 'AAAA' });
      const before = await all(log.reader.range(0, log.reader.size));
      await log.checkpoint();
      expect(await all(log.reader.range(0, log.reader.size))).toEqual(before);
      await log.close();
      const offline = await readLog('/data/audit', '/data/keys/sessions', files);
      expect(await all(offline.reader.range(0, 1_000))).toEqual(before);
      expect(before).toHaveLength(302);
      expect(before.every((stored) => stored.commitment === 'fits')).toBe(true);
      expect(before.at(-1)?.sealed).toEqual({ text: long, sample: 'AAAA' });
      const onDisk = [...files.files()].filter(({ path }) => path.includes('/sealed/') && !path.includes('_gateway'));
      expect(onDisk.some(({ file }) => file.now.includes('select 7') || file.now.includes(long))).toBe(!sealed);
    },
  );

  test('is read as itself while its tile is being published and others are appended', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 200);
    await log.checkpoint();
    appendActions(log, 100);
    // Every call takes a while, so that reads come between any two.
    for (const call of ['open', 'sync', 'rename', 'remove', 'syncDirectory'] as const) slow(files, call);
    let publishing = true;
    const published = log.checkpoint().then(() => {
      publishing = false;
    });
    let reads = 0;
    for (; publishing || reads === 0; reads += 1) {
      appendActions(log, 3);
      for (const index of [0, 100, log.reader.size - 3, log.reader.size - 1]) {
        expect((await log.reader.entry(index))?.entry.seq).toBe(index);
      }
      // Files in memory never wait, and publishing makes way for others in between.
      await new Promise(setImmediate);
    }
    await published;
    expect(reads).toBeGreaterThan(1);
    await log.close();
  });

  test('never has a time before that of the entry before it, and says what the clock said', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 1);
    log.append(envelope('action', { at: START_AT + 50 }), {});
    log.append(envelope('action', { at: START_AT - 1_000 }), {});
    await log.close();
    const next = await openLog(options(files, '/data'));
    next.append(envelope('gateway-start', { at: 5 }), {});
    const times = (await all(next.reader.range(2, 5))).map(({ entry }) => [entry.at, entry.clock]);
    expect(times).toEqual([
      [START_AT + 50, null],
      [START_AT + 50, START_AT - 1_000],
      [START_AT + 50, 5],
    ]);
    await next.close();
  });
});

describe('what may cross', () => {
  test.each([
    ['writes', 'read', 'now'],
    ['writes', 'other', 'synced'],
    ['strict', 'read', 'synced'],
    ['strict', 'other', 'synced'],
    ['batched', 'read', 'now'],
    ['batched', 'other', 'now'],
  ] as const)('under %s a %s crosses when it is %s', async (durability, crossing, when) => {
    const files = new MemoryFiles();
    const log = await filled(files, 1, { durability });
    const entry = log.append(envelope('action'), {});
    const durable = log.durable(entry, crossing);
    expect(durable === undefined).toBe(when === 'now');
    await durable;
    expect(log.status().synced).toBe(when === 'now' ? 0 : entry + 1);
    // What is synced needs no second wait.
    expect(log.durable(when === 'now' ? entry : entry - 1, when === 'now' ? 'read' : crossing)).toBeUndefined();
    await log.close();
  });

  test('many entries wait for one sync', async () => {
    const files = new MemoryFiles();
    // All in one file of the journal, because each file has a sync of its own.
    const limits = { ...QUIET, journal_bytes_max: 64 * 1024 };
    const log = await filled(files, 0, { durability: 'strict', limits });
    await log.durable(0, 'other');
    let syncs = 0;
    files.fault = (call) => {
      if (call === 'sync') syncs += 1;
    };
    await Promise.all(appendActions(log, 50).map((entry) => log.durable(entry, 'other')));
    // The first goes alone; all who came while it ran share the second.
    expect(syncs).toBeLessThanOrEqual(2);
    await log.close();
  });

  test('nothing crosses on an entry that was never written', async () => {
    const log = await filled(new MemoryFiles(), 1);
    expect(() => log.durable(2, 'read')).toThrow(/never written/);
    await log.close();
  });
});

describe('the index of sessions', () => {
  test('deleted and built again from the entries is the same', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 0);
    log.append(envelope('session-start', { session: 'a' }), {});
    const action = log.append(envelope('action', { session: 'a' }), { text: 'select 1' });
    log.append(envelope('result', { session: 'a', of: action, sizes: { rows: 3, bytes: 40, masked: 2 } }), {});
    log.append(envelope('action', { session: 'a', verdict: 'refuse' }), {});
    log.append(envelope('result', { session: 'a', facts: { error: '22012' } }), {});
    appendActions(log, 400);
    log.append(envelope('session-end', { session: 'a' }), {});
    const live = log.sessions.list();
    expect(log.sessions.show('a')).toMatchObject({
      actions: 2,
      forwarded: 1,
      refused: 1,
      results: 2,
      errors: 1,
      rows: 3,
      bytes: 40,
      masked: 2,
      entries: [1, 2, 3, 4, 5, 406],
    });
    expect(log.sessions.list({ live: true }).map(({ id }) => id)).toEqual(['s3', 's2', 's1', 's0']);
    expect((await readLog('/data/audit', null, files.crash('kill'))).sessions.list()).toEqual(live);
    await log.close();
    expect((await readLog('/data/audit', null, files)).sessions.list()).toEqual(live);
  });

  test('forgets the oldest ended session first when there are too many', async () => {
    const log = await filled(new MemoryFiles(), 0, { limits: { ...QUIET, sessions_indexed_max: 2 } });
    log.append(envelope('session-start', { session: 'alive' }), {});
    log.append(envelope('session-start', { session: 'ended' }), {});
    log.append(envelope('session-end', { session: 'ended' }), {});
    log.append(envelope('session-start', { session: 'new' }), {});
    expect(log.sessions.list().map(({ id }) => id)).toEqual(['new', 'alive']);
    await log.close();
  });
});

describe('the live tail', () => {
  test('hears what is appended, by its filter, in order, with the sealed fields', async () => {
    const log = await filled(new MemoryFiles(), 0);
    const heard: LiveEvent[] = [];
    const stop = log.subscribe({ session: 's1' }, (event) => void heard.push(event));
    appendActions(log, 8);
    expect(heard).toEqual([]);
    await turn();
    stop();
    appendActions(log, 8);
    await turn();
    expect(heard.map((event) => event.kind === 'entry' && [event.entry.seq, event.sealed.text])).toEqual([
      [2, 'select 1'],
      [6, 'select 5'],
    ]);
    await log.close();
  });

  test('lets a slow listener go with a word, and nobody waits for it', async () => {
    const log = await filled(new MemoryFiles(), 0, { limits: { ...QUIET, live_entries_max: 10 } });
    const heard: LiveEvent[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    log.subscribe({}, (event) => {
      heard.push(event);
      return promise;
    });
    appendActions(log, 1);
    await turn();
    appendActions(log, 100);
    resolve();
    await turn();
    appendActions(log, 1);
    await turn();
    expect(heard.map(({ kind }) => kind)).toEqual(['entry', 'dropped']);
    await log.close();
  });

  test('a listener that throws harms nobody', async () => {
    const log = await filled(new MemoryFiles(), 0);
    log.subscribe({}, () => {
      throw new Error('gone');
    });
    expect(appendActions(log, 3)).toEqual([1, 2, 3]);
    await turn();
    await log.close();
  });
});

describe('search', () => {
  test('finds by text and by field, newest first, page by page', async () => {
    const log = await filled(new MemoryFiles(), 600);
    const limits = { hits_max: 2, entries_max: 10_000 };
    const first = await search(log.reader, { text: 'SELECT 59', session: 's0' }, limits);
    expect(first.hits.map(({ sealed }) => sealed?.text)).toEqual(['select 596', 'select 592']);
    const second = await search(log.reader, { text: 'SELECT 59', session: 's0' }, limits, first.before ?? 0);
    expect(second).toMatchObject({ hits: [], before: null });
    expect((await search(log.reader, { kind: 'gateway-start' }, limits)).hits).toHaveLength(1);
    expect((await search(log.reader, { rule: 'nobody' }, limits)).hits).toEqual([]);
    expect((await search(log.reader, { since: START_AT + 599 }, limits)).hits).toHaveLength(1);
    expect((await search(log.reader, { text: 'absent' }, { hits_max: 2, entries_max: 100 })).before).toBe(345);
    await log.close();
  });
});

describe('a restart', () => {
  test('chains on: the start names the size and the root that it found', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 10);
    await log.close();
    const found = await verifyLog({ directory: '/data/audit', vkey: log.vkey, files });
    const next = await openLog(options(files, '/data'));
    expect(next.append(envelope('gateway-start', { session: null, facts: { version: '2' } }), {})).toBe(11);
    const start = await next.reader.entry(11);
    expect(start?.entry.facts).toEqual({ version: '2', previous_size: 11, previous_root: found.root });
    await next.close();
    expect((await verifyLog({ directory: '/data/audit', vkey: log.vkey, files, since: [log.signed] })).exitCode).toBe(
      0,
    );
  });

  test('is recorded even by a gateway that does not say it started', async () => {
    const log = await openLog(options(new MemoryFiles(), '/data'));
    expect(log.append(envelope('admin'), {})).toBe(1);
    expect(await log.reader.entry(0)).toMatchObject({ entry: { kind: 'gateway-start', facts: { previous_size: 0 } } });
    expect(() => log.append(envelope('gateway-start'), {})).toThrow(/started already/);
    await log.close();
  });

  test('after a kill publishes what was written, and ends the sessions that nobody ended', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 0);
    log.append(envelope('session-start', { session: 'a' }), {});
    log.append(envelope('action', { session: 'a' }), { text: 'delete' });
    const after = files.crash('kill');
    await log.close();
    expect(await verifyLog({ directory: '/data/audit', vkey: log.vkey, files: after })).toMatchObject({
      whole: true,
      size: 0,
      unsigned: 3,
    });
    const next = await openLog(options(after, '/data'));
    expect(next.status()).toMatchObject({ size: 3, published: 3 });
    next.append(envelope('gateway-start', { session: null }), {});
    const entries = await all(next.reader.range(3, 10));
    expect(entries.map(({ entry }) => [entry.kind, entry.session, entry.of])).toEqual([
      ['gateway-start', null, null],
      ['recovered', null, null],
      ['recovered', 'a', 2],
    ]);
    expect(entries[1]?.entry.sizes).toEqual({ entries: 3, torn_bytes: 0, cut_bytes: 0 });
    expect(entries[2]?.entry.facts).toEqual({ result: 'unknown' });
    expect(next.sessions.show('a')?.endedAt).not.toBeNull();
    await next.close();
  });
});

describe('a proof of a session', () => {
  test('holds with the public key alone, and for nothing that was changed', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 300);
    await log.close();
    const { reader, sessions } = await readLog('/data/audit', null, files);
    const proof = await proveSession(files, '/data/audit', log.vkey, reader, 's2', sessions.show('s2')?.entries ?? []);
    expect(proof.entries).toHaveLength(75);
    expect(JSON.stringify(proof)).not.toContain('select 2');
    expect(checkSessionProof(JSON.parse(JSON.stringify(proof)), log.vkey)).toEqual([]);
    const changed = structuredClone(proof.entries).map((entry, number) =>
      number === 3 ? { ...entry, entry: entry.entry.replace('forward', 'refuse') } : entry,
    );
    expect(checkSessionProof({ ...proof, entries: changed }, log.vkey)).toHaveLength(1);
    expect(checkSessionProof({ ...proof, session: 's1' }, log.vkey)).toHaveLength(75);
    expect(checkSessionProof({ ...proof, entries: [...proof.entries].reverse() }, log.vkey)).not.toEqual([]);
    expect(checkSessionProof({ ...proof, checkpoint: proof.checkpoint.replace('301', '302') }, log.vkey)).toHaveLength(
      1,
    );
    expect(checkSessionProof({}, log.vkey)).toHaveLength(1);
  });
});

function slow(files: MemoryFiles, call: 'open' | 'sync' | 'rename' | 'remove' | 'syncDirectory'): void {
  const original: (...args: never[]) => Promise<unknown> = files[call].bind(files);
  Object.assign(files, {
    [call]: async (...args: never[]) => {
      for (let wait = 0; wait < 100; wait += 1) await Promise.resolve();
      return original(...args);
    },
  });
}

async function all(entries: AsyncIterable<StoredEntry>): Promise<StoredEntry[]> {
  const found: StoredEntry[] = [];
  for await (const stored of entries) found.push({ ...stored, bytes: Buffer.from(stored.bytes) });
  return found;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
