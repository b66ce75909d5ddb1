import { delegationChain, type Principal } from '../core/principal.ts';
import type { Target } from '../gateway/targets.ts';
import type { ActionScope, PolicySet, Rule } from '../policy/rule.ts';

/**
 * Whether any rule could ever permit this principal a write there, every cure given. Where none could, the session at the
 * target is read-only at the server too, so that a misread statement is stopped twice. When in doubt the answer is yes: the
 * policy decides each statement anyway.
 */
export function mayWrite(set: PolicySet, principal: Principal, target: Target): boolean {
  return delegationChain(principal).every((link) =>
    set.rules.some(
      (rule) => rule.effect === 'permit' && !rule.builtin && reaches(rule, link, target) && writes(rule.action),
    ),
  );
}

function reaches(rule: Rule, principal: Principal, target: Target): boolean {
  const { type, within, equals } = rule.principal;
  if (type !== null && type.toLowerCase() !== principal.kind) return false;
  if (equals !== null && !equals.includes(JSON.stringify(principal.id))) return false;
  const group = /^Group::"(.*)"$/s.exec(within ?? '')?.[1];
  if (group !== undefined && !principal.groups.includes(group)) return false;
  const at = /^Target::"(.*)"$/s.exec(rule.resource.within ?? rule.resource.equals ?? '')?.[1];
  return at === undefined || at === target.name;
}

function writes(scope: ActionScope): boolean {
  return scope.kind === 'all' || scope.keys.some((key) => WRITING.some((name) => key.includes(JSON.stringify(name))));
}

/** Actions, and groups of them, under which something could be written. */
const WRITING = ['any', 'act', 'sql', 'sql.write', 'sql.define', 'sql.execute', 'sql.administer', 'sql.opaque'];
