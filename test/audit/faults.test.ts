import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { AuditLog, Durability } from '../../src/audit/log.ts';
import { openLog } from '../../src/audit/open-log.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { appendActions, envelope, options, QUIET } from './fixtures.ts';
import { failure, MemoryFiles } from './memory-files.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

/** A gateway's life: what it was told is in the log, and what of that it was told is durable. */
interface Life {
  readonly files: MemoryFiles;
  readonly written: number[];
  readonly durable: number[];
  vkey: string;
  broken: boolean;
}

describe('a crash at any call', () => {
  // Every call of the file system, one after the other, in a life with two checkpoints, a retired journal and a blob.
  test.each(['kill', 'power'] as const)(
    '(%s) loses nothing that was promised, and the log verifies',
    async (kind) => {
      const calls = (await live('writes', null)).files.calls;
      expect(calls).toBeGreaterThan(80);
      for (let at = 1; at <= calls + 1; at += 1) await expectWhole(await live('writes', at), kind, () => false);
    },
    120_000,
  );

  test('with any part of what was not synced kept or lost, loses nothing that was promised', async () => {
    const calls = (await live('strict', null)).files.calls;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: calls }), fc.infiniteStream(fc.boolean()), async (at, kept) => {
        await expectWhole(await live('strict', at), 'power', () => kept.next().value === true);
      }),
      { numRuns: 150 },
    );
  }, 120_000);
});

describe('a failing disk', () => {
  test.each(['EIO', 'ENOSPC', 'EROFS'])(
    '(%s at any call) never lets an entry be said to be there that is not',
    async (code) => {
      const calls = (await live('strict', null)).files.calls;
      for (let at = 1; at <= calls; at += 1) {
        const life = await live('strict', at, code, 1);
        await expectWhole(life, 'power', () => false);
      }
    },
    120_000,
  );

  test('that fails a sync is the end: nothing is said to be durable any more, and nothing is accepted', async () => {
    const files = new MemoryFiles();
    const alerts: string[] = [];
    const log = await openLog(
      options(files, '/data', { durability: 'strict', alert: ({ code }) => alerts.push(code) }),
    );
    log.append(envelope('gateway-start', { session: null }), {});
    await log.checkpoint();
    files.fault = (call) => {
      if (call === 'sync') throw failure('EIO', 'fdatasync');
    };
    const entry = log.append(envelope('action'), {});
    await expect(log.durable(entry, 'read')).rejects.toMatchObject({ code: 'RECORD_UNAVAILABLE' });
    files.fault = null;
    await expect(log.durable(entry, 'read')).rejects.toMatchObject({ code: 'RECORD_UNAVAILABLE' });
    expect(log.accepting()).toBe(false);
    for (const kind of ['action', 'session-end', 'result'] as const) {
      expect(() => log.append(envelope(kind), {})).toThrow(expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }));
    }
    expect(alerts).toContain('RECORD_UNAVAILABLE');
    await log.close();
  });

  test('that fails one write loses that entry only, and the next goes in its place', async () => {
    const files = new MemoryFiles();
    const log = await openLog(options(files, '/data'));
    log.append(envelope('gateway-start', { session: null }), {});
    files.fault = (call) => {
      if (call === 'write') throw failure('EIO', 'write');
    };
    expect(() => log.append(envelope('action'), { text: 'lost' })).toThrow(
      expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }),
    );
    files.fault = null;
    expect(log.append(envelope('action'), { text: 'kept' })).toBe(1);
    const after = await openLog(options(files.crash('kill'), '/data'));
    expect(after.status().size).toBe(2);
    expect((await after.reader.entry(1))?.sealed).toEqual({ text: 'kept' });
    await Promise.all([log.close(), after.close()]);
  });

  test('that keeps checkpoints from being signed for a minute stops traffic', async () => {
    const files = new MemoryFiles();
    let now = 0;
    const log = await openLog(options(files, '/data', { clock: { now: () => now } }));
    appendActions(log, 1);
    files.fault = (_, path) => {
      if (path.includes('/tile/')) throw failure('EIO', 'open');
    };
    await expect(log.checkpoint()).rejects.toThrow('EIO');
    expect(log.accepting()).toBe(true);
    now = LIMITS.unsigned_ms_max;
    expect(log.accepting()).toBe(false);
    files.fault = null;
    await log.checkpoint();
    expect(log.accepting()).toBe(true);
    await log.close();
  });
});

