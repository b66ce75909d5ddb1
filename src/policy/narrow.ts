import type { Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Cedar } from './call.ts';
import { type Closure, GATEWAY, principalClosure, resourceClosure, type Vocabulary, vocabularyOf } from './closure.ts';
import { buildContext, type ContextOptions } from './context.ts';
import { type Answer, applies, leavesOut, type Question, type Questioner } from './question.ts';
import type { PolicySet, Rule, Scope } from './rule.ts';
import { type ActionShape, actionKey, actionLineage } from './schema.ts';

export interface NarrowOptions extends ContextOptions {
  readonly strict: boolean;
  /** Answers kept; all are forgotten when there are more. */
  readonly answers_max: number;
}

/** A closure and the number of its class: what has the same number is the same to every rule. */
interface Classed {
  readonly closure: Closure;
  readonly number: number;
}

interface Slice {
  readonly rules: readonly Rule[];
  readonly reads: ReadonlySet<string>;
}

/**
 * Answers questions with as little of Cedar as possible: only the rules whose heads match, only the context they read,
 * and the answer kept for whatever is of the same class. Thirty columns that no rule names cost one call.
 */
export class NarrowQuestioner implements Questioner {
  readonly #set: PolicySet;
  readonly #cedar: Cedar;
  readonly #options: NarrowOptions;
  readonly #vocabulary: Vocabulary;
  readonly #numbers = new Map<string, number>();
  readonly #principals = new WeakMap<Principal, Classed>();
  readonly #resources = new WeakMap<Resource, Classed>();
  readonly #byAction = new Map<string, readonly Rule[]>();
  readonly #slices = new Map<string, Slice>();
  readonly #answers = new Map<string, Answer>();

  constructor(set: PolicySet, cedar: Cedar, options: NarrowOptions) {
    this.#set = set;
    this.#cedar = cedar;
    this.#options = options;
    this.#vocabulary = vocabularyOf(set);
  }

  ask(question: Question): Answer {
    const principal = this.#principal(question.principal);
    const resource = question.resource === null ? CONTROL : this.#resource(question.resource);
    const slice = this.#slice(question.action, principal, resource);
    const built = buildContext(question, slice.reads, false, this.#options);
    const rules = slice.rules.filter((rule) => !leavesOut(question.without, rule, question.circumstances.given.now));
    const left = rules.length === slice.rules.length ? 'all' : JSON.stringify(rules.map((rule) => rule.id));
    const key = `${question.action.name}|${principal.number}|${resource.number}|${JSON.stringify(built)}|${left}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const { strict } = this.#options;
    const context = strict ? buildContext(question, slice.reads, true, this.#options) : built;
    const call = { question, principal: principal.closure, resource: resource.closure, context, rules, strict };
    const answer = this.#cedar.ask(call);
    if (this.#answers.size >= this.#options.answers_max) this.#answers.clear();
    this.#answers.set(key, answer);
    return answer;
  }

  /** The context attributes that the answer to such a question can depend on. */
  reads(principal: Principal, action: ActionShape, resource: Resource | null): ReadonlySet<string> {
    return this.#slice(action, this.#principal(principal), resource === null ? CONTROL : this.#resource(resource))
      .reads;
  }

  classOf(resource: Resource): number {
    return this.#resource(resource).number;
  }

  /** The number of a principal's class. */
  principalClass(principal: Principal): number {
    return this.#principal(principal).number;
  }

  forget(): void {
    this.#answers.clear();
  }

  #slice(action: ActionShape, principal: Classed, resource: Classed): Slice {
    const key = `${action.control}|${action.name}|${principal.number}|${resource.number}`;
    const known = this.#slices.get(key);
    if (known !== undefined) return known;
    const rules = this.#rulesFor(action).filter(
      (rule) => matches(rule.principal, principal.closure) && matches(rule.resource, resource.closure),
    );
    const slice = { rules, reads: new Set(rules.flatMap((rule) => rule.reads)) };
    if (this.#slices.size >= this.#options.answers_max) this.#slices.clear();
    this.#slices.set(key, slice);
    return slice;
  }

  #rulesFor(action: ActionShape): readonly Rule[] {
    const key = actionKey(action);
    const known = this.#byAction.get(key);
    if (known !== undefined) return known;
    const lineage = actionLineage(action);
    const rules = this.#set.rules.filter((rule) => applies(rule, action, lineage, key));
    this.#byAction.set(key, rules);
    return rules;
  }

  #principal(principal: Principal): Classed {
    let classed = this.#principals.get(principal);
    if (classed === undefined) {
      classed = this.#classed(principalClosure(principal, this.#vocabulary));
      this.#principals.set(principal, classed);
    }
    return classed;
  }

  #resource(resource: Resource, depth = 1): Classed {
    let classed = this.#resources.get(resource);
    if (classed === undefined) {
      const closure = resourceClosure(resource, this.#vocabulary, this.#above, depth);
      classed = this.#classed(closure);
      this.#resources.set(resource, classed);
    }
    return classed;
  }

  /** Numbers are never given twice, so whatever was kept under an old one stays right. */
  #classed(closure: Closure): Classed {
    let number = this.#numbers.get(closure.key);
    if (number === undefined) {
      number = ++this.#counted;
      if (this.#numbers.size >= this.#options.answers_max) this.#numbers.clear();
      this.#numbers.set(closure.key, number);
    }
    return { closure, number };
  }

  readonly #above = (parent: Resource, depth: number) => this.#resource(parent, depth).closure;
  #counted = 0;
}

/** Whether a rule's head can match. Cedar decides it again; this only spares it rules that cannot. */
export function matches(scope: Scope, closure: Closure): boolean {
  if (scope.type !== null && scope.type !== closure.kind) return false;
  if (scope.within !== null && !closure.within.has(scope.within)) return false;
  if (scope.equals === null) return true;
  return scope.equals === `${closure.uid.type}::${JSON.stringify(closure.uid.id)}`;
}

const CONTROL: Classed = { closure: GATEWAY, number: 0 };
