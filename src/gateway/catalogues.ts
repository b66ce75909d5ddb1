import { GatewayError } from '../core/errors.ts';
import type { TargetName } from '../core/ids.ts';

/** Reads what a database contains, as the gateway's own least-privileged login. */
export interface SnapshotReader {
  /** The snapshot, or the very same object as before where nothing has changed. */
  read(before: unknown): Promise<unknown>;
}

/** One snapshot for each database of each target, shared by all its sessions. */
export class Catalogues {
  readonly #kept = new Map<string, Kept>();
  readonly #readerOf: (target: TargetName, database: string) => SnapshotReader;
  readonly #refresh_ms: number;
  readonly #now: () => number;
  readonly #changed: () => void;

  constructor(options: {
    readerOf: (target: TargetName, database: string) => SnapshotReader;
    refresh_ms: number;
    now: () => number;
    /** A snapshot differs from the one before: decisions made under it are void. */
    changed: () => void;
  }) {
    this.#readerOf = options.readerOf;
    this.#refresh_ms = options.refresh_ms;
    this.#now = options.now;
    this.#changed = options.changed;
  }

  /** What is known now; read first where nothing is, or where it is older than the refresh time. */
  async current(target: TargetName, database: string): Promise<unknown> {
    const kept = this.#entry(target, database);
    if (kept.snapshot !== null && this.#now() - kept.readAt < this.#refresh_ms) return kept.snapshot;
    return this.refresh(target, database);
  }

  /** Reads again. Several who ask share one reading, but only one that began after they asked: theirs may be about a change just made. */
  async refresh(target: TargetName, database: string): Promise<unknown> {
    const kept = this.#entry(target, database);
    if (kept.reading === null) {
      kept.reading = this.#read(kept).finally(() => {
        kept.reading = null;
      });
      return kept.reading;
    }
    kept.next ??= kept.reading.then(ignore, ignore).then(() => {
      kept.next = null;
      return this.refresh(target, database);
    });
    return kept.next;
  }

  /** Reads again whatever is in use; what cannot be read stays as it was and is read again when it is next wanted. */
  async refreshAll(): Promise<void> {
    await Promise.allSettled(
      [...this.#kept.entries()].map(([key, kept]) => {
        kept.readAt = Number.NEGATIVE_INFINITY;
        const slash = key.indexOf('/');
        return kept.listeners.size === 0 ? null : this.refresh(key.slice(0, slash), key.slice(slash + 1));
      }),
    );
  }

  watch(target: TargetName, database: string, listener: (snapshot: unknown) => void): () => void {
    const kept = this.#entry(target, database);
    kept.listeners.add(listener);
    return () => kept.listeners.delete(listener);
  }

  async #read(kept: Kept): Promise<unknown> {
    let snapshot: unknown;
    try {
      snapshot = await kept.reader.read(kept.snapshot);
    } catch (fault) {
      // Whether the target is away, not trusted or refuses the login: that is said as it is.
      if (fault instanceof GatewayError) throw fault;
      const why = fault instanceof Error ? fault.message : String(fault);
      throw new GatewayError('CATALOGUE_UNAVAILABLE', `the catalogue cannot be read: ${why}`);
    }
    const before = kept.snapshot;
    kept.snapshot = snapshot;
    kept.readAt = this.#now();
    if (snapshot !== before) {
      if (before !== null) this.#changed();
      for (const listener of kept.listeners) listener(snapshot);
    }
    return snapshot;
  }

  #entry(target: TargetName, database: string): Kept {
    const key = `${target}/${database}`;
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      kept = {
        reader: this.#readerOf(target, database),
        snapshot: null,
        readAt: 0,
        reading: null,
        next: null,
        listeners: new Set(),
      };
      this.#kept.set(key, kept);
    }
    return kept;
  }
}

interface Kept {
  readonly reader: SnapshotReader;
  readonly listeners: Set<(snapshot: unknown) => void>;
  snapshot: unknown;
  readAt: number;
  reading: Promise<unknown> | null;
  next: Promise<unknown> | null;
}

const ignore = (): void => {};
