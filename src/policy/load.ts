import { createHash } from 'node:crypto';
import type { EpochMs, Sha256 } from '../core/ids.ts';
import type { Limits } from '../core/limits.ts';
import { type Annotations, readAnnotations } from './annotations.ts';
import { BUILTIN_FILE, BUILTIN_TEXT } from './builtin.ts';
import { checkConditions } from './check-conditions.ts';
import { checkCures } from './check-cures.ts';
import { checkNames, type KnownNames } from './check-names.ts';
import { clauses, type Draft, readActionScope, readScope } from './draft.ts';
import { type Engine, freshEngine, isEngineFailure } from './engine.ts';
import type { Loaded, PolicySet, Problem, Rule } from './rule.ts';
import { SCHEMA_TEXT } from './schema.ts';
import { lineAtByte, type Piece, splitPolicies } from './split.ts';
import {
  contextReads,
  type EntityName,
  entitiesIn,
  entityKey,
  entityName,
  isNode,
  type Node,
  principalReads,
  seenLabels,
} from './syntax.ts';

export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

export interface LoadOptions extends KnownNames {
  readonly now: EpochMs;
  readonly limits: Pick<Limits, 'policy_text_bytes_max' | 'policy_nesting_max'>;
  readonly strengths?: readonly string[];
  readonly channels?: readonly string[];
}

/**
 * Compiles policies, the built-in ones included, or reports every problem of every file at once. Runs in a thread of its
 * own (`loader.ts`): what these texts do to Cedar, and the second it takes for a thousand of them, stay there.
 */
export function load(sources: readonly PolicySource[], options: LoadOptions): Loaded {
  const loading = new Loading(options);
  const size_bytes = sources.reduce((sum, source) => sum + Buffer.byteLength(source.text), 0);
  if (size_bytes > options.limits.policy_text_bytes_max) {
    const message = `policies of ${size_bytes} bytes, limit ${options.limits.policy_text_bytes_max}`;
    return { outcome: 'refused', problems: [{ file: sources[0]?.file ?? '', line: 1, rule: null, message }] };
  }
  loading.read({ file: BUILTIN_FILE, text: BUILTIN_TEXT }, true);
  for (const source of sources) loading.read(source, false);
  return loading.finish();
}

