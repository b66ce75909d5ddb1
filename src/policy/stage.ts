import type { Action } from '../core/action.ts';
import type { EpochMs, RuleId, Sha256 } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Decision, Mask } from '../core/verdict.ts';

/** What has been given to lift forbids. Only the pipeline fills it. */
export interface Given {
  /** Rules whose approval was given. */
  readonly approvedBy: readonly RuleId[];
  /** Analyzer profiles that watch it. */
  readonly analyzedBy: readonly string[];
  readonly justification: string;
  readonly now: EpochMs;
}

/** What a column of a result is to a principal. */
export type Reveal =
  | { readonly effect: 'clear' }
  | { readonly effect: 'mask'; readonly mask: Mask; readonly rules: readonly RuleId[] }
  | { readonly effect: 'hide'; readonly rules: readonly RuleId[] };

/** What this room offers: what the policy says. Pure and synchronous; never throws: a failure inside is a deny. */
export interface PolicyStage {
  /** Decides every touch and use of the action. With what is given, asks for what is missing. */
  decide(action: Action, given: Given): Decision;
  /** For a column that the classification did not name, before its values go out. */
  reveal(action: Action, column: Resource, given: Given): Reveal;
  /** The control plane: may this principal do that to the gateway? Never curable. */
  admin(
    principal: Principal,
    action: string,
    given: Given,
  ): { readonly allowed: boolean; readonly rules: readonly RuleId[] };
  /** Counts up with every change of policy, label or config that a decision may depend on. */
  epoch(): number;
  /** Digest of the policy set in force. */
  digest(): Sha256;
  /** The digest of one rule's text: an approval binds it. */
  ruleDigest(rule: RuleId): Sha256 | null;
}
