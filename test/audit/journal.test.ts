import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { copyStored, FrameWriter, scanFrame } from '../../src/audit/frame.ts';
import { framesOf } from '../../src/audit/journal.ts';
import { readLog } from '../../src/audit/offline.ts';
import { openLog } from '../../src/audit/open-log.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { appendActions, envelope, filled, options, QUIET } from './fixtures.ts';
import { MemoryFiles } from './memory-files.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

describe('a frame', () => {
  test('reads back as it was written', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat().map((index) => index % 2 ** 48),
        fc.string(),
        fc.string(),
        fc.boolean(),
        (index, sealed, head, encrypted) => {
          const written = new FrameWriter().write(
            index,
            sealed,
            head,
            '"}',
            encrypted ? (plain) => Buffer.concat([Buffer.alloc(28, 1), plain]) : null,
          );
          const bytes = written.slab.subarray(written.offset, written.offset + written.length);
          const scan = scanFrame(bytes, 0);
          expect(scan).toMatchObject({ kind: 'frame', frame: { index, encrypted, offset: 0, end: bytes.length } });
          if (scan.kind !== 'frame') return;
          expect(scan.frame.leaf[0]).toBe(0);
          expect(scan.frame.leaf.subarray(1).toString().startsWith(Buffer.from(head).toString())).toBe(true);
          expect(scan.frame.stored.subarray(encrypted ? 60 : 32).toString()).toBe(Buffer.from(sealed).toString());
        },
      ),
    );
  });

  test('cut anywhere is torn, and garbage is never a frame', () => {
    const frame = storedFrame();
    for (let end = 1; end < frame.length; end += 1) expect(scanFrame(frame.subarray(0, end), 0).kind).toBe('torn');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { frames, end, rest } = framesOf(Buffer.from(bytes));
        expect([frames, end]).toEqual([[], 0]);
        expect(rest).toBe(bytes.length === 0 ? 'none' : rest);
      }),
    );
  });

  test('with any byte flipped is not taken', () => {
    const frame = storedFrame();
    for (let at = 0; at < frame.length; at += 1) {
      const changed = Buffer.from(frame);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect(scanFrame(changed, 0).kind).not.toBe('frame');
    }
  });
});

/** The frame of a session's file. */
function storedFrame(): Buffer {
  const { slab, offset, leafAt } = new FrameWriter().write(3, 'stored', 'head', '"}', null);
  const frame = Buffer.alloc(leafAt - offset);
  expect(copyStored(slab, offset, leafAt, frame, 0)).toBe(frame.length);
  expect(scanFrame(frame, 0)).toMatchObject({ kind: 'frame', frame: { index: 3, leaf: Buffer.alloc(0) } });
  return frame;
}

describe('a journal cut at any byte', () => {
  test('gives back every entry that lies whole before the cut, and the log goes on', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 3);
    const left = files.crash('kill');
    await log.close();
    const room = Buffer.from(left.readNow('/data/audit/pending.1') ?? '');
    const journal = room.subarray(0, room.length - zerosAtTheEnd(room));
    expect(room.length).toBeGreaterThan(journal.length);
    const ends = framesOf(journal).frames.map(({ end }) => end);
    expect(ends).toHaveLength(4);
    for (let cut = 0; cut <= journal.length; cut += 1) {
      const after = left.crash('kill');
      const file = after.openNow('/data/audit/pending.1', 'update');
      // As a process that was killed leaves it in room that was zeros, and as it leaves it at the end of the file.
      if (cut % 2 === 0) after.writeNow(file, Buffer.alloc(room.length), 0, room.length - cut, cut);
      else after.truncateNow(file, cut);
      const next = await openLog(options(after, '/data'));
      const expected = ends.filter((end) => end <= cut).length;
      expect(next.status().published).toBe(expected);
      expect(next.append(envelope('admin', { session: null }), {})).toBeGreaterThan(expected);
      await next.close();
      expect(await verifyLog({ directory: '/data/audit', vkey: next.vkey, files: after })).toMatchObject({
        whole: true,
      });
    }
  }, 60_000);

  test('keeps aside what follows damage, and says so in the log', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 6);
    const left = files.crash('kill');
    await log.close();
    const room = Buffer.from(left.readNow('/data/audit/pending.1') ?? '');
    const journal = room.subarray(0, room.length - zerosAtTheEnd(room));
    const second = framesOf(journal).frames[2]?.offset ?? 0;
    left.writeNow(left.openNow('/data/audit/pending.1', 'update'), Buffer.from([0xff]), 0, 1, second + 30);
    expect(await verifyLog({ directory: '/data/audit', vkey: log.vkey, files: left })).toMatchObject({
      whole: false,
      firstBad: 2,
      unsigned: 2,
    });
    const next = await openLog(options(left, '/data'));
    next.append(envelope('gateway-start', { session: null }), {});
    const { entry } = (await next.reader.entry(3)) ?? {};
    expect(entry).toMatchObject({ kind: 'recovered', sizes: { entries: 2, cut_bytes: journal.length - second } });
    expect(left.readNow('/data/audit/pending.cut-2')?.length).toBe(journal.length - second);
    await next.close();
  });
});

