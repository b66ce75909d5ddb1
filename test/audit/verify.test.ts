import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { openLog } from '../../src/audit/open-log.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import type { VerifyReport } from '../../src/audit/verify-report.ts';
import { appendActions, envelope, filled, options, START_AT } from './fixtures.ts';
import { MemoryFiles } from './memory-files.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

const ENTRIES = 601;
let whole: MemoryFiles;
let vkey = '';
/** Checkpoints as somebody else kept them, by their size. */
const kept = new Map<number, string>();

beforeAll(async () => {
  whole = new MemoryFiles();
  const log = await filled(whole, 299);
  vkey = log.vkey;
  kept.set(300, await log.checkpoint());
  appendActions(log, ENTRIES - 300);
  kept.set(ENTRIES, await log.checkpoint());
  await log.close();
});

describe('verify', () => {
  test('finds a whole log whole, and says that its tail is not anchored', async () => {
    const report = await verify(whole);
    expect(report).toMatchObject({
      whole: true,
      exitCode: 0,
      size: ENTRIES,
      unsigned: 0,
      anchored: false,
      firstBad: null,
      problems: [],
    });
    expect(report.sealed).toEqual({ fits: ENTRIES, absent: 0, locked: 0, broken: 0 });
    expect(report.notes).toEqual([expect.stringContaining('tail not anchored')]);
  });

  test('with a checkpoint kept elsewhere says that it is anchored', async () => {
    expect(await verify(whole, { since: [...kept.values()] })).toMatchObject({
      whole: true,
      exitCode: 0,
      anchored: true,
      notes: [],
    });
  });

  test('fails for want of an anchor only where one is required', async () => {
    expect(await verify(whole, { requireAnchor: true })).toMatchObject({ whole: true, exitCode: 1 });
    expect(await verify(whole, { requireAnchor: true, since: [kept.get(300) ?? ''] })).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['no directory', '/nowhere', null],
    ['no key', '/data/audit', 'gw+0+x'],
  ])('with %s has nothing to say (2)', async (_, directory, key) => {
    expect(await verifyLog({ directory, vkey: key ?? vkey, files: whole })).toMatchObject({
      whole: false,
      exitCode: 2,
    });
  });

  test('with the key of another log finds no signature', async () => {
    const other = await filled(new MemoryFiles(), 0);
    await other.close();
    expect(await verify(whole, { vkey: other.vkey })).toMatchObject({ whole: false, exitCode: 1, size: 0 });
  });

  test('counts what was written and not signed yet', async () => {
    const files = whole.crash('kill');
    const log = await openLog(options(files, '/data'));
    appendActions(log, 5);
    // The start, the four sessions that were never ended, and five actions.
    expect(await verify(files.crash('kill'))).toMatchObject({ whole: true, size: ENTRIES, unsigned: 10 });
    await log.close();
    expect(await verify(files)).toMatchObject({ whole: true, size: ENTRIES + 10, unsigned: 0 });
  });

  test('reports its progress', async () => {
    const seen: number[] = [];
    await verify(whole, { onProgress: (entries) => seen.push(entries) });
    expect(seen).toEqual([0]);
  });
});

describe('a byte flipped', () => {
  test('in any file of a log makes it not whole, wherever it is', async () => {
    const files = [...whole.files()].filter(
      ({ path, file }) => path.includes('/audit/') && !path.endsWith('/reserve') && file.now.length > 0,
    );
    expect(files.length).toBeGreaterThan(10);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files.map(({ path }) => path)),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (path, at, change) => {
          const copy = edited(path, (bytes) => {
            bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ change;
            return bytes;
          });
          // A key file with other white space is the same key.
          fc.pre(!path.endsWith('/vkey') || String(copy.readNow(path)).trim() !== vkey);
          const report = await verify(copy);
          expect(report).toMatchObject({ whole: false, exitCode: 1 });
          expect(report.problems).not.toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  }, 30_000);

  test('in an entry names that entry', async () => {
    for (const index of [0, 1, 255, 256, 300, ENTRIES - 1]) {
      const bundle = bundlePath(index);
      const copy = edited(bundle, (bytes) => {
        bytes[entryOffset(bytes, index % 256) + 20] = 0x39;
        return bytes;
      });
      expect(await verify(copy)).toMatchObject({ whole: false, firstBad: index });
    }
  });
});

