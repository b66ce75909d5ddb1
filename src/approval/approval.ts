import { GatewayError } from '../core/errors.ts';
import type { EntryIndex, RequestId } from '../core/ids.ts';
import type { Limits } from '../core/limits.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/verdict.ts';
import { type Bell, createBell } from './bell.ts';
import { fingerprint } from './digest.ts';
import { decisionEntry, requestEntry } from './entries.ts';
import { ATTEMPTS_MAX, endStored, type Held, type HoldPorts, hold, refused, write } from './hold.ts';
import type { ApprovalRequest, SignedVote } from './ports.ts';
import * as reasons from './reasons.ts';
import { isFiledByGateway, signFiling, signVote } from './receipt.ts';
import { castVote, refusal } from './request.ts';
import type { ApprovalStage, AskOutcome, Question, RequestView } from './stage.ts';
import { fileRequest, viewOf } from './view.ts';

export interface ApprovalPorts extends HoldPorts {
  /** An id that nobody can guess. */
  readonly newId: () => RequestId;
}

export interface ApprovalOptions {
  /** The gateway's name, and this run of it: a new one for every start. */
  readonly gateway: string;
  readonly run: string;
  readonly limits: Limits;
}

export interface Approval extends ApprovalStage {
  /** Cancels what a former run of this gateway left waiting: nobody holds it any more. Call it before the first `ask`. */
  recover(): Promise<number>;
  /** Cancels everything that waits; whoever asks from now on is refused. */
  close(): void;
}

export function createApproval(ports: ApprovalPorts, options: ApprovalOptions): Approval {
  return new Approvals(ports, options);
}

class Approvals implements Approval {
  readonly #ports: ApprovalPorts;
  readonly #options: ApprovalOptions;
  readonly #bells = new Map<RequestId, { readonly bell: Bell; readonly entry: EntryIndex; version: number }>();
  readonly #heldBy = new Map<string, number>();
  #held = 0;
  #isClosed = false;
  #stopPolling: (() => void) | null = null;

