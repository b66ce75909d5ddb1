import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLog } from '../../src/audit/open-log.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { appendActions, envelope, options } from '../audit/fixtures.ts';
import { generate, tlogverify } from '../audit/tlogverify.ts';

// Each case is put before two verifiers that share no line of code: ours and one in Go.
let root = '';
let vkey = '';
let middle = '';
// Three starts, the actions between, and the four sessions that the first left unended.
const SIZE = 1 + 199 + (1 + 4 + 246) + (1 + 246);

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'record-'));
  for (let start = 0; start < 3; start += 1) {
    const log = await openLog(options(null, join(root, 'whole')));
    log.append(envelope('gateway-start', { session: null }), {});
    appendActions(log, start === 0 ? 199 : 246);
    vkey = log.vkey;
    await log.close();
    if (start === 1) middle = log.signed;
    if (start === 1) cpSync(join(root, 'whole'), join(root, 'older'), { recursive: true });
  }
}, 120_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

const bundle = 'tile/entries/001';
const cases: readonly [string, (directory: string) => void, number | null][] = [
  ['an edited entry', (dir) => edit(join(dir, bundle), (bytes) => bytes.fill('9', 30, 31)), 256],
  ['an edited length', (dir) => edit(join(dir, bundle), (bytes) => bytes.fill(0xff, 0, 1)), 256],
  ['a deleted entry', (dir) => edit(join(dir, bundle), (bytes) => bytes.subarray(2 + bytes.readUInt16BE(0))), 256],
  [
    'an inserted entry',
    (dir) => edit(join(dir, bundle), (bytes) => Buffer.concat([Buffer.from([0, 2, 0x7b, 0x7d]), bytes])),
    256,
  ],
  ['two swapped entries', (dir) => edit(join(dir, bundle), swapFirst), 256],
  ['a cut bundle', (dir) => edit(join(dir, bundle), (bytes) => bytes.subarray(0, 5_000)), null],
  ['an empty bundle', (dir) => edit(join(dir, bundle), () => Buffer.alloc(0)), 256],
  ['a missing bundle', (dir) => rmSync(join(dir, bundle)), 256],
  ['the last bundle missing', (dir) => rmSync(join(dir, 'tile/entries/002.p'), { recursive: true }), 512],
  ['a flipped hash of level 0', (dir) => edit(join(dir, 'tile/0/000'), (bytes) => bytes.fill(1, 40, 41)), null],
  ['a flipped hash of level 1', (dir) => edit(join(dir, 'tile/1/000.p/2'), (bytes) => bytes.fill(1, 40, 41)), null],
  ['a cut tile', (dir) => edit(join(dir, 'tile/0/001'), (bytes) => bytes.subarray(0, 8_000)), null],
  ['a missing tile', (dir) => rmSync(join(dir, 'tile/0/000')), null],
  [
    'a larger size',
    (dir) =>
      edit(join(dir, 'checkpoint'), (bytes) => Buffer.from(bytes.toString().replace(`\n${SIZE}`, `\n${SIZE + 1}`))),
    null,
  ],
  [
    'another origin',
    (dir) =>
      edit(join(dir, 'checkpoint'), (bytes) => Buffer.from(bytes.toString().replace('gw.example', 'gx.example'))),
    null,
  ],
  [
    'a changed signature',
    (dir) => edit(join(dir, 'checkpoint'), (bytes) => bytes.fill('A', bytes.length - 20, bytes.length - 18)),
    null,
  ],
  ['no checkpoint', (dir) => rmSync(join(dir, 'checkpoint')), null],
];