describe('a journal that has room', () => {
  test('is written within it, file after file, and grows only where the next one is not ready', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 0, { limits: { ...QUIET, journal_bytes_max: 2_000 } });
    for (let round = 0; round < 20; round += 1) {
      appendActions(log, 2);
      await turns();
    }
    const journals = [...files.files()].filter(({ path }) => path.includes('/pending.'));
    expect(journals.length).toBeGreaterThan(8);
    // The last is the one that is made ready.
    expect(journals.map(({ file }) => file.now.length)).toEqual(journals.map(() => 2_000));
    appendActions(log, 20);
    expect([...files.files()].some(({ file, path }) => path.includes('/pending.') && file.now.length > 3_000)).toBe(
      true,
    );
    const after = files.crash('kill');
    await log.close();
    const next = await openLog(options(after, '/data'));
    expect(next.status()).toMatchObject({ size: 61, published: 61 });
    expect([...after.files()].filter(({ path }) => /pending\.[2-9]\d?$/.test(path)).length).toBeLessThan(2);
    await next.close();
  });

  test('is used to the last byte on a full disk, and none is taken for the next', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 0, { limits: { ...QUIET, journal_bytes_max: 4_000 } });
    await turns();
    files.space_bytes = files.used();
    // What there is was zeros before, so it needs no space.
    expect(appendActions(log, 4)).toEqual([1, 2, 3, 4]);
    expect(() => appendActions(log, 100)).toThrow(expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }));
    expect(log.status().size).toBeGreaterThan(12);
    await turns();
    expect(files.used()).toBe(files.space_bytes);
    files.space_bytes = Number.POSITIVE_INFINITY;
    await log.close();
  });

  test('of which a power cut kept any pages loses nothing before the first that is gone', async () => {
    const PAGE = 512;
    const files = new MemoryFiles();
    const log = await filled(files, 12);
    const left = files.crash('kill');
    await log.close();
    const journal = Buffer.from(left.readNow('/data/audit/pending.1') ?? '');
    const ends = framesOf(journal).frames.map(({ end }) => end);
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.boolean()), async (kept) => {
        const after = left.crash('kill');
        const torn = Buffer.from(journal);
        let first = torn.length;
        for (let at = 0; at < torn.length; at += PAGE) {
          if (kept.next().value) continue;
          if (torn.subarray(at, at + PAGE).some((byte) => byte !== 0)) first = Math.min(first, at);
          torn.fill(0, at, at + PAGE);
        }
        after.writeNow(after.openNow('/data/audit/pending.1', 'replace'), torn, 0, torn.length, 0);
        const next = await openLog(options(after, '/data'));
        expect(next.status().published).toBe(ends.filter((end) => end <= first).length);
        appendActions(next, 1);
        await next.close();
        expect(await verifyLog({ directory: '/data/audit', vkey: next.vkey, files: after })).toMatchObject({
          whole: true,
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('a journal that is retired', () => {
  test('at its length moves its sealed fields to their sessions and goes', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 100, { limits: { ...QUIET, journal_bytes_max: 1_000 } });
    await log.checkpoint();
    const left = [...files.files()].filter(({ path }) => path.includes('/pending.'));
    expect(left.map(({ file }) => zerosAtTheEnd(file.now) - file.now.length)).toEqual([0, 0]);
    const { reader } = await readLog('/data/audit', null, files);
    expect((await reader.entry(50))?.sealed).toEqual({ text: 'select 49' });
    await log.close();
  });

  test('in the middle, by a crash after any call, loses and doubles nothing', async () => {
    const calls = await retire(null);
    expect(calls).toBeGreaterThan(30);
    for (let crash = 1; crash <= calls; crash += 1) await retire(crash);
  }, 60_000);
});

function zerosAtTheEnd(bytes: Buffer): number {
  return bytes.length - bytes.findLastIndex((byte) => byte !== 0) - 1;
}

/** Retires a journal of 20 actions, with a crash at a call; gives how many calls there are. */
async function retire(crashAt: number | null): Promise<number> {
  const files = new MemoryFiles();
  const log = await filled(files, 5);
  await log.checkpoint();
  appendActions(log, 15);
  files.calls = 0;
  files.fault = () => {
    if (crashAt !== null && files.calls >= crashAt) throw new Error('killed');
  };
  await log.close().catch(() => undefined);
  const { calls } = files;
  const after = files.crash('kill');
  const next = await openLog(options(after, '/data'));
  expect(next.status().size).toBe(21);
  next.append(envelope('gateway-start', { session: null }), {});
  for (let index = 0; index <= 20; index += 1) expect((await next.reader.entry(index))?.commitment).toBe('fits');
  await next.close();
  const report = await verifyLog({ directory: '/data/audit', vkey: next.vkey, files: after });
  expect(report).toMatchObject({ whole: true, sealed: { absent: 0, broken: 0 } });
  for (const { path, file } of after.files()) {
    if (!path.includes('/sealed/')) continue;
    const indexes = framesOf(file.now).frames.map(({ index }) => index);
    expect(indexes).toEqual([...new Set(indexes)].sort((one, other) => one - other));
  }
  return calls;
}

/** Lets what goes on in files in memory come to its end. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}
