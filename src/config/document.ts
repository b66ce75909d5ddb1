import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { type Problem, pathText } from './problem.ts';

/** One YAML file, its values, and where each of them stands. */
export interface ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** A problem at these keys; at the nearest key above where they do not exist. */
  problemAt(path: readonly PropertyKey[], message: string): Problem;
  /** A problem at the key itself rather than at its value: for a key that should not be there. */
  problemAtKey(path: readonly PropertyKey[], key: string, message: string): Problem;
}

/** `shown` is the name problems carry. */
export function readDocument(shown: string, text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', merge: false });
  const at = (offset: number | undefined, path: readonly PropertyKey[], message: string): Problem => {
    const position = offset === undefined ? null : lines.linePos(offset);
    return { file: shown, line: position?.line ?? null, column: position?.col ?? null, path: pathText(path), message };
  };
  const problems = [...document.errors, ...document.warnings].map((error) =>
    at(error.pos[0], [], `not valid YAML: ${oneLine(error.message)}`),
  );
  let value: unknown = null;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      const { offset, message } = unresolvedAlias(document) ?? {
        offset: 0,
        message: oneLine(error instanceof Error ? error.message : String(error)),
      };
      problems.push(at(offset, [], `not valid YAML: ${message}`));
    }
  }
  const nodeAt = (path: readonly PropertyKey[]): Node | null => {
    let node: unknown = document.contents;
    let found: Node | null = document.contents;
    for (const key of path) {
      node = child(node, key, document);
      if (node === null) break;
      found = node as Node; // `child` gives a node or null.
    }
    return found;
  };
  return {
    file: shown,
    value,
    problems,
    problemAt: (path, message) => at(nodeAt(path)?.range?.[0], path, message),
    problemAtKey: (path, key, message) => {
      const map = resolved(nodeAt(path), document);
      const pair = isMap(map)
        ? map.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
        : undefined;
      const offset = isScalar(pair?.key) ? pair.key.range?.[0] : map?.range?.[0];
      return at(offset, [...path, key], message);
    },
  };
}

type Parsed = ReturnType<typeof parseDocument>;

function child(node: unknown, key: PropertyKey, document: Parsed): Node | null {
  const collection = resolved(node, document);
  if (collection === null || !('get' in collection) || typeof key === 'symbol') return null;
  // A yaml collection's `get` with `true` returns the node instead of its value.
  const inner: unknown = (collection as unknown as { get(key: unknown, keep: true): unknown }).get(key, true);
  return typeof inner === 'object' && inner !== null && 'range' in inner ? (inner as Node) : null;
}

function resolved(node: unknown, document: Parsed): Node | null {
  if (isAlias(node)) return node.resolve(document) ?? null;
  return typeof node === 'object' && node !== null && 'range' in node ? (node as Node) : null;
}

/** `*.email` without quotes: the parser says so only when values are made, and not where. */
function unresolvedAlias(document: Parsed): { readonly offset: number; readonly message: string } | null {
  let found: { readonly offset: number; readonly message: string } | null = null;
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return undefined;
      const message = `*${alias.source} is an alias of nothing; in quotes, "*${alias.source}", it is text`;
      found = { offset: alias.range?.[0] ?? 0, message };
      return visit.BREAK;
    },
  });
  return found;
}

function oneLine(message: string): string {
  const first = message.split('\n')[0] ?? message;
  return first.charAt(0).toLowerCase() + first.slice(1);
}

const ALIASES_MAX = 100;
