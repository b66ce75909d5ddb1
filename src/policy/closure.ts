import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { PolicySet } from './rule.ts';
import { PARENTS, type PrincipalKind, ROOTS } from './schema.ts';
import { entityKey } from './syntax.ts';

/** An entity as Cedar takes it: https://docs.cedarpolicy.com/auth/entities-syntax.html */
export interface Entity {
  readonly uid: { readonly type: string; readonly id: string };
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly parents: readonly { readonly type: string; readonly id: string }[];
  readonly tags?: Readonly<Record<string, unknown>>;
}

/**
 * A principal or resource with everything above it. The only way to make one is below, and it throws where anything is
 * missing: to Cedar an entity that was not sent is one without attributes, parents or labels, which lifts forbids.
 */
export interface Closure {
  /** Two of one class are the same to every rule of this set. */
  readonly key: string;
  readonly kind: string;
  readonly uid: { readonly type: string; readonly id: string };
  readonly entities: readonly Entity[];
  /** Itself and all above it, as far as some rule names them. */
  readonly within: ReadonlySet<string>;
}

/** What of a request can matter to a policy set. */
export interface Vocabulary {
  /** Some rule names this entity. */
  has(key: string): boolean;
  /** Some rule reads this attribute of a principal, or this claim (`#NAME`). */
  reads(name: string): boolean;
}

export function vocabularyOf(set: PolicySet): Vocabulary {
  const names = new Set(set.rules.flatMap((rule) => rule.names));
  const reads = new Set(set.rules.flatMap((rule) => rule.principalReads));
  return { has: (key) => names.has(key), reads: (name) => reads.has('*') || reads.has(name) };
}

/** For decisions beside index and cache: everything matters, everything is sent. */
export const WHOLE_VOCABULARY: Vocabulary = { has: () => true, reads: () => true };

/** Groups that no rule names are not sent: a thousand of them cost Cedar 3 ms a decision. */
export function principalClosure(principal: Principal, vocabulary: Vocabulary): Closure {
  const type = KINDS[principal.kind];
  const uid = { type, id: text(principal.id, 'principal') };
  if (type === undefined) throw incomplete(`the kind of ${uid.id}`);
  const groups = texts(principal.groups, `groups of ${uid.id}`).map((id) => ({ type: 'Group', id }));
  const named = groups.filter((group) => vocabulary.has(entityKey(group)));
  const entity: Entity = { uid, attrs: principalAttributes(principal), parents: named, tags: claims(principal) };
  const within = new Set([uid, ...named].map(entityKey).filter((key) => vocabulary.has(key)));
  const inside = [
    ...Object.entries(entity.attrs).filter(([name]) => vocabulary.reads(name)),
    ...Object.entries(entity.tags ?? {}).flatMap(([name, values]) =>
      vocabulary.reads(`#${name}`) ? [[`#${name}`, values]] : [],
    ),
  ];
  return {
    key: JSON.stringify([type, [...within].sort(), inside.sort(byName)]),
    kind: type,
    uid,
    entities: [entity],
    within,
  };
}

/** `above` may know the closures of parents: columns share their tables. */
export function resourceClosure(
  resource: Resource,
  vocabulary: Vocabulary,
  above: (parent: Resource, depth: number) => Closure = (parent, depth) =>
    resourceClosure(parent, vocabulary, above, depth),
  depth = 1,
): Closure {
  if (depth > DEPTH_MAX) throw incomplete(`the end of the parents of ${resource.id}`);
  const entity = resourceEntity(resource);
  const keys = [entity.uid, ...entity.parents.filter(({ type }) => type === 'Label')].map(entityKey);
  const named = keys.filter((key) => vocabulary.has(key)).sort();
  const parent = resource.parent === null ? null : above(resource.parent, depth + 1);
  const inherited = parent?.within ?? NOTHING;
  return {
    // Texts that are JSON, one behind the other: no two lists of parents give the same.
    key: JSON.stringify([entity.uid.type, named]) + (parent?.key ?? ''),
    kind: resource.kind,
    uid: entity.uid,
    entities: [entity, ...(parent?.entities ?? [])],
    within: named.length === 0 ? inherited : new Set([...named, ...inherited]),
  };
}