describe('a full disk', () => {
  test('stops traffic, records refusals and ends, and lets traffic go on when there is space', async () => {
    const files = new MemoryFiles();
    const alerts: string[] = [];
    const log = await openLog(options(files, '/data', { alert: ({ message }) => alerts.push(message) }));
    log.append(envelope('gateway-start', { session: null }), {});
    files.space_bytes = files.used() + 2_000;
    expect(() => appendActions(log, 100)).toThrow(expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }));
    const passed = log.status().size;
    expect(passed).toBeGreaterThan(1);
    expect(log.accepting()).toBe(false);
    expect(alerts).toEqual([expect.stringContaining('full')]);
    for (const kind of ['session-start', 'prepared'] as const)
      expect(() => log.append(envelope(kind), {})).toThrow(/full/);
    expect(() => log.append(envelope('request', { verdict: 'ask' }), {})).toThrow(/full/);
    const kept = [
      log.append(envelope('action', { verdict: 'refuse' }), { text: 'refused' }),
      log.append(envelope('result', { of: passed - 1 }), {}),
      log.append(envelope('session-end'), {}),
      log.append(envelope('admin', { session: null }), {}),
    ];
    expect(kept).toEqual([passed, passed + 1, passed + 2, passed + 3]);
    await log.durable(passed + 3, 'other');
    files.space_bytes = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await log.checkpoint();
      log.append(envelope('alert', { session: null }), {});
      if (log.accepting()) break;
    }
    expect(log.accepting()).toBe(true);
    appendActions(log, 1);
    await log.close();
    expect(await verifyLog({ directory: '/data/audit', vkey: log.vkey, files })).toMatchObject({ whole: true });
  });

  test('cannot be used up by refusals: the ends of what has begun are recorded to the last', async () => {
    const files = new MemoryFiles();
    const log = await openLog(options(files, '/data'));
    appendActions(log, 1);
    files.space_bytes = files.used();
    expect(() => refuseFor(log, 1_000)).toThrow(expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }));
    const refused = log.status().size;
    expect(refused).toBeGreaterThan(50);
    for (let end = 0; end < 10; end += 1) log.append(envelope('session-end'), {});
    log.append(envelope('gateway-stop', { session: null }), {});
    expect(log.status().size).toBe(refused + 11);
    files.space_bytes = Number.POSITIVE_INFINITY;
    await log.close();
  });

  test('at the start still publishes what was written before', async () => {
    const files = new MemoryFiles();
    const log = await openLog(options(files, '/data'));
    appendActions(log, 20);
    const after = files.crash('kill');
    after.space_bytes = after.used();
    const next = await openLog(options(after, '/data'));
    expect(next.status()).toMatchObject({ size: 21, published: 21, full: true, accepting: false });
    next.append(envelope('gateway-start', { session: null }), {});
    await next.close();
    await log.close();
  });
});

describe('too much that waits for its tile', () => {
  test('stops traffic until it is published', async () => {
    const log = await openLog(
      options(new MemoryFiles(), '/data', { limits: { ...QUIET, unpublished_bytes_max: 2_000 } }),
    );
    expect(() => appendActions(log, 100)).toThrow(expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }));
    await log.checkpoint();
    expect(log.accepting()).toBe(true);
    await log.close();
  });
});

function refuseFor(log: AuditLog, count: number): void {
  for (let number = 0; number < count; number += 1)
    log.append(envelope('action', { verdict: 'refuse' }), { text: 'no' });
}

/** Lives until the `at`th call, which fails: once with a code, or, without one, for ever, as for a killed process. */
async function live(
  durability: Durability,
  at: number | null,
  code?: string,
  times = Number.POSITIVE_INFINITY,
): Promise<Life> {
  const files = new MemoryFiles();
  await files.makeDirectory('/data');
  await files.syncDirectory('/');
  files.calls = 0;
  const life: Life = { files, written: [], durable: [], vkey: '', broken: false };
  files.fault = () => {
    if (at === null || files.calls < at || files.calls >= at + times) return;
    throw code === undefined ? failure('EIO', 'killed') : failure(code, 'call');
  };
  try {
    // So short that some entries fill a file and some find the next one not ready.
    const limits = { ...QUIET, journal_bytes_max: 1_500 };
    const log = await openLog(options(files, '/data', { durability, limits }));
    life.vkey = log.vkey;
    for (let round = 0; round < 3; round += 1) {
      for (let number = 0; number < 4; number += 1) await act(log, life, number);
      if (round < 2) await log.checkpoint().catch(() => undefined);
    }
    await log.close();
  } catch {
    life.broken = true;
  }
  return life;
}

async function act(log: AuditLog, life: Life, number: number): Promise<void> {
  try {
    const entry = log.append(envelope('action', { session: `s${number % 2}` }), {
      text: number === 2 ? 'x'.repeat(70_000) : 'select',
    });
    life.written.push(entry);
    await log.durable(entry, 'other');
    life.durable.push(entry);
  } catch {
    life.broken = true;
  }
}

/** What was written survives a kill, what was durable a power cut; the next start goes on and the log is whole. */
async function expectWhole(life: Life, kind: 'kill' | 'power', keep: () => boolean): Promise<void> {
  const after = life.files.crash(kind, keep);
  const promised = kind === 'kill' ? life.written : life.durable;
  const next = await openLog(options(after, '/data'));
  expect(next.status().size).toBeGreaterThan(promised.at(-1) ?? -1);
  for (const entry of promised) {
    expect(await next.reader.entry(entry)).toMatchObject({ entry: { kind: 'action', seq: entry }, commitment: 'fits' });
  }
  appendActions(next, 2);
  await next.close();
  const report = await verifyLog({ directory: '/data/audit', vkey: next.vkey, files: after });
  expect(report.problems).toEqual([]);
  expect(report).toMatchObject({ whole: true, unsigned: 0, sealed: { broken: 0 } });
}
