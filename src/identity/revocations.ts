import type { EpochMs, PrincipalId } from '../core/ids.ts';
import { delegationChain, type Principal } from '../core/principal.ts';
import type { Reason } from '../core/verdict.ts';
import { SKEW_MS } from './claims.ts';
import type { Revocation } from './ports.ts';
import { REVOKED } from './reasons.ts';

/** What an identification rests on: what a revocation has to name, and to be later than, to end it. */
export interface Evidence {
  readonly principal: Principal;
  /** The gateway token that was shown, or `null`. */
  readonly token: string | null;
  /** When the proof was made: a token's issue, by its issuer's clock. */
  readonly provedAt: EpochMs;
  /** The issuer's clock is not ours. */
  readonly foreignClock: boolean;
  /** A session opened with it ends then. */
  readonly endsAt: EpochMs;
}

/** A revocation ends whatever was proved before it. A proof made afterwards is a new login, and counts. */
export function isRevoked(evidence: Evidence, revokedAt: EpochMs): boolean {
  return evidence.provedAt <= revokedAt + (evidence.foreignClock ? SKEW_MS : 0);
}

/** Those whose sessions live, and the revocations they have to hear of. Each is told once. */
export class Watchers {
  readonly #watching = new Map<symbol, { readonly evidence: Evidence; readonly revoked: (reason: Reason) => void }>();
  readonly #principals = new Map<PrincipalId, EpochMs>();
  readonly #tokens = new Set<string>();

  watch(evidence: Evidence, revoked: (reason: Reason) => void): () => void {
    const key = Symbol('watch');
    this.#watching.set(key, { evidence, revoked });
    // It may have been announced between the identification and this call; the caller hears after it has its answer.
    if (this.#concerns(evidence)) queueMicrotask(() => this.#tell(key, REVOKED));
    return () => this.#watching.delete(key);
  }

  announce(revocations: readonly Pick<Revocation, 'scope' | 'subject' | 'at'>[]): void {
    if (revocations.length === 0) return;
    for (const { scope, subject, at } of revocations) {
      if (scope === 'token') this.#tokens.add(subject);
      else this.#principals.set(subject, Math.max(at, this.#principals.get(subject) ?? 0));
    }
    this.end((evidence) => this.#concerns(evidence), REVOKED);
  }

  /** Ends those that match, whatever was revoked. */
  end(matches: (evidence: Evidence) => boolean, reason: Reason): void {
    for (const [key, { evidence }] of [...this.#watching]) if (matches(evidence)) this.#tell(key, reason);
  }

  get size(): number {
    return this.#watching.size;
  }

  #concerns(evidence: Evidence): boolean {
    if (evidence.token !== null && this.#tokens.has(evidence.token)) return true;
    return delegationChain(evidence.principal).some(({ id }) => {
      const at = this.#principals.get(id);
      return at !== undefined && isRevoked(evidence, at);
    });
  }

  #tell(key: symbol, reason: Reason): void {
    const watcher = this.#watching.get(key);
    this.#watching.delete(key);
    watcher?.revoked(reason);
  }
}
