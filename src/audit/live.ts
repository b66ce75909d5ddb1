import type { LogEntry } from './entry.ts';
import type { EntryKind, Sealed } from './stage.ts';

/** What a listener hears: an entry as it is appended, or, once and last, that it was too slow. */
export type LiveEvent =
  | { readonly kind: 'entry'; readonly entry: LogEntry; readonly sealed: Sealed }
  | { readonly kind: 'dropped'; readonly waiting: number };

export interface LiveFilter {
  readonly session?: string;
  readonly principal?: string;
  readonly target?: string;
  readonly kinds?: readonly EntryKind[];
}

export type LiveListener = (event: LiveEvent) => void | Promise<void>;

/**
 * Hands entries to those who watch, never at the cost of those who append: each listener has a queue with a limit, and
 * one that lets it fill is told so and let go.
 */
export class Live {
  readonly #waiting_max: number;
  readonly #listeners = new Set<Subscription>();

  constructor(waiting_max: number) {
    this.#waiting_max = waiting_max;
  }

  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Returns what ends the subscription. */
  subscribe(filter: LiveFilter, listener: LiveListener): () => void {
    const subscription: Subscription = { filter, listener, queue: [], running: false };
    this.#listeners.add(subscription);
    return () => {
      subscription.queue.length = 0;
      this.#listeners.delete(subscription);
    };
  }

  publish(entry: LogEntry, sealed: Sealed): void {
    for (const subscription of this.#listeners) {
      if (!matches(subscription.filter, entry)) continue;
      if (subscription.queue.length >= this.#waiting_max) {
        subscription.queue.splice(0, subscription.queue.length, { kind: 'dropped', waiting: this.#waiting_max });
        this.#listeners.delete(subscription);
      } else {
        subscription.queue.push({ kind: 'entry', entry, sealed });
      }
      if (!subscription.running) void run(subscription);
    }
  }
}

interface Subscription {
  readonly filter: LiveFilter;
  readonly listener: LiveListener;
  readonly queue: LiveEvent[];
  running: boolean;
}

async function run(subscription: Subscription): Promise<void> {
  subscription.running = true;
  try {
    // Not within `append`: whoever appends must not wait for, or be failed by, whoever watches.
    await Promise.resolve();
    for (let event = subscription.queue.shift(); event !== undefined; event = subscription.queue.shift()) {
      await subscription.listener(event);
    }
  } catch {
    // A listener that throws has left.
    subscription.queue.length = 0;
  } finally {
    subscription.running = false;
  }
}

function matches(filter: LiveFilter, entry: LogEntry): boolean {
  return (
    (filter.session === undefined || filter.session === entry.session) &&
    (filter.principal === undefined || filter.principal === entry.principal) &&
    (filter.target === undefined || filter.target === entry.target) &&
    (filter.kinds === undefined || filter.kinds.includes(entry.kind))
  );
}
