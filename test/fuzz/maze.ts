import { fuzz } from './fuzzer.ts';
import type { Target } from './target.ts';
import { Watchdog } from './watchdog.ts';

/**
 * A decoder with planted faults, to see whether the fuzzer finds them: one that only four right bytes in a row reach
 * (blind luck needs 2^32 tries, coverage about a thousand) and, with the argument `hang`, one that never returns.
 */
const [directory = '', fault = ''] = process.argv.slice(2);

const MAZE: Target = {
  name: 'maze',
  sources: ['/test/fuzz/maze.ts'],
  framing: 'none',
  dictionary: [],
  seeds: () => [Buffer.from('aaaaaa')],
  run: walk,
};

function walk(input: Buffer): void {
  if (input[0] !== 0x4d) return;
  if (input[1] !== 0x61) return;
  if (input[2] !== 0x7a) return;
  if (input[3] !== 0x65) return;
  while (fault === 'hang') input.toString();
  throw new TypeError('the middle of the maze');
}

const watchdog = new Watchdog('maze', directory, 500);
const outcome = fuzz(MAZE, { seconds: 20, seed: 1, save: true, crashers_max: 1, directory }, watchdog);
await watchdog.stop();
console.log(JSON.stringify(outcome));
