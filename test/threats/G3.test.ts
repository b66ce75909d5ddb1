import { expect, test } from 'vitest';
import { startWorld } from '../e2e/world.ts';
import { killUnderLoad } from './kills.ts';
import { seeded } from './seeded.ts';

const KILLS = 20;

test(`G3 after ${KILLS} kill -9 of the gateway under mixed load, every action the target saw is in the record`, async () => {
  const world = await startWorld();
  try {
    const tally = await killUnderLoad(world, { times: KILLS, random: seeded(0x63) });
    expect(tally).toMatchObject({ kills: KILLS, unrecorded: [], withoutResult: [], leaked: [], broken: [] });
    // A load that is none would prove nothing.
    expect(tally.seen).toBeGreaterThan(KILLS * 2);
    expect(tally.completed).toBeGreaterThan(KILLS * 2);
    expect(tally.denied).toBeGreaterThan(0);
  } finally {
    await world.stop();
  }
}, 300_000);
