import { readVersions } from '../adapters/catalogue-postgres/versions.ts';
import type { Action } from '../core/action.ts';
import { GatewayError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import type { Resource } from '../core/resource.ts';
import { catalogueConnection } from './catalogues.ts';
import type { Current } from './current.ts';

/** What an approval binds besides the statement: the definitions of every table, view and function it resolves to. */
export async function versionsOf(
  actions: readonly Action[],
  current: Current,
  limits: Limits,
): Promise<readonly string[]> {
  const [first] = actions;
  if (first === undefined) return [];
  const relations = namesOf(actions, 'Table');
  const functions = namesOf(actions, 'Function');
  if (relations.length + functions.length === 0) return [];
  if (relations.length + functions.length > OBJECTS_MAX) {
    throw new GatewayError(
      'APPROVAL_UNAVAILABLE',
      `it resolves to more than ${OBJECTS_MAX} objects; an approval cannot bind that many`,
    );
  }
  const { session } = first;
  const target = current.now.targets.get(session.target);
  if (target === undefined) throw new GatewayError('NOT_FOUND', `there is no target ${session.target} any more`);
  return readVersions(await catalogueConnection(target, session.database, limits), { relations, functions });
}

/** `crm/public.customers` is `public.customers` at the target; below the slash an id is written as PostgreSQL quotes it. */
function namesOf(actions: readonly Action[], kind: Resource['kind']): readonly string[] {
  const names = new Set<string>();
  for (const { classification } of actions) {
    for (const { resource } of classification.touches) {
      if (resource.kind === kind) names.add(resource.id.slice(resource.id.indexOf('/') + 1));
    }
  }
  return [...names].sort();
}

const OBJECTS_MAX = 1_000;
