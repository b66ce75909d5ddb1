import type { Cedar } from './call.ts';
import { GATEWAY, principalClosure, resourceClosure, WHOLE_VOCABULARY } from './closure.ts';
import { buildContext, type ContextOptions } from './context.ts';
import { matches } from './narrow.ts';
import { type Answer, applies, leavesOut, type Question, type Questioner } from './question.ts';
import type { PolicySet } from './rule.ts';
import { actionKey, actionLineage } from './schema.ts';

/**
 * Answers questions with everything: all rules, all groups and claims, the whole context, checked against the schema,
 * nothing kept. What `NarrowQuestioner` is measured by, and what decides when that was ever wrong.
 */
export class WholeQuestioner implements Questioner {
  readonly #set: PolicySet;
  readonly #cedar: Cedar;
  readonly #options: ContextOptions;

  constructor(set: PolicySet, cedar: Cedar, options: ContextOptions) {
    this.#set = set;
    this.#cedar = cedar;
    this.#options = options;
  }

  classOf(): null {
    return null;
  }

  ask(question: Question): Answer {
    const { action } = question;
    const principal = principalClosure(question.principal, WHOLE_VOCABULARY);
    const resource = question.resource === null ? GATEWAY : resourceClosure(question.resource, WHOLE_VOCABULARY);
    const lineage = actionLineage(action);
    // Permits that do not name an action that has to be named are the only rules Cedar may not see.
    const rules = this.#set.rules.filter(
      (rule) =>
        (rule.effect === 'forbid' ||
          !(action.named || action.control) ||
          applies(rule, action, lineage, actionKey(action))) &&
        !leavesOut(question.without, rule, question.circumstances.given.now),
    );
    const reads = new Set(
      this.#set.rules
        .filter((rule) => applies(rule, action, lineage, actionKey(action)))
        .filter((rule) => matches(rule.principal, principal) && matches(rule.resource, resource))
        .flatMap((rule) => rule.reads),
    );
    const context = buildContext(question, reads, true, this.#options);
    return this.#cedar.ask({ question, principal, resource, context, rules, strict: true });
  }
}
