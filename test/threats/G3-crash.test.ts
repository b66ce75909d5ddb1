import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readLog } from '../../src/audit/offline.ts';
import { openLog } from '../../src/audit/open-log.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { appendActions, envelope, options, QUIET } from '../audit/fixtures.ts';
import { tlogverify } from '../audit/tlogverify.ts';

const CHILD = join(import.meta.dirname, '..', 'audit', 'append-until-killed.ts');
const KILLS = 24;

describe('G3', () => {
  test(`G3 after each of ${KILLS} kill -9 under load every entry that was said to be written is there, and the log is whole`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'record-kill-'));
    let entries = 0;
    for (let run = 0; run < KILLS; run += 1) {
      const written = await appendAndKill(root, `r${run}`, 40 + ((run * 67) % 260));
      expect(written.length).toBeGreaterThan(0);
      const vkey = readFileSync(join(root, 'audit', 'vkey'), 'utf8');
      const { reader } = await readLog(join(root, 'audit'), null);
      expect(reader.size).toBeGreaterThan(entries);
      entries = reader.size;
      for (const [entry, number] of written) {
        const stored = await reader.entry(entry);
        expect(stored?.commitment).toBe('fits');
        expect(String(stored?.sealed?.text)).toMatch(new RegExp(`^r${run}/${number}/`));
      }
      expect(await verifyLog({ directory: join(root, 'audit'), vkey })).toMatchObject({ whole: true, problems: [] });
      expect(tlogverify(join(root, 'audit'), vkey)).toMatchObject({ whole: true });
    }
    const log = await openLog(options(null, root));
    await log.close();
    const vkey = log.vkey;
    expect(await verifyLog({ directory: join(root, 'audit'), vkey })).toMatchObject({
      whole: true,
      unsigned: 0,
      size: entries,
    });
    expect(tlogverify(join(root, 'audit'), vkey)).toMatchObject({ whole: true });
    rmSync(root, { recursive: true });
  }, 180_000);

  test('G3 a second writer is refused while the first lives, and let in when it was killed', async () => {
    const root = mkdtempSync(join(tmpdir(), 'record-lock-'));
    const child = spawn(process.execPath, [CHILD, root, 'r'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.resume();
    await expect(openLog(options(null, root))).rejects.toMatchObject({ code: 'RECORD_LOCKED' });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const log = await openLog(options(null, root));
    await expect(openLog(options(null, root))).rejects.toMatchObject({ code: 'RECORD_LOCKED' });
    await log.close();
    await (await openLog(options(null, root))).close();
    rmSync(root, { recursive: true });
  }, 60_000);

  test('G3 on a disk that is really full nothing passes, what must be recorded is, and all is whole afterwards', async () => {
    const root = mkdtempSync(join(tmpdir(), 'record-full-'));
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', root]).status === 0;
    // Without the right to mount, the same is tested on a disk in memory (test/audit/faults.test.ts).
    if (!mounted) return;
    try {
      const log = await openLog(options(null, root, { limits: { ...QUIET, reserve_bytes: 1024 * 1024 } }));
      appendActions(log, 10);
      mkdirSync(join(root, 'other'));
      const filler = join(root, 'other', 'filler');
      const { bavail, bsize } = statfsSync(root);
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 16 * 1024));
      expect(() => appendActions(log, 1_000)).toThrow(expect.objectContaining({ code: 'RECORD_UNAVAILABLE' }));
      expect(log.accepting()).toBe(false);
      const refused = log.append(envelope('action', { verdict: 'refuse' }), { text: 'drop table t' });
      const end = log.append(envelope('session-end'), {});
      await log.durable(end, 'other');
      rmSync(filler);
      for (let attempt = 0; attempt < 5 && !log.accepting(); attempt += 1) {
        log.append(envelope('alert', { session: null }), {});
        await log.checkpoint();
      }
      expect(log.accepting()).toBe(true);
      expect((await log.reader.entry(refused))?.sealed).toEqual({ text: 'drop table t' });
      await log.close();
      expect(await verifyLog({ directory: join(root, 'audit'), vkey: log.vkey })).toMatchObject({
        whole: true,
        unsigned: 0,
      });
      expect(tlogverify(join(root, 'audit'), log.vkey).whole).toBe(true);
    } finally {
      spawnSync('umount', [root]);
      rmSync(root, { recursive: true, force: true });
    }
  }, 60_000);
});

/** Lets a process append until it is killed; gives the entries it said it had written. */
async function appendAndKill(
  root: string,
  run: string,
  after_ms: number,
): Promise<readonly (readonly [number, number])[]> {
  const child = spawn(process.execPath, [CHILD, root, run], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), after_ms));
  await new Promise((resolve) => child.once('close', resolve));
  return said
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').map(Number))
    .map(([entry = -1, number = -1]) => [entry, number] as const);
}
