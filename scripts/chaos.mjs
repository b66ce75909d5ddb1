// node scripts/chaos.mjs [--kills 200] [--seed 1]
//
// Kills the built gateway with SIGKILL under mixed load, again and again. Whatever a tap before the target saw must be in
// the record afterwards. Exit 1 where it is not; the same seed draws the same load.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { build, root, underPinnedNode } from './bootstrap.mjs';

underPinnedNode(process.argv[1], process.argv.slice(2));
const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  console.error('usage: chaos [--kills N] [--seed N]');
  process.exit(2);
}

build();
const program = new URL('../test/threats/chaos.ts', import.meta.url).pathname;
const { status } = spawnSync(process.execPath, [program, String(kills), String(seed)], { cwd: root, stdio: 'inherit' });
process.exitCode = status ?? 1;
