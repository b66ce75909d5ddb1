import { printMask } from '../core/mask.ts';
import type { Resource } from '../core/resource.ts';
import { root } from '../core/resource.ts';
import type { Cure, Reason } from '../core/verdict.ts';
import type { Question } from './question.ts';
import type { Rule, RuleCure } from './rule.ts';

/** Why something is refused, and what to do about it, in the words of whoever wrote the rule where there are any. */

export function forbidden(question: Question, rule: Rule): Reason {
  const { action, resource } = question;
  const what = `${action.name} on ${resourceText(resource)}`;
  return {
    code: action.name.endsWith('.opaque') ? 'POLICY_OPAQUE' : 'POLICY_DENIED',
    rule: rule.id,
    why: rule.message ?? `the policy forbids ${what} to ${whom(question)}`,
    hint: rule.hint ?? `rule ${rule.id} decides this; leave out what it forbids, or talk to whoever keeps the policy`,
    ...REFUSED,
  };
}

/** Nothing permits it: says which permit is missing. */
export function notPermitted(question: Question): Reason {
  const { action, resource } = question;
  const opaque = action.name.endsWith('.opaque');
  const what = `${action.name} on ${resourceText(resource)}`;
  const where = resource === null ? '' : `, resource in ${resource.kind}::"${resource.id}"`;
  const scope = opaque && resource !== null ? `, resource in Target::"${root(resource).id}"` : where;
  return {
    code: opaque ? 'POLICY_OPAQUE' : 'POLICY_DENIED',
    rule: null,
    why: opaque
      ? `the text was not understood in full, and no policy permits ${what} to ${whom(question)}`
      : `no policy permits ${what} to ${whom(question)}`,
    hint: opaque
      ? 'say it in plainer statements, one at a time, with names that the catalogue knows'
      : `a policy would have to say: permit (principal in Group::"…", action == Action::"${action.name}"${scope});`,
    ...REFUSED,
  };
}

/** A column that is masked was used for more than being shown. `decided` is what refused `compare` or `assign`. */
export function maskedUse(question: Question, masked: Rule | null, decided: Rule | null): Reason {
  const { resource, action, comparison, circumstances } = question;
  const findings = circumstances.action?.classification.findings ?? [];
  // Statistics and the like use columns that the statement does not name.
  const because = findings.length === 0 ? '' : ` (${findings.join('; ')})`;
  const id = resource?.id ?? '';
  const use =
    action.name === 'assign' ? 'may not be written or copied' : `may not be used in a ${comparison ?? 'comparison'}`;
  return {
    code: 'POLICY_MASKED',
    rule: decided?.id ?? masked?.id ?? null,
    why: decided?.message ?? `column ${id} is not shown to you in clear, so it ${use}${because}`,
    hint:
      decided?.hint ??
      (action.name === 'assign'
        ? `leave ${id} out of the statement, or ask for a permit of Action::"assign"`
        : `select ${id} as a plain output column, where it comes out masked, and leave it out of conditions and expressions`),
    ...REFUSED,
  };
}

/** A column that may not even be shown masked. */
export function hidden(column: Resource, rule: Rule | null): Reason {
  return {
    code: 'POLICY_MASKED',
    rule: rule?.id ?? null,
    why: rule?.message ?? `column ${column.id} may not be shown to you`,
    hint: rule?.hint ?? `leave ${column.id} out of the output`,
    ...REFUSED,
  };
}

/** What was asked for was given, and the rule still forbids it: asking again would not help. */
export function notLifted(rule: Rule): Reason {
  const kind = rule.cure?.kind ?? 'approval';
  return {
    code: MISSING_CODES[kind],
    rule: rule.id,
    why: rule.message ?? `the ${kind} that was given does not satisfy rule ${rule.id}`,
    hint: rule.hint ?? `read rule ${rule.id}: it wants more than that there is one`,
    cure: curable(kind),
    retry: kind === 'justification' ? 'after-edit' : 'never',
    request: null,
  };
}

export function brokenReason(message: string): Reason {
  return {
    code: 'POLICY_BROKEN',
    rule: null,
    why: `the policy could not be decided: ${message}`,
    hint: 'this is for whoever keeps the gateway: sallyport policy explain shows what fails',
    cure: null,
    retry: 'later',
    request: null,
  };
}

export function cureOf(rule: Rule, cure: RuleCure): Cure | null {
  const message = rule.message ?? `rule ${rule.id} asks for ${ASKS_FOR[cure.kind]}`;
  switch (cure.kind) {
    case 'justification':
    case 'step-up':
      return { kind: cure.kind, rule: rule.id, message };
    case 'analyzer':
      return { kind: 'analyzer', rule: rule.id, message, profile: cure.profile };
    case 'approval': {
      const { approvers, count, within_ms } = cure;
      return { kind: 'approval', rule: rule.id, message, approvers, count, within_ms };
    }
    default:
      return null;
  }
}

/** For the record of observe mode: what would have happened. */
export function wouldAsk(cure: Cure): Reason {
  const retry = cure.kind === 'approval' ? 'after-approval' : 'after-edit';
  return {
    code: MISSING_CODES[cure.kind],
    rule: cure.rule,
    why: cure.message,
    hint: HINTS[cure.kind],
    cure: cure.kind,
    retry,
    request: null,
  };
}

export function wouldMask(column: Resource, rule: string, mask: Parameters<typeof printMask>[0]): Reason {
  const why = `column ${column.id} would have been masked: ${printMask(mask)}`;
  return { code: 'POLICY_MASKED', rule, why, hint: 'nothing to do', ...REFUSED };
}

export function wouldLimit(rule: string, rows_max: number): Reason {
  const why = `rows would have been limited to ${rows_max}`;
  return { code: 'POLICY_DENIED', rule, why, hint: 'nothing to do', ...REFUSED };
}

/** Never by name: one decision serves everybody who is the same to the rules. */
function whom(question: Question): string {
  return question.principal === question.circumstances.action?.principal ? 'you' : 'the one you act for';
}

function resourceText(resource: Resource | null): string {
  return resource === null ? 'the gateway' : `${resource.kind} "${resource.id}"`;
}

function curable(kind: RuleCure['kind']): Cure['kind'] | null {
  return kind === 'mask' || kind === 'limit-rows' ? null : kind;
}

const REFUSED = { cure: null, retry: 'after-edit', request: null } as const;
const MISSING_CODES: Readonly<Record<RuleCure['kind'], string>> = {
  justification: 'JUSTIFICATION_MISSING',
  analyzer: 'ANALYZER_MISSING',
  'step-up': 'STEP_UP_MISSING',
  approval: 'POLICY_DENIED',
  'limit-rows': 'POLICY_DENIED',
  mask: 'POLICY_MASKED',
};
const ASKS_FOR: Readonly<Record<RuleCure['kind'], string>> = {
  justification: 'a reason',
  analyzer: 'an analyzer that watches',
  'step-up': 'a fresh proof that a person is there',
  approval: 'the approval of somebody else',
  'limit-rows': 'fewer rows',
  mask: 'a mask',
};
const HINTS: Readonly<Record<Cure['kind'], string>> = {
  justification: "say why: SET sallyport.justification = '…';",
  analyzer: 'try again when the analyzer is there',
  'step-up': 'log in again',
  approval: 'wait for an approver',
};