  constructor(ports: ApprovalPorts, options: ApprovalOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async ask(
    question: Question,
    signal: AbortSignal,
    filed: (request: RequestView) => void,
    recheck: () => Promise<Question>,
  ): Promise<AskOutcome> {
    const principal = question.actions[0]?.principal.id ?? '';
    const full = this.#isFull(principal);
    if (full !== null) return refused(reasons.unavailable(null, full));
    this.#count(principal, 1);
    try {
      return await this.#askOne(question, signal, filed, recheck);
    } catch (fault) {
      if (!(fault instanceof GatewayError)) throw fault;
      return refused(reasons.fromError(null, fault));
    } finally {
      this.#count(principal, -1);
    }
  }

  async decide(id: RequestId, by: Principal, decision: 'approve' | 'deny', reason: string): Promise<RequestView> {
    const { store, clock, signer } = this.#ports;
    checkReason(decision, reason, this.#options.limits.justification_bytes_max);
    let request = await this.#load(id);
    this.#requireMayDecide(request, by);
    const { id: principal, person, groups } = by;
    if (person === null) throw new Error('a vote without a person');
    const vote = await signVote(signer, request, { decision, principal, person, groups, reason, at: clock.now() });
    await write(this.#ports, decisionEntry(request, vote, vote.at, this.#entryOf(id), true));
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const voted = this.#voted(request, by, vote);
      if (await store.replace(voted)) {
        this.#bells.get(id)?.bell.ring();
        return viewOf(voted, clock.now());
      }
      request = await this.#load(id);
    }
    throw new GatewayError('STORE_UNAVAILABLE', `the vote on request ${id} was not stored: it changed too often`);
  }

  async list(filter: {
    readonly state?: RequestView['state'];
    readonly for?: Principal;
  }): Promise<readonly RequestView[]> {
    const { limits } = this.#options;
    const { state, for: by } = filter;
    const items_max = by === undefined ? limits.page_items_max : limits.held_sessions_max;
    const found = await this.#ports.store.list(state === undefined ? { items_max } : { state, items_max });
    const now = this.#ports.clock.now();
    return found
      .filter((request) => this.#isOurs(request))
      .map((request) => viewOf(request, now))
      .filter((view) => state === undefined || view.state === state)
      .filter((view) => by === undefined || this.mayDecide(view, by) === null)
      .slice(0, limits.page_items_max);
  }

  async show(id: RequestId): Promise<RequestView | null> {
    const request = await this.#find(id);
    return request === null ? null : viewOf(request, this.#ports.clock.now());
  }

  mayDecide(request: RequestView, by: Principal): Reason | null {
    const why = refusal(
      {
        ...request,
        chain: [request.principal, ...request.onBehalfOf],
        voters: request.decisions.map(({ person }) => person),
      },
      by,
      this.#ports.clock.now(),
    );
    return why === null ? null : reasons.notYours(request, why, request.state);
  }

  async recover(): Promise<number> {
    const { gateway, run } = this.#options;
    const left = await this.#ports.store.unfinished(gateway, run);
    let ended = 0;
    for (const request of left) {
      if (await endStored(this.#ports, request, 'cancel', 'the gateway that held it was restarted', null)) ended++;
    }
    return ended;
  }

  close(): void {
    this.#isClosed = true;
    this.#stopPolling?.();
    for (const { bell } of this.#bells.values()) bell.ring();
  }

  async #askOne(
    question: Question,
    signal: AbortSignal,
    filed: (request: RequestView) => void,
    recheck: () => Promise<Question>,
  ): Promise<AskOutcome> {
    const { store, record, clock, newId } = this.#ports;
    const { gateway, run, limits } = this.#options;
    const asked = fingerprint(question);
    const unsigned = fileRequest(question, asked, { id: newId(), gateway, run, now: clock.now(), limits });
    const request = await signFiling(this.#ports.signer, unsigned);
    const bell = createBell();
    const first = requestEntry(request, request.createdAt, null);
    const entry = record.append(first.envelope, first.sealed);
    this.#bells.set(request.id, { bell, entry, version: request.version });
    this.#poll();
    const stopTimer = clock.after(request.expiresAt - clock.now(), bell.ring);
    signal.addEventListener('abort', bell.ring);
    let isFiled = false;
    const abandoned = (): string | null => {
      if (signal.aborted) return 'the requester no longer waits';
      if (this.#isClosed) return 'the gateway is stopping';
      return isFiled ? null : 'it could not be filed';
    };
    const held: Held = { request, asked, entry, bell, abandoned, recheck };
    try {
      await store.insert(request);
      await record.durable(entry, 'other');
      filed(viewOf(request, clock.now()));
      isFiled = true;
      return await hold(this.#ports, held);
    } catch (fault) {
      // Nobody waits for it any more, so nobody should be asked to decide it.
      await this.#abandon(request, entry, isFiled).catch(this.#ports.onFault);
      if (fault instanceof GatewayError) return refused(reasons.fromError(request, fault));
      throw fault;
    } finally {
      stopTimer();
      signal.removeEventListener('abort', bell.ring);
      this.#bells.delete(request.id);
    }
  }

  async #abandon(request: ApprovalRequest, entry: EntryIndex, isFiled: boolean): Promise<void> {
    const cause = 'the gateway failed';
    if ((await endStored(this.#ports, request, 'cancel', cause, entry)) || isFiled) return;
    const never = requestEntry({ ...request, state: 'cancelled', ended: cause }, this.#ports.clock.now(), entry);
    this.#ports.record.append(never.envelope, never.sealed);
  }

  /** The request with the vote. A vote that comes too late is written down as such. */
  #voted(request: ApprovalRequest, by: Principal, vote: SignedVote): ApprovalRequest {
    const now = this.#ports.clock.now();
    const why = mayDecideNow(request, by, now);
    const voted = why === null ? castVote(request, vote, now) : null;
    if (voted !== null) return voted;
    const late = decisionEntry(request, vote, now, this.#entryOf(request.id), false);
    this.#ports.record.append(late.envelope, late.sealed);
    throw asError(reasons.notYours(request, why ?? 'ended', viewOf(request, now).state));
  }

  #requireMayDecide(request: ApprovalRequest, by: Principal): void {
    const now = this.#ports.clock.now();
    const why = mayDecideNow(request, by, now);
    if (why !== null) throw asError(reasons.notYours(request, why, viewOf(request, now).state));
  }

  /** What the gateway did not file in exactly this form is shown to nobody, and nobody can vote on it. */
  async #find(id: RequestId): Promise<ApprovalRequest | null> {
    const request = await this.#ports.store.load(id);
    return request !== null && request.id === id && this.#isOurs(request) ? request : null;
  }

  #isOurs(request: ApprovalRequest): boolean {
    if (isFiledByGateway(this.#ports.signer, request)) return true;
    this.#ports.onFault(new GatewayError('STORE_UNAVAILABLE', `request ${request.id} was changed in the store`));
    return false;
  }

  async #load(id: RequestId): Promise<ApprovalRequest> {
    const request = await this.#find(id);
    if (request === null) throw new GatewayError('REQUEST_UNKNOWN', `there is no request ${id.slice(0, 64)}`);
    return request;
  }

  #entryOf(id: RequestId): EntryIndex | null {
    return this.#bells.get(id)?.entry ?? null;
  }

  #isFull(principal: string): string | null {
    const { held_sessions_max, held_sessions_per_principal_max } = this.#options.limits;
    if (this.#isClosed) return 'the gateway is stopping';
    if (this.#held >= held_sessions_max) return `${held_sessions_max} actions wait for approval already`;
    const own = this.#heldBy.get(principal) ?? 0;
    return own >= held_sessions_per_principal_max ? `${own} actions of yours wait for approval already` : null;
  }

  #count(principal: string, change: 1 | -1): void {
    this.#held += change;
    const own = (this.#heldBy.get(principal) ?? 0) + change;
    if (own === 0) this.#heldBy.delete(principal);
    else this.#heldBy.set(principal, own);
  }

  /** Other processes vote through the store alone; one look for everybody who waits. */
  #poll(): void {
    if (this.#stopPolling !== null || this.#bells.size === 0 || this.#isClosed) return;
    this.#stopPolling = this.#ports.clock.after(this.#options.limits.store_poll_ms, () => {
      this.#look()
        .catch(this.#ports.onFault)
        .finally(() => {
          this.#stopPolling = null;
          this.#poll();
        });
    });
  }

  async #look(): Promise<void> {
    const versions = await this.#ports.store.versions([...this.#bells.keys()]);
    for (const [id, waiting] of this.#bells) {
      const version = versions.get(id);
      if (version === waiting.version) continue;
      waiting.version = version ?? 0;
      waiting.bell.ring();
    }
  }
}

function mayDecideNow(request: ApprovalRequest, by: Principal, now: number): ReturnType<typeof refusal> {
  const { shown, votes } = request;
  return refusal({ ...request, approvers: shown.approvers, voters: votes.map(({ person }) => person) }, by, now);
}

function checkReason(decision: 'approve' | 'deny', reason: string, bytes_max: number): void {
  if (decision === 'deny' && reason.trim() === '') throw new GatewayError('USAGE', 'a denial needs a reason');
  const bytes = Buffer.byteLength(reason);
  if (bytes > bytes_max) throw new GatewayError('USAGE', `a reason of ${bytes} bytes, limit ${bytes_max}`);
  if (!reason.isWellFormed()) throw new GatewayError('USAGE', 'the reason is no Unicode text');
}

function asError(reason: Reason): GatewayError {
  // `notYours` takes its codes from the union of error codes.
  return new GatewayError(reason.code as GatewayError['code'], reason.why, { hint: reason.hint });
}
