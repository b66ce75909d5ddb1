import type { EpochMs, GroupId, PersonId } from '../core/ids.ts';
import { delegationChain, type Principal } from '../core/principal.ts';
import type { ApprovalRequest, RequestState, Requirement, SignedVote, Vote } from './ports.ts';

export type RequestEvent = 'approve' | 'deny' | 'expire' | 'cancel' | 'use';

/** Every transition there is. What is not here does not happen: the end states have none. */
export const TRANSITIONS: Readonly<Record<RequestState, Readonly<Partial<Record<RequestEvent, RequestState>>>>> = {
  pending: { approve: 'approved', deny: 'denied', expire: 'expired', cancel: 'cancelled' },
  approved: { expire: 'expired', cancel: 'cancelled', use: 'used' },
  denied: {},
  expired: {},
  cancelled: {},
  used: {},
};

/** The request after the event, or `null` where its state does not allow it. */
export function transition(request: ApprovalRequest, event: RequestEvent, ended = ''): ApprovalRequest | null {
  const state = TRANSITIONS[request.state][event];
  return state === undefined ? null : { ...request, state, ended, version: request.version + 1 };
}

/** Time passes for everybody at once: an overdue request is expired whether or not somebody has written that down. */
export function isOverdue(request: Pick<ApprovalRequest, 'state' | 'expiresAt'>, now: EpochMs): boolean {
  return (request.state === 'pending' || request.state === 'approved') && now >= request.expiresAt;
}

/** Adds a vote; an approval that is not yet enough leaves the request pending. `null`: too late. */
export function castVote(request: ApprovalRequest, vote: SignedVote, now: EpochMs): ApprovalRequest | null {
  if (request.state !== 'pending' || now >= request.expiresAt) return null;
  const voted = { ...request, votes: [...request.votes, vote] };
  if (vote.decision === 'deny') return transition(voted, 'deny', vote.reason);
  if (isFulfilled(voted.requirements, voted.votes, voted.persons)) return transition(voted, 'approve');
  return { ...voted, version: request.version + 1 };
}

/** Uses an approval up. `null`: it is not approved, not in time, or was used before. */
export function use(request: ApprovalRequest, now: EpochMs): ApprovalRequest | null {
  return now >= request.expiresAt ? null : transition(request, 'use');
}

export type Refusal =
  | 'ended'
  | 'agent'
  | 'may-not-approve'
  | 'nobody-answers'
  | 'own-request'
  | 'voted-before'
  | 'not-an-approver';

/** Why this principal may not decide that request, or `null` when he may. */
export function refusal(
  request: Pick<ApprovalRequest, 'state' | 'expiresAt' | 'chain' | 'persons'> & {
    readonly approvers: readonly (readonly GroupId[])[];
    readonly voters: readonly PersonId[];
  },
  by: Principal,
  now: EpochMs,
): Refusal | null {
  if (delegationChain(by).some(({ kind }) => kind === 'agent') || by.onBehalfOf !== null) return 'agent';
  if (!by.mayApprove) return 'may-not-approve';
  if (by.person === null) return 'nobody-answers';
  if (request.persons.includes(by.person) || request.chain.includes(by.id)) return 'own-request';
  if (request.state !== 'pending' || now >= request.expiresAt) return 'ended';
  if (request.voters.includes(by.person)) return 'voted-before';
  if (!request.approvers.flat().some((group) => by.groups.includes(group))) return 'not-an-approver';
  return null;
}

/** Whether the votes give every rule what it wants to hear. A denial outweighs any number of approvals. */
export function isFulfilled(
  requirements: readonly Requirement[],
  votes: readonly Vote[],
  excluded: readonly PersonId[],
): boolean {
  if (votes.some(({ decision }) => decision === 'deny')) return false;
  const heard = new Map<PersonId, ReadonlySet<GroupId>>();
  for (const { person, groups } of votes) if (!excluded.includes(person)) heard.set(person, new Set(groups));
  const persons = [...heard.values()];
  return requirements.length > 0 && requirements.every((requirement) => isHeard(requirement, persons));
}

function isHeard({ approvers, count }: Requirement, persons: readonly ReadonlySet<GroupId>[]): boolean {
  return approvers.some((alternative) => {
    const speaking = persons.filter((groups) => alternative.some((group) => groups.has(group)));
    return alternative.length > 0 && count > 0 && speaking.length >= count && canSpeak(alternative, speaking);
  });
}

/** Whether each group can be given a person of its own: nobody speaks for two. */
function canSpeak(groups: readonly GroupId[], persons: readonly ReadonlySet<GroupId>[]): boolean {
  const speaker = new Map<number, GroupId>();
  const place = (group: GroupId, tried: Set<number>): boolean =>
    persons.some((belongs, index) => {
      if (!belongs.has(group) || tried.has(index)) return false;
      tried.add(index);
      const other = speaker.get(index);
      if (other !== undefined && !place(other, tried)) return false;
      speaker.set(index, group);
      return true;
    });
  return [...new Set(groups)].every((group) => place(group, new Set()));
}
