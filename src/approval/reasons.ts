import type { ErrorCode, GatewayError } from '../core/errors.ts';
import type { Reason } from '../core/verdict.ts';
import type { ApprovalRequest, RequestState, SignedVote } from './ports.ts';
import { renderNote } from './render.ts';
import type { Refusal } from './request.ts';

type Named = Pick<ApprovalRequest, 'id' | 'shown'>;

export function deniedBy(request: Named, vote: SignedVote): Reason {
  const why = `request ${request.id} was denied by ${vote.principal}: ${renderNote(vote.reason)}`;
  return reason(request, 'APPROVAL_DENIED', why, 'change what you ask for, or talk to them', 'after-edit');
}

export function expired(request: Named): Reason {
  const why = `request ${request.id} was not approved in time`;
  return reason(request, 'APPROVAL_EXPIRED', why, 'ask again when an approver is there', 'later');
}

export function cancelled(request: Named, cause: string): Reason {
  return reason(request, 'APPROVAL_CANCELLED', `request ${request.id} was cancelled: ${cause}`, 'ask again', 'later');
}

export function changed(request: Named, what: readonly string[]): Reason {
  const why = `request ${request.id} was approved, but meanwhile this changed: ${what.join(', ')}`;
  return reason(request, 'APPROVAL_CHANGED', why, 'ask again, so that people see it as it is', 'later');
}

export function unavailable(request: Named | null, why: string): Reason {
  return reason(request, 'APPROVAL_UNAVAILABLE', why, 'ask again later', 'later');
}

/** A request that ended otherwise than by the vote or the clock that this gateway saw. */
export function endedAs(request: Named & { readonly ended: string }, state: RequestState): Reason {
  if (state === 'expired') return expired(request);
  if (state === 'cancelled') return cancelled(request, request.ended);
  return unavailable(request, `request ${request.id} is ${state} without the votes that this takes`);
}

export function fromError(request: Named | null, error: GatewayError): Reason {
  return reason(request, error.code, error.message, 'ask again later', 'later');
}

/** Why somebody may not decide a request. */
export function notYours(request: { readonly id: string }, refusal: Refusal, state: RequestState): Reason {
  const [code, why, hint] = REFUSALS[refusal];
  return {
    code,
    rule: null,
    why: `request ${request.id}: ${refusal === 'ended' ? `it is ${state}` : why}`,
    hint,
    cure: null,
    retry: 'never',
    request: request.id,
  };
}

function reason(request: Named | null, code: ErrorCode, why: string, hint: string, retry: Reason['retry']): Reason {
  return {
    code,
    rule: request?.shown.rules[0] ?? null,
    why,
    hint,
    cure: 'approval',
    retry,
    request: request?.id ?? null,
  };
}

const REFUSALS: Readonly<Record<Refusal, readonly [ErrorCode, string, string]>> = {
  ended: ['REQUEST_ENDED', '', 'nothing is left to decide'],
  agent: ['REQUEST_NOT_YOURS', 'agents never decide', 'a person has to decide it'],
  'may-not-approve': [
    'REQUEST_NOT_YOURS',
    'this account may not approve',
    'a service account needs may_approve: true and a person who answers for it',
  ],
  'nobody-answers': ['REQUEST_NOT_YOURS', 'no person answers for this account', 'name its person in the configuration'],
  'own-request': [
    'REQUEST_NOT_YOURS',
    'nobody decides a request of his own, or of an agent or account of his',
    'somebody else has to decide it',
  ],
  'voted-before': ['REQUEST_NOT_YOURS', 'this person has decided already', 'somebody else has to decide as well'],
  'not-an-approver': ['REQUEST_NOT_YOURS', 'not one of its approvers', 'its approvers are named in the request'],
};
