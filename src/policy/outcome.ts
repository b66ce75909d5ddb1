import type { Decision, Obligation, Reason } from '../core/verdict.ts';
import { cureOf, wouldAsk, wouldLimit, wouldMask } from './reasons.ts';
import { CURES } from './rule.ts';
import type { Settled } from './settle.ts';

/** A decision as the pipeline takes it. Cures stand in the order they are to be given in: people last. */
export function decisionOf(settled: Settled, observed: Reason | null): Decision {
  if (settled.effect === 'deny') return { effect: 'deny', rules: distinct(settled.rules), reason: settled.reason };
  const obligations = [...limits(settled), ...masks(settled), ...permitted(settled)];
  const cures = curesOf(settled);
  const rules = distinct([...settled.rules, ...cures.map((cure) => cure.rule)]);
  return cures.length === 0
    ? { effect: 'allow', rules, obligations, observed }
    : { effect: 'ask', rules, cures, obligations, observed };
}

/** A target in observe mode: it passes unchanged, and what would have happened is recorded. */
export function observedDecision(settled: Settled): Decision {
  const observed = wouldHave(settled);
  if (settled.effect === 'deny') return { effect: 'allow', rules: distinct(settled.rules), obligations: [], observed };
  return { effect: 'allow', rules: distinct([...settled.rules]), obligations: permitted(settled), observed };
}

/** What would have been done to it, the gravest thing first; `null`: nothing. */
export function wouldHave(settled: Settled): Reason | null {
  if (settled.effect === 'deny') return settled.reason;
  const [cure] = curesOf(settled);
  if (cure !== undefined) return wouldAsk(cure);
  const [mask] = settled.masks.values();
  if (mask !== undefined) return wouldMask(mask.column, mask.rule, mask.mask);
  return settled.limit === null ? null : wouldLimit(settled.limit.rule, settled.limit.rows_max);
}

/** Everything about a decision that somebody could notice, in one text. */
export function fingerprint(decision: Decision): string {
  const rules = [...decision.rules].sort();
  if (decision.effect === 'deny') return JSON.stringify(['deny', rules, decision.reason.code, decision.reason.rule]);
  const obligations = decision.obligations.map((obligation) => JSON.stringify(obligation, withoutParents)).sort();
  const cures = decision.effect === 'ask' ? decision.cures : [];
  return JSON.stringify([decision.effect, rules, cures, obligations, decision.observed?.code ?? null]);
}

/** Whether enforcing the observed rules as well would have made a difference. */
export function differs(enforced: Settled, full: Settled): boolean {
  return fingerprint(decisionOf(enforced, null)) !== fingerprint(decisionOf(full, null));
}

function curesOf(settled: Settled & { effect: 'settled' }) {
  return settled.cures
    .toSorted((one, other) => order(one.cure?.kind) - order(other.cure?.kind))
    .flatMap((rule) => {
      const cure = rule.cure === null ? null : cureOf(rule, rule.cure);
      return cure === null ? [] : [cure];
    });
}

function order(kind: (typeof CURES)[number] | undefined): number {
  return kind === undefined ? CURES.length : CURES.indexOf(kind);
}

function masks(settled: Settled & { effect: 'settled' }): readonly Obligation[] {
  return [...settled.masks.values()].map((mask) => ({ kind: 'mask', ...mask }));
}

function limits(settled: Settled & { effect: 'settled' }): readonly Obligation[] {
  return settled.limit === null ? [] : [{ kind: 'limit-rows', ...settled.limit }];
}

/** What the permits that decided ask to be done, each once. */
function permitted(settled: Settled & { effect: 'settled' }): readonly Obligation[] {
  return [...settled.permits].flatMap((permit): Obligation[] => [
    ...(permit.record ? [{ kind: 'record', level: 'full', rule: permit.id } as const] : []),
    ...(permit.notify === null ? [] : [{ kind: 'notify', channel: permit.notify, rule: permit.id } as const]),
  ]);
}

function distinct(rules: readonly string[]): readonly string[] {
  return [...new Set(rules)];
}

function withoutParents(key: string, value: unknown): unknown {
  return key === 'parent' ? undefined : value;
}
