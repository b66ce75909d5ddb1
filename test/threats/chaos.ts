import { startWorld } from '../e2e/world.ts';
import { killUnderLoad } from './kills.ts';
import { seeded } from './seeded.ts';

/** `chaos.ts KILLS SEED`: the long form of G3, outside the test runner. */
const [kills, seed] = process.argv.slice(2).map(Number);
const world = await startWorld();
try {
  const tally = await killUnderLoad(world, {
    times: kills ?? 1,
    random: seeded(seed ?? 1),
    told: ({ kills: done, seen, unrecorded }) => {
      if (done % 10 === 0)
        console.log(`${done} kills, ${seen} actions seen by the target, ${unrecorded.length} not recorded`);
    },
  });
  console.log(JSON.stringify(tally, null, 2));
  const { unrecorded, withoutResult, leaked, broken } = tally;
  process.exitCode = unrecorded.length + withoutResult.length + leaked.length + broken.length === 0 ? 0 : 1;
} finally {
  await world.stop();
}
