import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { splitBundle } from '../../src/audit/bundle.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { startWorld } from '../e2e/world.ts';
import { seeded } from './seeded.ts';

/** The log of a real gateway: nothing in it can be otherwise than it was. */
const root = mkdtempSync(join(tmpdir(), 'sallyport-g6-'));
const audit = join(root, 'audit');
let vkey = '';

beforeAll(async () => {
  const world = await startWorld();
  try {
    const { gateway } = world;
    await gateway.psql('ann', 'crm', [
      'select id, ssn from customers',
      'drop table orders',
      'set search_path = public',
    ]);
    const client = await gateway.login('ann', 'crm');
    client.send(
      { type: 'parse', statement: '', text: Buffer.from('select $1::text'), parameterTypes: [] },
      {
        type: 'bind',
        portal: '',
        statement: '',
        parameterFormats: [],
        parameters: [Buffer.from('value')],
        resultFormats: [],
      },
      { type: 'execute', portal: '', rowsMax: 0 },
      { type: 'sync' },
    );
    await client.until('ready-for-query');
    client.end();
    await gateway.psql('eve', 'crm', 'select 1');
    await gateway.stop();
    cpSync(join(gateway.directory, 'data', 'audit'), audit, { recursive: true });
    vkey = readFileSync(join(audit, 'vkey'), 'utf8').trim();
  } finally {
    await world.stop();
  }
});
afterAll(() => rmSync(root, { recursive: true }));

const verify = () => verifyLog({ directory: audit, vkey });

/** The newest bundle of entries, whose partial forms lie beside each other. */
function bundlePath(): string {
  const widths = readdirSync(join(audit, 'tile/entries/000.p')).map(Number);
  return join(audit, 'tile/entries/000.p', String(Math.max(...widths)));
}

async function found(path: string, bytes: Buffer): Promise<boolean> {
  const kept = readFileSync(path);
  writeFileSync(path, bytes);
  try {
    return (await verify().catch(() => ({ whole: false }))).whole === false;
  } finally {
    writeFileSync(path, kept);
  }
}

test('G6 every field of every entry of the real log, changed, makes the log fail', async () => {
  expect(await verify()).toMatchObject({ whole: true });
  const path = bundlePath();
  const { entries } = splitBundle(readFileSync(path));
  expect(entries.length).toBeGreaterThan(15);
  const fields = new Set<string>();
  for (const [number, entry] of entries.entries()) {
    const value: Record<string, unknown> = JSON.parse(entry.toString());
    for (const field of Object.keys(value)) {
      fields.add(field);
      const changed = Buffer.from(JSON.stringify({ ...value, [field]: other(value[field]) }));
      const bundle = Buffer.concat(
        entries.map((one, at) => {
          const body = at === number ? changed : one;
          return Buffer.concat([Buffer.of(body.length >> 8, body.length & 0xff), body]);
        }),
      );
      expect(await found(path, bundle), `entry ${number}, ${field}`).toBe(true);
    }
  }
  // All that an entry has; a field that is new stands here or the test fails.
  expect([...fields].filter((field) => !['clock', 'cut'].includes(field)).sort()).toEqual(
    [
      'v',
      'seq',
      'at',
      'kind',
      'session',
      'run',
      'principal',
      'target',
      'verb',
      'resources',
      'verdict',
      'rules',
      'sizes',
      'of',
      'facts',
      'commitment',
    ].sort(),
  );
}, 120_000);

function other(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'string') return `${value}x`;
  if (value === null) return 'x';
  if (Array.isArray(value)) return [...value, 'x'];
  return { ...Object(value), x: 1 };
}

test('G6 every byte that a flip at random hits, in every file of the real log, makes the log fail', async () => {
  const below = seeded(0x66);
  const files = readdirSync(audit, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile() && !/^(reserve|lock|lock-journal|vkey)/.test(item.name))
    .map((item) => join(item.parentPath, item.name))
    .filter((path) => statSync(path).size > 0);
  expect(files.length).toBeGreaterThan(3);
  for (const path of files) {
    const bytes = readFileSync(path);
    for (let time = 0; time < 40; time += 1) {
      const at = below(bytes.length);
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << below(8));
      expect(await found(path, flipped), `${path.slice(audit.length)} at ${at}`).toBe(true);
    }
  }
  expect(await verify()).toMatchObject({ whole: true });
}, 120_000);
