import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyLog } from '../../src/audit/verify.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { recordOf, textOf } from './attack.ts';

/** No run of the gateway can vanish between two others. */
let world: World;
const elsewhere = mkdtempSync(join(tmpdir(), 'sallyport-g5-'));
const audit = () => join(world.gateway.directory, 'data', 'audit');
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.stop();
  rmSync(elsewhere, { recursive: true });
});

test('G5 restarts of the gateway, stopped and killed, go on with one log: every start is in it and follows what was there', async () => {
  for (let run = 0; run < 4; run += 1) {
    await world.gateway.psql('ann', 'crm', `select ${run} /* run ${run} */`);
    if (run % 2 === 0) await world.gateway.stop();
    else await world.gateway.kill();
    await world.gateway.restart();
  }
  await world.gateway.stop();
  const entries = await recordOf(world.gateway);
  expect(entries.filter(({ entry }) => entry.kind === 'gateway-start')).toHaveLength(5);
  expect(entries.filter(({ entry }) => entry.kind === 'gateway-stop')).toHaveLength(3);
  // What a run that was killed left open is closed by the next one.
  const open = new Set<string>();
  for (const { entry } of entries) {
    if (entry.kind === 'session-start' && entry.session !== null) open.add(entry.session);
    if (entry.kind === 'session-end' && entry.session !== null) open.delete(entry.session);
  }
  expect([...open]).toEqual([]);
  for (let run = 0; run < 4; run += 1) expect(entries.some((entry) => textOf(entry).includes(`run ${run}`))).toBe(true);
  expect(entries.map(({ index }) => index)).toEqual(entries.map((_, index) => index));
  expect(await world.gateway.verify()).toMatchObject({ whole: true, unsigned: 0 });
  await world.gateway.restart();
});

test('G5 a whole run that was cut out is found with a checkpoint kept elsewhere', async () => {
  await world.gateway.stop();
  cpSync(audit(), join(elsewhere, 'before'), { recursive: true });
  await world.gateway.restart();
  await world.gateway.psql('ann', 'crm', 'select 1 /* the run that vanishes */');
  await world.gateway.stop();
  const kept = readFileSync(join(audit(), 'checkpoint'), 'utf8');
  rmSync(audit(), { recursive: true });
  cpSync(join(elsewhere, 'before'), audit(), { recursive: true });
  await world.gateway.restart();
  await world.gateway.psql('ann', 'crm', 'select 1 /* another run in its place */');
  for (let more = 0; more < 5; more += 1) await world.gateway.psql('ann', 'crm', 'select 1; select 2; select 3');
  await world.gateway.stop();
  const vkey = readFileSync(join(audit(), 'vkey'), 'utf8').trim();
  // By itself such a log is whole: that is why checkpoints are kept elsewhere.
  expect(await verifyLog({ directory: audit(), vkey })).toMatchObject({ whole: true, anchored: false });
  const report = await verifyLog({ directory: audit(), vkey, since: [kept] });
  expect(report).toMatchObject({ whole: false, exitCode: 1 });
  expect(report.problems.some(({ kind }) => kind === 'anchor')).toBe(true);
});
