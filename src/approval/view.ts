import type { Action } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { EpochMs, GroupId, RequestId } from '../core/ids.ts';
import type { Limits } from '../core/limits.ts';
import { delegationChain } from '../core/principal.ts';
import type { Fingerprint } from './digest.ts';
import type { ApprovalRequest } from './ports.ts';
import { render, renderNote } from './render.ts';
import { isOverdue } from './request.ts';
import type { Question, RequestView } from './stage.ts';

export interface Filing {
  readonly id: RequestId;
  readonly gateway: string;
  readonly run: string;
  readonly now: EpochMs;
  readonly limits: Limits;
}

/** The request that a question becomes. Throws APPROVAL_UNAVAILABLE where people could not judge it. */
export function fileRequest(question: Question, { digest }: Fingerprint, filing: Filing): ApprovalRequest {
  const { limits } = filing;
  const [first] = question.actions;
  if (first === undefined || question.cures.length === 0)
    throw new Error('a request needs an action and a rule that asks');
  if (
    question.actions.some((action) => action.session !== first.session || action.principal.id !== first.principal.id)
  ) {
    throw new Error('one request is about one session of one principal');
  }
  const chain = delegationChain(first.principal);
  const within_ms = Math.min(...question.cures.map((cure) => cure.within_ms));
  const holding_ms = question.inTransaction ? Math.min(within_ms, limits.hold_in_transaction_ms) : within_ms;
  const rendered = render(question.actions, limits);
  const requirements = question.cures.map(({ rule, approvers, count }) => ({ rule, approvers, count }));
  return {
    id: filing.id,
    version: 1,
    state: 'pending',
    gateway: filing.gateway,
    run: filing.run,
    digest,
    requirements,
    chain: chain.map(({ id }) => id),
    persons: [...new Set(chain.flatMap(({ person }) => person ?? []))],
    createdAt: filing.now,
    expiresAt: filing.now + holding_ms,
    votes: [],
    filing: '',
    ended: '',
    shown: {
      principal: first.principal.id,
      person: first.principal.person,
      onBehalfOf: chain.slice(1).map(({ id }) => id),
      target: first.target,
      database: first.session.database,
      role: first.session.role,
      session: first.session.id,
      rules: requirements.map(({ rule }) => rule),
      message: [...new Set(question.cures.map(({ message }) => message))].filter((text) => text !== '').join('; '),
      approvers: together(requirements.map(({ approvers }) => approvers)),
      count: Math.max(...requirements.map(({ count }) => count)),
      ...rendered,
      resources: [...new Set(question.actions.flatMap(resourcesOf))].map(renderNote),
      justification: renderNote(first.session.justification),
      notCovered: notCoveredBy(question.actions),
      inTransaction: question.inTransaction,
    },
  };
}

/** As everybody sees it, overdue or not. */
export function viewOf(request: ApprovalRequest, now: EpochMs): RequestView {
  return {
    ...request.shown,
    id: request.id,
    state: isOverdue(request, now) ? 'expired' : request.state,
    persons: request.persons,
    createdAt: request.createdAt,
    expiresAt: request.expiresAt,
    decisions: request.votes.map(({ principal, person, decision, reason, at }) => ({
      by: principal,
      person,
      decision,
      reason: renderNote(reason),
      at,
    })),
    digest: request.digest,
  };
}

export function resourcesOf(action: Action): readonly string[] {
  return action.classification.touches.map(({ resource }) => resource.id);
}

/** What satisfies several rules: one alternative of each, all their groups together. */
function together(rules: readonly (readonly (readonly GroupId[])[])[]): readonly (readonly GroupId[])[] {
  let all: readonly (readonly GroupId[])[] = [[]];
  for (const alternatives of rules) {
    all = all.flatMap((groups) => alternatives.map((more) => [...new Set([...groups, ...more])]));
    if (all.length > ALTERNATIVES_MAX) {
      throw new GatewayError('APPROVAL_UNAVAILABLE', `the rules leave more than ${ALTERNATIVES_MAX} ways to approve`);
    }
  }
  if (!all.some((groups) => groups.length > 0)) {
    throw new GatewayError('APPROVAL_UNAVAILABLE', 'the rule that asks names nobody who may approve');
  }
  const distinct = new Map(
    all.map((groups): [string, readonly GroupId[]] => [JSON.stringify([...groups].sort()), groups]),
  );
  return [...distinct.values()];
}

/** Data that follows an approval is not in the digest; the request says so in words, rather once too often. */
function notCoveredBy(actions: readonly Action[]): string {
  const isCopy = actions.some(({ text }) => {
    const words = Buffer.from(text).toString('latin1');
    return /\bcopy\b/i.test(words) && /\bstdin\b/i.test(words);
  });
  if (isCopy) return 'the rows that the client sends after COPY FROM STDIN';
  return actions.some(({ kind }) => STREAMING_KINDS.has(kind)) ? 'what the client sends after it was approved' : '';
}

/** Kinds of action that are a channel rather than a text. */
const STREAMING_KINDS: ReadonlySet<string> = new Set(['open', 'shell', 'exec', 'forward']);
const ALTERNATIVES_MAX = 64;
