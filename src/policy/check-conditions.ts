import type { Draft, Report } from './draft.ts';
import { CONTEXTS } from './schema.ts';
import { contextField, hasNames, isNode, literal, type Node, operands, walk } from './syntax.ts';

/** What Cedar's validator lets pass in a condition although it cannot mean what it says. */
export function checkConditions(draft: Draft, problem: Report): void {
  walk([...draft.when, ...draft.unless], (node) => {
    checkPattern(node, problem);
    checkArithmetic(node, problem);
    checkHas(node, problem);
    checkValue(node, problem);
    checkTag(node, problem);
  });
}

/** Cedar's only wildcard is `*`. */
function checkPattern(node: Node, problem: Report): void {
  const pattern = isNode(node.like) ? node.like.pattern : null;
  if (!Array.isArray(pattern)) return;
  // A part is the text `Wildcard` or `{ Literal: … }`.
  const texts = pattern.map((part) => (isNode(part) && typeof part.Literal === 'string' ? part.Literal : '*'));
  if (texts.some((text) => text.includes('?'))) {
    problem(`\`?\` in the pattern "${texts.join('')}" is a literal question mark; the only wildcard is \`*\``);
  }
}

/** A sum that overflows is an error, and an error refuses everything the rule might have been asked about. */
function checkArithmetic(node: Node, problem: Report): void {
  for (const [operator, sign] of Object.entries(ARITHMETIC)) {
    if (operator in node) problem(`arithmetic (\`${sign}\`) may overflow; compare with a literal instead`);
  }
}

function checkHas(node: Node, problem: Report): void {
  for (const name of hasNames(node)) {
    if (!ATTRIBUTES.has(name)) problem(`\`has ${name}\`: no such attribute anywhere`);
  }
}

/** `context.comparison == "lookpu"` is well typed and never true. */
function checkValue(node: Node, problem: Report): void {
  for (const operator of ['==', '!=']) {
    const sides = operands(node, operator);
    if (sides === null) continue;
    for (const [field, value] of [
      [contextField(sides.left), literal(sides.right)],
      [contextField(sides.right), literal(sides.left)],
    ]) {
      const values = typeof field === 'string' ? VALUES.get(field) : undefined;
      if (values !== undefined && typeof value === 'string' && !values.includes(value)) {
        problem(`context.${String(field)} is never "${value}" (it is one of ${values.join(', ')})`);
      }
    }
  }
}

/** The tags of a document are paths: `/owner`, `/files/*` + `/path`; the empty one is the whole. */
function checkTag(node: Node, problem: Report): void {
  for (const operator of ['hasTag', 'getTag']) {
    const sides = operands(node, operator);
    if (sides === null || contextField(sides.left) === null) continue;
    const path = literal(sides.right);
    if (typeof path !== 'string') problem(`\`${operator}\` on a document needs a literal path`);
    else if (path !== '' && !path.startsWith('/')) problem(`no tag of a document is "${path}"; paths begin with \`/\``);
  }
}

const ARITHMETIC: Readonly<Record<string, string>> = {
  '+': '+',
  '-': '-',
  '*': '*',
  neg: '-',
  offset: 'offset',
  durationSince: 'durationSince',
};
const VALUES: ReadonlyMap<string, readonly string[]> = new Map(
  Object.values(CONTEXTS).flatMap((attributes) =>
    Object.entries(attributes).flatMap(([name, attribute]) =>
      'values' in attribute ? [[name, attribute.values] as const] : [],
    ),
  ),
);
/** Every attribute of a context, of the records in it, and of the entities. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  ...Object.values(CONTEXTS).flatMap((attributes) => Object.keys(attributes)),
  ...['rows', 'bytes', 'statements', 'lookups', 'refusals'],
  ...['kind', 'texts', 'text', 'long', 'bool'],
  ...['provider', 'person', 'mayApprove', 'onBehalfOf'],
]);
