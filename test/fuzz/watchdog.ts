import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const INPUT_BYTES_MAX = 65_536;

/** Kills the process if one input keeps it busy for too long, after writing that input to `crashers/`. */
export class Watchdog {
  private readonly shared = new SharedArrayBuffer(8 + INPUT_BYTES_MAX);
  /** How many inputs were begun (0: none is running), and the length of the latest. */
  private readonly state = new Int32Array(this.shared, 0, 2);
  private readonly input = new Uint8Array(this.shared, 8);
  private readonly worker: Worker;
  private begun = 0;

  constructor(targetName: string, home: string, hung_ms = 10_000) {
    const directory = join(home, 'crashers');
    mkdirSync(directory, { recursive: true });
    this.worker = new Worker(WATCH, {
      eval: true,
      workerData: { shared: this.shared, path: join(directory, `${targetName}-hung.bin`), hung_ms },
    });
    this.worker.unref();
  }

  watch(input: Buffer): void {
    this.begun = (this.begun + 1) & 0x7fffffff;
    this.input.set(input.subarray(0, INPUT_BYTES_MAX));
    Atomics.store(this.state, 1, Math.min(input.length, INPUT_BYTES_MAX));
    Atomics.store(this.state, 0, this.begun || 1);
  }

  rest(): void {
    Atomics.store(this.state, 0, 0);
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}

// A worker of its own: the thread that hangs cannot watch itself.
const WATCH = `
const { workerData: { shared, path, hung_ms } } = require('node:worker_threads');
const state = new Int32Array(shared, 0, 2);
let last = 0, since = Date.now();
setInterval(() => {
  const begun = Atomics.load(state, 0);
  if (begun !== last || begun === 0) { last = begun; since = Date.now(); return; }
  if (Date.now() - since < hung_ms) return;
  require('node:fs').writeFileSync(path, new Uint8Array(shared, 8, Atomics.load(state, 1)));
  require('node:fs').writeSync(2, 'hung: ' + path + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, hung_ms / 10);
`;
