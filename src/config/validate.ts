import { z } from 'zod';
import type { ConfigDocument } from './document.ts';
import { nearest, type Problem } from './problem.ts';

export type Validated<Value> =
  | { readonly outcome: 'valid'; readonly value: Value }
  | { readonly outcome: 'invalid'; readonly problems: readonly Problem[] };

/** Validates a value that stands at `path` of a document; every problem at once, each where it stands. */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  document: ConfigDocument,
  path: readonly PropertyKey[] = [],
): Validated<z.output<Schema>> {
  const result = schema.safeParse(value);
  if (result.success) return { outcome: 'valid', value: result.data };
  const problems = result.error.issues.flatMap((issue) => explain(issue, { schema, value, document, base: path }));
  return { outcome: 'invalid', problems };
}

interface Place {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly document: ConfigDocument;
  readonly base: readonly PropertyKey[];
}

type Issue = z.core.$ZodIssue;

function explain(issue: Issue, place: Place, above: readonly PropertyKey[] = []): readonly Problem[] {
  const inner = [...above, ...issue.path];
  const path = [...place.base, ...inner];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(place.schema, inner);
    return issue.keys.map((key) => place.document.problemAtKey(path, key, unknownKey(key, known)));
  }
  if (issue.code === 'invalid_union') return explainUnion(issue, place, inner);
  if (issue.code === 'invalid_key') {
    const key = String(inner.at(-1));
    const why = issue.issues.map((nested) => nested.message).join('; ');
    return [place.document.problemAtKey(path.slice(0, -1), key, `${JSON.stringify(key)} cannot be a key here: ${why}`)];
  }
  return [place.document.problemAt(path, sentence(issue, at(place.value, inner)))];
}

/** The problems of the one alternative that was meant; where none is, what the alternatives are. */
function explainUnion(
  issue: Issue & { code: 'invalid_union' },
  place: Place,
  inner: readonly PropertyKey[],
): readonly Problem[] {
  const path = [...place.base, ...inner];
  const value = at(place.value, inner);
  if (issue.errors.length === 0) {
    const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
    return [place.document.problemAt(path, expectedOneOf(options, value))];
  }
  const meant = issue.errors.filter((alternative) => alternative.every((nested) => !isOtherKind(nested)));
  const [best] = [...meant].sort((one, other) => one.length - other.length);
  if (best !== undefined) return best.flatMap((nested) => explain(nested, place, inner));
  const values = issue.errors
    .flat()
    .flatMap((nested) => (isOtherKind(nested) && 'values' in nested ? nested.values : []));
  if (typeof value === 'string' && values.length > 0) {
    const mapping = issue.errors
      .flat()
      .some((nested) => nested.code === 'invalid_type' && nested.expected === 'object');
    return [
      place.document.problemAt(path, `${expectedOneOf(values.map(String), value)}${mapping ? '; or a mapping' : ''}`),
    ];
  }
  const words = issue.errors.flatMap((alternative) => alternative.filter(isOtherKind).map(expectation));
  return [place.document.problemAt(path, `expected ${[...new Set(words)].join(' or ')}, found ${kindOf(value)}`)];
}

/** An alternative of a union that this value was never meant to be: a list where a mapping stands. */
function isOtherKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type') return typeWord(issue.expected);
  if (issue.code === 'invalid_value') return issue.values.map(String).join(' or ');
  return 'something else';
}

function sentence(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined ? 'is missing' : `expected ${typeWord(issue.expected)}, found ${kindOf(value)}`;
    case 'invalid_value':
      return value === undefined ? 'is missing' : expectedOneOf(issue.values.map(String), value);
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array' ? 'is empty' : `is below ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' ? `is longer than ${issue.maximum} characters` : `is above ${issue.maximum}`;
    case 'invalid_format':
      return issue.format === 'url' ? 'is not a URL' : issue.message;
    default:
      return issue.message;
  }
}

/** Values of fixed sets are no secrets: what was written may be shown. */
function expectedOneOf(options: readonly string[], value: unknown): string {
  const list = options.length === 1 ? `expected ${options[0]}` : `expected one of ${options.join(', ')}`;
  if (value === undefined) return `${list}; it is missing`;
  if (typeof value !== 'string') return `${list}, found ${kindOf(value)}`;
  const guess = nearest(value, options);
  return `${list}, found ${JSON.stringify(value.slice(0, 80))}${guess === null ? '' : `; did you mean ${guess}?`}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  if (guess !== null) return `unknown key; did you mean ${guess}?`;
  return known.length > 0 && known.length <= 12 ? `unknown key; known are ${known.join(', ')}` : 'unknown key';
}

function typeWord(expected: string): string {
  const words: Record<string, string> = {
    string: 'text',
    record: 'a mapping',
    object: 'a mapping',
    array: 'a list',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
  };
  return words[expected] ?? expected;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'number') return 'a number (put it in quotes if text is meant)';
  if (typeof value === 'boolean') return `${value} (put it in quotes if text is meant)`;
  return 'text';
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<PropertyKey, unknown>)[key]; // Any object can be asked for any key.
  }
  return here;
}

/** The keys that a mapping at this path may have, in every alternative that allows a mapping there. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  return [
    ...new Set(
      schemasAt(schema, path).flatMap((found) => (found instanceof z.ZodObject ? Object.keys(found.shape) : [])),
    ),
  ];
}

export function schemasAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly z.ZodType[] {
  let found = unwrap(schema);
  for (const key of path) {
    found = found.flatMap((one) => {
      // Zod's own accessors are typed by its core classes, which every schema made here extends.
      if (one instanceof z.ZodObject) return unwrap(one.shape[String(key)] as z.ZodType | undefined);
      if (one instanceof z.ZodArray) return unwrap(one.element as z.ZodType);
      if (one instanceof z.ZodRecord) return unwrap(one.valueType as z.ZodType);
      return [];
    });
  }
  return found;
}

function unwrap(schema: z.ZodType | undefined): z.ZodType[] {
  if (schema === undefined) return [];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => unwrap(option as z.ZodType));
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.unwrap() as z.ZodType);
  }
  return [schema];
}
