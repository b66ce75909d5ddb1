import type { EntryIndex, EpochMs, SessionId } from '../core/ids.ts';
import type { Envelope } from './stage.ts';

/** A session as its entries tell it. */
export interface SessionSummary {
  readonly id: SessionId;
  readonly principal: string | null;
  readonly target: string | null;
  readonly run: string | null;
  readonly startedAt: EpochMs | null;
  readonly endedAt: EpochMs | null;
  readonly lastAt: EpochMs;
  readonly actions: number;
  readonly forwarded: number;
  readonly refused: number;
  readonly results: number;
  readonly errors: number;
  readonly rows: number;
  readonly bytes: number;
  readonly masked: number;
  /** Every entry of the session, in order. */
  readonly entries: readonly EntryIndex[];
}

/** Sessions by id. Only a view: what it holds follows from the entries, and from nothing else. */
export class SessionIndex {
  readonly #sessions_max: number;
  readonly #sessions = new Map<SessionId, Mutable>();

  constructor(sessions_max: number) {
    this.#sessions_max = sessions_max;
  }

  add(index: EntryIndex, at: EpochMs, envelope: Envelope): void {
    if (envelope.session === null) return;
    const session = this.#sessions.get(envelope.session) ?? this.#begin(envelope.session, envelope);
    session.entries.push(index);
    session.lastAt = at;
    if (envelope.kind === 'session-start') {
      session.startedAt = at;
      session.principal = envelope.principal;
      session.target = envelope.target;
      session.run = envelope.run;
    } else if (envelope.kind === 'session-end' || envelope.kind === 'recovered') {
      session.endedAt = at;
    } else if (envelope.kind === 'action') {
      session.actions += 1;
      if (envelope.verdict === 'refuse') session.refused += 1;
      if (envelope.verdict === 'forward' || envelope.verdict === 'observed') session.forwarded += 1;
    } else if (envelope.kind === 'result') {
      session.results += 1;
      session.rows += envelope.sizes.rows ?? 0;
      session.bytes += envelope.sizes.bytes ?? 0;
      session.masked += envelope.sizes.masked ?? 0;
      if (typeof envelope.facts.error === 'string') session.errors += 1;
    }
  }

  show(id: SessionId): SessionSummary | null {
    return this.#sessions.get(id) ?? null;
  }

  /** Newest first. */
  list(filter: SessionFilter = {}): readonly SessionSummary[] {
    const found: SessionSummary[] = [];
    for (const session of [...this.#sessions.values()].reverse()) {
      if (filter.principal !== undefined && session.principal !== filter.principal) continue;
      if (filter.target !== undefined && session.target !== filter.target) continue;
      if (filter.live !== undefined && filter.live !== (session.endedAt === null)) continue;
      if (found.push(session) === filter.items_max) break;
    }
    return found;
  }

  #begin(id: SessionId, envelope: Envelope): Mutable {
    if (this.#sessions.size >= this.#sessions_max) this.#forget();
    const session: Mutable = {
      id,
      principal: envelope.principal,
      target: envelope.target,
      run: envelope.run,
      startedAt: null,
      endedAt: null,
      lastAt: 0,
      actions: 0,
      forwarded: 0,
      refused: 0,
      results: 0,
      errors: 0,
      rows: 0,
      bytes: 0,
      masked: 0,
      entries: [],
    };
    this.#sessions.set(id, session);
    return session;
  }

  /** The oldest session that has ended, or the oldest of all. */
  #forget(): void {
    for (const session of this.#sessions.values()) {
      if (session.endedAt === null) continue;
      this.#sessions.delete(session.id);
      return;
    }
    const oldest = this.#sessions.keys().next().value;
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }
}

export interface SessionFilter {
  readonly principal?: string;
  readonly target?: string;
  readonly live?: boolean;
  readonly items_max?: number;
}

type Mutable = {
  -readonly [Key in keyof SessionSummary]: SessionSummary[Key] extends readonly number[]
    ? number[]
    : SessionSummary[Key];
};
