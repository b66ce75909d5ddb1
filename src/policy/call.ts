import type { Closure, Entity } from './closure.ts';
import type { BuiltContext } from './context.ts';
import { type Engine, freshEngine, isEngineFailure } from './engine.ts';
import { type Answer, broken, type Question } from './question.ts';
import type { Rule } from './rule.ts';
import { type ActionShape, actionLineage, SCHEMA_TEXT } from './schema.ts';
import { entityKey } from './syntax.ts';

export interface CedarOptions {
  /** Makes an engine: at the start, and again when one broke. */
  readonly engine: () => Engine;
}

export interface CedarCall {
  readonly question: Question;
  readonly principal: Closure;
  readonly resource: Closure;
  readonly context: BuiltContext;
  /** The rules to ask, in the order of the set. */
  readonly rules: readonly Rule[];
  /** Check the request against the schema as well. */
  readonly strict: boolean;
}

/** One engine and the rule lists it has parsed. Every way of not getting an answer throws. */
export class Cedar {
  readonly #make: () => Engine;
  #engine: Engine | null = null;
  /** Rule list → the name it is parsed under. */
  readonly #parsed = new Map<string, string>();
  #restarts = 0;

  constructor(options: Partial<CedarOptions> = {}) {
    this.#make = options.engine ?? freshEngine;
  }

  /** How often the engine had to be replaced. */
  get restarts(): number {
    return this.#restarts;
  }

  ask(call: CedarCall): Answer {
    // Without a rule nothing permits.
    if (call.rules.length === 0) return NOTHING_PERMITS;
    try {
      return this.#ask(call);
    } catch (error) {
      if (isEngineFailure(error)) this.#restart();
      throw error instanceof Error && error.name === 'GatewayError'
        ? error
        : broken(`the policy engine failed: ${String(error)}`);
    }
  }

  #ask({ question, principal, resource, context, rules, strict }: CedarCall): Answer {
    const engine = this.#running();
    const entities = [...distinct([...principal.entities, ...resource.entities, ...context.entities])];
    const answer = engine.statefulIsAuthorized({
      principal: principal.uid,
      action: actionUid(question.action),
      resource: resource.uid,
      // Values are made in context.ts and closure.ts, of nothing but texts, whole numbers, booleans and lists of texts.
      context: context.context as Parameters<Engine['statefulIsAuthorized']>[0]['context'],
      // Without the schema nobody tells Cedar which groups an action lies in, so the action goes as an entity.
      // As closure.ts and document.ts make them; the package's type has no read-only lists.
      entities: (strict ? entities : [...entities, actionEntity(question.action)]) as never,
      preparsedPolicySetId: this.#parse(engine, rules),
      ...(strict ? { preparsedSchemaName: SCHEMA_NAME, validateRequest: true } : {}),
    });
    if (answer.type === 'failure')
      throw broken(`the policy engine refused the request: ${answer.errors[0]?.message ?? ''}`);
    const { decision, diagnostics } = answer.response;
    // Cedar skips a rule that fails, and a forbid that is skipped forbids nothing.
    const failed = diagnostics.errors[0];
    if (failed !== undefined) throw broken(`the rule ${failed.policyId} failed: ${failed.error.message}`);
    const reasons = new Set(diagnostics.reason);
    return { allowed: decision === 'allow', rules: rules.filter((rule) => reasons.has(rule.id)) };
  }

  #running(): Engine {
    if (this.#engine !== null) return this.#engine;
    const engine = this.#make();
    const answer = engine.preparseSchema(SCHEMA_NAME, SCHEMA_TEXT);
    if (answer.type === 'failure') throw broken(`the schema does not parse: ${answer.errors[0]?.message ?? ''}`);
    this.#engine = engine;
    return engine;
  }

  /** Parsed lists cannot be freed, only replaced by one of the same name: the oldest name is used again. */
  #parse(engine: Engine, rules: readonly Rule[]): string {
    const key = rules.map((rule) => rule.id).join('\n');
    const known = this.#parsed.get(key);
    if (known !== undefined) return known;
    let name = `list-${this.#parsed.size}`;
    if (this.#parsed.size >= PARSED_MAX) {
      const [oldest, reused] = this.#parsed.entries().next().value ?? ['', name];
      this.#parsed.delete(oldest);
      name = reused;
    }
    const answer = engine.preparsePolicySet(name, {
      staticPolicies: Object.fromEntries(rules.map((rule) => [rule.id, rule.source])),
    });
    if (answer.type === 'failure') throw broken(`policies do not parse: ${answer.errors[0]?.message ?? ''}`);
    this.#parsed.set(key, name);
    return name;
  }

  /** A broken instance stays broken; a new one is made at the next question, and until then everything is refused. */
  #restart(): void {
    this.#engine = null;
    this.#parsed.clear();
    this.#restarts++;
  }
}

/** Parents of principal and resource may be the same entity; Cedar refuses an entity given twice with other contents. */
function distinct(entities: readonly Entity[]): Iterable<Entity> {
  return new Map(entities.map((entity) => [entityKey(entity.uid), entity])).values();
}

function actionUid(action: ActionShape): { type: string; id: string } {
  return { type: action.control ? 'Control::Action' : 'Action', id: action.name };
}

function actionEntity(action: ActionShape): Entity {
  const known = ACTION_ENTITIES.get(action);
  if (known !== undefined) return known;
  const uid = actionUid(action);
  const parents = actionLineage(action)
    .slice(1)
    .map((key) => ({ type: uid.type, id: key.slice(uid.type.length + 3, -1) }));
  const entity: Entity = { uid, attrs: {}, parents };
  ACTION_ENTITIES.set(action, entity);
  return entity;
}

const ACTION_ENTITIES = new Map<ActionShape, Entity>();
const NOTHING_PERMITS: Answer = { allowed: false, rules: [] };
const SCHEMA_NAME = 'sallyport';
const PARSED_MAX = 1_024;
