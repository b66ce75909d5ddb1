import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readLog } from '../../src/audit/offline.ts';
import { openLog } from '../../src/audit/open-log.ts';
import { replay } from '../../src/audit/replay.ts';
import { tailLine } from '../../src/audit/tail.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { appendActions, envelope, filled, options } from '../audit/fixtures.ts';
import { failure, MemoryFiles } from '../audit/memory-files.ts';
import { tlogverify } from '../audit/tlogverify.ts';

const broken = expect.objectContaining({ code: 'RECORD_BROKEN' });

describe('G2 signing silently off', () => {
  test('G2 every checkpoint written is read again and must be the one that was signed', async () => {
    const files = new MemoryFiles();
    const alerts: string[] = [];
    const log = await openLog(options(files, '/data', { alert: ({ message }) => alerts.push(message) }));
    appendActions(log, 3);
    const rename = files.rename.bind(files);
    files.rename = async (from, to) => {
      await rename(from, to);
      if (!to.endsWith('/checkpoint')) return;
      const file = files.openNow(to, 'update');
      files.writeNow(file, Buffer.from('X'), 0, 1, 5);
    };
    await expect(log.checkpoint()).rejects.toEqual(broken);
    expect(log.accepting()).toBe(false);
    expect(() => appendActions(log, 1)).toThrow(broken);
    expect(alerts.length).toBeGreaterThan(0);
    await log.close().catch(() => undefined);
  });

  test('G2 checkpoints that cannot be written raise an alert and then stop traffic', async () => {
    const files = new MemoryFiles();
    const alerts: string[] = [];
    let now = 0;
    const log = await openLog(
      options(files, '/data', { clock: { now: () => now }, alert: ({ message }) => alerts.push(message) }),
    );
    appendActions(log, 3);
    files.fault = (call, path) => {
      if (call === 'rename' && path.endsWith('/checkpoint')) throw failure('EIO', 'rename');
    };
    await expect(log.checkpoint()).rejects.toThrow('EIO');
    expect(alerts).toEqual([expect.stringContaining('no checkpoint')]);
    now = 60_000;
    expect(log.accepting()).toBe(false);
    files.fault = null;
    await log.close();
  });

  test.each<[string, (files: MemoryFiles) => Promise<void> | void]>([
    ['without its key', (files) => files.remove('/data/keys/log.key')],
    [
      'with another key',
      (files) =>
        put(
          files,
          '/data/keys/log.key',
          generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        ),
    ],
    ['with something else for a key', (files) => put(files, '/data/keys/log.key', 'not a key')],
    ['without its checkpoint', (files) => files.remove('/data/audit/checkpoint')],
    [
      'with a checkpoint that does not verify',
      (files) =>
        put(
          files,
          '/data/audit/checkpoint',
          String(files.readNow('/data/audit/checkpoint')).replace('\n11\n', '\n12\n'),
        ),
    ],
    ['without its last tile', (files) => files.remove('/data/audit/tile/0')],
    ['with another last tile', (files) => put(files, '/data/audit/tile/0/000.p/11', 'x'.repeat(11 * 32))],
    ['without its last bundle', (files) => files.remove('/data/audit/tile/entries')],
    ['with another last bundle', (files) => put(files, '/data/audit/tile/entries/000.p/11', '\0\x02{}'.repeat(11))],
  ])('G2 a log %s is not gone on with', async (_, change) => {
    const files = new MemoryFiles();
    await (await filled(files, 10)).close();
    await change(files);
    await expect(openLog(options(files, '/data'))).rejects.toEqual(broken);
  });

  test('G2 the key is made once, for its owner only, and the public one lies beside the log', async () => {
    const root = mkdtempSync(join(tmpdir(), 'record-key-'));
    const log = await openLog(options(null, root));
    expect(statSync(join(root, 'keys', 'log.key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(root, 'audit', 'vkey'), 'utf8')).toBe(`${log.vkey}\n`);
    expect(log.vkey).toMatch(/^gw\.example\.com\/gw\+[0-9a-f]{8}\+/);
    await log.close();
    const again = await openLog(options(null, root));
    expect(again.vkey).toBe(log.vkey);
    await again.close();
    rmSync(root, { recursive: true });
  });
});

describe('G5 a run that vanishes', () => {
  test('G5 every start names the tree it found, and a start that does not follow is found', async () => {
    const files = new MemoryFiles();
    const roots: string[] = [];
    let vkey = '';
    for (let run = 0; run < 3; run += 1) {
      const log = await filled(files, 5);
      vkey = log.vkey;
      await log.close();
      roots.push((await verifyLog({ directory: '/data/audit', vkey, files })).root ?? '');
    }
    const { reader } = await readLog('/data/audit', null, files);
    const starts = [];
    for await (const { index, entry } of reader.envelopes(0, reader.size))
      if (entry.kind === 'gateway-start') starts.push({ index, ...entry.facts });
    expect(starts.slice(1)).toEqual(
      starts.slice(1).map(({ index }, run) => ({ index, previous_size: index, previous_root: roots[run] })),
    );
    expect(starts).toHaveLength(3);
  });
});

describe('G6 what the hash covers', () => {
  test('G6 no two entries share their bytes, however their fields are cut', async () => {
    const log = await filled(new MemoryFiles(), 0);
    log.append(envelope('action', { principal: 'a","target":"b', target: 'c' }), {});
    log.append(envelope('action', { principal: 'a', target: 'b","target":"c' }), {});
    const [one, other] = [await log.reader.entry(1), await log.reader.entry(2)];
    expect([one?.entry.principal, one?.entry.target]).toEqual(['a","target":"b', 'c']);
    expect([other?.entry.principal, other?.entry.target]).toEqual(['a', 'b","target":"c']);
    await log.close();
  });
});

describe('G7 erasure', () => {
  test.each([false, true])(
    'G7 erasing a session leaves nothing of what was said, and the tree whole (sealed: %s)',
    async (sealed) => {
      const root = mkdtempSync(join(tmpdir(), 'record-erase-'));
      const log = await openLog(options(null, root, { seals: () => sealed }));
      appendActions(log, 20);
      const secret = `ssn 123-45-6789 ${'x'.repeat(70_000)}`;
      const entry = log.append(envelope('action', { session: 'gone' }), { text: secret, parameters: ['987-65-4321'] });
      log.append(envelope('session-end', { session: 'gone' }), {});
      expect((await log.reader.entry(entry))?.sealed?.text).toBe(secret);
      await log.erase('gone');
      expect(await log.reader.entry(entry)).toMatchObject({
        sealed: null,
        commitment: 'absent',
        entry: { session: 'gone', verb: 'read' },
      });
      await log.close();
      const found = new TextDecoder('latin1').decode(Buffer.concat(allFiles(root)));
      expect(found).not.toContain('123-45-6789');
      expect(found).not.toContain('987-65-4321');
      const report = await verifyLog({ directory: join(root, 'audit'), vkey: log.vkey });
      expect(report).toMatchObject({ whole: true, sealed: { absent: 2, broken: 0 } });
      expect(report.notes).toContainEqual(expect.stringContaining('erased'));
      expect(tlogverify(join(root, 'audit'), log.vkey).whole).toBe(true);
      rmSync(root, { recursive: true });
    },
  );

  test('G7 without the key of its session a sealed field cannot be read, and the tree is whole', async () => {
    const files = new MemoryFiles();
    const log = await filled(files, 8, { seals: () => true });
    await log.close();
    await files.remove('/data/keys/sessions/s1.key');
    const report = await verifyLog({
      directory: '/data/audit',
      vkey: log.vkey,
      sessionKeys: '/data/keys/sessions',
      files,
    });
    expect(report).toMatchObject({ whole: true, sealed: { fits: 7, locked: 2, broken: 0 } });
    const { reader } = await readLog('/data/audit', '/data/keys/sessions', files);
    expect(await reader.entry(2)).toMatchObject({ commitment: 'locked', sealed: null });
    expect(await reader.entry(1)).toMatchObject({ commitment: 'fits', sealed: { text: 'select 0' } });
  });

  test('G7 a changed sealed field is not the one committed to', async () => {
    const root = mkdtempSync(join(tmpdir(), 'record-sealed-'));
    const log = await openLog(options(null, root));
    appendActions(log, 4);
    await log.close();
    const other = await openLog(options(null, join(root, 'other')));
    appendActions(other, 4);
    await other.close();
    const session = (at: string) => allPaths(at).find((path) => path.endsWith('/s1')) ?? '';
    // A whole, well-formed file of another log's session of the same name.
    writeFileSync(session(join(root, 'audit')), readFileSync(session(join(root, 'other'))));
    const report = await verifyLog({ directory: join(root, 'audit'), vkey: log.vkey });
    expect(report).toMatchObject({ whole: false, firstBad: 2, sealed: { broken: 1 } });
    rmSync(root, { recursive: true });
  });
});

describe('G8 what others chose to say', () => {
  const ATTACKS: readonly [string, string][] = [
    ['a new line that forges an entry', 'select 1\n2026-11-20T00:00:00Z root crm forward'],
    ['a carriage return that writes over', 'drop table t\rselect 1    '],
    ['colours and cursor', '\x1b[2J\x1b[1;1H\x1b[32mallowed\x1b[0m'],
    ['the clipboard, OSC 52', '\x1b]52;c;cm0gLXJmIC8=\x07'],
    ['a title, by C1', '\x9d0;root\x9c'],
    ['another reading direction', 'select \u202e1 -- \u2066 admin \u2069'],
    ['nothing to be seen', 'a\u200bb\u2060c\ufeffd\u{e0041}\u00ad'],
    ['a line end of Unicode', 'a\u2028b\u2029c\x85d'],
    ['a CEF header', 'CEF:0|x|y|1|\n|z|10|'],
    ['a null', 'a\0b'],
  ];
  // Everything that is not seen as what it is.
  const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

  test.each(ATTACKS)('G8 %s is shown as what it is, in every field of a line', async (_, attack) => {
    const log = await filled(new MemoryFiles(), 0);
    const fields = {
      principal: attack,
      target: attack,
      verb: attack,
      rules: [attack],
      session: attack,
      facts: { error: attack, tag: attack },
    };
    log.append(envelope('action', fields), {
      text: attack,
      justification: attack,
      parameters: [attack, { value: attack }],
    });
    const stored = await log.reader.entry(1);
    if (stored === null) throw new Error('there is no entry');
    expect(stored.sealed?.text).toBe(attack);
    expect(tailLine(stored.entry, stored.sealed)).not.toMatch(UNSAFE);
    const lines: string[] = [];
    const decode = () => [attack];
    for await (const { line } of replay(log.reader.these([1]), { decode })) lines.push(line);
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).not.toMatch(UNSAFE);
    await log.close();
  });
});

function put(files: MemoryFiles, path: string, text: string): void {
  const file = files.openNow(path, 'replace');
  files.writeNow(file, Buffer.from(text, 'latin1'), 0, text.length, 0);
  files.closeNow(file);
}

function allPaths(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name));
}

function allFiles(root: string): Buffer[] {
  return allPaths(root)
    .filter((path) => !path.endsWith('/reserve'))
    .map((path) => readFileSync(path));
}
