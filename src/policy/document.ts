import type { Entity } from './closure.ts';

/**
 * JSON of a client as Cedar can read it: one tag for each path, list positions as `*` (`/owner`, `/files/*` + `/path`).
 * It never goes into a context as it is, where `{"__entity": …}` would be interpreted. What is too big, too deep or not
 * quite JSON is opaque: rules about documents ask for `!context.args.opaque`.
 */
export interface DocumentLimits {
  readonly paths_max: number;
  readonly depth_max: number;
  readonly document_bytes_max: number;
}

export const DOCUMENT_LIMITS: DocumentLimits = { paths_max: 500, depth_max: 16, document_bytes_max: 65_536 };

/** `id` tells the documents of one action apart. */
export function documentEntity(id: string, bytes: Uint8Array, limits: DocumentLimits = DOCUMENT_LIMITS): Entity {
  const uid = { type: 'Document', id };
  try {
    if (bytes.byteLength > limits.document_bytes_max) throw new Unreadable('too long');
    const reader = new DocumentReader(DECODER.decode(bytes), limits);
    return { uid, attrs: { opaque: false }, parents: [], tags: reader.read() };
  } catch (error) {
    // TypeError: not UTF-8.
    if (!(error instanceof Unreadable) && !(error instanceof TypeError)) throw error;
    return { uid, attrs: { opaque: true }, parents: [], tags: {} };
  }
}

class Unreadable extends Error {}

interface Tag {
  kind: string;
  readonly texts: string[];
}

/**
 * A JSON reader of our own (RFC 8259), because `JSON.parse` takes the last of two equal keys and rounds numbers, where the
 * server behind us may take the first and the digits.
 */
class DocumentReader {
  readonly #text: string;
  readonly #limits: DocumentLimits;
  readonly #tags = new Map<string, Tag>();
  #at = 0;

  constructor(text: string, limits: DocumentLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  read(): Readonly<Record<string, unknown>> {
    this.#value('', 0);
    this.#space();
    if (this.#at !== this.#text.length) throw new Unreadable('text after the value');
    return Object.fromEntries([...this.#tags].map(([path, tag]) => [path, tagValue(tag)]));
  }

  #value(path: string, depth: number): void {
    if (depth > this.#limits.depth_max) throw new Unreadable('too deep');
    this.#space();
    const first = this.#text[this.#at];
    if (first === '{') this.#object(path, depth);
    else if (first === '[') this.#list(path, depth);
    else if (first === '"') this.#put(path, 'string', this.#string());
    else this.#scalar(path);
  }

  #object(path: string, depth: number): void {
    this.#put(path, 'object', null);
    this.#at++;
    const keys = new Set<string>();
    if (this.#next('}')) return;
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') throw new Unreadable('a key that is no string');
      const key = this.#string();
      if (keys.has(key)) throw new Unreadable('a key twice');
      keys.add(key);
      if (!this.#next(':')) throw new Unreadable('a key without a value');
      this.#value(`${path}/${escapeKey(key)}`, depth + 1);
    } while (this.#next(','));
    if (!this.#next('}')) throw new Unreadable('an object without its end');
  }

  #list(path: string, depth: number): void {
    this.#put(path, 'array', null);
    this.#at++;
    if (this.#next(']')) return;
    do this.#value(`${path}/*`, depth + 1);
    while (this.#next(','));
    if (!this.#next(']')) throw new Unreadable('a list without its end');
  }

  #string(): string {
    STRING.lastIndex = this.#at;
    const match = STRING.exec(this.#text);
    if (match === null) throw new Unreadable('a string that does not end');
    this.#at = STRING.lastIndex;
    // The expression above is the grammar of a JSON string, so this cannot fail and cannot be anything else.
    const text = JSON.parse(match[0]) as string;
    if (!text.isWellFormed()) throw new Unreadable('a lone surrogate');
    return text;
  }

  #scalar(path: string): void {
    SCALAR.lastIndex = this.#at;
    const match = SCALAR.exec(this.#text);
    if (match === null) throw new Unreadable('no value');
    this.#at = SCALAR.lastIndex;
    const text = match[0];
    this.#put(path, text === 'null' ? 'null' : text === 'true' || text === 'false' ? 'boolean' : 'number', text);
  }

  #put(path: string, kind: string, text: string | null): void {
    let tag = this.#tags.get(path);
    if (tag === undefined) {
      if (this.#tags.size >= this.#limits.paths_max) throw new Unreadable('too many paths');
      this.#tags.set(path, (tag = { kind, texts: [] }));
    }
    if (tag.kind !== kind) tag.kind = 'mixed';
    if (text !== null) tag.texts.push(text);
  }

  #next(sign: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#text);
    this.#at = SPACE.lastIndex;
  }
}

/** `text`, `long` and `bool` only where the path has exactly one value of that kind. */
function tagValue(tag: Tag): Readonly<Record<string, unknown>> {
  const [text, ...others] = tag.texts;
  const value: Record<string, unknown> = { kind: tag.kind, texts: [...new Set(tag.texts)] };
  if (text === undefined || others.length > 0 || tag.kind === 'mixed') return value;
  value.text = text;
  if (tag.kind === 'number' && INTEGER.test(text) && Number.isSafeInteger(Number(text))) value.long = Number(text);
  if (tag.kind === 'boolean') value.bool = text === 'true';
  return value;
}

/** Of a key only its own characters may make a path: `~`, `/` and `*` are written `~0`, `~1`, `~2`. */
function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('*', '~2');
}

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"/y;
const SCALAR = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