/** The control plane has one resource. */
export const GATEWAY: Closure = {
  key: 'gateway',
  kind: 'Control::Gateway',
  uid: { type: 'Control::Gateway', id: 'gateway' },
  entities: [{ uid: { type: 'Control::Gateway', id: 'gateway' }, attrs: {}, parents: [] }],
  within: new Set(),
};

function resourceEntity(resource: Resource): Entity {
  const id = text(resource.id, resource.kind);
  const allowed = PARENTS[resource.kind];
  if (allowed === undefined) throw incomplete(`the kind of ${id}`);
  const labels = texts(resource.labels, `labels of ${id}`).map((label) => ({
    type: 'Label',
    id: text(label, 'label'),
  }));
  const parent = resource.parent;
  // `undefined` is no parent that was said to be none.
  const complete = parent === null ? ROOTS.has(resource.kind) : parent !== undefined && allowed.includes(parent.kind);
  if (!complete) throw incomplete(`the parent of ${resource.kind} ${id}`);
  const above = parent === null ? [] : [{ type: parent.kind, id: text(parent.id, parent.kind) }];
  return { uid: { type: resource.kind, id }, attrs: {}, parents: [...above, ...labels] };
}

function principalAttributes(principal: Principal): Readonly<Record<string, unknown>> {
  if (typeof principal.mayApprove !== 'boolean') throw incomplete(`whether ${principal.id} may approve`);
  if (principal.person === undefined || principal.onBehalfOf === undefined)
    throw incomplete(`the person of ${principal.id}`);
  const links: string[] = [];
  for (let link = principal.onBehalfOf; link !== null; link = link.onBehalfOf) links.push(text(link.id, 'principal'));
  return {
    provider: text(principal.provider, 'provider'),
    person: principal.person === null ? '' : text(principal.person, 'person'),
    mayApprove: principal.mayApprove,
    onBehalfOf: links,
  };
}

function claims(principal: Principal): Readonly<Record<string, unknown>> {
  if (typeof principal.claims !== 'object' || principal.claims === null) throw incomplete(`claims of ${principal.id}`);
  const entries = Object.entries(principal.claims).map(
    ([name, values]) => [text(name, 'claim'), claimValues(values, name)] as const,
  );
  // No prototype: a claim may be called `__proto__`.
  return Object.assign(Object.create(null), Object.fromEntries(entries));
}

/** A provider may say the empty text; it is a value like any other. */
function claimValues(values: unknown, name: string): readonly string[] {
  if (!Array.isArray(values)) throw incomplete(`values of the claim ${name}`);
  return values.map((value) => (value === '' ? '' : text(value, `claim ${name}`)));
}

function byName([one]: readonly unknown[], [other]: readonly unknown[]): number {
  return String(one) < String(other) ? -1 : 1;
}

function texts(values: unknown, what: string): readonly string[] {
  if (!Array.isArray(values)) throw incomplete(what);
  return values.map((value) => text(value, what));
}

/** Cedar throws on a lone surrogate; an empty name is nobody's. */
function text(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '' || !value.isWellFormed()) throw incomplete(what);
  return value;
}

function incomplete(what: string): GatewayError {
  return new GatewayError('POLICY_BROKEN', `the request to the policy lacks ${what}`);
}

const KINDS: Readonly<Record<Principal['kind'], PrincipalKind>> = {
  human: 'Human',
  workload: 'Workload',
  agent: 'Agent',
};
const NOTHING: ReadonlySet<string> = new Set();
/** Directories in directories are the deepest thing there is. */
const DEPTH_MAX = 256;
