/**
 * What an action touches, typed and normalised once, where the name is first resolved.
 *
 * Ids: a target is `crm`, another database of it `crm@reports`; below it
 * `crm/public`, `crm/public.customers`, `crm/public.customers.ssn`, functions `crm/pg_catalog.lower`.
 * An SQL name is written as PostgreSQL would fold it, and quoted as `quote_ident` would where it needs quoting.
 *
 * A resource carries its parents, so that the closure a policy needs can never be incomplete.
 */
export interface Resource {
  readonly kind: ResourceKind;
  readonly id: string;
  /** Labels of this resource itself; those of its parents are found through `parent`. */
  readonly labels: readonly string[];
  readonly parent: Resource | null;
}

export type ResourceKind =
  | 'Target'
  | 'Schema'
  | 'Table'
  | 'Column'
  | 'Function'
  | 'Host'
  | 'Path'
  | 'Namespace'
  | 'Object'
  | 'Secret'
  | 'Route'
  | 'Field'
  | 'Tool'
  | 'Runbook';

/** The label of whatever the catalogue does not know. */
export const UNCLASSIFIED = 'unclassified';
/** The label of schemas whose relations describe the database and hold none of its data. */
export const CATALOG = 'catalog';

/** The target a resource lies in: the last of its parents. */
export function root(resource: Resource): Resource {
  let at = resource;
  while (at.parent !== null) at = at.parent;
  return at;
}
