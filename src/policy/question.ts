import type { Action, Comparison } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Rule } from './rule.ts';
import type { ActionShape } from './schema.ts';
import type { Given } from './stage.ts';

/** One thing asked of Cedar: may this principal do that to this? */
export interface Question {
  readonly principal: Principal;
  readonly action: ActionShape;
  /** `null`: the gateway itself. */
  readonly resource: Resource | null;
  readonly comparison: Comparison | null;
  /** What has been set as the limit so far. */
  readonly rows_max: number;
  readonly circumstances: Circumstances;
  readonly without: Without;
}

/** Rules left out of a question. */
export interface Without {
  /** Forbids that something given could lift: what remains says whether asking anybody makes sense. */
  readonly curable: boolean;
  /** Forbids in observe mode. */
  readonly observed: boolean;
}

/** What an action brings along; `action` is `null` for the control plane. */
export interface Circumstances {
  readonly action: Action | null;
  readonly given: Given;
  /** Not understood in full, or too long for a rule to read. */
  readonly opaque: boolean;
}

export interface Answer {
  readonly allowed: boolean;
  /** The rules that decided, in the order of the set: permits if allowed, else forbids; empty if nothing permits. */
  readonly rules: readonly Rule[];
}

/** Throws `POLICY_BROKEN` where there is no answer; whoever asks makes it a refusal. */
export interface Questioner {
  ask(question: Question): Answer;
  /** Resources of one number get the same answers to the same questions; `null`: that is not known here. */
  classOf(resource: Resource): number | null;
}

export function broken(what: string): GatewayError {
  return new GatewayError('POLICY_BROKEN', what);
}

export function leavesOut(without: Without, rule: Rule, now: number): boolean {
  if (rule.effect === 'permit') return false;
  if (without.curable && rule.cure !== null && rule.cure.kind !== 'mask') return true;
  return without.observed && rule.observeUntil !== null && now < rule.observeUntil;
}

/** The rules that can have a say, by their heads alone. */
export function applies(rule: Rule, action: ActionShape, lineage: readonly string[], key: string): boolean {
  if (rule.action.kind === 'all') return rule.effect === 'forbid' || !(action.named || action.control);
  if (rule.effect === 'permit' && action.named) return rule.action.keys.includes(key);
  return rule.action.keys.some((named) => lineage.includes(named));
}
