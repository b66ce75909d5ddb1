import type { SessionId } from '../core/ids.ts';
import type { Session } from '../core/session.ts';
import type { Reason } from '../core/verdict.ts';

/** A session that is there now, and how to end it. */
export interface LiveSession {
  readonly session: Session;
  /** Tells the client why, closes both sides. */
  end(reason: Reason): void;
  /** Ends it as soon as it has nothing open. */
  drain(): void;
}

/** The sessions of this gateway. */
export class LiveSessions {
  readonly #live = new Map<SessionId, LiveSession>();

  add(live: LiveSession): void {
    this.#live.set(live.session.id, live);
  }

  remove(id: SessionId): void {
    this.#live.delete(id);
  }

  find(id: SessionId): LiveSession | null {
    return this.#live.get(id) ?? null;
  }

  list(): readonly LiveSession[] {
    return [...this.#live.values()];
  }

  get size(): number {
    return this.#live.size;
  }
}