describe('a change of history', () => {
  const mutations: readonly [string, (entries: Buffer[]) => Buffer[], number][] = [
    ['an entry deleted', (entries) => entries.toSpliced(40, 1), 40],
    ['an entry inserted', (entries) => entries.toSpliced(40, 0, Buffer.from('{"v":1}')), 40],
    ['two entries swapped', (entries) => entries.with(40, at(entries, 41)).with(41, at(entries, 40)), 40],
    ['an entry doubled', (entries) => entries.with(41, at(entries, 40)), 41],
    ['the end cut off', (entries) => entries.slice(0, 200), 200],
    ['everything gone', () => [], 0],
  ];
  test.each(mutations)('with %s is named by its first bad entry', async (_, change, first) => {
    const report = await verify(edited(bundlePath(0), (bytes) => joinBundle(change(splitAll(bytes)))));
    expect(report).toMatchObject({ whole: false, exitCode: 1, firstBad: first });
  });

  test('with an entry and its tile changed together is found all the same', async () => {
    const forged = Buffer.from('{"forged":true}');
    const copy = edited(bundlePath(0), (bytes) => joinBundle(splitAll(bytes).with(9, forged)));
    rewrite(copy, '/data/audit/tile/0/000', (bytes) => {
      bytes.fill(7, 9 * 32, 10 * 32);
      return bytes;
    });
    expect(await verify(copy)).toMatchObject({ whole: false, firstBad: 0 });
  });

  test('that leaves out a bundle names its first entry', async () => {
    const copy = whole.crash('kill');
    await copy.remove(bundlePath(256));
    expect(await verify(copy)).toMatchObject({ whole: false, firstBad: 256 });
  });

  test.each(['/data/audit/tile/0/000', '/data/audit/tile/1/000.p/2', `/data/audit/tile/0/002.p/${ENTRIES - 512}`])(
    'that leaves out the tile %s names that tile',
    async (path) => {
      const copy = whole.crash('kill');
      await copy.remove(path);
      const report = await verify(copy);
      expect(report.problems.map((problem) => problem.path)).toContain(path.slice('/data/audit/'.length));
      expect(report).toMatchObject({ whole: false, firstBad: null });
    },
  );

  test('that swaps two bundles names the first entry of the first', async () => {
    const [one, other] = [whole.readNow(bundlePath(0)), whole.readNow(bundlePath(256))];
    const copy = edited(bundlePath(0), () => Buffer.from(other ?? ''));
    rewrite(copy, bundlePath(256), () => Buffer.from(one ?? ''));
    expect(await verify(copy)).toMatchObject({ whole: false, firstBad: 0 });
  });

  test('in a tile alone names the tile and no entry', async () => {
    const copy = edited('/data/audit/tile/0/001', (bytes) => bytes.fill(1, 0, 1));
    const report = await verify(copy);
    expect(report.problems).toEqual([expect.objectContaining({ kind: 'tile', path: 'tile/0/001' })]);
    expect(report.firstBad).toBeNull();
  });

  test('by a file that has no name of the layout is a stray', async () => {
    const copy = whole.crash('kill');
    copy.openNow('/data/audit/tile/0/7', 'replace');
    expect((await verify(copy)).problems).toEqual([expect.objectContaining({ kind: 'stray', path: 'tile/0/7' })]);
  });

  test('by files beyond the checkpoint is noted: a crash leaves such', async () => {
    const copy = whole.crash('kill');
    copy.openNow('/data/audit/tile/0/003', 'replace');
    const report = await verify(copy);
    expect(report.whole).toBe(true);
    expect(report.notes).toContainEqual(expect.stringMatching(/^1 files beyond the checkpoint/));
  });
});

