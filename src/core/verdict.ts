import type { EntryIndex, RequestId, RuleId } from './ids.ts';
import type { JsonObject } from './json.ts';
import type { Resource } from './resource.ts';

/** A mask as policies spell it: `partial(0,4)` is `{ kind: 'partial', keep_first: 0, keep_last: 4 }`. */
export type Mask =
  | { readonly kind: 'null' }
  | { readonly kind: 'default' }
  | { readonly kind: 'redact' }
  | { readonly kind: 'full' }
  | { readonly kind: 'token' }
  | { readonly kind: 'round'; readonly digits: number }
  | { readonly kind: 'date_trunc'; readonly unit: 'year' | 'month' | 'day' }
  | { readonly kind: 'email' }
  | { readonly kind: 'partial'; readonly keep_first: number; readonly keep_last: number };

/** What must be done to an action that may pass. */
export type Obligation =
  | { readonly kind: 'mask'; readonly column: Resource; readonly mask: Mask; readonly rule: RuleId }
  | { readonly kind: 'limit-rows'; readonly rows_max: number; readonly rule: RuleId }
  | { readonly kind: 'record'; readonly level: 'full'; readonly rule: RuleId }
  | { readonly kind: 'analyze'; readonly profile: string; readonly rule: RuleId }
  | { readonly kind: 'notify'; readonly channel: string; readonly rule: RuleId };

/** What would lift a forbid. People come last. */
export type Cure =
  | { readonly kind: 'justification'; readonly rule: RuleId; readonly message: string }
  | { readonly kind: 'analyzer'; readonly rule: RuleId; readonly message: string; readonly profile: string }
  | { readonly kind: 'step-up'; readonly rule: RuleId; readonly message: string }
  | {
      readonly kind: 'approval';
      readonly rule: RuleId;
      readonly message: string;
      /** Any of these alternatives; each alternative names groups that must all be heard. */
      readonly approvers: readonly (readonly string[])[];
      readonly count: number;
      readonly within_ms: number;
    };

/** Why something was refused, in one shape on every surface. */
export interface Reason {
  readonly code: string;
  /** The rule that decided, or `null` where nothing permits it. */
  readonly rule: RuleId | null;
  /** One sentence: what happened. */
  readonly why: string;
  /** One sentence: what to do about it. */
  readonly hint: string;
  readonly cure: Cure['kind'] | null;
  readonly retry: 'never' | 'after-edit' | 'after-approval' | 'later';
  readonly request: RequestId | null;
}

/** What the policy says. Pure: the same question gives the same answer within one epoch. */
export type Decision =
  | {
      readonly effect: 'allow';
      readonly rules: readonly RuleId[];
      readonly obligations: readonly Obligation[];
      /** What would have happened if nothing were in observe mode; `null` when that is the same. */
      readonly observed: Reason | null;
    }
  | {
      readonly effect: 'ask';
      readonly rules: readonly RuleId[];
      readonly cures: readonly Cure[];
      readonly obligations: readonly Obligation[];
      readonly observed: Reason | null;
    }
  | { readonly effect: 'deny'; readonly rules: readonly RuleId[]; readonly reason: Reason };

declare const cleared: unique symbol;

/**
 * Permits the bytes of one action to be forwarded once. Only `pipeline/decide.ts` makes one, after the action's entry is
 * in the log; nothing can forge it (the pipeline knows its own), and it can be spent once.
 */
export interface Clearance {
  readonly [cleared]: true;
  readonly entry: EntryIndex;
}

/** What the pipeline says about one action. `ask`: `ask()` it together with what awaits the same cure. */
export type Verdict =
  | {
      readonly outcome: 'forward';
      readonly clearance: Clearance;
      readonly obligations: readonly Obligation[];
      readonly rules: readonly RuleId[];
      /** Set where observe mode let it pass; the obligations are those that are enforced all the same. */
      readonly observed: Reason | null;
    }
  | { readonly outcome: 'ask'; readonly cures: readonly Cure[] }
  | { readonly outcome: 'refuse'; readonly reason: Reason; readonly entry: EntryIndex | null };

/** Facts about how an action ended, for its `result` entry. */
export interface ResultFacts {
  readonly rows: number;
  readonly bytes: number;
  readonly masked: number;
  /** The target's own error code, or `null`. */
  readonly error: string | null;
  /** The command tag or exit status. */
  readonly tag: string;
  readonly extra?: JsonObject;
}
