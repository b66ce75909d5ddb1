import { createHash } from 'node:crypto';
import type { Envelope, Sealed } from '../audit/stage.ts';
import type { EntryIndex, EpochMs } from '../core/ids.ts';
import type { ApprovalRequest, SignedVote } from './ports.ts';

/** An entry of the record: what is public for ever, and what can be erased. */
export interface Entry {
  readonly envelope: Envelope;
  readonly sealed: Sealed;
}

/**
 * A request was filed, or ended without being used. The digest is sealed: whoever guesses a short statement could
 * confirm it from a public one.
 */
export function requestEntry(request: ApprovalRequest, at: EpochMs, of: EntryIndex | null): Entry {
  const isFiled = request.state === 'pending';
  return {
    envelope: envelope(request, 'request', at, of, { state: request.state, expires_at: request.expiresAt }),
    sealed: isFiled
      ? {
          digest: request.digest,
          statements: request.shown.statements,
          justification: request.shown.justification,
          approvers: request.shown.approvers,
          findings: request.shown.findings,
          not_covered: request.shown.notCovered,
        }
      : { ended: request.ended },
  };
}

/** `counted` is false for a vote that came too late. */
export function decisionEntry(
  request: ApprovalRequest,
  vote: SignedVote,
  at: EpochMs,
  of: EntryIndex | null,
  counted: boolean,
): Entry {
  const facts = { decision: vote.decision, by: vote.principal, person: vote.person, counted };
  return {
    envelope: envelope(request, 'decision', at, of, facts),
    sealed: { reason: vote.reason, digest: request.digest, groups: vote.groups, signature: vote.signature },
  };
}

/** The receipt ends in a signature that nobody can compute who only guesses the rest, so its hash may be public. */
export function receiptEntry(request: ApprovalRequest, receipt: string, at: EpochMs, of: EntryIndex | null): Entry {
  const receipt_sha256 = createHash('sha256').update(receipt).digest('hex');
  return { envelope: envelope(request, 'receipt', at, of, { receipt_sha256 }), sealed: { receipt } };
}

/** Somebody wrote into the store what nobody signed. */
export function forgeryEntry(request: ApprovalRequest, stored: ApprovalRequest, at: EpochMs): Entry {
  const facts = { alert: 'approval-forged', state: stored.state, votes: stored.votes.length };
  return { envelope: envelope(request, 'alert', at, null, facts), sealed: {} };
}

function envelope(
  request: ApprovalRequest,
  kind: Envelope['kind'],
  at: EpochMs,
  of: EntryIndex | null,
  facts: Envelope['facts'],
): Envelope {
  const { shown } = request;
  return {
    kind,
    at,
    session: shown.session,
    run: null,
    principal: shown.principal,
    target: shown.target,
    verb: null,
    resources: shown.resources,
    verdict: kind === 'request' && request.state === 'pending' ? 'ask' : null,
    rules: shown.rules,
    sizes: { statements: shown.statements.length, votes: request.votes.length },
    of,
    facts: { request: request.id, ...facts },
  };
}
