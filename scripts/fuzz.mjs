// node scripts/fuzz.mjs [--target NAME] [--seconds 10] [--seed 1] [--save] [--list]
//
// Feeds every decoder with mutated bytes, guided by coverage. Exit 1 if one of them broke its promise; the input is then
// in test/fuzz/crashers. --save adds inputs that reach new blocks to the corpus in git.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TARGETS } from '../test/fuzz/targets.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    save: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

if (values.list) {
  for (const target of TARGETS) console.log(target.name);
  process.exit(0);
}

const seconds = Number(values.seconds);
const chosen = TARGETS.filter((target) => values.target === undefined || target.name === values.target);
if (chosen.length === 0 || !(seconds >= 0) || !Number.isInteger(Number(values.seed))) {
  console.error(
    `usage: fuzz [--target ${TARGETS.map((target) => target.name).join('|')}] [--seconds N] [--seed N] [--save]`,
  );
  process.exit(2);
}

const program = join(import.meta.dirname, '../test/fuzz/run.ts');
let failed = false;
for (const target of chosen) {
  const args = [program, target.name, String(seconds), values.seed, values.save ? 'save' : ''];
  // A campaign ends by itself, and its watchdog ends one that hangs; the deadline is for a watchdog that failed.
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', timeout: (seconds + 120) * 1000 });
  if (status !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;
