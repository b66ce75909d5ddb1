import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../e2e/world.ts';
import { pause } from './attack.ts';

/** Signing cannot be off unnoticed: a running gateway signs within seconds, and without its key there is no gateway. */
let world: World;
const inData = (...names: string[]) => join(world.gateway.directory, 'data', ...names);
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const signedSize = () => Number(readFileSync(inData('audit', 'checkpoint'), 'utf8').split('\n')[1]);

test('G2 a running gateway signs what psql and a raw client do, within seconds', async () => {
  const before = signedSize();
  await world.gateway.psql('ann', 'crm', 'select 1');
  (await world.gateway.login('ann', 'crm')).end();
  const deadline = Date.now() + 5_000;
  let report = await world.gateway.verify();
  while ((report.unsigned > 0 || signedSize() <= before) && Date.now() < deadline) {
    await pause(100);
    report = await world.gateway.verify();
  }
  expect(signedSize()).toBeGreaterThan(before);
  expect(report).toMatchObject({ whole: true, unsigned: 0 });
});

test('G2 the key is its owner’s alone', () => {
  expect(statSync(inData('keys', 'log.key')).mode & 0o777).toBe(0o600);
});

test.each([
  ['is gone', (key: string) => renameSync(key, `${key}.away`)],
  ['is empty', (key: string) => writeFileSync(key, '')],
  ['is garbage', (key: string) => writeFileSync(key, 'no key')],
  [
    'is another one',
    (key: string) =>
      writeFileSync(key, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
  ],
])('G2 the gateway refuses to start where its key %s, and starts when it is back', async (_, spoil) => {
  const key = inData('keys', 'log.key');
  await world.gateway.stop();
  const kept = readFileSync(key);
  const size = signedSize();
  spoil(key);
  await expect(world.gateway.restart()).rejects.toThrow(/ended with 1/);
  // Nothing was signed by anybody else meanwhile.
  expect(signedSize()).toBe(size);
  writeFileSync(key, kept);
  await world.gateway.restart();
  expect(await world.gateway.psql('ann', 'crm', 'select 1')).toMatchObject({ stdout: '1\n' });
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  expect(existsSync(key)).toBe(true);
});

test('G2 the gateway refuses to start where its checkpoint was signed by nobody', async () => {
  await world.gateway.stop();
  const path = inData('audit', 'checkpoint');
  const kept = readFileSync(path, 'utf8');
  writeFileSync(path, kept.slice(0, kept.indexOf('\n\n') + 2));
  await expect(world.gateway.restart()).rejects.toThrow(/ended with 1/);
  writeFileSync(path, kept);
  await world.gateway.restart();
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
});
