import type { Action } from '../core/action.ts';
import type { EpochMs, PersonId, RequestId } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Cure, Reason } from '../core/verdict.ts';

export interface RequestView {
  readonly id: RequestId;
  readonly state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'used';
  readonly principal: string;
  readonly person: string | null;
  readonly onBehalfOf: readonly string[];
  /** Everyone behind the request: none of them may decide it. */
  readonly persons: readonly PersonId[];
  readonly target: string;
  readonly database: string;
  readonly role: string;
  readonly session: string;
  readonly rules: readonly string[];
  readonly message: string;
  readonly approvers: readonly (readonly string[])[];
  readonly count: number;
  /** The statements as they will run, invisible characters revealed; one for each distinct text. */
  readonly statements: readonly {
    readonly text: string;
    readonly times: number;
    readonly parameters: readonly (readonly string[])[];
  }[];
  /** What an approver should look at twice: characters that hide, look-alikes, bytes that are no text. */
  readonly findings: readonly string[];
  readonly resources: readonly string[];
  readonly justification: string;
  /** What the digest does not cover, in words; empty when everything is. */
  readonly notCovered: string;
  readonly inTransaction: boolean;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly decisions: readonly {
    readonly by: string;
    readonly person: PersonId;
    readonly decision: 'approve' | 'deny';
    readonly reason: string;
    readonly at: EpochMs;
  }[];
  readonly digest: string;
}

export type AskOutcome =
  /** `receipt` has been verified; it names the digest that was computed again just before. */
  | {
      readonly outcome: 'approved';
      readonly request: RequestId;
      readonly by: readonly string[];
      readonly receipt: string;
    }
  | { readonly outcome: 'refused'; readonly reason: Reason };

export interface Question {
  readonly actions: readonly Action[];
  readonly cures: readonly (Cure & { kind: 'approval' })[];
  readonly inTransaction: boolean;
  readonly displays: readonly string[];
  /** Versions of what the actions resolve to, and of the rules that ask. */
  readonly versions: readonly string[];
}

/** What this room offers: ask people, and hear what they said. */
export interface ApprovalStage {
  /**
   * Files one request for all the actions and waits. `filed` is called with the request as soon as it is stored and
   * recorded; `recheck` just before release, to compute the question again: any difference refuses.
   */
  ask(
    question: Question,
    signal: AbortSignal,
    filed: (request: RequestView) => void,
    recheck: () => Promise<Question>,
  ): Promise<AskOutcome>;
  decide(id: RequestId, by: Principal, decision: 'approve' | 'deny', reason: string): Promise<RequestView>;
  list(filter: { readonly state?: RequestView['state']; readonly for?: Principal }): Promise<readonly RequestView[]>;
  show(id: RequestId): Promise<RequestView | null>;
  /** Whether this principal may decide that request; a reason when not. */
  mayDecide(request: RequestView, by: Principal): Reason | null;
}
