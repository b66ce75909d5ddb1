import { type Campaign, fuzz, HOME } from './fuzzer.ts';
import { TARGETS } from './targets.ts';
import { Watchdog } from './watchdog.ts';

/** One campaign against one target, in a process of its own: coverage is counted per process, and a hang ends it. */
const [name = '', seconds = '10', seed = '1', save = ''] = process.argv.slice(2);
const target = TARGETS.find((candidate) => candidate.name === name);
if (target === undefined) throw new Error(`no target ${name}`);

const campaign: Campaign = {
  seconds: Number(seconds),
  seed: Number(seed),
  save: save === 'save',
  crashers_max: 10,
  directory: HOME,
};
const watchdog = new Watchdog(target.name, HOME);
const { executions, blocks, corpus, crashers } = fuzz(target, campaign, watchdog);
await watchdog.stop();

const figures = `${String(executions).padStart(9)} execs ${String(blocks).padStart(5)} blocks ${String(corpus).padStart(4)} corpus`;
console.log(`${target.name.padEnd(20)} ${figures} ${String(crashers.length).padStart(3)} crashers`);
for (const crasher of crashers) console.log(`  ${crasher}`);
process.exitCode = crashers.length > 0 ? 1 : 0;
