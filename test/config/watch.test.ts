import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type ConfigWatch, watchConfig } from '../../src/config/watch.ts';

let directory = '';
let watching: ConfigWatch | null = null;
const applied: Config[] = [];
const refused: unknown[] = [];
let failNext = false;

const text = (name: string) => `gateway: { name: ${name} }\npolicies: [p.cedar]\n`;
const path = () => join(directory, 'sallyport.yaml');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-watch-'));
  writeFileSync(path(), text('one'));
  writeFileSync(join(directory, 'p.cedar'), '');
  applied.length = 0;
  refused.length = 0;
  failNext = false;
  const loaded = loadConfig(path(), {});
  if (loaded.outcome !== 'loaded') throw new Error('the test needs a valid configuration');
  watching = watchConfig({
    path: path(),
    env: {},
    current: loaded.config,
    quiet_ms: 20,
    apply: async (config) => {
      if (failNext) throw new Error('the policies do not load');
      applied.push(config);
    },
    refused: (problems, error) => refused.push(problems.length > 0 ? problems : error),
  });
});

afterEach(() => {
  watching?.close();
  rmSync(directory, { recursive: true });
});

describe('a running configuration', () => {
  test('changes when its file is written', async () => {
    writeFileSync(path(), text('two'));
    await until(() => applied.length > 0);
    expect(applied.at(-1)?.gateway.name).toBe('two');
  });

  test('changes when its file is replaced, as editors do', async () => {
    writeFileSync(join(directory, 'new'), text('three'));
    renameSync(join(directory, 'new'), path());
    await until(() => applied.some((config) => config.gateway.name === 'three'));
  });

  test('changes when a policy does', async () => {
    writeFileSync(join(directory, 'p.cedar'), 'permit (principal, action, resource);');
    await until(() => applied.length > 0);
  });

  test('is not read again for what changes beside it: a log, the data', async () => {
    writeFileSync(join(directory, 'serve.log'), 'a line\n');
    writeFileSync(path(), text('one'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(applied).toEqual([]);
  });

  test('changes when a file comes that a pattern names, in a directory that comes with it', async () => {
    writeFileSync(path(), `${text('globs')}include: [./teams/*/targets.yaml]\n`);
    mkdirSync(join(directory, 'teams'));
    await until(() => applied.length > 0);
    const before = applied.length;
    mkdirSync(join(directory, 'teams/sales'));
    writeFileSync(join(directory, 'teams/sales/targets.yaml'), '[]');
    await watching?.reload();
    await until(() => applied.at(-1)?.source.files.some((file) => file.endsWith('targets.yaml')) === true);
    expect(applied.length).toBeGreaterThan(before);
  });

  test('that was refused is read again when the mistake is mended in a file that only it names', async () => {
    writeFileSync(join(directory, 'team.yaml'), 'targets: [3]\n');
    writeFileSync(path(), `${text('mended')}include: [./team.yaml]\n`);
    await until(() => refused.length > 0);
    writeFileSync(join(directory, 'team.yaml'), 'targets: []\n');
    await until(() => applied.length > 0);
    expect(applied.at(-1)?.gateway.name).toBe('mended');
  });

  test('changes on SIGHUP', async () => {
    process.emit('SIGHUP');
    await until(() => applied.length > 0);
  });

  test('stays as it is when the new one has a problem, and picks up the next good one', async () => {
    writeFileSync(path(), 'gateway: { nmae: x }\n');
    await until(() => refused.length > 0);
    expect(applied).toEqual([]);
    writeFileSync(path(), text('four'));
    await until(() => applied.length > 0);
    expect(applied.at(-1)?.gateway.name).toBe('four');
  });

  test('is reported as refused when a room does not take it', async () => {
    failNext = true;
    expect(await watching?.reload()).toBe('refused');
    expect(refused).toHaveLength(1);
    failNext = false;
    expect(await watching?.reload()).toBe('applied');
  });

  test('is not read again after closing', async () => {
    watching?.close();
    writeFileSync(path(), text('five'));
    process.emit('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(applied).toEqual([]);
  });
});

test('a configuration cannot be changed by who holds it', () => {
  const own = mkdtempSync(join(tmpdir(), 'sallyport-frozen-'));
  writeFileSync(join(own, 'sallyport.yaml'), 'gateway: { name: gw }\n');
  const loaded = loadConfig(join(own, 'sallyport.yaml'), {});
  rmSync(own, { recursive: true });
  if (loaded.outcome !== 'loaded') throw new Error('it loads');
  const { config } = loaded;
  expect(() => Object.assign(config.gateway, { name: 'x' })).toThrow(TypeError);
  expect(() => Object.assign(config.limits, { connections_max: 1 })).toThrow(TypeError);
  expect(() => (config.targets as unknown[]).push({})).toThrow(TypeError);
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 3_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen within 3 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