describe('a log that was rolled back', () => {
  test('to an older state verifies alone, and not against a newer checkpoint', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 10);
    await log.checkpoint();
    const older = files.crash('kill');
    appendActions(log, 10);
    const newer = await log.checkpoint();
    await log.close();
    const alone = await verifyLog({ directory: '/data/audit', vkey: log.vkey, files: older });
    expect(alone).toMatchObject({ whole: true, anchored: false });
    const report = await verifyLog({ directory: '/data/audit', vkey: log.vkey, files: older, since: [newer] });
    expect(report).toMatchObject({ whole: false, exitCode: 1, anchored: false, firstBad: 11 });
    expect(report.problems[0]?.message).toMatch(/cut off/);
  });

  test('and gone on with another way is not what a kept checkpoint was signed for', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 10);
    await log.checkpoint();
    const fork = files.crash('kill');
    appendActions(log, 10);
    const kept = await log.checkpoint();
    await log.close();
    const forked = await openLog(options(fork, '/data'));
    for (let number = 0; number < 30; number += 1)
      forked.append(envelope('action', { at: START_AT + 99 }), { text: 'another' });
    await forked.close();
    expect(await verifyLog({ directory: '/data/audit', vkey: log.vkey, files: fork })).toMatchObject({ whole: true });
    const report = await verifyLog({ directory: '/data/audit', vkey: log.vkey, files: fork, since: [kept] });
    expect(report).toMatchObject({ whole: false, exitCode: 1 });
    expect(report.problems.map(({ kind }) => kind)).toEqual(['anchor']);
  });

  test('by an anchor that nobody signed is not judged whole', async () => {
    expect(await verify(whole, { since: [(kept.get(300) ?? '').replace('300', '301')] })).toMatchObject({
      whole: false,
      anchored: false,
    });
  });
});

describe('boundary sizes', () => {
  test.each([0, 1, 255, 256, 257, 65_535, 65_536, 65_537])(
    'a log of %i entries verifies',
    async (size) => {
      const files = new MemoryFiles();
      const log = await openLog(options(files, '/data'));
      const one = envelope('admin', { session: null });
      if (size > 0) log.append(envelope('gateway-start', { session: null }), {});
      for (let entry = 1; entry < size; entry += 1) log.append(one, {});
      await log.close();
      expect(await verifyLog({ directory: '/data/audit', vkey: log.vkey, files })).toMatchObject({ whole: true, size });
    },
    60_000,
  );
});

function verify(files: MemoryFiles, more: Partial<Parameters<typeof verifyLog>[0]> = {}): Promise<VerifyReport> {
  return verifyLog({ directory: '/data/audit', vkey, files, ...more });
}

function edited(path: string, change: (bytes: Buffer) => Buffer): MemoryFiles {
  const copy = whole.crash('kill');
  rewrite(copy, path, change);
  return copy;
}

function rewrite(files: MemoryFiles, path: string, change: (bytes: Buffer) => Buffer): void {
  const bytes = change(Buffer.from(files.readNow(path) ?? ''));
  const file = files.openNow(path, 'replace');
  files.writeNow(file, bytes, 0, bytes.length, 0);
  files.closeNow(file);
}

function bundlePath(index: number): string {
  const number = Math.floor(index / 256);
  const width = Math.min(256, ENTRIES - number * 256);
  return `/data/audit/tile/entries/00${number}${width < 256 ? `.p/${width}` : ''}`;
}

function splitAll(bytes: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let offset = 0; offset < bytes.length; offset += 2 + bytes.readUInt16BE(offset)) {
    entries.push(bytes.subarray(offset + 2, offset + 2 + bytes.readUInt16BE(offset)));
  }
  return entries;
}

function joinBundle(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(entries.flatMap((entry) => [Buffer.from([entry.length >> 8, entry.length & 255]), entry]));
}

function entryOffset(bytes: Buffer, number: number): number {
  return joinBundle(splitAll(bytes).slice(0, number)).length + 2;
}

function at(entries: readonly Buffer[], number: number): Buffer {
  return entries[number] ?? Buffer.alloc(0);
}
