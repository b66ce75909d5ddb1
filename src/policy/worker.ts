import { parentPort, workerData } from 'node:worker_threads';
import { type LoadOptions, load, type PolicySource } from './load.ts';

/** The thread that `loader.ts` starts: loads one set of policies, answers, and ends. */
const asked = workerData as { sources: readonly PolicySource[]; options: LoadOptions }; // as loader.ts gave it
parentPort?.postMessage(load(asked.sources, asked.options));
