import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { Coverage } from './coverage.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import type { Target } from './target.ts';
import type { Watchdog } from './watchdog.ts';

export interface Campaign {
  readonly seconds: number;
  readonly seed: number;
  /** Write inputs that reach new blocks into the corpus directory, up to CORPUS_FILES_MAX. */
  readonly save: boolean;
  /** It ends after so many different findings. */
  readonly crashers_max: number;
  /** Where `corpus/` is and `crashers/` goes. */
  readonly directory: string;
}

export interface Outcome {
  readonly executions: number;
  readonly blocks: number;
  readonly corpus: number;
  readonly crashers: readonly string[];
}

/** Where the corpus lies in git. */
export const HOME = import.meta.dirname;
/** Asking V8 for coverage costs as much as a hundred inputs, so it is asked for many at once and the culprit searched. */
const BATCH = 256;
const CORPUS_FILES_MAX = 60;
const INPUT_MS_MAX = 1_000;
const INPUT_EXTERNAL_BYTES_MAX = 16 * 1024 * 1024;

/** The inputs of a target that are kept in git. */
export function corpusOf(target: Pick<Target, 'name'>, home = HOME): readonly Buffer[] {
  const directory = join(home, 'corpus', target.name);
  mkdirSync(directory, { recursive: true });
  return readdirSync(directory)
    .sort()
    .map((file) => readFileSync(join(directory, file)));
}

/** Mutates what reaches new blocks until the time is over. Inputs that break a promise are written to `crashers/`. */
export function fuzz(target: Target, campaign: Campaign, watchdog: Watchdog): Outcome {
  const coverage = new Coverage(target.sources);
  const random = new Random(campaign.seed);
  const corpus: Buffer[] = [];
  const crashers = new Map<string, string>();
  let executions = 0;

  const run = (input: Buffer) => {
    executions++;
    watchdog.watch(input);
    const finding = attempt(target, input);
    // One crasher for each kind of finding: the first hundred differ in nothing.
    if (finding !== null && !crashers.has(finding) && crashers.size < campaign.crashers_max)
      crashers.set(finding, keepCrasher(target, input, finding, campaign.directory));
  };
  const learn = (inputs: readonly Buffer[]) => {
    for (const input of inputs) {
      run(input);
      if (coverage.reached(true)) corpus.push(input);
    }
  };

  // The corpus in git comes first, so that seeds add only what it lacks.
  coverage.drop();
  const kept = corpusOf(target, campaign.directory);
  learn(kept);
  learn(target.seeds());
  if (corpus.length === 0) throw new Error(`${target.name}: no input reaches any watched block; is \`sources\` right?`);
  const until = performance.now() + campaign.seconds * 1000;
  while (performance.now() < until && crashers.size < campaign.crashers_max) {
    const batch = Array.from({ length: BATCH }, () => mutate(random.pick(corpus), corpus, target, random));
    coverage.drop();
    for (const input of batch) run(input);
    if (coverage.reached(false))
      learn(
        search(batch, (inputs) => {
          coverage.drop();
          for (const input of inputs) run(input);
          return coverage.reached(false);
        }),
      );
  }
  watchdog.rest();
  if (campaign.save) save(target, corpus, campaign.directory);
  return { executions, blocks: coverage.blocks, corpus: corpus.length, crashers: [...crashers.values()] };
}

/** The inputs among these that may have reached something new, by halving. */
function search(inputs: readonly Buffer[], reaches: (inputs: readonly Buffer[]) => boolean): readonly Buffer[] {
  if (inputs.length <= 1) return inputs;
  const middle = inputs.length >>> 1;
  const halves = [inputs.slice(0, middle), inputs.slice(middle)];
  return halves.flatMap((half) => (reaches(half) ? search(half, reaches) : []));
}

/** What is wrong with how the target read this input, or `null`. */
function attempt(target: Target, input: Buffer): string | null {
  const begun = performance.now();
  const external = getHeapStatistics().external_memory;
  try {
    target.run(input);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : `threw ${String(error)}`;
  }
  const taken = performance.now() - begun;
  const grown = getHeapStatistics().external_memory - external;
  if (grown > INPUT_EXTERNAL_BYTES_MAX) return `allocated ${Math.round(grown / 2 ** 20)} MiB`;
  // The machine may have slept once, but not three times on the same input.
  if (taken > INPUT_MS_MAX && shortestOfTwo(target, input) > INPUT_MS_MAX) return 'took more than a second';
  return null;
}

function shortestOfTwo(target: Target, input: Buffer): number {
  const times = [0, 1].map(() => {
    const begun = performance.now();
    target.run(input);
    return performance.now() - begun;
  });
  return Math.min(...times);
}

function keepCrasher(target: Target, input: Buffer, finding: string, home: string): string {
  const directory = join(home, 'crashers');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${target.name}-${digest(input)}.bin`);
  writeFileSync(path, input);
  return `${finding}\n    ${path}`;
}

function save(target: Target, corpus: readonly Buffer[], home: string): void {
  const directory = join(home, 'corpus', target.name);
  const present = new Set(readdirSync(directory));
  for (const input of corpus) {
    const file = `${digest(input)}.bin`;
    if (present.has(file) || present.size >= CORPUS_FILES_MAX) continue;
    writeFileSync(join(directory, file), input);
    present.add(file);
  }
}

function digest(input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}
