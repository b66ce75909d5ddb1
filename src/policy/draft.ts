import type { Annotations } from './annotations.ts';
import type { ActionScope, Scope } from './rule.ts';
import { entityKey, entityName, isNode, type Node } from './syntax.ts';

/** A rule while it is being checked: Cedar's reading of it, and ours of its annotations. */
export interface Draft {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  readonly builtin: boolean;
  readonly principal: Scope;
  readonly resource: Scope;
  readonly action: ActionScope;
  readonly when: readonly Node[];
  readonly unless: readonly Node[];
  readonly annotations: Annotations;
  /** The cure by name, also where the rest of it could not be read. */
  readonly cureName: string | null;
}

/** Reports one problem of the rule at hand. */
export type Report = (message: string) => void;

/** `principal in Group::"dba"`, `resource is Table in Label::"pii"`, … */
export function readScope(value: unknown): Scope {
  const node = isNode(value) ? value : {};
  const within = node.op === 'is' && isNode(node.in) ? node.in : node.op === 'in' ? node : null;
  return {
    type: typeof node.entity_type === 'string' ? node.entity_type : null,
    within: within === null ? null : keyOf(within.entity),
    equals: node.op === '==' ? keyOf(node.entity) : null,
  };
}

export function readActionScope(value: unknown): ActionScope {
  if (!isNode(value) || value.op === 'All') return { kind: 'all' };
  const entities = Array.isArray(value.entities) ? value.entities : [value.entity];
  return { kind: 'named', keys: entities.map(keyOf).filter((key) => key !== null) };
}

/** The bodies of all clauses of one kind. */
export function clauses(conditions: unknown, kind: 'when' | 'unless'): readonly Node[] {
  if (!Array.isArray(conditions)) return [];
  return conditions
    .filter((clause) => isNode(clause) && clause.kind === kind && isNode(clause.body))
    .map((clause) => clause.body);
}

function keyOf(value: unknown): string | null {
  const entity = entityName(value);
  return entity === null ? null : entityKey(entity);
}
