import type { Action, ColumnUse, Comparison, PolicyAction } from '../core/action.ts';
import { strictest as strictestOf } from '../core/mask.ts';
import { delegationChain, type Principal } from '../core/principal.ts';
import { type Resource, root } from '../core/resource.ts';
import type { Mask, Reason } from '../core/verdict.ts';
import { LARGEST } from './context.ts';
import { type Answer, broken, type Circumstances, type Question, type Questioner, type Without } from './question.ts';
import { forbidden, hidden, maskedUse, notLifted, notPermitted } from './reasons.ts';
import type { Rule } from './rule.ts';
import { type ActionShape, actionShape } from './schema.ts';
import type { Given } from './stage.ts';

/** What the rules say about an action as a whole, before anything is made of it. */
export type Settled =
  | { readonly effect: 'deny'; readonly rules: readonly string[]; readonly reason: Reason }
  | {
      readonly effect: 'settled';
      readonly rules: ReadonlySet<string>;
      /** Rules whose cure is missing; none: it may pass. */
      readonly cures: readonly Rule[];
      readonly masks: ReadonlyMap<string, ColumnMask>;
      readonly limit: { readonly rows_max: number; readonly rule: string } | null;
      /** Permits that decided, for what they ask to be done. */
      readonly permits: ReadonlySet<Rule>;
    };

export interface ColumnMask {
  readonly column: Resource;
  readonly mask: Mask;
  readonly rule: string;
}

/** How one principal sees one column. `best`: once everything missing has been given. */
export type Sight =
  | { readonly sees: 'clear'; readonly rules: readonly Rule[] }
  | { readonly sees: 'mask'; readonly mask: Mask; readonly rules: readonly Rule[]; readonly decisive: Rule }
  | { readonly sees: 'nothing'; readonly rules: readonly Rule[] }
  | { readonly sees: 'later'; readonly rules: readonly Rule[]; readonly cures: readonly Rule[]; readonly best: Sight };

/** One thing the rules are asked about an action; `link` is its principal or somebody it acts for. */
export interface Touched {
  readonly action: PolicyAction;
  readonly resource: Resource;
}

/**
 * Decides an action: everything it touches and every use of a column, for the principal and for everyone it acts for.
 * Row limits are given here, because giving one is nothing but saying so; other cures are left for the pipeline.
 */
export function settle(
  action: Action,
  circumstances: Circumstances,
  questioner: Questioner,
  observed: boolean,
): Settled {
  let limit: { rows_max: number; rule: string } | null = null;
  const limited = new Set<string>();
  for (;;) {
    const pass = new Pass(action, circumstances, questioner, observed, limit?.rows_max ?? LARGEST);
    const denied = pass.run();
    if (denied !== null) return denied;
    const asking = pass.limits();
    if (asking.length === 0) return pass.settled(limit);
    for (const { rule, rows_max } of asking) {
      // A rule that asks twice would ask for ever.
      if (limited.has(rule.id)) return { effect: 'deny', rules: [rule.id], reason: notLifted(rule) };
      limited.add(rule.id);
      if (limit === null || rows_max < limit.rows_max) limit = { rows_max, rule: rule.id };
    }
  }
}

/** What a principal, and everyone it acts for, sees of a column: the least of them. */
export function settleSight(
  column: Resource,
  circumstances: Circumstances,
  questioner: Questioner,
  observed: boolean,
): Sight {
  const { action } = circumstances;
  if (action === null) throw broken('a column without an action');
  let worst: Sight = { sees: 'clear', rules: [] };
  for (const link of delegationChain(action.principal)) {
    worst = lesser(worst, sight(link, column, circumstances, questioner, observed));
  }
  return worst;
}

/** Everything asked about an action, besides its columns. What was not understood is asked for by name. */
export function touchesOf(action: Action, opaque: boolean): readonly Touched[] {
  const { touches } = action.classification;
  const first = touches[0];
  if (first === undefined) throw broken('the action touches nothing');
  if (!opaque || touches.some((touch) => touch.action.endsWith('.opaque'))) return touches;
  const asked = OPAQUE[action.protocol];
  if (asked === undefined) throw broken(`a text that was not understood in full (${action.protocol})`);
  return [...touches, { action: asked, resource: root(first.resource) }];
}

/** What one principal was found to see and do, by classes of columns; who may not is denied at once. */
interface Known {
  readonly sights: Map<number, Sight>;
  readonly judged: Set<string>;
}

/** One evaluation with one row limit. */
class Pass {
  readonly #action: Action;
  readonly #circumstances: Circumstances;
  readonly #questioner: Questioner;
  readonly #observed: boolean;
  readonly #rows_max: number;
  readonly #rules = new Set<string>();
  readonly #permits = new Set<Rule>();
  readonly #cures = new Map<string, Rule>();
  readonly #masks = new Map<string, ColumnMask>();

