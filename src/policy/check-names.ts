import type { ProtocolName } from '../core/ids.ts';
import { CATALOG, UNCLASSIFIED } from '../core/resource.ts';
import type { Draft, Report } from './draft.ts';
import type { RuleCure } from './rule.ts';
import { type EntityName, entitiesIn, seenLabels } from './syntax.ts';

/** What exists. `undefined`: not known here, so not checked. */
export interface KnownNames {
  readonly groups?: readonly string[];
  /** Groups that some agent is in: they never approve. */
  readonly agentGroups?: readonly string[];
  readonly labels?: readonly string[];
  readonly targets?: readonly { readonly name: string; readonly protocol: ProtocolName }[];
}

/** Cedar accepts any id in `Group::"…"`; a misspelt one is never anybody's, so a permit gives nothing and a forbid stops nothing. */
export function checkNames(draft: Draft, entities: readonly EntityName[], known: KnownNames, problem: Report): void {
  for (const entity of [...entities, ...entitiesIn([draft.when, draft.unless])]) {
    if (entity.type === 'Group') checkName('group', entity.id, known.groups, problem);
    if (entity.type === 'Label') checkName('label', entity.id, labels(known), problem);
    const target = TARGETED.has(entity.type) ? targetOf(entity.id) : null;
    if (target !== null)
      checkName(
        'target',
        target,
        known.targets?.map(({ name }) => name),
        problem,
      );
  }
  for (const label of seenLabels([draft.when, draft.unless])) checkName('label', label, labels(known), problem);
  const cure = draft.annotations.cure;
  if (cure?.kind === 'approval') checkApprovers(cure, known, problem);
  checkProtocol(draft, known, problem);
}

function checkApprovers(cure: RuleCure & { kind: 'approval' }, known: KnownNames, problem: Report): void {
  for (const group of new Set(cure.approvers.flat())) {
    checkName('group', group, known.groups, problem);
    if (known.agentGroups?.includes(group)) problem(`the approvers "${group}" are a group that an agent is in`);
  }
}

/** A control that the target's protocol cannot enforce must not look as if it were. */
function checkProtocol(draft: Draft, known: KnownNames, problem: Report): void {
  const key = draft.resource.equals ?? draft.resource.within;
  const name = key === null ? null : /^([A-Za-z]+)::(.*)$/s.exec(key);
  if (name === null || !TARGETED.has(name[1] ?? '')) return;
  // The key was made by `entityKey`, whose id is a JSON string.
  const target = targetOf(JSON.parse(name[2] ?? '""') as string);
  const protocol = known.targets?.find((one) => one.name === target)?.protocol;
  if (protocol === undefined || draft.action.kind === 'all') return;
  for (const action of draft.action.keys) {
    if (!PROTOCOL_ACTIONS[protocol].test(action))
      problem(`${action} never happens on "${target}", whose protocol is ${protocol}`);
  }
  const cure = draft.annotations.cure;
  if (cure !== null && !PROTOCOL_CURES[protocol].includes(cure.kind)) {
    problem(`@cure("${cure.kind}") cannot be enforced on "${target}", whose protocol is ${protocol}`);
  }
}

function checkName(what: string, name: string, known: readonly string[] | undefined, problem: Report): void {
  if (known === undefined || known.includes(name)) return;
  const near = known.find((one) => distance(one, name) <= 2);
  problem(`unknown ${what} "${name}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`);
}

function labels(known: KnownNames): readonly string[] | undefined {
  return known.labels === undefined ? undefined : [...known.labels, CATALOG, UNCLASSIFIED];
}

/** `crm@reports/public.t` lies in the target `crm`. */
function targetOf(id: string): string {
  return id.split(/[/@]/, 1)[0] ?? id;
}

/** Edits (insert, delete, replace) that turn one name into the other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

const TARGETED = new Set(['Target', 'Schema', 'Table', 'Column', 'Function', 'Host', 'Namespace', 'Route', 'Tool']);

/** What can happen on a target of each protocol; `act`, `any` and `data` are said of all. */
export const PROTOCOL_ACTIONS: Readonly<Record<ProtocolName, RegExp>> = {
  postgres: /^Action::"(open|sql(\..*)?|reveal|compare|assign|act|any|data)"$/,
  mysql: /^Action::"(open|sql(\..*)?|reveal|compare|assign|act|any|data)"$/,
  ssh: /^Action::"(open|ssh(\..*)?|sftp\..*|act|any)"$/,
  kubernetes: /^Action::"(open|k8s(\..*)?|reveal|compare|assign|secret\.reveal|act|any|data)"$/,
  http: /^Action::"(open|http(\..*)?|mcp(\..*)?|reveal|compare|assign|act|any|data)"$/,
};

/** Which cures each protocol can give. */
export const PROTOCOL_CURES: Readonly<Record<ProtocolName, readonly RuleCure['kind'][]>> = {
  postgres: ['mask', 'limit-rows', 'justification', 'analyzer', 'step-up', 'approval'],
  mysql: ['mask', 'limit-rows', 'justification', 'analyzer', 'step-up', 'approval'],
  ssh: ['justification', 'analyzer', 'step-up', 'approval'],
  kubernetes: ['mask', 'justification', 'analyzer', 'step-up', 'approval'],
  http: ['mask', 'justification', 'analyzer', 'step-up', 'approval'],
};
