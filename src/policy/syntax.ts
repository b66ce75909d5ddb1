/** Reading Cedar's JSON form of a policy: https://docs.cedarpolicy.com/policies/json-format.html */

export interface Node {
  readonly [key: string]: unknown;
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Visits every expression below `value`, itself included. A record's own keys and a literal's inside are no expressions. */
export function walk(
  value: unknown,
  visit: (node: Node, parent: Node | null) => void,
  parent: Node | null = null,
): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit, parent);
    return;
  }
  if (!isNode(value)) return;
  visit(value, parent);
  for (const [key, child] of Object.entries(value)) {
    if (key === 'Value') continue;
    if (key === 'Record' && isNode(child)) walk(Object.values(child), visit, value);
    else walk(child, visit, value);
  }
}

/** `{ left, right }` of an operator, where the node is one. */
export function operands(node: Node, operator: string): { readonly left: unknown; readonly right: unknown } | null {
  const inner = node[operator];
  return isNode(inner) ? { left: inner.left, right: inner.right } : null;
}

/** The names behind `has` (`has a.b` has two). */
export function hasNames(node: Node): readonly string[] {
  const inner = node.has;
  if (!isNode(inner)) return [];
  return [inner.attr].flat().filter((name): name is string => typeof name === 'string');
}

/** `context.NAME`: the name; anything else: `null`. */
export function contextField(value: unknown): string | null {
  if (!isNode(value)) return null;
  const access = value['.'];
  if (!isNode(access) || !isNode(access.left) || access.left.Var !== 'context') return null;
  return typeof access.attr === 'string' ? access.attr : null;
}

export function literal(value: unknown): unknown {
  return isNode(value) ? value.Value : undefined;
}

export interface EntityName {
  readonly type: string;
  readonly id: string;
}

/** `Group::"dba"` as one string; two entities are the same exactly when their keys are. */
export function entityKey(entity: EntityName): string {
  return `${entity.type}::${JSON.stringify(entity.id)}`;
}

/** `{ type, id }` or `{ __entity: { type, id } }`. */
export function entityName(value: unknown): EntityName | null {
  if (!isNode(value)) return null;
  const inner = isNode(value.__entity) ? value.__entity : value;
  return typeof inner.type === 'string' && typeof inner.id === 'string' ? { type: inner.type, id: inner.id } : null;
}

/** Every entity that conditions name. */
export function entitiesIn(conditions: unknown): readonly EntityName[] {
  const found: EntityName[] = [];
  walk(conditions, (node) => {
    const entity = entityName(node.Value);
    if (entity !== null) found.push(entity);
  });
  return found;
}

/** The context attributes that conditions read; `*` where `context` is used as a whole. */
export function contextReads(conditions: unknown): ReadonlySet<string> {
  const reads = new Set<string>();
  walk(conditions, (node, parent) => {
    if (node.Var !== 'context') return;
    const access = parent?.left === node ? parent : null;
    const name = access === null ? undefined : [access.attr].flat()[0];
    reads.add(typeof name === 'string' ? name : '*');
  });
  return reads;
}

/** Every literal that `context.seen` is asked about. */
export function seenLabels(conditions: unknown): readonly string[] {
  const found: string[] = [];
  walk(conditions, (node) => {
    for (const operator of ['contains', 'containsAll', 'containsAny']) {
      const sides = operands(node, operator);
      if (sides === null || contextField(sides.left) !== 'seen') continue;
      walk(sides.right, (part) => {
        if (typeof part.Value === 'string') found.push(part.Value);
      });
    }
  });
  return found;
}

/**
 * What conditions look at inside the principal: attributes by name, claims as `#NAME`, `*` for anything else.
 * `principal in X`, `principal is X` and `principal == X` compare names only.
 */
export function principalReads(conditions: unknown): ReadonlySet<string> {
  const reads = new Set<string>();
  walk(conditions, (node, parent) => {
    if (node.Var !== 'principal') return;
    if (parent === null || parent.left !== node) reads.add('*');
    else if ('attr' in parent) reads.add(String([parent.attr].flat()[0]));
    else if ('right' in parent) {
      const tag = literal(parent.right);
      if (typeof tag === 'string') reads.add(`#${tag}`);
      else if (!isPlainEntity(parent.right)) reads.add('*');
    } else if (!('entity_type' in parent)) reads.add('*');
  });
  return reads;
}

function isPlainEntity(value: unknown): boolean {
  if (!isNode(value)) return false;
  if (entityName(value.Value) !== null) return true;
  return Array.isArray(value.Set) && value.Set.every((item) => isPlainEntity(item));
}