  constructor(
    action: Action,
    circumstances: Circumstances,
    questioner: Questioner,
    observed: boolean,
    rows_max: number,
  ) {
    this.#action = action;
    this.#circumstances = circumstances;
    this.#questioner = questioner;
    this.#observed = observed;
    this.#rows_max = rows_max;
  }

  run(): (Settled & { effect: 'deny' }) | null {
    const touches = touchesOf(this.#action, this.#circumstances.opaque);
    for (const link of delegationChain(this.#action.principal)) {
      for (const touch of touches) {
        const denied = this.#judge(this.#question(link, touch.action, touch.resource, null), null);
        if (denied !== null) return denied;
      }
      const known: Known = { sights: new Map(), judged: new Set() };
      for (const use of this.#action.classification.uses) {
        const denied = this.#judgeUse(link, use, known);
        if (denied !== null) return denied;
      }
    }
    return null;
  }

  limits(): readonly { readonly rule: Rule; readonly rows_max: number }[] {
    return [...this.#cures.values()].flatMap((rule) =>
      rule.cure?.kind === 'limit-rows' ? [{ rule, rows_max: rule.cure.rows_max }] : [],
    );
  }

  settled(limit: { readonly rows_max: number; readonly rule: string } | null): Settled {
    if (limit !== null) this.#rules.add(limit.rule);
    const cures = [...this.#cures.values()];
    return { effect: 'settled', rules: this.#rules, cures, masks: this.#masks, limit, permits: this.#permits };
  }

  /** Asks; on deny, asks once more without what could be lifted, so that nobody is asked in vain. */
  #judge(question: Question, masked: Sight | null): (Settled & { effect: 'deny' }) | null {
    const answer = this.#questioner.ask(question);
    if (answer.allowed) {
      this.#permitted(answer);
      return null;
    }
    const final = answer.rules.filter((rule) => rule.cure === null);
    if (final.length > 0 || answer.rules.length === 0) return refuse(question, final, masked);
    const best = this.#questioner.ask({ ...question, without: { ...question.without, curable: true } });
    if (!best.allowed) return refuse(question, best.rules, masked);
    for (const rule of answer.rules) {
      if (alreadyGiven(rule, this.#circumstances.given))
        return { effect: 'deny', rules: [rule.id], reason: notLifted(rule) };
      this.#cures.set(rule.id, rule);
    }
    this.#permitted(best);
    return null;
  }

  #judgeUse(link: Principal, { use, column, ...more }: ColumnUse, known: Known): (Settled & { effect: 'deny' }) | null {
    const comparison = 'comparison' in more ? more.comparison : null;
    const number = this.#questioner.classOf(column);
    const seen =
      (number === null ? undefined : known.sights.get(number)) ??
      sight(link, column, this.#circumstances, this.#questioner, this.#observed);
    if (number !== null) known.sights.set(number, seen);
    if (use === 'mention') {
      // Nothing is shown, so nothing is asked for or refused: what may not be seen at this moment is kept out of messages.
      if (seen.sees !== 'clear') this.#mask(column, seen);
      return null;
    }
    if (seen.sees === 'later') {
      for (const rule of seen.cures) {
        if (alreadyGiven(rule, this.#circumstances.given))
          return { effect: 'deny', rules: [rule.id], reason: notLifted(rule) };
        this.#cures.set(rule.id, rule);
      }
    }
    const best = seen.sees === 'later' ? seen.best : seen;
    if (best.sees === 'clear') {
      this.#permitted({ allowed: true, rules: best.rules });
      return null;
    }
    if (best.sees === 'nothing' && use === 'reveal') {
      const rules = best.rules.map((rule) => rule.id);
      return { effect: 'deny', rules, reason: hidden(column, best.rules[0] ?? null) };
    }
    this.#mask(column, best);
    const question = `${use} ${comparison} ${number}`;
    // A statement may use thousands of columns that are the same to every rule.
    if (use === 'reveal' || known.judged.has(question)) return null;
    if (number !== null) known.judged.add(question);
    return this.#judge(this.#question(link, use, column, comparison), best);
  }

  /** A column that may not be shown at all and yet takes part comes out as NULL, should it come out. */
  #mask(column: Resource, seen: Sight): void {
    const mask: Mask = seen.sees === 'mask' ? seen.mask : { kind: 'null' };
    const decisive = seen.sees === 'mask' ? seen.decisive : seen.rules[0];
    if (decisive === undefined) throw broken(`a column that no rule hides: ${column.id}`);
    const rule = decisive.id;
    for (const one of seen.rules) this.#rules.add(one.id);
    const known = this.#masks.get(column.id);
    const stricter = known === undefined ? mask : strictestOf([known.mask, mask]);
    this.#masks.set(column.id, { column, mask: stricter, rule: stricter === known?.mask ? known.rule : rule });
  }

  #permitted(answer: Answer): void {
    for (const rule of answer.rules) {
      this.#rules.add(rule.id);
      this.#permits.add(rule);
    }
  }

  #question(principal: Principal, name: string, resource: Resource, comparison: Comparison | null): Question {
    return {
      ...{ principal, resource, comparison, rows_max: this.#rows_max, circumstances: this.#circumstances },
      action: shapeOf(name, resource),
      without: { curable: false, observed: this.#observed },
    };
  }
}

function sight(
  link: Principal,
  column: Resource,
  circumstances: Circumstances,
  questioner: Questioner,
  observed: boolean,
): Sight {
  const question: Question = {
    ...{ principal: link, resource: column, comparison: null, rows_max: LARGEST, circumstances },
    action: shapeOf('reveal', column),
    without: { curable: false, observed },
  };
  const answer = questioner.ask(question);
  const cures = answer.allowed ? [] : answer.rules.filter((rule) => rule.cure !== null && rule.cure.kind !== 'mask');
  const hard = answer.rules.some((rule) => rule.effect === 'forbid' && rule.cure === null);
  if (cures.length === 0 || hard) return sightOf(answer);
  const without: Without = { curable: true, observed };
  const best = sightOf(questioner.ask({ ...question, without }));
  return best.sees === 'nothing' ? best : { sees: 'later', rules: answer.rules, cures, best };
}

/** A denied reveal stays denied. Where only mask rules deny it, what that means is the strictest of their masks. */
function sightOf(answer: Answer): Sight {
  if (answer.allowed) return { sees: 'clear', rules: answer.rules };
  let strictest: { readonly mask: Mask; readonly decisive: Rule } | null = null;
  for (const rule of answer.rules) {
    if (rule.cure?.kind !== 'mask') return { sees: 'nothing', rules: answer.rules.filter((one) => one.cure === null) };
    const mask: Mask = strictest === null ? rule.cure.mask : strictestOf([strictest.mask, rule.cure.mask]);
    strictest = { mask, decisive: strictest !== null && mask === strictest.mask ? strictest.decisive : rule };
  }
  return strictest === null ? { sees: 'nothing', rules: [] } : { sees: 'mask', rules: answer.rules, ...strictest };
}

function lesser(one: Sight, other: Sight): Sight {
  if (one.sees === 'mask' && other.sees === 'mask') {
    const mask = strictestOf([one.mask, other.mask]);
    const decisive = mask === one.mask ? one.decisive : other.decisive;
    return { sees: 'mask', mask, decisive, rules: [...new Set([...one.rules, ...other.rules])] };
  }
  return SIGHTS.indexOf(one.sees) >= SIGHTS.indexOf(other.sees) ? one : other;
}

function refuse(question: Question, rules: readonly Rule[], masked: Sight | null): Settled & { effect: 'deny' } {
  const rule = rules[0];
  const ids = [...rules, ...(masked?.rules ?? [])].map((one) => one.id);
  if (masked !== null) {
    return { effect: 'deny', rules: ids, reason: maskedUse(question, masked.rules[0] ?? null, rule ?? null) };
  }
  return {
    effect: 'deny',
    rules: ids,
    reason: rule === undefined ? notPermitted(question) : forbidden(question, rule),
  };
}

/** The rule forbids although what it asks for is there. */
function alreadyGiven(rule: Rule, given: Given): boolean {
  switch (rule.cure?.kind) {
    case 'approval':
      return given.approvedBy.includes(rule.id);
    case 'analyzer':
      return given.analyzedBy.includes(rule.cure.profile);
    case 'justification':
      return given.justification.trim() !== '';
    default:
      return false;
  }
}

function shapeOf(name: string, resource: Resource): ActionShape {
  const shape = actionShape(name);
  if (shape === undefined) throw broken(`an action ${JSON.stringify(name)} that the schema does not know`);
  if (!shape.resources.includes(resource.kind)) throw broken(`${name} cannot be done to a ${resource.kind}`);
  return shape;
}

const OPAQUE: Readonly<Partial<Record<Action['protocol'], PolicyAction>>> = {
  postgres: 'sql.opaque',
  mysql: 'sql.opaque',
  ssh: 'ssh.opaque',
  http: 'http.opaque',
};
const SIGHTS: readonly Sight['sees'][] = ['clear', 'mask', 'later', 'nothing'];
