import type { GroupId, PersonId, PrincipalId } from './ids.ts';

/** A human, a workload (CI job, service account) or an agent that acts for one of them. */
export interface Principal {
  readonly kind: 'human' | 'workload' | 'agent';
  readonly id: PrincipalId;
  /** For people to read; never decided on. */
  readonly name: string;
  readonly provider: string;
  readonly groups: readonly GroupId[];
  /** Claims that policies may read, as the provider said them; every value a list. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  /** The human behind it: itself, its line's `person`, or that of `onBehalfOf`. `null`: nobody answers for it. */
  readonly person: PersonId | null;
  /** Whom an agent acts for, at most four links deep; `null` for everyone else. */
  readonly onBehalfOf: Principal | null;
  /** A human may always be asked; a service account only with `may_approve: true`; an agent never. */
  readonly mayApprove: boolean;
}

/** The principal and everyone it acts for, nearest first. */
export function delegationChain(principal: Principal): readonly Principal[] {
  const chain: Principal[] = [];
  for (let link: Principal | null = principal; link !== null; link = link.onBehalfOf) chain.push(link);
  return chain;
}

export const DELEGATION_LINKS_MAX = 4;
