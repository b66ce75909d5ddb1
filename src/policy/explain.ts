import { printMask } from '../core/mask.ts';
import type { Decision } from '../core/verdict.ts';
import type { Answer, Question, Questioner } from './question.ts';
import type { Rule } from './rule.ts';

/** Why an action is decided as it is: every question that was asked, with the rules that answered it. */
export interface Explanation {
  readonly decision: Decision;
  readonly steps: readonly ExplainedStep[];
}

export interface ExplainedStep {
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** Asked again as if every cure had been given. */
  readonly best: boolean;
  readonly allowed: boolean;
  readonly rules: readonly Pick<Rule, 'id' | 'file' | 'line' | 'effect' | 'cure' | 'message'>[];
}

/** Passes questions on and remembers them. */
export class Recorder implements Questioner {
  readonly steps: ExplainedStep[] = [];
  readonly #questioner: Questioner;

  constructor(questioner: Questioner) {
    this.#questioner = questioner;
  }

  /** Every step is shown. */
  classOf(): null {
    return null;
  }

  ask(question: Question): Answer {
    const answer = this.#questioner.ask(question);
    const { principal, action, resource, without } = question;
    this.steps.push({
      principal: principal.id,
      action: action.name,
      resource: resource === null ? 'Gateway' : `${resource.kind}::"${resource.id}"`,
      best: without.curable,
      allowed: answer.allowed,
      rules: answer.rules.map(({ id, file, line, effect, cure, message }) => ({
        id,
        file,
        line,
        effect,
        cure,
        message,
      })),
    });
    return answer;
  }
}

/** For people, at a terminal. */
export function explanationText(explanation: Explanation): string {
  const lines = [...verdictLines(explanation.decision), ''];
  for (const step of explanation.steps) {
    const best = step.best ? ', were every cure given' : '';
    lines.push(`${step.allowed ? 'allow' : 'deny '}  ${step.action} on ${step.resource} for ${step.principal}${best}`);
    if (step.rules.length === 0) lines.push('         nothing permits it');
    for (const rule of step.rules) lines.push(`         ${ruleText(rule)}`);
  }
  return `${lines.join('\n')}\n`;
}

function ruleText(rule: ExplainedStep['rules'][number]): string {
  const cure =
    rule.cure === null
      ? ''
      : rule.cure.kind === 'mask'
        ? ` (mask ${printMask(rule.cure.mask)})`
        : ` (cure: ${rule.cure.kind})`;
  const message = rule.message === null ? '' : `: ${rule.message}`;
  return `${rule.effect} ${rule.id}${cure}, ${rule.file}:${rule.line}${message}`;
}

function verdictLines(decision: Decision): readonly string[] {
  if (decision.effect === 'deny') {
    const { code, rule, why, hint } = decision.reason;
    return [`refused: ${why}`, `  code ${code}, ${rule === null ? 'no rule' : `rule ${rule}`}`, `  ${hint}`];
  }
  const lines = [decision.effect === 'allow' ? 'allowed' : 'allowed once this is given:'];
  if (decision.effect === 'ask')
    lines.push(...decision.cures.map((cure) => `  ${cure.kind} (rule ${cure.rule}): ${cure.message}`));
  for (const obligation of decision.obligations) {
    if (obligation.kind === 'mask')
      lines.push(`  mask ${obligation.column.id}: ${printMask(obligation.mask)} (rule ${obligation.rule})`);
    else if (obligation.kind === 'limit-rows')
      lines.push(`  at most ${obligation.rows_max} rows (rule ${obligation.rule})`);
    else lines.push(`  ${obligation.kind} (rule ${obligation.rule})`);
  }
  if (decision.observed !== null) lines.push(`  not enforced, else: ${decision.observed.why}`);
  return lines;
}