describe('G1', () => {
  test('G1 a log that three starts have written is whole to both verifiers', async () => {
    const directory = join(root, 'whole', 'audit');
    expect(await verifyLog({ directory, vkey, since: [middle] })).toMatchObject({
      whole: true,
      size: SIZE,
      anchored: true,
    });
    expect(tlogverify(directory, vkey)).toMatchObject({ whole: true });
  });

  test.each(cases)('G1 %s is found by both verifiers, and named', async (_, change, first) => {
    const copy = mkdtempSync(join(root, 'copy-'));
    cpSync(join(root, 'whole', 'audit'), copy, { recursive: true });
    change(copy);
    const report = await verifyLog({ directory: copy, vkey });
    expect(report).toMatchObject({ whole: false, exitCode: 1 });
    if (first !== null) expect(report.firstBad).toBe(first);
    const other = tlogverify(copy, vkey);
    expect(other.whole).toBe(false);
    const named = /first bad entry: (\d+)/.exec(other.words)?.[1];
    if (named !== undefined) expect(report.firstBad).toBe(Number(named));
    rmSync(copy, { recursive: true });
  });

  test('G1 a session dropped whole is found: its sealed fields may be gone, its entries may not', async () => {
    const copy = mkdtempSync(join(root, 'copy-'));
    cpSync(join(root, 'whole', 'audit'), copy, { recursive: true });
    edit(join(copy, 'tile/entries/000'), (bytes) => withoutSession(bytes, 's1'));
    expect(await verifyLog({ directory: copy, vkey })).toMatchObject({ whole: false });
    expect(tlogverify(copy, vkey).whole).toBe(false);
  });

  test('G1 a disk put back to an older state is found with a checkpoint kept elsewhere, and only with one', async () => {
    const directory = join(root, 'older', 'audit');
    const newest = readFileSync(join(root, 'whole', 'audit', 'checkpoint'), 'utf8');
    expect(await verifyLog({ directory, vkey })).toMatchObject({ whole: true, anchored: false });
    expect(await verifyLog({ directory, vkey, requireAnchor: true })).toMatchObject({ exitCode: 1 });
    expect(await verifyLog({ directory, vkey, since: [newest] })).toMatchObject({ whole: false, exitCode: 1 });
    expect(tlogverify(directory, vkey, '-old', join(root, 'whole', 'audit', 'checkpoint')).whole).toBe(false);
  });

  test('G1 another history signed by the same key is found with a checkpoint kept elsewhere', async () => {
    const fork = join(root, 'fork');
    cpSync(join(root, 'older'), fork, { recursive: true });
    const log = await openLog(options(null, fork));
    for (let number = 0; number < 400; number += 1) log.append(envelope('action'), { text: 'another' });
    await log.close();
    const newest = readFileSync(join(root, 'whole', 'audit', 'checkpoint'), 'utf8');
    expect(await verifyLog({ directory: join(fork, 'audit'), vkey })).toMatchObject({ whole: true });
    expect(await verifyLog({ directory: join(fork, 'audit'), vkey, since: [newest] })).toMatchObject({ whole: false });
    expect(await verifyLog({ directory: join(fork, 'audit'), vkey, since: [middle] })).toMatchObject({
      whole: true,
      anchored: true,
    });
  });

  test('G1 a log of nothing is whole to both verifiers', async () => {
    const log = await openLog(options(null, join(root, 'empty')));
    await log.close();
    const directory = join(root, 'empty', 'audit');
    expect(await verifyLog({ directory, vkey: log.vkey })).toMatchObject({ whole: true, size: 0 });
    expect(tlogverify(directory, log.vkey).whole).toBe(true);
  });

  test.each([1, 255, 256, 257, 65_536, 65_537])(
    'G1 a log of %i entries by another writer makes the same tree',
    async (size) => {
      const directory = join(root, `foreign-${size}`);
      const foreign = generate(directory, size);
      expect(tlogverify(directory, foreign).whole).toBe(true);
      const report = await verifyLog({ directory, vkey: foreign });
      // Its entries are not ours, which is all that is wrong with it.
      expect(report.problems.every(({ kind }) => kind === 'entry')).toBe(true);
      expect(report.problems.length + report.problemsMore).toBe(size);
      expect(report.size).toBe(size);
    },
    60_000,
  );
});

function edit(path: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(path, change(readFileSync(path)));
}

function swapFirst(bytes: Buffer): Buffer {
  const first = 2 + bytes.readUInt16BE(0);
  const second = first + 2 + bytes.readUInt16BE(first);
  return Buffer.concat([bytes.subarray(first, second), bytes.subarray(0, first), bytes.subarray(second)]);
}

function withoutSession(bytes: Buffer, session: string): Buffer {
  const kept: Buffer[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const end = offset + 2 + bytes.readUInt16BE(offset);
    if (!bytes.subarray(offset, end).includes(`"session":"${session}"`)) kept.push(bytes.subarray(offset, end));
    offset = end;
  }
  return Buffer.concat(kept);
}
