import type { RecordStage } from '../audit/stage.ts';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex } from '../core/ids.ts';
import type { Bell } from './bell.ts';
import { differences, type Fingerprint, fingerprint } from './digest.ts';
import { type Entry, forgeryEntry, receiptEntry, requestEntry } from './entries.ts';
import type { ApprovalRequest, Clock, ReceiptSigner, RequestStore, SignedVote } from './ports.ts';
import * as reasons from './reasons.ts';
import { isGenuine, readReceipt, signReceipt } from './receipt.ts';
import { isFulfilled, transition, use } from './request.ts';
import type { AskOutcome, Question } from './stage.ts';

export interface HoldPorts {
  readonly store: RequestStore;
  readonly record: RecordStage;
  readonly signer: ReceiptSigner;
  readonly clock: Clock;
  readonly onFault: (fault: unknown) => void;
}

/** One held action, or batch of them, while it waits. */
export interface Held {
  /** As it was filed by this process: what counts. The store's copy only tells that somebody voted. */
  readonly request: ApprovalRequest;
  readonly asked: Fingerprint;
  readonly entry: EntryIndex;
  readonly bell: Bell;
  /** Why nobody waits any more; `null` while somebody does. */
  readonly abandoned: () => string | null;
  readonly recheck: () => Promise<Question>;
}

/** Waits until people, the requester or the clock have spoken. Whatever fails in here ends the hold as a refusal. */
export async function hold(ports: HoldPorts, held: Held): Promise<AskOutcome> {
  const { request } = held;
  for (;;) {
    const cause = held.abandoned();
    if (cause !== null) return await end(ports, held, 'cancel', cause);
    if (ports.clock.now() >= request.expiresAt) return await end(ports, held, 'expire', 'nobody decided in time');
    const stored = await ports.store.load(request.id);
    if (stored === null) return refused(reasons.unavailable(request, `request ${request.id} is gone from the store`));
    const votes = genuineVotes(ports, request, stored);
    const denial = votes.find(({ decision }) => decision === 'deny');
    if (denial !== undefined) return refused(reasons.deniedBy(request, denial));
    if (stored.state === 'approved') {
      if (!isFulfilled(request.requirements, votes, request.persons)) return await forged(ports, held, stored);
      const outcome = await release(ports, held, stored, votes);
      if (outcome !== null) return outcome;
      continue;
    }
    if (stored.state !== 'pending') return refused(reasons.endedAs({ ...request, ended: stored.ended }, stored.state));
    await held.bell.wait();
  }
}

/** Votes that were signed for exactly this request and what it asks, in time, by people who may. */
function genuineVotes(ports: HoldPorts, request: ApprovalRequest, stored: ApprovalRequest): readonly SignedVote[] {
  return stored.votes.filter(
    (vote) =>
      vote.at < request.expiresAt && !request.persons.includes(vote.person) && isGenuine(ports.signer, request, vote),
  );
}

/**
 * Lets go, once: a receipt is signed and read back, the question is computed again, and only then is the approval used
 * up. It is used before the receipt is written: if that fails the approval is lost, and nothing has passed.
 * `null`: the request changed meanwhile, look again.
 */
async function release(
  ports: HoldPorts,
  held: Held,
  stored: ApprovalRequest,
  votes: readonly SignedVote[],
): Promise<AskOutcome | null> {
  const { request, asked } = held;
  const by = votes.map(({ principal, person, at }) => ({ principal, person, at }));
  const rules = request.requirements.map(({ rule }) => rule);
  const facts = { request: request.id, digest: asked.digest, rules, by, at: ports.clock.now() };
  const receipt = await signReceipt(ports.signer, facts);
  const read = readReceipt(ports.signer, receipt);
  if (read === null || read.request !== request.id) {
    return await end(ports, held, 'cancel', 'its receipt does not verify', 'APPROVAL_UNAVAILABLE');
  }
  const again = fingerprint(await held.recheck());
  if (again.digest !== read.digest) {
    const what = differences(asked, again);
    await end(ports, held, 'cancel', `changed: ${what.join(', ')}`);
    return refused(reasons.changed(request, what));
  }
  const used = held.abandoned() === null ? use({ ...request, ...progress(stored) }, ports.clock.now()) : null;
  if (used === null || !(await ports.store.replace(used))) return null;
  await write(ports, receiptEntry(request, receipt, ports.clock.now(), held.entry));
  const cause = held.abandoned();
  if (cause !== null) return refused(reasons.cancelled(request, cause));
  if (ports.clock.now() >= request.expiresAt) return refused(reasons.expired(request));
  return { outcome: 'approved', request: request.id, by: by.map(({ principal }) => principal), receipt };
}

/** What the store may add to a request as it was filed. */
function progress({ version, state, votes }: ApprovalRequest): Pick<ApprovalRequest, 'version' | 'state' | 'votes'> {
  return { version, state, votes };
}

async function forged(ports: HoldPorts, held: Held, stored: ApprovalRequest): Promise<AskOutcome> {
  await write(ports, forgeryEntry(held.request, stored, ports.clock.now()));
  return await end(ports, held, 'cancel', 'it was approved by votes that do not verify', 'APPROVAL_UNAVAILABLE');
}

/**
 * Ends the request in the store and the record. The refusal stands whether that succeeds or not: what is left pending
 * there is held by nobody, and overdue soon.
 */
async function end(
  ports: HoldPorts,
  held: Held,
  event: 'cancel' | 'expire',
  cause: string,
  code: 'APPROVAL_CANCELLED' | 'APPROVAL_UNAVAILABLE' = 'APPROVAL_CANCELLED',
): Promise<AskOutcome> {
  try {
    await endStored(ports, held.request, event, cause, held.entry);
  } catch (fault) {
    ports.onFault(fault);
  }
  if (event === 'expire') return refused(reasons.expired(held.request));
  if (code === 'APPROVAL_CANCELLED') return refused(reasons.cancelled(held.request, cause));
  return refused(reasons.unavailable(held.request, `request ${held.request.id}: ${cause}`));
}

/** Tries again while others change the request; `false` when it had ended before. */
export async function endStored(
  ports: Pick<HoldPorts, 'store' | 'record' | 'clock'>,
  request: Pick<ApprovalRequest, 'id'>,
  event: 'cancel' | 'expire',
  cause: string,
  of: EntryIndex | null,
): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const stored = await ports.store.load(request.id);
    const ended = stored === null ? null : transition(stored, event, cause);
    if (ended === null) return false;
    if (await ports.store.replace(ended)) {
      const entry = requestEntry(ended, ports.clock.now(), of);
      ports.record.append(entry.envelope, entry.sealed);
      return true;
    }
  }
  throw new GatewayError(
    'STORE_UNAVAILABLE',
    `request ${request.id} could not be ended: it changed ${ATTEMPTS_MAX} times`,
  );
}

/** Written and synced before anything follows from it. */
export async function write(ports: Pick<HoldPorts, 'record'>, { envelope, sealed }: Entry): Promise<EntryIndex> {
  const index = ports.record.append(envelope, sealed);
  await ports.record.durable(index, 'other');
  return index;
}

export function refused(reason: Extract<AskOutcome, { outcome: 'refused' }>['reason']): AskOutcome {
  return { outcome: 'refused', reason };
}

/** Each failed attempt is a vote of somebody else, and there are never so many. */
export const ATTEMPTS_MAX = 100;