class Loading {
  readonly #options: LoadOptions;
  #engine: Engine = freshEngine();
  readonly #rules = new Map<string, Rule>();
  readonly #problems: Problem[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  read(source: PolicySource, builtin: boolean): void {
    if (!source.text.isWellFormed() || source.text.includes('\0')) {
      this.#problem(source.file, 1, null, 'not a text of Unicode characters');
      return;
    }
    for (const piece of splitPolicies(source.text)) this.#readPiece(source, piece, builtin);
  }

  finish(): Loaded {
    this.#validate();
    const problems = distinct(this.#problems);
    if (problems.length > 0) return { outcome: 'refused', problems };
    const rules = [...this.#rules.values()];
    return { outcome: 'loaded', set: { rules, digest: digestOf(rules), notes: notes(rules, this.#options.now) } };
  }

  #readPiece(source: PolicySource, piece: Piece, builtin: boolean): void {
    const { file } = source;
    const nesting_max = this.#options.limits.policy_nesting_max;
    if (piece.nesting > nesting_max) {
      this.#problem(file, piece.line, null, `nested ${piece.nesting} deep (brackets and ifs), limit ${nesting_max}`);
      return;
    }
    const json = this.#parse(source, piece);
    if (json === null) return;
    // Cedar's annotations are texts, or null where there is no value.
    const values = isNode(json.annotations) ? (json.annotations as Record<string, string | null>) : {};
    const id = values.id;
    const report = (message: string) => this.#problem(file, piece.line, id ?? null, message);
    if (id === undefined || id === null || !ID.test(id)) {
      report('every policy needs an @id of letters, digits and . _ / -');
      return;
    }
    if (!builtin && id.startsWith('sallyport.')) report('ids that begin with sallyport. are for the built-in rules');
    const other = this.#rules.get(id);
    if (other !== undefined) {
      report(`@id "${id}" is already used at ${other.file}:${other.line}`);
      return;
    }
    this.#rules.set(id, this.#check(source, piece, { json, values, id, builtin }, report));
  }

  #parse(source: PolicySource, piece: Piece): Node | null {
    try {
      const answer = this.#engine.policyToJson(piece.text);
      // Cedar's JSON form is an object; `Node` promises no more.
      if (answer.type === 'success') return answer.json as unknown as Node;
      for (const error of answer.errors) {
        const start_bytes = error.sourceLocations?.[0]?.start ?? 0;
        const line = piece.line + lineAtByte(piece.text, start_bytes) - 1;
        this.#problem(
          source.file,
          line,
          null,
          withHelp(error.message.replace('failed to parse policy from string: ', ''), error.help),
        );
      }
    } catch (error) {
      this.#problem(source.file, piece.line, null, `the policy engine failed on it: ${String(error)}`);
      if (isEngineFailure(error)) this.#engine = freshEngine();
    }
    return null;
  }

  #check(source: PolicySource, piece: Piece, read: ReadPolicy, report: (message: string) => void): Rule {
    const { json, id, builtin } = read;
    const effect = json.effect === 'permit' ? 'permit' : 'forbid';
    const { now, strengths = [], channels } = this.#options;
    const annotations: Annotations = readAnnotations(read.values, { effect, now, strengths, channels }, report);
    const draft: Draft = {
      ...{ id, effect, builtin, annotations, cureName: read.values.cure ?? null },
      principal: readScope(json.principal),
      resource: readScope(json.resource),
      action: readActionScope(json.action),
      when: clauses(json.conditions, 'when'),
      unless: clauses(json.conditions, 'unless'),
    };
    const named = scopeEntities(json);
    checkConditions(draft, report);
    checkCures(draft, report);
    checkNames(draft, named, this.#options, report);
    return {
      ...{ id, effect, builtin, ...annotations },
      ...{ principal: draft.principal, resource: draft.resource, action: draft.action },
      file: source.file,
      line: piece.line,
      source: piece.text,
      digest: sha256(piece.text),
      reads: [...contextReads(json.conditions)].sort(),
      names: [...new Set([...named, ...entitiesIn(json.conditions)].map(entityKey))].sort(),
      labels: namedLabels(named, json.conditions),
      principalReads: [...principalReads(json.conditions)].sort(),
    };
  }

  /** Types, unknown names, and rules that can never match: Cedar's warnings are errors. */
  #validate(): void {
    if (this.#rules.size === 0) return;
    const staticPolicies = Object.fromEntries([...this.#rules].map(([id, rule]) => [id, rule.source]));
    try {
      const answer = this.#engine.validate({ schema: SCHEMA_TEXT, policies: { staticPolicies } });
      if (answer.type === 'failure') {
        for (const error of answer.errors) this.#problem('', 1, null, error.message);
        return;
      }
      for (const { policyId, error } of withoutConsequences(answer.validationErrors, answer.validationWarnings)) {
        const rule = this.#rules.get(policyId);
        const message = withHelp(error.message.replace(`for policy \`${policyId}\`, `, ''), error.help);
        const inside = lineAtByte(rule?.source ?? '', error.sourceLocations?.[0]?.start ?? 0) - 1;
        this.#problem(rule?.file ?? '', (rule?.line ?? 1) + inside, policyId, message);
      }
      for (const warning of answer.otherWarnings) this.#problem('', 1, null, warning.message);
    } catch (error) {
      this.#problem('', 1, null, `the policy engine failed: ${String(error)}`);
    }
  }

  #problem(file: string, line: number, rule: string | null, message: string): void {
    this.#problems.push({ file, line, rule, message });
  }
}

interface ReadPolicy {
  readonly json: Node;
  readonly values: Readonly<Record<string, string | null>>;
  readonly id: string;
  readonly builtin: boolean;
}

function scopeEntities(json: Node): readonly EntityName[] {
  const found: EntityName[] = [];
  for (const part of [json.principal, json.resource]) {
    if (!isNode(part)) continue;
    for (const value of [part.entity, isNode(part.in) ? part.in.entity : null]) {
      const entity = entityName(value);
      if (entity !== null) found.push(entity);
    }
  }
  return found;
}

/** A rule with an unknown name also never matches, and one that never matches is also impossible: the first says it all. */
function withoutConsequences<Found extends { readonly policyId: string; readonly error: { readonly message: string } }>(
  errors: readonly Found[],
  warnings: readonly Found[],
): readonly Found[] {
  const wrong = new Set(errors.map(({ policyId }) => policyId));
  const left = warnings.filter(({ policyId }) => !wrong.has(policyId));
  const isImpossible = ({ error }: Found) => error.message.includes('policy is impossible');
  const otherwise = new Set(left.filter((found) => !isImpossible(found)).map(({ policyId }) => policyId));
  return [...errors, ...left.filter((found) => !(isImpossible(found) && otherwise.has(found.policyId)))];
}

/** Labels by name, and those a run may have seen. */
function namedLabels(scope: readonly EntityName[], conditions: unknown): readonly string[] {
  const labels = [...scope, ...entitiesIn(conditions)].filter(({ type }) => type === 'Label').map(({ id }) => id);
  return [...new Set([...labels, ...seenLabels(conditions)])].sort();
}

/** One mistake in a rule about many actions is reported by Cedar once for each. */
function distinct(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Map<string, Problem>();
  for (const problem of problems) {
    const message = problem.message.replace(
      / in context for (Control::)?Action::"[^"]*" not found/,
      ' in context not found',
    );
    const key = JSON.stringify([problem.file, problem.line, problem.rule, message]);
    if (!seen.has(key)) seen.set(key, problem);
  }
  return [...seen.values()].sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
}

function notes(rules: readonly Rule[], now: EpochMs): readonly string[] {
  const found: string[] = [];
  for (const rule of rules) {
    if (rule.observeUntil === null) continue;
    const day = new Date(rule.observeUntil - 1).toISOString().slice(0, 10);
    found.push(
      rule.observeUntil > now ? `${rule.id} is not enforced until ${day}` : `${rule.id} is enforced since ${day}`,
    );
  }
  const administered = rules.some(
    (rule) =>
      rule.effect === 'permit' &&
      rule.action.kind === 'named' &&
      rule.action.keys.some((key) => key.startsWith('Control::Action::"admin') || key === 'Control::Action::"control"'),
  );
  if (!administered)
    found.push('no rule permits admin.*: only the operator, at the admin socket, administers this gateway');
  return found;
}

function digestOf(rules: PolicySet['rules']): Sha256 {
  const parts = rules.map((rule) => `${rule.id}\n${rule.digest}\n`).sort();
  return sha256(SCHEMA_TEXT + parts.join(''));
}

function sha256(text: string): Sha256 {
  return createHash('sha256').update(text).digest('hex');
}

function withHelp(message: string, help: string | null | undefined): string {
  return help === null || help === undefined ? message : `${message} (${help})`;
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;
