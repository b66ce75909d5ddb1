import type { Action, Classification } from '../core/action.ts';
import type { EpochMs, RuleId, Sha256, TargetName } from '../core/ids.ts';
import { LIMITS, type Limits } from '../core/limits.ts';
import { delegationChain, type Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Decision } from '../core/verdict.ts';
import { Cedar } from './call.ts';
import { type ActionFacts, type ContextOptions, FACT_NAMES, readableText } from './context.ts';
import type { Engine } from './engine.ts';
import { type Explanation, Recorder } from './explain.ts';
import { NarrowQuestioner } from './narrow.ts';
import { decisionOf, differs, fingerprint, observedDecision, wouldHave } from './outcome.ts';
import { broken, type Circumstances, type Questioner } from './question.ts';
import { brokenReason } from './reasons.ts';
import type { PolicySet, Rule } from './rule.ts';
import { type ActionShape, actionShape } from './schema.ts';
import { type Settled, type Sight, settle, settleSight, touchesOf } from './settle.ts';
import type { Given, PolicyStage, Reveal } from './stage.ts';
import { type Dependence, dependenceOf, Verdicts, type Who } from './verdicts.ts';
import { WholeQuestioner } from './whole.ts';

export interface PolicyOptions {
  readonly limits: Pick<Limits, 'verdicts_max'>;
  /** Where counting begins, so that it goes on over a reload. */
  readonly epoch: number;
  /** Targets in observe mode, and until when. */
  readonly observe: ReadonlyMap<TargetName, EpochMs>;
  /** Facts of one very action, and documents, where rules read them. */
  readonly facts: ActionFacts | null;
  /** `slim` sends Cedar what is read; `strict` sends all and has it checked against the schema. */
  readonly mode: 'slim' | 'strict';
  /** A number below 1, where in each thousand the decision lies that is made twice. */
  readonly random: () => number;
  /** The two ways of deciding differed. From then on only the slow and sure one is used. */
  readonly onDifference: (difference: Difference) => void;
  readonly engine: (() => Engine) | null;
}

export interface Difference {
  readonly of: 'decision' | 'reveal' | 'admin';
  readonly fast: string;
  readonly sure: string;
}

export interface Policy extends PolicyStage {
  /** Labels, config or anything else a decision may depend on has changed: nothing that was kept counts any more. */
  advance(): number;
  /** By id, the built-in ones included. */
  rules(): ReadonlyMap<RuleId, Rule>;
  /** Decides with everything and keeps nothing, and says what was asked on the way. */
  explain(action: Action, given: Given): Explanation;
  counts(): { readonly decisions: number; readonly kept: number; readonly restarts: number; readonly fast: boolean };
}

/** Puts a loaded set to use. Rules in observe mode, targets in observe mode, and nothing built-in is ever observed. */
export function createPolicy(set: PolicySet, options: Partial<PolicyOptions> = {}): Policy {
  return new CedarPolicy(set, { ...DEFAULTS, ...options });
}

class CedarPolicy implements Policy {
  readonly #set: PolicySet;
  readonly #options: PolicyOptions;
  readonly #rules: ReadonlyMap<RuleId, Rule>;
  readonly #cedar: Cedar;
  readonly #narrow: NarrowQuestioner;
  readonly #whole: WholeQuestioner;
  readonly #decisions: Verdicts<Classification, Decision>;
  readonly #reveals: Verdicts<Resource, Reveal>;
  readonly #who = new WeakMap<Principal, Who>();
  readonly #readsText: boolean;
  /** When rules in observe mode, and targets, begin to be enforced. */
  readonly #edges: readonly EpochMs[];
  #phase = -1;
  #epoch: number;
  #fast = true;
  #made = 0;
  #hits = 0;
  #untilRecheck: number;

