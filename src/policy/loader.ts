import { Worker } from 'node:worker_threads';
import type { LoadOptions, PolicySource } from './load.ts';
import type { Loaded } from './rule.ts';

/**
 * `load` in a thread of its own. Whatever a text does to Cedar's module, however long it takes, the daemon goes on with
 * the set it has: a thread that dies or does not answer is a refused set.
 */
export function loadPolicies(
  sources: readonly PolicySource[],
  options: LoadOptions,
  signal: AbortSignal = AbortSignal.timeout(LOAD_MS),
): Promise<Loaded> {
  // Beside this file, and of its kind: .ts from a checkout, .js when built.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
    workerData: { sources, options },
    execArgv: [],
    // A stack no larger than the main thread's, where the same policies are parsed again when they are put to use.
    resourceLimits: { stackSizeMb: 1, maxOldGenerationSizeMb: 1024 },
  });
  return new Promise((resolve) => {
    const fail = (what: string): void => {
      const message = `the policy engine ${what} on these policies`;
      resolve({ outcome: 'refused', problems: [{ file: sources[0]?.file ?? '', line: 1, rule: null, message }] });
      void worker.terminate();
    };
    const onAbort = (): void => fail('took too long');
    worker.once('message', (loaded: Loaded) => resolve(loaded));
    worker.once('error', (error: unknown) => fail(`failed (${String(error)})`));
    worker.once('exit', () => {
      signal.removeEventListener('abort', onAbort);
      // After an answer this changes nothing: a promise settles once.
      fail('stopped');
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

const LOAD_MS = 60_000;
