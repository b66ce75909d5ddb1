import type { EpochMs, RuleId, Sha256 } from '../core/ids.ts';
import type { Mask } from '../core/verdict.ts';

/** One policy as it was written, and what the rest of the room has to know of it. Plain data: it crosses from the worker. */
export interface Rule {
  readonly id: RuleId;
  readonly file: string;
  readonly line: number;
  /** Its exact text; an approval binds the digest. */
  readonly source: string;
  readonly digest: Sha256;
  readonly builtin: boolean;
  readonly effect: 'permit' | 'forbid';
  readonly principal: Scope;
  readonly resource: Scope;
  readonly action: ActionScope;
  readonly cure: RuleCure | null;
  /** In observe mode until then; `null`: enforced. */
  readonly observeUntil: EpochMs | null;
  readonly message: string | null;
  readonly hint: string | null;
  readonly record: boolean;
  readonly notify: string | null;
  /** Context attributes its conditions read; `*`: all. */
  readonly reads: readonly string[];
  /** Keys of every group, label, resource and principal it names. */
  readonly names: readonly string[];
  /** Ids of the labels it names, anywhere. */
  readonly labels: readonly string[];
  /** Attributes of the principal its conditions read, claims as `#NAME`; `*`: all. */
  readonly principalReads: readonly string[];
}

/** The head of a rule for `principal` or `resource`: every part given has to match. */
export interface Scope {
  readonly type: string | null;
  readonly within: string | null;
  readonly equals: string | null;
}

export type ActionScope =
  | { readonly kind: 'all' }
  /** Keys as `actionKey` makes them, of actions and of groups. */
  | { readonly kind: 'named'; readonly keys: readonly string[] };

export type RuleCure =
  | { readonly kind: 'mask'; readonly mask: Mask }
  | { readonly kind: 'limit-rows'; readonly rows_max: number }
  | { readonly kind: 'justification' }
  | { readonly kind: 'analyzer'; readonly profile: string }
  | { readonly kind: 'step-up' }
  | {
      readonly kind: 'approval';
      readonly approvers: readonly (readonly string[])[];
      readonly count: number;
      readonly within_ms: number;
    };

/** In the order they are given: people last. */
export const CURES = ['mask', 'limit-rows', 'justification', 'analyzer', 'step-up', 'approval'] as const;

export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly rule: RuleId | null;
  readonly message: string;
}

/** A policy set that passed every check; the built-in rules are part of it. */
export interface PolicySet {
  readonly rules: readonly Rule[];
  readonly digest: Sha256;
  /** Worth saying, but nothing is wrong: what is observed, who administers. */
  readonly notes: readonly string[];
}

export type Loaded =
  | { readonly outcome: 'loaded'; readonly set: PolicySet }
  | { readonly outcome: 'refused'; readonly problems: readonly Problem[] };

export function problemText(problem: Problem): string {
  const rule = problem.rule === null ? '' : ` ${problem.rule}:`;
  return `${problem.file}:${problem.line}:${rule} ${problem.message}`;
}
