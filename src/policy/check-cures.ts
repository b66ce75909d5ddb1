import type { Draft, Report } from './draft.ts';
import type { RuleCure } from './rule.ts';
import { ACTIONS, actionKey, actionLineage, CURE_FIELDS } from './schema.ts';
import { contextField, contextReads, hasNames, literal, type Node, operands, walk } from './syntax.ts';

/**
 * A cure is a promise that something lifts the forbid. These checks hold the rule to it: the field that is filled is read
 * where filling it lifts, nothing else reads it, and what is asked for can be given for these actions.
 */
export function checkCures(draft: Draft, problem: Report): void {
  checkFields(draft, problem);
  checkApprovedBy(draft, problem);
  const cure = draft.annotations.cure;
  if (cure === null) return;
  checkLifted(draft, cure, problem);
  checkActions(draft, cure, problem);
}

function checkFields(draft: Draft, problem: Report): void {
  const reads = contextReads([...draft.when, ...draft.unless]);
  if (reads.has('*')) problem('`context` can be used only by its attributes');
  for (const field of CURE_FIELDS) {
    if (!reads.has(field)) continue;
    if (draft.effect === 'permit') {
      problem(`a permit reads context.${field}: nobody would be asked; say it as a forbid with a cure`);
    } else if (MUST_CURE[field] !== undefined && draft.cureName !== MUST_CURE[field]) {
      problem(`reads context.${field} without @cure("${MUST_CURE[field]}")`);
    }
  }
}

/** An approval answers one rule. Reading another's id, or the set in any other way, would let it answer two. */
function checkApprovedBy(draft: Draft, problem: Report): void {
  walk([...draft.when, ...draft.unless], (node, parent) => {
    if (hasNames(node).includes('approvedBy')) problem('`has approvedBy` is always true');
    if (contextField(node) !== 'approvedBy') return;
    const id = parent !== null && 'right' in parent && parent.left === node ? literal(parent.right) : undefined;
    if (id !== draft.id) problem(`context.approvedBy can be used only as context.approvedBy.contains("${draft.id}")`);
  });
}

function checkLifted(draft: Draft, cure: RuleCure, problem: Report): void {
  const needed = LIFTED_BY[cure.kind](draft, cure);
  if (needed !== null) problem(needed);
}

const LIFTED_BY: Readonly<Record<RuleCure['kind'], (draft: Draft, cure: RuleCure) => string | null>> = {
  approval: (draft) =>
    draft.unless.some((body) => lifts(body, 'approvedBy', draft.id))
      ? null
      : `nothing lifts it: it needs \`unless { context.approvedBy.contains("${draft.id}") }\`, alone or beside ||`,
  analyzer: (draft, cure) => {
    const profile = cure.kind === 'analyzer' ? cure.profile : '';
    return draft.unless.some((body) => lifts(body, 'analyzedBy', profile))
      ? null
      : `nothing lifts it: it needs \`unless { context.analyzedBy.contains("${profile}") }\`, alone or beside ||`;
  },
  justification: (draft) => {
    if (!contextReads(draft.unless).has('justification')) {
      return 'nothing lifts it: it needs `unless { context.justification != "" }` or the like';
    }
    return draft.unless.some(liftedByNothing) ? 'an empty justification is none, and would lift it' : null;
  },
  'step-up': (draft) =>
    contextReads(draft.unless).has('presenceSeconds')
      ? null
      : 'nothing lifts it: it needs `unless { context.presenceSeconds < 300 }` or the like',
  'limit-rows': (draft, cure) => {
    const rows_max = cure.kind === 'limit-rows' ? cure.rows_max : 0;
    const bounds = draft.when.flatMap(rowBounds);
    if (bounds.length === 0) return `nothing lifts it: it needs \`when { context.rowsMax > ${rows_max} }\``;
    return bounds.every((bound) => rows_max <= bound)
      ? null
      : `@rows("${rows_max}") is more than its own condition allows`;
  },
  mask: (draft) => {
    const keys = draft.action.kind === 'named' ? draft.action.keys : [];
    return keys.length > 0 && keys.every((key) => MASKABLE.has(key))
      ? null
      : '@cure("mask") needs `action == Action::"reveal"` or `Action::"secret.reveal"`';
  },
};

/** `context.FIELD.contains("ID")`, alone or as one side of `||`. */
function lifts(body: unknown, field: string, id: string): boolean {
  const either = isObject(body) ? operands(body, '||') : null;
  if (either !== null) return lifts(either.left, field, id) || lifts(either.right, field, id);
  const call = isObject(body) ? operands(body, 'contains') : null;
  return call !== null && contextField(call.left) === field && literal(call.right) === id;
}

/** `context.justification like "*"` or `== ""`: true of a reason that was not given. */
function liftedByNothing(body: unknown): boolean {
  if (!isObject(body)) return false;
  const either = operands(body, '||');
  if (either !== null) return liftedByNothing(either.left) || liftedByNothing(either.right);
  const equal = operands(body, '==');
  if (equal !== null && contextField(equal.left) === 'justification') return literal(equal.right) === '';
  const like = isObject(body.like) ? body.like : null;
  if (like === null || contextField(like.left) !== 'justification' || !Array.isArray(like.pattern)) return false;
  return like.pattern.every((part) => part === 'Wildcard');
}

/** The largest row counts that `context.rowsMax > N` and the like let pass. */
function rowBounds(body: Node): readonly number[] {
  const bounds: number[] = [];
  walk(body, (node) => {
    const over = operands(node, '>');
    const atLeast = operands(node, '>=');
    if (over !== null && contextField(over.left) === 'rowsMax') bounds.push(Number(literal(over.right)));
    if (atLeast !== null && contextField(atLeast.left) === 'rowsMax') bounds.push(Number(literal(atLeast.right)) - 1);
  });
  return bounds;
}

/** What is asked for must be possible for every action the rule names, and the control plane is never curable. */
function checkActions(draft: Draft, cure: RuleCure, problem: Report): void {
  if (draft.action.kind === 'all') {
    problem('a rule with a cure names its actions: the control plane, which a bare `action` covers, cannot be cured');
    return;
  }
  for (const key of draft.action.keys) {
    if (key.startsWith('Control::')) problem(`${key} cannot be cured`);
    if (cure.kind === 'limit-rows' && key !== READ) problem(`rows can be limited for ${READ} only, not for ${key}`);
    if (cure.kind === 'analyzer' && key === OPEN) problem(`at ${OPEN} there is nothing to analyze yet`);
    if (cure.kind === 'analyzer' && DATA.has(key))
      problem(`${key} is part of another action; ask the analyzer about that one`);
  }
}

function isObject(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields that are useless, or never true, without the cure that fills them. */
const MUST_CURE: Readonly<Partial<Record<(typeof CURE_FIELDS)[number], RuleCure['kind']>>> = {
  approvedBy: 'approval',
  analyzedBy: 'analyzer',
  rowsMax: 'limit-rows',
};
const MASKABLE = new Set(['Action::"reveal"', 'Action::"secret.reveal"']);
const READ = 'Action::"sql.read"';
const OPEN = 'Action::"open"';
const DATA: ReadonlySet<string> = new Set(
  ACTIONS.filter((action) => actionLineage(action).includes('Action::"data"')).map(actionKey),
);