  constructor(set: PolicySet, options: PolicyOptions) {
    this.#set = set;
    this.#options = options;
    this.#rules = new Map(set.rules.map((rule) => [rule.id, rule]));
    this.#cedar = new Cedar(options.engine === null ? {} : { engine: options.engine });
    const context: ContextOptions = {
      facts: options.facts,
      labels: [...new Set(set.rules.flatMap((rule) => rule.labels))].sort(),
    };
    const answers_max = options.limits.verdicts_max;
    this.#narrow = new NarrowQuestioner(set, this.#cedar, {
      ...context,
      strict: options.mode === 'strict',
      answers_max,
    });
    this.#whole = new WholeQuestioner(set, this.#cedar, context);
    this.#decisions = new Verdicts(options.limits.verdicts_max);
    this.#reveals = new Verdicts(options.limits.verdicts_max);
    this.#readsText = set.rules.some((rule) => rule.reads.includes('statement') || rule.reads.includes('text'));
    this.#edges = [...set.rules.flatMap((rule) => rule.observeUntil ?? []), ...options.observe.values()].sort(
      (a, b) => a - b,
    );
    this.#epoch = options.epoch;
    this.#untilRecheck = 1 + Math.floor(options.random() * RECHECK_EACH);
  }

  decide(action: Action, given: Given): Decision {
    try {
      this.#enter(given.now);
      this.#made++;
      const who = this.#chain(action.principal);
      const opaque = this.#opaque(action);
      const kept = this.#fast ? this.#decisions.find(action.classification, who, action, given, opaque) : null;
      const many = action.classification.uses.length > USES_ASKED_ONE_BY_ONE_MAX;
      if (kept !== null && (this.#made < this.#untilRecheck || many)) {
        this.#hits++;
        return kept;
      }
      const circumstances = { action, given, opaque };
      if (!this.#fast && many) throw broken('more columns than can be asked about one by one');
      if (!this.#fast) return this.#settle(circumstances, this.#whole);
      const decision = kept ?? this.#settle(circumstances, this.#narrow);
      // The next one is made twice in its place: this one would take seconds.
      if (this.#made >= this.#untilRecheck && !many) return this.#recheck(decision, circumstances);
      // A failure is answered, not remembered: the engine may be there again for the next one.
      if (decision.effect === 'deny' && decision.reason.code === 'POLICY_BROKEN') return decision;
      this.#decisions.keep(action.classification, who, circumstances, this.#dependence(circumstances), decision);
      return decision;
    } catch (error) {
      return { effect: 'deny', rules: [], reason: brokenReason(messageOf(error)) };
    }
  }

  reveal(action: Action, column: Resource, given: Given): Reveal {
    try {
      this.#enter(given.now);
      const who = this.#chain(action.principal);
      const opaque = this.#opaque(action);
      const kept = this.#fast ? this.#reveals.find(column, who, action, given, opaque) : null;
      if (kept !== null) return kept;
      const circumstances = { action, given, opaque };
      const reveal = this.#see(column, circumstances, this.#fast ? this.#narrow : this.#whole);
      if (this.#fast)
        this.#reveals.keep(column, who, circumstances, this.#columnDependence(circumstances, column), reveal);
      return reveal;
    } catch {
      return { effect: 'hide', rules: [] };
    }
  }

  /** Always decided both ways: it is rare, and it matters most. */
  admin(
    principal: Principal,
    name: string,
    given: Given,
  ): { readonly allowed: boolean; readonly rules: readonly RuleId[] } {
    try {
      const action = actionShape(name, true);
      if (action === undefined) return { allowed: false, rules: [] };
      const fast = this.#administer(principal, action, given, this.#narrow);
      const sure = this.#administer(principal, action, given, this.#whole);
      this.#compare('admin', JSON.stringify(fast), JSON.stringify(sure));
      return { allowed: sure.allowed && fast.allowed, rules: sure.rules };
    } catch {
      return { allowed: false, rules: [] };
    }
  }

  epoch(): number {
    return this.#epoch;
  }

  advance(): number {
    this.#forget();
    return ++this.#epoch;
  }

  digest(): Sha256 {
    return this.#set.digest;
  }

  ruleDigest(rule: RuleId): Sha256 | null {
    return this.#rules.get(rule)?.digest ?? null;
  }

  rules(): ReadonlyMap<RuleId, Rule> {
    return this.#rules;
  }

  explain(action: Action, given: Given): Explanation {
    const many = action.classification.uses.length > USES_ASKED_ONE_BY_ONE_MAX;
    const recorder = new Recorder(many ? this.#narrow : this.#whole);
    try {
      const decision = this.#settle({ action, given, opaque: this.#opaque(action) }, recorder);
      return { decision, steps: recorder.steps };
    } catch (error) {
      return { decision: { effect: 'deny', rules: [], reason: brokenReason(messageOf(error)) }, steps: recorder.steps };
    }
  }

  counts() {
    return { decisions: this.#made, kept: this.#hits, restarts: this.#cedar.restarts, fast: this.#fast };
  }

  #settle(circumstances: Circumstances & { action: Action }, questioner: Questioner): Decision {
    const { action, given } = circumstances;
    const observing = this.#observing(given.now);
    const enforced = settleOrDeny(circumstances, questioner, observing);
    // What cannot be decided does not pass, observed or not.
    if (enforced.effect === 'deny' && enforced.reason.code === 'POLICY_BROKEN') return decisionOf(enforced, null);
    const full = observing ? settleOrDeny(circumstances, questioner, false) : enforced;
    if (this.#targetObserved(action.target, given.now)) return observedDecision(full);
    return decisionOf(enforced, observing && differs(enforced, full) ? wouldHave(full) : null);
  }

  #see(column: Resource, circumstances: Circumstances & { action: Action }, questioner: Questioner): Reveal {
    const { action, given } = circumstances;
    if (this.#targetObserved(action.target, given.now)) return { effect: 'clear' };
    return revealOf(settleSight(column, circumstances, questioner, this.#observing(given.now)));
  }

  #administer(principal: Principal, action: ActionShape, given: Given, questioner: Questioner) {
    const rules = new Set<RuleId>();
    let allowed = true;
    for (const link of delegationChain(principal)) {
      const circumstances: Circumstances = { action: null, given, opaque: false };
      const without = { curable: false, observed: false };
      const question = {
        principal: link,
        action,
        resource: null,
        comparison: null,
        rows_max: 0,
        circumstances,
        without,
      };
      const answer = questioner.ask(question);
      allowed = allowed && answer.allowed;
      for (const rule of answer.rules) rules.add(rule.id);
    }
    return { allowed, rules: [...rules] };
  }

  /** Once in each thousand, at a place nobody can guess. */
  #recheck(decision: Decision, circumstances: Circumstances & { action: Action }): Decision {
    const round = Math.floor(this.#made / RECHECK_EACH) + 1;
    this.#untilRecheck = round * RECHECK_EACH + 1 + Math.floor(this.#options.random() * RECHECK_EACH);
    const { restarts } = this.#cedar;
    const sure = this.#settle(circumstances, this.#whole);
    // An engine that broke in between says nothing about index and cache.
    if (restarts === this.#cedar.restarts) this.#compare('decision', fingerprint(decision), fingerprint(sure));
    return sure;
  }

  #compare(of: Difference['of'], fast: string, sure: string): void {
    if (fast === sure) return;
    this.#fast = false;
    this.#forget();
    this.#options.onDifference({ of, fast, sure });
  }

  #dependence(circumstances: Circumstances & { action: Action }): Dependence {
    const { action, opaque } = circumstances;
    const reads = new Set<string>();
    const added = new Set<string>();
    const add = (name: string, resource: Resource): void => {
      const shape = actionShape(name);
      const one = `${name} ${this.#narrow.classOf(resource)}`;
      if (shape === undefined || added.has(one)) return;
      added.add(one);
      for (const link of delegationChain(action.principal)) {
        for (const read of this.#narrow.reads(link, shape, resource)) reads.add(read);
      }
    };
    for (const touch of touchesOf(action, opaque)) add(touch.action, touch.resource);
    for (const use of action.classification.uses) {
      add('reveal', use.column);
      if (use.use === 'compare' || use.use === 'assign') add(use.use, use.column);
    }
    return dependenceOf(reads, (name) => (FACT_NAMES[name] ?? name) in action.classification.facts);
  }

  #columnDependence(circumstances: Circumstances & { action: Action }, column: Resource): Dependence {
    const reads = new Set<string>();
    const shape = actionShape('reveal');
    for (const link of delegationChain(circumstances.action.principal)) {
      if (shape !== undefined) for (const read of this.#narrow.reads(link, shape, column)) reads.add(read);
    }
    return dependenceOf(reads, () => false);
  }

  #chain(principal: Principal): Who {
    const known = this.#who.get(principal);
    if (known !== undefined) return known;
    const numbers = delegationChain(principal).map((link) => this.#narrow.principalClass(link));
    const who = numbers.length === 1 ? (numbers[0] ?? '') : numbers.join('>');
    this.#who.set(principal, who);
    return who;
  }

  /** Not understood in full; or some rule wants to read the text, and it cannot be read. */
  #opaque(action: Action): boolean {
    if (action.classification.clarity !== 'parsed') return true;
    return this.#readsText && readableText(action) === null;
  }

  #observing(now: EpochMs): boolean {
    return this.#set.rules.some((rule) => rule.observeUntil !== null && now < rule.observeUntil);
  }

  #targetObserved(target: TargetName, now: EpochMs): boolean {
    const until = this.#options.observe.get(target);
    return until !== undefined && now < until;
  }

  /** What is kept was decided under the rules that were observed then. */
  #enter(now: EpochMs): void {
    if (this.#edges.length === 0) return;
    const phase = this.#edges.filter((edge) => edge <= now).length;
    if (phase !== this.#phase) this.#forget();
    this.#phase = phase;
  }

  #forget(): void {
    this.#decisions.forget();
    this.#reveals.forget();
    this.#narrow.forget();
  }
}

function settleOrDeny(
  circumstances: Circumstances & { action: Action },
  questioner: Questioner,
  observed: boolean,
): Settled {
  try {
    return settle(circumstances.action, circumstances, questioner, observed);
  } catch (error) {
    return { effect: 'deny', rules: [], reason: brokenReason(messageOf(error)) };
  }
}

function revealOf(sight: Sight): Reveal {
  const rules = sight.rules.map((rule) => rule.id);
  if (sight.sees === 'clear') return { effect: 'clear' };
  return sight.sees === 'mask' ? { effect: 'mask', mask: sight.mask, rules } : { effect: 'hide', rules };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const RECHECK_EACH = 1_000;
/** Statistics use every column of a database. */
const USES_ASKED_ONE_BY_ONE_MAX = 1_000;
const DEFAULTS: PolicyOptions = {
  limits: LIMITS,
  epoch: 1,
  observe: new Map(),
  facts: null,
  mode: 'slim',
  random: () => 0.5,
  onDifference: () => {},
  engine: null,
};
