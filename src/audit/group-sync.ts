import { GatewayError } from '../core/errors.ts';
import type { EntryIndex } from '../core/ids.ts';

/**
 * Many entries, one fdatasync: while one runs, those who come wait for the next. It runs off the event loop.
 *
 * A sync that fails is the end. The kernel may have dropped the pages and call the next sync a success, so nothing
 * written since the last good one can ever be said to be durable.
 */
export class GroupSync {
  readonly #sync: () => Promise<void>;
  readonly #interval_ms: number;
  readonly #failed: (failure: GatewayError) => void;
  #waiting: Waiting[] = [];
  #written = 0;
  #synced = 0;
  #running = false;
  #timer: NodeJS.Timeout | null = null;
  #failure: GatewayError | null = null;

  constructor(
    first: EntryIndex,
    sync: () => Promise<void>,
    interval_ms: number,
    failed: (failure: GatewayError) => void,
  ) {
    this.#sync = sync;
    this.#interval_ms = interval_ms;
    this.#failed = failed;
    this.#written = first;
    this.#synced = first;
  }

  /** Entries before this one are durable. */
  get synced(): EntryIndex {
    return this.#synced;
  }

  /** An entry has been written; it will be synced within the interval even if nobody waits for it. */
  written(entry: EntryIndex): void {
    this.#written = entry + 1;
    if (this.#timer === null && !this.#running) this.#later();
  }

  /** `undefined`: it is durable. */
  wait(entry: EntryIndex): Promise<void> | undefined {
    if (entry < this.#synced) return undefined;
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ entry, resolve, reject });
    this.#start();
    return promise;
  }

  /** Everything written so far. */
  async flush(): Promise<void> {
    if (this.#written > 0) await this.wait(this.#written - 1);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Nobody waits for what was written since, so it may gather company: a sync costs more than all else about an entry. */
  #later(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
    }, this.#interval_ms);
  }

  #start(): void {
    if (this.#running || this.#failure !== null || this.#synced === this.#written) return;
    this.stop();
    this.#running = true;
    const upTo = this.#written;
    this.#sync().then(
      () => {
        this.#running = false;
        this.#synced = upTo;
        const waiting = this.#waiting;
        this.#waiting = waiting.filter(({ entry }) => entry >= upTo);
        for (const { entry, resolve } of waiting) if (entry < upTo) resolve();
        if (this.#waiting.length > 0) this.#start();
        else if (this.#synced < this.#written) this.#later();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.#running = false;
    const why = error instanceof Error ? error.message : 'unknown failure';
    this.#failure = new GatewayError('RECORD_UNAVAILABLE', `the record could not be synced: ${why}`);
    for (const { reject } of this.#waiting) reject(this.#failure);
    this.#waiting = [];
    this.#failed(this.#failure);
  }
}

interface Waiting {
  readonly entry: EntryIndex;
  readonly resolve: () => void;
  readonly reject: (failure: GatewayError) => void;
}
